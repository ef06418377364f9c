"""What is asked about, made ready for the checks: a model version, a feature version, a dataset or one of its versions."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from lineproof_schema.urn import Urn, format_urn, parse_urn
from metadata_service.graph.port import NodeRow
from metadata_service.queries.context import QueryContext
from metadata_service.queries.point_in_time.case import Case, Deployed, FeatureUse, Materialized
from metadata_service.queries.point_in_time.findings import Boundary, CheckState, Finding
from metadata_service.queries.point_in_time.known import Judge
from metadata_service.queries.point_in_time.load import load
from metadata_service.queries.point_in_time.recorded import History, knowledge_of, seconds_of
from metadata_service.queries.shapes import as_time, of_micros

__all__ = ["case_of"]

LINKS = 1_000


@dataclass(frozen=True, slots=True)
class _Subject:
    """The versions to check, which of their columns (empty: all), and what is declared about their times."""

    roots: tuple[str, ...]
    reference: str | None
    label_time: str | None = None
    labels: frozenset[str] | None = None
    columns: Mapping[str, tuple[str, ...]] | None = None  # by dataset
    as_of: datetime | None = None
    binding: str | None = None


async def case_of(context: QueryContext, row: NodeRow, boundary: Boundary) -> Case | None:
    """The case of an entity; None for a kind that has no training data."""
    parsed = parse_urn(row.urn)
    subject = await _subject(context, row, parsed)
    if subject is None:
        return None
    history = await load(context, subject.roots, subject.reference)
    judged = _judged(history, subject, boundary, await _schemas(context, subject.roots))
    features = await _features(context, row, history) if parsed.kind == "model-version" else ()
    if parsed.kind == "feature-version":
        features = (await _feature(context, row, None, row.urn),)
    deployed = await _deployed(context, row.urn) if parsed.kind == "model-version" else ()
    last = await context.graph.outcome(context.size - 1) if context.size else None
    return Case(row.urn, subject.roots, subject.reference, subject.label_time, subject.labels, subject.as_of, subject.binding, history, judged, features,
                deployed, of_micros(last.received) if last is not None else None, row.since.get("referenceTimeColumn", row.from_) - 1)


async def _subject(context: QueryContext, row: NodeRow, parsed: Urn) -> _Subject | None:
    facts = row.facts
    if parsed.kind == "model-version":
        trained = (await context.graph.provenance([row.urn], ["TRAINED_ON"], context.at, LINKS)).get(row.urn)
        named: dict[str, list[str]] = {}
        for each in facts.get("trainingColumns") or ():
            named.setdefault(format_urn("dataset", each["namespace"], each["name"]), []).append(str(each["column"]))
        labels = facts.get("labelColumns")
        return _Subject(tuple(link.dst for link in trained.out) if trained is not None else (), _text(facts, "referenceTimeColumn"),
                        _text(facts, "labelTimeColumn"), frozenset(map(str, labels)) if isinstance(labels, list) and labels else None,
                        {dataset: tuple(columns) for dataset, columns in named.items()} or None, as_time(facts.get("asOf")), _text(facts, "binding"))
    if parsed.kind == "feature-version":
        return await _of_feature(context, facts)
    if parsed.kind == "dataset":
        current = _text(facts, "currentVersion")
        rows = await context.graph.get([current], context.at) if current is not None else {}
        return _of_version(rows[current]) if current in rows else _Subject((), None)
    return _of_version(row) if parsed.kind == "dataset-version" else None


def _of_version(row: NodeRow) -> _Subject:
    times = row.facts.get("eventTime")
    knowledge = knowledge_of(row.facts.get("knowledge"))
    return _Subject((row.urn,), _text(times, "column") if isinstance(times, Mapping) else None, knowledge.column if knowledge.kind == "column" else None)


async def _of_feature(context: QueryContext, facts: Mapping[str, Any]) -> _Subject:
    """A feature version: the column that stores it, in the version last materialized, else the current one."""
    stored, definition, written = (_mapping(facts.get(name)) for name in ("column", "definition", "materialization"))
    dataset = format_urn("dataset", str(stored.get("namespace")), str(stored.get("name")))
    version = _text(written, "output")
    if version is None:
        found = (await context.graph.get([dataset], context.at)).get(dataset)
        version = _text(found.facts, "currentVersion") if found is not None else None
    rows = await context.graph.get([version], context.at) if version is not None else {}
    time = _text(definition, "eventTimeColumn")
    if version is None or version not in rows:
        return _Subject((), time)
    own = _of_version(rows[version])
    return replace(own, reference=time or own.reference, label_time=None, columns={dataset: (str(stored.get("column")),)})


async def _schemas(context: QueryContext, roots: Sequence[str]) -> dict[str, list[str]]:
    datasets = sorted({str(parse_urn(root).parent) for root in roots})
    rows = await context.graph.get(datasets, context.at) if datasets else {}
    return {urn: [str(field["name"]) for field in row.facts.get("schema") or () if isinstance(field, Mapping) and "name" in field] for urn, row in rows.items()}


def _judged(history: History, subject: _Subject, boundary: Boundary, schemas: Mapping[str, Sequence[str]]) -> dict[tuple[str, str], tuple[Finding, ...]]:
    """Every column that is read, except times and labels, as far as the subject says which these are."""
    if subject.reference is None:
        return {}
    judge = Judge(history, subject.roots, subject.reference, boundary, subject.label_time)
    judged: dict[tuple[str, str], tuple[Finding, ...]] = {}
    for root in subject.roots:
        dataset = str(parse_urn(root).parent)
        named = (subject.columns or {}).get(dataset)
        made = history.made.get(root)
        told = list(made.timing.columns) if made is not None and made.timing is not None else list(schemas.get(dataset, ()))
        leave = {subject.reference, *([subject.label_time] if subject.label_time and named is None else ()), *(subject.labels or ())}
        for column in named if named is not None else told:
            if column not in leave:
                found = judge.column(root, column, subject.reference)
                judged[root, column] = tuple(found if subject.labels is not None else map(_label_or_leak, found))
    return judged


def _label_or_leak(finding: Finding) -> Finding:
    """Without a declared label, a column known with the label may be the label."""
    if finding.why != "known-with-label":
        return finding
    return replace(finding, state=CheckState.UNKNOWN, why="label-or-leak", detail=f"{finding.detail}: it is the label or a leak; declare labelColumns")


async def _features(context: QueryContext, row: NodeRow, history: History) -> tuple[FeatureUse, ...]:
    """The feature versions a model version was registered with."""
    links = (await context.graph.provenance([row.urn], ["USES"], context.at, LINKS)).get(row.urn)
    used = sorted({link.dst for link in links.out}) if links is not None else []
    rows = await context.graph.get(used, context.at) if used else {}
    resolved = _mapping(row.facts.get("resolvedFeatures"))
    by_alias = {str(urn): str(reference) for reference, urn in resolved.items()}
    found = []
    for urn in used:
        reference = by_alias.get(urn)
        current, moved = await _current(context, urn, reference) if reference is not None else (urn, None)
        use = await _feature(context, rows[urn], reference, current) if urn in rows else FeatureUse(urn, reference, 0, None, None, None)
        found.append(replace(use, current_entry=moved))
    return tuple(found)


async def _current(context: QueryContext, urn: str, reference: str) -> tuple[str | None, int | None]:
    """The version an alias means at the position, and the entry that says so."""
    parsed = parse_urn(urn)
    head = format_urn("feature", *parsed.components[:2])
    row = (await context.graph.get([head], context.at)).get(head)
    alias = row.facts.get(f"alias:{reference.rpartition('@')[2]}") if row is not None else None
    if not isinstance(alias, Mapping) or "version" not in alias:
        return None, None
    index = alias.get("index")
    return format_urn("feature-version", *parsed.components[:2], str(alias["version"])), index if isinstance(index, int) else None


async def _feature(context: QueryContext, row: NodeRow, reference: str | None, current: str | None) -> FeatureUse:
    entry = row.since.get("dataHash", row.from_) - 1
    record = await context.graph.outcome(entry)
    definition = _mapping(row.facts.get("definition"))
    spans = [float(definition["ttlSeconds"])] if isinstance(definition.get("ttlSeconds"), int) else []
    window = seconds_of(str(definition.get("window"))) if definition.get("window") is not None else None
    said = [found for found in await context.graph.revisions(row.urn, context.at) if found.fact == "materialization" and isinstance(found.value, Mapping)]
    written = tuple(_materialized(found.value, found.from_ - 1) for found in said)
    at = None if record is None else of_micros(record.claimed if record.claimed is not None else record.received)
    return FeatureUse(row.urn, reference, entry, at, max([*spans, *([window] if window is not None else [])], default=None), current, written)


def _materialized(said: Mapping[str, Any], entry: int) -> Materialized:
    interval = _mapping(said.get("interval"))
    return Materialized(entry, as_time(interval.get("start")), as_time(interval.get("end")), as_time(said.get("finishedAt")), _text(said, "status"))


async def _deployed(context: QueryContext, urn: str) -> tuple[Deployed, ...]:
    links = (await context.graph.provenance([urn], ["DEPLOYS"], context.at, LINKS)).get(urn)
    rows = await context.graph.get(sorted({link.src for link in links.into}), context.at) if links is not None and links.into else {}
    return tuple(Deployed(each.urn, each.since.get("live", each.from_) - 1, _text(each.facts, "environment"), tuple(map(str, each.facts.get("features") or ())))
                 for each in rows.values() if each.facts.get("live"))


def _text(facts: Mapping[str, Any], name: str) -> str | None:
    value = facts.get(name)
    return value if isinstance(value, str) else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
