"""Entries with today's bodies: what was erased is gone from the first entry on, and what stands in for it speaks in its place."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from lineproof_audit.erasures import Erasures
from lineproof_audit.store import UNERASABLE_TYPES, StoredEntry
from metadata_service.projector.entry import ProjectableEntry, open_entry
from metadata_service.projector.parts import Parts

__all__ = ["BodySource", "TodaysBodies"]


class BodySource(Protocol):
    """What is needed of a log reader."""

    def size(self) -> int:
        """Entries committed."""

    def entry(self, index: int) -> StoredEntry:
        """One entry."""

    def control_entries(self, start: int = 0, stop: int | None = None) -> Iterator[StoredEntry]:
        """Genesis, key, policy and erasure entries in order."""


class TodaysBodies:
    """Opens entries of one log, with the erasures of the whole log known first. Blocking: call it in a worker thread."""

    def __init__(self, reader: BodySource) -> None:
        self._reader = reader
        self._scanned = 0
        self._parts = Parts()
        self.erasures = Erasures()

    def follow(self) -> int:
        """Fold in the erasures that came since; the log's size."""
        size = self._reader.size()
        for stored in self._reader.control_entries(self._scanned, size):
            self.erasures.apply(stored)
        self._scanned = max(self._scanned, size)
        return size

    def open(self, stored: StoredEntry) -> ProjectableEntry:
        """The entry as it stands by the erasures that were folded in."""
        erased, replaced = self.erasures.stand_ins, self.erasures.replacements
        if stored.fields.event_type in UNERASABLE_TYPES:
            return open_entry(stored, self._parts)  # the log stands on it: an erasure that names it is void
        if stored.index in erased:
            return open_entry(stored, self._parts, stands_in_for=erased[stored.index])
        if stored.index in replaced:
            other = replaced[stored.index]
            bare = StoredEntry(stored.index, stored.leaf, stored.fields, None, None)  # its body may be there a moment longer
            return open_entry(bare, self._parts, replacement=self._reader.entry(other) if other is not None and other < self._scanned else None)
        return open_entry(stored, self._parts)
