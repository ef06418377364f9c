"""Artifacts: code, lock files and compiled SQL, named by the SHA-256 of their bytes.

An artifact lies in the spool's `artifacts/` until it is uploaded; a record in the spool holds its place in the order, so that the
service has the bytes before an event speaks of them.
"""
from __future__ import annotations

import hashlib
import os
from pathlib import Path

from ingest_hooks.errors import EventError
from ingest_hooks.segment import Kind, StreamHead
from ingest_hooks.spool import Spool

__all__ = ["MAX_ARTIFACT_BYTES", "digest", "file_digest", "keep", "read"]

MAX_ARTIFACT_BYTES = 64 * 1024 * 1024  # code and configuration; models and data stay where they are and are named by their digest


def read(content: bytes | str | os.PathLike[str]) -> bytes:
    """The bytes of an artifact given as such or as a path.

    Raises:
        EventError: more than MAX_ARTIFACT_BYTES. OSError: the file cannot be read.
    """
    size = len(content) if isinstance(content, bytes) else Path(content).stat().st_size
    if size > MAX_ARTIFACT_BYTES:
        raise EventError(f"an artifact of {size} bytes, at most {MAX_ARTIFACT_BYTES}", code="too-large")
    return content if isinstance(content, bytes) else Path(content).read_bytes()


def digest(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def file_digest(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file of any size, in hex. Raises OSError if it cannot be read."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def keep(spool: Spool, head: StreamHead, data: bytes, name: str) -> int:
    """Store the bytes and their place in the order; the record's number.

    Raises:
        SpoolFullError: no room.
    """
    spool.put_artifact(name, data)
    return spool.append(Kind.ARTIFACT, StreamHead(head.stream, head.sequence, bytes.fromhex(name)), b"")
