"""Facets of ours on OpenLineage events, for producers that can add them."""
from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from lineproof_schema.models.common import EventData, GitSha, Repository, Sha256, SqlPosition, TimePredicate, UrnText, WindowFrame

__all__ = [
    "FACETS",
    "ColumnFact",
    "ColumnRead",
    "ColumnsFacet",
    "MacroPlace",
    "ProducerFacet",
    "RebuildFacet",
    "RunFacet",
    "TimeBound",
    "TimeLimit",
    "TimedPredicate",
    "TimedRead",
    "Timing",
    "TransformationFacet",
]


class _Facet(EventData):
    producer: str = Field(default="https://lineproof.dev/ingest_hooks", alias="_producer")
    schema_url: str = Field(default="https://lineproof.dev/facets/v1", alias="_schemaURL")


class TransformationFacet(_Facet):
    """Job facet `lineproof_transformation`: the code this job ran."""

    urn: UrnText
    repository: Repository | None = None
    commit: GitSha | None = None
    path: str | None = None
    dirty: bool = False
    image: str | None = None
    lockfile: Sha256 | None = None
    parameters_digest: Sha256 | None = None


class MacroPlace(EventData):
    """A place in a macro: by the macro's name (`macro.shop.to_units`), in its file, and `within` its own text, which the transformation keeps as a module.

    `column` counts in `line`, without a `line` in `within`; it is missing where a filter changed what the macro wrote.
    """

    name: str
    file: str | None = None
    line: int | None = Field(default=None, ge=1)
    within: int = Field(ge=1)
    column: int | None = Field(default=None, ge=1)


class ColumnFact(SqlPosition):
    """Where one output column is written, and how sure the parser is. `macro`: a macro made its text, and the position is that of the call."""

    expression: str | None = None
    parser: str | None = None
    status: Literal["complete", "partial", "unknown"] = "complete"
    reason: str | None = None
    end_line: int | None = Field(default=None, ge=1)
    approximate: bool = False
    macro: MacroPlace | None = None


class TimeBound(EventData):
    """For each row that is read: `field op column + seconds`, where `column` is an output column of the same output row.

    `same`: the output column is this very field of this very row. Without `seconds` it is shifted by an interval of unknown length.
    `predicates` are positions in `Timing.predicates`. `grid`: what the field is compared with is a multiple of this unit.
    """

    field: str
    op: Literal["same", "=", "<=", "<"]
    column: str
    seconds: int | float | None = None
    predicates: tuple[int, ...] = ()
    grid: Literal["second", "minute", "hour", "day", "week", "month", "quarter", "year"] | None = None


class TimeLimit(EventData):
    """For each row that is read: `field op at`, a moment written in the statement (ISO 8601; without a zone as written)."""

    field: str
    op: Literal["=", "<=", "<"]
    at: str
    predicates: tuple[int, ...] = ()


class TimedRead(SqlPosition):
    """Rows of a dataset, as it stands at one place of the statement. `made` are output columns computed from this very row.

    `decides`: they only decide whether the row behind a value is there, as all rows of a key do of which the latest is kept.
    """

    namespace: str
    name: str
    bounds: tuple[TimeBound, ...] = ()
    made: tuple[str, ...] = ()
    limits: tuple[TimeLimit, ...] = ()
    decides: bool = False


class TimedPredicate(SqlPosition):
    """A comparison as written, and where it stands."""

    text: str


class ColumnRead(EventData):
    """What an output column is made of: these fields of the rows of `Timing.reads[read]`."""

    read: int = Field(ge=0)
    fields: tuple[str, ...] = ()


class Timing(EventData):
    """Which rows make each output column, and what the statement guarantees between their times and those of the output row.

    A column with `reasons` may be made of more than is told. `grids`: columns that are multiples of a unit (`day`, `hour`, …).
    """

    reads: tuple[TimedRead, ...] = ()
    columns: dict[str, tuple[ColumnRead, ...]] = Field(default_factory=dict)
    predicates: tuple[TimedPredicate, ...] = ()
    reasons: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    grids: dict[str, str] = Field(default_factory=dict)


class ColumnsFacet(_Facet):
    """Dataset facet `lineproof_columns`: positions per output column, time predicates and window frames of the statement, and its `timing`."""

    fields: dict[str, ColumnFact] = Field(default_factory=dict)
    time_predicates: tuple[TimePredicate, ...] = ()
    window_frames: tuple[WindowFrame, ...] = ()
    timing: Timing | None = None


class RunFacet(_Facet):
    """Run facet `lineproof_run`: why the run happened and what was compiled."""

    purpose: Literal["normal", "rerun", "rebuild", "backfill"] = "normal"
    compiled_digest: Sha256 | None = None
    parameters: dict[str, object] | None = None


class Engine(EventData):
    """A database engine: its version, and the settings its results may depend on (never a secret)."""

    name: str
    version: str
    settings: dict[str, str] = Field(default_factory=dict)


class Blocker(EventData):
    """Why a run cannot be repeated from what was recorded."""

    code: str
    detail: str


class RebuildFacet(_Facet):
    """Run facet `lineproof_rebuild`: what it takes to run this again, beside the code that the transformation names.

    `node` (dbt) says which relations the model's references stand for; `call` (Python) which function of which file was called with what.
    `environment` names the variables that the code reads; their values are never recorded. `level` is what a repetition is promised to
    reach: the same values in the same order, the same rows, the same rows within a relative `tolerance`, or the same schema and row count.
    """

    kind: Literal["dbt", "python"]
    lockfile: Sha256 | None = None
    lockfile_name: str | None = None
    python: str | None = None
    platform: str | None = None
    tools: dict[str, str] = Field(default_factory=dict)
    engine: Engine | None = None
    parameters: dict[str, object] = Field(default_factory=dict)
    environment: tuple[str, ...] = ()
    level: Literal["bit", "row-set", "tolerance", "schema"] = "row-set"
    tolerance: float | None = Field(default=None, ge=0)
    blockers: tuple[Blocker, ...] = ()
    node: dict[str, object] | None = None
    call: dict[str, object] | None = None


class ProducerFacet(_Facet):
    """Facet `lineproof_producer` (on run, else job, else dataset): what signed CloudEvents carry as extension attributes."""

    audience: str
    stream: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$")]
    sequence: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*$")]
    previoushash: Sha256 | None = None
    streamclosed: bool | None = None


FACETS: dict[str, type[EventData]] = {
    "lineproof_transformation": TransformationFacet,
    "lineproof_columns": ColumnsFacet,
    "lineproof_run": RunFacet,
    "lineproof_rebuild": RebuildFacet,
    "lineproof_producer": ProducerFacet,
}
