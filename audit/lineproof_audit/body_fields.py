"""Reading the fields of a JSON body by hand: each reader takes what JSON gave and raises `BodyError` with what is wrong."""
from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

__all__ = ["BodyError", "an_object", "entry_index", "field", "given", "hex32", "hex64", "instant", "list_of", "map_of", "name", "one_of", "optional", "string",
           "strings"]

_HEX64 = re.compile(r"[0-9a-f]{64}")
_HEX32 = re.compile(r"[0-9a-f]{32}")
_LARGEST_INDEX = 2**53 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_T = TypeVar("_T")


class BodyError(ValueError):
    """The body does not say what its type requires; the text says why."""


def field(data: dict[str, Any], name: str, read: Callable[[object], _T]) -> _T:
    if name not in data:
        raise BodyError(f"{name} is missing")
    try:
        return read(data[name])
    except BodyError as error:
        raise BodyError(f"{name}: {error}") from error


def given(data: dict[str, Any], name: str, read: Callable[[object], _T], default: _T) -> _T:
    return field(data, name, read) if name in data else default


def optional(data: dict[str, Any], name: str, read: Callable[[object], _T]) -> _T | None:
    return None if data.get(name) is None else field(data, name, read)


def string(value: object) -> str:
    if not isinstance(value, str):
        raise BodyError("not a string")
    return value


def name(value: object) -> str:
    text = string(value)
    if not 1 <= len(text) <= 1024:
        raise BodyError("not 1 to 1024 characters")
    return text


def matching(pattern: re.Pattern[str]) -> Callable[[object], str]:
    def read(value: object) -> str:
        text = string(value)
        if not pattern.fullmatch(text):
            raise BodyError(f"does not match {pattern.pattern}")
        return text
    return read


hex64 = matching(_HEX64)
hex32 = matching(_HEX32)


def one_of(allowed: frozenset[str]) -> Callable[[object], str]:
    def read(value: object) -> str:
        text = string(value)
        if text not in allowed:
            raise BodyError(f"not one of {', '.join(sorted(allowed))}")
        return text
    return read


def list_of(read: Callable[[object], _T]) -> Callable[[object], tuple[_T, ...]]:
    def read_all(value: object) -> tuple[_T, ...]:
        if not isinstance(value, list):
            raise BodyError("not a list")
        return tuple(read(item) for item in value)
    return read_all


strings = list_of(string)


def an_object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BodyError("not an object")
    return value


def entry_index(value: object) -> int:
    if type(value) is not int or not 0 <= value <= _LARGEST_INDEX:
        raise BodyError("not an entry index")
    return value


def instant(value: object) -> int:
    try:
        when = datetime.fromisoformat(string(value))
    except ValueError as error:
        raise BodyError("not an RFC 3339 time") from error
    if when.tzinfo is None:
        raise BodyError("a time without a zone")
    return (when - _EPOCH) // timedelta(microseconds=1)


def map_of(read: Callable[[object], _T]) -> Callable[[object], dict[str, _T]]:
    def read_all(value: object) -> dict[str, _T]:
        return {name: read(item) for name, item in an_object(value).items()}
    return read_all
