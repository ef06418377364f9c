"""What the checks are made on: a subject, the history behind it, and how each of its columns was judged. All plain data."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from lineproof_schema.urn import format_urn, parse_urn
from metadata_service.queries.point_in_time.findings import CheckState, Finding, Place, worst
from metadata_service.queries.point_in_time.recorded import History, Knowledge, Predicate, Read

__all__ = ["Case", "CheckName", "Deployed", "Evidence", "FeatureUse", "Materialized", "Result", "column_of", "evidence_of",
           "of_findings", "said"]

MAX_EVIDENCE = 8  # places told per result; the first decides


class CheckName(Enum):
    """The eight checks of a training set against time."""

    AS_OF = "as-of"
    EVENT_RANGE = "event-range"
    TIME_PREDICATE = "time-predicate"
    LABEL_UPSTREAM = "label-upstream"
    BACKFILL = "backfill"
    LATE_DATA = "late-data"
    BINDING_SKEW = "binding-skew"
    LOOKBACK = "lookback"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a result rests on: `what` is predicate, read, knowledge, version, registration, materialization, deployment, model or alias."""

    what: str
    text: str | None = None
    entry: int | None = None
    file: str | None = None
    line: int | None = None
    column: int | None = None
    version: str | None = None
    transformation: str | None = None
    commit: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What one check says of one thing."""

    check: CheckName
    state: CheckState
    subject: str
    code: str
    detail: str
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Materialized:
    """A time when a feature version was written to a store."""

    entry: int
    start: datetime | None
    end: datetime | None
    finished_at: datetime | None
    status: str | None


@dataclass(frozen=True, slots=True)
class FeatureUse:
    """A feature version that the model was trained with. `reference` is how the model names it, `lookback` (seconds) what its definition says."""

    urn: str
    reference: str | None
    entry: int
    registered_at: datetime | None
    lookback: float | None
    current: str | None  # what the reference means at the position
    materialized: tuple[Materialized, ...] = ()
    current_entry: int | None = None  # the entry that moved it there


@dataclass(frozen=True, slots=True)
class Deployed:
    """A live deployment and the feature versions it serves."""

    urn: str
    entry: int
    environment: str | None
    features: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """Everything the checks look at. `judged`: (version, column) -> its readings; label columns are not among them.

    `as_of` is what the subject declares; `now` the time of the position's last entry.
    """

    urn: str
    roots: tuple[str, ...]
    reference: str | None
    label_time: str | None
    labels: frozenset[str] | None
    as_of: datetime | None
    binding: str | None
    history: History
    judged: Mapping[tuple[str, str], tuple[Finding, ...]]
    features: tuple[FeatureUse, ...] = ()
    deployed: tuple[Deployed, ...] = ()
    now: datetime | None = None
    entry: int | None = None
    described: Mapping[str, str] = field(default_factory=dict)

    def readings(self) -> Iterable[Finding]:
        """All readings of all columns."""
        return (finding for found in self.judged.values() for finding in found)


def column_of(version: str, column: str) -> str:
    """The URN of a column of a dataset version's dataset."""
    return format_urn("column", *parse_urn(version).components[:2], column)


def said(knowledge: Knowledge) -> str:
    """Knowledge as it is declared."""
    if knowledge.kind == "column":
        return f"column:{knowledge.column}"
    if knowledge.kind == "delay":
        return f"eventTime+{'?' if knowledge.delay is None else f'{knowledge.delay:g} s'}"
    return "committed"


def evidence_of(history: History, findings: Iterable[Finding]) -> tuple[Evidence, ...]:
    """Where in code readings stand, and who said when their rows could be known."""
    found: dict[Evidence, None] = {}
    for finding in findings:
        for place in _places(finding):
            made = place.made
            for predicate in place.predicates:
                stands = predicate if predicate.line is not None else place.read  # `JOIN … USING` is a comparison that nobody wrote
                found[Evidence("predicate", predicate.text, made.entry, stands.file, stands.line, stands.column, finding.version,
                               made.transformation, made.commit)] = None
            if not place.predicates:
                name = parse_urn(finding.dataset).name if finding.dataset is not None else None
                found[Evidence("read", name, made.entry, place.read.file, place.read.line, place.read.column, finding.version,
                               made.transformation, made.commit)] = None
        snapshot = history.snapshots.get(finding.version or "")
        if snapshot is not None and finding.declared:
            found[Evidence("knowledge", said(snapshot.knowledge), snapshot.entry, version=snapshot.urn)] = None
    return tuple(sorted(found, key=lambda each: each.what == "knowledge"))[:MAX_EVIDENCE]


def _places(finding: Finding) -> list[Place]:
    """Where the rows are read, after the comparison that bounded them if it stands in another statement."""
    place = finding.place
    if place is None:
        return []
    return [place] if place.via is None or place.predicates else [place.via, place]


def of_findings(case: Case, check: CheckName, subject: str, findings: Iterable[Finding]) -> Result:
    """The result that readings come to: the worst of them decides, and only those of its state are told."""
    findings = list(findings)
    state = worst(each.state for each in findings)
    leading = sorted((each for each in findings if each.state is state), key=_position)
    lead = leading[0]
    return Result(check, state, subject, lead.why, lead.detail, evidence_of(case.history, leading))


def _position(finding: Finding) -> tuple[str, int, int]:
    """Where a reader of the code meets it."""
    places = _places(finding)
    stands: Predicate | Read | None = (places[0].predicates[0] if places[0].predicates else places[0].read) if places else None
    return (stands.file or "", stands.line or 0, stands.column or 0) if stands is not None else ("", 0, 0)
