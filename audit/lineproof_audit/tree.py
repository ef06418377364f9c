"""The RFC 6962 SHA-256 Merkle tree: hashing, compact ranges, proofs.

Sources: RFC 6962 section 2.1 (hashing), RFC 9162 section 2.1.3-2.1.4 (proofs and their verification).

**How nodes are addressed and stored.** `node(level, index)` is the hash of the complete subtree over leaves
`[index << level, (index + 1) << level)`; level 0 holds the leaf hashes. A node is known once its last leaf arrives
(`new_nodes` yields exactly these) and never changes, so any proof for any size needs O(log n) reads of nodes: the unfinished
right edge is hashed together on the fly. n leaves make fewer than 2n nodes. A store may keep every level, or every eighth (the
levels of C2SP tiles) and hash the levels between again.
"""
from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence

from lineproof_audit.errors import InvalidProof

__all__ = ["EMPTY_ROOT", "HASH_BYTES", "CompactRange", "NodeReader", "consistency_proof", "inclusion_proof", "leaf_hash", "new_nodes", "node_hash",
           "root_from_nodes", "verify_consistency", "verify_inclusion"]

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

NodeReader = Callable[[int, int], bytes]
"""`node(level, index)`: the stored hash of a complete subtree, see the module's docstring."""


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(0x00 || entry)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class CompactRange:
    """The tree over leaves 0..size-1 as the roots of its maximal complete subtrees, largest first: popcount(size) hashes.

    Enough to append and to give the root; not enough for proofs.
    """

    __slots__ = ("hashes", "size")

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        if size < 0 or len(hashes) != size.bit_count() or any(len(item) != HASH_BYTES for item in hashes):
            raise ValueError(f"a compact range of size {size} has {max(size, 0).bit_count()} hashes of {HASH_BYTES} bytes")
        self.size = size
        self.hashes = list(hashes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CompactRange) and (self.size, self.hashes) == (other.size, other.hashes)

    __hash__ = None  # type: ignore[assignment]  # mutable

    def append(self, hash_of_leaf: bytes) -> None:
        """Add one leaf hash at index `size`."""
        _check_hash(hash_of_leaf, "leaf hash")
        size, hashes = self.size, self.hashes
        current = hash_of_leaf
        while size & 1:
            current = node_hash(hashes.pop(), current)
            size >>= 1
        hashes.append(current)
        self.size += 1

    def root(self) -> bytes:
        """The RFC 6962 root (MTH) at `size`."""
        if not self.hashes:
            return EMPTY_ROOT
        current = self.hashes[-1]
        for item in reversed(self.hashes[:-1]):
            current = node_hash(item, current)
        return current

    def copy(self) -> CompactRange:
        """An independent copy."""
        return CompactRange(self.size, self.hashes)

    def to_bytes(self) -> bytes:
        """8 bytes of big-endian size, then the hashes."""
        return self.size.to_bytes(8, "big") + b"".join(self.hashes)

    @classmethod
    def from_bytes(cls, data: bytes) -> CompactRange:
        """The inverse of `to_bytes`; raises ValueError for anything else."""
        if len(data) < 8 or (len(data) - 8) % HASH_BYTES:
            raise ValueError("not a compact range")
        return cls(int.from_bytes(data[:8], "big"), [data[at:at + HASH_BYTES] for at in range(8, len(data), HASH_BYTES)])


def new_nodes(before: CompactRange, leaf_hashes: Iterable[bytes]) -> Iterator[tuple[int, int, bytes]]:
    """The nodes `(level, index, hash)` that become complete when `leaf_hashes` are appended; `before` is advanced as they are drawn.

    Every node of the tree is yielded exactly once over the life of a log, level 0 first for each leaf.
    """
    for hash_of_leaf in leaf_hashes:
        _check_hash(hash_of_leaf, "leaf hash")
        index, level, current = before.size, 0, hash_of_leaf
        yield level, index, current
        while index & 1:
            current = node_hash(before.hashes.pop(), current)
            index >>= 1
            level += 1
            yield level, index, current
        before.hashes.append(current)
        before.size += 1


def root_from_nodes(size: int, node: NodeReader) -> bytes:
    """The root at `size` from stored nodes: popcount(size) reads."""
    return _range_root(0, size, node) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, node: NodeReader) -> list[bytes]:
    """PATH(index, D[size]) of RFC 9162 section 2.1.3.1, from the leaf's sibling up; O(log size) reads.

    Raises:
        ValueError: index is not in the tree.
    """
    if not 0 <= index < size:
        raise ValueError(f"index {index} is not in a tree of size {size}")
    proof: list[bytes] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            proof.append(_range_root(middle, high, node))
            high = middle
        else:
            proof.append(_range_root(low, middle, node))
            low = middle
    proof.reverse()
    return proof


def consistency_proof(size1: int, size2: int, node: NodeReader) -> list[bytes]:
    """PROOF(size1, D[size2]) of RFC 9162 section 2.1.4.1; O(log size2) reads. Equal sizes give an empty proof.

    Raises:
        ValueError: not 0 < size1 <= size2 (from the empty tree there is nothing to prove).
    """
    if not 0 < size1 <= size2:
        raise ValueError(f"no consistency proof from size {size1} to {size2}")
    proof: list[bytes] = []
    low, high, whole = 0, size2, True
    while size1 != high:
        middle = low + _split(high - low)
        if size1 <= middle:
            proof.append(_range_root(middle, high, node))
            high = middle
        else:
            proof.append(_range_root(low, middle, node))
            low, whole = middle, False
    if not whole:
        proof.append(_range_root(low, high, node))
    proof.reverse()
    return proof


def verify_inclusion(hash_of_leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that the leaf is entry `index` of the tree with this size and root.

    Raises:
        InvalidProof: a hash is not 32 bytes, the index is outside the tree, the proof has another length than this index and
            size need, or the root differs.
    """
    _check_hash(hash_of_leaf, "leaf hash")
    _check_hash(root, "root")
    if not 0 <= index < size:
        raise InvalidProof(f"index {index} is not in a tree of size {size}")
    inner = (index ^ (size - 1)).bit_length()
    border = (index >> inner).bit_count()
    if len(proof) != inner + border:
        raise InvalidProof(f"inclusion proof of {len(proof)} hashes, {inner + border} expected for index {index} in size {size}")
    current = hash_of_leaf
    for level, item in enumerate(proof):
        _check_hash(item, "proof hash")
        leftward = level >= inner or (index >> level) & 1
        current = node_hash(item, current) if leftward else node_hash(current, item)
    if current != root:
        raise InvalidProof(f"inclusion proof of entry {index} leads to another root at size {size}")


def verify_consistency(size1: int, size2: int, root1: bytes, root2: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree (size2, root2) extends the tree (size1, root1).

    Raises:
        InvalidProof: it does not, or the proof is malformed. Size 0 is refused: every tree extends the empty one, so a proof
            from it says nothing (as transparency-dev/merkle decided; a witness endpoint treats old size 0 on its own).
    """
    _check_hash(root1, "root")
    _check_hash(root2, "root")
    if not 0 < size1 <= size2:
        raise InvalidProof(f"no consistency proof from size {size1} to {size2}")
    if size1 == size2:
        if proof:
            raise InvalidProof("a consistency proof between equal sizes is empty")
        if root1 != root2:
            raise InvalidProof(f"two roots at size {size1}")
        return
    for item in proof:
        _check_hash(item, "proof hash")
    shift = (size1 & -size1).bit_length() - 1  # leaves below the lowest complete subtree of size1 are not touched
    inner = ((size1 - 1) ^ (size2 - 1)).bit_length() - shift
    border = ((size1 - 1) >> (inner + shift)).bit_count()
    seeded = size1 != 1 << shift  # a size1 that is a power of two is a node of the larger tree: root1 is the seed
    if len(proof) != inner + border + seeded:
        raise InvalidProof(f"consistency proof of {len(proof)} hashes, {inner + border + seeded} expected from size {size1} to {size2}")
    seed, path = (proof[0], proof[1:]) if seeded else (root1, proof)
    first = second = seed
    mask = (size1 - 1) >> shift
    for level, item in enumerate(path):
        if level >= inner or (mask >> level) & 1:
            first, second = node_hash(item, first), node_hash(item, second)
        else:
            second = node_hash(second, item)
    if first != root1:
        raise InvalidProof(f"consistency proof does not start at the root of size {size1}")
    if second != root2:
        raise InvalidProof(f"consistency proof does not lead to the root of size {size2}")


def _split(width: int) -> int:
    """The largest power of two below `width` (> 1)."""
    return 1 << ((width - 1).bit_length() - 1)


def _range_root(low: int, high: int, node: NodeReader) -> bytes:
    """MTH(D[low:high]) where `low` is a multiple of the first complete subtree in the range, as every proof's ranges are."""
    roots: list[bytes] = []
    while low < high:
        level = (high - low).bit_length() - 1
        roots.append(node(level, low >> level))
        low += 1 << level
    current = roots.pop()
    while roots:
        current = node_hash(roots.pop(), current)
    return current


def _check_hash(value: bytes, what: str) -> None:
    if len(value) != HASH_BYTES:
        raise InvalidProof(f"{what} of {len(value)} bytes, {HASH_BYTES} expected")
