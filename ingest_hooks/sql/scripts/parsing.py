"""Parsing one statement: as it stands, else without what says nothing about columns and the parser stumbles over."""
from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from sqlglot import Dialect, exp
from sqlglot.errors import SqlglotError
from sqlglot.tokens import Token, TokenType

__all__ = ["parse_statement"]

_APPEND: Final = re.compile(r"alter\s+table\s+(?P<target>\S+)\s+append\s+from\s+(?P<source>\S+)", re.IGNORECASE)
_QUERY: Final = ("SELECT", "WITH", "FROM", "VALUES")
_PUT_IN: Final = {"(": TokenType.L_PAREN, ")": TokenType.R_PAREN, "DELETE": TokenType.DELETE, "FROM": TokenType.FROM, "UNNEST": TokenType.UNNEST}
Plain: TypeAlias = list[int | str]  # the words that stay, by position, and words of `_PUT_IN` that come between


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
        return _plainer(tokens, sql, tool) or _appended(parsed[0], tool) or parsed
    return parsed


def _parse(tokens: Sequence[Token], sql: str, tool: Dialect) -> list[exp.Expr]:
    parsed = [each for each in tool.parser().parse(list(tokens), sql) if each is not None]
    piped = any(token.token_type is TokenType.PIPE_GT for token in tokens)  # sqlglot puts one node in several places, then
    return [each.copy() for each in parsed] if piped else parsed


def _plainer(tokens: Sequence[Token], sql: str, tool: Dialect) -> list[exp.Expr] | None:
    words = [token.text.upper() for token in tokens]
    for rule in _RULES:
        left = rule(words)
        if left is not None and left != list(range(len(words))):
            try:
                parsed = _parse(_tokens(left, tokens), sql, tool)
            except (SqlglotError, ValueError):
                continue
            if parsed and not isinstance(parsed[0], exp.Command):
                return parsed
    return None


def _appended(command: exp.Command, tool: Dialect) -> list[exp.Expr] | None:
    """Redshift's `ALTER TABLE t APPEND FROM s`, which moves the rows of s, as an INSERT."""
    found = _APPEND.match(command.name + command.text("expression"))
    if found is None:
        return None
    query = exp.select("*").from_(exp.to_table(found["source"], dialect=tool), copy=False)
    return [exp.Insert(this=exp.to_table(found["target"], dialect=tool), expression=query, by_name=True)]


def _tokens(left: Plain, tokens: Sequence[Token]) -> list[Token]:
    """A word that is put in stands where the one before it does."""
    found: list[Token] = []
    for each in left:
        at = tokens[each] if isinstance(each, int) else found[-1]
        found.append(at if isinstance(each, int) else Token(_PUT_IN[each], each, at.line, at.col, at.start, at.end))
    return found


# -- what to leave out: each rule gives what stays, or None if it does not concern the statement

def _create_without_options(words: Sequence[str]) -> Plain | None:
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


def _clone_of_now(words: Sequence[str]) -> Plain | None:
    """`CREATE TABLE t CLONE s FOR SYSTEM_TIME AS OF …` without the time."""
    if words[:1] != ["CREATE"] or not {"CLONE", "COPY"} & set(words) or "SYSTEM_TIME" not in words:
        return None
    return list(range(words.index("SYSTEM_TIME") - 1))


def _merge_without_evolution(words: Sequence[str]) -> Plain | None:
    """`MERGE WITH SCHEMA EVOLUTION INTO …` without these words."""
    return [0, *range(4, len(words))] if words[:4] == ["MERGE", "WITH", "SCHEMA", "EVOLUTION"] else None


def _insert_without_overriding(words: Sequence[str]) -> Plain | None:
    """`INSERT … OVERRIDING SYSTEM VALUE …` without these words."""
    at = next((number for number, word in enumerate(words) if word == "OVERRIDING" and words[number + 2:number + 3] == ["VALUE"]), None)
    return [*range(at), *range(at + 3, len(words))] if at is not None and "INSERT" in words[:at] else None


def _merge_that_does(words: Sequence[str]) -> Plain | None:
    """MERGE with branches that do nothing as ones that delete: neither fills a column, and both take their rows from the branches behind them."""
    if not {"MERGE", "WITH"} & set(words[:1]) or "NOTHING" not in words:
        return None
    left: Plain = []
    for number, word in enumerate(words):
        if word == "NOTHING" and words[number - 1] in ("DO", "THEN"):
            left.append("DELETE")
        elif word != "DO" or words[number + 1:number + 2] != ["NOTHING"]:
            left.append(number)
    return left


def _pivot_in_from(words: Sequence[str]) -> Plain | None:
    """`CREATE TABLE t AS PIVOT …` and `INSERT INTO t PIVOT …` as `… FROM (PIVOT …)`."""
    if words[:1] not in (["CREATE"], ["INSERT"]) or not {"PIVOT", "UNPIVOT"} & set(words):
        return None
    before = ("AS",) if words[0] == "CREATE" else ()
    at = next((number for number, word in enumerate(words) if word in ("WITH", "PIVOT", "UNPIVOT") and (not before or words[number - 1] in before)), None)
    return [*range(at), "FROM", "(", *range(at, len(words)), ")"] if at is not None else None


def _macro_without_defaults(words: Sequence[str]) -> Plain | None:
    """`CREATE MACRO f(a, b := 1) AS …` without what parameters are if not given."""
    if words[:1] != ["CREATE"] or not {"MACRO", "FUNCTION"} & set(words[:4]) or ":=" not in words:
        return None
    left: Plain = []
    depth, given = 0, False
    for number, word in enumerate(words):
        depth += (word == "(") - (word == ")")
        given = (given or word == ":=") and depth > 0 and not (word == "," and depth == 1)
        if not given:
            left.append(number)
    return left


def _paths_taken_apart(words: Sequence[str]) -> Plain | None:
    """BigQuery's `FROM t, t.items AS i WITH OFFSET`: without UNNEST, only paths without an offset can be read."""
    left: Plain = list(range(len(words)))
    for at in reversed([number for number in range(1, len(words) - 1) if words[number:number + 2] == ["WITH", "OFFSET"] and words[number - 1] != ")"]):
        end = at - 2 if words[at - 2] == "AS" else at - 1 if words[at - 2] not in (".", ",", "JOIN") else at
        first = end - 1
        while words[first - 1] == ".":
            first -= 2
        left[first:end] = ["UNNEST", "(", *range(first, end), ")"]
    return left


def _directory_without_options(words: Sequence[str]) -> Plain | None:
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


def _plain_assignments(words: Sequence[str]) -> Plain | None:
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


_RULES: Final[tuple[Callable[[Sequence[str]], Plain | None], ...]] = (
    _create_without_options, _clone_of_now, _insert_without_overriding, _merge_without_evolution, _merge_that_does, _directory_without_options,
    _plain_assignments, _pivot_in_from, _macro_without_defaults, _paths_taken_apart)
