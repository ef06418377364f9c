"""The walk behind `trace` and `suspects`: upstream level by level, following the versions that runs really read and the code that wrote them.

Of each dataset on the way one version is traced: of the asked one that which was current at the moment asked about, farther up that which
the reader named, or that was current when the reader ran. Its edges are those of the code of the run that wrote it, wherever in the log they
stand; what only is declared (a view, a feature) is taken as it stood when the reader ran.
"""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from lineproof_schema.urn import holder, kind_of
from metadata_service.graph.ops import COLUMN_DERIVED_FROM, DERIVED_FROM, Edge
from metadata_service.projector.edges import SetId
from metadata_service.queries.activity import EPOCH, RunRef, VersionRef, versions_read
from metadata_service.queries.column_gaps import unexplained
from metadata_service.queries.constant import constants
from metadata_service.queries.context import QueryContext
from metadata_service.queries.mask import doubt
from metadata_service.queries.written import Written, exactly, written_at

__all__ = ["Walked", "walk"]

MAX_STEPS_BACK: Final = 500
MAX_TRACE_EDGES: Final = 5_000
HISTORY_LIMIT: Final = 20_000
LATEST: Final = datetime.max.replace(tzinfo=UTC)
_FAMILIES: Final = (COLUMN_DERIVED_FROM, DERIVED_FROM)


@dataclass(slots=True)
class Walked:
    """What the walk found, `version` and `run` by dataset: the version that is traced, and the run that wrote it.

    `constants` are columns that are said to be made of no other, each as an edge from nowhere.
    `read` says for (reader, dataset) which version the reader read; `sizes` where a dataset's edges are looked for (None: the position).
    `cut` are datasets at which a limit ended the walk: what they are made of was not looked at.
    """

    distance: dict[str, int] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    constants: list[Edge] = field(default_factory=list)
    version: dict[str, VersionRef] = field(default_factory=dict)
    run: dict[str, RunRef] = field(default_factory=dict)
    read: dict[tuple[str, str], VersionRef] = field(default_factory=dict)
    sizes: dict[str, int | None] = field(default_factory=dict)
    cut: frozenset[str] = frozenset()
    _every_job: bool = False
    _views: set[str] = field(default_factory=set)
    _told: dict[str, int | None] = field(default_factory=dict)  # where what a dataset's run read is looked for, if it is only declared
    _moment: dict[str, datetime | None] = field(default_factory=dict)  # when a dataset's inputs were read

    def read_until(self, roots: Iterable[str]) -> dict[str, datetime]:
        """By dataset until when what became of it could get into `roots`, by when the runs on the way read their inputs; LATEST if nothing bounds it."""
        until = dict.fromkeys(map(holder, roots), LATEST)
        pairs = dict.fromkeys((holder(edge.downstream), holder(edge.upstream)) for edge in self.edges)  # the nearest first: in cycles they come again
        grown = True
        while grown:
            grown = False
            for reader, dataset in pairs:
                reached = min(until.get(reader, EPOCH), self._moment.get(reader) or LATEST)
                if reached > until.get(dataset, EPOCH):
                    until[dataset] = reached
                    grown = True
        return until

    def read_by(self, reader: str, dataset: str) -> VersionRef | None:
        """The version of a dataset that a step read."""
        return self.read.get((reader, dataset), self.version.get(dataset))


async def walk(context: QueryContext, roots: Sequence[str], data_at: datetime | None, *, chosen: Mapping[str, Written] | None = None,
               pinned_only: bool = False) -> Walked:
    """Walk upstream from `roots` to where lineage ends, from the version current at `data_at` or, of a dataset, the `chosen` one.

    With `pinned_only` a reader holds the walk back only where it named the version it read: elsewhere it goes on with what is current, by all jobs
    that make it (they may write it in turns, or parts of it).
    """
    found = Walked(_every_job=pinned_only)
    start = sorted({holder(urn) for urn in roots})
    chosen = chosen or {}
    written = {**await written_at(context, {dataset: data_at for dataset in start if dataset not in chosen}), **chosen}
    for dataset in start:
        if dataset in written:
            _assign(context, found, dataset, written[dataset], data_at)
    frontier = list(roots)
    if data_at is not None:  # of what was not there nothing is said
        await doubt(context, "no-data-then", {each: f"no version of it was written by {data_at.isoformat()}" for each in start if each not in written})
        frontier = [urn for urn in roots if holder(urn) in written or not await _has_versions(context, holder(urn))]
    found.distance.update(dict.fromkeys(roots, 0))
    for depth in range(1, MAX_STEPS_BACK + 1):
        edges = await _edges(context, found, frontier)
        found.constants += await _constants(context, found, set(frontier) - {edge.downstream for edge in edges})
        if not edges:
            return found
        found.edges += edges
        await _follow(context, found, edges, pinned_only=pinned_only)
        for edge in edges:  # the dataset of a column whose own lineage is unknown
            found.distance.setdefault(edge.downstream, depth - 1)
        frontier = sorted({edge.upstream for edge in edges} - found.distance.keys())
        found.distance.update(dict.fromkeys(frontier, depth))
        if len(found.edges) > MAX_TRACE_EDGES:
            context.notes.truncate(f"edges (more than {MAX_TRACE_EDGES})")
            found.cut = frozenset(map(holder, frontier))
            return found
    context.notes.truncate(f"depth (more than {MAX_STEPS_BACK})")
    found.cut = frozenset(map(holder, frontier))
    return found


async def _has_versions(context: QueryContext, dataset: str) -> bool:
    row = (await context.graph.get([dataset], context.at)).get(dataset)
    return row is not None and "currentVersion" in row.facts


async def _edges(context: QueryContext, found: Walked, frontier: Sequence[str]) -> list[Edge]:
    by_size: dict[int | None, list[str]] = defaultdict(list)
    for urn in frontier:
        by_size[found.sizes.get(holder(urn))].append(urn)
    edges: list[Edge] = []
    for size, urns in by_size.items():
        level = await _standing(context, found, urns, size)
        precise = {edge.downstream for edge in level if edge.family == COLUMN_DERIVED_FROM}
        edges += [edge for edge in level if edge.family == COLUMN_DERIVED_FROM or edge.downstream not in precise]
        columns = [urn for urn in urns if kind_of(urn) == "column"]
        above = await _standing(context, found, sorted(set(map(holder, columns))), size)
        gaps = await unexplained(context, columns, level, _at(context, size), above)
        # nobody said all that this column is made of: go on with what its dataset is made of
        await doubt(context, "column-lineage-unknown", {urn: f"{reason}; the trace goes on with whole datasets" for urn, reason in gaps.items()})
        vague = set(map(holder, gaps))
        edges += [edge for edge in above if edge.downstream in vague]
    known = set(found.edges)
    return [edge for edge in dict.fromkeys(edges) if edge not in known]


async def _standing(context: QueryContext, found: Walked, urns: Sequence[str], size: int | None) -> list[Edge]:
    """The edges into `urns` that the run which wrote the traced version stands for, and what is declared.

    What other jobs show, or other code of the job, counts only where that run itself says nothing of the entity.
    """
    edges = await context.graph.neighbours(urns, "UPSTREAM", _FAMILIES, _at(context, size), MAX_TRACE_EDGES + 1) if urns else []
    by_urn: dict[str, list[Edge]] = defaultdict(list)
    for edge in edges:
        by_urn[edge.downstream].append(edge)
    own = {urn: _own_set(found, urn) for urn in urns}
    ended = [urn for urn in urns if not any(own[urn] in (None, edge.set_id) for edge in by_urn[urn]) and (own[urn] is not None or size is not None)]
    past = await _past(context, ended, own, size)
    chosen: list[Edge] = []
    for urn in urns:
        written = [edge for edge in by_urn[urn] if edge.set_id == own[urn]] or past.get(urn, [])
        if own[urn] is None or not written:
            chosen += by_urn[urn] or past.get(urn, [])
        else:
            every = found._every_job and size is None
            chosen += [edge for edge in by_urn[urn] if edge.set_id != own[urn] and (every or not _is_of_a_run(edge))] + written
    return chosen


async def _constants(context: QueryContext, found: Walked, urns: Iterable[str]) -> list[Edge]:
    """Of the columns without edges those that are said to be made of no other, by the run that wrote them."""
    by_size: dict[int | None, list[str]] = defaultdict(list)
    for urn in sorted(urns):
        if urn != holder(urn):
            by_size[found.sizes.get(holder(urn))].append(urn)
    told = []
    for size, columns in by_size.items():
        for edge in await constants(context, columns, _at(context, size)):
            run = found.run.get(holder(edge.downstream))
            job, code = (run.job, run.transformation) if run is not None else (None, None)
            told.append(replace(edge, set_id=_own_set(found, edge.downstream) or "", via=job, transformation=code))
    return told


def _at(context: QueryContext, size: int | None) -> int | None:
    """A size as the graph is asked for it."""
    return context.at if size is None else size


def _own_set(found: Walked, urn: str) -> str | None:
    """The edge set of the run that wrote the traced version of the entity's dataset."""
    dataset = holder(urn)
    run = found.run.get(dataset)
    return SetId("run", run.job, run.transformation, dataset).digest if run is not None and run.job is not None else None


def _is_of_a_run(edge: Edge) -> bool:
    return edge.set_id == SetId("run", edge.via, edge.transformation, holder(edge.downstream)).digest


async def _past(context: QueryContext, urns: Sequence[str], own: Mapping[str, str | None], size: int | None) -> dict[str, list[Edge]]:
    """Edges that stood before a size, else those that came after it (a parser lags behind the runs): of a run those of its own set alone."""
    if not urns:
        return {}
    history = await context.graph.edge_history(sorted(urns), _FAMILIES, 0, context.size, HISTORY_LIMIT)
    if len(history) == HISTORY_LIMIT:
        context.notes.truncate(f"history (the first {HISTORY_LIMIT} edges)")
    at = context.size if size is None else size
    sets: dict[tuple[str, str], list[Edge]] = defaultdict(list)
    for edge in history:
        if own[edge.downstream] in (None, edge.set_id):
            sets[edge.downstream, edge.set_id].append(edge)
    nearest: dict[str, list[Edge]] = defaultdict(list)
    for (urn, _), edges in sets.items():
        before = [edge for edge in edges if edge.to <= at]
        last = max((edge.to for edge in before), default=None)
        first = min((edge.from_ for edge in edges if edge.from_ > at), default=None)
        stood = [edge for edge in before if edge.to == last] if last is not None else [edge for edge in edges if edge.from_ == first]
        nearest[urn] += [replace(edge) for edge in stood]
    return nearest


def _assign(context: QueryContext, found: Walked, dataset: str, written: Written, moment: datetime | None = None, inferred: bool = False) -> None:
    """Remember the traced version of a dataset, its run, and where and when what it was made of is looked for."""
    found.version[dataset] = replace(written.version, inferred=inferred)
    found.sizes[dataset] = _before_now(context, written.size)
    found._told[dataset] = _before_now(context, written.told)
    found._moment[dataset] = moment
    if written.view:
        found._views.add(dataset)
    if written.run is not None:
        found.run[dataset] = written.run
        if written.run.status != "RUNNING" and not written.view:  # a streaming job reads on
            found._moment[dataset] = written.run.ended_at or written.run.started_at


def _before_now(context: QueryContext, size: int | None) -> int | None:
    """A size before the position, None for the position itself: asked for as of a size the graph is what it was when it stood there."""
    return None if size is None or size >= context.size else size


async def _follow(context: QueryContext, found: Walked, edges: Sequence[Edge], *, pinned_only: bool) -> None:
    """From the runs behind these edges to the versions they read; else to what was current when they ran."""
    pairs = {(holder(edge.downstream), holder(edge.upstream)) for edge in edges}
    pairs = {pair for pair in pairs if kind_of(pair[1]) == "dataset"}
    used = await _used(context, found, {reader for reader, _ in pairs})
    named = {pair: used[pair] for pair in pairs & used.keys() if not (pinned_only and used[pair][1])}
    told = await exactly(context, {version: found._moment.get(reader) for (reader, _), (version, _) in named.items()})
    read = {pair: (told[version], inferred) for pair, (version, inferred) in named.items() if version in told}
    late = [pair for pair, (written, inferred) in read.items() if inferred and _later(written.version, found._moment.get(pair[0]))]
    for moment, group in _by_moment(found, [*late, *(pair for pair in pairs if pair not in read)], now=pinned_only).items():
        then = await written_at(context, {dataset: moment for _, dataset in group})
        read |= {(reader, dataset): (then[dataset], True) for reader, dataset in group if dataset in then}
    for pair, (written, inferred) in read.items():
        found.read[pair] = replace(written.version, inferred=inferred)
    readers: dict[str, list[str]] = defaultdict(list)
    for reader, dataset in sorted(pairs):
        if dataset != reader:  # a table that reads itself was there before
            readers[dataset].append(reader)
    several = {dataset for dataset, those in readers.items() if _choose(context, found, dataset, those, read)}
    await doubt(context, "several-versions", dict.fromkeys(
        sorted(several), "steps on the way read different versions of it; the trace goes on with the one of the nearest"))


def _choose(context: QueryContext, found: Walked, dataset: str, readers: Sequence[str], read: Mapping[tuple[str, str], tuple[Written, bool]]) -> bool:
    """Which of the versions that its readers read is traced further: that of the nearest, of several the latest that a run is known to have read.

    True if some are known to have read another.
    """
    told = [(reader in found.run or not read[reader, dataset][1], read[reader, dataset][0].version.committed_at or EPOCH, reader)
            for reader in readers if (reader, dataset) in read]
    if dataset not in found.sizes:
        if told:
            leading = max(told)[2]
            written, inferred = read[leading, dataset]
            _assign(context, found, dataset, written, found._moment.get(leading), inferred)
        else:
            found.sizes[dataset] = found._told[dataset] = found._told.get(readers[0])
            found._moment[dataset] = found._moment.get(readers[0])
    traced = found.version.get(dataset)
    return traced is not None and any(with_run and read[reader, dataset][0].version.urn != traced.urn for with_run, _, reader in told)


def _later(version: VersionRef, moment: datetime | None) -> bool:
    return moment is not None and version.committed_at is not None and version.committed_at > moment


def _by_moment(found: Walked, pairs: Iterable[tuple[str, str]], *, now: bool) -> dict[datetime | None, list[tuple[str, str]]]:
    groups: dict[datetime | None, list[tuple[str, str]]] = defaultdict(list)
    for reader, dataset in pairs:
        groups[None if now else found._moment.get(reader)].append((reader, dataset))
    return groups


async def _used(context: QueryContext, found: Walked, readers: Collection[str]) -> dict[tuple[str, str], tuple[str, bool]]:
    """(reader, dataset) -> the version its run read, or a model was trained on, and whether that is inferred."""
    wrote = {reader: found.run[reader].urn if reader in found.run else reader for reader in readers if reader not in found._views}
    read = await versions_read(context, set(wrote.values()))
    streaming = {reader for reader, run in found.run.items() if run.status == "RUNNING"}
    return {(reader, dataset): version for reader, run in wrote.items() for dataset, version in read.get(run, {}).items()
            if not (version[1] and reader in streaming)}
