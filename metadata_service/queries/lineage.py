"""Lineage: what an entity is made of, or what is made of it. A flat answer: nodes, and edges by node position."""
from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final

from lineproof_schema.urn import WALK_KINDS, UrnError, holder, kind_of, parse_urn
from metadata_service.graph.ops import COLUMN_DERIVED_FROM, DERIVED_FROM, OPEN, Edge, Family
from metadata_service.graph.port import Direction as Way
from metadata_service.graph.port import Limits, NodeRow, Walk
from metadata_service.projector.dataset_facts import FED_BY_JOBS_STATE
from metadata_service.queries.active import active_reach, idle_sets
from metadata_service.queries.column_gaps import is_vague, unexplained
from metadata_service.queries.context import QueryContext
from metadata_service.queries.errors import InvalidArgument
from metadata_service.queries.lineage_shapes import Lineage, LineageEdge, LineageNode, RootEntity
from metadata_service.queries.mask import hidden
from metadata_service.queries.roots import asked_roots
from metadata_service.queries.shapes import Direction, Kind, Level, as_time, identify, of_micros
from metadata_service.queries.subgraph import Subgraph
from metadata_service.queries.version_walk import doubt_versions, hidden_runs, version_reach

__all__ = ["doubt_unknown_readers", "first_walk", "flatten", "lineage", "walk_limits"]

MAX_DEPTH = 100
MAX_NODES = 20_000
MAX_EDGES = 100_000
TIMES: Final = {Kind.RUN: ("endedAt", "startedAt"), Kind.DATASET_VERSION: ("committedAt",)}  # facts that say when, the better one first


def walk_limits(nodes: int | None, edges: int | None, seconds: float | None = None) -> Limits:
    """Limits of one walk, within the service's caps.

    Raises:
        InvalidArgument: not positive.
    """
    usual = Limits()
    wanted = Limits(usual.nodes if nodes is None else nodes, usual.edges if edges is None else edges, usual.seconds if seconds is None else seconds)
    if wanted.nodes < 1 or wanted.edges < 1 or not wanted.seconds > 0:
        raise InvalidArgument("limits are positive numbers")
    return Limits(min(wanted.nodes, MAX_NODES), min(wanted.edges, MAX_EDGES), min(wanted.seconds, usual.seconds))


async def lineage(context: QueryContext, urn: str, *, direction: Direction = Direction.UPSTREAM, depth: int | None = 3, level: Level = Level.ASSET,
                  kinds: Collection[Kind] | None = None, active_since: datetime | None = None, limits: Limits | None = None,
                  facts: bool = False, seen: bool = False) -> Lineage:
    """The lineage of `urn`, `depth` hops far (None = all of it). `kinds` keeps paths: what leads to a wanted kind stays.

    `active_since` leaves out what no run has shown since, and adds what one has and has ended meanwhile. `facts` and `seen` read facts of nodes and when
    edges were seen.

    Raises:
        UrnError, InvalidArgument.
    """
    if not _is_depth(depth):
        raise InvalidArgument(f"depth is 0..{MAX_DEPTH}, or null for everything")
    roots = await asked_roots(context, urn, level)
    if not roots:
        return Lineage(await context.computed_at(), context.notes.completeness(), (), (), ())
    if level is Level.VERSION and active_since is not None:
        raise InvalidArgument("activeSince is about edges between assets and columns; a version was read when it was read")
    start = [root.urn for root in roots]
    graph = await _walk(context, start, direction, depth, level, limits or Limits(), active_since, kinds)
    masked = await hidden(context, graph.distance)
    jobs = await hidden_jobs(context, graph.edges)
    if level is Level.VERSION:
        masked |= hidden_runs(graph, masked, jobs)
        doubt_versions(context, graph, start, masked)
    elif direction is not Direction.DOWNSTREAM:
        above = [urn for urn, distance in graph.distance.items()
                 if (direction is Direction.UPSTREAM or distance <= 0) and not graph.hidden_upstream.get(urn, 0)]
        await _doubt_jobs(context, above, masked)
        if level is Level.COLUMN:
            await _doubt_unknown_columns(context, graph, above, masked)
    if level is Level.COLUMN and direction is not Direction.UPSTREAM:
        await doubt_unknown_readers(context, [urn for urn, distance in graph.distance.items() if distance >= 0])
    rows = await context.graph.get(list(graph.distance), context.at) if facts else {}
    graph.edges.sort(key=_edge_order)
    nodes, edges, _ = flatten(context, graph, masked, rows, jobs)
    for edge in edges if level is Level.VERSION else ():
        edge.level = level
    if seen and context.at is None and level is not Level.VERSION:
        await _remember_when_seen(context, graph.edges, edges, masked | jobs)
    shown = tuple(RootEntity(root.urn, root.why) for root in roots if root.urn not in masked)
    return Lineage(await context.computed_at(), context.notes.completeness(), shown, nodes, edges)


async def _remember_when_seen(context: QueryContext, known: Sequence[Edge], shown: Sequence[LineageEdge], masked: Collection[str]) -> None:
    stats = await context.graph.set_stats(sorted({edge.set_id for edge in known})) if known else {}
    for edge, line in zip(known, shown, strict=True):
        if edge.set_id in stats and not {edge.downstream, edge.upstream, edge.via}.intersection(masked):
            line.last_seen = of_micros(stats[edge.set_id].last_seen)


def first_walk(urn: str, *, direction: Direction, depth: int | None, level: Level, active_since: datetime | None, limits: Limits | None) -> Walk | None:
    """The walk that `lineage` begins with, where what is asked tells that before anything is read."""
    try:
        kind = parse_urn(urn).kind
    except UrnError:
        return None
    elsewhere = {Level.ASSET: "column", Level.COLUMN: "dataset"}  # the roots are the column's dataset, or the dataset's columns
    if level is Level.VERSION or active_since is not None or kind not in WALK_KINDS or kind == elsewhere[level] or not _is_depth(depth):
        return None
    return Walk((urn,), _ways(direction)[0], depth, _families(level), limits or Limits())


def _is_depth(depth: int | None) -> bool:
    return depth is None or 0 <= depth <= MAX_DEPTH


def _ways(direction: Direction) -> tuple[Way, ...]:
    return ("DOWNSTREAM", "UPSTREAM") if direction is Direction.BOTH else ("UPSTREAM",) if direction is Direction.UPSTREAM else ("DOWNSTREAM",)


def _families(level: Level) -> tuple[Family, ...]:
    return (DERIVED_FROM,) if level is Level.ASSET else (DERIVED_FROM, COLUMN_DERIVED_FROM)


async def _walk(context: QueryContext, roots: Sequence[str], direction: Direction, depth: int | None, level: Level, limits: Limits,
                active_since: datetime | None, kinds: Collection[Kind] | None) -> Subgraph:
    parts = [await _walk_one_way(context, roots, way, depth, level, limits, active_since, kinds) for way in _ways(direction)]
    if direction is Direction.BOTH:
        parts[0].merge_upstream(parts[1])
    return parts[0]


async def _walk_one_way(context: QueryContext, roots: Sequence[str], way: Way, depth: int | None, level: Level, limits: Limits,
                        active_since: datetime | None, kinds: Collection[Kind] | None) -> Subgraph:
    reach = await (version_reach(context, roots, way, depth, limits) if level is Level.VERSION
                   else active_reach(context, roots, way, depth, _families(level), active_since, limits) if active_since is not None
                   else context.reach(Walk(tuple(roots), way, depth, _families(level), limits)))
    context.notes.cut(reach, limits, way)
    part = Subgraph.of(reach)
    if level is Level.COLUMN and way == "UPSTREAM" and any(edge.family == DERIVED_FROM for edge in part.edges):
        precise = {edge.downstream for edge in part.edges if edge.family == COLUMN_DERIVED_FROM}
        part.drop_edges(lambda edge: not _coarse(edge, precise), roots, way, hide=False)
    if active_since is not None:
        idle = await idle_sets(context, part.edges, active_since)
        part.drop_edges(lambda edge: edge.set_id not in idle, roots, way)
    if kinds:
        wanted = {kind.value for kind in kinds}
        part.keep_wanted(lambda other: kind_of(other) in wanted, roots, way)
    return part


def _edge_order(edge: Edge) -> tuple[str, str, int, str, str, str]:
    return edge.downstream, edge.upstream, edge.from_, edge.set_id, edge.type or "", edge.subtype or ""


def _coarse(edge: Edge, precise: Collection[str]) -> bool:
    """A dataset edge beside column edges says the same less exactly: a column walk leaves it out."""
    return edge.family == DERIVED_FROM and edge.downstream in precise and kind_of(edge.upstream) == "dataset"


async def _doubt_unknown_columns(context: QueryContext, graph: Subgraph, reached: Iterable[str], masked: Collection[str]) -> None:
    """Columns that may be made of more than this answer says."""
    columns = [urn for urn in reached if kind_of(urn) == "column"]
    for urn, reason in sorted((await unexplained(context, columns, graph.edges, context.at)).items()):
        context.notes.doubt("column-lineage-unknown", reason, None if urn in masked else urn)


async def _doubt_jobs(context: QueryContext, reached: Iterable[str], masked: Collection[str]) -> None:
    """Datasets that a job is said to feed while nobody says what the job reads: the walk ends there although the data do not begin there."""
    if await context.state(FED_BY_JOBS_STATE) is None:
        return
    owners = {urn: holder(urn) for urn in reached if kind_of(urn) in ("column", "dataset")}
    rows = await context.graph.get(sorted(set(owners.values())), context.at)
    for urn, owner in sorted(owners.items()):
        if owner in rows and rows[owner].facts.get("fedBy"):
            context.notes.doubt("fed-by-job", "a job is said to feed the dataset, and nobody says what the job reads", None if urn in masked else urn)


async def doubt_unknown_readers(context: QueryContext, reached: Iterable[str]) -> None:
    """Datasets of the reached columns that are read by jobs that do not say which columns they read: more may depend on these."""
    datasets = {holder(urn) for urn in reached if kind_of(urn) == "column"}
    if not datasets:
        return
    masked = await hidden(context, datasets)
    claims = await context.claims(sorted(datasets), "DOWNSTREAM", context.at, MAX_EDGES)
    for dataset in sorted({claim.urn for claim in claims if is_vague(claim)} - masked):
        context.notes.doubt("column-lineage-unknown", "the dataset is read by a job that does not say of every column what it is made of", dataset)


def flatten(context: QueryContext, graph: Subgraph, masked: Collection[str],
            rows: dict[str, NodeRow], jobs: Collection[str] = ()) -> tuple[tuple[LineageNode, ...], tuple[LineageEdge, ...], dict[str, int]]:
    """Nodes by (distance, urn), edges in the order given, and the position of each URN; masked nodes and `jobs` become placeholders."""
    order = sorted(graph.distance, key=lambda urn: (abs(graph.distance[urn]), graph.distance[urn], urn))
    position = {urn: index for index, urn in enumerate(order)}
    nodes = tuple(_placeholder(graph, urn) if urn in masked else _node(graph, urn, rows.get(urn)) for urn in order)
    edges = tuple(_edge(edge, position, masked, jobs) for edge in graph.edges)
    context.notes.restrict(len(masked))
    return nodes, edges, position


def _node(graph: Subgraph, urn: str, row: NodeRow | None) -> LineageNode:
    kind, namespace, name = identify(urn)
    distance, above, below = graph.distance[urn], graph.hidden_upstream.get(urn, 0), graph.hidden_downstream.get(urn, 0)
    if row is None or not row.facts:
        return LineageNode(urn, kind, namespace, name, distance, above, below, False)
    when = next((time for fact in TIMES.get(kind, ()) if (time := as_time(row.facts.get(fact))) is not None), None)
    return LineageNode(urn, kind, namespace, name, distance, above, below, False, owner_names(row), _text(row.facts.get("description")),
                       tuple(map(str, row.facts.get("tags") or ())), _text(row.facts.get("classification")), row.facts.get("existence") == "dropped",
                       _text(row.facts.get("status")) if kind is Kind.RUN else None, when)


def owner_names(row: NodeRow) -> tuple[str, ...]:
    """Owners as declared: their names only."""
    declared: Iterable[object] = row.facts.get("owners") or ()
    return tuple(str(owner["name"]) if isinstance(owner, dict) else str(owner) for owner in declared)


async def hidden_jobs(context: QueryContext, edges: Iterable[Edge]) -> frozenset[str]:
    """Jobs on these edges that the viewer may not see."""
    return frozenset() if context.viewer.sees_all else await hidden(context, {edge.via for edge in edges if edge.via is not None})


def _placeholder(graph: Subgraph, urn: str) -> LineageNode:
    return LineageNode(None, Kind(kind_of(urn)), None, None, graph.distance[urn], graph.hidden_upstream.get(urn, 0), graph.hidden_downstream.get(urn, 0), True)


def _edge(edge: Edge, position: dict[str, int], masked: Collection[str], jobs: Collection[str]) -> LineageEdge:
    level = Level.COLUMN if edge.family == COLUMN_DERIVED_FROM else Level.ASSET
    to = None if edge.to >= OPEN else edge.to
    down, up = position[edge.downstream], position[edge.upstream]
    if edge.downstream in masked or edge.upstream in masked or edge.via in jobs:  # an expression or a job names what is hidden
        return LineageEdge(down, up, level, edge.from_, to, edge.opened_by, edge.basis, None, None, None, edge.type, edge.subtype, None, None, None, None,
                           None, edge.status, None)
    return LineageEdge(down, up, level, edge.from_, to, edge.opened_by, edge.basis, edge.via, edge.transformation, edge.commit, edge.type, edge.subtype,
                       edge.expression, edge.file, edge.line, edge.column, edge.parser, edge.status, edge.version)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
