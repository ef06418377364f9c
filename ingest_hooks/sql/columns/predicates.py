"""Time predicates and window frames of a qualified query."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, find_all_in_scope

from ingest_hooks.sql.columns.resolve import Resolver
from ingest_hooks.sql.model import InputColumn

__all__ = ["Comparison", "Frame", "comparisons", "frames"]

_OPS: Mapping[type[exp.Expr], str] = {exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=", exp.EQ: "="}
_TEMPORAL = ("TIMESTAMP", "DATE", "TIME", "DATETIME", "INTERVAL")
_ORDERED_NUMBERS = ("INT", "BIGINT", "SMALLINT", "TINYINT", "HUGEINT", "UBIGINT", "UINTEGER", "LONG")  # may count seconds or minutes
_SHIFTS: tuple[tuple[type[exp.Expr], int], ...] = (
    (exp.DateAdd, 1), (exp.DatetimeAdd, 1), (exp.TimestampAdd, 1), (exp.TsOrDsAdd, 1), (exp.DateSub, -1), (exp.DatetimeSub, -1), (exp.TimestampSub, -1))
Types = Callable[[InputColumn], str | None]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison and the node it stands at."""

    left: str
    op: str
    right: str
    interval: str | None
    left_inputs: tuple[InputColumn, ...]
    right_inputs: tuple[InputColumn, ...]
    node: exp.Expr


@dataclass(frozen=True, slots=True)
class Frame:
    """A window and the node it stands at."""

    expression: str
    partition_by: tuple[str, ...]
    order_by: tuple[str, ...]
    frame: str | None
    node: exp.Expr


@dataclass(frozen=True, slots=True)
class _Side:
    text: str
    shifts: tuple[tuple[int, str], ...]
    inputs: tuple[InputColumn, ...]


def comparisons(scopes: list[Scope], resolver: Resolver, types: Types, dialect: str | None) -> Iterator[Comparison]:
    """Comparisons between two columns that can be times: every inequality unless the schema says otherwise, `=` only if it says so."""
    for scope in scopes:
        for node in find_all_in_scope(scope.expression, *_OPS, exp.Between):
            if isinstance(node, exp.Between):
                pairs = [(node.this, ">=", node.args["low"]), (node.this, "<=", node.args["high"])]
            else:
                pairs = [(node.this, _OPS[type(node)], node.expression)]
            for left, op, right in pairs:
                found = _comparison(scope, resolver, types, dialect, node, (left, op, right))
                if found is not None:
                    yield found


def _comparison(scope: Scope, resolver: Resolver, types: Types, dialect: str | None, node: exp.Expr,
                pair: tuple[exp.Expr, str, exp.Expr]) -> Comparison | None:
    left = _side(scope, resolver, pair[0], dialect)
    right = _side(scope, resolver, pair[2], dialect)
    if left is None or right is None or left.text == right.text:
        return None
    kinds = {kind.upper() for item in (*left.inputs, *right.inputs) if (kind := types(item)) is not None}
    temporal = any(kind.startswith(_TEMPORAL) for kind in kinds)
    shifted = bool(left.shifts or right.shifts)
    if pair[1] == "=" and not temporal:
        return None
    if kinds and not temporal and not shifted and not any(kind.startswith(_ORDERED_NUMBERS) for kind in kinds):
        return None
    interval = [f"{'-' if sign > 0 else '+'} {text}" for sign, text in left.shifts]
    interval += [f"{'+' if sign > 0 else '-'} {text}" for sign, text in right.shifts]
    return Comparison(left.text, pair[1], right.text, " ".join(interval) or None, left.inputs, right.inputs, node)


def _side(scope: Scope, resolver: Resolver, node: exp.Expr, dialect: str | None) -> _Side | None:
    """One side of a comparison: exactly one column, plus what is added to it."""
    shifts: list[tuple[int, str]] = []
    core = node.unnest()
    while True:
        if isinstance(core, exp.Add | exp.Sub):
            sign = -1 if isinstance(core, exp.Sub) else 1
            if core.expression.find(exp.Column) is None:
                shifts.append((sign, core.expression.sql(dialect=dialect)))
                core = core.this.unnest()
                continue
            if sign == 1 and core.this.find(exp.Column) is None:
                shifts.append((1, core.this.sql(dialect=dialect)))
                core = core.expression.unnest()
                continue
        shift = next((sign for kind, sign in _SHIFTS if isinstance(core, kind)), None)
        if shift is not None and core.expression is not None and core.expression.find(exp.Column) is None:
            unit = core.args.get("unit")
            amount = core.expression.sql(dialect=dialect)
            shifts.append((shift, amount if unit is None or isinstance(core.expression, exp.Interval) else f"INTERVAL {amount} {unit.name}"))
            core = core.this.unnest()
            continue
        if isinstance(core, exp.Cast):
            core = core.this.unnest()
            continue
        break
    columns = {(column.table, column.name) for column in core.find_all(exp.Column)}
    if len(columns) != 1 or core.find(exp.AggFunc, exp.Select) is not None:
        return None
    found = resolver.uses(scope, core)
    text = core.sql(dialect=dialect, comments=False)
    return _Side(text, tuple(shifts), tuple(sorted(item for item in found.inputs if item.type == "DIRECT")))


def frames(scopes: list[Scope], dialect: str | None) -> Iterator[Frame]:
    """Windows with their partition, order and bounds; a named window is shown where it is used."""
    for scope in scopes:
        named = {window.name: window for window in scope.expression.args.get("windows") or ()}
        for window in find_all_in_scope(scope.expression, exp.Window):
            if window.name in named and named[window.name] is window:
                continue
            shape = named.get(window.alias, window) if window.alias else window
            order = window.args.get("order") or shape.args.get("order")
            spec = window.args.get("spec") or shape.args.get("spec")
            partition = window.args.get("partition_by") or shape.args.get("partition_by") or ()
            yield Frame(window.this.sql(dialect=dialect, comments=False), tuple(part.sql(dialect=dialect, comments=False) for part in partition),
                        tuple(part.sql(dialect=dialect, comments=False) for part in order.expressions) if order is not None else (),
                        spec.sql(dialect=dialect, comments=False) if spec is not None else None, window)
