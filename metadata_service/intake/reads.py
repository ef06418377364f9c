"""The log of reads: what auditors asked and who read classified data, as entries of the log itself.

At most one entry per viewer and minute, however much is read, and none about writing them. Counts are gathered in memory: a process that is
killed loses those of its last minute.
"""
from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import rfc8785

from lineproof_audit.append import Appender, NewEntry
from lineproof_audit.batch import instant
from lineproof_audit.envelope import PAYLOAD_CLOUDEVENT, sign_envelope
from lineproof_audit.keys import SigningKey
from lineproof_schema.errors import LineproofError
from metadata_service.access import Viewer
from metadata_service.telemetry import logger

__all__ = ["CLASSIFIED", "ReadLog"]

READ_MINUTE_US: Final = 60_000_000
LOOK_SECONDS: Final = 5.0
CLASSIFIED: Final = "classified"  # what a read of classified data is called, whatever the question was
ACCESS: Final = "lineproof.access.v1"
_LOG = logger(__name__)


@dataclass(slots=True)
class _Reads:
    tenant: str
    since: int
    until: int
    count: int = 0
    what: set[str] = field(default_factory=set)


class ReadLog:
    """Gathers reads and appends them. Thread-safe; nothing that reads ever waits for it."""

    def __init__(self, appender: Appender, notary: SigningKey, origin: str, clock: Callable[[], float] = time.time) -> None:
        self._appender = appender
        self._notary = notary
        self._origin = origin
        self._clock = clock
        self._lock = threading.Lock()
        self._gathered: dict[str, _Reads] = {}

    def asked(self, viewer: Viewer, question: str) -> None:
        """`viewer` asked a question, by its name in GraphQL; that of an auditor is noted."""
        if "auditor" in viewer.roles:
            self.note(viewer, question)

    def note(self, viewer: Viewer, what: str) -> None:
        """`viewer` read; `what` is the name of a question, or `CLASSIFIED`."""
        now = self._now()
        with self._lock:
            reads = self._gathered.setdefault(viewer.id, _Reads(viewer.tenant, now, now))
            reads.count, reads.until = reads.count + 1, max(reads.until, now)
            reads.what.add(what)

    def flush(self, *, everything: bool = False) -> int:
        """Append what was gathered for a minute or longer, or all of it; how many entries that made.

        Raises:
            LineproofError: an entry could not be appended; its reads are kept for the next time.
        """
        now = self._now()
        with self._lock:
            due = [viewer for viewer, reads in self._gathered.items() if everything or now - reads.since >= READ_MINUTE_US]
            gathered = [(viewer, self._gathered.pop(viewer)) for viewer in due]
        failed: LineproofError | None = None
        for (viewer, reads), future in zip(gathered, self._appender.submit_many([self._entry(viewer, reads, now) for viewer, reads in gathered]), strict=True):
            try:
                future.result()
            except LineproofError as error:
                failed = error
                self._keep(viewer, reads)
        if failed is not None:
            raise failed
        return len(gathered)

    def _keep(self, viewer: str, reads: _Reads) -> None:
        with self._lock:
            newer = self._gathered.setdefault(viewer, _Reads(reads.tenant, reads.since, reads.until))
            newer.since, newer.until, newer.count = reads.since, max(newer.until, reads.until), newer.count + reads.count
            newer.what |= reads.what

    async def follow(self) -> None:
        """Append as minutes pass, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await asyncio.to_thread(self.flush)
            except LineproofError as error:
                _LOG.warning("reads wait to be logged", code=error.code, detail=error.detail)

    def _entry(self, viewer: str, reads: _Reads, now: int) -> NewEntry:
        event_id = str(uuid.uuid4())
        data: dict[str, Any] = {"viewer": viewer, "reads": reads.count, "since": instant(reads.since), "until": instant(reads.until),
                                "what": sorted(reads.what)}
        payload = rfc8785.dumps({"specversion": "1.0", "id": event_id, "source": self._origin, "type": ACCESS, "time": instant(now), "audience": self._origin,
                                 "datacontenttype": "application/json", "data": data})
        return NewEntry(sign_envelope(PAYLOAD_CLOUDEVENT, payload, self._notary), PAYLOAD_CLOUDEVENT, ACCESS, reads.tenant, self._notary.keyid, "SERVICE",
                        viewer, self._origin, event_id)

    def _now(self) -> int:
        return int(self._clock() * 1_000_000)
