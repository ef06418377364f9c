"""Values as every store keeps them alike: what producers send may hold what JSON stores or canonical JSON refuse."""
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

__all__ = ["EPOCH", "LARGEST_EXACT", "MAX_NESTING", "as_dict", "as_list", "as_place", "as_text", "exact", "instant", "micros", "plain"]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LARGEST_EXACT: Final = 2**53 - 1  # RFC 8785 numbers are IEEE doubles
MAX_NESTING: Final = 24  # levels of nested columns: less than MAX_DEPTH / 2, so that a schema is never cut in the middle of one
MAX_DEPTH: Final = 64  # deeper facets are cut: databases and recursive readers have limits of their own


def plain(value: Any, depth: int = 0) -> Any:
    """`value` with integers beyond 2^53, non-finite floats and NUL characters or lone surrogates in text made storable."""
    if value is None or value is True or value is False:
        return value
    kind = type(value)
    if kind is str:
        return value if value.isascii() and "\0" not in value else _text(value)
    if kind is int:
        return value if -LARGEST_EXACT <= value <= LARGEST_EXACT else str(value)
    if kind is float:
        if not math.isfinite(value):
            return str(value)
        return int(value) if value.is_integer() and abs(value) <= LARGEST_EXACT else value  # as stores and RFC 8785 write it
    if depth >= MAX_DEPTH:
        return "…"
    if isinstance(value, Mapping):
        return {plain(str(key)): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [plain(item, depth + 1) for item in value]
    return _text(str(value))


def as_place(value: Any) -> int | None:
    """`value` if it may be a line or a column of a file, which are counted from one."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LARGEST_EXACT else None


def exact(number: int) -> int:
    """`number` brought into the range of integers that every store keeps: claimed times reach beyond it, 285 years from 1970 either way."""
    return max(-LARGEST_EXACT, min(LARGEST_EXACT, number))


def as_dict(value: Any) -> dict[str, Any]:
    """`value` if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """`value` if it is a JSON array, else an empty one."""
    return value if isinstance(value, list) else []


def as_text(value: Any) -> str | None:
    """`value` if it is a non-empty text, else None."""
    return value if isinstance(value, str) and value else None


def _text(value: str) -> str:
    return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


@lru_cache(1_024)  # the times of a run are told of it, of its version, and again by its next event
def instant(micros: int) -> str:
    """An ISO 8601 instant in UTC with µs, as facts keep it."""
    return (EPOCH + timedelta(microseconds=micros)).isoformat(timespec="microseconds").replace("+00:00", "Z")


def micros(time: datetime) -> int:
    """An aware time as µs since the epoch."""
    return (time - EPOCH) // timedelta(microseconds=1)
