"""What lineage answers with."""
from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from metadata_service.queries.shapes import Completeness, ComputedAt, Kind, Level, Long

__all__ = ["Lineage", "LineageEdge", "LineageNode", "RootEntity"]


@dataclass(frozen=True, slots=True)
class RootEntity:
    """An entity the walk started at. `why` is `itself`, or what makes it stand for the asked one (a live version, a column, …)."""

    urn: str
    why: str


@dataclass(slots=True)  # not frozen: made by the ten thousand, and a frozen one costs three times as much to make
class LineageNode:
    """An entity on the way. Restricted ones are placeholders: only `kind` and the place in the path are shown.

    `distance` counts hops from the nearest root, negative upstream when both directions were asked for. `hidden*` count distinct
    neighbours that are not connected to it in this answer. `owners` and what follows are of the position. `status` is that of a run, `time` when it
    ended (or began), and when a version was written.
    """

    urn: str | None
    kind: Kind
    namespace: str | None
    name: str | None
    distance: int
    hidden_upstream: int
    hidden_downstream: int
    restricted: bool
    owners: tuple[str, ...] = ()
    description: str | None = None
    tags: tuple[str, ...] = ()
    classification: str | None = None
    dropped: bool = False
    status: str | None = None
    time: datetime | None = None


@dataclass(slots=True)  # not frozen: see LineageNode
class LineageEdge:
    """`downstream` is derived from `upstream` (positions in `nodes`), visible in sizes [from, to); `to` is null while it is current.

    `last_seen` is the claimed time of the last run event that showed it, null at a past position and of what is only declared. `basis` is who says so;
    at level VERSION `named`, `inferred` (the run named no version, this one was current) or `unknown`.
    """

    downstream: int
    upstream: int
    level: Level
    from_: Long
    to: Long | None
    opened_by: Long
    basis: str
    via: str | None
    transformation: str | None
    commit: str | None
    type: str | None
    subtype: str | None
    expression: str | None
    file: str | None
    line: int | None
    column: int | None
    parser: str | None
    status: str | None
    version: str | None
    last_seen: datetime | None = None


@dataclass(frozen=True, slots=True)
class Lineage:
    """The answer of `lineage`. `roots` is empty for an entity that does not exist at the position."""

    computed_at: ComputedAt
    completeness: Completeness
    roots: tuple[RootEntity, ...]
    nodes: tuple[LineageNode, ...]
    edges: tuple[LineageEdge, ...]
