"""What became of the numbers that producers gave their events: which entries each stream has, and which numbers are missing.

`fsck` reads a whole log to find gaps. This answers the same for a window of it, again and again: it reads every entry once and remembers of
each no more than its stream and number. A gap belongs to the entry at which it showed, so that windows side by side count each once.
"""
from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Lock
from typing import Protocol

from lineproof_audit.envelope import parse_envelope
from lineproof_audit.erasures import ERASURE, Erasures, LoggedEntry
from lineproof_audit.errors import EnvelopeError
from lineproof_audit.facts import EventFacts, event_facts
from lineproof_audit.keyring import KEYRING_TYPES
from lineproof_audit.streams import StreamTracker

__all__ = ["AccountedStream", "MissingNumbers", "Streams", "WindowAccount"]


class EntryReader(Protocol):
    """What is read of a log."""

    def entry(self, index: int) -> LoggedEntry:
        """One entry."""

    def entries(self, start: int, stop: int) -> Iterator[LoggedEntry]:
        """Entries `start..stop-1`."""


@dataclass(frozen=True, slots=True)
class MissingNumbers:
    """Numbers `first` to `last` never arrived; it showed at entry `shown_at`. `maybe_erased`: the same signer has erased entries, whose numbers
    nobody can read any more."""

    first: int
    last: int
    shown_at: int
    maybe_erased: bool


@dataclass(frozen=True, slots=True)
class AccountedStream:
    """One producer's stream within a window.

    Attributes:
        signer, stream: the key that signed, and the stream's UUID.
        events: its entries in the window; `first` and `last` are the lowest and the highest number among them.
        closed: the producer said which event is its last one. If not, whether there were more is unknown.
        missing: what never arrived, as far as it showed in the window.
        broken: entries in the window that name another payload as the one before them than the one that is there.
    """

    signer: str
    stream: str
    events: int
    first: int
    last: int
    closed: bool
    missing: tuple[MissingNumbers, ...]
    broken: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WindowAccount:
    """The window [start, end) by producer.

    Attributes:
        streams: by signer and stream.
        unnumbered: entries that no producer numbered (unsigned ones, and the log's own).
        erased: entries without a body that an erasure entry names.
        bodiless: entries without a body that none does.
    """

    streams: tuple[AccountedStream, ...]
    unnumbered: int
    erased: tuple[int, ...]
    bodiless: tuple[int, ...]


@dataclass(slots=True)
class _Line:
    """A stream: the entries it has, their numbers, and what is wrong with them."""

    indices: array[int] = field(default_factory=lambda: array("q"))
    numbers: array[int] = field(default_factory=lambda: array("q"))
    closed_at: int | None = None
    broken: list[int] = field(default_factory=list)


class Streams:
    """Reads a log once, in order, as far as it is asked to, and accounts for windows of it. Safe for use from several threads.

    Raises everywhere:
        LogUnavailable, CorruptLog: as the reader.
    """

    def __init__(self, reader: EntryReader) -> None:
        self._reader = reader
        self._lock = Lock()
        self._size = 0
        self._lines: dict[tuple[str, str], _Line] = {}
        self._tracker = StreamTracker()
        self._numbered: array[int] = array("q")
        self._without_body: dict[int, str] = {}  # entry -> its signer
        self._erasures = Erasures()

    def read_to(self, size: int, at_most: int) -> int:
        """Read on towards `size`, `at_most` entries of it; gives how far it has read."""
        with self._lock:
            for entry in self._reader.entries(self._size, min(size, self._size + at_most)):
                self._see(entry)
                self._size = entry.index + 1
            return self._size

    def account(self, start: int, end: int, size: int) -> WindowAccount:
        """The window [start, end) as the first `size` entries tell it, which must have been read."""
        with self._lock:
            streams = tuple(found for key in sorted(self._lines) if (found := self._stream(*key, start, end, size)) is not None)
            without = [index for index in self._without_body if start <= index < end]
            erased = tuple(index for index in without if index in self._erasures.admitted and self._erasures.admitted[index].index < size)
            numbered = bisect_left(self._numbered, end) - bisect_left(self._numbered, start)
            return WindowAccount(streams, end - start - numbered - len(without), erased, tuple(index for index in without if index not in erased))

    def _see(self, entry: LoggedEntry) -> None:
        if entry.fields.event_type in KEYRING_TYPES or entry.fields.event_type == ERASURE:
            self._erasures.apply(entry)
            latest = next(reversed(self._erasures.admitted.values()), None)
            if latest is not None and latest.index == entry.index:  # also when the log was out of reach the first time
                self._forget(latest.entry)
        if entry.envelope is None:
            self._without_body[entry.index] = entry.fields.signer
            return
        try:
            envelope = parse_envelope(entry.envelope)
        except EnvelopeError:
            return
        facts = event_facts(envelope.payload_type, envelope.payload)
        if facts.stream is None or facts.sequence is None:
            return
        line = self._lines.setdefault((entry.fields.signer, facts.stream), _Line())
        line.indices.append(entry.index)
        line.numbers.append(facts.sequence)
        self._numbered.append(entry.index)
        if facts.closed:
            line.closed_at = entry.index
        finding = self._tracker.see(entry.index, entry.fields.signer, facts, hashlib.sha256(envelope.payload).hexdigest())
        if finding is not None:
            line.broken.append(entry.index)

    def _forget(self, index: int) -> None:
        """An entry whose body was read and is erased since counts as what it now is."""
        erased = self._reader.entry(index)
        if erased.envelope is not None or index in self._without_body:
            return
        self._without_body[index] = erased.fields.signer
        for line in self._lines.values():
            at = bisect_left(line.indices, index)
            if at < len(line.indices) and line.indices[at] == index:
                del line.indices[at], line.numbers[at], self._numbered[bisect_left(self._numbered, index)]

    def _stream(self, signer: str, stream: str, start: int, end: int, size: int) -> AccountedStream | None:
        line = self._lines[signer, stream]
        begin, stop = bisect_left(line.indices, start), bisect_left(line.indices, end)
        if begin == stop:
            return None
        numbers = line.numbers[begin:stop]
        missing = tuple(each for each in self._gaps(signer, stream, line, size) if start <= each.shown_at < end)
        return AccountedStream(signer, stream, len(numbers), min(numbers), max(numbers), line.closed_at is not None and line.closed_at < size, missing,
                               tuple(index for index in line.broken if start <= index < end))

    def _gaps(self, signer: str, stream: str, line: _Line, size: int) -> Iterator[MissingNumbers]:
        tracker = StreamTracker()
        for index, number in zip(line.indices, line.numbers, strict=True):
            if index >= size:
                break
            tracker.see(index, signer, EventFacts(None, stream=stream, sequence=number), "")
        if any(index < size and lost == signer for index, lost in self._without_body.items()):
            tracker.erased(signer)
        for gap in tracker.gaps():
            yield MissingNumbers(gap.first, gap.last, gap.index, gap.maybe_erased)
