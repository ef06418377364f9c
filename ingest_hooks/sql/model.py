"""What a SQL statement says about columns, time and windows."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ingest_hooks.sql.templates.marks import MacroPlace

__all__ = ["InputColumn", "OutputColumn", "SqlLineage", "Status", "Step", "Subtype", "TimeBound", "TimeLimit",
           "TimePredicate", "TimedPredicate", "TimedRead", "Timing", "WindowFrame"]

Status = Literal["complete", "partial", "unknown"]
Subtype = Literal["IDENTITY", "TRANSFORMATION", "AGGREGATION", "JOIN", "FILTER", "GROUP_BY", "SORT", "WINDOW", "CONDITIONAL"]


@dataclass(frozen=True, slots=True, order=True)
class InputColumn:
    """A column of a base table. DIRECT: its value flows into the output; INDIRECT: it decides which rows or which branch.

    `table` is the key of `schema` that the table matched, else its name as written, parts joined by dots. `masking`: the value cannot be seen in the
    result (a digest).
    """

    table: str
    column: str
    type: Literal["DIRECT", "INDIRECT"]
    subtype: Subtype
    masking: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One select item on the way from an output column down to the base tables (CTE by CTE, output first). `macro`: what made its text, if one did."""

    name: str
    expression: str
    file: str | None
    line: int | None
    column: int | None
    macro: MacroPlace | None = None


@dataclass(frozen=True, slots=True)
class OutputColumn:
    """An output column, where it is made, and from what.

    The position (1-based, first character; `end_line` inclusive) is that of the select item that **makes** the value. Plain
    pass-throughs (`select a from final`, `select *`) are followed down to it; for a column that is only passed through, down to the
    innermost item that names it. `steps` has every item on the way. `via_star`: no item names the column, the position is that of
    a `*`. `approximate`: the source map could only align, not trace. `macro`: a macro made the item's text, and the position is that of the call.
    `inputs` holds DIRECT and INDIRECT columns; those that decide the rows of every output are also in `SqlLineage.row_inputs`.
    """

    name: str
    expression: str
    inputs: tuple[InputColumn, ...]
    file: str | None
    line: int | None
    column: int | None
    end_line: int | None
    status: Status = "complete"
    reason: str | None = None
    via_star: bool = False
    approximate: bool = False
    steps: tuple[Step, ...] = ()
    macro: MacroPlace | None = None


@dataclass(frozen=True, slots=True)
class TimePredicate:
    """A comparison between two columns: `left op right [+ interval]`, with what it reads in base tables.

    An interval on the left side is moved to the right with its sign turned, so `a + 1 day < b` reads `a < b + (- 1 day)`.
    """

    left: str
    op: str
    right: str
    interval: str | None
    file: str | None
    line: int | None
    column: int | None
    left_inputs: tuple[InputColumn, ...] = ()
    right_inputs: tuple[InputColumn, ...] = ()


@dataclass(frozen=True, slots=True)
class WindowFrame:
    """A window as written: what it computes, partitions and orders by, and its bounds."""

    expression: str
    partition_by: tuple[str, ...]
    order_by: tuple[str, ...]
    frame: str | None
    file: str | None
    line: int | None
    column: int | None


@dataclass(frozen=True, slots=True)
class TimeBound:
    """For each row that is read: `field op column + seconds`, where `column` is an output column of the same output row.

    `same`: the output column is this very field of this very row; `=`: equal, but maybe another row's. `seconds` None: shifted by an interval
    of unknown length. `predicates` are positions in `Timing.predicates`. `grid`: what the field is compared with is a multiple of this unit, so that
    a field that is one, too, lies a unit before it.
    """

    field: str
    op: Literal["same", "=", "<=", "<"]
    column: str
    seconds: float | None = 0.0
    predicates: tuple[int, ...] = ()
    grid: str | None = None


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """For each row that is read: `field op at`, a moment written in the statement (ISO 8601; without a zone as written)."""

    field: str
    op: Literal["=", "<=", "<"]
    at: str
    predicates: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class TimedRead:
    """Rows of `table`, as it stands at one place of the statement. `made`: output columns computed from this very row.

    `decides`: they only decide whether the row behind a value is there, as all rows of a key do of which the latest is kept.
    """

    table: str
    bounds: tuple[TimeBound, ...]
    made: tuple[str, ...] = ()
    limits: tuple[TimeLimit, ...] = ()
    file: str | None = None
    line: int | None = None
    column: int | None = None
    decides: bool = False


@dataclass(frozen=True, slots=True)
class TimedPredicate:
    """A comparison, as written and where."""

    text: str
    file: str | None
    line: int | None
    column: int | None


@dataclass(frozen=True, slots=True)
class Timing:
    """Which rows make each output column, and what holds between their times and those of the output row.

    `columns`: output column -> (position in `reads`, fields that are read there). `reasons`: output column -> what could not be followed; a
    column with reasons may be made of more than is told. `grids`: output columns that are multiples of a unit (`day`, `hour`, …).
    """

    reads: tuple[TimedRead, ...] = ()
    columns: Mapping[str, tuple[tuple[int, tuple[str, ...]], ...]] = field(default_factory=dict)
    predicates: tuple[TimedPredicate, ...] = ()
    reasons: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    grids: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SqlLineage:
    """Column lineage of one statement. `inputs` are base tables; `output` is the table written: the one asked for, else the one the statement names.

    `target` is the table that the statement itself names as written (in full where USE says the rest), if it names one, whatever was asked for.
    `status` is `complete` only if every output column is; whatever could not be followed is named in `reasons`.
    """

    statement: str
    output: str | None
    outputs: tuple[OutputColumn, ...]
    inputs: tuple[str, ...]
    row_inputs: tuple[InputColumn, ...]
    time_predicates: tuple[TimePredicate, ...]
    window_frames: tuple[WindowFrame, ...]
    status: Status
    reasons: tuple[str, ...]
    parser: str
    timing: Timing = field(default_factory=Timing)
    target: str | None = None
