"""The answer of `impact`."""
from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from metadata_service.queries.activity import RunRef
from metadata_service.queries.lineage import LineageEdge, LineageNode, RootEntity
from metadata_service.queries.shapes import Completeness, ComputedAt, Kind, Long

__all__ = ["Affected", "Binding", "ChangeKind", "Impact", "LiveDeployment", "Materialization", "Severity"]


class ChangeKind(Enum):
    """What is going to happen to the entity."""

    DROP_COLUMN = "DROP_COLUMN"
    RENAME_COLUMN = "RENAME_COLUMN"
    RETYPE_COLUMN = "RETYPE_COLUMN"
    DROP_DATASET = "DROP_DATASET"
    RENAME_DATASET = "RENAME_DATASET"
    RETIRE_VERSION = "RETIRE_VERSION"
    CHANGE_VALUES = "CHANGE_VALUES"


class Severity(Enum):
    """BREAKING: it cannot be made any more. POSSIBLE: it may change or break, what is known does not tell."""

    BREAKING = "BREAKING"
    POSSIBLE = "POSSIBLE"


class Binding(Enum):
    """PINNED names a fixed version of what it reads, FLOATING takes whatever is current."""

    PINNED = "PINNED"
    FLOATING = "FLOATING"


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
    """The answer of `impact`: affected entities, the worst and nearest first."""

    computed_at: ComputedAt
    completeness: Completeness
    change: ChangeKind | None
    roots: tuple[RootEntity, ...]
    breaking: int
    possible: int
    affected: tuple[Affected, ...]
    nodes: tuple[LineageNode, ...]
    edges: tuple[LineageEdge, ...]
