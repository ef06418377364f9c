"""Time expressions: lengths of intervals, and what an expression over one column says about that column's time."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlglot import exp

from ingest_hooks.sql.bounds import Op

__all__ = ["MIRRORED", "OPERATORS", "constant_seconds", "frame_bound", "unwrapped"]

OPERATORS: Final[Mapping[type[exp.Expr], str]] = {exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=", exp.EQ: "=", exp.NullSafeEQ: "="}
MIRRORED: Final[Mapping[str, Op]] = {">": "<", ">=": "<="}

_UNITS: Final[Mapping[str, float]] = {  # in seconds; months and years as short as they can be
    "microsecond": 1e-6, "millisecond": 1e-3, "second": 1.0, "minute": 60.0, "hour": 3_600.0, "day": 86_400.0, "week": 604_800.0,
    "month": 28 * 86_400.0, "quarter": 89 * 86_400.0, "year": 365 * 86_400.0}
_SAFE_TYPES: Final = ("TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMPLTZ", "TIMESTAMPNTZ", "DATETIME")  # a cast to these keeps the instant
_SHIFTS: Final[tuple[tuple[type[exp.Expr], int], ...]] = (
    (exp.DateAdd, 1), (exp.DatetimeAdd, 1), (exp.TimestampAdd, 1), (exp.TsOrDsAdd, 1), (exp.DateSub, -1), (exp.DatetimeSub, -1), (exp.TimestampSub, -1))


def unwrapped(node: exp.Expr) -> tuple[exp.Expr, float | None]:
    """The expression without what is added to it, and the seconds added (None: of unknown length)."""
    core, total = node.unnest(), 0.0
    known = True
    while True:
        step = _shift(core)
        if step is not None:
            core, seconds = step
            core = core.unnest()
            known = known and seconds is not None
            total += seconds or 0.0
        elif isinstance(core, exp.Cast) and core.to.this is not None and core.to.this.name in _SAFE_TYPES:
            core = core.this.unnest()
        else:
            return core, total if known else None


def _shift(node: exp.Expr) -> tuple[exp.Expr, float | None] | None:
    if isinstance(node, exp.Add | exp.Sub):
        sign = -1 if isinstance(node, exp.Sub) else 1
        left, right = node.this, node.expression
        if not right.find(exp.Column):
            return left, _signed(sign, constant_seconds(right))
        if sign == 1 and not left.find(exp.Column):
            return right, constant_seconds(left)
        if _is_length(right):
            return left, None  # the length is a column's
        return None
    shift = next((sign for kind, sign in _SHIFTS if isinstance(node, kind)), None)
    if shift is None or node.expression is None:
        return None
    amount, unit = node.expression, node.args.get("unit")
    if isinstance(amount, exp.Interval) or unit is None:
        return node.this, _signed(shift, constant_seconds(amount))
    return node.this, _signed(shift, _times(_number(amount), unit.name))


def _is_length(node: exp.Expr) -> bool:
    node = node.unnest()
    return isinstance(node, exp.Interval | exp.ToDays) or (isinstance(node, exp.Anonymous) and node.name.lower().startswith("to_"))


def _signed(sign: int, seconds: float | None) -> float | None:
    return None if seconds is None else sign * seconds


def constant_seconds(node: exp.Expr) -> float | None:
    """The length of a constant interval; months and years are taken as short as they can be. A bare number counts as it is."""
    node = node.unnest()
    if isinstance(node, exp.Interval):
        unit = node.args.get("unit")
        if node.this is None:
            return None
        if unit is not None:
            return _times(_number(node.this), unit.name)
        words = node.this.name.split()
        return _times(_text_number(words[0]), words[1]) if len(words) == 2 else None
    if isinstance(node, exp.ToDays):
        return _times(_number(node.this), "day")
    if isinstance(node, exp.Anonymous) and node.name.lower().startswith("to_") and len(node.expressions) == 1:
        return _times(_number(node.expressions[0]), node.name.lower()[3:])
    return _number(node)


def _times(count: float | None, unit: str) -> float | None:
    name = unit.lower()
    length = _UNITS.get(name) or _UNITS.get(name.removesuffix("s"))
    return None if count is None or length is None else count * length


def _number(node: exp.Expr) -> float | None:
    node = node.unnest()
    if isinstance(node, exp.Neg):
        inner = _number(node.this)
        return None if inner is None else -inner
    return _text_number(node.name) if isinstance(node, exp.Literal) else None


def _text_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def frame_bound(window: exp.Window, shape: exp.Window) -> tuple[exp.Expr, Op, float | None] | None:
    """What a window orders by, if none of the rows it reads lies beyond the current one: the order's `op` and seconds; else None."""
    order = window.args.get("order") or shape.args.get("order")
    if order is None or not order.expressions:
        return None
    first = order.expressions[0]
    key, down = (first.this, bool(first.args.get("desc"))) if isinstance(first, exp.Ordered) else (first, False)
    function = window.this.this if isinstance(window.this, exp.IgnoreNulls | exp.RespectNulls | exp.Filter) else window.this
    if isinstance(function, exp.Lag | exp.Lead):
        back = isinstance(function, exp.Lag) is not down
        offset = function.args.get("offset")
        amount = 1.0 if offset is None else _number(offset)
        return (key, "<=", 0.0) if back and amount is not None and amount >= 0 else None
    if isinstance(function, exp.RowNumber | exp.Rank | exp.DenseRank):
        return None if down else (key, "<=", 0.0)
    if isinstance(function, exp.Ntile | exp.PercentRank | exp.CumeDist):
        return None
    spec = window.args.get("spec") or shape.args.get("spec")
    if spec is None:
        return None if down else (key, "<=", 0.0)
    edge, side = ("start", "following") if down else ("end", "preceding")
    limit = spec.args.get(edge) or ("UNBOUNDED" if edge == "start" else "CURRENT ROW")
    if isinstance(limit, exp.Expr) and limit.name.upper() in ("CURRENT ROW", "UNBOUNDED"):
        limit = limit.name
    if isinstance(limit, str):
        return (key, "<=", 0.0) if limit.upper() == "CURRENT ROW" else None
    if str(spec.args.get(f"{edge}_side") or "").lower() != side:
        return None
    seconds = constant_seconds(limit) if str(spec.args.get("kind") or "").lower() == "range" else 0.0
    return (key, "<=", -seconds if seconds is not None and seconds >= 0 else 0.0)
