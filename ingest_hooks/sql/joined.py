"""The sources of one SELECT joined: what holds in each row, and which columns decided that it is there."""
from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Final

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from ingest_hooks.sql.bounds import Fact, Op, Part
from ingest_hooks.sql.rows import Cell, Environment, Rows, RowsOf
from ingest_hooks.sql.times import MIRRORED, OPERATORS, unwrapped

__all__ = ["Joined"]

_TEMPORAL: Final = ("TIMESTAMP", "DATE", "TIME")
_GUARDS: Final = (exp.LT, exp.LTE, exp.GT, exp.GTE, exp.EQ, exp.NullSafeEQ, exp.Between)


class Joined(ABC):
    """FROM, JOIN and the conditions of a SELECT."""

    def __init__(self, rows_of: RowsOf, scope: Scope, query: exp.Select, around: Environment) -> None:
        self.rows_of = rows_of
        self.scope = scope
        self.query = query
        self.around = around
        self.sources: dict[str, Rows] = {}
        self.facts: list[Fact] = []
        self.decided: dict[int, set[str]] = {}  # by place: columns in WHERE and ON
        self.keys: dict[str, Cell] | None = None  # of GROUP BY, by their text
        self.visible: list[tuple[int, Op, int]] = []
        self.maxima: dict[str, int] = {}
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
            if name not in named or name in self.sources:
                continue
            before = frozenset().union(*(rows.places for rows in self.sources.values())) if self.sources else frozenset[int]()
            added = self._add(name, named[name])
            if isinstance(join, exp.Join):
                self._on(join, before, added)
        for name, source in named.items():
            if name not in self.sources:
                self._add(name, source)

    def _add(self, name: str, source: exp.Expr | Scope) -> Rows:
        rows = self.rows_of.source(self.scope, source, self.environment)
        self.sources[name] = rows
        self.facts += rows.facts
        return rows

    def _on(self, join: exp.Join, before: frozenset[int], added: Rows) -> None:
        side = (join.side or "").upper()
        conditions = [found for key in ("on", "match_condition") if isinstance(found := join.args.get(key), exp.Expr)]
        facts = [fact for condition in conditions for fact in self._conjuncts(condition)]
        for condition in conditions:
            for part in condition.flatten() if isinstance(condition, exp.And) else (condition,):
                if not isinstance(part.unnest(), exp.EQ | exp.NullSafeEQ):  # keys say which rows belong together, and nothing more
                    self._decides(part)
        if side == "FULL":  # either side may be missing: what holds inside one of them holds for its own rows only
            self.facts = [fact.within(before if fact not in added.facts else added.places) for fact in self.facts]
            return
        optional = {"LEFT": added.places, "RIGHT": before}.get(side)
        if optional is not None:
            inner = set(added.facts) if side == "LEFT" else set(self.facts) - set(added.facts)
            self.facts = [fact.within(optional) if fact in inner else fact for fact in self.facts]
            facts = [fact.within(optional) for fact in facts]
        self.facts += facts

    def _decides(self, condition: exp.Expr) -> None:
        for column in condition.find_all(exp.Column):
            for part in self._cell(column).parts:
                self.decided.setdefault(part.instance, set()).update(part.fields)

    def _counted(self) -> frozenset[Part]:
        parts = frozenset().union(*(rows.counted for rows in self.sources.values()))
        return frozenset(self._with_decided(part) for part in parts)

    def _with_decided(self, part: Part) -> Part:
        more = self.decided.get(part.instance)
        return replace(part, fields=part.fields | more) if more else part

    # ---- conditions

    def _conjuncts(self, condition: exp.Expr) -> list[Fact]:
        """What holds in every row that a condition lets through."""
        condition = condition.unnest()
        if isinstance(condition, exp.And):
            return [*self._conjuncts(condition.this), *self._conjuncts(condition.expression)]
        if isinstance(condition, exp.Between):
            low, high = condition.args["low"], condition.args["high"]
            return [*self._compared(low, "<=", condition.this, condition), *self._compared(condition.this, "<=", high, condition)]
        op = OPERATORS.get(type(condition))
        if op is None:
            return []
        if op in MIRRORED:
            return self._compared(condition.expression, MIRRORED[op], condition.this, condition)
        return self._compared(condition.this, "=" if op == "=" else "<=" if op == "<=" else "<", condition.expression, condition)

    def _compared(self, low: exp.Expr, op: Op, high: exp.Expr, node: exp.Expr) -> list[Fact]:
        left, right = self._time(low), self._time(high)
        if right is None and isinstance(core := unwrapped(high)[0], exp.TimestampTrunc | exp.DateTrunc) and (bare := self._time(core.this)) is not None:
            op, right = "<" if op == "<" else "<=", (bare[0], _sum(bare[1], unwrapped(high)[1]))  # what is truncated is not later than what it was made of
        if left is None or right is None:
            return []
        seconds = None if left[1] is None or right[1] is None else right[1] - left[1]
        return [Fact(left[0], op, right[0], seconds, None, self.rows_of.predicate(node))]

    def _time(self, node: exp.Expr) -> tuple[int, float | None] | None:
        """Symbol and seconds of a time expression."""
        core, seconds = unwrapped(node)
        if isinstance(core, exp.Column):
            symbol = self._cell(core).symbol
        elif self.keys is not None and core.sql() in self.keys:
            symbol = self.keys[core.sql()].symbol
        else:
            symbol = self.value(core).symbol
        return None if symbol is None else (symbol, seconds)

    def _condition(self, node: exp.Expr) -> Cell:
        """The columns a condition reads, without the comparisons of times in it: what they let through is what counts."""
        node = node.unnest()
        if isinstance(node, exp.And):
            cells = [self._condition(node.this), self._condition(node.expression)]
            return Cell(None, cells[0].parts | cells[1].parts, cells[0].reasons | cells[1].reasons)
        return Cell() if isinstance(node, _GUARDS) and self._guards(node) else self.value(node)

    def _guards(self, node: exp.Expr) -> bool:
        """Whether a comparison is one of times, or of two tables' columns."""
        if not self._conjuncts(node):
            return False
        columns = [(part.instance, name) for column in node.find_all(exp.Column) for part in self._cell(column).parts for name in part.fields]
        kinds = [known[1].upper() for place, name in columns if (table := self.rows_of.places[place].table.columns) and (known := table.get(name.lower()))]
        return any(kind.startswith(_TEMPORAL) for kind in kinds) or (not isinstance(node, exp.EQ) and len({place for place, _ in columns}) > 1)

    def _cell(self, column: exp.Column) -> Cell:
        name, table = column.name, column.table
        for sources in self.environment:
            if table:
                if table in sources:
                    return self.rows_of.cell(sources[table], name)
            elif len(sources) == 1:
                return self.rows_of.cell(next(iter(sources.values())), name)
        return Cell(reasons=frozenset({f"unresolved-column:{name}"}))

    @abstractmethod
    def value(self, node: exp.Expr) -> Cell:
        """What an expression is made of."""


def _sum(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first + second
