"""Statements that follow one another without a semicolon, as SQL Server allows."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlglot import Dialect, exp
from sqlglot.errors import SqlglotError
from sqlglot.tokens import Token

from ingest_hooks.sql.scripts.parsing import parse_statement

__all__ = ["ends_before", "parse_unseparated"]

_SEPARATE: Final = frozenset({"TSQL", "Fabric"})  # dialects that need no semicolon
_FIRST_WORDS: Final = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "CREATE", "WITH", "SELECT", "TRUNCATE", "DROP", "SET", "DECLARE", "EXEC", "EXECUTE",
                                 "PRINT", "RETURN", "IF", "ELSE", "BEGIN", "END", "COMMIT", "ROLLBACK"})
_SIMPLE: Final = frozenset({"SET", "DECLARE", "EXEC", "EXECUTE", "PRINT", "RETURN", "DROP", "TRUNCATE", "COMMIT", "ROLLBACK", "BEGIN", "END"})  # hold no other
MAX_BREAKS: Final = 64  # places tried; each costs a parse of what is before it


def parse_unseparated(tokens: Sequence[Token], sql: str, tool: Dialect) -> list[exp.Expr]:
    """The statements of the tokens, each the longest that can be read and ends before a line that begins with a first word of statements.

    Raises:
        SqlglotError, ValueError, RecursionError: nothing of it can be read.
    """
    end = next((at for at in range(1, len(tokens)) if ends_before(tokens, 0, at, tool)), None)
    if end is not None:
        return [*_readable(tokens[:end], sql, tool), *_readable(tokens[end:], sql, tool)]
    try:
        return parse_statement(tokens, sql, tool)
    except (SqlglotError, ValueError):
        if type(tool).__name__ not in _SEPARATE:
            raise
        for at in reversed([at for at in range(1, len(tokens)) if _is_break(tokens, at)][:MAX_BREAKS]):
            try:
                first = parse_statement(tokens[:at], sql, tool)
            except (SqlglotError, ValueError):
                continue
            return [*first, *_readable(tokens[at:], sql, tool)]
        raise


def _readable(tokens: Sequence[Token], sql: str, tool: Dialect) -> list[exp.Expr]:
    """One part of several: where it cannot be read, a command that says so, unless it can say nothing about columns."""
    try:
        return parse_unseparated(tokens, sql, tool)
    except (SqlglotError, ValueError):
        return [] if tokens[0].text.upper() in _SIMPLE else [exp.Command(this="unreadable")]


def ends_before(tokens: Sequence[Token], first: int, at: int, tool: Dialect) -> bool:
    """Whether the statement that begins at `first` and is one of the simple ones has to end before `at`."""
    return at > first and type(tool).__name__ in _SEPARATE and tokens[first].text.upper() in _SIMPLE and _is_break(tokens, at)


def _is_break(tokens: Sequence[Token], at: int) -> bool:
    return tokens[at].line > tokens[at - 1].line and tokens[at].text.upper() in _FIRST_WORDS
