"""Feature versions, their materializations and the aliases of features and models."""
from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from lineproof_schema.models.common import ColumnRef, DatasetRef, DatasetVersionRef, EventData, EventIndex, GitSha, Instant, Name, Repository, Sha256
from lineproof_schema.models.data import Field_

__all__ = ["AliasData", "Compatibility", "FeatureDefinition", "FeatureVersionData", "MaterializationData", "StorageLocation", "TimeWindow"]


class FeatureDefinition(EventData):
    """What the data hash covers: everything that can change a value."""

    entities: tuple[Name, ...]
    dtype: Name
    sql: str | None = None
    artifact: Sha256 | None = None
    sources: tuple[DatasetRef, ...] = ()
    event_time_column: str | None = None
    knowledge_time_column: str | None = None
    window: str | None = None
    ttl_seconds: int | None = Field(default=None, gt=0)


class StorageLocation(EventData):
    """Where a feature version's values lie."""

    uri: str
    columns: tuple[Field_, ...] = Field(default=(), alias="schema")


class Compatibility(EventData):
    """What the author claims about a change against an earlier version."""

    with_version: Name = Field(alias="with")
    kind: Literal["additive", "breaking"]
    adapter_digest: Sha256 | None = None


class FeatureVersionData(EventData):
    """`lineproof.feature-version.v1`: an immutable version of a feature."""

    namespace: Name
    name: Name
    version: Name
    definition: FeatureDefinition
    column: ColumnRef
    offline: StorageLocation | None = None
    online: StorageLocation | None = None
    repository: Repository | None = None
    commit: GitSha | None = None
    compatibility: Compatibility | None = None
    description: str | None = None
    owners: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


class TimeWindow(EventData):
    """Half-open interval [start, end)."""

    start: Instant
    end: Instant


class MaterializationData(EventData):
    """`lineproof.materialization.v1`: a feature version was written to a store."""

    feature: Name  # <ns>:<name>@<version>
    interval: TimeWindow | None = None
    run_id: str | None = None
    location: str | None = None
    rows: int | None = Field(default=None, ge=0)
    status: Literal["started", "completed", "failed"]
    output: DatasetVersionRef | None = None
    finished_at: Instant | None = None


class AliasData(EventData):
    """`lineproof.alias.v1`: move (or with `to: null` delete) an alias, if it still stands where `expected` says.

    `expected` is the entry index of the alias's last applied move, null when the alias must not exist yet.
    """

    kind: Literal["feature", "model"]
    namespace: Name
    name: Name
    alias: Name
    to: Name | None
    expected: EventIndex | None = None
    reason: str | None = None
    approval: str | None = None
    actor: str | None = None
    details: dict[str, Any] | None = None
