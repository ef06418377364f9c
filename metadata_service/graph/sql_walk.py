"""Walks over the SQL graph: one list query per level, in integers, inside one read transaction."""
from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any

from metadata_service.graph import sql_text
from metadata_service.graph.errors import WalkTooLarge
from metadata_service.graph.ops import DERIVED_FROM, OPEN, Edge, Family
from metadata_service.graph.port import Claims, Direction, Limits, Path, Reach, ReachedNode, Walk
from metadata_service.graph.reference import TOO_MANY_EDGES, TOO_MANY_NODES, TOO_SLOW, opposite
from metadata_service.graph.rows import claims_of
from metadata_service.graph.sql_edges import claims_of_rows, edges_of, urns_of
from metadata_service.graph.sql_engine import Session
from metadata_service.graph.sql_schema import FAMILIES
from metadata_service.graph.sql_text import count_in_order, step

__all__ = ["claims", "edge_history", "neighbours", "paths", "reachable"]

CHUNK = 2_000  # nodes per statement: small enough that the clock is looked at often, large enough that statements do not count


class _Walk:
    """One walk's view of the edges: direction, families and position fixed."""

    def __init__(self, session: Session, direction: Direction, families: Sequence[Family], at: int | None, seconds: float) -> None:
        self.session = session
        self.direction = direction
        self.families = sql_text.family_ids(families, FAMILIES)
        self.at = at
        self.deadline = time.monotonic() + seconds

    @property
    def late(self) -> bool:
        return time.monotonic() > self.deadline

    def _parameters(self, listed: object) -> tuple[object, ...]:
        return (listed,) if self.at is None else (listed, self.at, listed, self.at, self.at)

    def far(self, ids: Sequence[int]) -> set[int]:
        """The neighbours of `ids` in the walk's direction."""
        if len(ids) == 1:
            rows = self.session.rows(step(self.direction, self.families, "far", past=self.at is not None, single=True), *self._parameters(ids[0]))
            return {far for far, in rows}
        statement = step(self.direction, self.families, "far", past=self.at is not None)
        return {far for chunk in _chunks(ids) for far, in self.session.rows(statement, *self._parameters(self.session.many(chunk)))}

    def edges(self, ids: Sequence[int], direction: Direction) -> Iterator[Any]:
        """The edges of `ids`, in the columns of `sql_text.EDGES_BY_ID`."""
        statement = step(direction, self.families, "edges", past=self.at is not None)
        for chunk in _chunks(ids):
            yield from self.session.rows(statement, *self._parameters(self.session.many(chunk)))

    def degrees(self, ids: Sequence[int], direction: Direction) -> Iterator[tuple[int, int]]:
        """(id, number of distinct neighbours) of all of `ids` that have any."""
        past = self.at is not None
        if self.session.dialect.name == "sqlite":
            statement = count_in_order(direction, self.families, past=past)
            for chunk in _chunks(ids):
                yield from self.session.rows(statement, *(self.at,) * statement.count("?"), self.session.many(chunk))
        else:
            statement = step(direction, self.families, "count", past=past)
            for chunk in _chunks(ids):
                yield from self.session.rows(statement, *self._parameters(self.session.many(chunk)))

    def claims(self, ids: Sequence[int], direction: Direction, limit: int) -> Iterator[Sequence[tuple[int, int, str | None]]]:
        """Distinct (near, context id, own) of the edges of `ids`, at most `limit` in each chunk."""
        statement = step(direction, self.families, "claims", past=self.at is not None)
        for chunk in _chunks(ids):
            yield self.session.rows(statement, *self._parameters(self.session.many(chunk)), limit)


def _chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), CHUNK):
        yield ids[start:start + CHUNK]


def _existing(session: Session, urns: Collection[str], at: int | None) -> dict[int, str]:
    bound = OPEN if at is None else at
    return {row[0]: row[1] for row in session.rows(sql_text.EXISTING, session.many(set(urns)), bound)}


def neighbours(session: Session, frontier: Sequence[str], direction: Direction, families: Sequence[Family], at: int | None, limit: int) -> list[Edge]:
    """Edges leaving `frontier`, by (key, from_)."""
    if not frontier or not families:
        return []
    walk = _Walk(session, direction, families, at, seconds=0)
    return edges_of(session, _first_edges(walk.edges(sorted(_existing(session, frontier, None)), direction), limit))


def claims(session: Session, urns: Sequence[str], direction: Direction, at: int | None, limit: int) -> Claims:
    """What dataset edges of `urns` say besides their other ends."""
    walk = _Walk(session, direction, [DERIVED_FROM], at, seconds=0)
    known = _existing(session, urns, None)
    chunks = list(walk.claims(list(known), direction, limit + 1))
    rows = claims_of(claims_of_rows(session, [row for chunk in chunks for row in chunk[:limit]], known))
    return Claims(rows, session.row(sql_text.POSITION)[0], any(len(chunk) > limit for chunk in chunks))


def edge_history(session: Session, urns: Sequence[str], families: Sequence[Family], start: int, end: int, limit: int,
                 direction: Direction = "UPSTREAM") -> list[Edge]:
    """Edges that began or ended in (start, end], by (key, from_)."""
    if not urns or not families:
        return []
    statement = sql_text.changed(direction, sql_text.family_ids(families, FAMILIES))
    ends: dict[int, int] = {}
    for chunk in _chunks(sorted(_existing(session, urns, None))):
        listed = session.many(chunk)
        ends |= {number: to for number, to in session.rows(statement, listed, start, end, listed, start, end, start, end)}
    by_place = {row[0]: row for part in _chunks(list(ends)) for row in session.rows(sql_text.EDGES_BY_ID, session.many(part))}
    ordered = _first_edges(by_place.values(), limit)
    return [replace(edge, to=to) if (to := ends[row[0]]) <= end else edge for row, edge in zip(ordered, edges_of(session, ordered), strict=True)]


def _first_edges(rows: Iterable[Any], limit: int) -> Sequence[Any]:
    """The first `limit` of rows of edges by (key, from_)."""
    return sorted(rows, key=itemgetter(1, 5))[:limit]


def reachable(session: Session, asked: Walk, at: int | None) -> Reach:
    """Everything within `depth` hops of `roots`; see `reference`."""
    families, depth, limits = asked.families, asked.depth, asked.limits
    walk = _Walk(session, asked.direction, families, at, limits.seconds)
    reasons: list[str] = []
    urns = _existing(session, asked.roots, at)
    if len(urns) > limits.nodes:
        urns, reasons = _first(urns, limits.nodes), [TOO_MANY_NODES]
    distance = dict.fromkeys(urns, 0)
    level, hops = list(urns), 0
    while level and families and not reasons and (depth is None or hops < depth):
        if walk.late:
            reasons.append(TOO_SLOW)
            break
        hops += 1
        level = [number for number in walk.far(level) if number not in distance]
        if len(distance) + len(level) > limits.nodes:
            level = list(_first(urns_of(session, level), limits.nodes - len(distance)))
            reasons.append(TOO_MANY_NODES)
        distance.update(dict.fromkeys(level, hops))
    urns |= urns_of(session, distance.keys() - urns.keys())
    if not families:
        return Reach(tuple(ReachedNode(urn, 0) for urn in sorted(urns.values())), (), bool(reasons), tuple(reasons))
    return _surroundings(walk, distance, urns, limits, reasons)


def _first(urns: dict[int, str], number: int) -> dict[int, str]:
    return dict(sorted(urns.items(), key=lambda item: item[1])[:number])


def _surroundings(walk: _Walk, distance: dict[int, int], urns: dict[int, str], limits: Limits, reasons: list[str]) -> Reach:
    ids = list(distance)
    inside: list[Any] = []
    joined: set[tuple[int, int]] = set()  # (downstream, upstream) within the answer
    outside: set[tuple[int, int]] = set()
    for edge in walk.edges(ids, "UPSTREAM"):
        if edge[4] in distance:
            inside.append(edge)
            joined.add(edge[3:5])
        else:
            outside.add(edge[3:5])
    above = dict.fromkeys(ids, 0)
    for down, _ in outside:
        above[down] += 1
    below = dict.fromkeys(ids, 0)
    below.update(walk.degrees(ids, "DOWNSTREAM"))
    for _, up in joined:
        below[up] -= 1
    if len(inside) > limits.edges and TOO_MANY_EDGES not in reasons:
        reasons.append(TOO_MANY_EDGES)
    edges = edges_of(walk.session, _first_edges(inside, limits.edges), urns)
    nodes = sorted((distance[number], urns[number], number) for number in ids)
    return Reach(tuple(ReachedNode(urn, hops, above[number], below[number]) for hops, urn, number in nodes), tuple(edges), bool(reasons), tuple(reasons))


def paths(session: Session, start: str, end: str, direction: Direction, families: Sequence[Family], at: int | None, limits: Limits) -> list[Path]:
    """One shortest path; see `reference.paths`."""
    walk = _Walk(session, direction, families, at, limits.seconds)
    known = {urn: number for number, urn in _existing(session, {start, end}, at).items()}
    if start not in known or end not in known or (start != end and not families):
        return []
    distance = {known[start]: 0}
    level, hops = [known[start]], 0
    while level and known[end] not in distance:
        if walk.late or len(distance) > limits.nodes:
            raise WalkTooLarge(f"no path found among the first {len(distance)} nodes", nodes=len(distance))
        hops += 1
        level = [number for number in walk.far(level) if number not in distance]
        distance.update(dict.fromkeys(level, hops))
    if known[end] not in distance:
        return []
    path: list[Edge] = []
    node = known[end]
    for remaining in range(distance[node] - 1, -1, -1):
        near = 3 if direction == "UPSTREAM" else 4  # the column of the end that is nearer to `start`
        smallest = _first_edges((edge for edge in walk.edges([node], opposite(direction)) if distance.get(edge[near]) == remaining), 1)
        path += edges_of(session, smallest)
        node = smallest[0][near]
    return [Path(tuple(reversed(path)))]
