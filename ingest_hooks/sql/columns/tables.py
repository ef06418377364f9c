"""Base tables of a statement, matched against the schema the caller gave.

In the working tree they are called `_t<n>`; `naming` gives these names.
"""
from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from sqlglot import exp
from sqlglot.errors import SqlglotError

from ingest_hooks.sql.forms.nodes import Nodes
from ingest_hooks.sql.forms.reduced import table_name

__all__ = ["BaseTable", "SchemaIndex", "Tables", "is_renamed", "remember_names", "remember_renamed", "remembered_name", "was_set_aside",
           "with_tables", "written_tables"]

_ORIGINAL = "lineproof_name"
_ASIDE = "lineproof_aside"
_RENAMED = "lineproof_renamed"


@dataclass(frozen=True, slots=True)
class BaseTable:
    """`columns`: lower-case column name -> (name, type) as the schema has them; None if the schema does not know the table.

    `keys` has them by the names the statement means them with, once its dialect's rules for upper and lower case are applied.
    """

    name: str
    columns: Mapping[str, tuple[str, str]] | None
    keys: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def column(self, name: str) -> tuple[str, str] | None:
        """Name and type of a column, by its name in the statement."""
        found = self.keys.get(name)
        return found if found is not None or self.columns is None else self.columns.get(name.lower())


def with_tables(schema: Mapping[str, Mapping[str, str]] | None, made: Mapping[str, Sequence[str]]) -> Mapping[str, Mapping[str, str]]:
    """The schema with tables of which only the columns' names are known."""
    known = dict(schema or {})
    for name, columns in made.items():
        known.setdefault(name, dict.fromkeys(columns, "UNKNOWN"))
    return known


class SchemaIndex:
    """Finds a table in the caller's schema by the longest matching tail of its dotted name, without regard to case."""

    def __init__(self, schema: Mapping[str, Mapping[str, str]] | None) -> None:
        self._schema = schema or {}
        self._by_tail: dict[str, list[str]] = {}
        for key in self._schema:
            parts = key.casefold().split(".")
            for start in range(len(parts)):
                self._by_tail.setdefault(".".join(parts[start:]), []).append(key)

    def find(self, name: str) -> str | None:
        """The one key whose tail is `name`, or whose whole is a tail of `name`; None if there is none or several."""
        wanted = name.casefold()
        if name in self._schema:
            return name
        parts = wanted.split(".")
        for start in range(len(parts)):
            tail = ".".join(parts[start:])
            found = self._by_tail.get(tail, [])
            if start:
                found = [key for key in found if key.casefold() == tail]
            if len(found) > 1:  # a name in quotes may tell them apart
                found = [key for key in found if (key if start else ".".join(key.split(".")[-len(parts):])) == ".".join(name.split(".")[start:])]
            if len(found) == 1:
                return found[0]
            if self._by_tail.get(tail):
                return None
        return None

    def alike(self, name: str) -> Mapping[str, str] | None:
        """The columns of a wildcard table (`events_*`): those of the last table by name that it stands for, as in BigQuery."""
        if not name.endswith("*"):
            return None
        tail = re.compile(rf"(?:^|\.){re.escape(name[:-1])}[^.]*$", re.IGNORECASE)
        keys = [key for key in self._schema if tail.search(key)]
        return self._schema[max(keys)] if keys else None

    def columns(self, key: str) -> Mapping[str, str]:
        """Column name -> type of a table, in order."""
        return self._schema[key]


@dataclass(slots=True)
class Tables:
    """The base tables of a statement by their synthetic names."""

    by_id: dict[str, BaseTable] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    written: dict[str, str] = field(default_factory=dict)  # column name in the statement's meaning -> as it was written first

    given: dict[str, str] = field(default_factory=dict)  # likewise, of names the statement gives
    variables: frozenset[str] = frozenset()  # case-folded names of the parameters and variables of a script
    assumed: set[tuple[str, str]] = field(default_factory=set)  # (synthetic name, column) that could as well be a column of a query around
    aside: list[exp.Column] = field(default_factory=list)  # columns that sqlglot would not place; a mark of their number stands in their place
    open: bool = False  # whether something is read whose columns are not known
    unnests_fields: bool = False  # whether UNNEST makes columns of the fields of structs
    dotted: bool = False  # whether the dialect takes a field out of a struct by a dot
    whole_rows: bool = True  # whether the name of a table can stand for a row of it, where no column has this name
    lateral: bool = True  # whether a select item, WHERE or ON can name an item by its alias

    def spelled(self, name: str) -> str:
        """A column name as it was written, or as the schema has it."""
        return self.written.get(name, name)

    def called(self, name: str) -> str:
        """The name of an output that came through a star."""
        return self.given.get(name) or self.spelled(name)

    def is_variable(self, name: str) -> bool:
        """Whether the name is that of a parameter or variable, where no column has it."""
        return name.casefold() in self.variables

    def of(self, table: exp.Table) -> BaseTable | None:
        """The base table behind a renamed table node; None for table functions."""
        return self.by_id.get(table.name)

    def schema(self, dialect: str | None) -> dict[str, dict[str, str]]:
        """The schema of the renamed tables, for sqlglot; a type that the dialect does not know is none."""
        return {key: {name: kind if _is_type(kind, dialect) else "UNKNOWN" for name, (_, kind) in table.keys.items()}
                for key, table in self.by_id.items() if table.keys}

    def set_aside(self, column: exp.Column) -> None:
        """Put a mark into the place of a column that sqlglot would refuse to go on with."""
        mark = exp.Var(this=str(len(self.aside)))
        mark.meta[_ASIDE] = True
        place: exp.Expr = mark
        if isinstance(column.parent, exp.Select) and column.arg_key == "expressions":
            place = exp.Alias(this=mark, alias=column.this.copy())
            place.meta.update(column.meta)
        self.aside.append(column)
        column.replace(place)

    def take_back(self, query: exp.Expr) -> None:
        """Put what was set aside into its place again, without a table: `Resolver` finds out, or says that it cannot."""
        for mark in list(query.find_all(exp.Var)) if self.aside else ():
            if mark.meta.get(_ASIDE):
                column = self.aside[int(mark.name)].copy()
                column.meta[_ASIDE] = True
                mark.replace(column)


@lru_cache(maxsize=4096)
def _is_type(kind: str, dialect: str | None) -> bool:
    try:
        exp.DataType.build(kind, dialect=dialect)
    except (SqlglotError, ValueError):
        return False
    return True


def was_set_aside(column: exp.Column) -> bool:
    """Whether the column stands in a subquery over columns that nothing is known of, and could as well be one of a query around."""
    return _ASIDE in column.meta


def remember_names(nodes: Nodes) -> set[tuple[str, str]]:
    """Keep each table's name as written, before identifiers are normalised. Returns the (schema, table) pairs, lower-case."""
    pairs: set[tuple[str, str]] = set()
    for table in nodes.of(exp.Table):
        table.meta[_ORIGINAL] = table_name(table)
        if table.db:
            pairs.add((table.db.lower(), table.name.lower()))
    return pairs


def remembered_name(table: exp.Table) -> str:
    """The table's name as written, after `remember_names`."""
    return str(table.meta.get(_ORIGINAL) or table_name(table))


def remember_renamed(query: exp.Expr, names: Sequence[str]) -> None:
    """Note the names that FROM or WITH give to the columns of a query."""
    query.meta[_RENAMED] = frozenset(names)


def is_renamed(query: exp.Expr, name: str) -> bool:
    """Whether a name is one that was given to a column of this query: below, it is called something else."""
    return name in query.meta.get(_RENAMED, ())


def written_tables(tree: exp.Expr) -> set[str]:
    """Names of the base tables as written, after `remember_names`, for a query that could not be resolved."""
    ctes = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    names = {remembered_name(table) for table in tree.find_all(exp.Table)}
    return {name for name in names if name and name.lower() not in ctes}
