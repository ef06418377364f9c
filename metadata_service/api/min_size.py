"""The header `Lineproof-Min-Size`: the least size an answer has to be computed at, so that a client reads its own writes."""
from __future__ import annotations

from typing import Final

from metadata_service.queries.errors import InvalidPosition

__all__ = ["MIN_SIZE_HEADER", "min_size_of"]

MIN_SIZE_HEADER: Final = "Lineproof-Min-Size"
MAX_DIGITS: Final = 16  # of 2^53


def min_size_of(text: str | None) -> int | None:
    """The header's value. Raises InvalidPosition."""
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > MAX_DIGITS:
        raise InvalidPosition(f"{MIN_SIZE_HEADER} is a tree size, not {text[:40]!r}")
    return int(text)
