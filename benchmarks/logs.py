"""A log to measure on: begun like any other, with one registered producer."""
from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Any

from benchmarks.events import signed_events
from ingest_hooks.signer import Signed
from lineproof_audit.append import BATCH_ENTRIES, Ack, NewEntry
from lineproof_audit.envelope import PAYLOAD_OPENLINEAGE, parse_envelope
from lineproof_audit.errors import AuditError
from lineproof_audit.init import ROOT_ADMIN_KEY, register_key
from lineproof_audit.keys import SigningKey
from lineproof_audit.log import Log

__all__ = ["BenchLog", "append_all", "append_one", "open_log", "repeated"]

WINDOW = 8  # batches under way at once; half the appender's queue


@dataclass(frozen=True, slots=True)
class BenchLog:
    """An open log and the producer that may write to it."""

    log: Log
    key: SigningKey
    tenant: str

    def entry(self, signed: Signed, *, event_id: str | None = None) -> NewEntry:
        """What intake would append for this envelope; with the envelope parsed, as intake has it."""
        parsed = parse_envelope(signed.envelope)
        return NewEntry(signed.envelope, PAYLOAD_OPENLINEAGE, "openlineage.run", self.tenant, self.key.keyid, "PRODUCER", None, "benchmarks",
                        event_id or signed.id, parsed)

    def entries(self, events: Iterable[dict[str, Any]]) -> list[NewEntry]:
        """Signed entries of one stream."""
        return [self.entry(signed) for signed in signed_events(iter(events), self.key, self.log.origin)]


@contextmanager
def open_log(directory: Path, database_url: str | None = None) -> Iterator[BenchLog]:
    """A new log in `directory`, or in a database with its keys in `directory`."""
    data = directory / "data"
    log = Log.open(database_url or data, create=True, data=data if database_url else None, state_dir=directory / "state")
    try:
        policy = log.keyring.policy
        assert policy is not None
        key, tenant = SigningKey.generate(), policy.tenants[0].id
        register_key(log.appender, SigningKey.load(log.state_dir / f"{ROOT_ADMIN_KEY}.pem"), key.verify_key, origin=log.origin, tenant=tenant)
        yield BenchLog(log, key, tenant)
    finally:
        log.close()


def repeated(events: Sequence[NewEntry]) -> Iterator[NewEntry]:
    """Entries without end: these, again and again under event ids of their own."""
    for position, entry in enumerate(cycle(events)):
        yield replace(entry, event_id=f"event {position}")


def append_all(log: Log, entries: Sequence[NewEntry]) -> None:
    """Append in order, as fast as the log takes them; every acknowledgement is waited for."""
    waiting: deque[Future[list[Ack | AuditError]]] = deque()
    for start in range(0, len(entries), BATCH_ENTRIES):
        waiting.append(log.appender.submit_together([log.appender.prepare(entry) for entry in entries[start:start + BATCH_ENTRIES]]))
        if len(waiting) > WINDOW:
            _require(waiting.popleft())
    for answers in waiting:
        _require(answers)


def _require(answers: Future[list[Ack | AuditError]]) -> None:
    for answer in answers.result():
        if not isinstance(answer, Ack):
            raise answer


def append_one(log: Log, entry: NewEntry) -> Ack:
    """Append one and wait for its acknowledgement."""
    return log.appender.submit(entry).result()
