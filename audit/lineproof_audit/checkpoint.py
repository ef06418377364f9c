"""Checkpoints (signed tree heads) and the text of one entry's proof.

Sources: C2SP tlog-checkpoint v1.0.0 and tlog-proof@v1. Numbers are read with a strict grammar: `int()` would take "+1", " 1"
and "1_0", and then one tree head would have many spellings.
"""
from __future__ import annotations

import re
from dataclasses import dataclass

from lineproof_audit.base64text import decode_base64, encode_base64
from lineproof_audit.errors import InvalidProof
from lineproof_audit.keys import SigningKey
from lineproof_audit.note import NoteSigner, NoteVerifier, open_note, sign_note, split_note
from lineproof_audit.tree import HASH_BYTES, verify_inclusion

__all__ = ["Checkpoint", "TlogProof", "open_checkpoint", "parse_checkpoint", "parse_tlog_proof", "peek_checkpoint", "sign_checkpoint"]

PROOF_HEADER = "c2sp.org/tlog-proof@v1"
MAX_PROOF_HASHES = 64  # an index has at most 64 bits

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")  # below 10^19: fits an unsigned 64-bit number


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log commits to: `root` is the RFC 6962 root of its first `size` entries.

    `extensions` are opaque further lines; ours are never written, others' are kept so that a signature over them verifies.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def to_text(self) -> str:
        """The note text: origin, size, base64 root, one a line."""
        return "".join(f"{line}\n" for line in (self.origin, str(self.size), encode_base64(self.root), *self.extensions))


@dataclass(frozen=True, slots=True)
class TlogProof:
    """A tlog-proof@v1: entry `index` is in the tree of the signed `checkpoint` (the note, verbatim). `extra` is not authenticated."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str
    extra: bytes | None = None

    def to_text(self) -> str:
        """The file's text."""
        extra = [] if self.extra is None else [f"extra {encode_base64(self.extra)}"]
        lines = [PROOF_HEADER, *extra, f"index {self.index}", *(encode_base64(item) for item in self.hashes), "", ""]
        return "\n".join(lines) + self.checkpoint

    def verify(self, hash_of_leaf: bytes, log: NoteVerifier) -> Checkpoint:
        """Check the checkpoint's signature, its origin and the inclusion; gives the checkpoint.

        Raises:
            InvalidProof: any of it fails.
        """
        checkpoint = open_checkpoint(self.checkpoint, log)
        verify_inclusion(hash_of_leaf, self.index, checkpoint.size, self.hashes, checkpoint.root)
        return checkpoint


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint (without blank line and signatures).

    Raises:
        InvalidProof: malformed.
    """
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1] or not all(lines[:-1]):
        raise InvalidProof("a checkpoint is three or more non-empty lines")
    origin, size, root, *extensions = lines[:-1]
    return Checkpoint(origin, _decimal(size, "tree size"), _hash(root, "root hash"), tuple(extensions))


def sign_checkpoint(checkpoint: Checkpoint, key: SigningKey, *others: SigningKey) -> str:
    """The signed note of a checkpoint; the keys' name is the origin. There are several while a rotation of the log key overlaps."""
    text = checkpoint.to_text()
    if parse_checkpoint(text) != checkpoint:
        raise InvalidProof("this checkpoint cannot be written: origin, root or extensions hold what the format cannot")
    return sign_note(text, [NoteSigner(checkpoint.origin, each) for each in (key, *others)])


def open_checkpoint(note: str, log: NoteVerifier, *others: NoteVerifier) -> Checkpoint:
    """The checkpoint of a note that `log` signed, or one of `others` (further keys of the same log during a rotation).

    Raises:
        InvalidProof: the note is malformed, not signed by any of them, badly signed by one, or names another origin.
    """
    opened = open_note(note, [log, *others])
    checkpoint = parse_checkpoint(opened.text)
    if any(line.name != checkpoint.origin for line in opened.verified):
        raise InvalidProof(f"the checkpoint is of {checkpoint.origin!r}, not of {log.name!r}")
    return checkpoint


def peek_checkpoint(note: str) -> Checkpoint:
    """The checkpoint of a note **without** checking any signature: for showing, choosing a key, or comparing with a verified one.

    Raises:
        InvalidProof: malformed.
    """
    return parse_checkpoint(split_note(note)[0])


def parse_tlog_proof(text: str) -> TlogProof:
    """Read a tlog-proof@v1; verifies nothing.

    Raises:
        InvalidProof: malformed.
    """
    head, blank, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if not blank or lines.pop(0) != PROOF_HEADER:
        raise InvalidProof(f"a proof starts with {PROOF_HEADER} and holds a checkpoint after a blank line")
    extra: bytes | None = None
    if lines and lines[0].startswith("extra "):
        try:
            extra = decode_base64(lines.pop(0)[len("extra "):])
        except ValueError as error:
            raise InvalidProof(f"extra: {error}") from error
    if not lines or not lines[0].startswith("index "):
        raise InvalidProof("the proof has no index line")
    index = _decimal(lines.pop(0)[len("index "):], "index")
    if len(lines) > MAX_PROOF_HASHES:
        raise InvalidProof(f"proof of {len(lines)} hashes, at most {MAX_PROOF_HASHES}")
    peek_checkpoint(checkpoint)
    return TlogProof(index, tuple(_hash(line, "proof hash") for line in lines), checkpoint, extra)


def _decimal(text: str, what: str) -> int:
    if not _DECIMAL.fullmatch(text):
        raise InvalidProof(f"{what} is not a decimal number without leading zeros: {text[:32]!r}")
    return int(text)


def _hash(text: str, what: str) -> bytes:
    try:
        value = decode_base64(text)
    except ValueError as error:
        raise InvalidProof(f"{what}: {error}") from error
    if len(value) != HASH_BYTES:
        raise InvalidProof(f"{what} of {len(value)} bytes, {HASH_BYTES} expected")
    return value
