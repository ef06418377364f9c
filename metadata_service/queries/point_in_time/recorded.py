"""What is recorded about how data were made: versions of datasets, the code that wrote them, and how its statements bound times.

Everything here is read from facts and edges of the graph by `load`; the checks are functions of it and of nothing else.
"""
from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from lineproof_schema.urn import UrnError, format_urn
from metadata_service.queries.shapes import as_time

__all__ = ["Bound", "History", "Knowledge", "Limit", "Made", "Predicate", "Read", "Snapshot", "Timing", "knowledge_of", "later", "read_timing", "seconds_of",
           "snapshot_of"]

Op = Literal["same", "=", "<=", "<"]
_OPS: Final = ("same", "=", "<=", "<")
_STEPS: Final = {"second": 1.0, "minute": 60.0, "hour": 3_600.0, "day": 86_400.0, "week": 604_800.0}
_FINER, _COARSER = ("second", "minute", "hour", "day"), ("week", "month", "quarter", "year")  # all of these are multiples of the finer ones
_DURATION: Final = re.compile(r"^P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$")
_LENGTHS: Final = (366 * 86_400, 31 * 86_400, 604_800, 86_400, 3_600, 60, 1)  # years and months as long as they can be


@dataclass(frozen=True, slots=True)
class Knowledge:
    """When rows could be known: at `column`, `delay` seconds after their event time (None: of unknown length), or with the snapshot."""

    kind: Literal["committed", "column", "delay"]
    column: str | None = None
    delay: float | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A dataset version as told. `entry` is the entry that said when its rows could be known, else the first that named it."""

    urn: str
    dataset: str
    entry: int
    knowledge: Knowledge = Knowledge("committed")
    columns: Mapping[str, Knowledge] = field(default_factory=dict)  # knowledge of single columns
    event_column: str | None = None
    event_min: datetime | None = None
    event_max: datetime | None = None
    committed_at: datetime | None = None
    backfill: bool = False
    hold: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Bound:
    """For each row read: `field op column + seconds`, `column` being one of the row that is written. `seconds` None: unknown."""

    field: str
    op: Op
    column: str
    seconds: float | None
    predicates: tuple[int, ...]
    grid: str | None = None  # what the field is compared with is a multiple of this unit

    def on(self, grid: str | None) -> Bound:
        """The bound of a field that is itself a multiple of a unit: before another multiple is a unit before."""
        held = grid in _FINER and (self.grid in _FINER[_FINER.index(grid):] or self.grid in _COARSER)
        if self.op != "<" or self.seconds is None or grid is None or not (held or grid == self.grid == "week"):
            return self
        return replace(self, op="<=", seconds=self.seconds - _STEPS[grid])


@dataclass(frozen=True, slots=True)
class Limit:
    """For each row read: `field op at`, a moment written in the statement."""

    field: str
    op: Op
    at: datetime
    predicates: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Read:
    """Rows of a dataset, as it stands at one place of a statement. `made`: columns computed from this very row.

    `decides`: they only decide whether the row behind a value is there.
    """

    dataset: str
    bounds: tuple[Bound, ...]
    made: frozenset[str]
    file: str | None
    line: int | None
    column: int | None
    limits: tuple[Limit, ...] = ()
    decides: bool = False


@dataclass(frozen=True, slots=True)
class Predicate:
    """A comparison as written."""

    text: str
    file: str | None
    line: int | None
    column: int | None


@dataclass(frozen=True, slots=True)
class Timing:
    """How one statement makes the columns of one output."""

    reads: tuple[Read, ...]
    columns: Mapping[str, tuple[tuple[int, tuple[str, ...]], ...]]
    predicates: tuple[Predicate, ...]
    reasons: Mapping[str, tuple[str, ...]]
    grids: Mapping[str, str] = field(default_factory=dict)  # columns that are multiples of a unit


@dataclass(frozen=True, slots=True)
class Made:
    """The run that wrote a version: its code, and the versions it read (by dataset)."""

    run: str
    purpose: str | None
    entry: int
    transformation: str | None
    commit: str | None
    timing: Timing | None
    inputs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class History:
    """Versions by URN, what made them, and the root's reference times."""

    snapshots: Mapping[str, Snapshot]
    made: Mapping[str, Made]
    reference_min: datetime | None = None
    reference_max: datetime | None = None


def seconds_of(duration: str) -> float | None:
    """Length of an ISO 8601 duration in seconds, the longest it can be; None if it is none."""
    found = _DURATION.match(duration)
    if found is None or duration in ("P", "PT") or duration.endswith("T"):
        return None
    return sum(float(part) * length for part, length in zip(found.groups(), _LENGTHS, strict=True) if part is not None)


def knowledge_of(said: Any) -> Knowledge:
    """`committed`, `column:<c>` or `eventTime+<duration>`; what is none of these counts as `committed`."""
    if isinstance(said, str) and said.startswith("column:"):
        return Knowledge("column", said.removeprefix("column:"))
    if isinstance(said, str) and said.startswith("eventTime+"):
        return Knowledge("delay", None, seconds_of(said.removeprefix("eventTime+")))
    return Knowledge("committed")


def snapshot_of(urn: str, dataset: str, entry: int, facts: Mapping[str, Any], committed_at: datetime | None) -> Snapshot:
    """A dataset version from its facts."""
    times = facts.get("eventTime")
    times = times if isinstance(times, Mapping) else {}
    single = facts.get("columnKnowledge")
    hold = facts.get("hold")
    column = times.get("column")
    return Snapshot(urn, dataset, entry, knowledge_of(facts.get("knowledge")),
                    {str(name): knowledge_of(said) for name, said in single.items()} if isinstance(single, Mapping) else {},
                    column if isinstance(column, str) else None, as_time(times.get("min")), as_time(times.get("max")), committed_at,
                    facts.get("backfill") is True, hold if isinstance(hold, Mapping) else None)


def read_timing(said: Any) -> Timing | None:
    """A `timing` fact; None if it says nothing of the expected shape. A part that cannot be read counts as not followed, never as safe."""
    if not isinstance(said, Mapping) or not isinstance(said.get("columns"), Mapping):
        return None
    reads = [_read(each) for each in _list(said.get("reads"))]
    predicates = tuple(Predicate(str(each.get("text")), _text(each.get("file")), _number(each.get("line")), _number(each.get("column")))
                       if isinstance(each, Mapping) else Predicate("", None, None, None) for each in _list(said.get("predicates")))
    told = said.get("reasons")
    reasons = {str(name): tuple(map(str, _list(found))) for name, found in told.items()} if isinstance(told, Mapping) else {}
    columns: dict[str, tuple[tuple[int, tuple[str, ...]], ...]] = {}
    for name, found in said["columns"].items():
        uses = []
        for each in _list(found):
            number = each.get("read") if isinstance(each, Mapping) else None
            if isinstance(number, int) and not isinstance(number, bool) and 0 <= number < len(reads) and reads[number] is not None:
                uses.append((number, tuple(map(str, _list(each.get("fields"))))))
            else:
                reasons[str(name)] = (*reasons.get(str(name), ()), "unreadable")
        columns[str(name)] = tuple(uses)
    kept = tuple(each if each is not None else Read("", (), frozenset(), None, None, None) for each in reads)
    grids = said.get("grids")
    return Timing(kept, columns, predicates, reasons, {str(name): str(unit) for name, unit in grids.items()} if isinstance(grids, Mapping) else {})


def _read(said: Any) -> Read | None:
    if not isinstance(said, Mapping) or not isinstance(said.get("namespace"), str) or not isinstance(said.get("name"), str):
        return None
    try:
        dataset = format_urn("dataset", said["namespace"], said["name"])
    except UrnError:
        return None
    bounds = tuple(bound for each in _list(said.get("bounds")) if (bound := _bound(each)) is not None)
    return Read(dataset, bounds, frozenset(map(str, _list(said.get("made")))), _text(said.get("file")), _number(said.get("line")), _number(said.get("column")),
                tuple(limit for each in _list(said.get("limits")) if (limit := _limit(each)) is not None), said.get("decides") is True)


def _limit(said: Any) -> Limit | None:
    if not isinstance(said, Mapping) or said.get("op") not in ("=", "<=", "<") or not isinstance(said.get("field"), str):
        return None
    at = as_time(said.get("at"))
    predicates = tuple(each for each in _list(said.get("predicates")) if isinstance(each, int) and not isinstance(each, bool))
    return Limit(said["field"], said["op"], at, predicates) if at is not None else None


def _bound(said: Any) -> Bound | None:
    if not isinstance(said, Mapping) or said.get("op") not in _OPS or not isinstance(said.get("field"), str) or not isinstance(said.get("column"), str):
        return None
    seconds = said.get("seconds")
    known = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    predicates = tuple(each for each in _list(said.get("predicates")) if isinstance(each, int) and not isinstance(each, bool))
    return Bound(said["field"], said["op"], said["column"], float(seconds) if known and seconds is not None else None, predicates, _text(said.get("grid")))


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def later(time: datetime, seconds: float) -> datetime | None:
    """`time` plus `seconds`; None beyond the calendar."""
    try:
        return time + timedelta(seconds=seconds)
    except OverflowError:
        return None
