"""Diff: exactly what changed between two positions in what an entity is made of, or in what is made of it.

Applied to the lineage at `from` the answer gives the lineage at `to`. What came and went between the two is in neither; the sizes at
which the entity's own lineage changed tell where to look.
"""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final

from anyio import to_thread

from lineproof_schema.urn import holder, kind_of
from metadata_service.graph.ops import COLUMN_DERIVED_FROM, DERIVED_FROM, Edge, Family
from metadata_service.graph.port import Direction as Way
from metadata_service.graph.port import Limits, NodeRow
from metadata_service.projector.dataset_facts import INTERPRETED
from metadata_service.queries.column_gaps import unexplained
from metadata_service.queries.context import QueryContext
from metadata_service.queries.errors import InvalidArgument
from metadata_service.queries.lineage import doubt_unknown_readers, hidden_jobs
from metadata_service.queries.lineage_shapes import RootEntity
from metadata_service.queries.mask import hidden, may_see, withheld
from metadata_service.queries.roots import COLUMN_LIMIT, Root, expand
from metadata_service.queries.shapes import Completeness, ComputedAt, Direction, Kind, Level, Long

__all__ = ["Difference", "EdgeDifference", "FactDifference", "GraphDiff", "NodeDifference", "Said", "diff"]

MAX_POSITIONS: Final = 1_000
HISTORY_LIMIT: Final = 20_000
QUIET: Final = ("currentVersion", "usage:", "cost:", "quality:", "reproduction:")  # facts of activity, not of what an entity is


class Difference(Enum):
    """What happened from the one position to the other."""

    ADDED = "ADDED"
    REMOVED = "REMOVED"
    CHANGED = "CHANGED"


@dataclass(frozen=True, slots=True)
class NodeDifference:
    """An entity that is on the way at one position only."""

    change: Difference
    urn: str | None
    kind: Kind
    restricted: bool


@dataclass(frozen=True, slots=True)
class Said:
    """How an edge is made at one of the positions: by which job and code, where in it, said since which size by which entry."""

    via: str | None
    transformation: str | None
    commit: str | None
    basis: str
    expression: str | None
    file: str | None
    line: int | None
    status: str | None
    version: str | None
    since: Long
    opened_by: Long


@dataclass(frozen=True, slots=True)
class EdgeDifference:
    """`downstream` is derived from `upstream` at one position only, or otherwise: CHANGED has both sides."""

    change: Difference
    downstream: str | None
    upstream: str | None
    level: Level
    type: str | None
    subtype: str | None
    before: Said | None
    after: Said | None
    restricted: bool


@dataclass(frozen=True, slots=True)
class FactDifference:
    """A fact of an entity that is there at both positions; `since` is the size from which it is as it is at `to`.

    Both values are null if one names what the viewer may not see.
    """

    urn: str
    fact: str
    before: Any
    after: Any
    since: Long | None


@dataclass(frozen=True, slots=True)
class GraphDiff:
    """The answer of `diff`, computed at `to`. `positions` are the sizes in (from, to] at which the entity's own edges upstream changed.

    Those of a dataset are its own and those of its columns, also of columns it no longer has.
    """

    computed_at: ComputedAt
    completeness: Completeness
    from_: Long
    to: Long
    roots: tuple[RootEntity, ...]
    nodes: tuple[NodeDifference, ...]
    edges: tuple[EdgeDifference, ...]
    facts: tuple[FactDifference, ...]
    positions: tuple[Long, ...]


@dataclass(frozen=True, slots=True)
class _Side:
    """What is there at one of the positions: what the walk reached, its edges, and with it the datasets of columns and the asked entity (`rows`).

    `unknown` are columns that may be made of more, and why.
    """

    urns: frozenset[str]
    edges: tuple[Edge, ...]
    rows: Mapping[str, NodeRow]
    unknown: Mapping[str, str]


async def diff(context: QueryContext, urn: str, start: int, *, direction: Direction = Direction.UPSTREAM, depth: int | None = None,
               level: Level = Level.COLUMN, limits: Limits | None = None) -> GraphDiff:
    """What changed from size `start` to the context's.

    Raises:
        UrnError, InvalidArgument: `start` lies beyond the position.
    """
    if level is Level.VERSION:
        raise InvalidArgument("diff compares lineage at level ASSET or COLUMN; versions and runs are never taken back, so of them only new ones differ")
    if not 0 <= start <= context.size:
        raise InvalidArgument(f"from lies in 0..{context.size}, the position that it is compared with; {start} does not")
    before = QueryContext(context.room, context.viewer, start, start, (await to_thread.run_sync(context.room.reader.root_at, start)).hex(), context.notes)
    visible = await may_see(context, urn)
    roots = list({root.urn: root for each in (before, context) for root in (await expand(each, urn, level) if visible else ())}.values())
    if not roots:
        context.unknown(urn)
        return GraphDiff(await context.computed_at(), context.notes.completeness(), start, context.size, (), (), (), (), ())
    caps = limits or Limits()
    old, new = [await _side(each, urn, roots, direction, depth, level, caps) for each in (before, context)]
    everything, told = old.urns | new.urns, old.rows.keys() & new.rows.keys()
    edges = _edges(old.edges, new.edges)
    masked = await hidden(context, everything | told) | await hidden_jobs(context, [edge for pair in edges for edge in pair if edge is not None])
    context.notes.restrict(len(masked & everything))
    for column, reason in sorted({**old.unknown, **new.unknown}.items()):
        context.notes.doubt("column-lineage-unknown", reason, None if column in masked else column)
    nodes = [NodeDifference(change, None if each in masked else each, Kind(kind_of(each)), each in masked)
             for change, urns in ((Difference.ADDED, new.urns - old.urns), (Difference.REMOVED, old.urns - new.urns)) for each in sorted(urns)]
    facts = [fact for each in sorted(told - masked) for fact in _facts(each, old.rows.get(each), new.rows.get(each))]
    untold = await withheld(context, [[fact.before, fact.after] for fact in facts])
    context.notes.restrict(sum(untold))
    facts = [replace(fact, before=None, after=None) if hide else fact for fact, hide in zip(facts, untold, strict=True)]
    positions = await _positions(context, urn, roots, start)  # before completeness is told: it may be cut off too
    return GraphDiff(await context.computed_at(), context.notes.completeness(), start, context.size,
                     tuple(RootEntity(root.urn, root.why) for root in roots if root.urn not in masked), tuple(nodes),
                     tuple(_shown(pair, masked) for pair in edges), tuple(facts), positions)


async def _side(context: QueryContext, urn: str, roots: Sequence[Root], direction: Direction, depth: int | None, level: Level, limits: Limits) -> _Side:
    families: list[Family] = [DERIVED_FROM] if level is Level.ASSET else [DERIVED_FROM, COLUMN_DERIVED_FROM]
    start = [root.urn for root in roots]
    ways: dict[Direction, list[Way]] = {Direction.UPSTREAM: ["UPSTREAM"], Direction.DOWNSTREAM: ["DOWNSTREAM"], Direction.BOTH: ["UPSTREAM", "DOWNSTREAM"]}
    urns: set[str] = set()
    edges: dict[Edge, None] = {}
    unknown: dict[str, str] = {}
    for way in ways[direction]:
        reach = await context.graph.reachable(start, way, depth, families, context.at, limits)
        context.notes.cut(reach, limits, way)
        urns.update(node.urn for node in reach.nodes)
        edges.update(dict.fromkeys(reach.edges))
        if level is Level.COLUMN and way == "UPSTREAM":
            whole = [node.urn for node in reach.nodes if kind_of(node.urn) == "column" and not node.hidden_upstream]
            unknown |= await unexplained(context, whole, reach.edges, context.at)
        elif level is Level.COLUMN:
            await doubt_unknown_readers(context, [node.urn for node in reach.nodes])
    return _Side(frozenset(urns), tuple(edges), await context.graph.get(sorted({urn, *urns, *map(holder, urns)}), context.at), unknown)


def _edges(old: Iterable[Edge], new: Iterable[Edge]) -> list[tuple[Edge | None, Edge | None]]:
    """Pairs (before, after) of what differs. Edges of the same ends, job and type are the same edge; several of them are paired in order."""
    groups: dict[tuple[str, ...], tuple[list[Edge], list[Edge]]] = defaultdict(lambda: ([], []))
    for side, edges in enumerate((old, new)):
        for edge in edges:
            groups[edge.downstream, edge.upstream, edge.family, edge.via or "", edge.type or "", edge.subtype or ""][side].append(edge)
    found: list[tuple[Edge | None, Edge | None]] = []
    for _, (before, after) in sorted(groups.items()):
        kept = {*before} & {*after}
        gone, come = (sorted((edge for edge in side if edge not in kept), key=_age) for side in (before, after))
        for index in range(max(len(gone), len(come))):
            found.append((gone[index] if index < len(gone) else None, come[index] if index < len(come) else None))
    return found


def _age(edge: Edge) -> tuple[int, str]:
    return edge.from_, edge.key


def _shown(pair: tuple[Edge | None, Edge | None], masked: Collection[str]) -> EdgeDifference:
    before, after = pair
    edge = after or before
    assert edge is not None
    change = Difference.ADDED if before is None else Difference.REMOVED if after is None else Difference.CHANGED
    level = Level.COLUMN if edge.family == COLUMN_DERIVED_FROM else Level.ASSET
    if {edge.downstream, edge.upstream, edge.via} & set(masked):
        ends = [None if each in masked else each for each in (edge.downstream, edge.upstream)]
        return EdgeDifference(change, ends[0], ends[1], level, edge.type, edge.subtype, None, None, True)
    return EdgeDifference(change, edge.downstream, edge.upstream, level, edge.type, edge.subtype, _said(before), _said(after), False)


def _said(edge: Edge | None) -> Said | None:
    if edge is None:
        return None
    return Said(edge.via, edge.transformation, edge.commit, edge.basis, edge.expression, edge.file, edge.line, edge.status, edge.version, edge.from_,
                edge.opened_by)


def _facts(urn: str, before: NodeRow | None, after: NodeRow | None) -> list[FactDifference]:
    old, new = (dict(row.facts) if row is not None else {} for row in (before, after))
    since = after.since if after is not None else {}
    return [FactDifference(urn, fact, old.get(fact), new.get(fact), since.get(fact)) for fact in sorted(old.keys() | new.keys())
            if not fact.startswith(QUIET) and fact not in INTERPRETED and old.get(fact) != new.get(fact)]


async def _positions(context: QueryContext, urn: str, roots: Sequence[Root], start: int) -> tuple[int, ...]:
    """Where the edges of the entity began or ended: its own, and of a dataset also those of every column it ever had."""
    own = {urn, *(root.urn for root in roots)}
    datasets = sorted(each for each in own if kind_of(each) == "dataset")
    links = await context.links(datasets, ["COLUMN_OF"], COLUMN_LIMIT, "columns of one dataset")
    own.update(link.src for each in links.values() for link in each.into)
    edges = await context.graph.edge_history(sorted(own), [DERIVED_FROM, COLUMN_DERIVED_FROM], start, context.size, HISTORY_LIMIT)
    if len(edges) == HISTORY_LIMIT:
        context.notes.truncate(f"history (more than {HISTORY_LIMIT} edges)")
    sizes = sorted({size for edge in edges for size in (edge.from_, edge.to) if start < size <= context.size})
    if len(sizes) > MAX_POSITIONS:
        context.notes.truncate(f"positions (more than {MAX_POSITIONS})")
    return tuple(sizes[-MAX_POSITIONS:])
