"""The answer of `trace`."""
from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from metadata_service.queries.activity import CommitRef, RunRef, VersionRef
from metadata_service.queries.influence import Influence
from metadata_service.queries.lineage_shapes import RootEntity
from metadata_service.queries.shapes import Completeness, ComputedAt, Long

__all__ = ["Cause", "CodeChange", "ExpressionChange", "MacroPlace", "QualityFinding", "Snippet", "Trace", "TraceInput", "TraceSource", "TraceStep", "Verdict"]


class Cause(Enum):
    """What the evidence on the path points to."""

    CODE = "CODE"
    SOURCE_DATA = "SOURCE_DATA"
    CODE_OR_SOURCE_DATA = "CODE_OR_SOURCE_DATA"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Snippet:
    """Lines of the source around the place; `start` is the number of the first line, `highlight` the number of the line meant (1-based)."""

    file: str
    start: int
    highlight: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MacroPlace:
    """Where in a macro the text of an expression stands: by the macro's name, and in its file as far as that is known.

    `within` is the line of the macro's own text; `column` counts there, and is null where a filter changed what the macro wrote.
    """

    name: str
    file: str | None
    line: int | None
    column: int | None
    within: int
    snippet: Snippet | None


@dataclass(frozen=True, slots=True)
class TraceInput:
    """What a step reads, and the version of it that the run read (`inferred` when the run did not name it)."""

    urn: str | None
    type: str | None
    subtype: str | None
    expression: str | None
    version: VersionRef | None
    restricted: bool
    influence: Influence


@dataclass(frozen=True, slots=True)
class TraceStep:
    """One column (or asset) and how it was made: code, commit, run, versions in and out. `influence` says what it decides of the traced value.

    `macro`: a macro made the text of the expression; file, line and column are then those of its call.
    `since` is the size from which this is said, `opened_by` the entry that said it. `code_matches_run` is false when the run that
    wrote the data ran another version of the code than the one whose edges are shown (a rerun or backfill of old code).
    """

    urn: str | None
    distance: int
    restricted: bool
    expression: str | None
    file: str | None
    line: int | None
    column: int | None
    status: str | None
    basis: str
    parser: str | None
    job: str | None
    transformation: str | None
    path: str | None
    repository: str | None
    snippet: Snippet | None
    commit: CommitRef | None
    run: RunRef | None
    output: VersionRef | None
    inputs: tuple[TraceInput, ...]
    code_matches_run: bool | None
    since: Long
    opened_by: Long
    influence: Influence
    macro: MacroPlace | None = None


@dataclass(frozen=True, slots=True)
class TraceSource:
    """Where the trace ends: raw data. `changed` says whether this version's fingerprint differs from the one before; null if unknown."""

    urn: str | None
    restricted: bool
    columns: tuple[str, ...]
    version: VersionRef | None
    previous: VersionRef | None
    changed: bool | None
    run: RunRef | None
    failed_checks: int
    influence: Influence


@dataclass(frozen=True, slots=True)
class ExpressionChange:
    """How one column on the path was computed before and after. `changed` is false when only other parts of the code changed.

    `influence` is VALUE if the change reaches the traced value, ROWS if only its rows.
    """

    urn: str
    before: str | None
    after: str | None
    changed: bool
    added: tuple[str, ...]
    removed: tuple[str, ...]
    influence: Influence


@dataclass(frozen=True, slots=True)
class CodeChange:
    """A new version of code on the path. `at` is its claimed time (else when it was logged); `first` when nothing came before it.

    `influence` is VALUE if it changed (or, when it changed nothing on the path, computes) the value itself. It is `suspect` if it
    changed the value within the time asked about.
    """

    job: str | None
    transformation: str | None
    previous: str | None
    commit: CommitRef | None
    size: Long
    opened_by: Long
    at: datetime | None
    logged_at: datetime | None
    file: str | None
    line: int | None
    first: bool
    path_changed: bool
    columns: tuple[ExpressionChange, ...]
    influence: Influence
    suspect: bool


@dataclass(frozen=True, slots=True)
class QualityFinding:
    """A check that failed on something the trace passes through, as of the position. `on_source` when that is raw data."""

    urn: str
    check: str
    column: str | None
    severity: str | None
    expected: Any
    actual: Any
    version: str | None
    on_source: bool
    since: Long
    checked_at: datetime | None
    influence: Influence


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the evidence points to, in words. Evidence, no proof: `changes` and `quality` carry it."""

    cause: Cause
    because: str


@dataclass(frozen=True, slots=True)
class Trace:
    """The answer of `trace`: steps from the asked entity back to raw data, nearest first.

    The path of the value comes first (`influence` VALUE), what only decides its rows after it; so with changes, sources and findings.
    """

    computed_at: ComputedAt
    completeness: Completeness
    roots: tuple[RootEntity, ...]
    data_at: datetime | None
    since: datetime | None
    verdict: Verdict
    steps: tuple[TraceStep, ...]
    sources: tuple[TraceSource, ...]
    changes: tuple[CodeChange, ...]
    quality: tuple[QualityFinding, ...]
