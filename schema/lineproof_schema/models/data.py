"""Facts on datasets, and snapshots of their content."""
from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from lineproof_schema.models.common import DatasetRef, EventData, Instant, Name, Sha256

__all__ = ["DatasetData", "DatasetVersionData", "EventTimeRange", "Field_", "Fingerprint", "Freshness", "Owner", "RetentionHold", "TablePointer"]

Knowledge = Annotated[str, StringConstraints(pattern=r"^(committed|column:.+|eventTime\+.+)$")]


class Field_(EventData):
    """A column of a schema."""

    name: Name
    type: str | None = None
    description: str | None = None
    nullable: bool | None = None
    fields: tuple[Field_, ...] = ()


class Owner(EventData):
    """An owner as declared: e-mail or team; `type` as in OpenLineage (`MAINTAINER`, `OWNER`, …)."""

    name: Name
    type: str | None = None


class Freshness(EventData):
    """How fresh a dataset has to be."""

    tier: Literal["hot", "warm", "cold"] | None = None
    max_age_seconds: int | None = Field(default=None, gt=0)


class DatasetData(DatasetRef):
    """`lineproof.dataset.v1`: declared facts. Absent fields say nothing; null withdraws nothing; an empty list clears."""

    columns: tuple[Field_, ...] | None = None
    owners: tuple[Owner, ...] | None = None
    description: str | None = None
    tags: tuple[str, ...] | None = None
    classification: str | None = None
    storage_location: str | None = None
    freshness: Freshness | None = None
    retention: str | None = None
    purpose: str | None = None
    is_source: bool | None = None


class TablePointer(EventData):
    """Where the snapshot stands in its table format: Delta version, Iceberg snapshot id, or a list of file digests."""

    format: Literal["delta", "iceberg", "files", "duckdb", "other"]
    uri: str | None = None
    version: str | None = None
    files: dict[str, Sha256] | None = None


class Fingerprint(EventData):
    """The `fp1` fingerprint of the rows (docs/fp1.md): `sum` is mergeable, `sha256` is the evidence."""

    algorithm: Literal["fp1"] = "fp1"
    rows: int = Field(ge=0)
    sum: str = Field(pattern=r"^[0-9a-f]{32}$")
    sha256: Sha256
    columns: tuple[tuple[str, str], ...] = ()
    bit: Sha256 | None = None  # level `bit`: over the values in the order of the rows


class EventTimeRange(EventData):
    """Smallest and largest event time in the snapshot."""

    column: Name
    min: Instant | None = None
    max: Instant | None = None


class RetentionHold(EventData):
    """What keeps the snapshot readable, and until when.

    Kind `artifact`: its bytes are in the artifact store, `files` by name and SHA-256, in `format` (raw files as they are, or the rows as
    Parquet or Arrow IPC). Other kinds (an Iceberg tag, a Delta copy) name what holds it in `reference`.
    """

    kind: str
    until: Instant | None = None
    reference: str | None = None
    format: Literal["raw", "parquet", "arrow"] | None = None
    files: dict[str, Sha256] | None = None


class DatasetVersionData(DatasetRef):
    """`lineproof.dataset-version.v1`: a snapshot of a dataset.

    `knowledge` says when a row could be known: `committed` (with the snapshot), `column:<c>`, or `eventTime+<ISO 8601 duration>`.
    `column_knowledge` says so of single columns that could be known earlier than the row as a whole.
    """

    id: Name
    pointer: TablePointer | None = None
    fingerprint: Fingerprint | None = None
    row_count: int | None = Field(default=None, ge=0)
    event_time: EventTimeRange | None = None
    knowledge: Knowledge = "committed"
    column_knowledge: dict[Name, Knowledge] | None = None
    committed_at: Instant | None = None
    partition: dict[str, Any] | None = None
    hold: RetentionHold | None = None
    backfill: bool = False
    run_id: str | None = None
