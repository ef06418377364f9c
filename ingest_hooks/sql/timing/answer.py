"""From evaluated rows to what is told about them: per output column, the rows it is made of and how their times are bounded."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from ingest_hooks.sql.columns.tables import Tables
from ingest_hooks.sql.model import TimeBound, TimedPredicate, TimedRead, TimeLimit, Timing
from ingest_hooks.sql.timing.bounds import Known, Part, Reached, TooMuchToFollow, in_order, told
from ingest_hooks.sql.timing.rows import Cell, Rows, RowsOf
from ingest_hooks.sql.timing.select_rows import select_rows

__all__ = ["Where", "timing"]

Where = tuple[str | None, int | None, int | None]  # file, line, column
_TIMES: Final = ("TIMESTAMP", "DATE", "TIME")


def timing(roots: Sequence[tuple[Scope, Sequence[str]]], tables: Tables, dialect: str | None, place: Callable[[exp.Expr], Where]) -> Timing:
    """Evaluate the queries that fill one output; `roots` pairs each with the names of its output columns. `place` says where a node was written."""
    rows_of = RowsOf(tables, select_rows)
    reads: dict[TimedRead, int] = {}
    columns: dict[str, dict[int, set[str]]] = {}
    reasons: dict[str, set[str]] = {}
    filled: dict[str, list[tuple[Rows, str]]] = {}
    try:
        for scope, names in roots:
            rows = rows_of.of(scope)
            cells = dict(zip(names, rows.cells.values(), strict=False))
            told_of: dict[Part, int] = {}  # the columns of a part make no difference, and a wide table has many
            for (name, cell), column in zip(cells.items(), rows.cells, strict=False):
                filled.setdefault(name, []).append((rows, column))
                found = columns.setdefault(name, {})
                if missing := cell.reasons | rows.reasons:
                    reasons.setdefault(name, set()).update(missing)
                for part in cell.parts:
                    alike = replace(part, fields=frozenset())
                    number = told_of.get(alike)
                    if number is None:
                        number = told_of[alike] = reads.setdefault(_read(rows_of, rows, part, cells, place), len(reads))
                    found.setdefault(number, set()).update(part.fields)
            for name in names[len(rows.cells):]:
                reasons.setdefault(name, set()).add("unresolved-column")
    except (TooMuchToFollow, RecursionError):
        return Timing(reasons={name: ("too-many-tables",) for _, names in roots for name in names})
    grids = {name: {rows_of.grids.get(rows.cells[column].symbol or 0) for rows, column in of} for name, of in filled.items()}  # no symbol is 0
    predicates = [TimedPredicate(node.sql(dialect=dialect, comments=False), *_first(node, place)) for node in rows_of.predicates]
    multiples = {name: unit for name, units in sorted(grids.items()) if len(units) == 1 and (unit := next(iter(units))) is not None}
    return replace(_in_order(reads, columns, predicates, reasons), grids=multiples)


def _first(node: exp.Expr, place: Callable[[exp.Expr], Where]) -> Where:
    """Where a condition begins."""
    places = (place(each) for each in node.walk())
    found = [at for at in places if at[1] is not None]
    return min(found, key=lambda at: (at[1] or 0, at[2] or 0), default=(None, None, None))


def _in_order(reads: Iterable[TimedRead], columns: Mapping[str, Mapping[int, set[str]]], predicates: Sequence[TimedPredicate],
              reasons: Mapping[str, set[str]]) -> Timing:
    """The same for the same statement, however it was come by: by where things stand."""
    reads = list(reads)
    cited = [each.predicates for read in reads for each in read.bounds] + [each.predicates for read in reads for each in read.limits]
    used = sorted({number for predicates_of in cited for number in predicates_of},
                  key=lambda number: (*_place_of(predicates[number]), predicates[number].text, number))
    renumbered = {number: at for at, number in enumerate(used)}

    def numbered(predicates: Iterable[int]) -> tuple[int, ...]:
        return tuple(sorted(renumbered[number] for number in predicates))

    told = [replace(read, bounds=tuple(replace(bound, predicates=numbered(bound.predicates)) for bound in read.bounds),
                    limits=tuple(replace(limit, predicates=numbered(limit.predicates)) for limit in read.limits)) for read in reads]
    order = sorted(range(len(reads)), key=lambda number: (*_place_of(told[number]), told[number].table, str(told[number].bounds), told[number].made,
                                                          str(told[number].limits), told[number].decides))
    position = {number: at for at, number in enumerate(order)}
    uses = {name: tuple(sorted((position[number], tuple(sorted(fields))) for number, fields in found.items())) for name, found in columns.items()}
    return Timing(tuple(told[number] for number in order), uses, tuple(predicates[number] for number in used),
                  {name: tuple(sorted(found)) for name, found in reasons.items()})


def _place_of(told: TimedRead | TimedPredicate) -> tuple[str, int, int]:
    return told.file or "", told.line or 0, told.column or 0


def _read(rows_of: RowsOf, rows: Rows, part: Part, cells: dict[str, Cell], place: Callable[[exp.Expr], Where]) -> TimedRead:
    at = rows_of.places[part.instance]
    bounds: dict[tuple[str, str], Reached] = {}
    facts = Known([*rows.facts, *in_order(part.facts)])
    for column, cell in cells.items():
        if cell.symbol is None:
            continue
        for name, way in told(part, cell.symbol, facts, rows_of.columns, rows_of.homes):
            if (way.op in ("<", "<=") or _is_time(at.table.columns, name)) and way.says_more_than(bounds.get((name, column))):
                bounds[name, column] = way
    known = {column for _, column in bounds}
    made = tuple(sorted(column for column, cell in cells.items() if part.single and column not in known and _same_row(part, cell.parts)))
    limits = []
    for written, symbol in rows_of.moments.items():
        for name, way in told(part, symbol, facts, rows_of.columns, rows_of.homes):
            if way.op != "same" and way.seconds is not None and _is_time(at.table.columns, name):
                moment = datetime.fromisoformat(written) + timedelta(seconds=way.seconds)
                limits.append(TimeLimit(name, way.op, moment.isoformat(), tuple(sorted(way.predicates))))
    found = sorted((TimeBound(name, way.op, column, way.seconds, tuple(sorted(way.predicates)), way.grid) for (name, column), way in bounds.items()),
                   key=lambda bound: (bound.field, bound.column))
    return TimedRead(at.table.name, tuple(found), made, tuple(sorted(limits, key=lambda limit: (limit.field, limit.at))), *place(at.node), part.decides)


def _same_row(part: Part, parts: Iterable[Part]) -> bool:
    return any(other.single and other.instance == part.instance for other in parts)


def _is_time(columns: object, name: str) -> bool:
    """Whether equal values of a column are worth telling: its type is one of time, or unknown."""
    known = columns.get(name.lower()) if isinstance(columns, dict) else None
    return known is None or known[1].upper().startswith(_TIMES)
