"""What holds between times in every row that a condition lets through.

A comparison that relates times in a way that is not understood is told as one by an interval of unknown length, so that nobody takes it for a proof
or for the lack of one.
"""
from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from sqlglot import exp
from sqlglot.optimizer.scope import find_all_in_scope

from ingest_hooks.sql.timing.bounds import Fact, Op
from ingest_hooks.sql.timing.rows import Cell, RowsOf
from ingest_hooks.sql.timing.times import OPERATORS, Term, at_least, compared, is_length, length, moment, number, same, shifted, term

__all__ = ["Conditions"]

_TEMPORAL: Final = ("TIMESTAMP", "DATE", "TIME")
_GUARDS: Final = (exp.LT, exp.LTE, exp.GT, exp.GTE, exp.EQ, exp.NullSafeEQ, exp.Between)
_MIRRORED: Final[Mapping[str, str]] = {">": "<", ">=": "<=", "<": ">", "<=": ">=", "=": "="}
_NEGATED: Final[Mapping[str, type[exp.Binary]]] = {"<": exp.GTE, "<=": exp.GT, ">": exp.LTE, ">=": exp.LT}
_DIFFERENCES: Final = (exp.DateDiff, exp.DatetimeDiff, exp.TimestampDiff, exp.TsOrDsDiff)
_WHOLE: Final = (exp.DatetimeDiff, exp.TimestampDiff)  # count whole units, not the boundaries between


class Conditions(ABC):
    """Reads conditions of one SELECT."""

    rows_of: RowsOf
    keys: dict[str, Cell] | None  # of GROUP BY, by their text
    optional: list[tuple[frozenset[int], frozenset[int]]]  # places that may be missing, and the symbols that are not if they are there

    @abstractmethod
    def value(self, node: exp.Expr) -> Cell:
        """What an expression is made of."""

    @abstractmethod
    def cell(self, column: exp.Column) -> Cell:
        """What a column stands for."""

    def conjuncts(self, condition: exp.Expr, holds: bool = True) -> list[Fact]:
        """What holds in every row for which the condition is true (`holds` False: is false)."""
        node = condition.unnest()
        if isinstance(node, exp.Not):
            return self.conjuncts(node.this, not holds)
        if isinstance(node, exp.And if holds else exp.Or):
            return [*self.conjuncts(node.this, holds), *self.conjuncts(node.expression, holds)]
        if isinstance(node, exp.Or if holds else exp.And):
            return self._either(node, list(node.flatten()), holds)
        if isinstance(node, exp.Between):
            low, high = exp.LTE(this=node.args["low"], expression=node.this), exp.LTE(this=node.this, expression=node.args["high"])
            if holds:
                return [*self._comparison(low, node), *self._comparison(high, node)]
            return self._either(node, [exp.Not(this=low), exp.Not(this=high)], True)
        if isinstance(node, exp.Is) and isinstance(node.expression, exp.Boolean) and node.expression.this:
            return self.conjuncts(node.this) if holds else []
        if isinstance(node, exp.Coalesce) and holds and all(isinstance(other, exp.Boolean) and not other.this for other in node.expressions):
            return self.conjuncts(node.this)
        if isinstance(node, exp.Case | exp.If) and holds:
            return self._chosen(node)
        op = OPERATORS.get(type(node))
        if op is None:
            return []
        if not holds:
            return self._comparison(_NEGATED[op](this=node.this, expression=node.expression), node) if op in _NEGATED else []
        return self._comparison(node, node)

    def _chosen(self, node: exp.Expr) -> list[Fact]:
        """`CASE WHEN c THEN true ELSE false END`"""
        branches = node.args.get("ifs") or [node]
        default = node.args.get("default") or node.args.get("false")
        if len(branches) != 1 or (isinstance(node, exp.Case) and node.this is not None):
            return []
        yes = branches[0].args.get("true")
        no = default is None or (isinstance(default, exp.Boolean | exp.Null) and not default.this)
        return self.conjuncts(branches[0].this) if no and isinstance(yes, exp.Boolean) and yes.this else []

    def _either(self, node: exp.Expr, parts: Sequence[exp.Expr], holds: bool) -> list[Fact]:
        """What holds whichever of the parts is true."""
        told: dict[tuple[int, int], list[Fact]] = {}
        absent: list[tuple[frozenset[int], bool]] = []
        alternatives: list[dict[tuple[int, int], Fact]] = []
        for part in parts:
            missing = self._missing(part) if holds else None
            if missing is not None:
                absent.append(missing)
                continue
            facts: dict[tuple[int, int], Fact] = {}
            for fact in self.conjuncts(part, holds):
                for each in (fact,) if fact.op in ("<", "<=") else _both_ways(fact):
                    known = facts.get((each.low, each.high))
                    if known is None or _order(each) < _order(known):
                        facts[each.low, each.high] = each
            alternatives.append(facts)
        if not alternatives:
            return []
        for key in set(alternatives[0]).intersection(*alternatives[1:]):
            told[key] = [facts[key] for facts in alternatives]
        number_of = self.rows_of.predicate(node)
        found = []
        for (low, high), each_of in told.items():
            weakest = max(each_of, key=_order)
            fact = Fact(low, weakest.op, high, weakest.seconds, frozenset().union(*(each.present for each in each_of)), number_of)
            for places, certain in absent:
                fact = fact.within(places) if certain else replace(fact.within(places), seconds=None)
            found.append(fact)
        return found

    def _missing(self, node: exp.Expr) -> tuple[frozenset[int], bool] | None:
        """Of `x IS NULL`: the optional places it stands for, and whether it is only true where they are missing."""
        node = node.unnest()
        if not isinstance(node, exp.Is) or not isinstance(node.expression, exp.Null) or not isinstance(node.this, exp.Column):
            return None
        cell = self.cell(node.this)
        of = {part.instance for part in cell.parts}
        return next(((places, cell.symbol in joined) for places, joined in self.optional if of and of <= places), None)

    def _comparison(self, comparison: exp.Expr, node: exp.Expr) -> list[Fact]:
        op, left, right = OPERATORS[type(comparison)], comparison.this, comparison.expression
        facts = self._difference(op, left, right, node)
        if facts is None:
            facts = self._difference(_MIRRORED[op], right, left, node)
        if facts is None:
            if op in (">", ">="):
                op, left, right = _MIRRORED[op], right, left
            facts = self._compared(self._term(left), op, self._term(right), node)
        return facts or self._not_understood(op, left, right, node)

    def _compared(self, left: Term, op: str, right: Term, node: exp.Expr) -> list[Fact]:
        low, high = self._symbol(left.core), self._symbol(right.core)
        if low is None or high is None:
            return []
        predicate = self.rows_of.predicate(node)
        if op != "=":
            found, seconds = compared(left, "<" if op == "<" else "<=", right)
            grid = right.grid if op == "<" and left.exact and left.grid is None else None
            return [Fact(low, found, high, seconds, predicate=predicate, plain=True, grid=grid)]
        if left.exact and right.exact and left.low is not None and right.low is not None:
            return [Fact(low, "=", high, right.low - left.low, predicate=predicate, plain=True)]
        ways: list[tuple[int, Term, Term, int]] = [(low, left, right, high), (high, right, left, low)]
        return [Fact(at, found, to, seconds, predicate=predicate, plain=True)
                for at, one, other, to in ways for found, seconds in (compared(one, "<=", other),)]

    def _difference(self, op: str, left: exp.Expr, right: exp.Expr, node: exp.Expr) -> list[Fact] | None:
        """`later - earlier op constant`; None if it is no such comparison."""
        if right.find(exp.Column):
            return None
        scale, left = 1.0, left.unnest()
        while True:
            if isinstance(left, exp.Div | exp.Mul) and (factor := number(left.expression)):
                scale *= factor if isinstance(left, exp.Div) else 1 / factor
                left = left.this.unnest()
            elif isinstance(left, exp.TimeToUnix) or (isinstance(left, exp.Extract) and left.name.upper() == "EPOCH"):
                inner = (left.expression if isinstance(left, exp.Extract) else left.this).unnest()
                if not isinstance(inner, exp.Sub):
                    return None
                left = inner
            else:
                break
        if isinstance(left, exp.Anonymous) and left.name.lower() in ("datesub", "date_sub", "datediff", "date_diff") and len(left.expressions) == 3:
            unit, earlier, later = left.expressions
            whole = left.name.lower() in ("datesub", "date_sub")
            return self._diffs(op, (self._term(earlier), self._term(later)), number(right), same(unit.name), whole, node)
        if isinstance(left, _DIFFERENCES):
            found = left.args.get("unit")
            name = same(found.name) if isinstance(found, exp.Expr) else "day"
            return self._diffs(op, (self._term(left.expression), self._term(left.this)), number(right), name, isinstance(left, _WHOLE), node)
        if not isinstance(left, exp.Sub) or is_length(left.expression) or not left.this.find(exp.Column) or not left.expression.find(exp.Column):
            return None
        later, earlier = self._term(left.this), self._term(left.expression)
        span = length(right, days=later.grid == earlier.grid == "day")
        low, high = (span[0] * scale, span[1] * scale) if span is not None and scale > 0 else (None, None)
        if op in (">", ">="):
            return self._compared(shifted(earlier, low, high), "<" if op == ">" else "<=", later, node)
        if op in ("<", "<="):
            return self._compared(later, op, shifted(earlier, low, high), node)
        return self._compared(later, "=", shifted(earlier, low, high), node)

    def _diffs(self, op: str, ends: tuple[Term, Term], count: float | None, unit: str | None, whole: bool, node: exp.Expr) -> list[Fact]:
        """`date_diff(unit, earlier, later) op count`"""
        earlier, later = ends
        if count is None or unit is None:
            return self._compared(Term(earlier.core, None, None), "<=", Term(later.core, None, None), node)
        found: list[Fact] = []
        if op in (">", ">=", "="):
            least = math.floor(count) + 1 if op == ">" else math.ceil(count)
            left, how, right = at_least(least, unit, earlier, later, whole)
            found += self._compared(left, how, right, node)
        if op in ("<", "<=", "="):  # at most n between is at least -n the other way round
            most = math.ceil(count) - 1 if op == "<" else math.floor(count)
            left, how, right = at_least(-most, unit, later, earlier, whole)
            found += self._compared(left, how, right, node)
        return found

    def _not_understood(self, op: str, left: exp.Expr, right: exp.Expr, node: exp.Expr) -> list[Fact]:
        """Times of two sides that are compared somehow."""
        if any(side.find(exp.AggFunc, exp.Query) for side in (left, right)):
            return []  # a time of other rows
        if op == "=" and not any(side.find(exp.Interval, exp.Add, exp.Sub) for side in (left, right)):
            return []  # equal parts of times: of the same day, hour, …
        sides = [{symbol for column in find_all_in_scope(side, exp.Column) if (symbol := self._timed(column)) is not None} for side in (left, right)]
        if op == "=":
            sides = [sides[0] | sides[1]] * 2
        predicate = self.rows_of.predicate(node) if all(sides) else None
        pairs = [(low, high) for one, other in (sides, sides[::-1]) for low in one for high in other if low != high]
        return [Fact(low, "<=", high, None, predicate=predicate) for low, high in dict.fromkeys(pairs)]

    def _timed(self, column: exp.Column) -> int | None:
        """The symbol of a column that is a time, as far as its type is known."""
        cell = self.cell(column)
        kinds = [self.rows_of.kind(part.instance, name) for part in cell.parts for name in part.fields]
        return cell.symbol if all(kind is None or kind.startswith(_TEMPORAL) for kind in kinds) else None

    # ---- times

    def _term(self, node: exp.Expr) -> Term:
        return term(node, self._grid)

    def _grid(self, node: exp.Expr) -> str | None:
        known = isinstance(node, exp.Column) or moment(node) is not None or (self.keys is not None and node.sql() in self.keys)
        symbol = self._symbol(node) if known else None
        return self.rows_of.grids.get(symbol) if symbol is not None else None

    def _symbol(self, core: exp.Expr) -> int | None:
        written = moment(core)
        if written is not None:
            return self.rows_of.moment(written)
        if self.keys is not None and core.sql() in self.keys:
            return self.keys[core.sql()].symbol
        return self.cell(core).symbol if isinstance(core, exp.Column) and self.keys is None else self.value(core).symbol

    def defined(self, found: Term) -> tuple[int | None, list[Fact]]:
        """A symbol for what a term says, and how it stands to the core."""
        core = self._symbol(found.core)
        if core is None or found.low is None or found.high is None:
            return None, []
        if found.exact and found.low == 0:
            return core, []
        symbol = self.rows_of.symbol()
        if found.grid is not None:
            self.rows_of.grids[symbol] = found.grid
        if found.exact:
            return symbol, [Fact(symbol, "=", core, found.low)]
        return symbol, [Fact(symbol, "<=", core, found.high), Fact(core, "<" if found.strict else "<=", symbol, -found.low)]

    # ---- what a condition reads

    def condition(self, node: exp.Expr) -> Cell:
        """The columns a condition reads, without the comparisons of times in it: what they let through is what counts."""
        node = node.unnest()
        if isinstance(node, exp.And):
            cells = [self.condition(node.this), self.condition(node.expression)]
            return Cell(None, cells[0].parts | cells[1].parts, cells[0].reasons | cells[1].reasons)
        if isinstance(node, exp.Not):
            return self.condition(node.this)
        return Cell() if isinstance(node, _GUARDS) and self._guards(node) else self.value(node)

    def _guards(self, node: exp.Expr) -> bool:
        """Whether a comparison is one of times, or of two tables' columns."""
        if not self.conjuncts(node):
            return False
        columns = [(part.instance, name) for column in node.find_all(exp.Column) for part in self.cell(column).parts for name in part.fields]
        kinds = [kind for place, name in columns if (kind := self.rows_of.kind(place, name)) is not None]
        return any(kind.startswith(_TEMPORAL) for kind in kinds) or (not isinstance(node, exp.EQ) and len({place for place, _ in columns}) > 1)


def _both_ways(fact: Fact) -> tuple[Fact, Fact]:
    back = None if fact.seconds is None else -fact.seconds
    return replace(fact, op="<="), replace(fact, low=fact.high, high=fact.low, op="<=", seconds=back)


def _order(fact: Fact) -> tuple[bool, float, bool]:
    """How much a fact leaves open."""
    op: Op = fact.op
    return fact.seconds is None, fact.seconds or 0.0, op != "<"
