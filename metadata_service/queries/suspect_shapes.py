"""The answer of `suspects`."""
from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from metadata_service.queries.activity import CommitRef
from metadata_service.queries.influence import Influence
from metadata_service.queries.lineage_shapes import RootEntity
from metadata_service.queries.shapes import Completeness, ComputedAt, Long

__all__ = ["OpaqueStep", "Suspect", "SuspectKind", "Suspects"]


class SuspectKind(Enum):
    """What changed. CODE: how something is computed. CONFIG: its configuration. ENVIRONMENT: its image or locked packages. SCHEMA: columns. QUALITY: a check
    fails. VOLUME: the number of rows. DISTRIBUTION: nulls, distinct values or ranges. DATA: raw data, of which nothing stands out. INPUT_VERSION: a pinned
    input. ALIAS: what a name stands for. RUN_FAILED, RUN_MISSING: data are older than they should be."""

    CODE = "CODE"
    CONFIG = "CONFIG"
    ENVIRONMENT = "ENVIRONMENT"
    SCHEMA = "SCHEMA"
    QUALITY = "QUALITY"
    VOLUME = "VOLUME"
    DISTRIBUTION = "DISTRIBUTION"
    DATA = "DATA"
    INPUT_VERSION = "INPUT_VERSION"
    ALIAS = "ALIAS"
    RUN_FAILED = "RUN_FAILED"
    RUN_MISSING = "RUN_MISSING"


@dataclass(frozen=True, slots=True)
class Suspect:
    """Something upstream that changed within the window. `score` ranks (0..100, the higher the likelier), `because` says in words what it rests on.

    `since` is the size from which it is so (null: it is something that did not happen), `at` its claimed time.
    """

    kind: SuspectKind
    urn: str
    score: int
    because: str
    influence: Influence
    distance: int
    before: Any
    after: Any
    since: Long | None
    at: datetime | None
    job: str | None = None
    commit: CommitRef | None = None
    file: str | None = None
    line: int | None = None
    run: str | None = None


@dataclass(frozen=True, slots=True)
class OpaqueStep:
    """A step of which it is not known which columns it reads: what lies behind it was looked at dataset by dataset."""

    urn: str
    job: str | None
    transformation: str | None


@dataclass(frozen=True, slots=True)
class Suspects:
    """The answer of `suspects`, the likeliest first."""

    computed_at: ComputedAt
    completeness: Completeness
    from_: Long
    to: Long
    roots: tuple[RootEntity, ...]
    rows: tuple[Suspect, ...]
    opaque: tuple[OpaqueStep, ...]
