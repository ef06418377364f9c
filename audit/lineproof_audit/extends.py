"""Whether one tree extends another, decided from tiles that nobody vouches for.

Three answers are told apart: the new tree holds the old one; it provably does not (a fork, by two signatures of the log); or what the log
serves does not fit what it signed, so nothing is proven either way.
"""
from __future__ import annotations

from functools import lru_cache

from lineproof_audit.checkpoint import Checkpoint
from lineproof_audit.errors import CorruptLog, InvalidProof
from lineproof_audit.fsck_source import FsckSource
from lineproof_audit.tiles import TILE_HEIGHT
from lineproof_audit.tree import NodeReader, consistency_proof, node_hash, root_from_nodes, verify_consistency

__all__ = ["Forked", "Unproven", "check_extends", "nodes_of"]

NODES_KEPT = 65_536  # 64 bytes each: what the proofs of one look share


class Forked(InvalidProof):
    """The log signed two trees of which neither holds the other."""


class Unproven(InvalidProof):
    """The log does not show that it holds what it signed."""


def nodes_of(source: FsckSource) -> NodeReader:
    """The nodes of a source's tree: those between two levels of tiles are hashed. For one look."""

    @lru_cache(NODES_KEPT)
    def node(level: int, index: int) -> bytes:
        if level % TILE_HEIGHT == 0:
            return source.node(level, index)
        return node_hash(node(level - 1, 2 * index), node(level - 1, 2 * index + 1))

    return node


def check_extends(old: Checkpoint | None, new: Checkpoint, node: NodeReader) -> None:
    """Check that the tree of `new` begins with that of `old`, or without an `old`, that the nodes are those of `new`.

    The old root is hashed from the nodes, and a consistency proof from that root to the new one shows that it is the real one of the new
    tree; only then a difference from `old` is the log's own contradiction.

    Args:
        old: not larger than `new`.
        node: nodes of the tree of `new`, not trusted.

    Raises:
        Forked: the first `old.size` entries of `new` are others.
        Unproven: the nodes are missing or not those of `new`.
        LogUnavailable: they cannot be read now.
    """
    if old is not None and old.size == new.size:
        if old.root != new.root:
            raise Forked(f"two trees of {new.size} entries are signed, with other roots")
        return
    try:
        if root_from_nodes(new.size, node) != new.root:
            raise Unproven(f"the tiles do not hash to the root that was signed for {new.size} entries")
        if old is None or old.size == 0:
            return
        beginning = root_from_nodes(old.size, node)
        verify_consistency(old.size, new.size, beginning, new.root, consistency_proof(old.size, new.size, node))
    except CorruptLog as error:
        raise Unproven(f"the tree of {new.size} entries is not shown: {error.detail}") from error
    except InvalidProof as error:
        raise error if isinstance(error, Unproven) else Unproven(f"the tiles do not fit together: {error.detail}") from error
    if beginning != old.root:
        raise Forked(f"the tree of {new.size} entries does not begin with the {old.size} entries that were signed before")
