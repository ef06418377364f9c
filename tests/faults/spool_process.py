"""A pipeline that emits through a spool: `python -m tests.faults.spool_process KEY SPOOL URL TOKEN EVENTS`.

Writes `id status` for each event when `emit` has returned, and at the end, when everything was given up or delivered, `pending N`.
"""
from __future__ import annotations

import sys

from ingest_hooks import Emitter


def main() -> None:
    key, spool, url, token, events = sys.argv[1:]
    emitter = Emitter(key=key, spool=spool, url=url, token=token, source="faults")
    for number in range(int(events)):
        if number % 10 == 3:
            emitter.artifact(f"select {number}".encode())
        receipt = emitter.dataset(namespace="demo", name=f"spooled{number % 7}", description="d" * 3_000)
        sys.stdout.write(f"{receipt.id} {receipt.status}\n")
        sys.stdout.flush()
        if number % 10 == 9:
            emitter.flush(0.5)
    emitter.flush(20)
    sys.stdout.write(f"pending {emitter.stats().pending}\n")
    emitter.close(1)


if __name__ == "__main__":
    main()
