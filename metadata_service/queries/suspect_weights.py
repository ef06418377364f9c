"""How likely a suspect is the cause: by its kind, what it decides, how far away it is, and how sure it is that it counts at all."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from lineproof_schema.urn import holder, kind_of, parse_urn
from metadata_service.graph.ops import DERIVED_FROM
from metadata_service.queries.influence import Influence, ValuePath
from metadata_service.queries.suspect_shapes import Suspect, SuspectKind
from metadata_service.queries.trace_walk import Walked

__all__ = ["OFF_THE_PATH", "POSSIBLE", "ROWS_ONLY", "WIDER_TYPE", "Path", "plain", "weighed"]

SCORES: Final = {  # by kind, before distance and influence
    SuspectKind.CODE: 90, SuspectKind.QUALITY: 85, SuspectKind.VOLUME: 75, SuspectKind.DISTRIBUTION: 72, SuspectKind.SCHEMA: 70, SuspectKind.RUN_FAILED: 65,
    SuspectKind.RUN_MISSING: 62, SuspectKind.INPUT_VERSION: 60, SuspectKind.ALIAS: 60, SuspectKind.CONFIG: 55, SuspectKind.ENVIRONMENT: 50,
    SuspectKind.DATA: 15}
POSSIBLE: Final = 10  # less, for a column of a dataset that a step reads as a whole
OFF_THE_PATH: Final = 45  # less, for a change that leaves alone how the traced columns are computed
UNREAD: Final = 20  # less, for what came too late to get into the value by what producers claim
WIDER_TYPE: Final = 20  # less, for a type that holds every value the earlier one held
ROWS_ONLY: Final = 35  # less, for what only decides which rows there are
MAX_DISTANCE: Final = 10  # less at most, one per step away


@dataclass(frozen=True, slots=True)
class Path:
    """The walk by entity, a dataset being as near as its nearest column: distances, columns on the way, and what decides the value.

    Of a dataset that a step reads as a whole all columns are on the way. `until` says of datasets until when what became of them could get into
    the value: a run that would have carried on what is younger has not run since.
    """

    nearest: Mapping[str, int]
    on_the_way: Mapping[str, set[str]]
    decisive: frozenset[str]
    until: Mapping[str, datetime]

    @classmethod
    def of(cls, found: Walked, value: ValuePath, roots: Iterable[str]) -> Path:
        nearest: dict[str, int] = {}
        columns: dict[str, set[str]] = {}
        whole = {edge.upstream for edge in found.edges if edge.family == DERIVED_FROM}
        for urn, distance in found.distance.items():
            dataset = holder(urn)
            for each in {urn, dataset}:
                nearest[each] = min(distance, nearest.get(each, distance))
            if urn != dataset and dataset not in whole:
                columns.setdefault(dataset, set()).add(parse_urn(urn).name)
        return cls(nearest, columns, frozenset({*value.distance, *map(holder, value.distance)}), found.read_until(roots))

    def influence(self, urn: str) -> Influence:
        """Of a column beside those on the way it is at most which rows there are."""
        return Influence.VALUE if self._place(urn) in self.decisive and not self.beside(urn) else Influence.ROWS

    def beside(self, urn: str) -> bool:
        """Whether it is a column that is not on the way, of a dataset of which others are."""
        columns = self.columns(holder(urn)) if kind_of(urn) == "column" else set()
        return bool(columns) and parse_urn(urn).name not in columns

    def distance(self, urn: str) -> int:
        return self.nearest.get(self._place(urn), 0)

    def _place(self, urn: str) -> str:
        return urn if urn in self.nearest or kind_of(urn) != "column" else holder(urn)

    def unread(self, suspect: Suspect) -> bool:
        """Whether it came about after all on the way had read what they read. A check speaks of data that were there before it."""
        until = self.until.get(holder(suspect.urn))
        return suspect.kind is not SuspectKind.QUALITY and suspect.at is not None and until is not None and suspect.at > until

    def columns(self, dataset: str) -> set[str]:
        return self.on_the_way.get(dataset, set())


def weighed(path: Path, suspect: Suspect, less: int = 0) -> Suspect:
    """The suspect with its distance, influence and score."""
    influence, distance = path.influence(suspect.urn), path.distance(suspect.urn)
    score = SCORES[suspect.kind] - less - min(distance, MAX_DISTANCE) - (ROWS_ONLY if influence is Influence.ROWS else 0)
    if path.unread(suspect):
        suspect, score = replace(suspect, because=f"{suspect.because}; nothing on the way has read it since"), score - UNREAD
    return replace(suspect, influence=influence, distance=distance, score=max(score, 0))


def plain(kind: SuspectKind, urn: str, because: str, before: Any, after: Any, since: int | None, **more: Any) -> Suspect:
    return Suspect(kind, urn, 0, because, Influence.VALUE, 0, before, after, since, **{"at": None, **more})
