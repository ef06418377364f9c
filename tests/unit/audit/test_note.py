from __future__ import annotations

import base64
import json

import pytest

from lineproof_audit.errors import InvalidKey, InvalidProof
from lineproof_audit.keys import SigningKey
from lineproof_audit.note import MAX_NOTE_SIGNATURES, NoteSigner, NoteVerifier, open_note, parse_vkey, sign_note
from tests.unit.audit.memory_log import DATA, LOG, NOTARY

VECTORS = json.loads((DATA / "signed_notes.json").read_text())
SIGNER = NoteSigner("log.example/1", LOG)
WITNESS = NoteSigner("witness.example", NOTARY)
NOTE = sign_note("text\n", [SIGNER])


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["source"])
def test_published_notes_open_and_their_keys_round_trip(vector: dict[str, str]) -> None:
    verifier = parse_vkey(vector["vkey"])
    assert verifier.vkey == vector["vkey"]
    assert verifier.key_id.hex() == vector["keyId"]
    assert open_note(vector["note"], [verifier]).text == vector["text"]


def test_signing_reproduces_the_published_go_note_byte_for_byte() -> None:
    vector = next(item for item in VECTORS if "seed" in item)
    signer = NoteSigner(parse_vkey(vector["vkey"]).name, SigningKey.from_seed(base64.b64decode(vector["seed"])))
    assert sign_note(vector["text"], [signer]) == vector["note"]


@pytest.mark.parametrize("at", range(len(VECTORS[0]["vkey"])))
def test_a_verifier_key_with_any_character_changed_is_refused(at: int) -> None:
    vkey = VECTORS[0]["vkey"]
    with pytest.raises(InvalidKey):
        parse_vkey(vkey[:at] + chr(ord(vkey[at]) ^ 1) + vkey[at + 1:])


@pytest.mark.parametrize("vkey", ["", "name", "name+1234", "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
                                  "witness.example+26da1b66+BHcJnzzyEG/ckXRL4d4O+cGCT8OE6rLNDAj9BUTMy0EK"])
def test_what_is_no_ed25519_verifier_key_is_refused(vkey: str) -> None:
    with pytest.raises(InvalidKey):
        parse_vkey(vkey)


def test_unknown_signatures_are_ignored_even_if_they_share_a_name_or_an_id() -> None:
    same_name = NoteSigner(SIGNER.name, NOTARY)
    note = sign_note("text\n", [WITNESS, same_name, SIGNER])
    opened = open_note(note, [SIGNER.verifier])
    assert [line.key_id for line in opened.verified] == [SIGNER.verifier.key_id]
    assert len(opened.unknown) == 2


def test_one_bad_signature_of_a_known_key_spoils_the_note() -> None:
    other = sign_note("other\n", [WITNESS]).split("\n\n")[1]
    with pytest.raises(InvalidProof, match="does not verify"):
        open_note(NOTE + other, [SIGNER.verifier, WITNESS.verifier])
    assert open_note(NOTE + other, [SIGNER.verifier]).text == "text\n"


def test_a_note_nobody_known_signed_is_refused() -> None:
    with pytest.raises(InvalidProof, match="no known key"):
        open_note(NOTE, [WITNESS.verifier])


def test_the_text_ends_at_the_last_blank_line() -> None:
    note = sign_note("one\n\ntwo\n", [SIGNER])
    assert open_note(note, [SIGNER.verifier]).text == "one\n\ntwo\n"


@pytest.mark.parametrize("change", [
    lambda note: note[:-1], lambda note: note + "\n", lambda note: note.replace("— ", "- "), lambda note: note.replace("— ", "–\u0020"),
    lambda note: note.replace("— ", "—  "), lambda note: note.replace("— ", "—\t"), lambda note: note.replace("\n\n", "\n"),
    lambda note: note.replace("text", "te\rxt"), lambda note: note.replace("text", "te\x00xt"), lambda note: note.replace("text", "texT"),
    lambda note: note.replace("=\n", "\n"), lambda note: note.replace("log.example/1", "log+example/1"), lambda note: note + "— x AAAAAA==\n",
    lambda note: note + "— x !!!!\n", lambda note: note.replace("text", "te\ud800xt"), lambda note: note * (MAX_NOTE_SIGNATURES + 2),
])
def test_a_malformed_note_is_refused(change: object) -> None:
    with pytest.raises(InvalidProof):
        open_note(change(NOTE), [SIGNER.verifier])  # type: ignore[operator]


def test_at_least_sixteen_signatures_are_accepted_and_noise_is_bounded() -> None:
    lines = NOTE.split("\n\n")[1]
    assert open_note("text\n\n" + lines * 16, [SIGNER.verifier]).text == "text\n"
    with pytest.raises(InvalidProof, match="at most"):
        open_note("text\n\n" + lines * (MAX_NOTE_SIGNATURES + 1), [SIGNER.verifier])


def test_names_that_would_be_ambiguous_are_refused() -> None:
    for name in ("", "a b", "a+b", "a\u2003b", "a\nb", "a\x1fb"):
        with pytest.raises(InvalidKey):
            NoteVerifier(name, LOG.verify_key)


def test_a_note_is_signed_by_somebody_and_ends_in_a_newline() -> None:
    for text, signers in (("text", [SIGNER]), ("text\n", []), ("te\rxt\n", [SIGNER])):
        with pytest.raises(InvalidProof):
            sign_note(text, signers)
