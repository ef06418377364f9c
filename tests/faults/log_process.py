"""A process that begins a log, appends to it, integrates and signs: what of `lineproof serve` writes to a disk, without the web server.

Run as `python -m tests.faults.log_process DATA STATE EVENTS`. It sends its events in order, each again until it is acknowledged, and writes
`event index leaf` for each acknowledgement before it goes on. Run again it sends all of them again.
"""
from __future__ import annotations

import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from lineproof_audit.append import Ack
from lineproof_audit.errors import AuditError
from lineproof_audit.init import ROOT_ADMIN_KEY, register_key
from lineproof_audit.keys import SigningKey
from lineproof_audit.log import Log
from tests.log_entries import PRODUCER, new_entry

BATCH = 50
TRIES = 40

_T = TypeVar("_T")


def again(work: Callable[[], _T], *, whatever: bool = False) -> _T:
    """Until it works; what cannot be retried (unless `whatever`), and what never works, is raised."""
    for _ in range(TRIES - 1):
        try:
            return work()
        except AuditError as error:
            if not (error.entry.retriable or whatever):
                raise
            time.sleep(0.01)
    return work()


@dataclass
class Sending:
    """An event on its way; called again after an error, it is sent again."""

    log: Log
    tenant: str
    number: int
    under_way: Future[Ack] | None

    def __call__(self) -> Ack:
        future, self.under_way = self.under_way or self.log.appender.submit(new_entry(str(self.number), tenant=self.tenant)), None
        return future.result(30)


def main() -> None:
    data, state, events = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    with Log.open(data, create=True, state_dir=state) as log:
        assert log.keyring.policy is not None
        tenant = log.keyring.policy.tenants[0].id
        if log.reader.size() == 2:
            admin = SigningKey.load(log.state_dir / f"{ROOT_ADMIN_KEY}.pem")
            again(lambda: register_key(log.appender, admin, PRODUCER.verify_key, origin=log.origin, tenant=tenant))
        for start in range(0, events, BATCH):
            numbers = range(start, min(start + BATCH, events))
            for number, future in zip(numbers, log.appender.submit_many(new_entry(str(number), tenant=tenant) for number in numbers), strict=True):
                ack = again(Sending(log, tenant, number, future))
                sys.stdout.write(f"{number} {ack.index} {ack.leaf.hex()}\n")
            sys.stdout.flush()
            again(log.integrator.step, whatever=True)  # as `Integrator.run`


if __name__ == "__main__":
    main()
