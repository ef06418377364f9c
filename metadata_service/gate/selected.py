"""What a query selects: its columns, how each is made, and the rest of it, which decides the rows. Needs the `sql` extra."""
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from ingest_hooks.sql import OutputColumn, SqlLineage, column_lineage
from ingest_hooks.sql.quiet import quietly
from metadata_service.gate.schemas import Table
from metadata_service.projector.feature_hash import fold_sql

__all__ = ["Known", "Selected", "selected"]

_WORD: Final = re.compile(r"\w+")


class Known:
    """The columns of tables of which all are known, found by what a query may name: a project has thousands of tables, and a query reads a few."""

    def __init__(self) -> None:
        self._by_word: dict[str, dict[str, dict[str, str]]] = {}

    def add(self, table: Table) -> None:
        """Take in a table, if all its columns are known."""
        if table.whole:
            word = (_WORD.findall(table.name.casefold()) or [""])[-1]
            self._by_word.setdefault(word, {})[table.name] = {column: said.type or "UNKNOWN" for column, said in table.columns.items()}

    def named_in(self, sql: str) -> dict[str, dict[str, str]]:
        """Those that the query may name."""
        return {name: columns for word in set(_WORD.findall(sql.casefold())) for name, columns in self._by_word.get(word, {}).items()}


@dataclass(frozen=True, slots=True)
class Selected:
    """`columns` are those of the result, None if they cannot be told for certain; `code` is then the whole query in one layout, else without what the
    columns say. `reads` as in `Table`."""

    columns: Mapping[str, tuple[str, ...]] | None
    code: str
    reads: Mapping[str, frozenset[str]] | None


@quietly()
def selected(sql: str, dialect: str | None, known: Known) -> Selected:
    """The result of a query over these tables and others."""
    found = column_lineage(sql, dialect=dialect, schema=known.named_in(sql), timed=False)
    reads = _reads(found)
    if not found.outputs or any("*" in column.name for column in found.outputs):
        return Selected(None, _layout(sql, dialect), reads)
    rest = _rest(sql, dialect, {_layout(step.expression, dialect).casefold() for column in found.outputs for step in column.steps})
    if rest is None:
        return Selected(None, _layout(sql, dialect), reads)
    return Selected({column.name: _made(column, dialect) for column in found.outputs}, rest, reads)


def _made(column: OutputColumn, dialect: str | None) -> tuple[str, ...]:
    """The expressions on the way that do more than name a column, and the columns at the end."""
    steps = [_layout(step.expression, dialect) for step in column.steps]
    sources = sorted(f"{each.table}.{each.column}".casefold() for each in column.inputs if each.type == "DIRECT")
    return (*(step for step in steps if not _names_a_column(step)), *sources) or (_layout(column.expression, dialect),)


def _names_a_column(text: str) -> bool:
    return text.endswith("*") or all(part.strip('"`[]').isidentifier() for part in text.split("."))


def _reads(found: SqlLineage) -> dict[str, frozenset[str]] | None:
    if found.status != "complete":
        return None
    reads: dict[str, set[str]] = {table.casefold(): set() for table in found.inputs}
    for each in (*found.row_inputs, *(each for column in found.outputs for each in column.inputs)):
        reads.setdefault(each.table.casefold(), set()).add(each.column.casefold())
    return {table: frozenset(columns) for table, columns in reads.items()}


def _rest(sql: str, dialect: str | None, told: set[str]) -> str | None:
    """The query in one layout without the select items that are in `told`; None if it cannot be read or written."""
    try:
        tree = sqlglot.parse_one(sql, read=dialect)
        named = _names(tree)

        def decides(item: exp.Expr) -> bool:
            name = item.alias_or_name.casefold()  # if nothing else in the query is called so, nothing reads it
            return not item.is_star and named[name] > _names(item)[name] and _sql(item.unalias(), dialect).casefold() not in told

        for select in tree.find_all(exp.Select):
            if _is_table(select) and not select.args.get("distinct"):
                select.set("expressions", list(filter(decides, select.expressions)) or [exp.Star()])
        return _sql(tree, dialect)
    except (SqlglotError, ValueError, RecursionError):
        return None


def _is_table(select: exp.Select) -> bool:
    """Whether it is read by the names of its columns, as no value or list of values is."""
    above = select.parent
    while isinstance(above, exp.SetOperation | exp.Subquery):
        above = above.parent
    return above is None or isinstance(above, exp.CTE | exp.From | exp.Join | exp.Lateral)


def _names(tree: exp.Expr) -> Counter[str]:
    return Counter(each.name.casefold() for each in tree.find_all(exp.Identifier))


@lru_cache(maxsize=100_000)  # base and head have most in common, and columns the steps on their way
def _layout(sql: str, dialect: str | None) -> str:
    """SQL in one layout, without comments; as it is if it cannot be read."""
    try:
        return _sql(sqlglot.parse_one(sql, read=dialect), dialect)
    except (SqlglotError, ValueError, RecursionError):
        return fold_sql(sql)


def _sql(tree: exp.Expr, dialect: str | None) -> str:
    for name in tree.find_all(exp.Identifier):
        if name.name.isidentifier():  # the same name, quoted or not and in whatever case
            name.set("this", name.name.casefold())
            name.set("quoted", False)
    return str(tree.sql(dialect, comments=False))
