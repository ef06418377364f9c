"""Which rows make each output column, and what holds between their times and those of the output row.

A query is evaluated on symbols instead of values (see `bounds`). Every reference to a table or a common table expression is a place of its own, so
that the two sides of a self-join are told apart. What cannot be followed is a reason, never a bound.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from ingest_hooks.sql.columns.tables import BaseTable, Tables
from ingest_hooks.sql.timing.bounds import Fact, Op, Part, TooMuchToFollow, gathered

__all__ = ["NONE", "Cell", "Environment", "Place", "Rows", "RowsOf", "TooManyPlaces"]

MAX_PLACES: Final = 1_000  # references to tables after common table expressions are followed into each of their uses
NONE: Final[frozenset[Part]] = frozenset()


class TooManyPlaces(TooMuchToFollow):
    """The statement refers to tables more often than is worth following."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One column of a row: its symbol, if it is a plain time, and the rows that make it."""

    symbol: int | None = None
    parts: frozenset[Part] = NONE
    reasons: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Place:
    """A table where a statement refers to it; `columns` are the symbols of its columns."""

    table: BaseTable
    node: exp.Table
    columns: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Rows:
    """The rows of a relation. `counted` are the rows behind each of its rows, with the columns that decided that they are there; `chosen` are rows
    of other tables that decided it, too (`IN (SELECT …)`, an inner join).
    """

    cells: dict[str, Cell] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)
    places: frozenset[int] = frozenset()
    counted: frozenset[Part] = NONE
    chosen: frozenset[Part] = NONE
    place: int | None = None  # the rows of a table, whose columns become cells when they are asked for
    reasons: frozenset[str] = frozenset()


Environment = tuple[Mapping[str, Rows], ...]  # sources by name: of the query, then of those around it


class RowsOf:
    """Evaluates queries; `select` evaluates one SELECT.

    Filled meanwhile: `places`, by number; `predicates`, the comparisons that were used; `homes`, the places of the columns' symbols; `grids`, the
    units of which symbols are multiples; `moments`, the symbols of the times that the statement names.
    """

    def __init__(self, tables: Tables, select: Callable[[RowsOf, Scope, exp.Select, Environment], Rows]) -> None:
        self.places: list[Place] = []
        self.predicates: list[exp.Expr] = []
        self.homes: dict[int, int] = {}
        self.grids: dict[int, str] = {}
        self.moments: dict[str, int] = {}
        self._tables = tables
        self._select = select
        self._symbols = 0
        self._busy: set[int] = set()

    def of(self, scope: Scope, around: Environment = ()) -> Rows:
        """The rows of a query. Raises TooManyPlaces."""
        query = scope.expression
        if id(query) in self._busy:
            return Rows(reasons=frozenset({"recursive-cte"}))
        self._busy.add(id(query))
        try:
            if isinstance(query, exp.SetOperation):
                return self._union([self.of(branch, around) for branch in scope.set_operation_scopes], bool(query.args.get("by_name")))
            if isinstance(query, exp.Values) and query.find(exp.Column, exp.Query) is None:
                alias = query.args.get("alias")
                return Rows({column.name: Cell() for column in (alias.columns if isinstance(alias, exp.TableAlias) else ())})
            if isinstance(query, exp.UDTF):
                inner = scope.subquery_scopes
                return self.of(inner[0], around) if inner else Rows(reasons=frozenset({"table-function"}))
            if isinstance(query, exp.Subquery):
                nested = [*scope.derived_table_scopes, *scope.subquery_scopes]
                return self.of(nested[0], around) if nested else Rows(reasons=frozenset({"subquery"}))
            if not isinstance(query, exp.Select):
                return Rows(reasons=frozenset({f"statement:{query.key}"}))
            return self._select(self, scope, query, around)
        finally:
            self._busy.discard(id(query))

    def columns(self, place: int) -> Mapping[str, int]:
        """The symbols of the columns of a place."""
        return self.places[place].columns

    def kind(self, place: int, name: str) -> str | None:
        """The type of a column of a place, in capitals; None if it is not known."""
        known = self.places[place].table.columns
        found = known.get(name.lower()) if known is not None else None
        return found[1].upper() if found is not None else None

    def moment(self, written: str) -> int:
        """The symbol of a time that the statement names."""
        if written not in self.moments:
            self.moments[written] = self.symbol()
            if written.endswith("T00:00:00"):
                self.grids[self.moments[written]] = "day"
        return self.moments[written]

    def symbol(self) -> int:
        self._symbols += 1
        return self._symbols

    def predicate(self, node: exp.Expr) -> int:
        if node not in self.predicates:
            self.predicates.append(node)
        return self.predicates.index(node)

    def source(self, scope: Scope, source: exp.Expr | Scope, around: Environment) -> Rows:
        """The rows of what a FROM or JOIN names."""
        if isinstance(source, Scope):
            return self.of(source, around)
        if not isinstance(source, exp.Table):
            return Rows(reasons=frozenset({"table-function"}))
        table = self._tables.of(source)
        if table is None:
            cte = scope.cte_sources.get(source.name)
            return self.of(cte, around) if isinstance(cte, Scope) else Rows(reasons=frozenset({"table-function"}))
        if len(self.places) >= MAX_PLACES:
            raise TooManyPlaces
        number = len(self.places)
        self.places.append(Place(table, source))
        reasons = frozenset({"pivot"}) if source.args.get("pivots") else frozenset[str]()
        return Rows(places=frozenset({number}), counted=frozenset({Part(number, frozenset())}), place=number, reasons=reasons)

    def cell(self, rows: Rows, name: str) -> Cell:
        """A column of a relation."""
        if rows.place is None:
            found = rows.cells.get(name) or rows.cells.get(name.lower())
            return found if found is not None else Cell(reasons=rows.reasons or frozenset({f"unresolved-column:{name}"}))
        place = self.places[rows.place]
        known = place.table.columns.get(name.lower()) if place.table.columns is not None else None
        written = known[0] if known is not None else name
        symbol = place.columns.get(written)
        if symbol is None:
            symbol = place.columns[written] = self.symbol()
            self.homes[symbol] = rows.place
            if self.kind(rows.place, written) in ("DATE", "DATE32"):
                self.grids[symbol] = "day"
        return Cell(symbol, frozenset({Part(rows.place, frozenset({written}))}), rows.reasons)

    def gathered(self, parts: Iterable[Part], facts: Iterable[Fact], visible: Iterable[tuple[int, Op, int]]) -> frozenset[Part]:
        return gathered(parts, facts, [*visible, *self._always()], self.columns, self.homes)

    def _always(self) -> list[tuple[int, Op, int]]:
        return [(symbol, "=", symbol) for symbol in self.moments.values()]

    def _union(self, branches: Sequence[Rows], by_name: bool) -> Rows:
        if not branches:
            return Rows(reasons=frozenset({"set-operation"}))
        names = list(dict.fromkeys(name for branch in branches for name in branch.cells)) if by_name else list(branches[0].cells)
        symbols = [self.symbol() for _ in names]
        cells = {name: Cell(symbol) for name, symbol in zip(names, symbols, strict=True)}
        counted: frozenset[Part] = NONE
        for branch in branches:
            own = [branch.cells.get(name, Cell()) for name in names] if by_name else list(branch.cells.values())
            visible: list[tuple[int, Op, int]] = [(cell.symbol, "same", symbol) for cell, symbol in zip(own, symbols, strict=False) if cell.symbol is not None]
            chosen = self.gathered(branch.chosen, branch.facts, visible)
            for name, cell in zip(names, own, strict=False):
                known = cells[name]
                parts = gathered(cell.parts, branch.facts, [*visible, *self._always()], self.columns, self.homes, one_row=True)
                cells[name] = Cell(known.symbol, known.parts | parts, known.reasons | cell.reasons | branch.reasons)
            counted |= self.gathered(branch.counted, branch.facts, visible) | chosen
        return Rows(cells, [], frozenset().union(*(branch.places for branch in branches)), counted)
