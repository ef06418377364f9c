"""Rows that decide whether another row is there: a table that keeps the latest row of each key says of an earlier time that none came later.

`row_number() over (… order by t desc) = 1` drops what a later row replaces, and `having max(t) < r` a group to which a row was added later. What is
left was known early enough, but that it is left was not. Only rows that nothing bounded before they were picked from can tell that.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from sqlglot import exp
from sqlglot.optimizer.scope import find_all_in_scope

from ingest_hooks.sql.timing.bounds import Fact, Known, Op, Part, told
from ingest_hooks.sql.timing.joined import Joined
from ingest_hooks.sql.timing.rows import Cell, RowsOf

__all__ = ["Picked", "with_deciding"]


class Picked(Joined):
    """The rows that decide which rows of a SELECT there are."""

    def _deciding_before(self) -> frozenset[Part]:
        """What ON and WHERE read of rows that their sources picked from or aggregated."""
        joins = [join.args.get(key) for join in self.query.args.get("joins") or () for key in ("on", "match_condition")]
        where = self.query.args.get("where")
        conditions = [each for each in (*joins, where.this if isinstance(where, exp.Where) else None) if isinstance(each, exp.Expr)]
        found: set[Part] = set()
        for column in (column for condition in conditions for column in find_all_in_scope(condition, exp.Column)):
            cell = self.cell(column)
            parts = cell.parts if cell.symbol is None else frozenset[Part]()  # of a plain column the rows themselves, of a latest time see below
            source = next((rows for rows in self.sources.values() if any(part.instance in rows.places for part in parts)), None)
            if source is not None:
                found |= _unbounded(self.rows_of, (part for part in parts if not part.single), source.facts)
        return frozenset(found)

    def _deciding_groups(self, highest: Mapping[str, exp.Expr], visible: list[tuple[int, Op, int]]) -> frozenset[Part]:
        """The rows of which a group's latest is asked for; `visible` are its keys, `highest` by its text what it is the latest of."""
        parts = frozenset().union(*(self.value(node).parts for node in highest.values()))
        return self.rows_of.gathered(_unbounded(self.rows_of, parts, self.facts), self.facts, visible)

    def _deciding_latest(self) -> frozenset[Part]:
        """The rows among which QUALIFY, DISTINCT ON or LIMIT pick."""
        picks: list[exp.Expr] = []
        qualify, distinct, order = (self.query.args.get(key) for key in ("qualify", "distinct", "order"))
        if isinstance(qualify, exp.Qualify):
            picks += [node for node in find_all_in_scope(qualify.this, exp.Window)]
        by = distinct.args.get("on") if isinstance(distinct, exp.Distinct) else None
        if isinstance(order, exp.Order) and (by is not None or self.query.args.get("limit") is not None):
            keys = by.expressions if isinstance(by, exp.Tuple) else [by] if isinstance(by, exp.Expr) else []
            ranks = exp.Order(expressions=[each.copy() for each in order.expressions if each.this not in keys])
            picks.append(exp.Window(this=exp.RowNumber(), partition_by=[key.copy() for key in keys], order=ranks))
        return frozenset().union(*(_unbounded(self.rows_of, self.value(node).parts, self.facts) for node in picks))


def with_deciding(cell: Cell, deciding: frozenset[Part]) -> Cell:
    """A cell, with those rows of its tables that decide whether it is there."""
    places = {part.instance for part in cell.parts}
    more = frozenset(replace(part, decides=True) for part in deciding if part.instance in places)
    return replace(cell, parts=cell.parts | more) if more else cell


def _unbounded(rows_of: RowsOf, parts: Iterable[Part], facts: Iterable[Fact]) -> frozenset[Part]:
    """Those of which nothing says yet that they are no later than a time of another table, or than one that is written; without the rows that ask so."""
    parts = list(parts)
    if not parts:  # nearly always: what follows is worth its time for rows that somebody picks from
        return frozenset()
    facts, homes, written = list(facts), rows_of.homes, set(rows_of.moments.values())
    limits = {fact.high for fact in facts if fact.op in ("<", "<=") and (fact.high in homes or fact.high in written)
              and homes.get(fact.low, "a term") != homes.get(fact.high, "a moment")}
    asking = {homes[limit] for limit in limits if limit in homes}
    known = Known(facts)

    def bounded(part: Part) -> bool:
        return any(way.op in ("<", "<=") for limit in sorted(limits) for each in (part, Part(part.instance, part.fields))
                   for _, way in told(each, limit, known, rows_of.columns, homes))

    return frozenset(part for part in parts if part.instance not in asking and not bounded(part))
