"""Walks over Neo4j: one pruned query for what can be reached, three for a path, and an answer that is of one state."""
from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from neo4j.exceptions import ClientError, Neo4jError

from metadata_service.graph import cypher
from metadata_service.graph.errors import GraphUnavailable, WalkTooLarge
from metadata_service.graph.neo4j_rows import reach_of
from metadata_service.graph.ops import OPEN, Edge, Family
from metadata_service.graph.port import Direction, Limits, Path, Reach, ReachedNode, Walk
from metadata_service.graph.reference import EDGE_READ, MOVED, TOO_MANY_NODES, TOO_SLOW, Walkable, ends, opposite
from metadata_service.graph.reference import reachable as reference_reachable

__all__ = ["by_family", "glance", "paths", "reachable"]

ROOTS = 8  # more roots are walked level by level: the single query starts one search per root, and they overlap
TRIES = 5  # walks that found the graph moved under them
NOTHING: Mapping[str, Any] = {"urns": [], "keys": []}  # read beside a walk

T = TypeVar("T")


class Reads(Walkable, Protocol):
    """What a walk asks of the store."""

    async def rows(self, statement: str, parameters: Mapping[str, Any], seconds: float) -> list[Mapping[str, Any]]:
        """All rows of one statement in a transaction of its own."""


class Stand(NamedTuple):
    """Where the graph stood: its size, and how often edges were closed or the graph was wiped."""

    size: int
    closings: int


class Seen(NamedTuple, Generic[T]):
    """What a walk brought, and where the graph stood before and after it; `still`: it is right only if the graph did not grow either."""

    answer: T
    before: Stand
    after: Stand
    still: bool = False


def by_family(families: Sequence[Family]) -> tuple[Family, ...]:
    """In the order in which the statements name them."""
    return tuple(family for family in cypher.FAMILIES if family in families)


async def reachable(graph: Reads, walk: Walk, at: int | None) -> Reach:
    """Everything within `depth` hops of `roots`; see `reference`."""
    deadline, tries = time.monotonic() + walk.limits.seconds, count()

    async def again(position: int | None) -> Seen[Reach]:
        bounds = replace(walk.limits, seconds=deadline - time.monotonic())
        if _is_one_query(walk):
            return (await _reachable(graph, replace(walk, limits=bounds), position, still=next(tries) == 0))[1]
        return await _between(graph, bounds, lambda: reference_reachable(graph, walk.roots, walk.direction, walk.depth, walk.families, position, bounds))

    reach, steady = await _steadily(again, at, deadline)
    if TOO_SLOW in reach.reasons:
        return reach
    return replace(reach, truncated=True, reasons=(*reach.reasons, MOVED)) if steady is None else replace(reach, size=steady.size)


async def glance(graph: Reads, walk: Walk, at: int | None, named: Mapping[str, Any]) -> tuple[Sequence[Any] | None, Reach | None]:
    """What `cypher.glance` gives for `named`, and the answer of `walk`; None for what one query could not tell."""
    if not _is_one_query(walk):
        return None, None
    found, seen = await _reachable(graph, walk, at, named, still=True)
    return found, seen.answer if found is None else replace(seen.answer, size=seen.after.size) if _steady(seen, at) else None


def _is_one_query(walk: Walk) -> bool:
    return bool(walk.families) and len(set(walk.roots)) <= ROOTS


def _steady(seen: Seen[Any], at: int | None) -> bool:
    return seen.after == seen.before or (at is not None and not seen.still and seen.after.closings == seen.before.closings)


async def _steadily(walk: Callable[[int | None], Awaitable[Seen[T]]], at: int | None, deadline: float) -> tuple[T, Stand | None]:
    """The answer of `walk`, and where the graph stood while it was found; None if it did not stand still.

    Neo4j has no snapshots, so a walk may see several states. It is repeated at a size: the state at a size does not change as the graph
    grows; only a closing, which moves a relationship, can hide an edge from a walk that goes on meanwhile. (The first try counts readers
    by what stands in the graph, for a graph that stands still; the others do not.)
    """
    for _ in range(TRIES):
        seen = await walk(at)
        if _steady(seen, at):
            return seen.answer, seen.after
        if time.monotonic() > deadline:
            break
        at = seen.after.size if at is None else at
    return seen.answer, None


async def _between(graph: Reads, limits: Limits, walk: Callable[[], Awaitable[T]]) -> Seen[T]:
    """A walk of several statements, between two looks at where the graph stands."""
    before = await _stands(graph, limits)
    answer = await walk()
    return Seen(answer, before, await _stands(graph, limits))


async def _stands(graph: Reads, limits: Limits) -> Stand:
    for row in await graph.rows(cypher.STANDS, {}, max(limits.seconds, 1.0)):
        return Stand(row["size"], row["closings"])
    raise GraphUnavailable("the graph was never set up")


async def _reachable(graph: Reads, walk: Walk, at: int | None, named: Mapping[str, Any] = NOTHING, *,
                     still: bool) -> tuple[Sequence[Any] | None, Seen[Reach]]:
    roots, limits = sorted(set(walk.roots)), walk.limits
    statement = cypher.reach(walk.direction, walk.families, walk.depth, past=at is not None)
    parameters = {**named, "roots": roots, "at": OPEN if at is None else at, "limit": limits.nodes + 1, "edges": EDGE_READ, "still": still}
    try:
        parts = await graph.rows(statement, parameters, limits.seconds) if limits.seconds > 0 else None
    except ClientError as error:
        if not _timed_out(error):
            raise
        parts = None
    if parts is None:
        nodes = tuple(ReachedNode(urn, 0) for urn in sorted(await graph.get(roots, at)))
        return None, Seen(Reach(nodes, (), truncated=True, reasons=(TOO_SLOW,)), Stand(0, 0), Stand(0, 0))
    if not parts:
        raise GraphUnavailable("the graph was never set up")
    rows = [row for part in parts for row in part["rows"]]
    reasons = [TOO_MANY_NODES] if len(rows) > limits.nodes else []
    seen = Seen(reach_of(rows[:limits.nodes], limits.edges, reasons), Stand(*parts[0]["before"]), Stand(*parts[-1]["after"]), still)
    return parts[0]["glance"], seen


async def paths(graph: Reads, start: str, end: str, direction: Direction, families: Sequence[Family], at: int | None, limits: Limits) -> list[Path]:
    """One shortest path: its length by a search from both ends, then the distances from `start`, then back from `end` hop by hop."""
    deadline = time.monotonic() + limits.seconds

    async def walk(position: int | None) -> Seen[Path | None]:
        bounds = replace(limits, seconds=deadline - time.monotonic())
        return await _between(graph, bounds, lambda: _path(graph, start, end, direction, by_family(families), position, bounds))

    if len(await graph.get([start, end], at)) < len({start, end}) or (start != end and not families):
        return []
    if start == end:
        return [Path(())]
    path, steady = await _steadily(walk, at, deadline)
    if steady is None:
        raise WalkTooLarge("the graph changed during every attempt to find a path; ask again")
    return [] if path is None else [path]


async def _path(graph: Reads, start: str, end: str, direction: Direction, families: tuple[Family, ...], at: int | None, limits: Limits) -> Path | None:
    past, bound = at is not None, OPEN if at is None else at
    if limits.seconds <= 0:
        raise WalkTooLarge("no time left to look for a path")
    try:
        found = await graph.rows(cypher.path_length(direction, families, past=past), {"start": start, "end": end, "at": bound}, limits.seconds)
        if not found:
            return None
        length: int = found[0]["length"]
        statement = cypher.distances(direction, families, max(length - 1, 1), past=past)
        (row,) = await graph.rows(statement, {"roots": [start], "at": bound, "limit": limits.nodes + 1}, limits.seconds)
    except ClientError as error:
        if _timed_out(error):
            raise WalkTooLarge(f"no path found within {limits.seconds:.1f} s") from error
        raise
    distance: dict[str, int] = dict(row["rows"])
    if len(distance) > limits.nodes:
        raise WalkTooLarge(f"the path is {length} hops long and runs through more than {limits.nodes} nodes", nodes=limits.nodes)
    path: list[Edge] = []
    node = end
    for remaining in range(length - 1, -1, -1):
        arriving = await graph.neighbours([node], opposite(direction), families, at, EDGE_READ)
        edge = next((edge for edge in arriving if distance.get(ends(edge, direction)[0]) == remaining), None)
        if edge is None:  # moved meanwhile: the caller sees that and tries again
            return None
        path.append(edge)
        node = ends(edge, direction)[0]
    return Path(tuple(reversed(path)))


def _timed_out(error: Neo4jError) -> bool:
    return "TransactionTimedOut" in (error.code or "") or "Terminated" in (error.code or "")
