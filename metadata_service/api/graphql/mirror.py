"""GraphQL output types made from the query layer's dataclasses, so that the two cannot drift apart.

Field names become camel case (`from_` becomes `from`), `tuple[X, ...]` a list, `Any` the scalar JSON, `Annotated[int, "Long"]` the
scalar Long, fields called `urn` an ID. Values are the query layer's own objects; no copy is made.
"""
from __future__ import annotations

import dataclasses
import re
import types
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Annotated, Any, NewType, Optional, Union, get_args, get_origin, get_type_hints

import strawberry
from graphql import GraphQLError
from strawberry.scalars import JSON
from strawberry.utils.str_converters import to_camel_case

__all__ = ["SCALARS", "Long", "mirror"]

LARGEST_EXACT = 2**53 - 1  # integers a JSON number carries exactly

Long = NewType("Long", int)


def _parse_long(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > LARGEST_EXACT:
        raise GraphQLError(f"Long is an integer of at most 53 bits, not {value!r}")
    return value


SCALARS: dict[object, Any] = {
    Long: strawberry.scalar(name="Long", description="An integer of at most 53 bits: a tree size, an entry index, a row count.", serialize=int,
                            parse_value=_parse_long),
}


@cache
def mirror(shape: type[Any]) -> Any:
    """The GraphQL type of a dataclass, or of an enum."""
    if issubclass(shape, Enum):
        return strawberry.enum(shape, description=_prose(shape))
    hints = get_type_hints(shape, include_extras=True)
    body: dict[str, Any] = {"__annotations__": {}, "__doc__": shape.__doc__}
    for field in dataclasses.fields(shape):
        body["__annotations__"][field.name] = _converted(field.name, hints[field.name])
        body[field.name] = strawberry.field(name=to_camel_case(field.name.rstrip("_")))
    return strawberry.type(types.new_class(shape.__name__, (), {}, lambda namespace: namespace.update(body)), description=_prose(shape))


def _prose(shape: type) -> str:
    said = re.sub(r"`([a-z_]+)`", lambda found: to_camel_case(found[1].rstrip("_")), shape.__doc__ or "")
    return " ".join(said.replace("`", "").split())


def _converted(name: str, hint: Any) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return Long if "Long" in arguments[1:] else _converted(name, arguments[0])
    if origin in (Union, types.UnionType):
        (inner,) = [argument for argument in arguments if argument is not type(None)]
        return Optional[_converted(name, inner)]  # noqa: UP045  (the inner type may be a scalar wrapper, which has no `|`)
    if origin is tuple:
        return list[_converted(name, arguments[0])]  # type: ignore[misc]
    if hint is Any:
        return Optional[JSON]  # noqa: UP045
    if hint is str and name == "urn":
        return strawberry.ID
    if hint in (str, int, bool, float, datetime):
        return hint
    if isinstance(hint, type) and (dataclasses.is_dataclass(hint) or issubclass(hint, Enum)):
        return mirror(hint)
    raise TypeError(f"no GraphQL type for {name}: {hint!r}")
