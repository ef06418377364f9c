"""The root fields of the SDL, and a question put to one of them."""
from __future__ import annotations

from pathlib import Path
from typing import Any

from graphql import GraphQLNonNull, build_schema

__all__ = ["FIELDS", "document"]

SDL = build_schema((Path(__file__).parents[1] / "schema" / "lineproof_schema" / "schema.graphql").read_text(encoding="utf-8"))
assert SDL.query_type is not None
FIELDS = SDL.query_type.fields


def document(field: str, given: dict[str, Any]) -> str:
    """A query for what every root field answers; `given` are its variables, declared as the SDL has them."""
    types = {name: argument.type for name, argument in FIELDS[field].args.items()}
    declared = ", ".join(f"${name}: {types[name].of_type if isinstance(types[name], GraphQLNonNull) else types[name]}" + (
        "!" if isinstance(types[name], GraphQLNonNull) else "") for name in given)
    return f"query{f'({declared})' if declared else ''} {{ {field}{'(' + ', '.join(f'{name}: ${name}' for name in given) + ')' if given else ''} {{ " \
           "computedAt { size rootHash } completeness { complete truncated restricted unknown reasons { code detail urn } } } }"
