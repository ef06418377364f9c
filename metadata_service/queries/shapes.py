"""Shapes that all answers share. Positions and indices are `Long`, times are aware UTC datetimes."""
from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from typing import Annotated, Any
from urllib.parse import unquote

from lineproof_schema.urn import Urn

__all__ = ["Completeness", "ComputedAt", "Direction", "Kind", "Level", "Long", "Reason", "as_time", "identify", "micros", "of_micros"]

CACHED_URNS = 65_536  # entities of a large graph's busiest part; some 20 MB

Long = Annotated[int, "Long"]  # an integer beyond 32 bits: a size, an index, a row count


class Kind(Enum):
    """Kinds of entities, named as in GraphQL and valued as in URNs."""

    DATASET = "dataset"
    COLUMN = "column"
    DATASET_VERSION = "dataset-version"
    JOB = "job"
    RUN = "run"
    TRANSFORMATION = "transformation"
    COMMIT = "commit"
    REPOSITORY = "repository"
    IMAGE = "image"
    FEATURE = "feature"
    FEATURE_VERSION = "feature-version"
    MODEL = "model"
    MODEL_VERSION = "model-version"
    DEPLOYMENT = "deployment"
    CONSUMER = "consumer"
    PRINCIPAL = "principal"
    ARTIFACT = "artifact"


class Direction(Enum):
    """Which way a walk goes. BOTH gives upstream nodes negative distances."""

    UPSTREAM = "UPSTREAM"
    DOWNSTREAM = "DOWNSTREAM"
    BOTH = "BOTH"


class Level(Enum):
    """ASSET walks datasets, feature versions, model versions and consumers; COLUMN walks columns where their lineage is known; VERSION walks
    versions of datasets and the runs that read and wrote them."""

    ASSET = "ASSET"
    COLUMN = "COLUMN"
    VERSION = "VERSION"


@dataclass(frozen=True, slots=True)
class ComputedAt:
    """What the answer was computed at: the graph of entries 0..size-1.

    `covering_checkpoint` is the size of the smallest published checkpoint that covers it, null while there is none (the entries are
    logged and acknowledged, their checkpoint is still to come).
    """

    size: Long
    root_hash: str
    covering_checkpoint: Long | None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an answer is not complete: a stable code, a sentence, and the entity it is about."""

    code: str
    detail: str
    urn: str | None = None


@dataclass(frozen=True, slots=True)
class Completeness:
    """`complete` iff nothing was cut off, hidden or unknown. `restricted` and `unknown` count entities; `reasons` says which and why."""

    complete: bool
    truncated: bool
    restricted: int
    unknown: int
    reasons: tuple[Reason, ...]


@lru_cache(CACHED_URNS)
def identify(urn: str) -> tuple[Kind, str | None, str]:
    """Kind, namespace and name of a URN that the graph gave: it is canonical, so it is not checked again.

    Large answers name thousands of entities, most of them again and again from one answer to the next.
    """
    _, _, kind, *encoded = urn.split(":")
    parsed = Urn(kind, tuple(map(unquote, encoded)))
    return Kind(kind), parsed.namespace, parsed.name


def of_micros(value: int) -> datetime:
    """µs since the epoch as an aware UTC datetime."""
    seconds, rest = divmod(value, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)


def micros(value: datetime) -> int:
    """An aware datetime as µs since the epoch, exactly."""
    delta = value.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def as_time(value: Any) -> datetime | None:
    """A fact's time: µs since the epoch, or RFC 3339 text (without a zone: UTC). None when it is neither."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return of_micros(value)
    if isinstance(value, str):
        try:
            parsed = datetime.fromisoformat(value)
        except ValueError:
            return None
        return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return None
