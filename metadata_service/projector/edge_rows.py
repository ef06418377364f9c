"""An edge as events show it, and the row in which an edge set keeps it."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, Final

from metadata_service.graph.ops import COLUMN_DERIVED_FROM, Family
from metadata_service.projector.names import dataset_of

__all__ = ["FIELDS", "RANKS", "STATUS", "WHOLE", "Moment", "Shown", "basis_of", "follows", "latest", "of_all_columns", "row_last_said", "row_of", "said",
           "said_at", "slot_of", "with_last_said"]

# how sure an edge is: what a producer says outright beats what a parser found, which beats the product of inputs and outputs
RANKS: Final = {"lineage": 4, "columnLineage": 3, "derivation": 2, "inputsOutputs": 1, "declared": 5}
Moment = int | list[int]  # a claimed time (µs), or one for each end of an edge: what is renamed holds from then on by its new name
_BASES: Final = {rank: basis for basis, rank in RANKS.items()}


@dataclass(frozen=True, slots=True)
class Shown:
    """One edge as an event shows it, without interval and code."""

    family: Family
    downstream: str
    upstream: str
    basis: str
    type: str | None = None
    subtype: str | None = None
    expression: str | None = None
    file: str | None = None
    line: int | None = None
    column: int | None = None
    parser: str | None = None
    status: str | None = None
    version: str | None = None


FIELDS: Final = tuple(field.name for field in fields(Shown))  # a row is these in this order, when and by which entry it was opened, and one thing more:
WHOLE: Final = len(FIELDS) + 2  # when it was last said (claimed, µs), see `Moment`, or True if it follows from a row for all columns
STATUS: Final = FIELDS.index("status")
_VALUES: Final = attrgetter(*FIELDS)


def slot_of(shown: Shown) -> str:
    """What one edge of a set is told apart by; the rest of it can change."""
    return "\n".join((shown.family, shown.downstream, shown.upstream, shown.type or "", shown.subtype or ""))


def basis_of(rank: int) -> str:
    """The basis with this rank."""
    return _BASES[rank]


def row_of(shown: Shown) -> list[Any]:
    return list(_VALUES(shown))


def said(row: Sequence[Any]) -> Sequence[Any]:
    return row[:len(FIELDS)]


def of_all_columns(row: Sequence[Any], output: str) -> bool:
    """Whether a row is no edge but stands for one into each column of the output, a dataset."""
    return row[0] == COLUMN_DERIVED_FROM and row[1] == output and dataset_of(output) == output


def follows(row: Sequence[Any]) -> bool:
    """Whether a row is there because another stands for all columns."""
    return len(row) > WHOLE and row[WHOLE] is True


def said_at(row: Sequence[Any], moment: Moment) -> list[Any]:
    """The row as it is when it is said again at this claimed time."""
    return [*row[:WHOLE], moment if len(row) == WHOLE or row[WHOLE] is True else latest(moment, row[WHOLE])]


def latest(one: Moment, other: Moment) -> Moment:
    """The later of two, at either end of an edge."""
    if isinstance(one, int) and isinstance(other, int):
        return max(one, other)
    (one_below, one_above), (below, above) = _both(one), _both(other)
    return [max(one_below, below), max(one_above, above)]


def row_last_said(row: Sequence[Any], otherwise: int, at: str | None) -> int:
    """When the row was last said of the dataset `at`, an end of its, or of what is no dataset (claimed, µs); `otherwise` if that is not known of it alone."""
    if len(row) == WHOLE or row[WHOLE] is True:
        return otherwise
    below, above = _both(row[WHOLE])
    return max(moment for moment, urn in ((below, row[1]), (above, row[2])) if dataset_of(urn) == at)


def _both(moment: Moment) -> list[int]:
    return [moment, moment] if isinstance(moment, int) else moment


def with_last_said(state: Mapping[str, Any], seen: Sequence[Any] | None) -> dict[str, list[Any]]:
    """The rows of an edge set, each with when it was last said. That the set was told again what it has taken in, only its counters know; of what it has taken
    in the set keeps which of its rows, by their places in order, that does not say."""
    held: dict[str, list[Any]] = dict(state["edges"])
    repeats: Mapping[str, int] = seen[3] if seen is not None and len(seen) > 3 else {}
    slots = sorted(held) if repeats else []
    for key in state["absorbed"]:
        silent = set(state.get("silent", {}).get(key, ()))
        if key in repeats:
            held.update({slot: said_at(held[slot], repeats[key]) for place, slot in enumerate(slots) if place not in silent and not follows(held[slot])})
    return held
