"""The log as far as evidence shows it: all leaves, and the bodies of some entries. Read only, in memory."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from lineproof_audit.bodies import pack
from lineproof_audit.bundle import Bundle
from lineproof_audit.leaf import parse_leaf
from lineproof_audit.reader import LogReader
from lineproof_audit.store import CONTROL_TYPES, Derived, Head, IntegratedTree, LogStore, SignedCheckpoint, StoredRow, TileKey
from lineproof_audit.tiles import extend_tiles
from lineproof_audit.tree import CompactRange, leaf_hash

__all__ = ["shown_log"]


def shown_log(bundle: Bundle, size: int) -> LogReader:
    """A reader over the first `size` leaves of a bundle that holds all of them; entries whose body it does not show read as erased.

    Nothing is verified here: `verify.verify_bundle` says whether the leaves are those of the checkpoint.

    Raises:
        ValueError: the bundle has fewer leaves.
    """
    leaves = bundle.leaves or ()
    if len(leaves) < size:
        raise ValueError(f"the bundle has {len(leaves)} leaves, not {size}")
    bodies = {entry.index: (entry.salt, entry.envelope) for entry in (*bundle.key_entries, *bundle.entries)}
    return LogReader(cast(LogStore, _Shown(leaves[:size], bodies)))


class _Shown:
    """The part of a store that `LogReader` reads."""

    def __init__(self, leaves: Sequence[bytes], bodies: Mapping[int, tuple[bytes | None, bytes | None]]) -> None:
        self._leaves = leaves
        self._fields = [parse_leaf(leaf) for leaf in leaves]
        self._bodies = bodies
        self._tree = CompactRange()
        self._tiles = extend_tiles(self._tree, map(leaf_hash, leaves), lambda keys: {})

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"evidence is read only, and has no {name}")

    def head(self) -> Head:
        return Head(len(self._leaves), self._fields[-1].received if self._fields else 0, self._tree.copy())

    def rows(self, start: int, stop: int) -> list[StoredRow]:
        return [self._row(index) for index in range(start, min(stop, len(self._leaves)))]

    def leaves(self, start: int, stop: int) -> list[bytes]:
        return list(self._leaves[start:stop])

    def derived(self, index: int) -> Derived | None:
        if index >= len(self._fields):
            return None
        leaf = self._fields[index]
        return Derived(leaf.received, leaf.event_type, leaf.media_type, leaf.tenant, leaf.signer, leaf.signed_by, leaf.caller)

    def received(self, index: int) -> int:
        return self._fields[index].received

    def control_indices(self, start: int, stop: int) -> list[int]:
        return [index for index in range(start, min(stop, len(self._fields))) if self._fields[index].event_type in CONTROL_TYPES]

    def wait_for(self, size: int, timeout: float) -> int:
        return len(self._leaves)

    def integrated(self) -> IntegratedTree:
        return IntegratedTree(self._tree.copy(), 0)

    def tiles(self, keys: Sequence[TileKey]) -> Mapping[TileKey, bytes]:
        return {key: self._tiles[key] for key in keys if key in self._tiles}

    def checkpoint(self) -> SignedCheckpoint | None:
        return None

    def checkpoint_covering(self, size: int) -> SignedCheckpoint | None:
        return None

    def _row(self, index: int) -> StoredRow:
        salt, envelope = self._bodies.get(index, (None, None))
        return StoredRow(index, self._leaves[index], salt, None if envelope is None else pack(envelope))
