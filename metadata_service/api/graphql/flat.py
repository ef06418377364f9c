"""Lists of plain objects without a resolver call per field.

graphql-core completes every field of every list item on its own (some 2.5 µs each). Lineage answers are tens of thousands of
rows whose fields are plain attributes, or objects of such, so their lists are completed in one go: same types, same answer, a fraction of the time.
Any selection with a field that something else resolves takes the ordinary way.
"""
from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any, cast

from graphql import GraphQLEnumType, GraphQLList, GraphQLNonNull, GraphQLObjectType, GraphQLScalarType
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types.field import StrawberryField

__all__ = ["FlatExecutionContext"]

SELECTIONS = 512  # of fields, remembered
PLAIN = frozenset({"Int", "Float", "String", "Boolean", "ID", "Long", "JSON"})  # scalars whose values are their own JSON form
Write = Callable[[Any], Any]


def _name(value: Any) -> Any:
    return None if value is None else value._name_  # `name` is a descriptor that looks there, five times as slowly


def _isoformat(value: datetime | None) -> Any:
    return None if value is None else value.isoformat()


def _list(value: Any) -> Any:
    return None if value is None else list(value)


def _writer(output: Any) -> Write | bool | None:
    """How a leaf is written: None = as it is; False = this type is not flat."""
    while isinstance(output, GraphQLNonNull):
        output = output.of_type
    if isinstance(output, GraphQLList):
        return _list if _writer(output.of_type) is None else False
    if isinstance(output, GraphQLEnumType):
        return _name
    if isinstance(output, GraphQLScalarType):
        return None if output.name in PLAIN else _isoformat if output.name == "DateTime" else False
    return False


class FlatExecutionContext(StrawberryGraphQLCoreExecutionContext):
    """Strawberry's execution, with lists of plain objects, and what they hold, completed at once."""

    def complete_list_value(self, return_type: Any, field_details_list: Any, info: Any, path: Any, result: Any, position_context: Any) -> Any:
        item = _object(return_type.of_type)
        if item is not None and isinstance(result, tuple | list):
            write = self._plan(item, field_details_list)
            if write is not None:
                return [write(row) for row in result]
        return super().complete_list_value(return_type, field_details_list, info, path, result, position_context)

    def _plan(self, kind: GraphQLObjectType, field_details_list: Any) -> Write | None:
        """What writes an object of `kind` as this selection wants it; None if a part of it has to be resolved the ordinary way."""
        selected = self.collect_subfields(kind, field_details_list)
        if selected.new_defer_usages:
            return None
        attributes: list[str] = []
        writers: list[Write | None] = []
        for details in selected.grouped_field_set.values():
            field = kind.fields.get(details[0].node.name.value)
            definition = field.extensions.get("strawberry-definition") if field is not None else None
            writer = self._writer(field.type, details) if field is not None else False
            if writer is False or not isinstance(definition, StrawberryField) or definition.base_resolver is not None:
                return None
            attributes.append(definition.python_name)
            writers.append(writer if callable(writer) else None)
        make = _maker(tuple(attributes), tuple(writer is not None for writer in writers))
        return make(*selected.grouped_field_set, *(writer for writer in writers if writer is not None))

    def _writer(self, output: Any, details: Any) -> Write | bool | None:
        """As for a leaf; objects and lists of them by a plan of their own."""
        output = output.of_type if isinstance(output, GraphQLNonNull) else output
        inner = _object(output.of_type if isinstance(output, GraphQLList) else output)
        if inner is None:
            return _writer(output)
        write = self._plan(inner, details)
        return False if write is None else _each(write) if isinstance(output, GraphQLList) else _one(write)


def _object(output: Any) -> GraphQLObjectType | None:
    output = output.of_type if isinstance(output, GraphQLNonNull) else output
    return output if isinstance(output, GraphQLObjectType) and output.is_type_of is None else None


@lru_cache(SELECTIONS)
def _maker(attributes: tuple[str, ...], written: tuple[bool, ...]) -> Callable[..., Write]:
    """What makes a writer of objects with these attributes from the keys of an answer and the writers of those that need one.

    As code that says `{k0: row.urn, k1: w1(row.kind)}`: it takes a quarter of the time of pairing keys with values. Names of our own fields are in it; what a
    query says, its aliases, is not.
    """
    keys = [f"k{number}" for number in range(len(attributes))]
    given = [*keys, *(f"w{number}" for number, needed in enumerate(written) if needed)]
    parts = (f"k{number}: w{number}(row.{name})" if needed else f"k{number}: row.{name}"
             for number, (name, needed) in enumerate(zip(attributes, written, strict=True)))
    return cast(Callable[..., Write], eval(f"lambda {', '.join(given)}: lambda row: {{{', '.join(parts)}}}", {}))  # noqa: S307


def _each(write: Write) -> Write:
    return lambda values: None if values is None else [None if value is None else write(value) for value in values]


def _one(write: Write) -> Write:
    return lambda value: None if value is None else write(value)
