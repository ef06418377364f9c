"""Documents that were asked before are neither parsed nor validated again.

Clients send the same few documents over and over, and to parse and validate one costs as much as a small walk. What depends on the
request (roles, variables) is not remembered: `limits` looks at every request. The framework's own `ParserCache` lets a syntax error
past `StableErrors`, which is why it is not used.
"""
from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from graphql import DocumentNode, GraphQLError, GraphQLSchema, TokenKind, parse
from strawberry.extensions import SchemaExtension
from strawberry.schema.schema import validate_document

__all__ = ["MAX_DIGITS", "KnownDocuments"]

KEPT: Final = 64  # of the longest that are accepted, each takes some 2 MB
MAX_DIGITS: Final = 20  # of an integer: 64 bits and a sign

_parsed = lru_cache(KEPT)(parse)


@lru_cache(KEPT)
def _faults(schema: GraphQLSchema, query: str, rules: tuple[type, ...], **options: Any) -> tuple[GraphQLError, ...]:
    document = _parsed(query, **options)  # a document is no key: to hash it is to walk through it
    return tuple(_long_integers(document)) or tuple(validate_document(schema, document, rules))


def _long_integers(document: DocumentNode) -> Iterator[GraphQLError]:
    """No number here is that long, and the framework's rules fail on one of more digits than Python converts (4,300)."""
    token, source = (None, None) if document.loc is None else (document.loc.start_token, document.loc.source)
    while token is not None:
        if token.kind is TokenKind.INT and len(token.value or "") > MAX_DIGITS:
            yield GraphQLError(f"an integer has at most {MAX_DIGITS} digits", source=source, positions=[token.start])
        token = token.next


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
        if context.query and context.graphql_document is not None:
            found = _faults(context.schema._schema, context.query, tuple(context.validation_rules), **context.parse_options)
            context.pre_execution_errors = list(found)
        yield
