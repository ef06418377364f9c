"""What fsck reads of a log in a database: rows as they lie there, and the hashes of its tiles."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from operator import attrgetter

from lineproof_audit.bodies import unpack
from lineproof_audit.errors import CorruptLog
from lineproof_audit.folder import Folder
from lineproof_audit.fsck_source import FsckSource, KeptCheckpoint, RawEntry, StoredTree
from lineproof_audit.store import Derived, LogStore
from lineproof_audit.tiles import tile_of
from lineproof_audit.tlog_tiles import CHECKPOINT
from lineproof_audit.tree import HASH_BYTES, CompactRange

__all__ = ["StoreSource"]

BATCH_ENTRIES = 1_000
_COLUMNS = tuple(Derived.__dataclass_fields__)
_values_of = attrgetter(*_COLUMNS)


class StoreSource(FsckSource):
    """A `FsckSource` over a store. For one pass by one thread: it keeps the last tile of each level, since nodes are asked for in order.

    Args:
        store: the log.
        published: the folder it is published to, whose checkpoint must be one of this log.
        batch: entries that are read at once.
    """

    def __init__(self, store: LogStore, published: Folder | None = None, *, batch: int = BATCH_ENTRIES) -> None:
        self._store = store
        self._batch = batch
        self._published = published
        self._integrated = 0
        self._size = 0
        self._tiles: dict[int, tuple[int, bytes]] = {}  # tile level -> number and hashes

    @property
    def store(self) -> LogStore:
        """The log."""
        return self._store

    def trees(self) -> tuple[StoredTree, ...]:
        """The appender's and the integrator's."""
        return _stored("appending", self._appending), _stored("signing", self._signing)

    def tiled(self, covered: int) -> int:
        return max(covered, self._integrated)

    def copies(self) -> tuple[KeptCheckpoint, ...]:
        """That of the published folder."""
        lying = None if self._published is None else self._published.read(CHECKPOINT)
        return () if lying is None or self._published is None else (
            KeptCheckpoint(f"the checkpoint in {self._published.location}", lying.decode("utf-8", "replace")),)

    def checkpoints(self, size: int, since: int) -> Iterator[KeptCheckpoint]:
        """The rows that published checkpoints are kept in."""
        at = since - 1
        while found := self._store.checkpoints_after(at, BATCH_ENTRIES):
            for row in found:
                if row.size > size:
                    return
                yield KeptCheckpoint("the stored checkpoint", row.note, row.size, row.root)
            at = found[-1].size

    def size(self) -> int:
        """Number of entries, as the head says."""
        self._size = self._store.head().size
        return self._size

    def checkpoint(self) -> str | None:
        """The latest published note."""
        published = self._store.checkpoint()
        return None if published is None else published.note

    def raw_entries(self, start: int, stop: int) -> Iterator[RawEntry]:
        """Rows in order; ends early where a whole batch of them is missing."""
        return map(self.unpacked, self.packed_entries(start, stop))

    def packed_entries(self, start: int, stop: int) -> Iterator[RawEntry]:
        """Rows as they lie there."""
        for first in range(start, stop, self._batch):
            last = min(first + self._batch, stop)
            rows, derived = self._store.rows(first, last), self._store.derived_between(first, last)
            for row in rows:
                found = derived.get(row.index)
                columns = {} if found is None else dict(zip(_COLUMNS, _values_of(found), strict=True))
                yield RawEntry(row.index, row.leaf, None, row.salt, columns, packed=row.body)
            if not rows:
                return

    def unpacked(self, entry: RawEntry) -> RawEntry:
        """With its envelope, or why that cannot be read."""
        if entry.packed is None:
            return entry
        try:
            return replace(entry, envelope=unpack(entry.packed, entry.index), packed=None)
        except CorruptLog as error:
            return replace(entry, damage=error.detail, packed=None)

    def control_entries(self, start: int, stop: int) -> Iterator[RawEntry]:
        """By the column of event types, which is compared with the leaves on the way."""
        for index in self._store.control_indices(start, stop):
            yield from self.raw_entries(index, index + 1)

    def later(self) -> Iterator[RawEntry]:
        """Of the entries appended since."""
        return self.control_entries(self._size, self._store.head().size)

    def node(self, level: int, index: int) -> bytes:
        """A hash as it stands in its tile.

        Raises:
            CorruptLog: the tile is missing or too narrow.
        """
        (tile_level, number), at, _ = tile_of(level, index)
        tile = self._tiles.get(tile_level)
        if tile is None or tile[0] != number:
            tile = self._tiles[tile_level] = (number, self._store.tiles([(tile_level, number)]).get((tile_level, number), b""))
        digest = tile[1][at * HASH_BYTES:(at + 1) * HASH_BYTES]
        if len(digest) != HASH_BYTES:
            raise CorruptLog(f"tile {tile_level}/{number} has {len(tile[1]) // HASH_BYTES} hashes, {at + 1} needed")
        return digest

    def _appending(self) -> tuple[CompactRange, int]:
        head = self._store.head()
        return head.tree, head.last_received

    def _signing(self) -> tuple[CompactRange, None]:
        tree = self._store.integrated().tree
        self._integrated = tree.size
        return tree, None


def _stored(name: str, read: Callable[[], tuple[CompactRange, int | None]]) -> StoredTree:
    try:
        tree, received = read()
        return StoredTree(name, tree, received=received)
    except CorruptLog as error:
        return StoredTree(name, None, error.detail)
