"""What is said of things on the path and changed within the window: schemas, checks, aliases that something follows, runs that failed."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from lineproof_schema.urn import format_urn, kind_of, parse_urn
from metadata_service.graph.port import RevisionRow
from metadata_service.projector.names import feature_ref
from metadata_service.queries.activity import last_runs
from metadata_service.queries.column_types import Fit, fit
from metadata_service.queries.context import QueryContext
from metadata_service.queries.mask import hidden, withheld
from metadata_service.queries.phrases import called, shortened, spoken
from metadata_service.queries.shapes import as_time
from metadata_service.queries.suspect_shapes import Suspect, SuspectKind
from metadata_service.queries.suspect_weights import OFF_THE_PATH, WIDER_TYPE, Path, plain, weighed
from metadata_service.queries.trace_walk import Walked

__all__ = ["of_aliases", "of_facts", "of_failed_runs"]

_WORDS: Final = 100  # characters of a value in a sentence


def of_facts(path: Path, urn: str, history: Sequence[RevisionRow], start: int) -> Iterable[Suspect]:
    """Schemas that changed, and checks that failed, within the window."""
    columns = path.columns(urn)
    failing: set[str] = set()  # checks that failed within the window already: the same one again is no other change
    for row in history:
        if row.from_ <= start or row.value is None:
            continue
        if row.fact == "schema":
            before = next((each.value for each in history if each.fact == "schema" and each.to == row.from_), None)
            changed, said = _schema_change(before, row.value)
            if said and before is not None:
                touched = {fit for name, fit in changed.items() if not columns or any(_within(name, each) or _within(each, name) for each in columns)}
                less = OFF_THE_PATH if not touched else WIDER_TYPE if touched == {Fit.WIDER} else 0
                yield weighed(path, plain(SuspectKind.SCHEMA, urn, f"columns changed: {said}", before, row.value, row.from_), less)
        elif row.fact.startswith("quality:") and isinstance(row.value, Mapping):
            if row.value.get("success") is not False or row.fact in failing:
                failing -= {row.fact} if row.value.get("success") is True else set()
                continue
            failing.add(row.fact)
            column = row.value.get("column")
            about = urn if column is None or kind_of(urn) != "dataset" else format_urn("column", *parse_urn(urn).components, str(column))
            check = str(row.value.get("check") or row.fact.removeprefix("quality:"))
            expected, actual = row.value.get("expected"), row.value.get("actual")
            found = plain(SuspectKind.QUALITY, about, f"{check} failed: expected {spoken(expected)}, found {spoken(actual)}", expected, actual, row.from_,
                           at=as_time(row.value.get("checkedAt")))
            yield weighed(path, found, OFF_THE_PATH if path.beside(about) else 0)


def _schema_change(before: Any, after: Any) -> tuple[dict[str, Fit], str]:
    """The columns and fields that came, went or got another type, with what that means to readers, and a sentence of it."""
    old, new = (dict(_types(side)) for side in (before, after))
    fits = {name: fit(str(old[name]), str(new[name])) if old[name] is not None and new[name] is not None else Fit.SAME for name in old.keys() & new.keys()}
    gone, come, other = sorted(old.keys() - new.keys()), sorted(new.keys() - old.keys()), sorted(name for name in fits if fits[name] is not Fit.SAME)
    parts = [f"{word} {', '.join(names)}" for word, names in (("without", gone), ("new", come)) if names]
    parts += [f"{name} {old[name]} → {new[name]}" for name in other]
    return {**dict.fromkeys((*gone, *come), Fit.OTHER), **{name: fits[name] for name in other}}, shortened("; ".join(parts), _WORDS)


def _types(fields: Any, above: str = "") -> Iterable[tuple[str, Any]]:
    """Each column, and each field of a struct by its path, with its type."""
    for each in fields or ():
        if isinstance(each, Mapping) and "name" in each:
            yield above + str(each["name"]), each.get("type")
            yield from _types(each.get("fields"), f"{above}{each['name']}.")


def _within(name: str, other: str) -> bool:
    """Whether a column or field is the other one or a field of it."""
    return name == other or name.startswith(f"{other}.")


async def of_aliases(context: QueryContext, path: Path, found: Walked, asked: str, versions: Sequence[str], start: int) -> list[Suspect]:
    """Aliases that moved within the window, by which something on the way follows a feature or a model: what is pinned does not."""
    heads = {str(parse_urn(each).parent): each for each in versions}
    follows = {(str(parse_urn(edge.upstream).parent), edge.subtype) for edge in found.edges if edge.subtype and edge.subtype.startswith("alias:")}
    for model in (await context.graph.get([each for each in versions if kind_of(each) == "model-version"], context.at)).values():
        for reference in (model.facts.get("resolvedFeatures") or ()) if model.facts.get("binding") != "stable" else ():
            namespace, name, alias = feature_ref(reference)
            follows.add((format_urn("feature", namespace, name), f"alias:{alias}"))
    rows = []
    for head, version in sorted(heads.items()):
        history = await context.graph.revisions(head, context.at)
        for row in history:
            if row.fact.startswith("alias:") and row.from_ > start and (head == asked or (head, row.fact) in follows):
                before = next((each.value for each in history if each.fact == row.fact and each.to == row.from_), None)
                old, new = (value.get("version") if isinstance(value, Mapping) else None for value in (before, row.value))
                why = row.value.get("reason") if isinstance(row.value, Mapping) else None
                said = f"{row.fact.removeprefix('alias:')} of {called(head)} moved from {old or 'nothing'} to {new or 'nothing'}" + (f" ({why})" if why else "")
                rows.append(weighed(path, plain(SuspectKind.ALIAS, version, said, old, new, row.from_)))
    return rows


async def of_failed_runs(context: QueryContext, path: Path, jobs: Mapping[str, str], start: int) -> list[Suspect]:
    """Jobs on the path whose last run ended badly within the window: what they write is older than it should be."""
    found = []
    for job, run in (await last_runs(context, jobs)).items():
        if run.status in ("FAIL", "ABORT") and run.recorded_by >= start:
            said = f"the last run of {called(job)} ended as {run.status}" + await _why_failed(context, run.urn)
            found.append(weighed(path, plain(SuspectKind.RUN_FAILED, jobs[job], said, None, run.status, run.recorded_by + 1, job=job, run=run.urn,
                                               at=run.ended_at or run.started_at)))
    return found


async def _why_failed(context: QueryContext, run: str) -> str:
    """What the run said of its end, and what it had written by then."""
    rows = await context.graph.get([run], context.at)
    facts = rows[run].facts if run in rows else {}
    error = facts.get("facet:errorMessage")
    message = error.get("message") if isinstance(error, Mapping) else None
    outputs = facts.get("outputFacets")
    counts = {urn: (facets.get("outputStatistics") or {}).get("rowCount") for urn, facets in outputs.items()} if isinstance(outputs, Mapping) else {}
    masked = await hidden(context, counts)
    wrote = ", ".join(f"{count} rows of {called(urn)}" for urn, count in sorted(counts.items()) if isinstance(count, int) and urn not in masked)
    untold = (await withheld(context, [message]))[0] if message else True
    return ("" if untold else f": {shortened(str(message), _WORDS)}") + (f"; it had written {wrote}" if wrote else "")
