"""Tree nodes kept as C2SP tiles: a pure function of the leaves.

Tile level L, number N holds the hashes of the complete subtrees `tree.new_nodes` yields at tree level 8·L, index 256·N onwards:
up to 256 hashes of 32 bytes, left to right. The seven levels between are hashed again on reading, so a log of a million entries
takes 33 MB of hashes and a proof reads three tiles. Source: C2SP tlog-tiles, section "Merkle Tree".
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from lineproof_audit.errors import CorruptLog
from lineproof_audit.store import TileKey
from lineproof_audit.tree import HASH_BYTES, CompactRange, new_nodes, node_hash

__all__ = ["TILE_HEIGHT", "TILE_WIDTH", "NodesOfTiles", "extend_tiles", "tile_of"]

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT

TileLoader = Callable[[Sequence[TileKey]], Mapping[TileKey, bytes]]


def tile_of(level: int, index: int) -> tuple[TileKey, int, int]:
    """Where tree node (level, index) comes from: the tile, the first hash in it, and how many hashes."""
    below = level % TILE_HEIGHT
    first = index << below
    return (level // TILE_HEIGHT, first // TILE_WIDTH), first % TILE_WIDTH, 1 << below


def extend_tiles(tree: CompactRange, leaf_hashes: Iterable[bytes], load: TileLoader) -> dict[TileKey, bytes]:
    """The tiles that change when `leaf_hashes` are appended to `tree`, which is advanced.

    Raises:
        CorruptLog: a stored tile is not as wide as the tree's size says.
    """
    changed: dict[TileKey, bytearray] = {}
    for level, index, digest in new_nodes(tree, leaf_hashes):
        if level % TILE_HEIGHT:
            continue
        key, at, _ = tile_of(level, index)
        tile = changed.get(key)
        if tile is None:
            stored = load([key]).get(key, b"") if at else b""
            # A crash between writing tiles and moving the tree cannot happen (one transaction), yet a longer tile is harmless: same leaves, same hashes.
            if len(stored) < at * HASH_BYTES:
                raise CorruptLog(f"tile {key[0]}/{key[1]} has {len(stored) // HASH_BYTES} hashes, {at} expected")
            tile = changed[key] = bytearray(stored[:at * HASH_BYTES])
        tile += digest
    return {key: bytes(tile) for key, tile in changed.items()}


class NodesOfTiles:
    """A `tree.NodeReader` over stored tiles; keeps the tiles of one answer, so make one per answer."""

    __slots__ = ("_load", "_tiles")

    def __init__(self, load: TileLoader) -> None:
        self._load = load
        self._tiles: dict[TileKey, bytes] = {}

    def __call__(self, level: int, index: int) -> bytes:
        """The hash of the complete subtree (level, index).

        Raises:
            CorruptLog: the tile is missing or too narrow.
        """
        key, at, count = tile_of(level, index)
        tile = self._tiles.get(key)
        if tile is None:
            tile = self._tiles[key] = self._load([key]).get(key, b"")
        if len(tile) < (at + count) * HASH_BYTES:
            raise CorruptLog(f"tile {key[0]}/{key[1]} has {len(tile) // HASH_BYTES} hashes, {at + count} needed")
        hashes = [tile[position * HASH_BYTES:(position + 1) * HASH_BYTES] for position in range(at, at + count)]
        while len(hashes) > 1:
            hashes = [node_hash(hashes[pair], hashes[pair + 1]) for pair in range(0, len(hashes), 2)]
        return hashes[0]
