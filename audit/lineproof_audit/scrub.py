"""The scrubber: a log is read again, slowly and for ever, so that what rots or is edited is found before somebody needs it.

Each pass is one of `fsck` over the store: leaf against body, tree, tiles, derived columns, signatures, stored checkpoints and trees. It is paced, by
one process of a log at a time (the one that integrates), and its standpoint is kept in a file, so that a service that is restarted every hour comes to
the end of a large log all the same. What was found stands until a whole pass has found nothing. The file is no evidence: who can write it can have
entries passed over once, in one pass.
"""
from __future__ import annotations

import json
import logging
import threading
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lineproof_audit.base64text import decode_base64, encode_base64
from lineproof_audit.durable import replace_file
from lineproof_audit.errors import AuditError, CorruptLog
from lineproof_audit.folder import Folder
from lineproof_audit.fsck import Finding, FsckPass, Standpoint
from lineproof_audit.fsck_store import StoreSource
from lineproof_audit.store import LogStore
from lineproof_audit.tree import CompactRange

__all__ = ["Scrubbed", "Scrubber", "Trouble"]

STATE_VERSION = 1
STEP_ENTRIES = 50  # checked without a break: some 10 ms
READ_ENTRIES = 200  # read at once
SAVE_SECONDS = 5.0  # of work that a kill costs
PAUSE_SECONDS = 10.0  # between passes; also until a database that is away is asked again
TOLD_PER_PASS = 10  # findings of a pass that are logged one by one

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong: how many errors, the lowest entry that has one (None if only the log as a whole is wrong), and the kind of the first that was met."""

    errors: int
    first_bad_index: int | None
    kind: str
    code: str = CorruptLog.code

    def and_another(self, finding: Finding) -> Trouble:
        indices = [index for index in (self.first_bad_index, finding.index) if index is not None]
        return replace(self, errors=self.errors + 1, first_bad_index=min(indices, default=None))

    def beside(self, other: Trouble | None) -> Trouble:
        """Both: of an earlier pass and of this one."""
        if other is None:
            return self
        indices = [index for index in (self.first_bad_index, other.first_bad_index) if index is not None]
        return replace(self, errors=max(self.errors, other.errors), first_bad_index=min(indices, default=None))


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """How far it has come. `passes` were made whole, the last one at `completed` (POSIX seconds, None before); `before` is what that one found, `found` what
    the pass that runs has found so far."""

    passes: int = 0
    completed: int | None = None
    before: Trouble | None = None
    found: Trouble | None = None

    @property
    def trouble(self) -> Trouble | None:
        """What is known to be wrong."""
        return self.before if self.found is None else self.found.beside(self.before)


class _Stopped(Exception):
    """Ends a pass between two steps."""


class Scrubber:
    """Scrubs one log in the thread that calls `run`; `scrubbed` and `position` may be read from others.

    Args:
        store: the log.
        file: where the standpoint is kept.
        origin: the log's name; a standpoint of another log is not gone on from.
        rate: entries a second, at most.
        published: the folder the log is published to, whose checkpoint is checked with the others.
    """

    def __init__(self, store: LogStore, file: Path, origin: str, *, rate: int, published: Folder | None = None) -> None:
        self._store, self._file, self._origin, self._rate, self._published = store, file, origin, rate, published
        self._stands = Standpoint()
        self._told = 0
        self._unread: str | None = None
        self.scrubbed = Scrubbed()
        self._load()

    @property
    def position(self) -> int:
        """Entries that the running pass has checked."""
        return self._stands.tree.size

    def run(self, stop: threading.Event) -> None:
        """Make passes until `stop` is set; then its standpoint is kept."""
        while not stop.is_set():
            try:
                if self._store.elect() is not None:
                    self._pass(stop)
                self._unread = None
            except _Stopped:
                pass
            except CorruptLog as error:  # so damaged that no pass gets through
                self._tell(Finding("error", "unreadable", None, error.detail))
                self._complete()
            except AuditError as error:
                if self._unread != error.code:
                    _log.warning("the log cannot be scrubbed now: %s: %s", error.code, error.detail)
                self._unread = error.code
            self._save()
            stop.wait(PAUSE_SECONDS)

    def _pass(self, stop: threading.Event) -> None:
        source = StoreSource(self._store, self._published, batch=READ_ENTRIES)
        if self._stands.tree.size > source.size():
            self._stands = Standpoint()  # of another copy of the log, or of a file that somebody wrote
        began = saved = time.monotonic()
        with FsckPass(source, start=self._stands, told=self._tell, processes=1) as started:

            def step(done: int) -> None:
                nonlocal began, saved
                self._stands = started.standpoint()
                now = time.monotonic()
                if now - saved > SAVE_SECONDS:
                    saved = now
                    self._save()
                    if self._store.elect() is None:
                        raise _Stopped  # another process integrates now, and scrubs
                if stop.wait(max(0.0, STEP_ENTRIES / self._rate - (now - began))):
                    raise _Stopped
                began = time.monotonic()

            started.run(step, every=STEP_ENTRIES)
        self._complete()

    def _complete(self) -> None:
        """The pass came to its end; the next one begins at the first entry."""
        found, before = self.scrubbed.found, self.scrubbed.before
        if found is not None and found != before:  # what is known since the last pass is on the metrics and in readyz
            _log.error("%s: the scrubber found %d errors, the first at entry %s; run lineproof log fsck", found.code, found.errors, found.first_bad_index)
        elif found is None and before is not None:
            _log.warning("a whole pass of the scrubber found nothing any more; before, entry %s was wrong", before.first_bad_index)
        self.scrubbed = Scrubbed(self.scrubbed.passes + 1, int(time.time()), found)
        self._stands, self._told = Standpoint(), 0

    def _tell(self, finding: Finding) -> None:
        found = self.scrubbed.found
        self.scrubbed = replace(self.scrubbed, found=Trouble(1, finding.index, finding.kind) if found is None else found.and_another(finding))
        if self._told < TOLD_PER_PASS and self.scrubbed.before is None:
            _log.error("%s: the scrubber found at entry %s: %s: %s", CorruptLog.code, finding.index, finding.kind, finding.detail)
        self._told += 1

    # -- the file

    def _save(self) -> None:
        document = {"v": STATE_VERSION, "origin": self._origin, "tree": encode_base64(self._stands.tree.to_bytes()), "received": self._stands.received,
                    "missing": {str(index): event_type for index, event_type in self._stands.missing.items()}, "scrubbed": asdict(self.scrubbed)}
        try:
            replace_file(self._file, json.dumps(document).encode(), 0o600)
        except OSError as error:
            _log.warning("the scrubber cannot keep its standpoint in %s: %s", self._file, error.strerror)

    def _load(self) -> None:
        """What cannot be read is begun anew."""
        try:
            document = json.loads(self._file.read_bytes())
            if document["v"] != STATE_VERSION or document["origin"] != self._origin:
                return
            stands = Standpoint(CompactRange.from_bytes(decode_base64(document["tree"])), int(document["received"]),
                                {int(index): str(event_type) for index, event_type in document["missing"].items()})
            told = document["scrubbed"]
            completed = None if told["completed"] is None else int(told["completed"])
            self.scrubbed = Scrubbed(int(told["passes"]), completed, _trouble(told["before"]), _trouble(told["found"]))
            self._stands = stands
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return


def _trouble(document: dict[str, Any] | None) -> Trouble | None:
    if document is None:
        return None
    first = document["first_bad_index"]
    return Trouble(int(document["errors"]), None if first is None else int(first), str(document["kind"]))
