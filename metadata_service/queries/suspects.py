"""Suspects: everything upstream of a value that changed in a window, the likeliest first, each with what it rests on.

The walk is that of `trace` at the end of the window. What changed how the value itself is computed, or what it is made of, stands
before what only decides its rows; a nearer change before a farther one of its kind.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from lineproof_schema.urn import format_urn, holder, kind_of, parse_urn
from metadata_service.graph.ops import COLUMN_DERIVED_FROM, DERIVED_FROM, Edge
from metadata_service.graph.port import RevisionRow
from metadata_service.projector.names import feature_ref
from metadata_service.queries.activity import last_runs, versions
from metadata_service.queries.changes import code_changes
from metadata_service.queries.column_types import Fit, fit
from metadata_service.queries.context import QueryContext
from metadata_service.queries.errors import InvalidArgument
from metadata_service.queries.influence import Influence, ValuePath, value_path
from metadata_service.queries.lineage import RootEntity, hidden_jobs
from metadata_service.queries.mask import hidden, withheld
from metadata_service.queries.phrases import called, shortened, spoken
from metadata_service.queries.roots import asked_roots
from metadata_service.queries.shapes import Level, as_time
from metadata_service.queries.suspect_data import data_suspects, looked_at, missing_run
from metadata_service.queries.suspect_runs import run_suspects
from metadata_service.queries.suspect_shapes import OpaqueStep, Suspect, SuspectKind, Suspects
from metadata_service.queries.trace_shapes import CodeChange
from metadata_service.queries.trace_walk import Walked, walk

__all__ = ["suspects"]

HISTORY_LIMIT: Final = 20_000
MAX_DATASETS: Final = 500  # whose history is read
SCORES: Final = {  # by kind, before distance and influence
    SuspectKind.CODE: 90, SuspectKind.QUALITY: 85, SuspectKind.VOLUME: 75, SuspectKind.DISTRIBUTION: 72, SuspectKind.SCHEMA: 70, SuspectKind.RUN_FAILED: 65,
    SuspectKind.RUN_MISSING: 62, SuspectKind.INPUT_VERSION: 60, SuspectKind.ALIAS: 60, SuspectKind.CONFIG: 55, SuspectKind.ENVIRONMENT: 50,
    SuspectKind.DATA: 15}
OF_CODE: Final = frozenset({SuspectKind.CODE, SuspectKind.CONFIG, SuspectKind.ENVIRONMENT})
OF_DATA: Final = frozenset({SuspectKind.VOLUME, SuspectKind.DISTRIBUTION})
POSSIBLE: Final = 10  # less, for a column of a dataset that a step reads as a whole
OFF_THE_PATH: Final = 45  # less, for a change that leaves alone how the traced columns are computed
WIDER_TYPE: Final = 20  # less, for a type that holds every value the earlier one held
ROWS_ONLY: Final = 35  # less, for what only decides which rows there are
MAX_DISTANCE: Final = 10  # less at most, one per step away
_WORDS: Final = 100  # characters of a value in a sentence


@dataclass(frozen=True, slots=True)
class _Path:
    """The walk by entity, a dataset being as near as its nearest column: distances, columns on the way, and what decides the value.

    Of a dataset that a step reads as a whole all columns are on the way.
    """

    nearest: Mapping[str, int]
    on_the_way: Mapping[str, set[str]]
    decisive: frozenset[str]

    @classmethod
    def of(cls, found: Walked, value: ValuePath) -> _Path:
        nearest: dict[str, int] = {}
        columns: dict[str, set[str]] = {}
        whole = {edge.upstream for edge in found.edges if edge.family == DERIVED_FROM}
        for urn, distance in found.distance.items():
            dataset = holder(urn)
            for each in {urn, dataset}:
                nearest[each] = min(distance, nearest.get(each, distance))
            if urn != dataset and dataset not in whole:
                columns.setdefault(dataset, set()).add(parse_urn(urn).name)
        return cls(nearest, columns, frozenset({*value.distance, *map(holder, value.distance)}))

    def influence(self, urn: str) -> Influence:
        return Influence.VALUE if self._place(urn) in self.decisive else Influence.ROWS

    def distance(self, urn: str) -> int:
        return self.nearest.get(self._place(urn), 0)

    def _place(self, urn: str) -> str:
        return urn if urn in self.nearest or ":column:" not in urn else holder(urn)

    def columns(self, dataset: str) -> set[str]:
        return self.on_the_way.get(dataset, set())


async def suspects(context: QueryContext, urn: str, start: int) -> Suspects:
    """What changed upstream of `urn` in sizes (`start`, the context's].

    Raises:
        UrnError, InvalidArgument: `start` lies beyond the position.
    """
    if not 0 <= start <= context.size:
        raise InvalidArgument(f"from lies in 0..{context.size}, the end of the window; {start} does not")
    roots = await asked_roots(context, urn, Level.COLUMN)
    if not roots:
        return Suspects(await context.computed_at(), context.notes.completeness(), start, context.size, (), (), ())
    found = await walk(context, [root.urn for root in roots], None, pinned_only=True)
    masked = await hidden(context, {*found.distance, *map(holder, found.distance)}) | await hidden_jobs(context, [*found.edges, *found.constants])
    context.notes.restrict(len(masked & found.distance.keys()))
    value = value_path(found, [root.urn for root in roots])
    path = _Path.of(found, value)
    visible = [edge for edge in (*found.edges, *found.constants) if not {edge.downstream, edge.upstream, edge.via} & masked]
    changes = [change for change in await code_changes(context, visible, value, None) if start < change.size <= context.size and not change.first]
    rows = [row for change in changes for row in await _of_code(context, path, change)]
    holders = sorted({holder(each) for each in found.distance} - masked, key=lambda each: (path.distance(each), each))
    if len(holders) > MAX_DATASETS:
        context.notes.truncate(f"history of datasets (the nearest {MAX_DATASETS} of {len(holders)})")
    raw = set(holders) - {holder(edge.downstream) for edge in (*found.edges, *found.constants)}
    histories = {each: _read(found, each, await context.graph.revisions(each, context.at)) for each in holders[:MAX_DATASETS]}
    known = await versions(context, {version for history in histories.values() for version in looked_at(history, start)})
    for each, history in histories.items():
        rows += _of_facts(path, each, history, start)
        rows += [_weighed(path, suspect) for suspect in await data_suspects(context, each, history, known, start, path.columns(each), raw=each in raw)]
        late = await missing_run(context, each, history, known, start) if not _held(found, each) else None
        rows += [_weighed(path, late)] if late is not None else []
    told = {(holder(row.urn), row.job) for row in rows if row.kind in OF_CODE}
    measured = {(row.kind, row.urn) for row in rows if row.kind in OF_DATA}
    rows += [_weighed(path, row, OFF_THE_PATH if less else 0)
             for row, less in await run_suspects(context, found, histories, known, start, told, raw, path.columns) if (row.kind, row.urn) not in measured]
    rows += await _of_pins(context, path, visible, start)
    rows += await _of_aliases(context, path, found, urn, [each for each in holders if kind_of(each) in ("feature-version", "model-version")], start)
    rows += await _of_failed_runs(context, path, {edge.via: holder(edge.downstream) for edge in visible if edge.via is not None}, start)
    opaque = {(holder(edge.downstream), edge.via, edge.transformation): None for edge in visible
              if edge.basis == "inputsOutputs" or edge.status in ("partial", "unknown")}
    return Suspects(await context.computed_at(), context.notes.completeness(), start, context.size,
                    tuple(RootEntity(root.urn, root.why) for root in roots if root.urn not in masked),
                    tuple(sorted(rows, key=lambda row: (-row.score, row.distance, row.urn, row.kind.value))), tuple(OpaqueStep(*each) for each in opaque))


def _held(found: Walked, dataset: str) -> bool:
    """Whether the walk stands at an older version of the dataset, which its reader named."""
    return found.sizes.get(dataset) is not None and dataset in found.version


def _read(found: Walked, dataset: str, history: Sequence[RevisionRow]) -> list[RevisionRow]:
    """The history of a dataset as far as what was read of it goes: of what its reader held back only checks of that very version came later."""
    size = found.sizes.get(dataset)
    if size is None or dataset not in found.version:
        return list(history)
    version = found.version[dataset]
    return [row for row in history if row.from_ <= size or (row.fact.startswith("quality:") and isinstance(row.value, Mapping)
                                                            and row.value.get("version") in (version.id, version.urn))]


def _weighed(path: _Path, suspect: Suspect, less: int = 0) -> Suspect:
    """The suspect with its distance, influence and score."""
    influence, distance = path.influence(suspect.urn), path.distance(suspect.urn)
    score = SCORES[suspect.kind] - less - min(distance, MAX_DISTANCE) - (ROWS_ONLY if influence is Influence.ROWS else 0)
    return replace(suspect, influence=influence, distance=distance, score=max(score, 0))


def _plain(kind: SuspectKind, urn: str, because: str, before: Any, after: Any, since: int | None, **more: Any) -> Suspect:
    return Suspect(kind, urn, 0, because, Influence.VALUE, 0, before, after, since, **{"at": None, **more})


async def _of_code(context: QueryContext, path: _Path, change: CodeChange) -> list[Suspect]:
    """A new version of code: how it computes the columns on the path, else its configuration, its environment, or something else in it."""
    known = {"job": change.job, "commit": change.commit, "file": change.file, "line": change.line, "at": change.at}
    dataset = holder(change.columns[0].urn) if change.columns else str(change.job)
    pair = await context.graph.get([urn for urn in (change.previous, change.transformation) if urn], context.at)
    before, after = (pair[urn].facts if urn in pair else {} for urn in (change.previous or "", change.transformation or ""))
    modules = _other_modules(before, after)
    if change.path_changed:
        column = change.columns[0]
        said = f"how {called(column.urn)} is computed changed" if column.before != column.after else f"what {called(column.urn)} is made of changed"
        possible = column.urn not in path.nearest and holder(column.urn) in path.nearest
        said += modules + ("; which of its columns are read is not known" if possible else "")
        suspect = _weighed(path, _plain(SuspectKind.CODE, column.urn, said, column.before, column.after, change.size, **known), POSSIBLE if possible else 0)
        rows_only = ROWS_ONLY if change.influence is Influence.ROWS and suspect.influence is Influence.VALUE else 0
        return [replace(suspect, influence=change.influence, score=max(suspect.score - rows_only, 0))]
    found = []
    for kind, facts, what in ((SuspectKind.CONFIG, ("config",), "configuration"), (SuspectKind.ENVIRONMENT, ("image", "lockfile"), "environment")):
        for fact in facts:
            if before.get(fact) != after.get(fact) and (before.get(fact) or after.get(fact)):
                said = f"the {what} of its code changed ({fact})"
                found.append(_weighed(path, _plain(kind, dataset, said, before.get(fact), after.get(fact), change.size, **known)))
    said = f"its code changed{modules}, and says the same of the columns on the path"
    return found or [_weighed(path, _plain(SuspectKind.CODE, dataset, said, None, None, change.size, **known), OFF_THE_PATH)]


def _other_modules(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """The macros and modules that are others in a version of code than in the one before, and whether its own text is the same, in words."""
    old, new = (side.get("modules") or {} for side in (before, after))
    names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    if not names or not before or not after:
        return ""
    own = ", not its own text" if before.get("rawCode") == after.get("rawCode") else ""
    return f" ({shortened(', '.join(names), _WORDS)} changed{own})"


def _of_facts(path: _Path, urn: str, history: Sequence[RevisionRow], start: int) -> Iterable[Suspect]:
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
                yield _weighed(path, _plain(SuspectKind.SCHEMA, urn, f"columns changed: {said}", before, row.value, row.from_), less)
        elif row.fact.startswith("quality:") and isinstance(row.value, Mapping):
            if row.value.get("success") is not False or row.fact in failing:
                failing -= {row.fact} if row.value.get("success") is True else set()
                continue
            failing.add(row.fact)
            column = row.value.get("column")
            about = urn if column is None or kind_of(urn) != "dataset" else format_urn("column", *parse_urn(urn).components, str(column))
            check = str(row.value.get("check") or row.fact.removeprefix("quality:"))
            expected, actual = row.value.get("expected"), row.value.get("actual")
            on_path = column is None or str(column) in columns or not columns
            found = _plain(SuspectKind.QUALITY, about, f"{check} failed: expected {spoken(expected)}, found {spoken(actual)}", expected, actual, row.from_,
                           at=as_time(row.value.get("checkedAt")))
            yield _weighed(path, found, 0 if on_path else OFF_THE_PATH)


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


async def _of_pins(context: QueryContext, path: _Path, edges: Sequence[Edge], start: int) -> list[Suspect]:
    """Edges that pin another version of what they read than before."""
    pinned = {(edge.downstream, edge.upstream, edge.via): edge for edge in edges if edge.version is not None and edge.from_ > start}
    if not pinned:
        return []
    ended = await context.graph.edge_history(sorted({each[0] for each in pinned}), [DERIVED_FROM, COLUMN_DERIVED_FROM], start, context.size, HISTORY_LIMIT)
    if len(ended) == HISTORY_LIMIT:
        context.notes.truncate(f"history (the first {HISTORY_LIMIT} edges)")
    found = {}
    for edge in ended:
        now = pinned.get((edge.downstream, edge.upstream, edge.via))
        if now is not None and edge.to == now.from_ and edge.version not in (None, now.version):
            said = f"{called(holder(edge.downstream))} reads another version of {called(holder(edge.upstream))}: {edge.version} → {now.version}"
            suspect = _plain(SuspectKind.INPUT_VERSION, holder(edge.upstream), said, edge.version, now.version, now.from_, job=edge.via)
            found[holder(edge.downstream), holder(edge.upstream)] = _weighed(path, suspect)
    return list(found.values())


async def _of_aliases(context: QueryContext, path: _Path, found: Walked, asked: str, versions: Sequence[str], start: int) -> list[Suspect]:
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
                rows.append(_weighed(path, _plain(SuspectKind.ALIAS, version, said, old, new, row.from_)))
    return rows


async def _of_failed_runs(context: QueryContext, path: _Path, jobs: Mapping[str, str], start: int) -> list[Suspect]:
    """Jobs on the path whose last run ended badly within the window: what they write is older than it should be."""
    found = []
    for job, run in (await last_runs(context, jobs)).items():
        if run.status in ("FAIL", "ABORT") and run.recorded_by >= start:
            said = f"the last run of {called(job)} ended as {run.status}" + await _why_failed(context, run.urn)
            found.append(_weighed(path, _plain(SuspectKind.RUN_FAILED, jobs[job], said, None, run.status, run.recorded_by + 1, job=job, run=run.urn,
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
