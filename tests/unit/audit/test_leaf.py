from __future__ import annotations

import dataclasses
import hashlib
import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from lineproof_audit.errors import InvalidLeaf
from lineproof_audit.leaf import MAX_LEAF_BYTES, Leaf, body_commitment, encode_leaf, parse_leaf

hex32, hex64 = (st.text("0123456789abcdef", min_size=size, max_size=size) for size in (32, 64))
visible = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=80)
leaves = st.builds(Leaf, st.just(1), visible, visible, hex32, hex64, st.sampled_from(["PRODUCER", "SERVICE", "ADMIN"]), st.none() | hex64,
                   st.integers(0, 2**53 - 1), hex64)
LEAF = Leaf(1, "application/cloudevents+json", "lineproof.commit.v1", "0" * 32, "1" * 64, "PRODUCER", None, 1_800_000_000_000_000, "2" * 64)


def document(leaf: Leaf) -> dict[str, object]:
    return {"v": leaf.v, "mediaType": leaf.media_type, "eventType": leaf.event_type, "tenant": leaf.tenant, "signer": leaf.signer,
            "signedBy": leaf.signed_by, "caller": leaf.caller, "received": leaf.received, "body": leaf.body}


@given(leaves)
def test_the_fixed_formatter_writes_what_rfc8785_writes(leaf: Leaf) -> None:
    raw = encode_leaf(leaf)
    assert raw == rfc8785.dumps(document(leaf))
    assert parse_leaf(raw) == leaf


def test_the_longest_leaf_fits_an_entry_bundle() -> None:
    assert len(encode_leaf(dataclasses.replace(LEAF, media_type='"' * 1024, event_type="\\" * 1024, received=2**53 - 1, caller="0" * 64))) <= MAX_LEAF_BYTES


@pytest.mark.parametrize("changes", [
    {"v": 2}, {"v": True}, {"v": 1.0}, {"media_type": ""}, {"media_type": "a b"}, {"media_type": "é"}, {"event_type": None}, {"event_type": "x" * 1025},
    {"tenant": "A" * 32}, {"tenant": "0" * 31}, {"signer": "0" * 63}, {"signer": "G" * 64}, {"signed_by": "producer"}, {"signed_by": []},
    {"caller": ""}, {"caller": "x" * 64}, {"received": -1}, {"received": 2**53}, {"received": 1.5}, {"received": True}, {"body": "0" * 64 + "\n"},
])
def test_a_field_outside_its_grammar_is_refused(changes: dict[str, object]) -> None:
    leaf = dataclasses.replace(LEAF, **changes)  # type: ignore[arg-type]
    with pytest.raises(InvalidLeaf):
        encode_leaf(leaf)
    with pytest.raises(InvalidLeaf):
        parse_leaf(json.dumps(document(leaf)).encode())


@pytest.mark.parametrize("change", [
    lambda raw: b" " + raw, lambda raw: raw + b"\n", lambda raw: raw.replace(b'"v":1', b'"v":1.0'), lambda raw: raw.replace(b",", b", "),
    lambda raw: raw.replace(b'"v":1', b'"v":1,"v":1'), lambda raw: raw.replace(b'"v":1', b'"v":1,"w":1'), lambda raw: raw.replace(b',"v":1', b""),
    lambda raw: raw.replace(b"commit", b"com\\u006dit"), lambda raw: raw.decode().encode("utf-16"), lambda raw: b"[]", lambda raw: b"\xff",
    lambda raw: raw.replace(b"1800000000000000", b"9007199254740992"), lambda raw: raw.replace(b"1800000000000000", b"01"),
    lambda raw: raw.replace(b"1800000000000000", b"99999999999999999"), lambda raw: raw.replace(b"PRODUCER", b"PRODUCERS"), lambda raw: raw[:-1] + b"}\n",
    lambda raw: b"", lambda raw: b"[" * 50_000, lambda raw: raw + b" " * MAX_LEAF_BYTES,
])
def test_only_the_canonical_spelling_is_a_leaf(change: object) -> None:
    with pytest.raises(InvalidLeaf):
        parse_leaf(change(encode_leaf(LEAF)))  # type: ignore[operator]


def test_the_commitment_is_salted_and_domain_separated() -> None:
    salt = bytes(range(32))
    assert body_commitment(salt, b"{}") == hashlib.sha256(b"lineproof/body/v1\x00" + salt + b"{}").hexdigest()
    assert body_commitment(bytes(32), b"{}") != body_commitment(salt, b"{}")


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_salt_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(InvalidLeaf):
        body_commitment(bytes(size), b"{}")
