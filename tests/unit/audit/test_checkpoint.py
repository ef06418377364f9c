from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineproof_audit.checkpoint import Checkpoint, TlogProof, open_checkpoint, parse_checkpoint, parse_tlog_proof, peek_checkpoint, sign_checkpoint
from lineproof_audit.errors import InvalidProof
from lineproof_audit.note import NoteSigner, NoteVerifier, sign_note
from lineproof_audit.tree import CompactRange, inclusion_proof, leaf_hash, new_nodes
from tests.unit.audit.memory_log import LOG, NOTARY, ORIGIN

ROOT = bytes(range(32))
TEXT = f"{ORIGIN}\n7\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
VERIFIER = NoteVerifier(ORIGIN, LOG.verify_key)


@given(st.integers(0, 10**19 - 1), st.binary(min_size=32, max_size=32))
def test_a_signed_checkpoint_opens_to_itself(size: int, root: bytes) -> None:
    checkpoint = Checkpoint(ORIGIN, size, root)
    note = sign_checkpoint(checkpoint, LOG)
    assert open_checkpoint(note, VERIFIER) == checkpoint == peek_checkpoint(note)


def test_the_text_is_three_lines() -> None:
    assert Checkpoint(ORIGIN, 7, ROOT).to_text() == TEXT
    assert parse_checkpoint(TEXT) == Checkpoint(ORIGIN, 7, ROOT)


def test_extension_lines_of_others_are_kept() -> None:
    assert parse_checkpoint(TEXT + "more\n").extensions == ("more",)


@pytest.mark.parametrize("size", ["+7", " 7", "7 ", "07", "1_0", "-1", "", "7.0", "0x7", "٧", "10000000000000000000", "9" * 5000])
def test_a_sloppy_size_is_refused(size: str) -> None:
    with pytest.raises(InvalidProof):
        parse_checkpoint(TEXT.replace("\n7\n", f"\n{size}\n"))


@pytest.mark.parametrize("text", ["", ORIGIN, f"{ORIGIN}\n7\n", TEXT[:-1], TEXT + "\n", TEXT.replace("AAEC", "AAE"), "\n" + TEXT.split("\n", 1)[1],
                                  TEXT.replace("8=", "9="), f"{ORIGIN}\n7\nAAEC\n"])
def test_a_malformed_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(InvalidProof):
        parse_checkpoint(text)


def test_a_checkpoint_of_another_origin_or_key_is_refused() -> None:
    foreign = sign_note(Checkpoint("other.example/log", 7, ROOT).to_text(), [NoteSigner(ORIGIN, LOG)])
    with pytest.raises(InvalidProof, match=r"other\.example"):
        open_checkpoint(foreign, VERIFIER)
    with pytest.raises(InvalidProof, match="no known key"):
        open_checkpoint(sign_checkpoint(Checkpoint(ORIGIN, 7, ROOT), NOTARY), VERIFIER)


def test_during_a_rotation_either_key_opens_the_checkpoint() -> None:
    note = sign_checkpoint(Checkpoint(ORIGIN, 7, ROOT), NOTARY)
    assert open_checkpoint(note, VERIFIER, NoteVerifier(ORIGIN, NOTARY.verify_key)).size == 7


@pytest.mark.parametrize("checkpoint", [
    Checkpoint("two\nlines", 1, ROOT), Checkpoint(ORIGIN, 1, b"short"), Checkpoint(ORIGIN, -1, ROOT), Checkpoint("", 1, ROOT),
])
def test_what_the_format_cannot_hold_is_not_signed(checkpoint: Checkpoint) -> None:
    with pytest.raises(InvalidProof):
        sign_checkpoint(checkpoint, LOG)


LEAVES = [leaf_hash(bytes([index])) for index in range(11)]
TREE = CompactRange()
NODES = {(level, index): digest for level, index, digest in new_nodes(TREE, LEAVES)}
NOTE = sign_checkpoint(Checkpoint(ORIGIN, 11, TREE.root()), LOG)
PROOF = TlogProof(4, tuple(inclusion_proof(4, 11, lambda level, index: NODES[level, index])), NOTE)


@pytest.mark.parametrize("extra", [None, b"", b"context"])
def test_a_proof_text_parses_back_and_verifies(extra: bytes | None) -> None:
    proof = TlogProof(PROOF.index, PROOF.hashes, PROOF.checkpoint, extra)
    parsed = parse_tlog_proof(proof.to_text())
    if extra == b"":
        assert "extra \n" in proof.to_text()
    assert parsed == proof
    assert parsed.verify(LEAVES[4], VERIFIER).size == 11


def test_a_proof_starts_as_the_specification_prints_it() -> None:
    assert PROOF.to_text().split("\n")[:2] == ["c2sp.org/tlog-proof@v1", "index 4"]


def test_the_proof_of_a_tree_of_one_has_no_hashes() -> None:
    proof = TlogProof(0, (), sign_checkpoint(Checkpoint(ORIGIN, 1, LEAVES[0]), LOG))
    assert parse_tlog_proof(proof.to_text()).verify(LEAVES[0], VERIFIER).size == 1


@pytest.mark.parametrize("change", [
    ("index 4", "index 5"), ("index 4", "index +4"), ("index 4", "index 04"), ("index 4", "Index 4"), ("index 4\n", ""), ("@v1", "@v2"),
    ("index 4", "extra !\nindex 4"), ("\n11\n", "\n12\n"), ("\n\n", "\n"), ("index 4\n", "index 4\nAAAA\n"), ("index 4\n", "index 4\n" + "A" * 43 + "=\n"),
])
def test_a_changed_proof_text_does_not_verify(change: tuple[str, str]) -> None:
    with pytest.raises(InvalidProof):
        parse_tlog_proof(PROOF.to_text().replace(*change, 1)).verify(LEAVES[4], VERIFIER)
