"""Errors on the wire: ours keep their code, faults of the query get one, everything else is masked behind a reference id."""
from __future__ import annotations

import logging
from collections.abc import Iterator
from uuid import uuid4

from graphql import GraphQLError, GraphQLSyntaxError
from strawberry.extensions import SchemaExtension

from lineproof_schema.errors import CODES, LineproofError

__all__ = ["StableErrors"]

logger = logging.getLogger(__name__)


class StableErrors(SchemaExtension):
    """Gives every error of a response its `extensions.code`."""

    def on_operation(self) -> Iterator[None]:
        yield
        result = self.execution_context.result
        errors = getattr(result, "errors", None)
        if result is not None and errors:
            result.errors = [_stable(error) for error in errors]


def _stable(error: GraphQLError) -> GraphQLError:
    original = error.original_error
    while isinstance(original, GraphQLError) and original.original_error is not None:
        original = original.original_error
    if isinstance(original, LineproofError):
        entry = original.entry
        facts = {"code": entry.code, "title": entry.title, "fix": entry.fix, "retriable": entry.retriable, **original.extra}
        return _copy(error, original.detail, facts)
    if original is None or isinstance(original, GraphQLError):  # syntax, validation, variables: the caller's own text
        code = (error.extensions or {}).get("code")
        too_long = isinstance(error, GraphQLSyntaxError) and "tokens" in error.message
        code = code if code in CODES else "query-too-long" if too_long else "invalid-query"
        return _copy(error, error.message, {"code": code, "fix": CODES[code].fix})
    reference = uuid4().hex[:12]
    logger.error("internal error %s in a GraphQL query", reference, exc_info=original)
    return _copy(error, f"internal error, reference {reference}", {"code": "internal", "reference": reference, "fix": CODES["internal"].fix})


def _copy(error: GraphQLError, message: str, extensions: dict[str, object]) -> GraphQLError:
    return GraphQLError(message, error.nodes, error.source, error.positions, error.path, None, extensions)
