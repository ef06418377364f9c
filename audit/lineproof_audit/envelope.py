"""DSSE v1 envelopes over exact bytes.

Source: DSSE protocol.md v1.0.2. The signature covers PAE(payloadType, payload), so nothing is ever parsed and serialised
again to be verified. `keyid` is a hint: what counts is the key the signature verifies under.
"""
from __future__ import annotations

import json
import re
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from lineproof_audit.base64text import decode_base64, encode_base64
from lineproof_audit.errors import EnvelopeError

if TYPE_CHECKING:
    from lineproof_audit.keys import SigningKey, VerifyKey

__all__ = ["DSSE_TYPES", "MAX_ENVELOPE_BYTES", "PAYLOAD_CLOUDEVENT", "PAYLOAD_INTOTO", "PAYLOAD_OPENLINEAGE", "Envelope", "pae", "parse_envelope",
           "sign_envelope", "verify_envelope"]

PAYLOAD_OPENLINEAGE = "application/vnd.openlineage+json"
PAYLOAD_CLOUDEVENT = "application/cloudevents+json"
PAYLOAD_INTOTO = "application/vnd.in-toto+json"
DSSE_TYPES = frozenset({PAYLOAD_OPENLINEAGE, PAYLOAD_CLOUDEVENT, PAYLOAD_INTOTO})

# Real OpenLineage events of wide Spark jobs reach 1-2 MiB (schema and column lineage of thousands of columns); base64 adds a
# third. 4 MiB takes those and still bounds what one request can make us hold.
MAX_ENVELOPE_BYTES = 4 * 1024 * 1024

_PAYLOAD_TYPE = re.compile(r"[!-~]{1,255}")  # a media type or URI: visible ASCII
_KEYID = re.compile(rb"[0-9a-f]{64}")

# What `sign_envelope` writes, cut at its quotes: what stands between the four values is always the same.
_USUAL: Final = (b"{", b"payloadType", b":", b",", b"payload", b":", b",", b"signatures", b":[{", b"keyid", b":", b",", b"sig", b":", b"}]}")
_USUAL_PARTS: Final = len(_USUAL) + 4
_between = itemgetter(0, 1, 2, 4, 5, 6, 8, 9, 10, 11, 12, 14, 15, 16, 18)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A parsed envelope: `payload` and `signature` are the decoded bytes, `keyid` is the hint ("" if the sender gave none)."""

    payload_type: str
    payload: bytes
    keyid: str
    signature: bytes


def pae(payload_type: str, payload: bytes) -> bytes:
    """The DSSE pre-authentication encoding: `DSSEv1 SP len(type) SP type SP len(body) SP body`, lengths in bytes."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def parse_envelope(raw: bytes) -> Envelope:
    """Parse one envelope strictly. Fields we do not know are ignored, as DSSE asks.

    Raises:
        EnvelopeError: `too-large`, `not-json`, `unsigned-envelope` (no signature) or `invalid-envelope` (anything else, also
            two signatures, a repeated JSON key, URL-safe or sloppy base64).
    """
    if len(raw) > MAX_ENVELOPE_BYTES:
        raise EnvelopeError(f"envelope of {len(raw)} bytes, at most {MAX_ENVELOPE_BYTES}", code="too-large", limit=MAX_ENVELOPE_BYTES)
    usual = _usual(raw)
    if usual is not None:
        return usual
    document = _load(raw)
    if not isinstance(document, dict):
        raise EnvelopeError("the envelope is not a JSON object")
    payload_type = document.get("payloadType")
    if not isinstance(payload_type, str) or not _PAYLOAD_TYPE.fullmatch(payload_type):
        raise EnvelopeError("payloadType is missing or not 1 to 255 visible ASCII characters")
    payload = _bytes(document.get("payload"), "payload")
    signatures = document.get("signatures")
    if signatures is None or signatures == []:
        raise EnvelopeError("the envelope has no signature", code="unsigned-envelope")
    if not isinstance(signatures, list) or len(signatures) != 1 or not isinstance(signatures[0], dict):
        raise EnvelopeError("signatures is not a list of exactly one object")
    keyid = signatures[0].get("keyid", "")
    if not isinstance(keyid, str):
        raise EnvelopeError("keyid is not a string")
    signature = _bytes(signatures[0].get("sig"), "sig")
    if not signature:
        raise EnvelopeError("sig is empty", code="unsigned-envelope")
    return Envelope(payload_type, payload, keyid, signature)


def sign_envelope(payload_type: str, payload: bytes, key: SigningKey) -> bytes:
    """The envelope of `payload` signed with `key`, as compact JSON bytes.

    Raises:
        EnvelopeError: the payload type is not visible ASCII, or the envelope would be larger than `MAX_ENVELOPE_BYTES`.
    """
    if not _PAYLOAD_TYPE.fullmatch(payload_type):
        raise EnvelopeError("payloadType is not 1 to 255 visible ASCII characters")
    signature = key.sign(pae(payload_type, payload))
    raw = (f'{{"payloadType":{json.dumps(payload_type)},"payload":"{encode_base64(payload)}",'
           f'"signatures":[{{"keyid":"{key.keyid}","sig":"{encode_base64(signature)}"}}]}}').encode("ascii")
    if len(raw) > MAX_ENVELOPE_BYTES:
        raise EnvelopeError(f"envelope of {len(raw)} bytes, at most {MAX_ENVELOPE_BYTES}", code="too-large", limit=MAX_ENVELOPE_BYTES)
    return raw


def verify_envelope(envelope: Envelope, key: VerifyKey) -> None:
    """Check the signature over the exact payload bytes.

    Raises:
        BadSignature: it does not verify under `key`.
    """
    key.verify(envelope.signature, pae(envelope.payload_type, envelope.payload))


def _usual(raw: bytes) -> Envelope | None:
    """An envelope byte for byte as `sign_envelope` writes them, in half the time; None of any other, which may be one all the same."""
    parts = raw.split(b'"', _USUAL_PARTS)
    if len(parts) != _USUAL_PARTS or _between(parts) != _USUAL or b"\\" in parts[3] or not _KEYID.fullmatch(parts[13]) or not parts[17]:
        return None
    try:
        payload_type = parts[3].decode("ascii")
        if not _PAYLOAD_TYPE.fullmatch(payload_type):
            return None
        return Envelope(payload_type, decode_base64(parts[7].decode("ascii")), parts[13].decode("ascii"), decode_base64(parts[17].decode("ascii")))
    except ValueError:
        return None


def _load(raw: bytes) -> object:
    try:
        return _DECODER.decode(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise EnvelopeError(f"the envelope is not UTF-8: {error.reason} at byte {error.start}", code="not-json") from error
    except json.JSONDecodeError as error:
        raise EnvelopeError(f"the envelope is not JSON: {error.msg} at character {error.pos}", code="not-json") from error
    except RecursionError as error:
        raise EnvelopeError("the envelope is nested too deeply") from error
    except ValueError as error:  # an integer of more digits than Python converts
        if isinstance(error, EnvelopeError):
            raise
        raise EnvelopeError(f"the envelope is not JSON we can read: {error}", code="not-json") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two parsers may pick different values of a repeated key, so an envelope has none."""
    document = dict(pairs)
    if len(document) != len(pairs):
        raise EnvelopeError("a JSON key is repeated")
    return document


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)  # `json.loads` with a hook builds one per call, which takes longer than a small text


def _bytes(value: object, name: str) -> bytes:
    if not isinstance(value, str):
        raise EnvelopeError(f"{name} is missing or not a string")
    try:
        return decode_base64(value)
    except ValueError as error:
        raise EnvelopeError(f"{name}: {error}") from error
