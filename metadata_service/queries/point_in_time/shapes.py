"""The answer to `pointInTimeChecks`."""
from __future__ import annotations

from dataclasses import dataclass

from metadata_service.queries.activity import CommitRef
from metadata_service.queries.point_in_time.case import CheckName
from metadata_service.queries.point_in_time.findings import Boundary, CheckState
from metadata_service.queries.shapes import Completeness, ComputedAt, Long

__all__ = ["Check", "CheckEvidence", "PointInTime"]


@dataclass(frozen=True, slots=True)
class CheckEvidence:
    """What a check rests on: `what` is predicate, read, knowledge, version, registration, materialization, deployment, model or
    alias.

    `entry` is the log entry that says so; `file`, `line` and `column` where it stands in the code of `transformation`, which came with `commit`.
    What lies outside the viewer's grants is `restricted` and says nothing else.
    """

    what: str
    text: str | None
    entry: Long | None
    file: str | None
    line: int | None
    column: int | None
    version: str | None
    transformation: str | None
    commit: CommitRef | None
    restricted: bool


@dataclass(frozen=True, slots=True)
class Check:
    """One check of one thing: a column, a dataset version, a feature version, a deployment, or what was asked about (`urn`, null outside the
    viewer's grants). `code` and `detail` say why.
    """

    check: CheckName
    state: CheckState
    urn: str | None
    code: str
    detail: str
    evidence: tuple[CheckEvidence, ...]


@dataclass(frozen=True, slots=True)
class PointInTime:
    """The eight checks of training data against time. `state` is the worst of all; the counts are of `checks`.

    `training` are the dataset versions that were checked, `reference_time` the column that says when predictions are made, `label_time` the one
    that says when outcomes are known, `labels` the label columns if any are declared.
    """

    computed_at: ComputedAt
    completeness: Completeness
    urn: str
    state: CheckState
    boundary: Boundary
    training: tuple[str, ...]
    reference_time: str | None
    label_time: str | None
    labels: tuple[str, ...]
    violations: int
    suspects: int
    unknown: int
    proven: int
    checks: tuple[Check, ...]
