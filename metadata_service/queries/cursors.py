"""Opaque page cursors: signed, and bound to the question and to the size its first page was computed at."""
from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from metadata_service.queries.errors import InvalidArgument, InvalidCursor

__all__ = ["MAX_PAGE", "Cursor", "page_size", "read_cursor", "write_cursor"]

MAC_BYTES = 16
MAX_PAGE = 500  # rows of one page; keeps one answer below some 100 ms of encoding
MAX_CURSOR = 4096  # characters


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the next page starts: `after` is the keyset key of the last row, `size` the position of all pages."""

    size: int
    after: list[Any]


def write_cursor(secret: bytes, question: Sequence[Any], cursor: Cursor) -> str:
    """The opaque text of `cursor` for this `question` (field name and all arguments that choose rows)."""
    body = json.dumps([cursor.size, cursor.after], separators=(",", ":")).encode()
    return urlsafe_b64encode(_mac(secret, question, body) + body).decode().rstrip("=")


def read_cursor(secret: bytes, question: Sequence[Any], text: str) -> Cursor:
    """The cursor in `text`.

    Raises:
        InvalidCursor: not ours, altered, or made for another question.
    """
    try:
        raw = urlsafe_b64decode(text[:MAX_CURSOR].encode("ascii") + b"=" * (-len(text) % 4))
    except ValueError as error:
        raise InvalidCursor("not a cursor") from error
    mac, body = raw[:MAC_BYTES], raw[MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(secret, question, body)):
        raise InvalidCursor("the cursor belongs to another question, or was altered")
    size, after = json.loads(body)
    return Cursor(size, after)


def page_size(first: int | None, usual: int) -> int:
    """The number of rows of a page.

    Raises:
        InvalidArgument: outside 1..MAX_PAGE.
    """
    wanted = usual if first is None else first
    if not 1 <= wanted <= MAX_PAGE:
        raise InvalidArgument(f"first is 1..{MAX_PAGE}")
    return wanted


def _mac(secret: bytes, question: Sequence[Any], body: bytes) -> bytes:
    asked = json.dumps(list(question), separators=(",", ":"), sort_keys=True, default=str).encode()
    return hmac.new(secret, hashlib.sha256(asked).digest() + body, hashlib.sha256).digest()[:MAC_BYTES]
