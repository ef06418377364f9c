"""What a reading of rows comes to: states, findings, and which of them counts."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from metadata_service.queries.point_in_time.recorded import Made, Predicate, Read

__all__ = ["NOT_FOLLOWED", "Boundary", "CheckState", "Finding", "Link", "Place", "worst"]


NOT_FOLLOWED = ("not-recorded", "not-followed", "version-not-recorded", "too-deep", "made-of-itself", "earlier-rows")  # what lies behind is not known


class CheckState(Enum):
    """violation: what is recorded contradicts the rule. suspect: it points to that, without being certain. proven: it shows that the rule
    holds. unknown: what would decide it is not recorded."""

    VIOLATION = "violation"
    SUSPECT = "suspect"
    UNKNOWN = "unknown"
    PROVEN = "proven"


class Boundary(Enum):
    """Whether a row that became known at the very reference time may be read."""

    STRICT = "strict"
    INCLUSIVE = "inclusive"


class Link(Enum):
    """How the time of a row stands to the reference time: it is that of the very row, equal to it, not later, or earlier."""

    SAME = "same"
    EQUAL = "equal"
    TIE = "tie"
    EARLIER = "earlier"


@dataclass(frozen=True, slots=True)
class Place:
    """Where in code, and who says so. `via`: the comparison, in a later statement, by which these rows were bounded before."""

    made: Made
    read: Read
    predicates: tuple[Predicate, ...] = ()
    via: Place | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One reading of rows. `dataset` and `version` (None: not recorded which) are what is read, `fields` the columns, `place` where.

    `unbounded`: no time of these rows is bounded by the reference time at all.
    """

    state: CheckState
    why: str
    detail: str
    dataset: str | None = None
    version: str | None = None
    fields: tuple[str, ...] = ()
    place: Place | None = None
    declared: bool = False
    unbounded: bool = False


_ORDER = (CheckState.VIOLATION, CheckState.SUSPECT, CheckState.UNKNOWN, CheckState.PROVEN)


def worst(states: Iterable[CheckState]) -> CheckState:
    """The state of several: a violation among them makes one of all, and only what is proven throughout is proven."""
    return min(states, key=_ORDER.index, default=CheckState.UNKNOWN)
