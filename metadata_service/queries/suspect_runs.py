"""What is different about the run that wrote the data, against the run that had written them when the window began.

Parameters and environments that differ from run to run anyway (a date, an invocation) stand out in none.
"""
from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lineproof_schema.urn import parse_urn
from metadata_service.graph.port import NodeRow, RevisionRow
from metadata_service.queries.activity import RunRef, VersionRef, commit_of, commits, runs, versions_read
from metadata_service.queries.context import QueryContext
from metadata_service.queries.influence import Influence
from metadata_service.queries.mask import hidden, withheld
from metadata_service.queries.phrases import called, shortened, spoken
from metadata_service.queries.shapes import as_time
from metadata_service.queries.suspect_data import seen_by_a_reader
from metadata_service.queries.suspect_shapes import Suspect, SuspectKind
from metadata_service.queries.trace_walk import Walked

__all__ = ["run_suspects"]

EARLIER: Final = 4  # runs before the window that say what differs from run to run
VERSIONS_LIMIT: Final = 1_000
_DIGEST: Final = re.compile("[0-9a-f]{32,}")
_OF_ONE_RUN: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$|[0-9]{4}-[0-9]{2}-[0-9]{2}(T|$| )", re.IGNORECASE)  # a UUID, a day or a time
_WORDS: Final = 100  # characters of a list of changes in a sentence


@dataclass(frozen=True, slots=True)
class _Ran:
    """A run with what it was given and where it ran, each by name, and what it said of its inputs, by dataset."""

    run: RunRef
    config: Mapping[str, Any]
    environment: Mapping[str, Any]
    inputs: Mapping[str, Any]


Told = tuple[Suspect, bool]  # and whether it leaves alone, as far as is known, how the data are made


async def run_suspects(context: QueryContext, found: Walked, histories: Mapping[str, Sequence[RevisionRow]], known: Mapping[str, VersionRef], start: int,
                       explained: Collection[tuple[str, str | None]], raw: Collection[str], columns: Callable[[str], Collection[str]]) -> list[Told]:
    """Other producers, code, configuration, environment, pinned inputs, inputs that look otherwise, and data that were written again.

    Of the (dataset, job) that are `explained` lineage has told already what changed in the code; `raw` datasets are made of no other. `columns` are
    those of a dataset that are on the path, all if empty.
    """
    earlier = {each: [known[urn].run for urn in _before(history, start) if urn in known and known[urn].run is not None] for each, history in histories.items()}
    refs = await runs(context, (run for those in earlier.values() for run in those if run is not None))
    refs |= {run.urn: run for run in found.run.values()}
    rows = await context.graph.get(sorted({*refs, *(run.transformation for run in refs.values() if run.transformation)}), context.at)
    ran = {urn: _ran(run, rows) for urn, run in refs.items()}
    suspects: list[Told] = []
    for dataset in histories:
        now = found.run.get(dataset)
        before = [ran[run] for run in dict.fromkeys(earlier[dataset]) if run in ran]
        if now is None or now.recorded_by < start or not before or before[-1].run.urn == now.urn:
            continue
        suspects += await _compared(context, found, dataset, ran[now.urn], before, rows, (dataset, now.job) in explained, dataset in raw)
        for read in sorted(ran[now.urn].inputs.keys() & histories.keys()):
            seen = [each.inputs[read] for each in before if read in each.inputs]
            suspects += [(each, False) for each in seen_by_a_reader(read, seen, ran[now.urn].inputs[read], columns(read), now)]
    suspects += [(each, False) for each in await _written_again(context, found, list(histories), start)]
    untold = await withheld(context, [[each.before, each.after] for each, _ in suspects])
    masked = await hidden(context, {each.job for each, _ in suspects if each.job is not None})
    kept = [each for each, hide in zip(suspects, untold, strict=True) if not hide and each[0].job not in masked]
    context.notes.restrict(len(suspects) - len(kept))
    return kept


def _before(history: Sequence[RevisionRow], start: int) -> list[str]:
    """The versions that were current before the window, the last one last."""
    return [str(row.value) for row in history if row.fact == "currentVersion" and row.value is not None and row.from_ <= start][-EARLIER:]


async def _compared(context: QueryContext, found: Walked, dataset: str, now: _Ran, before: Sequence[_Ran], rows: Mapping[str, NodeRow], explained: bool,
                    raw: bool) -> list[Told]:
    last, name = before[-1], called(dataset)
    told: list[Told] = []
    code = rows.get(now.run.transformation or "")
    commit = commit_of(code)
    known: dict[str, Any] = {"job": now.run.job, "run": now.run.urn, "at": now.run.ended_at or now.run.started_at,
                             "commit": (await commits(context, [commit])).get(commit) if commit is not None else None,
                             "file": code.facts.get("path") if code is not None else None}
    since = now.run.recorded_by + 1
    if now.run.job != last.run.job:
        if now.run.job is not None and last.run.job is not None and last.run.job not in await hidden(context, [last.run.job]):
            turns = any(each.run.job == now.run.job for each in before)
            said = f"{name} was made by {called(now.run.job)}, before by {called(last.run.job)}" + ("; they take turns" if turns else "")
            told.append((_suspect(SuspectKind.CODE, dataset, said, last.run.job, now.run.job, since, **known), turns))
        return told
    if now.run.transformation != last.run.transformation and not explained:
        said = f"the code of {called(now.run.job or dataset)}, which writes {name}, changed"
        told.append((_suspect(SuspectKind.CODE, dataset, said, last.run.transformation, now.run.transformation, since, **known), not raw))
    for kind, what, of in ((SuspectKind.CONFIG, "configuration", "config"), (SuspectKind.ENVIRONMENT, "environment", "environment")):
        old, new = _stands_out(getattr(now, of), [getattr(each, of) for each in before])
        if old or new:
            words = "; ".join(f"{key} {spoken(old.get(key))} → {spoken(new.get(key))}" for key in sorted({*old, *new}))
            said = f"the {what} of {called(now.run.job or dataset)} changed: {shortened(words, _WORDS)}"
            told.append((_suspect(kind, dataset, said, old, new, since, **known), False))
    return [*told, *((each, False) for each in await _pins(context, found, dataset, now.run, last.run, since))]


async def _pins(context: QueryContext, found: Walked, dataset: str, now: RunRef, last: RunRef, since: int) -> list[Suspect]:
    """Inputs of which the runs read different versions, where one of them named its version."""
    read = await versions_read(context, [now.urn, last.urn])
    before, after = read.get(last.urn, {}), read.get(now.urn, {})
    masked = await hidden(context, after)
    told = []
    for urn in sorted(before.keys() & after.keys() - masked):
        old, new = (parse_urn(side[urn][0]).components[2] for side in (before, after))
        if old != new and not (before[urn][1] and after[urn][1]) and urn in found.sizes and await _held_back(context, urn, ((last, old), (now, new))):
            said = f"{called(dataset)} reads another version of {called(urn)}: {_brief(old)} → {_brief(new)}"
            told.append(_suspect(SuspectKind.INPUT_VERSION, urn, said, old, new, since, job=now.job, run=now.urn, at=now.ended_at or now.started_at))
    return told


async def _held_back(context: QueryContext, dataset: str, reads: Iterable[tuple[RunRef, str]]) -> bool:
    """Whether a run read another version than the one that was current then: who always names the newest pins nothing."""
    current = [row for row in await context.graph.revisions(dataset, context.at) if row.fact == "currentVersion" and row.value is not None]
    for run, version in reads:
        then = [row for row in current if row.from_ <= run.recorded_by + 1 < row.to]
        if then and parse_urn(str(then[0].value)).components[2] != version:
            return True
    return False


def _brief(version: str) -> str:
    """A digest by its beginning, as everywhere on a terminal; other names whole."""
    return version[:12] if _DIGEST.fullmatch(version) else version


async def _written_again(context: QueryContext, found: Walked, datasets: Sequence[str], start: int) -> list[Suspect]:
    """Data that were written again by others than the run whose turn it is: reruns and backfills, and snapshots that say they are one."""
    links = await context.links(datasets, ["VERSION_OF"], VERSIONS_LIMIT, "versions of one dataset")
    new = {link.src: dataset for dataset, row in links.items() for link in row.into if start < link.from_ <= context.size}
    wrote = await context.links(sorted(new), ["GENERATED"], VERSIONS_LIMIT, "writers of one version")
    refs = await runs(context, (link.src for row in wrote.values() for link in row.into))
    told = {}
    for version, row in wrote.items():
        for run in (refs[link.src] for link in row.into if link.src in refs):
            current = found.run.get(new[version])
            if run.purpose in ("rerun", "backfill") and run.status == "COMPLETE" and (current is None or current.urn != run.urn):
                other = current is not None and current.transformation != run.transformation
                said = f"a {run.purpose} wrote {called(new[version])} again" + (", by another version of the code" if other else "")
                told[run.urn, new[version]] = _suspect(SuspectKind.CODE if other else SuspectKind.DATA, new[version], said,
                                                       current.transformation if current is not None and other else None, run.transformation if other else None,
                                                       run.recorded_by + 1, job=run.job, run=run.urn, at=run.ended_at or run.started_at)
    snapshots = await context.graph.get(sorted(version for version in new if version not in wrote or not wrote[version].into), context.at)
    for version, snapshot in snapshots.items():
        if snapshot.facts.get("backfill"):
            partition = f" ({spoken(snapshot.facts['partition'])})" if snapshot.facts.get("partition") else ""
            said, at = f"a backfill wrote {called(new[version])} again{partition}", as_time(snapshot.facts.get("committedAt"))
            told[version, new[version]] = _suspect(SuspectKind.DATA, new[version], said, None, version, snapshot.from_, at=at)
    return list(told.values())


def _stands_out(now: Mapping[str, Any], before: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is otherwise now and was alike in all runs before, but for what names a single run: its id, its day."""
    last = before[-1]
    keys = [key for key in {*now, *last} if now.get(key) != last.get(key) and all(each.get(key) == last.get(key) for each in before)
            and not all(_OF_ONE_RUN.match(str(side.get(key))) for side in (now, last))]
    return {key: last[key] for key in sorted(keys) if key in last}, {key: now[key] for key in sorted(keys) if key in now}


def _ran(run: RunRef, rows: Mapping[str, NodeRow]) -> _Ran:
    own = rows[run.urn].facts if run.urn in rows else {}
    code = rows[run.transformation].facts if run.transformation is not None and run.transformation in rows else {}
    config = {**_mapping(own.get("parameters")), **_named(_mapping(own.get("facet:executionParameters")).get("parameters"))}
    if not config and own.get("parametersDigest") is not None:
        config = {"parameters": own["parametersDigest"]}
    environment = {name: own.get(name, code.get(name)) for name in ("image", "lockfile")}
    engine = _mapping(own.get("facet:processing_engine"))
    environment |= {f"engine {name}": engine.get(name) for name in ("name", "version")}
    environment |= _named(_mapping(own.get("facet:environmentVariables")).get("environmentVariables"))
    return _Ran(run, config, {name: value for name, value in environment.items() if value is not None}, _mapping(own.get("inputFacets")))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _named(items: Any) -> dict[str, Any]:
    """A list of {name (or key), value} by name."""
    found: Iterable[Mapping[str, Any]] = (item for item in items if isinstance(item, Mapping)) if isinstance(items, list) else ()
    return {str(item.get("name") or item.get("key")): item.get("value") for item in found}


def _suspect(kind: SuspectKind, urn: str, because: str, before: Any, after: Any, since: int, **more: Any) -> Suspect:
    return Suspect(kind, urn, 0, because, Influence.VALUE, 0, before, after, since, **{"at": None, **more})
