"""A whole log as files: the tlog-tiles that anybody can check, and beside them what only a log of ours has.

    checkpoint, tile/…                     C2SP tlog-tiles, see `tlog_tiles`
    lineproof/log                          what this is and how far it goes (JSON, sealed)
    lineproof/bodies/<N>[.p/<W>]           256 (or W) records: the keyed hashes of an entry, its salt and its envelope
    lineproof/checkpoints/<N>              all signed checkpoints, 256 to a file (JSON lines, sealed)

The tree shows any change of a leaf, and a leaf any change of its body. The keyed hashes and the rest have nothing to be compared with, so
a record ends in a checksum and a sealed file in one: against damage, not against somebody who means it.
"""
from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lineproof_audit.base64text import decode_base64, encode_base64
from lineproof_audit.errors import CorruptLog
from lineproof_audit.identity import HASH_BYTES
from lineproof_audit.store import SignedCheckpoint
from lineproof_audit.tlog_tiles import TileAddress

__all__ = ["FORMAT", "MANIFEST", "ExportManifest", "MovedBody", "bodies_path", "checkpoints_path", "encode_bodies", "encode_checkpoints", "encode_manifest",
           "parse_bodies", "parse_checkpoints", "parse_manifest"]

FORMAT = "lineproof-log@v1"
MANIFEST = "lineproof/log"
_SALT_BYTES = 32
_CHECK_BYTES = 8
_LENGTH_BYTES = 4
_ERASED, _PRESENT = b"\0", b"\1"


@dataclass(frozen=True, slots=True)
class ExportManifest:
    """How far an export goes.

    Attributes:
        origin: the log's name.
        size: entries it holds in full; 0 until it was finished once.
        bodies: entries whose bodies are written; more than `size` while a run goes on or was interrupted.
        root: RFC 6962 root of the first `bodies` entries, by which a later run knows the log again.
        secret_check: fingerprint of the dedupe secret, which moves with the keys.
        tool_version: who wrote it.
    """

    origin: str
    size: int
    bodies: int
    root: bytes
    secret_check: bytes | None
    tool_version: str


@dataclass(frozen=True, slots=True)
class MovedBody:
    """What moves with a leaf. `salt` and `envelope` are None once erased."""

    identity: bytes
    payload: bytes
    salt: bytes | None
    envelope: bytes | None


def bodies_path(number: int, width: int) -> str:
    """The file of entries `256 * number` and on."""
    return TileAddress(None, number, width).path.replace("tile/entries/", "lineproof/bodies/")


def checkpoints_path(number: int) -> str:
    """The file of checkpoints `256 * number` and on, counted in the order of size."""
    return TileAddress(None, number).path.replace("tile/entries/", "lineproof/checkpoints/")


def encode_bodies(first: int, bodies: Sequence[MovedBody]) -> bytes:
    """The records of entries `first` and on."""
    parts = []
    for index, body in enumerate(bodies, first):
        if len(body.identity) != HASH_BYTES or len(body.payload) != HASH_BYTES:
            raise CorruptLog(f"the keyed hashes of entry {index} are not of {HASH_BYTES} bytes", index=index)
        record = body.identity + body.payload
        record += _ERASED if body.envelope is None or body.salt is None else _PRESENT + body.salt + body.envelope
        parts += [len(record).to_bytes(_LENGTH_BYTES, "big"), record, _check(index, record)]
    return b"".join(parts)


def parse_bodies(data: bytes, first: int, width: int) -> Iterator[MovedBody | str]:
    """The records of entries `first` and on, as far as they can be told apart; what is wrong with one in its place.

    Raises:
        CorruptLog: the file does not go on, or goes on too long; what stands before the fault has been given.
    """
    at = 0
    for index in range(first, first + width):
        end = at + _LENGTH_BYTES + int.from_bytes(data[at:at + _LENGTH_BYTES], "big")
        record, check = data[at + _LENGTH_BYTES:end], data[end:end + _CHECK_BYTES]
        if end + _CHECK_BYTES > len(data):
            raise CorruptLog(f"the bodies end inside that of entry {index}", index=index)
        if check != _check(index, record):
            yield f"the record of entry {index} does not have the checksum it ends in"
        else:
            yield _record(record, index)
        at = end + _CHECK_BYTES
    if at != len(data):
        raise CorruptLog(f"the bodies go on after that of entry {first + width - 1}")


def encode_manifest(manifest: ExportManifest) -> bytes:
    """The file `MANIFEST`."""
    check = None if manifest.secret_check is None else encode_base64(manifest.secret_check)
    return _sealed(json.dumps({"format": FORMAT, "origin": manifest.origin, "size": manifest.size, "bodies": manifest.bodies,
                               "rootHash": encode_base64(manifest.root), "secretCheck": check, "toolVersion": manifest.tool_version}) + "\n")


def parse_manifest(data: bytes) -> ExportManifest:
    """Read the file `MANIFEST`.

    Raises:
        CorruptLog: damaged, or of another format.
    """
    try:
        fields: Any = json.loads(_unsealed(data, MANIFEST))
        if fields["format"] != FORMAT:
            raise CorruptLog(f"{MANIFEST} is of the format {fields['format']!r}, {FORMAT} expected")
        check = fields["secretCheck"]
        size, bodies = int(fields["size"]), int(fields["bodies"])
        manifest = ExportManifest(str(fields["origin"]), size, bodies, decode_base64(fields["rootHash"]), None if check is None else decode_base64(check),
                                  str(fields["toolVersion"]))
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptLog(f"{MANIFEST} lacks a field or has a wrong one: {error}") from error
    if not 0 <= size <= bodies:
        raise CorruptLog(f"{MANIFEST} says {size} entries and {bodies} bodies")
    return manifest


def encode_checkpoints(rows: Sequence[SignedCheckpoint]) -> bytes:
    """One file of checkpoints."""
    return _sealed("".join(json.dumps({"note": row.note, "signedAt": row.signed_at}) + "\n" for row in rows))


def parse_checkpoints(data: bytes, name: str) -> list[tuple[str, int]]:
    """The notes of a file of checkpoints, each with the time of its signature (µs).

    Raises:
        CorruptLog: damaged.
    """
    try:
        return [(str(row["note"]), int(row["signedAt"])) for row in map(json.loads, _unsealed(data, name).splitlines())]
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptLog(f"{name} holds what is no checkpoint: {error}") from error


def _record(record: bytes, index: int) -> MovedBody | str:
    identity, payload, rest = record[:HASH_BYTES], record[HASH_BYTES:2 * HASH_BYTES], record[2 * HASH_BYTES:]
    if rest == _ERASED:
        return MovedBody(identity, payload, None, None)
    if rest[:1] != _PRESENT or len(rest) < 1 + _SALT_BYTES:
        return f"the record of entry {index} is none"
    return MovedBody(identity, payload, rest[1:1 + _SALT_BYTES], rest[1 + _SALT_BYTES:])


def _check(index: int, record: bytes) -> bytes:
    return hashlib.sha256(FORMAT.encode() + index.to_bytes(8, "big") + record).digest()[:_CHECK_BYTES]


def _sealed(text: str) -> bytes:
    data = text.encode("utf-8")
    return data + hashlib.sha256(data).hexdigest().encode() + b"\n"


def _unsealed(data: bytes, name: str) -> str:
    text, seal = data[:-65], data[-65:]
    if hashlib.sha256(text).hexdigest().encode() + b"\n" != seal:
        raise CorruptLog(f"{name} does not have the checksum it ends in")
    return text.decode("utf-8")
