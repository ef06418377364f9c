"""The leaf: the small public record that the tree hashes, and its commitment to the body.

A leaf names nobody and holds no hash of a payload: only a salted commitment to the envelope bytes, so that deleting salt and
body erases what was said while every proof stays valid. It is RFC 8785 JSON, written by a fixed formatter (a test holds it
equal to `rfc8785`), because it is made once per event under load.
"""
from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final

from lineproof_audit.errors import InvalidLeaf
from lineproof_audit.hashing import sha256

__all__ = ["MAX_LEAF_BYTES", "SALT_BYTES", "SYSTEM_TENANT", "Leaf", "body_commitment", "encode_leaf", "parse_leaf"]

MAX_LEAF_BYTES = 65_535  # tlog-tiles: an entry bundle gives each entry's length in 16 bits
SALT_BYTES = 32
SYSTEM_TENANT = "0" * 32
LEAF_VERSION: Final = 1

_DOMAIN = b"lineproof/body/v1\x00"
_HEX32 = re.compile(r"[0-9a-f]{32}")
_HEX64 = re.compile(r"[0-9a-f]{64}")
_VISIBLE = re.compile(r"[!-~]{1,1024}")  # media types, CloudEvents types of ours, predicate URIs
_SIGNED_BY = frozenset({"PRODUCER", "SERVICE", "ADMIN"})
_LARGEST_EXACT = 2**53 - 1  # RFC 8785 numbers are IEEE doubles
_FIELDS = frozenset({"v", "mediaType", "eventType", "tenant", "signer", "signedBy", "caller", "received", "body"})
_quote = json.JSONEncoder(ensure_ascii=False).encode
# Exactly what `encode_leaf` writes for types without quotes and backslashes, which is every leaf we ever met: reading one is then one match.
_USUAL = re.compile(r'\{"body":"([0-9a-f]{64})","caller":(?:null|"([0-9a-f]{64})"),"eventType":"([!#-\[\]-~]{1,1024})","mediaType":"([!#-\[\]-~]{1,1024})",'
                    r'"received":(0|[1-9][0-9]{0,15}),"signedBy":"(PRODUCER|SERVICE|ADMIN)","signer":"([0-9a-f]{64})","tenant":"([0-9a-f]{32})","v":1\}')


@dataclass(frozen=True, slots=True)
class Leaf:
    """One entry as everybody may see it.

    Attributes:
        v: version of this record, 1.
        media_type: payloadType of the envelope.
        event_type: CloudEvents type, `openlineage.run|job|dataset`, a listed predicateType, else `in-toto.other`.
        tenant: 32 hex characters; zeros for the log's own entries.
        signer: key id (64 hex) of the envelope's signature.
        signed_by: PRODUCER, SERVICE (wrapped by the notary) or ADMIN.
        caller: keyed hash (64 hex) of the authenticated caller, or None.
        received: microseconds since the Unix epoch; never decreases along the log.
        body: commitment to the envelope, 64 hex characters (`body_commitment`).
    """

    v: int
    media_type: str
    event_type: str
    tenant: str
    signer: str
    signed_by: str
    caller: str | None
    received: int
    body: str


def encode_leaf(leaf: Leaf) -> bytes:
    """The canonical bytes of a leaf, at most `MAX_LEAF_BYTES`.

    Raises:
        InvalidLeaf: a field is outside its grammar.
    """
    _check(leaf)
    caller = "null" if leaf.caller is None else f'"{leaf.caller}"'
    return (f'{{"body":"{leaf.body}","caller":{caller},"eventType":{_quote(leaf.event_type)},"mediaType":{_quote(leaf.media_type)},'
            f'"received":{leaf.received},"signedBy":"{leaf.signed_by}","signer":"{leaf.signer}","tenant":"{leaf.tenant}","v":{leaf.v}}}').encode("ascii")


def parse_leaf(raw: bytes) -> Leaf:
    """Read a leaf; only its one canonical spelling is accepted.

    Raises:
        InvalidLeaf: with what is wrong.
    """
    if len(raw) > MAX_LEAF_BYTES:
        raise InvalidLeaf(f"leaf of {len(raw)} bytes, at most {MAX_LEAF_BYTES}")
    usual = _USUAL.fullmatch(raw.decode("latin-1"))  # one character per byte, and none beyond ASCII matches
    if usual is not None and int(usual[5]) <= _LARGEST_EXACT:
        body, caller, event_type, media_type, received, signed_by, signer, tenant = usual.groups()
        return Leaf(LEAF_VERSION, media_type, event_type, tenant, signer, signed_by, caller, int(received), body)
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise InvalidLeaf("the leaf is not JSON") from error
    if not isinstance(document, dict) or document.keys() != _FIELDS:
        raise InvalidLeaf(f"a leaf has exactly the fields {', '.join(sorted(_FIELDS))}")
    leaf = Leaf(document["v"], document["mediaType"], document["eventType"], document["tenant"], document["signer"], document["signedBy"],
                document["caller"], document["received"], document["body"])
    if encode_leaf(leaf) != raw:
        raise InvalidLeaf("the leaf is not in its canonical spelling")
    return leaf


def body_commitment(salt: bytes, envelope: bytes) -> str:
    """SHA-256("lineproof/body/v1" NUL || salt || envelope bytes as received), in hex.

    Raises:
        InvalidLeaf: the salt is not 32 bytes.
    """
    if len(salt) != SALT_BYTES:
        raise InvalidLeaf(f"salt of {len(salt)} bytes, {SALT_BYTES} expected")
    return sha256(_DOMAIN + salt + envelope).hexdigest()


def _check(leaf: Leaf) -> None:
    if type(leaf.v) is not int or leaf.v != LEAF_VERSION:
        raise InvalidLeaf(f"leaf version {leaf.v!r}, {LEAF_VERSION} expected")
    if type(leaf.received) is not int or not 0 <= leaf.received <= _LARGEST_EXACT:
        raise InvalidLeaf("received is not a number of microseconds since the epoch")
    _match(_VISIBLE, leaf.media_type, "mediaType")
    _match(_VISIBLE, leaf.event_type, "eventType")
    _match(_HEX32, leaf.tenant, "tenant")
    _match(_HEX64, leaf.signer, "signer")
    _match(_HEX64, leaf.body, "body")
    if leaf.caller is not None:
        _match(_HEX64, leaf.caller, "caller")
    if not isinstance(leaf.signed_by, str) or leaf.signed_by not in _SIGNED_BY:
        raise InvalidLeaf("signedBy is not PRODUCER, SERVICE or ADMIN")


def _match(pattern: re.Pattern[str], value: object, name: str) -> None:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise InvalidLeaf(f"{name} does not match {pattern.pattern}")
