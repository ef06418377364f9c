"""Which version of a dataset was there at a moment, and which run wrote it.

Moments are what producers claim: a run that ended on Tuesday wrote Tuesday's version, however late its event came. Reruns, backfills
and rebuilds only add provenance, so they make no version current; one that a dataset event declares current is.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from lineproof_schema.urn import parse_urn
from metadata_service.graph.ops import OPEN
from metadata_service.graph.port import NodeRow, RevisionRow
from metadata_service.queries.activity import EPOCH, RunRef, VersionRef, runs, version_of, writers_of
from metadata_service.queries.context import QueryContext
from metadata_service.queries.shapes import as_time, micros, of_micros

__all__ = ["Written", "exactly", "written_at"]

VERSION_LIMIT: Final = 1_000  # versions of one dataset


@dataclass(frozen=True, slots=True)
class Written:
    """A version and the run that wrote it, as far as anybody said.

    `size` is the last size at which the version was current (None: it still is, at the position), `told` the one at which its run was known to
    have ended: that run's code is looked for at the one, what its inputs were at the other. A `view` holds no data: whoever reads it reads what it
    is made of as that is at that moment.
    """

    version: VersionRef
    run: RunRef | None
    size: int | None
    told: int | None
    view: bool = False


async def exactly(context: QueryContext, versions: Mapping[str, datetime | None]) -> dict[str, Written]:
    """These versions (URN -> the moment they were read at), each with the run that had last written it then; unknown ones are left out."""
    datasets = sorted({str(parse_urn(version).parent) for version in versions})
    rows = await context.graph.get(datasets, context.at) if datasets else {}
    return _with_views(await _exactly(context, versions, _current(rows)), rows)


def _current(rows: Mapping[str, NodeRow]) -> dict[str, str]:
    """The version each dataset has at the position; datasets without any are left out."""
    return {dataset: str(row.facts["currentVersion"]) for dataset, row in rows.items() if row.facts.get("currentVersion") is not None}


def _with_views(found: Mapping[str, Written], rows: Mapping[str, NodeRow]) -> dict[str, Written]:
    views = {urn for urn, row in rows.items() if _is_view(row.facts.get("facet:datasetType"))}
    return {urn: replace(written, view=True) if written.version.dataset in views else written for urn, written in found.items()}


def _is_view(facet: object) -> bool:
    said = facet if isinstance(facet, Mapping) else {}
    return str(said.get("datasetType")).upper() == "VIEW" and "MATERIALIZED" not in str(said.get("subType")).upper()


async def _exactly(context: QueryContext, versions: Mapping[str, datetime | None], current: Mapping[str, str]) -> dict[str, Written]:
    rows = await context.graph.get(sorted(versions), context.at) if versions else {}
    writers = await writers_of(context, list(rows.values()))
    known = await runs(context, (run for found in writers.values() for run in found))
    found = {}
    for urn, row in rows.items():
        run = _latest([known[each] for each in writers[urn] if each in known], versions[urn], str(row.facts.get("run")))
        version = _by(row, run, len(writers[urn]))
        history = await context.graph.revisions(version.dataset, context.at) if current.get(version.dataset) != urn else None
        found[urn] = _placed(context, version, run, history)
    return found


def _by(row: NodeRow, run: RunRef | None, writers: int) -> VersionRef:
    """A version as this run wrote it: one that several wrote was committed each time."""
    version = version_of(row, run.urn if run is not None else None)
    return replace(version, committed_at=_end(run)) if run is not None and writers > 1 else version


async def written_at(context: QueryContext, datasets: Mapping[str, datetime | None]) -> dict[str, Written]:
    """What each of `datasets` was at its moment (None: at the position); those of which no version is known then are left out."""
    rows = await context.graph.get(sorted(datasets), context.at) if datasets else {}
    current = _current(rows)
    found = await _exactly(context, {current[dataset]: None for dataset, moment in datasets.items() if moment is None and dataset in current}, current)
    chosen = {written.version.dataset: written for written in found.values()}
    for dataset, moment in datasets.items():
        if moment is not None:
            then = await _at_moment(context, dataset, moment, current.get(dataset))
            if then is not None:
                chosen[dataset] = then
    return _with_views(chosen, rows)


async def _at_moment(context: QueryContext, dataset: str, moment: datetime, current: str | None) -> Written | None:
    links = (await context.links([dataset], ["VERSION_OF"], VERSION_LIMIT, "versions of one dataset")).get(dataset)
    rows = await context.graph.get(sorted({link.src for link in links.into}), context.at) if links is not None else {}
    writers = await writers_of(context, list(rows.values()))
    known = await runs(context, (run for found in writers.values() for run in found))
    history = await context.graph.revisions(dataset, context.at)
    declared = {str(row.value): row.from_ for row in history if row.fact == "currentVersion" and row.value is not None}
    size_then = await context.graph.size_at(micros(moment))
    best: tuple[datetime, int, str, RunRef | None] | None = None
    for urn, row in rows.items():
        for end, run in _made_current(row, [known[each] for each in writers[urn] if each in known], declared.get(urn), size_then, moment):
            if end <= moment and (best is None or (end, row.from_) >= best[:2]):
                best = (end, row.from_, urn, run)
    if best is None or await _dropped(context, history, best[0], moment):
        return None
    _, _, urn, run = best
    return _placed(context, _by(rows[urn], run, len(writers[urn])), run, history if urn != current else None)


def _made_current(row: NodeRow, made: Sequence[RunRef], declared: int | None, size_then: int, moment: datetime) -> Iterator[tuple[datetime, RunRef | None]]:
    """When a version became current, each time with the run that wrote it then. `declared` is the size from which the dataset was last said to be it."""
    if row.facts.get("backfill"):
        return
    counting = [run for run in made if _counts(run)]
    for run in counting:
        end = _end(run)
        if end is not None:
            yield end, run
    if not counting and (declared is not None or not made):  # a snapshot that nobody's run wrote, or one of a rerun that was declared current
        at = as_time(row.facts.get("committedAt")) or (moment if declared is not None and declared <= size_then else None)
        if at is not None:
            yield at, made[-1] if made else None


def _counts(run: RunRef) -> bool:
    """Whether the run made what it wrote current."""
    return run.purpose in (None, "normal") and run.status in ("COMPLETE", "RUNNING")


def _end(run: RunRef) -> datetime | None:
    return run.ended_at or run.started_at


def _latest(known: Iterable[RunRef], moment: datetime | None, named: str) -> RunRef | None:
    """The run that had last written a version: a normal one before others, the one the version names before its equals."""
    fitting = [run for run in known if moment is None or (_end(run) or EPOCH) <= moment] or list(known)
    return max(fitting, key=lambda run: (_counts(run), _end(run) or EPOCH, run.urn == named, run.recorded_by), default=None)


async def _dropped(context: QueryContext, history: Iterable[RevisionRow], written: datetime, moment: datetime) -> bool:
    """Whether the dataset was dropped after it was written, by the moment."""
    for row in history:
        if row.fact == "existence" and row.value == "dropped":
            entry = await context.graph.outcome(row.from_ - 1)
            at = of_micros(entry.claimed) if entry is not None and entry.claimed is not None else None
            if at is not None and written < at <= moment:
                return True
    return False


def _placed(context: QueryContext, version: VersionRef, run: RunRef | None, history: Iterable[RevisionRow] | None) -> Written:
    """Where a version stands in the log, by the history of its dataset; without one it is current."""
    told = run.recorded_by + 1 if run is not None else None
    size = context.at if history is None else _last_size(history, version.urn, max(told or 0, version.since))
    return Written(version, run, size, min(told, context.size) if told is not None else size)


def _last_size(history: Iterable[RevisionRow], version: str, known: int) -> int:
    """The last size at which a version was current: of several stretches the one in which it was known; `known` if it never was."""
    ended = [row.to - 1 for row in history if row.fact == "currentVersion" and row.value == version and row.to < OPEN]
    return min((size for size in ended if size >= known), default=max(ended, default=known))
