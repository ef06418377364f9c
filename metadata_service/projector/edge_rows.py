"""An edge as events show it, and the row in which an edge set keeps it."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, Final

from metadata_service.graph.ops import COLUMN_DERIVED_FROM, Family
from metadata_service.projector.names import dataset_of

__all__ = ["FIELDS", "RANKS", "STATUS", "WHOLE", "Shown", "basis_of", "follows", "of_all_columns", "row_of", "said", "slot_of"]

# how sure an edge is: what a producer says outright beats what a parser found, which beats the product of inputs and outputs
RANKS: Final = {"lineage": 4, "columnLineage": 3, "derivation": 2, "inputsOutputs": 1, "declared": 5}
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


FIELDS: Final = tuple(field.name for field in fields(Shown))  # a row is these in this order, then when and by which entry it was opened
WHOLE: Final = len(FIELDS) + 2  # a longer row follows from one that stands for all columns
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
    return len(row) > WHOLE
