"""Reading a log: entries, roots and proofs, from any process.

Positions are tree sizes: the state at N is entries 0..N-1. Proofs for sizes the tiles have not reached yet are answered too, by
hashing the leaves of the tail.
"""
from __future__ import annotations

from collections.abc import Iterator

from lineproof_audit import tree
from lineproof_audit.bodies import unpack
from lineproof_audit.errors import CorruptLog, NoSuchEntry, PositionBeyondLog
from lineproof_audit.leaf import parse_leaf
from lineproof_audit.store import Derived, LogStore, StoredEntry, StoredRow, TileKey
from lineproof_audit.tiles import NodesOfTiles, extend_tiles
from lineproof_audit.tlog_tiles import TileSource
from lineproof_audit.tree import NodeReader, leaf_hash, new_nodes
from lineproof_audit.witness import Group, Witness, vouched_for

__all__ = ["LogReader"]

BATCH_ENTRIES = 1_000
LEAF_BATCH = 8_192
CHECKPOINT_BATCH = 100
LOOK_BACK_CHECKPOINTS = 10_000  # some hours of a log that grows all the time, and half a second of work: longer ago the witnesses were not there


class LogReader:
    """Everything that can be asked of a log; safe for use from several threads.

    Raises everywhere:
        LogUnavailable: the store cannot be reached.
        CorruptLog: what is stored is not what was logged.
    """

    def __init__(self, store: LogStore) -> None:
        self._store = store

    @property
    def store(self) -> LogStore:
        """Where the log lies."""
        return self._store

    # -- entries

    def size(self) -> int:
        """The number of entries committed."""
        return self._store.head().size

    def entry(self, index: int) -> StoredEntry:
        """One entry.

        Raises:
            NoSuchEntry: the index is not below `size()`.
        """
        rows = self._store.rows(index, index + 1) if index >= 0 else []
        if not rows:
            raise NoSuchEntry(f"there is no entry {index}")
        return read_row(rows[0])

    def entries(self, start: int = 0, stop: int | None = None, batch: int = BATCH_ENTRIES) -> Iterator[StoredEntry]:
        """Entries `start..stop-1` (to the end of the log without `stop`) in order, read `batch` at a time; ends early where the log does."""
        for row in self.rows(start, stop, batch):
            yield read_row(row)

    def rows(self, start: int = 0, stop: int | None = None, batch: int = BATCH_ENTRIES) -> Iterator[StoredRow]:
        """As `entries`, with nothing parsed or unpacked: what `fsck` reads."""
        at, end = start, self.size() if stop is None else min(stop, self.size())
        while at < end:
            found = self._store.rows(at, min(at + batch, end))
            for row in found:
                if row.index != at:
                    break
                yield row
                at += 1
            if not found or found[-1].index >= at:
                raise CorruptLog(f"entry {at} is missing", index=at)

    def leaves(self, start: int, stop: int) -> Iterator[bytes]:
        """The leaves of entries `start..stop-1`, which must exist."""
        at = start
        while at < stop:
            batch = self._store.leaves(at, min(at + LEAF_BATCH, stop))
            if len(batch) != min(LEAF_BATCH, stop - at):
                raise CorruptLog(f"of entries {at} to {min(at + LEAF_BATCH, stop) - 1} only {len(batch)} are there", index=at)
            yield from batch
            at += len(batch)

    def derived(self, index: int) -> Derived | None:
        """The searchable columns beside a leaf; `fsck` compares them with it. None if there is no such entry."""
        return self._store.derived(index)

    def control_entries(self, start: int = 0, stop: int | None = None) -> Iterator[StoredEntry]:
        """Genesis, key, policy and erasure entries, in order: what the keyring is folded from."""
        for index in self._store.control_indices(start, self.size() if stop is None else stop):
            yield self.entry(index)

    def size_at(self, time_us: int) -> int:
        """How many entries had been received by then (µs since the epoch): the position a time stands for. O(log n) reads."""
        low, high = 0, self.size()
        while low < high:
            middle = (low + high) // 2
            if self._store.received(middle) <= time_us:
                low = middle + 1
            else:
                high = middle
        return low

    def wait_for(self, size: int, timeout: float) -> int:
        """Block until the log has `size` entries, `timeout` seconds at most; gives the size it has then."""
        return self._store.wait_for(size, timeout)

    # -- tree

    def integrated_size(self) -> int:
        """How far the tiles reach."""
        return self._store.integrated().tree.size

    def node(self, level: int, index: int) -> bytes:
        """A complete subtree's hash as stored, see `tree`."""
        return NodesOfTiles(self._store.tiles)(level, index)

    def tile_source(self, size: int | None = None) -> TileSource:
        """The log as tlog-tiles: as far as the stored tiles reach, or up to `size`, hashing what they have not reached."""
        integrated = self._store.integrated().tree
        size = integrated.size if size is None else size
        tail: dict[TileKey, bytes] = {}
        if size > integrated.size:
            tail = extend_tiles(integrated, map(leaf_hash, self.leaves(integrated.size, size)), self._store.tiles)

        def hashes(level: int, number: int) -> bytes:
            return tail.get((level, number)) or self._store.tiles([(level, number)]).get((level, number), b"")

        return TileSource(size, hashes, self._store.leaves)

    def root_at(self, size: int) -> bytes:
        """The RFC 6962 root of the first `size` entries.

        Raises:
            PositionBeyondLog: the log is smaller.
        """
        return tree.root_from_nodes(size, self._nodes(size))

    def inclusion_proof(self, index: int, size: int) -> list[bytes]:
        """That entry `index` is in the tree of `size`, see `tree.inclusion_proof`.

        Raises:
            PositionBeyondLog: not 0 <= index < size <= `size()`.
        """
        if not 0 <= index < size:
            raise PositionBeyondLog(f"entry {index} is not in a tree of size {size}")
        return tree.inclusion_proof(index, size, self._nodes(size))

    def consistency_proof(self, first: int, second: int) -> list[bytes]:
        """That the tree of size `second` extends that of size `first`, see `tree.consistency_proof`.

        Raises:
            PositionBeyondLog: not 0 < first <= second <= `size()`.
        """
        if not 0 < first <= second:
            raise PositionBeyondLog(f"there is no proof from size {first} to size {second}")
        return tree.consistency_proof(first, second, self._nodes(second))

    def checkpoint(self) -> str | None:
        """The latest signed note; None before the first."""
        latest = self._store.checkpoint()
        return None if latest is None else latest.note

    def checkpoint_covering(self, size: int) -> str | None:
        """The signed note of the smallest published tree that holds the first `size` entries; None until there is one."""
        covering = self._store.checkpoint_covering(size)
        return None if covering is None else covering.note

    def cosigned_checkpoint(self, quorum: Witness | Group, least: int) -> str | None:
        """The latest signed note of at least `least` entries that the quorum vouches for; None if there is none among the last published ones."""
        latest = self._store.checkpoint()
        at = 0 if latest is None else latest.size + 1
        for _ in range(LOOK_BACK_CHECKPOINTS // CHECKPOINT_BATCH):
            for row in (found := self._store.checkpoints_before(at, CHECKPOINT_BATCH)):
                if row.size < least:
                    return None
                if vouched_for(row.note, quorum):
                    return row.note
            if not found:
                return None
            at = found[-1].size
        return None

    def _nodes(self, size: int) -> NodeReader:
        stored = NodesOfTiles(self._store.tiles)
        integrated = self._store.integrated().tree
        if size <= integrated.size:
            if size < 0:
                raise PositionBeyondLog(f"{size} is no size")
            return stored
        if size > (head := self.size()):
            raise PositionBeyondLog(f"the log has {head} entries, not {size}", size=head)
        tail = {(level, index): digest for level, index, digest in new_nodes(integrated, map(leaf_hash, self.leaves(integrated.size, size)))}

        def node(level: int, index: int) -> bytes:
            return tail.get((level, index)) or stored(level, index)

        return node


def read_row(row: StoredRow) -> StoredEntry:
    """Parse a stored row.

    Raises:
        CorruptLog: leaf or body are not readable.
    """
    envelope = None if row.body is None else unpack(row.body, row.index)
    return StoredEntry(row.index, row.leaf, parse_leaf(row.leaf), envelope, row.salt)
