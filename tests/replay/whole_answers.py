"""Whole answers as of every position, held against a graph that was projected to that position and no further.

`broken` gives every promise that does not hold: an answer as of N is that of a rebuild of the first N entries; a diff applied to what was there gives
what is there; the positions of a diff are the sizes at which the entity's own edges changed.
"""
from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from lineproof_audit.keyring import Keyring
from lineproof_audit.reader import LogReader
from lineproof_schema.urn import format_urn, holder
from metadata_service.graph.open import open_graph
from metadata_service.graph.ops import COLUMN_DERIVED_FROM, DERIVED_FROM, OPEN, Edge
from metadata_service.graph.port import GraphStore
from metadata_service.projector import Projector
from metadata_service.projector.dataset_facts import INTERPRETED
from metadata_service.queries.audit_trail import audit_trail
from metadata_service.queries.context import EVERYTHING, Asked, QueryContext, Room, answer
from metadata_service.queries.diff import QUIET, Difference, GraphDiff, diff
from metadata_service.queries.entity import entity
from metadata_service.queries.features import aliases, feature
from metadata_service.queries.impact import impact
from metadata_service.queries.lineage import lineage
from metadata_service.queries.shapes import Direction, Level
from metadata_service.queries.suspects import suspects
from metadata_service.queries.trace import trace
from metadata_service.reproduce.manifest import manifest
from tests.replay.event_streams import Stream
from tests.unit.projector.memory_graph import MemoryGraph
from tests.unit.projector.recorded import RecordedLog, uid

__all__ = ["broken", "opened"]

QUESTIONS_PER_SIZE = 2
SUBJECTS = (*(format_urn("dataset", "db", name) for name in ("t1", "t2", "t3", "t4", "s1")), format_urn("dataset", "theirs", "y"),
            *(format_urn("column", "db", name, "k") for name in ("t1", "t2", "t3")), *(format_urn("job", "jobs", job) for job in ("j1", "j2")),
            format_urn("feature", "ml", "f"), format_urn("feature-version", "ml", "f", "1"), format_urn("run", uid("run3")))
Question = Callable[[QueryContext, str], Awaitable[Any]]


class RecordedReader(LogReader):
    """The part of a log's reader that answers need, over a log in memory."""

    def __init__(self, log: RecordedLog) -> None:
        self._log = log

    def size(self) -> int:
        return self._log.size()

    def root_at(self, size: int) -> bytes:
        return self._log.root_at(size)

    def checkpoint_covering(self, size: int) -> str | None:
        return None

    def entry(self, index: int) -> Any:
        return self._log.entry(index)


def room_of(log: RecordedLog, graph: GraphStore) -> Room:
    def keyring() -> Keyring:
        fold = Keyring()
        for entry in log.control_entries():
            fold.apply(entry.index, entry.fields, entry.envelope)
        return fold

    return Room(graph, RecordedReader(log), keyring, b"a secret of the tests")


QUESTIONS: dict[str, Question] = {
    "entity": lambda context, urn: _entity(context, urn), "impact": impact, "trace": trace, "manifest": manifest,
    "upstream": lambda context, urn: lineage(context, urn, depth=None, facts=True),
    "downstream": lambda context, urn: lineage(context, urn, direction=Direction.DOWNSTREAM, depth=2),
    "columns": lambda context, urn: lineage(context, urn, direction=Direction.BOTH, depth=None, level=Level.COLUMN),
    "versions": lambda context, urn: lineage(context, urn, direction=Direction.BOTH, depth=None, level=Level.VERSION, facts=True),
    "trail": lambda context, urn: audit_trail(context, urn, first=500),
    "trail-upstream": lambda context, urn: audit_trail(context, urn, upstream=True, first=500),
    "diff": lambda context, urn: diff(context, urn, context.size // 2),
    "suspects": lambda context, urn: suspects(context, urn, context.size // 2),
    "feature": lambda context, _urn: feature(context, "ml:f"), "aliases": lambda context, _urn: aliases(context, "ml:f", "feature"),
}


async def _entity(context: QueryContext, urn: str) -> Any:
    """What only the present knows is left out."""
    found = await entity(context, urn, made_by=True)
    if found.entity is None:
        return found
    return replace(found, entity=replace(found.entity, producers=tuple(replace(each, runs=None, last_seen=None) for each in found.entity.producers)))


async def told(room: Room, name: str, urn: str, at: int | None) -> Any:
    """The whole answer."""
    return await answer(room, EVERYTHING, Asked(at), lambda context: QUESTIONS[name](context, urn))


async def broken(stream: Stream, whole: GraphStore, stepping: GraphStore, choose: random.Random, every: int, diffs: int) -> list[str]:
    """What does not hold. `whole` has the whole stream; `stepping` is empty and is projected entry by entry; at `every` size answers are compared."""
    log, found = stream.log, list[str]()
    model, snapshots = MemoryGraph(), [Snapshot(frozenset(), (), {})]
    as_of, rebuilt = room_of(log, whole), room_of(log, stepping)
    projectors = Projector(log, stepping), Projector(log, model)
    await model.setup()
    for size in range(1, log.size() + 1):
        for projector in projectors:
            await projector.step(1, upto=size)
        snapshots.append(Snapshot.of(model))
        if size % every:
            continue
        for name, urn in [(choose.choice(list(QUESTIONS)), choose.choice(SUBJECTS)) for _ in range(QUESTIONS_PER_SIZE)]:
            if await told(as_of, name, urn, size) != await told(rebuilt, name, urn, None):
                found.append(f"{name} of {urn} as of {size} is not that of a rebuild")
    for _ in range(diffs):
        start, end = sorted((choose.randrange(log.size() + 1), choose.randrange(log.size() + 1)))
        way, level = choose.choice((Direction.UPSTREAM, Direction.DOWNSTREAM)), choose.choice((Level.ASSET, Level.COLUMN))
        urn = choose.choice([urn for urn in SUBJECTS if urn.split(":")[2] in ("dataset", "column", "feature-version")])
        found += [f"diff of {urn} from {start} to {end} {way.name} {level.name}: {said}"
                  for said in await _wrong_in_diff(as_of, snapshots, urn, start, end, way, level)]
    return found


@dataclass(frozen=True)
class Snapshot:
    """All that is current in a graph: what a rebuild to its size shows."""

    nodes: frozenset[str]
    edges: tuple[Edge, ...]
    facts: dict[tuple[str, str], Any]

    @classmethod
    def of(cls, model: MemoryGraph) -> Snapshot:
        facts = {(urn, fact): model.facts[urn, fact, from_][0] for urn, current in model.current.items() for fact, from_ in current.items()}
        return cls(frozenset(model.nodes), tuple(edge for edge in model.edges.values() if edge.to == OPEN), facts)

    def walk(self, roots: Iterable[str], way: Direction, families: Collection[str]) -> tuple[set[str], list[tuple[Any, ...]]]:
        """Nodes reached from the roots, and the edges between them."""
        ends = [(edge.downstream, edge.upstream) if way is Direction.UPSTREAM else (edge.upstream, edge.downstream) for edge in self.edges
                if edge.family in families]
        reached = {urn for urn in roots if urn in self.nodes}
        while more := {far for near, far in ends if near in reached} - reached:
            reached |= more
        return reached, sorted((_edge(edge) for edge in self.edges if edge.family in families and {edge.downstream, edge.upstream} <= reached), key=repr)

    def own(self, urn: str) -> set[tuple[str, int]]:
        """The edges of an entity, or of a dataset and its columns, to what they are made of."""
        columns = urn.replace(":dataset:", ":column:") + ":"
        return {(edge.key, edge.from_) for edge in self.edges if edge.downstream == urn or edge.downstream.startswith(columns)}


async def _wrong_in_diff(room: Room, snapshots: Sequence[Snapshot], urn: str, start: int, end: int, way: Direction, level: Level) -> Iterable[str]:
    def ask(context: QueryContext) -> Awaitable[GraphDiff]:
        return diff(context, urn, start, direction=way, level=level)

    before, after = snapshots[start], snapshots[end]
    found = await answer(room, EVERYTHING, Asked(end), ask)
    if urn not in after.nodes and urn not in before.nodes:
        return [] if (found.nodes, found.edges, found.facts) == ((), (), ()) else ["there is nothing to tell"]
    families = (DERIVED_FROM,) if level is Level.ASSET else (DERIVED_FROM, COLUMN_DERIVED_FROM)
    roots = [root.urn for root in found.roots]
    (old, old_edges), (new, new_edges) = (each.walk(roots, way, families) for each in (before, after))
    wrong = []
    told = {change: {each.urn for each in found.nodes if each.change is change} for change in (Difference.ADDED, Difference.REMOVED)}
    if told != {Difference.ADDED: new - old, Difference.REMOVED: old - new}:
        wrong.append("nodes")
    if _applied(old_edges, found) != new_edges:
        wrong.append("edges")
    there = [{urn, *reached, *map(holder, reached)} & each.nodes for reached, each in ((old, before), (new, after))]
    facts = [{key: value for key, value in each.facts.items() if key[0] in there[0] & there[1] and not key[1].startswith(QUIET)
              and key[1] not in INTERPRETED}
             for each in (before, after)]  # what facets say that are told as facts is told once
    for each in found.facts:
        if facts[0].get((each.urn, each.fact)) != each.before:
            wrong.append("facts before")
        facts[0][each.urn, each.fact] = each.after
    if {key: value for key, value in facts[0].items() if value is not None} != facts[1]:
        wrong.append("facts")
    about = holder(urn) if level is Level.ASSET else urn
    if list(found.positions) != [size for size in range(start + 1, end + 1) if snapshots[size].own(about) != snapshots[size - 1].own(about)]:
        wrong.append("positions")
    return wrong


def _edge(edge: Edge) -> tuple[Any, ...]:
    return (edge.downstream, edge.upstream, edge.family == COLUMN_DERIVED_FROM, edge.type, edge.subtype, edge.via, edge.transformation, edge.expression,
            edge.from_, edge.opened_by)


def _applied(edges: Sequence[tuple[Any, ...]], found: GraphDiff) -> list[tuple[Any, ...]]:
    kept = list(edges)
    for each in found.edges:
        ends = (each.downstream, each.upstream, each.level is Level.COLUMN, each.type, each.subtype)
        before, after = (None if said is None else (*ends, said.via, said.transformation, said.expression, said.since, said.opened_by)
                         for said in (each.before, each.after))
        if before is not None:
            if before not in kept:
                return [before]
            kept.remove(before)
        if after is not None:
            kept.append(after)
    return sorted(kept, key=repr)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[GraphStore]:
    """A graph that is set up, and empty."""
    graph = open_graph(url)
    try:
        await graph.setup()
        await graph.wipe()
        yield graph
    finally:
        await graph.close()
