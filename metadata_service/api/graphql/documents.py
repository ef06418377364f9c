"""Documents that were asked before are neither parsed nor validated again.

Clients send the same few documents over and over, and to parse and validate one costs as much as a small walk. What depends on the
request (roles, variables) is not remembered: `limits` looks at every request. The framework's own `ParserCache` lets a syntax error
past `StableErrors`, which is why it is not used.
"""
from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from graphql import DocumentNode, GraphQLError, GraphQLSchema, parse
from strawberry.extensions import SchemaExtension
from strawberry.schema.schema import validate_document

__all__ = ["KnownDocuments"]

KEPT: Final = 64  # of the longest that are accepted, each takes some 2 MB

_parsed = lru_cache(KEPT)(parse)


@lru_cache(KEPT)
def _faults(schema: GraphQLSchema, document: DocumentNode, rules: tuple[type, ...]) -> tuple[GraphQLError, ...]:
    return tuple(validate_document(schema, document, rules))


class KnownDocuments(SchemaExtension):
    """Remembers what documents mean and whether they are valid."""

    def on_parse(self) -> Iterator[None]:
        context = self.execution_context
        if context.query:
            try:
                context.graphql_document = _parsed(context.query, **context.parse_options)
            except GraphQLError:  # a fault is not remembered: the framework finds and reports it
                context.graphql_document = None
        yield

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        if context.graphql_document is not None:
            context.pre_execution_errors = list(_faults(context.schema._schema, context.graphql_document, tuple(context.validation_rules)))
        yield
