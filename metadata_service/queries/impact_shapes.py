"""The answer of `impact`."""
from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from metadata_service.queries.activity import RunRef
from metadata_service.queries.lineage_shapes import LineageEdge, LineageNode, RootEntity
from metadata_service.queries.shapes import Completeness, ComputedAt, Kind, Long

__all__ = ["Affected", "Binding", "ChangeKind", "Column", "Impact", "LiveDeployment", "Materialization", "Retype", "Severity", "Use"]


class ChangeKind(Enum):
    """What is going to happen to the entity. CHANGE_VALUES is a change of meaning: the same name and type, other values. CHANGE_SCHEMA is all
    that a new schema of a dataset takes away or makes another."""

    DROP_COLUMN = "DROP_COLUMN"
    RENAME_COLUMN = "RENAME_COLUMN"
    RETYPE_COLUMN = "RETYPE_COLUMN"
    CHANGE_NULLABILITY = "CHANGE_NULLABILITY"
    DROP_DATASET = "DROP_DATASET"
    RENAME_DATASET = "RENAME_DATASET"
    RETIRE_VERSION = "RETIRE_VERSION"
    CHANGE_VALUES = "CHANGE_VALUES"
    CHANGE_SCHEMA = "CHANGE_SCHEMA"


class Severity(Enum):
    """BREAKING: it cannot be made any more. POSSIBLE: it may change or break, what is known does not tell."""

    BREAKING = "BREAKING"
    POSSIBLE = "POSSIBLE"


class Use(Enum):
    """How what changes gets into an affected entity. DIRECT: its value is computed from it. INDIRECT: only by a join, a filter, a grouping, a condition on
    every path. UNKNOWN: somewhere on the way a dataset is read as a whole."""

    DIRECT = "DIRECT"
    INDIRECT = "INDIRECT"
    UNKNOWN = "UNKNOWN"


class Binding(Enum):
    """PINNED names a fixed version of what it reads, FLOATING takes whatever is current."""

    PINNED = "PINNED"
    FLOATING = "FLOATING"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a schema that is going to be; None is not said, and then not compared."""

    name: str
    type: str | None = None
    nullable: bool | None = None


@dataclass(frozen=True, slots=True)
class Retype:
    """The type that a column is going to have; the one before it is the recorded one unless it is said here."""

    after: str
    before: str | None = None


@dataclass(frozen=True, slots=True)
class Materialization:
    """When the data was last made: the version that is current at the position, and the run that wrote it."""

    version: str
    version_id: str
    run: str | None
    status: str | None
    at: datetime | None
    row_count: Long | None


@dataclass(frozen=True, slots=True)
class LiveDeployment:
    """Where an affected model version is live."""

    urn: str
    environment: str | None


@dataclass(frozen=True, slots=True)
class Affected:
    """One affected entity: `node` is its position in `nodes`, `path` the positions in `edges` from the changed entity to it.

    `columns` are the affected columns of a dataset. `reason` says in words why the severity is what it is.
    """

    node: int
    kind: Kind
    urn: str | None
    name: str | None
    severity: Severity
    use: Use
    reason: str
    distance: int
    owners: tuple[str, ...]
    columns: tuple[str, ...]
    binding: Binding
    last_materialization: Materialization | None
    last_run: RunRef | None
    deployments: tuple[LiveDeployment, ...]
    path: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Impact:
    """The answer of `impact`: affected entities, the worst first, of that what is live, then the nearest."""

    computed_at: ComputedAt
    completeness: Completeness
    change: ChangeKind | None
    roots: tuple[RootEntity, ...]
    breaking: int
    possible: int
    affected: tuple[Affected, ...]
    nodes: tuple[LineageNode, ...]
    edges: tuple[LineageEdge, ...]
