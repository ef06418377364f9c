"""The sources of one SELECT joined: what holds in each row, and which columns decided that it is there."""
from __future__ import annotations

from dataclasses import replace

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, find_all_in_scope

from ingest_hooks.sql.timing.bounds import Fact, Op, Part
from ingest_hooks.sql.timing.conditions import Conditions
from ingest_hooks.sql.timing.rows import NONE, Cell, Environment, Rows, RowsOf

__all__ = ["Joined"]


class Joined(Conditions):
    """FROM, JOIN and the conditions of a SELECT."""

    def __init__(self, rows_of: RowsOf, scope: Scope, query: exp.Select, around: Environment) -> None:
        self.rows_of = rows_of
        self.scope = scope
        self.query = query
        self.around = around
        self.sources: dict[str, Rows] = {}
        self.facts: list[Fact] = []
        self.decided: dict[int, set[str]] = {}  # by place: columns in WHERE and ON
        self.chosen: list[tuple[frozenset[int], Part]] = []  # what decides which rows there are, and the places whose rows those are
        self.attached: dict[str, frozenset[Part]] = {}  # by source: what decides which of its rows are joined
        self.optional = []
        self.keys: dict[str, Cell] | None = None  # of GROUP BY, by their text
        self.columns_of_keys: dict[str, exp.Column] = {}  # keys that are no columns, by their text, as columns
        self.by_keys: dict[int, exp.Expr] = {}  # what is computed from such keys, by node; kept, since nodes are told apart by their identity
        self.visible: list[tuple[int, Op, int]] = []
        self.maxima: dict[str, int] = {}
        self.known: dict[tuple[int, bool], Cell] = {}  # by node, and whether it is asked for a row or for a group
        self.windows = {window.name: window for window in query.args.get("windows") or ()}
        self.subqueries = {id(inner.expression): inner for inner in scope.subquery_scopes}

    @property
    def environment(self) -> Environment:
        return (self.sources, *self.around)

    # ---- sources

    def _join(self) -> None:
        start = self.query.args.get("from_")
        named = {name: source for name, (_, source) in self.scope.selected_sources.items()}
        first = start.this.alias_or_name if isinstance(start, exp.From) else None
        if first is not None and first in named:
            self._add(first, named[first])
        for join in (*(self.query.args.get("joins") or ()), *(self.query.args.get("laterals") or ())):
            name = join.this.alias_or_name if isinstance(join, exp.Join) else join.alias_or_name
            if isinstance(join, exp.Join) and join.is_semi_or_anti_join and name in self.scope.sources:
                named[name] = self.scope.sources[name]
            if name not in named or name in self.sources:
                continue
            before = frozenset().union(*(rows.places for rows in self.sources.values())) if self.sources else frozenset[int]()
            added = self._add(name, named[name])
            if added.chosen:
                self.attached[name] = added.chosen
            if isinstance(join, exp.Join):
                self._on(join, before, added)
        for name, source in named.items():
            if name not in self.sources:
                self._add(name, source)

    def _add(self, name: str, source: exp.Expr | Scope) -> Rows:
        rows = self.rows_of.source(self.scope, source, self.environment)
        self.sources[name] = rows
        self.facts += rows.facts
        self.chosen += [(rows.places, part) for part in rows.chosen]
        return rows

    def _on(self, join: exp.Join, before: frozenset[int], added: Rows) -> None:
        side, kind = (join.side or "").upper(), (join.kind or "").upper()
        conditions = [found for key in ("on", "match_condition") if isinstance(found := join.args.get(key), exp.Expr)]
        optional = {"LEFT": (added.places,), "RIGHT": (before,), "FULL": (added.places, before)}.get(side, ())
        if side in ("LEFT", "FULL") and kind != "ANTI":
            symbols = {cell.symbol for each in conditions for part in _conjoined(each) if isinstance(part, exp.EQ | exp.LT | exp.LTE | exp.GT | exp.GTE)
                       for side_of in (part.this, part.expression) if isinstance(side_of, exp.Column) and (cell := self.cell(side_of)).symbol is not None}
            self.optional.append((added.places, frozenset(symbol for symbol in symbols if symbol is not None)))
        facts = [fact for condition in conditions for fact in self.conjuncts(condition)] if kind != "ANTI" else []
        before_keys: frozenset[int] = frozenset()
        for condition in conditions:
            for each in _conjoined(condition):
                if not isinstance(each, exp.EQ | exp.NullSafeEQ):  # keys say which rows belong together, and nothing more
                    self._decides(each)
                before_keys |= self._places_in(each) - added.places
        if kind in ("SEMI", "ANTI") or not side:
            joined: dict[int, set[str]] = {}
            for part in (each for condition in conditions for column in condition.find_all(exp.Column) for each in self.cell(column).parts):
                joined.setdefault(part.instance, set()).update(part.fields)
            self.chosen += [(before_keys, replace(part, fields=part.fields | joined.get(part.instance, set()))) for part in added.counted | added.chosen]
        own = set(added.facts)
        if side == "FULL":
            self.facts = [fact.within(added.places if fact in own else before) for fact in self.facts]
            self.facts += [fact.within(added.places, before) for fact in facts]
            return
        for places in optional:
            self.facts = [fact.within(places) if (fact in own) == (side == "LEFT") else fact for fact in self.facts]
            facts = [fact.within(places) for fact in facts]
        self.facts += facts

    def _places_in(self, condition: exp.Expr) -> frozenset[int]:
        """The places of this query that a condition speaks of."""
        own = frozenset().union(*(rows.places for rows in self.sources.values()))
        return frozenset(part.instance for column in condition.find_all(exp.Column) for part in self.cell(column).parts) & own

    def _decides(self, condition: exp.Expr, of_all: bool = False) -> None:
        """A condition decides which rows of its places there are; with `of_all` those that others are joined to, as well."""
        for column in find_all_in_scope(condition, exp.Column):
            for part in self.cell(column).parts:
                self.decided.setdefault(part.instance, set()).update(part.fields)
        if of_all:
            for each in _conjoined(condition):
                places = self._places_in(each)
                read = frozenset(part for column in find_all_in_scope(each, exp.Column) for part in self.cell(column).parts if part.instance in places)
                self.chosen += [(places, part) for part in read | self._asked(each)]

    def _asked(self, condition: exp.Expr) -> frozenset[Part]:
        """What the subqueries in a condition read."""
        found: frozenset[Part] = NONE
        for node in condition.find_all(exp.Query):
            inner = self.subqueries.get(id(node))
            if inner is not None:
                rows = self.rows_of.of(inner, self.environment)
                self.facts += [fact.within(rows.places) for fact in rows.facts]
                found |= rows.counted.union(rows.chosen, *(cell.parts for cell in rows.cells.values()))
        return found

    def _counted(self) -> frozenset[Part]:
        parts = frozenset().union(*(rows.counted for rows in self.sources.values()))
        return frozenset(self._with_decided(part) for part in parts)

    def _with_decided(self, part: Part) -> Part:
        more = self.decided.get(part.instance)
        return replace(part, fields=part.fields | more) if more else part

    def _choosing(self, keys: frozenset[int]) -> frozenset[Part]:
        """What decides which rows a value is made of; `keys` are the places of the rows it is made for."""
        return frozenset(part for places, part in self.chosen if places - keys and part.instance not in keys)

    # ---- columns

    def cell(self, column: exp.Column) -> Cell:
        """What a column stands for: of the query's own sources, else of those around it."""
        name, table = column.name, column.table
        for number, sources in enumerate(self.environment):
            if table:
                if table in sources:
                    return self._with_chosen(self.rows_of.cell(sources[table], name), table if number == 0 else None)
            elif len(sources) == 1:
                return self.rows_of.cell(next(iter(sources.values())), name)
        return Cell(reasons=frozenset({f"unresolved-column:{name}"}))

    def relation(self, cell: Cell) -> frozenset[int]:
        """The places of the sources that a cell is made of."""
        of = {part.instance for part in cell.parts}
        return frozenset().union(of, *(rows.places for rows in self.sources.values() if rows.places & of))

    def _with_chosen(self, cell: Cell, source: str | None) -> Cell:
        more = self.attached.get(source) if source is not None else None
        return replace(cell, parts=cell.parts | more) if more else cell


def _conjoined(condition: exp.Expr) -> list[exp.Expr]:
    """The parts of a condition that all have to be true."""
    node = condition.unnest()
    return [part.unnest() for part in node.flatten()] if isinstance(node, exp.And) else [node]
