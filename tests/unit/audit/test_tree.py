from __future__ import annotations

import json
import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lineproof_audit.errors import InvalidProof
from lineproof_audit.tree import (
    EMPTY_ROOT,
    CompactRange,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    new_nodes,
    node_hash,
    root_from_nodes,
    verify_consistency,
    verify_inclusion,
)
from tests.unit.audit.memory_log import DATA

RFC6962 = json.loads((DATA / "rfc6962_roots.json").read_text())
LARGEST = 300
LEAVES = [leaf_hash(b"%d" % index) for index in range(LARGEST)]
NODES = {(level, index): digest for level, index, digest in new_nodes(CompactRange(), LEAVES)}
sizes = st.integers(1, LARGEST)


def node(level: int, index: int) -> bytes:
    return NODES[level, index]


def mth(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word: an independent reference."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    split = 2 ** math.ceil(math.log2(len(leaves)) - 1)
    return node_hash(mth(leaves[:split]), mth(leaves[split:]))


def flips(proof: list[bytes]) -> list[list[bytes]]:
    """The proof with one bit of each hash flipped, one hash dropped, one added."""
    flipped = [[*proof[:at], bytes([proof[at][0] ^ 1]) + proof[at][1:], *proof[at + 1:]] for at in range(len(proof))]
    return [*flipped, [*proof, LEAVES[0]], *([proof[:-1], proof[1:]] if proof else [])]


def refused(verify: Callable[..., None], *arguments: object) -> bool:
    try:
        verify(*arguments)
    except InvalidProof:
        return True
    return False


@pytest.mark.parametrize("size", range(9))
def test_the_roots_of_the_certificate_transparency_test_tree(size: int) -> None:
    tree = CompactRange()
    for leaf in RFC6962["leaves"][:size]:
        tree.append(leaf_hash(bytes.fromhex(leaf)))
    assert tree.root().hex() == RFC6962["roots"][size]


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7, 8, 33, 63, 64, 255, 256, 257, 300])
def test_compact_range_and_stored_nodes_give_the_root_of_the_definition(size: int) -> None:
    tree = CompactRange()
    for leaf in LEAVES[:size]:
        tree.append(leaf)
    assert tree.root() == mth(LEAVES[:size]) == root_from_nodes(size, node)
    assert len(tree.hashes) == size.bit_count()
    assert CompactRange.from_bytes(tree.to_bytes()) == tree


@given(st.lists(st.integers(0, 90), max_size=8))
def test_nodes_appended_in_batches_are_the_nodes_appended_at_once(batches: list[int]) -> None:
    tree, seen, at = CompactRange(), {}, 0
    for width in batches:
        for level, index, digest in new_nodes(tree, LEAVES[at:at + width]):
            assert (level, index) not in seen
            seen[level, index] = digest
        at = min(at + width, LARGEST)
    assert tree.size == at
    assert seen == {place: digest for place, digest in NODES.items() if (place[1] + 1) << place[0] <= at}


@pytest.mark.parametrize("data", [b"", b"\0" * 7, b"\0" * 8 + b"x", (1).to_bytes(8, "big"), (3).to_bytes(8, "big") + b"\0" * 32])
def test_a_damaged_compact_range_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="compact range"):
        CompactRange.from_bytes(data)


@settings(max_examples=300)
@given(st.data())
def test_an_inclusion_proof_verifies_and_fails_with_anything_changed(data: st.DataObject) -> None:
    size = data.draw(sizes)
    index = data.draw(st.integers(0, size - 1))
    proof, root = inclusion_proof(index, size, node), root_from_nodes(size, node)
    verify_inclusion(LEAVES[index], index, size, proof, root)
    assert all(refused(verify_inclusion, LEAVES[index], index, size, changed, root) for changed in flips(proof))
    assert refused(verify_inclusion, leaf_hash(b"other"), index, size, proof, root)
    assert refused(verify_inclusion, LEAVES[index], index, size, proof, leaf_hash(b"other"))
    for wrong in {index - 1, index + 1, size} - {index}:
        assert refused(verify_inclusion, LEAVES[index], wrong, size, proof, root)


@settings(max_examples=300)
@given(sizes, sizes)
def test_a_consistency_proof_verifies_and_fails_with_anything_changed(one: int, other: int) -> None:
    first, second = sorted((one, other))
    proof, root1, root2 = consistency_proof(first, second, node), root_from_nodes(first, node), root_from_nodes(second, node)
    verify_consistency(first, second, root1, root2, proof)
    assert all(refused(verify_consistency, first, second, root1, root2, changed) for changed in flips(proof))
    assert refused(verify_consistency, first, second, leaf_hash(b"other"), root2, proof)
    assert refused(verify_consistency, first, second, root1, leaf_hash(b"other"), proof)
    if first < second:
        assert refused(verify_consistency, second, first, root2, root1, proof)


def test_every_pair_up_to_the_largest_size_verifies() -> None:
    roots = [root_from_nodes(size, node) for size in range(LARGEST + 1)]
    for size in range(1, LARGEST + 1):
        for index in range(size):
            verify_inclusion(LEAVES[index], index, size, inclusion_proof(index, size, node), roots[size])
            verify_consistency(index + 1, size, roots[index + 1], roots[size], consistency_proof(index + 1, size, node))


def test_no_proof_of_any_pair_up_to_64_survives_a_flipped_hash() -> None:
    roots = [root_from_nodes(size, node) for size in range(65)]
    for size in range(1, 65):
        for index in range(size):
            proof = inclusion_proof(index, size, node)
            assert all(refused(verify_inclusion, LEAVES[index], index, size, wrong, roots[size]) for wrong in flips(proof))
            proof = consistency_proof(index + 1, size, node)
            assert all(refused(verify_consistency, index + 1, size, roots[index + 1], roots[size], wrong) for wrong in flips(proof))


@given(st.data())
def test_a_proof_reads_a_logarithmic_number_of_nodes(data: st.DataObject) -> None:
    size = data.draw(sizes)
    reads: list[tuple[int, int]] = []

    def counted(level: int, index: int) -> bytes:
        reads.append((level, index))
        return node(level, index)
    inclusion_proof(data.draw(st.integers(0, size - 1)), size, counted)
    consistency_proof(data.draw(st.integers(1, size)), size, counted)
    assert len(reads) <= 4 * size.bit_length()


@pytest.mark.parametrize("size", [2, 3])
def test_hashes_of_another_length_are_refused(size: int) -> None:
    proof, root = inclusion_proof(0, size, node), root_from_nodes(size, node)
    assert refused(verify_inclusion, b"", 0, size, proof, root)
    assert refused(verify_inclusion, LEAVES[0], 0, size, proof, root[:12])
    assert refused(verify_inclusion, LEAVES[0], 0, size, [proof[0] + b"\0", *proof[1:]], root)
    assert refused(verify_consistency, 1, 1, b"short", b"short", [])


def test_nothing_is_proven_from_the_empty_tree() -> None:
    assert refused(verify_consistency, 0, 1, EMPTY_ROOT, LEAVES[0], [])
    assert refused(verify_inclusion, LEAVES[0], 0, 0, [], EMPTY_ROOT)
    with pytest.raises(ValueError, match="no consistency proof"):
        consistency_proof(0, 1, node)
    with pytest.raises(ValueError, match="not in a tree"):
        inclusion_proof(1, 1, node)
