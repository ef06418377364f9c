"""Counting what happened to events, and saying each kind of trouble once.

A pipeline that emits a million events into a full disk must not write a million log lines; the counters keep the number and the
first occurrence of every kind is logged with its text.
"""
from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, fields

__all__ = ["Counts", "Stats"]

logger = logging.getLogger("ingest_hooks")


@dataclass(frozen=True, slots=True)
class Stats:
    """Events of this process so far, unless said otherwise.

    `emitted` = `spooled` + dead before spooling + `dropped`. `sent` counts envelopes handed to the service, repeats included;
    `acknowledged` the events it took (`duplicates` of them it had already). `dead` lie in `dead/`; `dropped` are gone.
    `unsynced` were written but the disk did not confirm them. `retries` counts requests that were repeated, `artifacts` the
    uploads, `pending` the records still in the spool, those of earlier processes included.
    """

    emitted: int = 0
    spooled: int = 0
    sent: int = 0
    acknowledged: int = 0
    duplicates: int = 0
    dead: int = 0
    dropped: int = 0
    retries: int = 0
    unsynced: int = 0
    artifacts: int = 0
    pending: int = 0


_NAMES = frozenset(field.name for field in fields(Stats))


class Counts:
    """Thread-safe counters behind `Stats`, and the log that speaks once per kind."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[str, int] = dict.fromkeys(_NAMES, 0)
        self._said: set[str] = set()

    def add(self, name: str, by: int = 1) -> None:
        with self._lock:
            self._values[name] += by

    def trouble(self, kind: str, text: str, *, level: int = logging.WARNING) -> None:
        """Log `text` if this `kind` was not logged before in this process."""
        with self._lock:
            if kind in self._said:
                return
            self._said.add(kind)
        logger.log(level, "%s (further %s is counted, not logged)", text, kind)

    def settled(self, kind: str) -> None:
        """The trouble is over: log it again if it comes back."""
        with self._lock:
            self._said.discard(kind)

    def stats(self, *, pending: int = 0) -> Stats:
        with self._lock:
            return Stats(**{**self._values, "pending": pending})
