"""Signed notes: a text and one line per signature. Source: C2SP signed-note v1.0.0.

Only Ed25519 signatures (type 0x01) are made and verified here; other lines are unknown and ignored, as the specification demands, so
that key rotation and witnesses (`witness`) can add theirs.
"""
from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lineproof_audit.base64text import decode_base64, encode_base64
from lineproof_audit.errors import BadSignature, InvalidKey, InvalidProof
from lineproof_audit.keys import SigningKey, VerifyKey

__all__ = ["MAX_NOTE_SIGNATURES", "Note", "NoteSignature", "NoteSigner", "NoteVerifier", "format_signature", "note_key_id", "open_note", "parse_vkey",
           "read_vkey", "sign_note", "split_note"]

MAX_NOTE_BYTES = 1_000_000  # as Go's x/mod/sumdb/note: room for many post-quantum signatures of nearly 5 kB
MAX_NOTE_SIGNATURES = 100  # the specification asks for at least 16; a note of noise must not cost more

ED25519 = 0x01
_DASH = "\N{EM DASH}"
_HEX8 = re.compile(r"[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: the key's name, its 4-byte id, and what follows (64 bytes for Ed25519)."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """An opened note. `text` ends in a newline; `verified` are the lines that verified, `unknown` those of keys we do not know."""

    text: str
    verified: tuple[NoteSignature, ...]
    unknown: tuple[NoteSignature, ...]


@dataclass(frozen=True, slots=True)
class NoteVerifier:
    """A named Ed25519 note key.

    Raises:
        InvalidKey: the name is empty or holds a space or `+`.
    """

    name: str
    key: VerifyKey

    def __post_init__(self) -> None:
        _check_name(self.name)

    @property
    def key_id(self) -> bytes:
        """SHA-256(name || 0x0A || 0x01 || public key)[:4]."""
        return note_key_id(self.name, ED25519, self.key)

    @property
    def vkey(self) -> str:
        """`<name>+<key id hex>+<base64(0x01 || public key)>`: what one pins."""
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(bytes([ED25519]) + self.key.raw)}"


@dataclass(frozen=True, slots=True)
class NoteSigner:
    """A named signing key."""

    name: str
    key: SigningKey

    @property
    def verifier(self) -> NoteVerifier:
        """The public half."""
        return NoteVerifier(self.name, self.key.verify_key)


def parse_vkey(text: str) -> NoteVerifier:
    """Read a verifier key and check that its id belongs to name and key.

    Raises:
        InvalidKey: malformed, not Ed25519, or the id does not fit.
    """
    return NoteVerifier(*read_vkey(text, ED25519))


def note_key_id(name: str, kind: int, key: VerifyKey) -> bytes:
    """SHA-256(name || 0x0A || kind || public key)[:4]."""
    return hashlib.sha256(name.encode("utf-8") + b"\n" + bytes([kind]) + key.raw).digest()[:4]


def read_vkey(text: str, kind: int) -> tuple[str, VerifyKey]:
    """Name and Ed25519 key of a verifier key whose signatures are of type `kind`.

    Raises:
        InvalidKey: malformed, of another type, or the id does not fit.
    """
    name, _, rest = text.partition("+")
    _check_name(name)
    key_id, _, encoded = rest.partition("+")
    if not _HEX8.fullmatch(key_id):
        raise InvalidKey("a vkey is <name>+<8 hex>+<base64>")
    try:
        data = decode_base64(encoded)
    except ValueError as error:
        raise InvalidKey(f"vkey: {error}") from error
    if len(data) != 33 or data[0] != kind:
        raise InvalidKey(f"the vkey is not an Ed25519 key (type 0x{kind:02x})")
    key = VerifyKey.from_raw(data[1:])
    found = note_key_id(name, kind, key).hex()
    if found != key_id:
        raise InvalidKey(f"the vkey's id {key_id} is not that of its name and key ({found})")
    return name, key


def sign_note(text: str, signers: Sequence[NoteSigner]) -> str:
    """The note of `text` with one signature line per signer.

    Raises:
        InvalidProof: the text does not end in a newline or holds control characters, or there is no signer.
    """
    if not text.endswith("\n") or not signers:
        raise InvalidProof("a note's text ends in a newline, and somebody signs it")
    body = _encode(text)
    return text + "\n" + "".join(format_signature(signer.name, signer.verifier.key_id, signer.key.sign(body)) for signer in signers)


def format_signature(name: str, key_id: bytes, signature: bytes) -> str:
    """One signature line."""
    return f"{_DASH} {name} {encode_base64(key_id + signature)}\n"


def open_note(note: str, verifiers: Iterable[NoteVerifier]) -> Note:
    """Verify a note against known keys.

    A line is of a known key if name and key id are; then it must verify, else the whole note is refused. Other lines are kept
    as unknown.

    Raises:
        InvalidProof: malformed, a known key's signature does not verify, or no known key signed.
    """
    known: dict[tuple[str, bytes], NoteVerifier] = {}
    for verifier in verifiers:
        clash = known.setdefault((verifier.name, verifier.key_id), verifier)
        if clash.key != verifier.key:
            raise InvalidProof(f"two known keys share the name {verifier.name!r} and an id; a note cannot tell them apart")
    text, signatures = split_note(note)
    body = text.encode("utf-8")
    verified: list[NoteSignature] = []
    unknown: list[NoteSignature] = []
    for line in signatures:
        key = known.get((line.name, line.key_id))
        if key is None:
            unknown.append(line)
            continue
        try:
            key.key.verify(line.signature, body)
        except BadSignature as error:
            raise InvalidProof(f"the signature of {line.name!r} on the note does not verify") from error
        verified.append(line)
    if not verified:
        raise InvalidProof("no known key signed the note")
    return Note(text, tuple(verified), tuple(unknown))


def split_note(note: str) -> tuple[str, list[NoteSignature]]:
    """Take a note apart without verifying anything: its text and its signature lines. Nothing of it may be believed yet.

    Raises:
        InvalidProof: malformed.
    """
    if len(_encode(note)) > MAX_NOTE_BYTES:
        raise InvalidProof(f"note of more than {MAX_NOTE_BYTES} bytes")
    text, blank, block = note.rpartition("\n\n")
    if not blank or not block.endswith("\n"):
        raise InvalidProof("a note is a text, a blank line and signature lines, each ending in a newline")
    lines = block[:-1].split("\n")
    if len(lines) > MAX_NOTE_SIGNATURES:
        raise InvalidProof(f"note with {len(lines)} signatures, at most {MAX_NOTE_SIGNATURES}")
    return text + "\n", [_signature(line) for line in lines]


def _signature(line: str) -> NoteSignature:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != _DASH:
        raise InvalidProof("a signature line is: em dash, space, key name, space, base64")
    try:
        _check_name(parts[1])
        data = decode_base64(parts[2])
    except (InvalidKey, ValueError) as error:
        raise InvalidProof(f"malformed signature line: {error}") from error
    if len(data) < 5:
        raise InvalidProof("a note signature is a 4-byte key id and a signature")
    return NoteSignature(parts[1], data[:4], data[4:])


def _check_name(name: str) -> None:
    if not name or "+" in name or any(char.isspace() or char < " " or "\ud800" <= char <= "\udfff" for char in name):
        raise InvalidKey("a key name is not empty and holds no space, control character, '+' or half a surrogate pair")


def _encode(text: str) -> bytes:
    if any(char < " " and char != "\n" for char in text):
        raise InvalidProof("a note holds no control characters but newline")
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidProof("a note is valid Unicode") from error
