"""The trust file: which log keys a verifier believes. Source: C2SP tlog-policy.

A file of lines `log <vkey> [<url>]` and one `quorum` line. Checkpoints of this version carry no witness cosignatures, so only
`quorum none` can be applied; any other quorum is refused rather than waved through. `witness` and `group` lines are allowed
beside `quorum none`, where they decide nothing.
"""
from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lineproof_audit.errors import InvalidKey, TrustFileError
from lineproof_audit.note import NoteVerifier, parse_vkey

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
    """What a verifier was told out of band. It never comes from the evidence itself."""

    logs: tuple[TrustedLog, ...]

    def keys_of(self, origin: str) -> list[NoteVerifier]:
        """The keys under which checkpoints of `origin` are believed; several during a rotation."""
        return [log.verifier for log in self.logs if log.verifier.name == origin]


def format_trust(logs: Sequence[TrustedLog]) -> str:
    """The text of a trust file with these logs and no witnesses."""
    lines = [f"log {log.verifier.vkey} {log.url}" if log.url else f"log {log.verifier.vkey}" for log in logs]
    return "\n".join([*lines, "quorum none", ""])


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
        TrustFileError: malformed, a log key stands twice, no log, not exactly one quorum line, or a quorum of witnesses.
    """
    if len(data) > MAX_TRUST_BYTES:
        raise TrustFileError(f"trust file of more than {MAX_TRUST_BYTES} bytes")
    if _CONTROL.search(data):
        raise TrustFileError("a trust file holds no control characters but tab and newline")
    logs: list[TrustedLog] = []
    quorums: list[bytes] = []
    for number, line in enumerate(data.split(b"\n"), start=1):
        words = [word for word in re.split(rb"[ \t]+", line) if word]
        if not words or words[0].startswith(b"#"):
            continue
        kind, rest = words[0], words[1:]
        if kind == b"log" and len(rest) in (1, 2):
            logs.append(_log(rest, number))
        elif kind == b"quorum" and len(rest) == 1:
            quorums.append(rest[0])
        elif not ((kind == b"witness" and len(rest) in (2, 3)) or (kind == b"group" and len(rest) >= 3)):
            raise TrustFileError(f"line {number} of the trust file is not a log, witness, group or quorum line")
    if len(quorums) != 1:
        raise TrustFileError(f"a trust file has exactly one quorum line, this one has {len(quorums)}")
    if quorums[0] != b"none":
        raise TrustFileError("this version cannot check witness cosignatures; only `quorum none` can be applied")
    if len({log.verifier.key for log in logs}) != len(logs):
        raise TrustFileError("a log key stands twice in the trust file")
    if not logs:
        raise TrustFileError("the trust file names no log")
    return Trust(tuple(logs))


def _log(words: Sequence[bytes], number: int) -> TrustedLog:
    try:
        vkey, *url = [word.decode("utf-8") for word in words]
        return TrustedLog(parse_vkey(vkey), url[0] if url else None)
    except (UnicodeDecodeError, InvalidKey) as error:
        raise TrustFileError(f"line {number} of the trust file: {error}") from error
