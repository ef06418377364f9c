"""Parsing one statement: as it stands, else without what says nothing about columns and the parser stumbles over."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from sqlglot import Dialect, exp
from sqlglot.errors import SqlglotError
from sqlglot.tokens import Token

__all__ = ["parse_statement"]

_QUERY: Final = ("SELECT", "WITH", "FROM", "VALUES")


def parse_statement(tokens: Sequence[Token], sql: str, tool: Dialect) -> list[exp.Expr]:
    """The statements of the tokens of one (none for a comment). Positions stay those of `sql`.

    Raises:
        SqlglotError, ValueError, RecursionError: it cannot be read.
    """
    try:
        parsed = _parse(tokens, sql, tool)
    except (SqlglotError, ValueError):
        plainer = _plainer(tokens, sql, tool)
        if plainer is None:
            raise
        return plainer
    if len(parsed) == 1 and isinstance(parsed[0], exp.Command):
        return _plainer(tokens, sql, tool) or parsed
    return parsed


def _parse(tokens: Sequence[Token], sql: str, tool: Dialect) -> list[exp.Expr]:
    return [each for each in tool.parser().parse(list(tokens), sql) if each is not None]


def _plainer(tokens: Sequence[Token], sql: str, tool: Dialect) -> list[exp.Expr] | None:
    words = [token.text.upper() for token in tokens]
    for rule in _RULES:
        left = rule(words)
        if left is not None and len(left) < len(words):
            try:
                parsed = _parse([tokens[number] for number in left], sql, tool)
            except (SqlglotError, ValueError):
                continue
            if parsed and not isinstance(parsed[0], exp.Command):
                return parsed
    return None


# -- what to leave out: each rule gives the positions that stay, or None if it does not concern the statement

def _create_without_options(words: Sequence[str]) -> list[int] | None:
    """`CREATE TABLE t <options> AS <query>` without the options, and without `WITH [NO] DATA` behind it."""
    if words[:1] != ["CREATE"]:
        return None
    kind = next((number for number, word in enumerate(words) if word in ("TABLE", "VIEW")), None)
    body = next((number for number, word in enumerate(words[:-1]) if word == "AS" and words[number + 1] in ("SELECT", "WITH", "(", "VALUES", "TABLE")), None)
    if kind is None or body is None or body < kind:
        return None
    first = kind + 1
    if words[first:first + 3] == ["IF", "NOT", "EXISTS"]:
        first += 3
    last = first + 1
    while last + 1 < body and words[last] == ".":
        last += 2
    if words[last] == "(":  # the columns' names
        last = _behind(words, last)
    end = len(words)
    if words[-2:] == ["WITH", "DATA"]:
        end -= 2
    elif words[-3:] == ["WITH", "NO", "DATA"]:
        end -= 3
    temporary = [number for number in range(kind) if words[number] in ("TEMP", "TEMPORARY")]
    return [0, *temporary, kind, *range(first, min(last, body)), *range(body, end)]


def _clone_of_now(words: Sequence[str]) -> list[int] | None:
    """`CREATE TABLE t CLONE s FOR SYSTEM_TIME AS OF …` without the time."""
    if words[:1] != ["CREATE"] or not {"CLONE", "COPY"} & set(words) or "SYSTEM_TIME" not in words:
        return None
    return list(range(words.index("SYSTEM_TIME") - 1))


def _merge_without_evolution(words: Sequence[str]) -> list[int] | None:
    """`MERGE WITH SCHEMA EVOLUTION INTO …` without these words."""
    return [0, *range(4, len(words))] if words[:4] == ["MERGE", "WITH", "SCHEMA", "EVOLUTION"] else None


def _insert_without_overriding(words: Sequence[str]) -> list[int] | None:
    """`INSERT … OVERRIDING SYSTEM VALUE …` without these words."""
    at = next((number for number, word in enumerate(words) if word == "OVERRIDING" and words[number + 2:number + 3] == ["VALUE"]), None)
    return [*range(at), *range(at + 3, len(words))] if at is not None and "INSERT" in words[:at] else None


def _merge_that_does(words: Sequence[str]) -> list[int] | None:
    """MERGE without branches that do nothing."""
    if "MERGE" not in words[:1] and "WITH" not in words[:1]:
        return None
    whens = [at for at, word in enumerate(words) if word == "WHEN"]
    if not whens:
        return None
    branches = list(zip(whens, [*whens[1:], len(words)], strict=True))
    idle = {number for at, end in branches if words[end - 1] == "NOTHING" and words[end - 2] in ("DO", "THEN") for number in range(at, end)}
    return [number for number in range(len(words)) if number not in idle] if idle else None


def _directory_without_options(words: Sequence[str]) -> list[int] | None:
    """`INSERT OVERWRITE [LOCAL] DIRECTORY 'path' <format, options> <query>` without format and options."""
    at = next((number for number, word in enumerate(words) if word == "DIRECTORY" and "OVERWRITE" in words[max(number - 2, 0):number]), None)
    if at is None:
        return None
    path = at + 1
    number = path + 1
    while number < len(words) and words[number] not in _QUERY:
        if words[number] == "(" and words[number + 1:number + 2] not in (["SELECT"], ["WITH"]):
            number = _behind(words, number)
        elif words[number] == "(":
            break
        else:
            number += 1
    return [*range(path + 1), *range(number, len(words))]


def _plain_assignments(words: Sequence[str]) -> list[int] | None:
    """`SET a += b` as `SET a = b`: what was there stays in the value, as an update says anyway."""
    if words[:1] != ["UPDATE"]:
        return None
    return [number for number in range(len(words)) if not (words[number] in ("+", "-", "*", "/", "%") and words[number + 1:number + 2] == ["="])]


def _behind(words: Sequence[str], opening: int) -> int:
    """The position behind the parenthesis that closes this one."""
    depth = 0
    for number in range(opening, len(words)):
        depth += (words[number] == "(") - (words[number] == ")")
        if depth == 0:
            return number + 1
    return len(words)


_RULES: Final[tuple[Callable[[Sequence[str]], list[int] | None], ...]] = (
    _create_without_options, _clone_of_now, _insert_without_overriding, _merge_without_evolution, _merge_that_does, _directory_without_options,
    _plain_assignments)
