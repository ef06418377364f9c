"""Entities and values in words, for sentences in answers and lines on a terminal. Loads nothing but the URN grammar."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lineproof_schema.urn import parse_urn

__all__ = ["called", "shortened", "spoken"]

MAX_WORDS = 120  # characters of one value in a sentence


def called(urn: str) -> str:
    """An entity as a sentence names it: `raw.weather.visib`, `delay@2`. A dataset's name loses its database, which one answer rarely has two of."""
    parsed = parse_urn(urn)
    parts = parsed.components
    match parsed.kind:
        case "column":
            return f"{_without_database(parts[1])}.{parts[2]}"
        case "dataset":
            return _without_database(parts[1])
        case "feature-version" | "model-version":
            return f"{parts[1]}@{parts[2]}"
        case _:
            return parsed.name


def spoken(value: Any) -> str:
    """A JSON value in words: what a check expected or found."""
    return shortened(", ".join(_words("", value)) or "nothing", MAX_WORDS)


def shortened(text: str, length: int) -> str:
    """One line of at most `length` characters."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[:length - 1] + "…"


def _words(name: str, value: Any) -> Iterable[str]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _words(str(key), each)
    elif value is not None and value != "":
        said = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        yield f"{name} {said}" if name else said


def _without_database(name: str) -> str:
    parts = name.split(".")
    return ".".join(parts[-2:]) if len(parts) == 3 else name  # database.schema.table
