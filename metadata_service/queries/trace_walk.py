"""The walk behind `trace`: upstream level by level, following the versions that runs really read.

Without `data_at` the edges of the position are walked. With it, each dataset's edges are those that stood when the run that
wrote the traced version had ended: an older value is traced through the code and the inputs of its own time.
"""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from lineproof_schema.urn import holder, parse_urn
from metadata_service.graph.ops import COLUMN_DERIVED_FROM, DERIVED_FROM, Edge
from metadata_service.queries.activity import RunRef, VersionRef, runs, versions
from metadata_service.queries.column_gaps import unexplained
from metadata_service.queries.context import QueryContext
from metadata_service.queries.mask import hidden
from metadata_service.queries.shapes import micros

__all__ = ["Walked", "walk"]

MAX_STEPS_BACK = 100
MAX_TRACE_EDGES = 5_000
USED_LIMIT = 2_000


@dataclass(slots=True)
class Walked:
    """What the walk found. `sizes` gives the size at which each dataset's edges were read (None = the position)."""

    distance: dict[str, int] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    version: dict[str, VersionRef] = field(default_factory=dict)  # by dataset
    run: dict[str, RunRef] = field(default_factory=dict)  # by dataset: the run that wrote `version`
    sizes: dict[str, int | None] = field(default_factory=dict)


async def walk(context: QueryContext, roots: Sequence[str], data_at: datetime | None) -> Walked:
    """Walk upstream from `roots` to where lineage ends."""
    found = Walked()
    start = sorted({holder(urn) for urn in roots})
    await _assign(context, found, await _root_versions(context, start, data_at), data_at is not None)
    frontier = list(roots)
    found.distance.update(dict.fromkeys(roots, 0))
    for depth in range(1, MAX_STEPS_BACK + 1):
        edges = await _edges(context, found, frontier)
        if not edges:
            return found
        found.edges += edges
        await _follow(context, found, edges, data_at is not None)
        for edge in edges:  # the dataset of a column whose own lineage is unknown
            found.distance.setdefault(edge.downstream, depth - 1)
        frontier = sorted({edge.upstream for edge in edges} - found.distance.keys())
        found.distance.update(dict.fromkeys(frontier, depth))
        if len(found.edges) > MAX_TRACE_EDGES:
            context.notes.truncate(f"edges (more than {MAX_TRACE_EDGES})")
            return found
    context.notes.truncate(f"depth (more than {MAX_STEPS_BACK})")
    return found


async def _edges(context: QueryContext, found: Walked, frontier: Sequence[str]) -> list[Edge]:
    by_size: dict[int | None, list[str]] = defaultdict(list)
    for urn in frontier:
        by_size[found.sizes.get(holder(urn), context.at)].append(urn)
    edges: list[Edge] = []
    for size, urns in by_size.items():
        level = await context.graph.neighbours(urns, "UPSTREAM", [COLUMN_DERIVED_FROM, DERIVED_FROM], size, MAX_TRACE_EDGES + 1)
        precise = {edge.downstream for edge in level if edge.family == COLUMN_DERIVED_FROM}
        edges += [edge for edge in level if edge.family == COLUMN_DERIVED_FROM or edge.downstream not in precise]
        gaps = await unexplained(context, [urn for urn in urns if urn.startswith("urn:lineproof:column:")], level, size)
        masked = await hidden(context, gaps)
        for urn, reason in gaps.items():  # nobody said all that this column is made of: go on with what its dataset is made of
            context.notes.doubt("column-lineage-unknown", f"{reason}; the trace goes on with whole datasets", None if urn in masked else urn)
        if gaps:
            vague = sorted(set(map(holder, gaps)))
            edges += await context.graph.neighbours(vague, "UPSTREAM", [DERIVED_FROM], size, MAX_TRACE_EDGES + 1)
    known = set(found.edges)
    return [edge for edge in dict.fromkeys(edges) if edge not in known]


async def _root_versions(context: QueryContext, datasets: Sequence[str], data_at: datetime | None) -> dict[str, VersionRef]:
    if data_at is None:
        return await _current(context, datasets, context.at)
    chosen = {}
    for dataset in datasets:
        revisions = [row for row in await context.graph.revisions(dataset, context.at) if row.fact == "currentVersion" and row.value is not None]
        known = await versions(context, (str(row.value) for row in revisions))
        written = await runs(context, (version.run for version in known.values() if version.run))
        times = {urn: version.committed_at or _ended(written.get(version.run or "")) for urn, version in known.items()}
        size_then = await context.graph.size_at(micros(data_at))
        fitting = [(times[str(row.value)] or data_at, row.from_, str(row.value)) for row in revisions if str(row.value) in known
                   and ((times[str(row.value)] is None and row.from_ <= size_then) or ((times[str(row.value)] or data_at) <= data_at
                        and times[str(row.value)] is not None))]
        if fitting:
            chosen[dataset] = known[max(fitting)[2]]
        elif revisions:
            context.notes.doubt("no-data-then", f"no version of it was written by {data_at.isoformat()}", dataset)
    return chosen


def _ended(run: RunRef | None) -> datetime | None:
    return (run.ended_at or run.started_at) if run is not None else None


async def _current(context: QueryContext, datasets: Iterable[str], at: int | None) -> dict[str, VersionRef]:
    wanted = [urn for urn in datasets if urn.startswith("urn:lineproof:dataset:")]
    rows = await context.graph.get(wanted, at) if wanted else {}
    named = {urn: str(row.facts["currentVersion"]) for urn, row in rows.items() if row.facts.get("currentVersion") is not None}
    found = await versions(context, named.values())
    return {urn: found[version] for urn, version in named.items() if version in found}


async def _assign(context: QueryContext, found: Walked, chosen: dict[str, VersionRef], historical: bool) -> None:
    """Remember the traced version of each dataset, its run, and the size its edges are read at."""
    written = await runs(context, (version.run for version in chosen.values() if version.run))
    rows = await context.graph.get(sorted(written), context.at) if historical and written else {}
    for dataset, version in chosen.items():
        found.version[dataset] = version
        run = written.get(version.run or "")
        if run is not None:
            found.run[dataset] = run
        if historical:
            row = rows.get(version.run or "")
            size = max(version.since, row.since.get("status", row.from_) if row is not None else 0)
            found.sizes[dataset] = min(size, context.size)


async def _follow(context: QueryContext, found: Walked, edges: Sequence[Edge], historical: bool) -> None:
    """From the runs behind these edges to the versions they read; else to what was current when they ran."""
    pairs: dict[str, str] = {}
    for edge in edges:
        upstream = holder(edge.upstream)
        if upstream not in found.version and upstream.startswith("urn:lineproof:dataset:"):
            pairs.setdefault(upstream, holder(edge.downstream))
    readers = {found.run[down].urn: down for down in pairs.values() if down in found.run}
    links = await context.links(sorted(readers), ["USED"], USED_LIMIT, "inputs of one run")
    used: dict[str, tuple[str, bool]] = {}
    for run, row in links.items():
        for link in row.out:
            dataset = str(parse_urn(link.dst).parent)
            if link.type == "USED" and pairs.get(dataset) == readers[run]:
                used[dataset] = (link.dst, bool(link.props.get("inferred")))
    known = await versions(context, (version for version, _ in used.values()))
    chosen = {dataset: _marked(known[version], inferred) for dataset, (version, inferred) in used.items() if version in known}
    by_size: dict[int | None, list[str]] = defaultdict(list)
    for upstream, downstream in pairs.items():
        if upstream not in chosen:
            by_size[found.sizes.get(downstream, context.at)].append(upstream)
    for size, datasets in by_size.items():
        chosen |= {dataset: _marked(version, True) for dataset, version in (await _current(context, datasets, size)).items()}
    await _assign(context, found, chosen, historical)
    if historical:  # a source without a version is read at the size of its reader
        for upstream, downstream in pairs.items():
            found.sizes.setdefault(upstream, found.sizes.get(downstream, context.at))


def _marked(version: VersionRef, inferred: bool) -> VersionRef:
    return VersionRef(version.urn, version.id, version.dataset, version.since, version.committed_at, version.fingerprint, version.row_count, version.run,
                      inferred)
