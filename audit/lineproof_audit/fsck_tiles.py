"""What fsck reads of a log that is there as tlog-tiles: in a folder, or behind a URL. Leaves and tree; bodies only where somebody shows them."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from lineproof_audit.checkpoint import peek_checkpoint
from lineproof_audit.errors import CorruptLog, InvalidProof, InvalidTilePath
from lineproof_audit.folder import Folder
from lineproof_audit.fsck_source import FsckSource, Leftover, RawEntry
from lineproof_audit.leaf import parse_leaf
from lineproof_audit.store import CONTROL_TYPES
from lineproof_audit.tiles import TILE_HEIGHT, TILE_WIDTH, tile_of
from lineproof_audit.tlog_tiles import CHECKPOINT, ENTRIES, TileAddress, parse_entries, parse_tile_path, split_hashes, tiles_of
from lineproof_audit.tree import HASH_BYTES

__all__ = ["FolderTiles", "TilesSource"]

Read = Callable[[str], bytes | None]
AHEAD = 16  # tiles and bundles that are announced before they are read: 1 MB of a log of small entries
ShowBody = Callable[[int], tuple[bytes, bytes] | None]
"""The envelope and salt of an entry, None if it is not shown."""


class TilesSource(FsckSource):
    """A log by the files of its checkpoint. For one pass by one thread.

    Args:
        read: the bytes behind a path below the log's prefix, None if there are none.
        body: shows bodies of genesis, key, policy and erasure entries, if somebody does.
        all_bodies: ask it for those of the other entries as well.
        expect, expect_bodies: told which paths and bodies are read next.
    """

    def __init__(self, read: Read, body: ShowBody | None = None, *, all_bodies: bool = False, expect: Callable[[Iterable[str]], None] | None = None,
                 expect_bodies: Callable[[Iterable[int]], None] | None = None) -> None:
        self._read = read
        self._expect = expect
        self._expect_bodies = expect_bodies
        self._body = body
        self._all_bodies = all_bodies
        self._note: str | None = None
        self._tiles: dict[int, tuple[int, list[bytes]]] = {}  # tile level -> number and hashes

    def checkpoint(self) -> str | None:
        found = self._read(CHECKPOINT)
        self._note = None if found is None else found.decode("utf-8", "replace")
        return self._note

    def size(self) -> int:
        """As the checkpoint says; 0 if it cannot be read, which fsck says of it."""
        try:
            return 0 if self._note is None else peek_checkpoint(self._note).size
        except InvalidProof:
            return 0

    def raw_entries(self, start: int, stop: int) -> Iterator[RawEntry]:
        end = -(-stop // TILE_WIDTH)
        for number in range(start // TILE_WIDTH, end):
            first = number * TILE_WIDTH
            self._announce(None, range(number, min(number + AHEAD, end)), self._reach(stop))
            leaves = enumerate(self._leaves(TileAddress(ENTRIES, number, min(TILE_WIDTH, self._reach(stop) - first))), first)
            wanted = ((index, leaf) for index, leaf in leaves if start <= index < stop)
            if self._expect_bodies is None:
                yield from (self._entry(index, leaf) for index, leaf in wanted)
            else:
                yield from self._announced(wanted, self._expect_bodies)

    def node(self, level: int, index: int) -> bytes:
        (tile_level, number), at, _ = tile_of(level, index)
        kept = self._tiles.get(tile_level)
        if kept is None or kept[0] != number:
            reach = self._covered() >> (TILE_HEIGHT * tile_level)
            self._announce(tile_level, range(number, min(number + AHEAD, -(-reach // TILE_WIDTH))), reach)
            width = min(TILE_WIDTH, reach - number * TILE_WIDTH)
            kept = self._tiles[tile_level] = (number, self._hashes(TileAddress(tile_level, number, width)) if width > 0 else [])
        if len(kept[1]) <= at:
            raise CorruptLog(f"the tiles of {self._covered()} entries do not reach hash {number * TILE_WIDTH + at} of level {tile_level}")
        return kept[1][at]

    def _entry(self, index: int, leaf: bytes) -> RawEntry:
        envelope, salt = (self._body(index) if self._body is not None and self._asks(leaf) else None) or (None, None)
        return RawEntry(index, leaf, envelope, salt, {}, kept=False)

    def _announced(self, leaves: Iterator[tuple[int, bytes]], expect: Callable[[Iterable[int]], None]) -> Iterator[RawEntry]:
        """The entries of a bundle, their bodies announced first; where it is damaged, those before the damage."""
        some: list[tuple[int, bytes]] = []
        damage: CorruptLog | None = None
        try:
            some.extend(leaves)  # keeps what came before an error
        except CorruptLog as error:
            damage = error
        expect(index for index, leaf in some if self._asks(leaf))
        for index, leaf in some:
            yield self._entry(index, leaf)
        if damage is not None:
            raise damage

    def _asks(self, leaf: bytes) -> bool:
        """Whether the body is asked for."""
        return self._body is not None and (self._all_bodies or _is_control(leaf))

    def _announce(self, level: int | None, numbers: range, reach: int) -> None:
        """These tiles are read next, in this order, of a level that reaches so far."""
        if self._expect is not None:
            self._expect(TileAddress(level, number, min(TILE_WIDTH, reach - number * TILE_WIDTH)).path for number in numbers)

    def _reach(self, stop: int) -> int:
        """The size that the last bundle is as wide as."""
        return stop

    def _covered(self) -> int:
        """The size that the tiles are as wide as."""
        return self.size()

    def _leaves(self, address: TileAddress) -> Iterator[bytes]:
        data, wide = self._bytes(address)
        entries = parse_entries(data, wide.width)
        for _, leaf in zip(range(address.width), entries, strict=False):
            yield leaf
        for _ in entries:  # what a wider bundle holds beyond is not ours to judge, its end is
            continue

    def _hashes(self, address: TileAddress) -> list[bytes]:
        data, wide = self._bytes(address)
        return split_hashes(data, wide)[:address.width]

    def _bytes(self, address: TileAddress) -> tuple[bytes, TileAddress]:
        """A tile, or the full one that took its place."""
        for found in (address, address.widest):
            data = self._read(found.path)
            if data is not None:
                return data, found
        raise CorruptLog(f"{address.path} is missing")


class FolderTiles(TilesSource):
    """A folder; partial tiles that were left of smaller trees must be the beginning of what took their place."""

    def __init__(self, folder: Folder) -> None:
        super().__init__(folder.read)
        self._folder = folder

    def leftovers(self) -> Iterator[Leftover]:
        size = self._covered()
        expected = {address.path for address in tiles_of(size)}
        for name in self._folder.names("tile"):
            if name in expected:
                continue
            try:
                address = parse_tile_path(name)
            except InvalidTilePath:
                yield Leftover(name, None, "it is no tile's name")
                continue
            first = address.number * TILE_WIDTH
            reach = (size >> (TILE_HEIGHT * (address.level or 0))) - first
            if address.width > reach:
                continue  # a tree that was never signed, or not yet: a crash leaves such files, and the next round writes them again
            yield from self._partial(address, TileAddress(address.level, address.number, min(TILE_WIDTH, reach)))

    def _partial(self, address: TileAddress, whole: TileAddress) -> Iterator[Leftover]:
        first = address.number * TILE_WIDTH
        data = self._folder.read(address.path) or b""
        try:
            if address.level is None:
                wanted = list(self._leaves(whole))[:address.width]
                found: Iterator[bytes] = parse_entries(data, address.width)
            else:
                wanted = self._hashes(whole)[:address.width]
                found = iter([data[at:at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)])
        except CorruptLog:
            return  # the whole one is damaged, which was said
        same = 0
        try:
            for want, have in zip(wanted, found, strict=False):
                if want != have:
                    break
                same += 1
            if same == address.width and next(found, None) is None:
                return
        except CorruptLog:
            pass  # the file ends early: what stands before its fault was compared
        last = first + min(same, address.width - 1)
        yield Leftover(address.path, ((last + 1) << (TILE_HEIGHT * (address.level or 0))) - 1, "it is not a part of the log's")


def _is_control(leaf: bytes) -> bool:
    try:
        return parse_leaf(leaf).event_type in CONTROL_TYPES
    except CorruptLog:
        return False
