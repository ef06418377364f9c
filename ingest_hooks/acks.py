"""What the service promised: the place of each event in the log, checked against our own bytes.

An acknowledgement carries the entry's leaf and the salt of its body commitment. The leaf must commit to the envelope we sent
(LOG: SHA-256 over domain tag, salt and envelope), so a service that acknowledges one thing and logs another is found out at once,
and the producer can later prove, with an inclusion proof for (index, leaf), that its event is in the log.
"""
from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest_hooks.segment import Record
from lineproof_audit.base64text import decode_base64
from lineproof_audit.errors import AuditError
from lineproof_audit.leaf import body_commitment, parse_leaf
from lineproof_schema.errors import LineproofError

__all__ = ["Acknowledgement", "AcknowledgementLog", "BrokenPromise", "check"]

MAX_FILE_BYTES = 8 * 1024 * 1024
MAX_FILES = 8  # with the above: the last 64 MiB of acknowledgements, about 90,000 events


class BrokenPromise(LineproofError):
    """The acknowledged leaf does not commit to the envelope that was sent."""

    code = "invalid-proof"


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """An event's place in the log. `leaf` and `salt` are base64 as received; None when the service gave none (an erased duplicate).

    `payload` and `envelope` are SHA-256 digests (hex) of what was signed and sent.
    """

    index: int
    leaf: str | None
    salt: str | None
    duplicate: bool
    stream: str
    sequence: int
    payload: str
    envelope: str


def check(record: Record, result: Mapping[str, Any], *, bare: bool = False) -> Acknowledgement:
    """The acknowledgement in a result of the service, if it binds the service to our bytes. `bare`: leaf and salt may be absent.

    Raises:
        BrokenPromise: no index, or a leaf that does not parse or commits to something else.
    """
    index, leaf, salt, duplicate = result.get("index"), result.get("leaf"), result.get("salt"), result.get("duplicate") is True
    if not isinstance(index, int) or isinstance(index, bool) or index < 0:
        raise BrokenPromise(f"the acknowledgement has no index: {index!r}")
    if isinstance(leaf, str) and isinstance(salt, str):
        try:
            committed = parse_leaf(decode_base64(leaf)).body
            expected = body_commitment(decode_base64(salt), record.content)
        except (AuditError, ValueError) as error:
            raise BrokenPromise(f"the acknowledged leaf of index {index} cannot be read: {error}", index=index) from error
        if committed != expected:
            raise BrokenPromise(f"the acknowledged leaf of index {index} commits to other bytes than were sent", index=index)
    elif not duplicate and not bare:
        raise BrokenPromise(f"the acknowledgement of index {index} has no leaf and salt", index=index)
    return Acknowledgement(index, leaf if isinstance(leaf, str) else None, salt if isinstance(salt, str) else None, duplicate, str(record.stream),
                           record.sequence, record.digest.hex(), hashlib.sha256(record.content).hexdigest())


class AcknowledgementLog:
    """`<spool>/acks/*.ndjson`, the newest acknowledgements; older files are deleted past MAX_FILES."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "acks"

    def add(self, acknowledgements: Iterable[Acknowledgement]) -> None:
        """Append; raises OSError when the disk refuses."""
        lines = "".join(json.dumps({name: getattr(ack, name) for name in Acknowledgement.__slots__}, separators=(",", ":")) + "\n" for ack in acknowledgements)
        if not lines:
            return
        self.directory.mkdir(exist_ok=True, mode=0o700)
        files = self._files()
        if not files or files[-1].stat().st_size + len(lines) > MAX_FILE_BYTES:
            number = int(files[-1].stem) + 1 if files else 1
            files.append(self.directory / f"{number:012d}.ndjson")
        with files[-1].open("ab+") as file:
            if file.tell() and os.pread(file.fileno(), 1, file.tell() - 1) != b"\n":  # a full disk tore the last line: it must not take the next one along
                file.write(b"\n")
            file.write(lines.encode("ascii"))
        for old in files[:-MAX_FILES]:
            old.unlink(missing_ok=True)

    def __iter__(self) -> Iterator[Acknowledgement]:
        """Oldest first. A line that a crash tore is passed over."""
        for path in self._files():
            for line in path.read_text(encoding="ascii", errors="replace").splitlines():
                try:
                    yield Acknowledgement(**json.loads(line))
                except (ValueError, TypeError):
                    continue

    def _files(self) -> list[Path]:
        return sorted(self.directory.glob("*.ndjson"))
