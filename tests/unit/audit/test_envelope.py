from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineproof_audit.base64text import decode_base64
from lineproof_audit.envelope import MAX_ENVELOPE_BYTES, PAYLOAD_OPENLINEAGE, pae, parse_envelope, sign_envelope, verify_envelope
from lineproof_audit.errors import BadSignature, EnvelopeError
from tests.unit.audit.memory_log import PRODUCER, key


def document(**changes: object) -> dict[str, object]:
    signed: dict[str, object] = json.loads(sign_envelope(PAYLOAD_OPENLINEAGE, b'{"a":1}', PRODUCER))
    return {**signed, **changes}


def code_of(raw: bytes) -> str:
    with pytest.raises(EnvelopeError) as caught:
        parse_envelope(raw)
    return caught.value.code


def test_pae_is_the_example_of_the_dsse_protocol() -> None:
    assert pae("http://example.com/HelloWorld", b"hello world") == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_pae_counts_bytes_not_characters() -> None:
    assert pae("a", "é".encode()) == b"DSSEv1 1 a 2 \xc3\xa9"


@given(st.binary(max_size=300))
def test_what_is_signed_parses_back_to_the_same_bytes_and_verifies(payload: bytes) -> None:
    envelope = parse_envelope(sign_envelope(PAYLOAD_OPENLINEAGE, payload, PRODUCER))
    assert (envelope.payload_type, envelope.payload, envelope.keyid) == (PAYLOAD_OPENLINEAGE, payload, PRODUCER.keyid)
    verify_envelope(envelope, PRODUCER.verify_key)


def test_another_key_payload_or_type_does_not_verify() -> None:
    envelope = parse_envelope(sign_envelope(PAYLOAD_OPENLINEAGE, b"{}", PRODUCER))
    with pytest.raises(BadSignature):
        verify_envelope(envelope, key("other").verify_key)
    for change in ({"payload": base64.b64encode(b"{ }").decode()}, {"payloadType": "application/json"}):
        with pytest.raises(BadSignature):
            verify_envelope(parse_envelope(json.dumps(document(**change)).encode()), PRODUCER.verify_key)


def test_the_keyid_is_a_hint_and_may_be_absent() -> None:
    signed = document()
    del signed["signatures"][0]["keyid"]  # type: ignore[index]
    envelope = parse_envelope(json.dumps(signed).encode())
    assert envelope.keyid == ""
    verify_envelope(envelope, PRODUCER.verify_key)


def test_unknown_fields_are_ignored() -> None:
    verify_envelope(parse_envelope(json.dumps(document(extra=1)).encode()), PRODUCER.verify_key)


@pytest.mark.parametrize("raw", [b"", b"\xff\xfe", b"{", b"nonsense", b"\xef\xbb\xbf{}"])
def test_bytes_that_are_no_json(raw: bytes) -> None:
    assert code_of(raw) == "not-json"


@pytest.mark.parametrize("changes", [{"signatures": []}, {"signatures": None}, {"signatures": [{"sig": ""}]}])
def test_no_signature(changes: dict[str, object]) -> None:
    assert code_of(json.dumps(document(**changes)).encode()) == "unsigned-envelope"


@pytest.mark.parametrize("changes", [
    {"payloadType": ""}, {"payloadType": 7}, {"payloadType": "with space"}, {"payloadType": "x" * 256}, {"payloadType": "é"},
    {"payload": None}, {"payload": "e30"}, {"payload": "e30=\n"}, {"payload": "e31="}, {"payload": "-_8="}, {"payload": "é"},
    {"signatures": {}}, {"signatures": "x"}, {"signatures": [{"sig": "AA=="}, {"sig": "AA=="}]}, {"signatures": [{"keyid": 1, "sig": "AA=="}]},
    {"signatures": [{"sig": 3}]}, {"signatures": [[]]},
])
def test_a_sloppy_envelope_is_refused(changes: dict[str, object]) -> None:
    assert code_of(json.dumps(document(**changes)).encode()) == "invalid-envelope"


def test_a_repeated_key_is_refused_at_any_depth_since_two_parsers_may_read_it_differently() -> None:
    raw = sign_envelope(PAYLOAD_OPENLINEAGE, b"{}", PRODUCER)
    for name in (b'"payload":', b'"keyid":', b'"sig":', b'"signatures":'):
        at = raw.index(name)
        value = raw[at:raw.index(b'"', at + len(name) + 1) + 1] if name != b'"signatures":' else b'"signatures":[]'
        assert code_of(raw[:at] + value + b"," + raw[at:]) == "invalid-envelope"


@pytest.mark.parametrize("raw", [b"[]", b"1", b"[" * 100_000])
def test_json_that_is_no_envelope(raw: bytes) -> None:
    assert code_of(raw) == "invalid-envelope"


def test_too_large_is_refused_before_it_is_parsed_and_before_it_is_signed() -> None:
    assert code_of(b" " * (MAX_ENVELOPE_BYTES + 1)) == "too-large"
    with pytest.raises(EnvelopeError, match="at most"):
        sign_envelope(PAYLOAD_OPENLINEAGE, b"x" * MAX_ENVELOPE_BYTES, PRODUCER)


def answer_to(raw: bytes) -> object:
    try:
        return parse_envelope(raw)
    except EnvelopeError as error:
        return error.code


USUAL = sign_envelope(PAYLOAD_OPENLINEAGE, b'{"a":1}', PRODUCER)
AT = st.integers(0, len(USUAL) - 1)
PIECES = st.one_of(st.binary(max_size=2), st.sampled_from([b'"', b"\\", b"\\u0041", b'","', b"=", b"A=", b" ", b'"keyid":"",', b"\xc3\xa9"]))


@given(AT, st.integers(0, 3), PIECES)
def test_what_signers_write_is_read_sooner_and_as_strictly_as_any_other_spelling(at: int, length: int, piece: bytes) -> None:
    changed = USUAL[:at] + piece + USUAL[at + length:]
    assert answer_to(changed) == answer_to(b" " + changed)  # the blank is JSON's business alone, and no signer writes it


@given(st.text("Ag=/ \n_é", max_size=9))
def test_base64_has_one_spelling(text: str) -> None:
    try:
        lenient = base64.b64decode(text)
    except ValueError:
        lenient = None
    if lenient is not None and base64.b64encode(lenient).decode() == text:
        assert decode_base64(text) == lenient
    else:
        with pytest.raises(ValueError, match="base64"):
            decode_base64(text)
