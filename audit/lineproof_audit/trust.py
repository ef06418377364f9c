"""The trust file: which log keys a verifier believes, and which witnesses must have cosigned. Source: C2SP tlog-policy.

A file of lines `log <vkey> [<url>]`, `witness <name> <vkey> [<url>]`, `group <name> all|any|<k> <name>…` and one `quorum <name>`. Beside
`quorum none`, `witness` and `group` lines decide nothing. A quorum of keys that this version cannot check (ML-DSA) is refused rather than
waved through.
"""
from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lineproof_audit.checkpoint import Checkpoint, open_checkpoint
from lineproof_audit.errors import InvalidKey, InvalidProof, TrustFileError
from lineproof_audit.note import NoteVerifier, parse_vkey
from lineproof_audit.witness import Group, Witness, check_quorum, format_witnesses, parse_witnesses

__all__ = ["Trust", "TrustedLog", "format_trust", "load_trust", "parse_trust"]

MAX_TRUST_BYTES = 1_000_000  # hundreds of logs and witnesses with post-quantum keys; more is not a trust file

_CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class TrustedLog:
    """A log whose checkpoints are believed: its key (the key's name is the origin) and where it can be reached."""

    verifier: NoteVerifier
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Trust:
    """What a verifier was told out of band. It never comes from the evidence itself. `quorum`: who must have cosigned, None for nobody."""

    logs: tuple[TrustedLog, ...]
    quorum: Witness | Group | None = None

    def keys_of(self, origin: str) -> list[NoteVerifier]:
        """The keys under which checkpoints of `origin` are believed; several during a rotation."""
        return [log.verifier for log in self.logs if log.verifier.name == origin]

    def open(self, note: str, origin: str) -> Checkpoint:
        """The checkpoint of a note of `origin` that this policy believes.

        Raises:
            InvalidProof: the policy names no such log, the note is malformed or not signed by it, or too few witnesses cosigned.
        """
        keys = self.keys_of(origin)
        if not keys:
            raise InvalidProof(f"the trust file names no log {origin!r}")
        checkpoint = open_checkpoint(note, *keys)
        if self.quorum is not None:
            check_quorum(note, self.quorum)
        return checkpoint


def format_trust(logs: Sequence[TrustedLog], quorum: Witness | Group | None = None) -> str:
    """The text of a trust file with these logs; checkpoints are believed with the cosignatures of `quorum`, if there is one."""
    lines = [f"log {log.verifier.vkey} {log.url}" if log.url else f"log {log.verifier.vkey}" for log in logs]
    return "\n".join([*lines, *(["quorum none"] if quorum is None else format_witnesses(quorum)), ""])


def load_trust(path: Path | str) -> Trust:
    """Read a trust file.

    Raises:
        TrustFileError: it cannot be read or applied.
    """
    try:
        with Path(path).open("rb") as file:
            return parse_trust(file.read(MAX_TRUST_BYTES + 1))
    except OSError as error:
        raise TrustFileError(f"cannot read the trust file {path}: {error.strerror}") from error


def parse_trust(data: bytes) -> Trust:
    """Parse the bytes of a trust file.

    Raises:
        TrustFileError: malformed, a log key stands twice, no log, not exactly one quorum line, or a quorum that the lines before it do not define.
    """
    if len(data) > MAX_TRUST_BYTES:
        raise TrustFileError(f"trust file of more than {MAX_TRUST_BYTES} bytes")
    if _CONTROL.search(data):
        raise TrustFileError("a trust file holds no control characters but tab and newline")
    logs: list[TrustedLog] = []
    quorums: list[bytes] = []
    witnesses: list[list[bytes]] = []  # and groups, those before the quorum
    for number, line in enumerate(data.split(b"\n"), start=1):
        words = [word for word in re.split(rb"[ \t]+", line) if word]
        if not words or words[0].startswith(b"#"):
            continue
        kind, rest = words[0], words[1:]
        if kind == b"log" and len(rest) in (1, 2):
            logs.append(_log(rest, number))
        elif kind == b"quorum" and len(rest) == 1:
            quorums.append(rest[0])
        elif (kind == b"witness" and len(rest) in (2, 3)) or (kind == b"group" and len(rest) >= 3):
            if not quorums:
                witnesses.append(words)
        else:
            raise TrustFileError(f"line {number} of the trust file is not a log, witness, group or quorum line")
    if len(quorums) != 1:
        raise TrustFileError(f"a trust file has exactly one quorum line, this one has {len(quorums)}")
    try:
        quorum = None if quorums[0] == b"none" else parse_witnesses(witnesses, quorums[0])
    except InvalidKey as error:
        raise TrustFileError(f"the trust file: {error.detail}") from error
    if len({log.verifier.key for log in logs}) != len(logs):
        raise TrustFileError("a log key stands twice in the trust file")
    if not logs:
        raise TrustFileError("the trust file names no log")
    return Trust(tuple(logs), quorum)


def _log(words: Sequence[bytes], number: int) -> TrustedLog:
    try:
        vkey, *url = [word.decode("utf-8") for word in words]
        return TrustedLog(parse_vkey(vkey), url[0] if url else None)
    except (UnicodeDecodeError, InvalidKey) as error:
        raise TrustFileError(f"line {number} of the trust file: {error}") from error
