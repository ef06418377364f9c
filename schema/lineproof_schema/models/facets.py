"""Facets of ours on OpenLineage events, for producers that can add them."""
from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from lineproof_schema.models.common import EventData, GitSha, Repository, Sha256, SqlPosition, TimePredicate, UrnText, WindowFrame

__all__ = ["FACETS", "ColumnFact", "ColumnsFacet", "ProducerFacet", "RunFacet", "TransformationFacet"]


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


class ColumnFact(SqlPosition):
    """Where one output column is written, and how sure the parser is."""

    expression: str | None = None
    parser: str | None = None
    status: Literal["complete", "partial", "unknown"] = "complete"
    reason: str | None = None
    end_line: int | None = Field(default=None, ge=1)
    approximate: bool = False


class ColumnsFacet(_Facet):
    """Dataset facet `lineproof_columns`: positions per output column, time predicates and window frames of the statement."""

    fields: dict[str, ColumnFact] = Field(default_factory=dict)
    time_predicates: tuple[TimePredicate, ...] = ()
    window_frames: tuple[WindowFrame, ...] = ()


class RunFacet(_Facet):
    """Run facet `lineproof_run`: why the run happened and what was compiled."""

    purpose: Literal["normal", "rerun", "rebuild", "backfill"] = "normal"
    compiled_digest: Sha256 | None = None
    parameters: dict[str, object] | None = None


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
    "lineproof_producer": ProducerFacet,
}
