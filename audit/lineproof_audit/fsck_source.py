"""What fsck reads: a log in a database, a folder, an export or behind a URL, nothing of it parsed or believed."""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from lineproof_audit.errors import CorruptLog
from lineproof_audit.tiles import TILE_WIDTH
from lineproof_audit.tree import CompactRange

__all__ = ["FsckSource", "KeptCheckpoint", "Leftover", "RawEntry", "StoredTree", "raw_entry"]


@dataclass(frozen=True, slots=True)
class RawEntry:
    """An entry as stored, nothing parsed. `derived` are the columns kept beside the leaf, by the names of `Leaf`'s fields (empty
    if the source keeps none); `damage` says why a body could not be read, then `envelope` is None. `kept`: whether the source has bodies.
    `packed`: the envelope as a store packs it (`bodies`), of an entry that was left so (`FsckSource.packed_entries`)."""

    index: int
    leaf: bytes
    envelope: bytes | None
    salt: bytes | None
    derived: Mapping[str, object]
    damage: str | None = None
    kept: bool = True
    packed: bytes | None = None


@dataclass(frozen=True, slots=True)
class StoredTree:
    """A tree as the store keeps it to go on from. `name` says for what; `damage` why it cannot be read, then `tree` is None. `received`
    is when its last entry was received, where the store keeps that."""

    name: str
    tree: CompactRange | None
    damage: str | None = None
    received: int | None = None


@dataclass(frozen=True, slots=True)
class KeptCheckpoint:
    """A checkpoint that was published once. `size` and `root` are what is kept beside the note, if anything is."""

    name: str
    note: str
    size: int | None = None
    root: bytes | None = None


@dataclass(frozen=True, slots=True)
class Leftover:
    """A file that belongs to no tree of the size that was checked, or is not what its name says. `index` is the entry it is about."""

    name: str
    index: int | None
    detail: str


class FsckSource(Protocol):
    """A log to be checked. For one pass: `checkpoint`, `trees` and `copies` are asked before `size`, so that on a live log the size covers them."""

    def size(self) -> int:
        """Number of entries."""

    def raw_entries(self, start: int, stop: int) -> Iterator[RawEntry]:
        """Entries `start..stop-1` in order; a missing one is left out.

        Raises:
            CorruptLog: the source itself is damaged and cannot go on.
        """

    def packed_entries(self, start: int, stop: int) -> Iterator[RawEntry]:
        """`raw_entries`, but that bodies may be left packed: to unpack them is part of checking them."""
        return self.raw_entries(start, stop)

    def unpacked(self, entry: RawEntry) -> RawEntry:
        """An entry of `packed_entries` as `raw_entries` gives it."""
        return entry

    def checkpoint(self) -> str | None:
        """The latest signed checkpoint, None if there is none."""

    def node(self, level: int, index: int) -> bytes:
        """The stored hash of a complete subtree (see `tree`), asked for multiples of 8 as `level` and below `tiled()`.

        Raises:
            AuditError: it is not stored or damaged.
        """

    def tiled(self, covered: int) -> int:
        """How many entries the tiles are over; `covered` are under the checkpoint."""
        return covered

    def control_entries(self, start: int, stop: int) -> Iterator[RawEntry]:
        """Of entries `start..stop-1` at least the genesis, key and policy entries."""
        return self.raw_entries(start, stop)

    def later(self) -> Iterable[RawEntry]:
        """Erasures, key and policy entries that came since `size` was asked: on a live log a body may be erased while the pass is at it."""
        return ()

    def trees(self) -> Sequence[StoredTree]:
        """What appending and signing go on from."""
        return ()

    def copies(self) -> Sequence[KeptCheckpoint]:
        """Checkpoints that lie elsewhere and should be of this log, such as that of the folder it is published to."""
        return ()

    def checkpoints(self, size: int, since: int) -> Iterable[KeptCheckpoint]:
        """Every published checkpoint of `since` to `size` entries, the smallest first; smaller ones may be among them."""
        return ()

    def leftovers(self) -> Iterable[Leftover]:
        """What lies beside the log and is not as it should be; asked at the end."""
        return ()


def raw_entry(source: FsckSource, index: int, size: int) -> RawEntry:
    """One entry of a log of which `size` entries are read; of tiles, from the bundle that a tree of that size has.

    Raises:
        CorruptLog: it is missing, or the source is damaged there.
    """
    for entry in source.raw_entries(index, min(size, (index // TILE_WIDTH + 1) * TILE_WIDTH)):
        if entry.index == index:
            return entry
        break
    raise CorruptLog(f"entry {index} is missing", index=index)
