"""What must hold between the times of rows: symbols, facts about them, and what follows for the rows that make a value.

A symbol stands for one value of one row of a relation. `Fact(low, op, high, seconds)` says `low op high + seconds`. A `Part` says that rows
of one table, as it stands at one place of a statement, make a value: the row itself (`single`: its columns are symbols) or a set of rows, of
which `bounds` says what holds for each. Only upper bounds matter: a value may be older than the time it is used at, never younger.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

__all__ = ["Bound", "Fact", "Homes", "Known", "Op", "Part", "Reached", "TooMuchToFollow", "gathered", "in_order", "reached", "told"]

Op = Literal["same", "=", "<=", "<"]
Homes = Mapping[int, int]  # symbol of a column -> its place
_Step = tuple[int, Op, float | None, tuple[int, ...], str | None]  # symbol, and how it stands to the one before: op, seconds, predicates
_RANK: Mapping[str, int] = {"<": 0, "same": 1, "=": 2, "<=": 3}  # what is lower says more of an upper bound
MAX_STEPS = 500_000  # from symbol to symbol; thousands of columns computed from one would be followed from each to each, for minutes
MAX_ROUNDS = 64  # facts chained one after another; statements have a handful


@dataclass(frozen=True, slots=True)
class Fact:
    """`low op high + seconds`; `seconds` None: by an interval of unknown length.

    `present`: the fact only holds where of each of these groups of places one is there (the optional side of an outer join).
    `plain`: a comparison that is true, and so neither of its sides is missing. `grid`: what `low` is compared with is a multiple of this unit.
    """

    low: int
    op: Op
    high: int
    seconds: float | None = 0.0
    present: frozenset[frozenset[int]] = frozenset()
    predicate: int | None = None
    plain: bool = False
    grid: str | None = None

    def within(self, *places: frozenset[int]) -> Fact:
        """The fact as it holds where these may be missing."""
        return replace(self, present=self.present | set(places))


@dataclass(frozen=True, slots=True)
class Bound:
    """Each row has `field op symbol + seconds`, by these predicates."""

    field: str
    op: Op
    symbol: int
    seconds: float | None = 0.0
    predicates: frozenset[int] = frozenset()
    grid: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of the table at place `instance` make a value, by these columns. `facts` only hold for what makes this value (`FILTER (WHERE …)`).

    `decides`: they only decide whether the row that makes it is there (it is the latest of its key, or all of its group are old enough).
    """

    instance: int
    fields: frozenset[str]
    single: bool = True
    bounds: frozenset[Bound] = frozenset()
    facts: frozenset[Fact] = frozenset()
    decides: bool = False


@dataclass(frozen=True, slots=True)
class Reached:
    """`this symbol op target + seconds`. `grid`: the symbol is compared with a multiple of this unit, by a single comparison."""

    op: Op
    seconds: float | None
    predicates: frozenset[int] = field(default=frozenset())
    grid: str | None = None

    def then(self, op: Op, seconds: float | None, predicates: Iterable[int], grid: str | None = None) -> Reached:
        """What holds of something that stands to this symbol as said."""
        together = None if self.seconds is None or seconds is None else self.seconds + seconds
        kept = grid if self.op in ("same", "=") and self.seconds == 0 else self.grid if op in ("same", "=") and seconds == 0 else None
        return Reached(_composed(op, self.op), together, self.predicates | frozenset(predicates), kept)

    def says_more_than(self, other: Reached | None) -> bool:
        return other is None or self._order() < other._order()

    def _order(self) -> tuple[bool, float, int]:
        return self.seconds is None, self.seconds or 0.0, _RANK[self.op]


def _composed(first: Op, second: Op) -> Op:
    if "<" in (first, second):
        return "<"
    if "<=" in (first, second):
        return "<="
    return "=" if "=" in (first, second) else "same"


def in_order(facts: Iterable[Fact]) -> list[Fact]:
    """Facts of a set, the same way each time."""
    return sorted(facts, key=lambda fact: (fact.low, fact.high, fact.op, fact.predicate or 0))


class TooMuchToFollow(Exception):
    """More stands in relation than is worth following."""


class Known:
    """Facts, found by the symbols they speak of: a wide query has thousands, and a symbol has few."""

    def __init__(self, facts: Iterable[Fact]) -> None:
        self._facts = list(facts)
        self._everywhere = all(not fact.present for fact in self._facts)
        self._steps: dict[frozenset[int], dict[int, list[_Step]]] = {}
        self._left = MAX_STEPS

    def walked(self, steps: int) -> None:
        """So many more steps were taken. Raises TooMuchToFollow."""
        self._left -= steps
        if self._left < 0:
            raise TooMuchToFollow

    def steps(self, there: frozenset[int], homes: Homes) -> Mapping[int, Sequence[_Step]]:
        """The ways on from each symbol, by facts that hold where these places are there."""
        key = frozenset[int]() if self._everywhere else there
        known = self._steps.get(key)
        if known is None:
            known = self._steps[key] = {}
            for fact in self._facts if self._everywhere else _usable(self._facts, set(there), homes):
                predicates = () if fact.predicate is None else (fact.predicate,)
                known.setdefault(fact.high, []).append((fact.low, fact.op, fact.seconds, predicates, fact.grid))
                if fact.op in ("=", "same"):
                    known.setdefault(fact.low, []).append((fact.high, fact.op, None if fact.seconds is None else -fact.seconds, predicates, None))
        return known


def _usable(facts: Iterable[Fact], there: set[int], homes: Homes) -> list[Fact]:
    """The facts that hold where these places are there, and those that are there because such a comparison is true."""
    waiting, usable = list(facts), list[Fact]()
    while True:
        left: list[Fact] = []
        more: set[int] = set()
        for fact in waiting:
            if all(group & there for group in fact.present):
                usable.append(fact)
                more |= {homes[symbol] for symbol in (fact.low, fact.high) if fact.plain and symbol in homes}
            else:
                left.append(fact)
        if not left or more <= there:
            return usable
        there, waiting = there | more, left


def reached(target: int, known: Known, instance: int, homes: Homes, start: Reached | None = None) -> dict[int, Reached]:
    """Every symbol that is known to be bounded by `target`, for rows of the place `instance`; of several ways the one that says most.

    What follows holds where `target` is not missing; `homes` are the places of the columns' symbols.
    """
    steps = known.steps(frozenset({instance, *({homes[target]} if target in homes else ())}), homes)
    found = {target: start or Reached("same", 0.0)}
    frontier = [target]
    for _ in range(MAX_ROUNDS):
        changed: dict[int, None] = {}
        for at in frontier:
            known.walked(len(steps.get(at, ())))
            for to, op, seconds, predicates, grid in steps.get(at, ()):
                way = found[at].then(op, seconds, predicates, grid)
                if way.says_more_than(found.get(to)):
                    found[to] = way
                    changed[to] = None
        if not changed:
            break
        frontier = list(changed)
    return found


def gathered(parts: Iterable[Part], facts: Iterable[Fact], visible: Iterable[tuple[int, Op, int]], atoms: Callable[[int], Mapping[str, int]],
             homes: Homes, *, one_row: bool = False) -> frozenset[Part]:
    """The parts as sets of rows, told by the symbols that stay visible.

    Args:
        parts: what makes a value of one row.
        facts: what holds in that row.
        visible: (symbol of the row, op, symbol seen from outside): the first is bounded so by the second.
        atoms: the symbols of the columns at a place.
        homes: the place of a column's symbol.
        one_row: what is seen from outside is the row itself, not a group it is one of.
    """
    facts, visible = list(facts), list(visible)
    ways: dict[tuple[int, frozenset[Fact]], list[tuple[int, dict[int, Reached]]]] = {}
    result: set[Part] = set()
    for part in parts:
        key = (part.instance, part.facts)
        if key not in ways:
            known = Known([*facts, *in_order(part.facts)])
            ways[key] = [(seen, reached(inner, known, part.instance, homes, Reached(op, 0.0))) for inner, op, seen in visible]
        bounds: dict[tuple[str, int], Reached] = {}
        for seen, found in ways[key]:
            for name, way in _columns(part, found, atoms):
                way = replace(way, op="=") if way.op == "same" and not one_row else way  # other rows may have the same value
                if way.says_more_than(bounds.get((name, seen))):
                    bounds[name, seen] = way
        result.add(Part(part.instance, part.fields, False, frozenset(Bound(name, way.op, seen, way.seconds, way.predicates, way.grid)
                                                                     for (name, seen), way in bounds.items()), decides=part.decides))
    return frozenset(result)


def _columns(part: Part, found: Mapping[int, Reached], atoms: Callable[[int], Mapping[str, int]]) -> Iterable[tuple[str, Reached]]:
    if part.single:
        return [(name, found[symbol]) for name, symbol in atoms(part.instance).items() if symbol in found]
    return [(bound.field, found[bound.symbol].then(bound.op, bound.seconds, bound.predicates, bound.grid)) for bound in part.bounds if bound.symbol in found]


def told(part: Part, target: int, known: Known, atoms: Callable[[int], Mapping[str, int]], homes: Homes) -> list[tuple[str, Reached]]:
    """What holds between the part's columns and the symbol `target` of the same row; `known` has the facts of the row and of the part."""
    return list(_columns(part, reached(target, known, part.instance, homes), atoms))
