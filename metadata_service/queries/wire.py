"""The query layer's dataclasses as JSON: the field names that GraphQL gives them."""
from __future__ import annotations

import dataclasses
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any

__all__ = ["as_json"]


def as_json(value: Any) -> Any:
    """`value` with dataclasses as objects, camelCase, tuples as arrays, times as RFC 3339. Facts (dictionaries) stay as they are."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, tuple | list):
        return [as_json(each) for each in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.name
    if dataclasses.is_dataclass(value):
        return {wire: as_json(getattr(value, name)) for name, wire in _fields(value.__class__)}
    return value


@cache
def _fields(shape: type[Any]) -> tuple[tuple[str, str], ...]:
    return tuple((field.name, _camel(field.name)) for field in dataclasses.fields(shape))


def _camel(name: str) -> str:
    first, *rest = name.rstrip("_").split("_")
    return first + "".join(map(str.capitalize, rest))
