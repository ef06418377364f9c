"""Time expressions: how far a value can lie from the one column it is made of, and on which calendar grid it lies.

`date_trunc('day', t) + interval 1 hour` lies less than a day before and at most at `t`, shifted by an hour. Two values on the same grid that
differ do so by a step of it at least, which is why `date_trunc('day', t) < date_trunc('day', r)` keeps `t` before `r`, and `<=` does not.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlglot import exp

from ingest_hooks.sql.timing.bounds import Op

__all__ = ["OPERATORS", "Span", "Term", "at_least", "compared", "frame_bound", "is_length", "length", "moment", "number", "same", "shifted", "term"]

OPERATORS: Final[Mapping[type[exp.Expr], str]] = {exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=", exp.EQ: "=", exp.NullSafeEQ: "="}

Span = tuple[float, float]  # the shortest and the longest it can be, in seconds
DAY: Final = 86_400.0
_UNITS: Final[Mapping[str, Span]] = {
    "microsecond": (1e-6, 1e-6), "millisecond": (1e-3, 1e-3), "second": (1.0, 1.0), "minute": (60.0, 60.0), "hour": (3_600.0, 3_600.0), "day": (DAY, DAY),
    "week": (7 * DAY, 7 * DAY), "month": (28 * DAY, 31 * DAY), "quarter": (89 * DAY, 92 * DAY), "year": (365 * DAY, 366 * DAY)}
_SHORT: Final = {"us": "microsecond", "ms": "millisecond", "s": "second", "sec": "second", "m": "minute", "min": "minute", "h": "hour", "hr": "hour",
                 "d": "day", "w": "week", "mon": "month", "q": "quarter", "y": "year", "yr": "year"}
_FINER: Final = ("second", "minute", "hour", "day")  # each grid holds the next
_HELD: Final[Mapping[str, tuple[str, ...]]] = {  # a grid and those whose points are all on it
    **{unit: (*_FINER[number:], "week", "month", "quarter", "year") for number, unit in enumerate(_FINER)},
    "week": ("week",), "month": ("month", "quarter", "year"), "quarter": ("quarter", "year"), "year": ("year",)}
_INSTANTS: Final = ("TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMPLTZ", "TIMESTAMPNTZ", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "DATETIME", "DATETIME2")
_SHIFTS: Final[tuple[tuple[type[exp.Expr], int], ...]] = (
    (exp.DateAdd, 1), (exp.DatetimeAdd, 1), (exp.TimestampAdd, 1), (exp.TsOrDsAdd, 1), (exp.DateSub, -1), (exp.DatetimeSub, -1), (exp.TimestampSub, -1))
Grid = Callable[[exp.Expr], str | None]


@dataclass(frozen=True, slots=True)
class Term:
    """`core + low <= value <= core + high` (`strict`: `<` on the left); None: not known how far.

    `grid`: the value is a multiple of this unit, and the next multiple lies beyond `core + after`, if that is known.
    """

    core: exp.Expr
    low: float | None = 0.0
    high: float | None = 0.0
    strict: bool = False
    grid: str | None = None
    after: float | None = None

    @property
    def exact(self) -> bool:
        """Whether it says the same as the core, but for a shift."""
        return self.low == self.high and not self.strict


def term(node: exp.Expr, grid: Grid) -> Term:
    """What an expression over one column says; `grid` is the unit of which a column is a multiple."""
    node = node.unnest()
    if moment(node) is not None:
        return Term(node, grid=grid(node))
    moved = _shift(node)
    if moved is not None:
        base, amount, sign = moved
        inner = term(base, grid)
        return shifted(inner, *_signed(sign, length(amount, days=inner.grid is not None and inner.grid not in _FINER[:3])))
    shift = next((sign for kind, sign in _SHIFTS if isinstance(node, kind)), None)
    if shift is not None and node.expression is not None:
        unit = node.args.get("unit")
        span = length(node.expression) if isinstance(node.expression, exp.Interval) or unit is None else _times(number(node.expression), unit.name)
        return shifted(term(node.this, grid), *_signed(shift, span))
    if isinstance(node, exp.Cast) and node.to.this is not None:
        if node.to.this.name in _INSTANTS:
            return term(node.this, grid)
        if node.to.this.name in ("DATE", "DATE32"):
            return _floor(term(node.this, grid), "day")
    if isinstance(node, exp.TsOrDsToDate | exp.TsOrDsToTimestamp) or (isinstance(node, exp.Date) and not node.expressions and isinstance(node.this, exp.Expr)):
        inner = term(node.this, grid)
        return inner if isinstance(node, exp.TsOrDsToTimestamp) else _floor(inner, "day")
    if isinstance(node, exp.TimestampTrunc | exp.DateTrunc | exp.DatetimeTrunc) and node.args.get("zone") is None:
        unit = _unit(node.args["unit"].name) if isinstance(node.args.get("unit"), exp.Expr) else None
        return _floor(term(node.this, grid), unit) if unit in _HELD else Term(node)
    if isinstance(node, exp.DateBin) and isinstance(node.expression, exp.Expr):
        span = length(node.this)
        inner = term(node.expression, grid)
        return replace(inner, low=None if span is None or inner.low is None else inner.low - span[1], strict=True, grid=None, after=None)
    if isinstance(node, exp.TimeToUnix) or (isinstance(node, exp.Extract) and node.name.upper() == "EPOCH"):
        return term(node.expression if isinstance(node, exp.Extract) else node.this, grid)
    if isinstance(node, exp.UnixSeconds):
        return _floor(term(node.this, grid), "second")
    if isinstance(node, exp.AtTimeZone) and node.args["zone"].name.upper() in ("UTC", "GMT"):
        return term(node.this, grid)
    return Term(node, grid=grid(node))


def _shift(node: exp.Expr) -> tuple[exp.Expr, exp.Expr, int] | None:
    """(what is shifted, by what, sign)"""
    if not isinstance(node, exp.Add | exp.Sub):
        return None
    left, right = node.this, node.expression
    if not right.find(exp.Column) or is_length(right):
        return left, right, -1 if isinstance(node, exp.Sub) else 1
    if isinstance(node, exp.Add) and (not left.find(exp.Column) or is_length(left)):
        return right, left, 1
    return None


def shifted(inner: Term, low: float | None, high: float | None) -> Term:
    """A term plus a span."""
    if low is None or high is None or inner.low is None or inner.high is None:
        return Term(inner.core, None, None)
    moved = replace(inner, low=inner.low + low, high=inner.high + high, after=None if inner.after is None else inner.after + low)
    if inner.grid is None or low == high == 0:
        return moved
    whole = low == high and inner.grid in (*_FINER, "week") and _divides(inner.grid, low)
    if not whole and not (low != high and inner.grid in (*_FINER, "month")):  # whole months keep a day a day
        finer = next((unit for unit in reversed(_FINER) if low == high and _divides(unit, low) and inner.grid in _HELD[unit]), None)
        return replace(moved, grid=finer, after=None)
    return moved


def _divides(unit: str, seconds: float) -> bool:
    return seconds % _UNITS[unit][0] == 0


def _floor(inner: Term, unit: str | None) -> Term:
    if unit is None or inner.low is None:
        return Term(inner.core, None, None)
    if inner.grid is not None and inner.grid in _HELD[unit]:
        return inner
    return Term(inner.core, inner.low - _UNITS[unit][1], inner.high, True, unit, inner.low)


def compared(left: Term, op: Op, right: Term) -> tuple[Op, float | None]:
    """`left op right` (`<` or `<=`) as it holds between the cores: `left.core op' right.core + seconds`."""
    if left.low is None or right.high is None:
        return "<" if op == "<" else "<=", None
    ways: list[tuple[float, Op]] = [(right.high - left.low, "<" if op == "<" or left.strict else "<=")]
    if op == "<" and left.grid is not None and right.grid is not None:
        held = left.grid if right.grid in _HELD[left.grid] else right.grid if left.grid in _HELD[right.grid] else None
        if held is not None:
            ways.append((right.high - left.low - _UNITS[held][0], "<" if left.strict else "<="))
        if held == left.grid and left.after is not None:
            ways.append((right.high - left.after, "<"))
    seconds, found = min(ways, key=lambda way: (way[0], way[1] != "<"))
    return found, seconds


def at_least(count: float, unit: str, left: Term, right: Term, whole: bool) -> tuple[Term, Op, Term]:
    """`date_diff(unit, left, right) >= count` as a comparison. `whole`: it counts whole units between them, else boundaries that lie between."""
    low, high = _UNITS[unit]
    more = count - 1 if count >= 1 and not whole else count  # the last boundary is between two that differ, whatever a month's length
    span = (more * low, more * high) if more >= 0 else (more * high, more * low)
    if not whole:
        return shifted(_floor(left, unit), *span), "<" if count >= 1 else "<=", _floor(right, unit)
    if count >= 1:
        return shifted(left, *span), "<=", right
    return shifted(left, span[0] - high, span[1] - low), "<", right


def same(unit: str) -> str | None:
    """The unit as it is called here; None if it is none that can be followed."""
    found = _unit(unit)
    return found if found in _HELD else None


def moment(node: exp.Expr) -> str | None:
    """A time written as a constant, in ISO 8601 without or with its zone; None if it is none."""
    node = node.unnest()
    if isinstance(node, exp.Cast) and node.to.this is not None and node.to.this.name in (*_INSTANTS, "DATE", "DATE32"):
        node = node.this.unnest()
    if not isinstance(node, exp.Literal) or not node.is_string or not node.name[:4].isdigit():
        return None
    try:
        return datetime.fromisoformat(node.name.strip()).isoformat()
    except ValueError:
        return None


def is_length(node: exp.Expr) -> bool:
    """Whether an expression is a length of time by its form."""
    node = node.unnest()
    if isinstance(node, exp.Mul):
        return is_length(node.this) or is_length(node.expression)
    return isinstance(node, exp.Interval | exp.ToDays) or (isinstance(node, exp.Anonymous) and node.name.lower().startswith("to_"))


def _signed(sign: int, span: Span | None) -> tuple[float | None, float | None]:
    if span is None:
        return None, None
    return (span[0], span[1]) if sign > 0 else (-span[1], -span[0])


def length(node: exp.Expr, days: bool = False) -> Span | None:
    """How long a constant interval is. A bare number counts as it is, or as days."""
    node = node.unnest()
    if isinstance(node, exp.Interval):
        unit = node.args.get("unit")
        if node.this is None:
            return None
        if unit is not None:
            return _times(number(node.this), unit.name)
        return _words(node.this.name)
    if isinstance(node, exp.ToDays):
        return _times(number(node.this), "day")
    if isinstance(node, exp.Anonymous) and node.name.lower().startswith("to_") and len(node.expressions) == 1:
        return _times(number(node.expressions[0]), node.name.lower()[3:])
    if isinstance(node, exp.Cast) and node.to.this is not None and node.to.this.name == "INTERVAL" and isinstance(node.this, exp.Literal):
        return _words(node.this.name)
    if isinstance(node, exp.Mul):
        for one, other in ((node.this, node.expression), (node.expression, node.this)):
            factor = number(other)
            if is_length(one) and factor is not None and (span := length(one)) is not None:
                return (span[0] * factor, span[1] * factor) if factor >= 0 else (span[1] * factor, span[0] * factor)
    if isinstance(node, exp.Add) and is_length(node.this) and is_length(node.expression):
        one, two = length(node.this), length(node.expression)
        return None if one is None or two is None else (one[0] + two[0], one[1] + two[1])
    if isinstance(node, exp.Neg):
        inner = length(node.this, days)
        return None if inner is None else (-inner[1], -inner[0])
    count = number(node)
    if count is None:
        return None
    return (count * DAY, count * DAY) if days else (count, count)


def _words(text: str) -> Span | None:
    """`1 day 2 hours`, `02:30:00`"""
    words = text.split()
    low = high = 0.0
    while words:
        if ":" in words[0]:
            parts = [_text_number(part) for part in words.pop(0).split(":")]
            known = [part for part in parts if part is not None]
            if len(known) != len(parts) or len(known) > 3:
                return None
            seconds = sum(part * unit for part, unit in zip(known, (3_600, 60, 1), strict=False))
            low, high = low + seconds, high + seconds
            continue
        if len(words) < 2:
            return None
        span = _times(_text_number(words.pop(0)), words.pop(0))
        if span is None:
            return None
        low, high = low + span[0], high + span[1]
    return (low, high) if text.strip() else None


def _unit(name: str) -> str:
    plain = name.lower()
    return plain if plain in _UNITS else _SHORT.get(plain) or plain.removesuffix("s")


def _times(count: float | None, unit: str) -> Span | None:
    span = _UNITS.get(_unit(unit))
    if count is None or span is None:
        return None
    return (count * span[0], count * span[1]) if count >= 0 else (count * span[1], count * span[0])


def number(node: exp.Expr) -> float | None:
    """A constant number, as a product at most."""
    node = node.unnest()
    if isinstance(node, exp.Neg):
        inner = number(node.this)
        return None if inner is None else -inner
    if isinstance(node, exp.Mul):
        one, two = number(node.this), number(node.expression)
        return None if one is None or two is None else one * two
    return _text_number(node.name) if isinstance(node, exp.Literal) else None


def _text_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def frame_bound(window: exp.Window, shape: exp.Window) -> tuple[exp.Expr, Op, float] | None:
    """What a window orders by, if the rows it reads end somewhere: none lies more than these seconds beyond the current one; else None."""
    order = window.args.get("order") or shape.args.get("order")
    if order is None or not order.expressions:
        return None
    first = order.expressions[0]
    key, down = (first.this, bool(first.args.get("desc"))) if isinstance(first, exp.Ordered) else (first, False)
    function = window.this.this if isinstance(window.this, exp.IgnoreNulls | exp.RespectNulls | exp.Filter) else window.this
    if isinstance(function, exp.Lag | exp.Lead):
        back = isinstance(function, exp.Lag) is not down
        offset = function.args.get("offset")
        amount = 1.0 if offset is None else number(offset)
        return (key, "<=", 0.0) if back and amount is not None and amount >= 0 else None
    if isinstance(function, exp.RowNumber | exp.Rank | exp.DenseRank):
        return None if down else (key, "<=", 0.0)
    if isinstance(function, exp.Ntile | exp.PercentRank | exp.CumeDist):
        return None
    spec = window.args.get("spec") or shape.args.get("spec")
    if spec is None:
        return None if down else (key, "<=", 0.0)
    edge, before, beyond = ("start", "following", "preceding") if down else ("end", "preceding", "following")
    limit = spec.args.get(edge) or ("UNBOUNDED" if edge == "start" else "CURRENT ROW")
    if isinstance(limit, exp.Expr) and limit.name.upper() in ("CURRENT ROW", "UNBOUNDED"):
        limit = limit.name
    if isinstance(limit, str):
        return (key, "<=", 0.0) if limit.upper() == "CURRENT ROW" else None
    side = str(spec.args.get(f"{edge}_side") or "").lower()
    ranged = str(spec.args.get("kind") or "").lower() == "range"
    span = length(limit) if ranged else None
    if side == before:
        return (key, "<=", -span[0] if span is not None and span[0] >= 0 else 0.0)
    return (key, "<=", span[1]) if side == beyond and span is not None and span[1] >= 0 else None
