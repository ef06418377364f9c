"""The reference walks: frontier BFS over `neighbours`, one level per round trip.

Adapters may answer `reachable` and `paths` their own way; the contract suite holds them equal to these functions. What every walk shares:

- Nodes come by (distance, urn). A node limit keeps the first ones in that order and stops there.
- Edges are those between the nodes of the answer, by (key, from_); an edge limit keeps the first ones.
- Of several shortest paths, the one with the smallest edges counts, compared from the end backwards by (key, from_).
"""
from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Protocol

from metadata_service.graph.errors import WalkTooLarge
from metadata_service.graph.ops import Edge, Family
from metadata_service.graph.port import Direction, Limits, NodeRow, Path, Reach, ReachedNode
from metadata_service.graph.rows import edge_order

__all__ = ["EDGE_READ", "MOVED", "TOO_MANY_EDGES", "TOO_MANY_NODES", "TOO_SLOW", "Walkable", "ends", "opposite", "paths", "reachable"]

EDGE_READ = 1_000_000  # edges of one level; beyond it a level does not fit into memory and the walk says so
TOO_MANY_NODES = "nodes"
TOO_MANY_EDGES = "edges"
TOO_SLOW = "seconds"
MOVED = "moved"  # the graph changed during every attempt (only where a store has no snapshots): edges may be missing


class Walkable(Protocol):
    """The two reads a walk needs."""

    async def get(self, urns: Sequence[str], at: int | None = None) -> dict[str, NodeRow]:
        """The nodes that exist at `at`."""

    async def neighbours(self, frontier: Sequence[str], direction: Direction, families: Sequence[Family], at: int | None, limit: int) -> list[Edge]:
        """Edges leaving `frontier` in `direction`."""


def opposite(direction: Direction) -> Direction:
    """The other direction."""
    return "DOWNSTREAM" if direction == "UPSTREAM" else "UPSTREAM"


def ends(edge: Edge, direction: Direction) -> tuple[str, str]:
    """(near, far) end of `edge`, walking in `direction`."""
    return (edge.downstream, edge.upstream) if direction == "UPSTREAM" else (edge.upstream, edge.downstream)


async def reachable(graph: Walkable, roots: Sequence[str], direction: Direction, depth: int | None, families: Sequence[Family], at: int | None,
                    limits: Limits) -> Reach:
    """Everything within `depth` hops of `roots`."""
    deadline = time.monotonic() + limits.seconds
    reasons: list[str] = []
    level = sorted(await graph.get(roots, at))
    if len(level) > limits.nodes:
        level, reasons = level[:limits.nodes], [TOO_MANY_NODES]
    distance = dict.fromkeys(level, 0)
    hops = 0
    while level and not reasons and (depth is None or hops < depth):
        hops += 1
        if time.monotonic() > deadline:
            reasons.append(TOO_SLOW)
            break
        edges = await graph.neighbours(level, direction, families, at, EDGE_READ)
        level = sorted({far for edge in edges if (far := ends(edge, direction)[1]) not in distance})
        if len(edges) == EDGE_READ:
            reasons.append(TOO_MANY_EDGES)
        if len(distance) + len(level) > limits.nodes:
            level = level[:limits.nodes - len(distance)]
            reasons.append(TOO_MANY_NODES)
        distance.update(dict.fromkeys(level, hops))
    return await _surroundings(graph, distance, families, at, limits, reasons)


async def _surroundings(graph: Walkable, distance: dict[str, int], families: Sequence[Family], at: int | None, limits: Limits, reasons: list[str]) -> Reach:
    """The edges between the nodes of `distance`, and how many neighbours lie outside."""
    nodes = sorted(distance, key=lambda urn: (distance[urn], urn))
    upward = await graph.neighbours(nodes, "UPSTREAM", families, at, EDGE_READ)
    downward = await graph.neighbours(nodes, "DOWNSTREAM", families, at, EDGE_READ)
    if EDGE_READ in (len(upward), len(downward)) and TOO_MANY_EDGES not in reasons:
        reasons.append(TOO_MANY_EDGES)
    above = _count({(edge.downstream, edge.upstream) for edge in upward if edge.upstream not in distance})
    below = _count({(edge.upstream, edge.downstream) for edge in downward if edge.downstream not in distance})
    between = sorted((edge for edge in upward if edge.upstream in distance), key=edge_order)
    if len(between) > limits.edges:
        between = between[:limits.edges]
        if TOO_MANY_EDGES not in reasons:
            reasons.append(TOO_MANY_EDGES)
    return Reach(tuple(ReachedNode(urn, distance[urn], above.get(urn, 0), below.get(urn, 0)) for urn in nodes), tuple(between), bool(reasons), tuple(reasons))


def _count(pairs: Iterable[tuple[str, str]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for near, _ in pairs:
        counts[near] = counts.get(near, 0) + 1
    return counts


async def paths(graph: Walkable, start: str, end: str, direction: Direction, families: Sequence[Family], at: int | None, limits: Limits) -> list[Path]:
    """One shortest path from `start` to `end`, empty if there is none; a path of no edges when they are the same node.

    Raises:
        WalkTooLarge: neither found nor ruled out within `limits.nodes` and `limits.seconds`.
    """
    deadline = time.monotonic() + limits.seconds
    if len(await graph.get([start, end], at)) < len({start, end}):
        return []
    seen: set[str] = {start}
    level, walked = [start], list[Edge]()
    while level and end not in seen:
        if time.monotonic() > deadline or len(seen) > limits.nodes:
            raise WalkTooLarge(f"no path found among the first {len(seen)} nodes", nodes=len(seen))
        edges = await graph.neighbours(level, direction, families, at, EDGE_READ)
        if len(edges) == EDGE_READ:
            raise WalkTooLarge(f"a level of the walk has more than {EDGE_READ} edges")
        level = sorted({far for edge in edges if (far := ends(edge, direction)[1]) not in seen})
        seen.update(level)
        walked += edges
    found = _shortest_path(walked, start, end, direction)
    return [] if found is None else [found]


def _shortest_path(edges: Iterable[Edge], start: str, end: str, direction: Direction) -> Path | None:
    """The shortest path from `start` to `end` over `edges`, None if there is none. Pure: for edges that are at hand already."""
    leaving: dict[str, set[str]] = {}
    arriving: dict[str, list[Edge]] = {}
    for edge in edges:
        near, far = ends(edge, direction)
        leaving.setdefault(near, set()).add(far)
        arriving.setdefault(far, []).append(edge)
    distance = {start: 0}
    level, hops = [start], 0
    while level and end not in distance:
        hops += 1
        level = [far for far in {far for near in level for far in leaving.get(near, ())} if far not in distance]
        distance.update(dict.fromkeys(level, hops))
    if end not in distance:
        return None
    path: list[Edge] = []
    node = end
    while node != start:
        edge = min((edge for edge in arriving[node] if distance.get(ends(edge, direction)[0]) == distance[node] - 1), key=edge_order)
        path.append(edge)
        node = ends(edge, direction)[0]
    return Path(tuple(reversed(path)))
