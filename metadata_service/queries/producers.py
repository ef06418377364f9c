"""Who makes a dataset, and who ever did: the sets of edges into it, each of one version of a job's code, and the jobs that write it without reading."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from metadata_service.graph.ops import DERIVED_FROM, OPEN, Edge, SetStat
from metadata_service.projector.edges import SetId
from metadata_service.queries.activity import current_versions, runs
from metadata_service.queries.context import QueryContext
from metadata_service.queries.mask import hidden
from metadata_service.queries.shapes import Long, of_micros

__all__ = ["Producer", "producers"]

HISTORY_LIMIT = 20_000  # edges that ever led into one dataset
WRITERS_LIMIT = 1_000  # jobs that ever wrote it


@dataclass(frozen=True, slots=True)
class Producer:
    """One version of a job's code that makes a dataset or made it, or a declaration of what it is made of (`job` null unless a job is declared).

    It stood from size `first` on, last from `since` (entry since-1 said so) to `until` (entry until-1 ended it; null while it is `current`, and where nobody
    said). Of a job that reads nothing there are no edges: it is current while the current version is its. `runs` and `last_seen` (the claimed time
    of the last event that showed it) are null at a past position. A `restricted` one has no names.
    """

    job: str | None
    transformation: str | None
    commit: str | None
    basis: str | None
    current: bool
    first: Long
    since: Long
    until: Long | None
    opened_by: Long
    runs: Long | None
    last_seen: datetime | None
    restricted: bool


@dataclass(slots=True)
class _Stretch:
    """A producer's edges: the sizes between which any of them stood, as intervals in order that do not touch."""

    edge: Edge
    intervals: list[tuple[int, int]]


async def producers(context: QueryContext, dataset: str) -> tuple[Producer, ...]:
    """Every producer up to the position, the current ones first, then the latest."""
    edges = await context.graph.edge_history([dataset], [DERIVED_FROM], 0, context.size, HISTORY_LIMIT + 1)
    if len(edges) > HISTORY_LIMIT:
        context.notes.truncate(f"edges that ever led into the dataset (the first {HISTORY_LIMIT})")
    sets: dict[str, list[Edge]] = defaultdict(list)
    for edge in edges[:HISTORY_LIMIT]:
        if edge.subtype != "SAME_AS":
            sets[edge.set_id].append(edge)
    found = {set_id: _Stretch(max(of, key=lambda edge: edge.from_), _merged((edge.from_, edge.to) for edge in of)) for set_id, of in sets.items()}
    stats = await context.graph.set_stats(sorted(found)) if found and context.at is None else {}
    told = [_producer(each, stats.get(set_id)) for set_id, each in found.items()]
    told += await _that_read_nothing(context, dataset, {each.job for each in told})
    masked = await hidden(context, {each.job for each in told if each.job is not None})  # counted among the entity's links
    shown = [_withheld(each) if each.job in masked else each for each in told]
    return tuple(sorted(shown, key=lambda each: (not each.current, -each.since, each.job or "", each.transformation or "")))


def _merged(intervals: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def _producer(found: _Stretch, stat: SetStat | None) -> Producer:
    edge, (since, until) = found.edge, found.intervals[-1]
    return Producer(edge.via, edge.transformation, edge.commit, edge.basis, until >= OPEN, found.intervals[0][0], since, None if until >= OPEN else until,
                    since - 1, stat.runs if stat is not None else None, of_micros(stat.last_seen) if stat is not None else None, False)


async def _that_read_nothing(context: QueryContext, dataset: str, known: Iterable[str | None]) -> Sequence[Producer]:
    """Jobs that write the dataset and of which no edge tells."""
    links = (await context.links([dataset], ["WRITES"], WRITERS_LIMIT, "jobs that write the dataset")).get(dataset)
    writers = {link.src: link.from_ for link in links.into} if links is not None else {}
    unknown = sorted(writers.keys() - set(known))
    if not unknown:
        return []
    current = (await current_versions(context, [dataset])).get(dataset)
    ran = (await runs(context, [current.run])).get(current.run) if current is not None and current.run is not None else None
    codes = {job: (ran.transformation, ran.commit) if ran is not None and ran.job == job else (None, None) for job in unknown}
    sets = {job: SetId("run", job, code, dataset).digest for job, (code, _) in codes.items()}
    stats = await context.graph.set_stats(sorted(sets.values())) if context.at is None else {}
    found = []
    for job, (code, commit) in codes.items():
        stat = stats.get(sets[job])
        found.append(Producer(job, code, commit, None, ran is not None and ran.job == job, writers[job], writers[job], None, writers[job] - 1,
                              stat.runs if stat is not None else None, of_micros(stat.last_seen) if stat is not None else None, False))
    return found


def _withheld(producer: Producer) -> Producer:
    return Producer(None, None, None, producer.basis, producer.current, producer.first, producer.since, producer.until, producer.opened_by, None, None, True)
