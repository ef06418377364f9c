"""What a SQL statement says about columns, time and windows."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["InputColumn", "OutputColumn", "SqlLineage", "Status", "Step", "Subtype", "TimePredicate", "WindowFrame"]

Status = Literal["complete", "partial", "unknown"]
Subtype = Literal["IDENTITY", "TRANSFORMATION", "AGGREGATION", "JOIN", "FILTER", "GROUP_BY", "SORT", "WINDOW", "CONDITIONAL"]


@dataclass(frozen=True, slots=True, order=True)
class InputColumn:
    """A column of a base table. DIRECT: its value flows into the output; INDIRECT: it decides which rows or which branch.

    `table` is the key of `schema` that the table matched, else its name as written, parts joined by dots.
    """

    table: str
    column: str
    type: Literal["DIRECT", "INDIRECT"]
    subtype: Subtype


@dataclass(frozen=True, slots=True)
class Step:
    """One select item on the way from an output column down to the base tables (CTE by CTE, output first)."""

    name: str
    expression: str
    file: str | None
    line: int | None
    column: int | None


@dataclass(frozen=True, slots=True)
class OutputColumn:
    """An output column, where it is made, and from what.

    The position (1-based, first character; `end_line` inclusive) is that of the select item that **makes** the value. Plain
    pass-throughs (`select a from final`, `select *`) are followed down to it; for a column that is only passed through, down to the
    innermost item that names it. `steps` has every item on the way. `via_star`: no item names the column, the position is that of
    a `*`. `approximate`: the source map could only align, not trace.
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
class SqlLineage:
    """Column lineage of one statement. `inputs` are base tables; `output` is the table written, if the statement names one.

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
