"""The walk behind `activeSince`: the edges of now, and those that ended since but that a run still showed: versions of code that run side by side take
turns, and both are active."""
from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from metadata_service.graph import reference
from metadata_service.graph.ops import OPEN, Edge, Family
from metadata_service.graph.port import Direction, Limits, NodeRow, Reach
from metadata_service.graph.rows import edge_order
from metadata_service.queries.context import QueryContext
from metadata_service.queries.shapes import micros

__all__ = ["active_reach", "idle_sets"]

AHEAD = timedelta(minutes=5)  # a producer's clock may be that much before the log's


async def active_reach(context: QueryContext, roots: Sequence[str], direction: Direction, depth: int | None, families: Sequence[Family], since: datetime,
                       limits: Limits) -> Reach:
    """As `GraphStore.reachable`, over what stands now and what ended since `since` and was shown since; of one edge that came and went only the last time."""
    start = await context.graph.size_at(micros(since - AHEAD))
    return await reference.reachable(_Window(context, since, start), roots, direction, depth, families, context.at, limits)


async def idle_sets(context: QueryContext, edges: Sequence[Edge], since: datetime) -> set[str]:
    """The edge sets that no run has shown since. Declared ones are never idle: no run shows them."""
    stats = await context.graph.set_stats(sorted({edge.set_id for edge in edges})) if edges else {}
    return {set_id for set_id, stat in stats.items() if stat.last_seen < micros(since)}


class _Window:
    """What the reference walk reads."""

    def __init__(self, context: QueryContext, since: datetime, start: int) -> None:
        self._context, self._since, self._start = context, since, start

    async def get(self, urns: Sequence[str], at: int | None = None) -> dict[str, NodeRow]:
        """The nodes that exist."""
        return await self._context.graph.get(urns, at)

    async def neighbours(self, frontier: Sequence[str], direction: Direction, families: Sequence[Family], at: int | None, limit: int) -> list[Edge]:
        """The edges of `frontier` in the window."""
        graph = self._context.graph
        found = {edge.key: edge for edge in await graph.neighbours(frontier, direction, families, at, limit)}
        history = await graph.edge_history(frontier, families, self._start, self._context.size, limit, direction)
        ended = [edge for edge in history if edge.to < OPEN]
        idle = await idle_sets(self._context, ended, self._since)
        for edge in sorted(ended, key=lambda edge: edge.from_, reverse=True):
            if edge.set_id not in idle:
                found.setdefault(edge.key, edge)
        return sorted(found.values(), key=edge_order)[:limit]
