"""Whether an entry can be erased without changing what became of later ones: the log is projected with and without its body, and compared.

An erasure takes back what one entry said and nothing else. Where a later outcome, or an edge that a later entry opens or closes, rests on the
entry, a replacement has to stand in that says what they rest on.
"""
from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from lineproof_audit.store import StoredEntry
from metadata_service.graph.open import open_graph
from metadata_service.graph.ops import CloseEdge, EntryRecord, GraphOp, OpenEdge
from metadata_service.projector.runner import EntrySource, Projector

__all__ = ["Change", "changes_of"]

MOST_CHANGES: Final = 20  # named; one is enough to refuse


@dataclass(frozen=True, slots=True)
class Change:
    """Entry `index` came out as `before`, and would come out as `after`."""

    index: int
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class _Outcome:
    status: str
    reason: str | None
    edges: frozenset[tuple[str, ...]]

    def __str__(self) -> str:
        return f"{self.status}{f' ({self.reason})' if self.reason else ''}, {len(self.edges)} edges opened or closed"


class _Otherwise:
    """A log up to a size, with another body (or none) for one entry."""

    def __init__(self, reader: EntrySource, size: int, entry: int, envelope: bytes | None) -> None:
        self._reader, self._size, self._entry, self._envelope = reader, size, entry, envelope

    def size(self) -> int:
        return self._size

    def entry(self, index: int) -> StoredEntry:
        return self._other(self._reader.entry(index))

    def entries(self, start: int = 0, stop: int | None = None, batch: int = 1_000) -> Iterator[StoredEntry]:
        end = self._size if stop is None else min(stop, self._size)
        return map(self._other, self._reader.entries(start, end, batch))

    def control_entries(self, start: int = 0, stop: int | None = None) -> Iterator[StoredEntry]:
        return self._reader.control_entries(start, self._size if stop is None else min(stop, self._size))

    def root_at(self, size: int) -> bytes:
        return self._reader.root_at(size)

    def wait_for(self, size: int, timeout: float) -> int:
        return self._size

    def _other(self, stored: StoredEntry) -> StoredEntry:
        return replace(stored, envelope=self._envelope, salt=None) if stored.index == self._entry else stored


def changes_of(reader: EntrySource, entry: int, envelope: bytes | None) -> list[Change]:
    """What would change if `entry` had the body `envelope` (None: none at all). Blocking; takes two projections of the whole log.

    Of the entry itself: its outcome and edges, if something stands in. Of later entries: always. A change of nothing gives an empty list.
    """
    size = reader.size()
    original = reader.entry(entry)
    before = asyncio.run(_outcomes(_Otherwise(reader, size, entry, original.envelope), entry, size))
    after = asyncio.run(_outcomes(_Otherwise(reader, size, entry, envelope), entry, size))
    first = entry + 1 if envelope is None else entry
    return [Change(index, str(before[index]), str(after[index])) for index in range(first, size) if before[index] != after[index]][:MOST_CHANGES]


async def _outcomes(source: _Otherwise, first: int, size: int) -> dict[int, _Outcome]:
    """What becomes of entries `first..size-1`."""
    found: dict[int, _Outcome] = {}

    def watch(index: int, ops: Sequence[GraphOp]) -> None:
        if index >= first:
            found[index] = _outcome(ops)

    with tempfile.TemporaryDirectory(prefix="lineproof-erasure-") as scratch:
        graph = open_graph(f"sqlite:///{Path(scratch) / 'graph.db'}")
        try:
            await graph.setup()
            await Projector(source, graph, watch).catch_up(upto=size)
        finally:
            await graph.close()
    return found


def _outcome(ops: Sequence[GraphOp]) -> _Outcome:
    record = next(op for op in ops if isinstance(op, EntryRecord))
    # Which edge, not what it says of code: a literal taken out of SQL makes another version of that code, and nothing else.
    edges = {("open" if isinstance(op, OpenEdge) else "close", op.edge.family, op.edge.upstream, op.edge.downstream, op.edge.type or "")
             for op in ops if isinstance(op, OpenEdge | CloseEdge)}
    return _Outcome(record.status, record.reason, frozenset(edges))
