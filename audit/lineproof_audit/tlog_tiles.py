"""The addresses and bytes of a log as C2SP tlog-tiles, so that any client of that format can read it.

    checkpoint                           the latest signed note
    tile/<L>/<N>[.p/<W>]                 hashes of tile level L: 256 of them, or the first W of a tile that is not full
    tile/entries/<N>[.p/<W>]             entry bundle: 256 (or W) leaves, each behind its length in two big-endian bytes

N stands in groups of three digits, all but the last behind an `x`: 1234067 is `x001/x234/067`. There is one spelling of each
address. Source: C2SP tlog-tiles.
"""
from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from lineproof_audit.errors import CorruptLog, InvalidTilePath
from lineproof_audit.tiles import TILE_HEIGHT, TILE_WIDTH
from lineproof_audit.tree import HASH_BYTES

__all__ = ["CHECKPOINT", "ENTRIES", "TileAddress", "TileSource", "encode_entries", "parse_entries", "parse_tile_path", "read_tile", "split_hashes", "tiles_of"]

CHECKPOINT = "checkpoint"
ENTRIES: Final[int | None] = None
"""The level of an entry bundle."""
MAX_TILE_LEVEL = 63
MAX_ENTRY_BYTES = 65_535
_LENGTH_BYTES = 2

_PATH = re.compile(r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)
_MAX_GROUPS = 7  # 21 digits: more than an index of 64 bits has


@dataclass(frozen=True, slots=True)
class TileAddress:
    """One tile or entry bundle. `level` is None for a bundle; `width` counts hashes or entries, 256 if it is full."""

    level: int | None
    number: int
    width: int = TILE_WIDTH

    @property
    def full(self) -> bool:
        """Whether its bytes are final: a full tile never changes and is never taken back."""
        return self.width == TILE_WIDTH

    @property
    def path(self) -> str:
        """Its path below the log's prefix."""
        digits = f"{self.number:d}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[at:at + 3] for at in range(0, len(digits), 3)]
        number = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
        return f"tile/{'entries' if self.level is None else self.level}/{number}" + ("" if self.full else f".p/{self.width}")

    @property
    def widest(self) -> TileAddress:
        """The full tile this one is, or becomes, a part of."""
        return TileAddress(self.level, self.number)


@dataclass(frozen=True, slots=True)
class TileSource:
    """Where tiles come from.

    Attributes:
        size: how many entries the tree has; nothing beyond it is given out.
        hashes: the hashes of tile (level, number), at least as many as `size` says, or fewer if the store is damaged.
        leaves: entries `start..stop-1`.
    """

    size: int
    hashes: Callable[[int, int], bytes]
    leaves: Callable[[int, int], Sequence[bytes]]


def parse_tile_path(path: str) -> TileAddress:
    """Read `tile/…`.

    Raises:
        InvalidTilePath: not one of the addresses, or not in its one spelling.
    """
    found = _PATH.fullmatch(path)
    if found is None:
        raise InvalidTilePath("a tile is tile/<level>/<number>[.p/<width>] or tile/entries/<number>[.p/<width>], the number in groups as x001/x234/067")
    level = ENTRIES if found[1] == "entries" else int(found[1])
    groups = found[2].split("/")
    if level is not None and level > MAX_TILE_LEVEL:
        raise InvalidTilePath(f"tile level {level}, at most {MAX_TILE_LEVEL}")
    if len(groups) > _MAX_GROUPS or (len(groups) > 1 and groups[0] == "x000"):
        raise InvalidTilePath("a tile number has no leading groups of zeros, and at most 64 bits")
    width = TILE_WIDTH if found[3] is None else int(found[3])
    if found[3] is not None and width >= TILE_WIDTH:
        raise InvalidTilePath(f"a partial tile has 1 to {TILE_WIDTH - 1} hashes; a full one has no .p")
    return TileAddress(level, int("".join(group.removeprefix("x") for group in groups)), width)


def tiles_of(size: int, since: int = 0) -> Iterator[TileAddress]:
    """Every tile and bundle that a tree of `size` has and one of `since` had not, levels upwards, bundles first.

    Those of `tiles_of(size)` are all a client needs for a checkpoint of that size.
    """
    for level in (ENTRIES, *range(MAX_TILE_LEVEL + 1)):
        shift = 0 if level is None else TILE_HEIGHT * level
        old, new = since >> shift, size >> shift
        if new == 0:
            return
        for number in range(old // TILE_WIDTH, -(-new // TILE_WIDTH)):
            width = min(TILE_WIDTH, new - number * TILE_WIDTH)
            if number * TILE_WIDTH + width > old:
                yield TileAddress(level, number, width)


def read_tile(address: TileAddress, source: TileSource) -> bytes | None:
    """The bytes of a tile or bundle; None if the tree is not that large.

    Raises:
        CorruptLog: what should be stored is not.
    """
    shift = 0 if address.level is None else TILE_HEIGHT * address.level
    first = address.number * TILE_WIDTH
    if first + address.width > source.size >> shift:
        return None
    if address.level is None:
        leaves = source.leaves(first, first + address.width)
        if len(leaves) != address.width:
            raise CorruptLog(f"of entries {first} to {first + address.width - 1} only {len(leaves)} are there", index=first)
        return encode_entries(leaves)
    hashes = source.hashes(address.level, address.number)[:address.width * HASH_BYTES]
    if len(hashes) != address.width * HASH_BYTES:
        raise CorruptLog(f"tile {address.level}/{address.number} has {len(hashes) // HASH_BYTES} hashes, {address.width} expected")
    return hashes


def encode_entries(leaves: Sequence[bytes]) -> bytes:
    """An entry bundle.

    Raises:
        ValueError: an entry is longer than the format can say.
    """
    if any(len(leaf) > MAX_ENTRY_BYTES for leaf in leaves):
        raise ValueError(f"an entry of a bundle has at most {MAX_ENTRY_BYTES} bytes")
    return b"".join(part for leaf in leaves for part in (len(leaf).to_bytes(_LENGTH_BYTES, "big"), leaf))


def parse_entries(data: bytes, width: int) -> Iterator[bytes]:
    """The entries of a bundle, as far as they can be told apart.

    Raises:
        CorruptLog: it does not hold exactly `width` entries; those before the fault have been given.
    """
    at = 0
    for position in range(width):
        end = at + _LENGTH_BYTES + int.from_bytes(data[at:at + _LENGTH_BYTES], "big")
        if at + _LENGTH_BYTES > len(data) or end > len(data):
            raise CorruptLog(f"the entry bundle ends inside entry {position} of {width}")
        yield data[at + _LENGTH_BYTES:end]
        at = end
    if at != len(data):
        raise CorruptLog(f"the entry bundle goes on after its {width} entries")


def split_hashes(data: bytes, address: TileAddress) -> list[bytes]:
    """The hashes of a tile.

    Raises:
        CorruptLog: it has not as many bytes as its address says.
    """
    if len(data) != address.width * HASH_BYTES:
        raise CorruptLog(f"{address.path} has {len(data)} bytes, {address.width * HASH_BYTES} expected")
    return [data[at:at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]
