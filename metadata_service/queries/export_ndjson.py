"""An export as NDJSON: a header, nodes with the edges that lead upstream from them, a cursor behind each page, and a trailer that says that it is whole.

Shapes are those of `lineage` in GraphQL, but edges name their ends. `docs/lineage.md` tells them line by line.
"""
from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any

from lineproof_schema.errors import LineproofError
from metadata_service.graph.ops import COLUMN_DERIVED_FROM, OPEN, Edge
from metadata_service.graph.port import Direction as Way
from metadata_service.graph.reference import ends
from metadata_service.queries.export import FORMAT, Line, Page, Stream
from metadata_service.queries.lineage import flatten, hidden_jobs
from metadata_service.queries.mask import hidden
from metadata_service.queries.shapes import Level
from metadata_service.queries.subgraph import Subgraph
from metadata_service.queries.wire import as_json

__all__ = ["described", "ndjson_lines"]

OF_A_WALK = ("distance", "hiddenUpstream", "hiddenDownstream")  # fields of a node that mean nothing where everything is told


async def ndjson_lines(stream: Stream) -> AsyncIterator[Line]:
    """The lines of an opened stream. One that cannot be finished ends with `problem` in the place of the trailer."""
    yield {"header": {"format": FORMAT, **await described(stream)}}
    try:
        async for page in stream.pages(stream.selection.kinds):
            async for line in _page(stream, page):
                yield line
    except LineproofError as error:
        yield {"problem": error.problem()}
        return
    yield {"trailer": {"nodes": stream.told.nodes, "edges": stream.told.edges, "computedAt": as_json(await stream.context.computed_at()),
                       "completeness": as_json(stream.context.notes.completeness())}}


async def described(stream: Stream) -> dict[str, Any]:
    """What is asked, and where the stream stands."""
    selection, context = stream.selection, stream.context
    masked = await hidden(context, [root.urn for root in stream.roots])
    shown = [{"urn": root.urn, "why": root.why} for root in stream.roots if root.urn not in masked]
    return {"computedAt": as_json(await context.computed_at()), "urn": selection.urn, "direction": selection.direction.name if selection.urn else None,
            "depth": selection.depth, "columns": selection.columns, "roots": shown, "resumed": stream.resumed}


async def _page(stream: Stream, page: Page) -> AsyncIterator[Line]:
    context, urns = stream.context, list(page.distance)
    masked = await hidden(context, urns)
    placed = await stream.placed(masked)
    shown = [urn for urn in urns if urn not in masked or urn in placed]
    beside = await _beside(stream, shown)
    rows = await context.graph.get(shown, context.at)
    await stream.stand()
    graph = Subgraph({urn: page.distance[urn] or 0 for urn in shown}, beside["hidden_upstream"], beside["hidden_downstream"])
    nodes, _, position = flatten(context, graph, placed, rows)
    stream.told.restricted += len(placed)
    for urn, index in position.items():
        node = {name: value for name, value in as_json(nodes[index]).items() if name not in ("status", "time")}
        if stream.reached is None:
            for name in OF_A_WALK:
                del node[name]
        stream.told.nodes += 1
        yield {"node": {"id": stream.stands_for(urn) if urn in masked else urn, **node}}
    async for edges in stream.edges(shown):
        far = await hidden(context, {edge.upstream for edge in edges}) | masked
        jobs = await hidden_jobs(context, edges)
        for edge in edges:
            if stream.reached is None and edge.upstream in far and edge.downstream in far:
                continue
            stream.told.edges += 1
            yield {"edge": _edge(stream, edge, far, jobs)}
    if (cursor := stream.cursor(page, masked)) is not None:
        yield {"cursor": cursor}


async def _beside(stream: Stream, urns: Sequence[str]) -> dict[str, dict[str, int]]:
    """How many distinct neighbours of each are not told."""
    counts: dict[str, dict[str, int]] = {"hidden_upstream": {}, "hidden_downstream": {}}
    if stream.reached is None:
        return counts
    whole = Stream(stream.context, stream.selection, ())
    sides: tuple[tuple[str, Way], ...] = (("hidden_upstream", "UPSTREAM"), ("hidden_downstream", "DOWNSTREAM"))
    for name, way in sides:
        far: dict[str, set[str]] = defaultdict(set)
        async for edges in whole.edges(urns, way):
            for near, other in (ends(edge, way) for edge in edges):
                if other not in stream.reached:
                    far[near].add(other)
        counts[name] = {urn: len(others) for urn, others in far.items()}
    return counts


def _edge(stream: Stream, edge: Edge, masked: Collection[str], jobs: Collection[str]) -> dict[str, Any]:
    def named(urn: str) -> str:
        return stream.stands_for(urn) if urn in masked else urn

    line = {"downstream": named(edge.downstream), "upstream": named(edge.upstream),
            "level": Level.COLUMN.name if edge.family == COLUMN_DERIVED_FROM else Level.ASSET.name, "from": edge.from_,
            "to": None if edge.to >= OPEN else edge.to, "openedBy": edge.opened_by, "basis": edge.basis, "type": edge.type, "subtype": edge.subtype,
            "status": edge.status}
    if edge.downstream in masked or edge.upstream in masked or edge.via in jobs:  # an expression or a job names what is hidden
        return line
    return {**line, "via": edge.via, "transformation": edge.transformation, "commit": edge.commit, "expression": edge.expression, "file": edge.file,
            "line": edge.line, "column": edge.column, "parser": edge.parser, "version": edge.version}
