"""The SQL graph: SQLite (the embedded default) and PostgreSQL.

Every call is one transaction in one thread: a walk of fifty levels crosses from the event loop once.
"""
from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Concatenate, ParamSpec, TypeVar

import orjson

from metadata_service.graph import sql_text, sql_walk, sql_write
from metadata_service.graph.batch import fold
from metadata_service.graph.ops import (
    DIGEST_MODULUS,
    OPEN,
    Edge,
    EntryRecord,
    Family,
    GraphOp,
    Link,
    SetStat,
    edge_digest,
    link_digest,
    node_digest,
    revision_digest,
)
from metadata_service.graph.port import Claims, Direction, Glance, Limits, Loaded, NodeRow, Page, Path, Position, Provenance, Reach, RevisionRow, TouchRow, Walk
from metadata_service.graph.rows import entry_of, kind_range, newest, node_of, plain, read, revision_of, unplain
from metadata_service.graph.sql_edges import edge_of
from metadata_service.graph.sql_engine import Database, Session
from metadata_service.graph.sql_schema import METADATA, TOUCH_BY_ENTRY

__all__ = ["SqlGraphStore"]

ANALYZE_FIRST = 1_000  # operations; then at every doubling: a graph that is rebuilt is asked long before the database looks after itself

P = ParamSpec("P")
T = TypeVar("T")


class SqlGraphStore:
    """A `GraphStore` on SQLite or PostgreSQL; `url` is an SQLAlchemy URL."""

    def __init__(self, url: str) -> None:
        self._database = Database(url)
        self._applied, self._analyze_at = 0, ANALYZE_FIRST

    async def _read(self, query: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        def work() -> T:
            with self._database.reading() as session:
                return query(session, *args, **kwargs)
        return await asyncio.to_thread(work)

    async def _write(self, change: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        def work() -> T:
            with self._database.writing() as session:
                return change(session, *args, **kwargs)
        return await asyncio.to_thread(work)

    async def setup(self) -> None:
        """Create tables and indexes where missing."""
        def work() -> None:
            with self._database.creating() as connection:
                METADATA.create_all(connection)
                TOUCH_BY_ENTRY.create(connection, checkfirst=True)  # tables made by an earlier version have it not
        await asyncio.to_thread(work)
        await self._write(sql_write.first_position)

    async def close(self) -> None:
        """Release connections; idempotent."""
        await asyncio.to_thread(self._database.close)

    async def position(self) -> Position:
        """Where the graph stands."""
        return await self._read(lambda session: Position(*session.row(sql_text.POSITION)))

    async def load(self, urns: Sequence[str], states: Sequence[str]) -> Loaded:
        """Nodes with their current facts, and state values."""
        return await self._read(lambda session: Loaded(_get(session, urns, None), _states(session, states)))

    async def known_links(self, links: Sequence[tuple[str, str, str]]) -> set[tuple[str, str, str]]:
        """Those of these (type, src, dst) that exist."""
        return await self._read(lambda session: {link for link in set(links) if session.row(sql_text.LINK_EXISTS, link[1], link[2], link[0]) is not None})

    async def apply(self, batch: Sequence[GraphOp], *, expected_size: int, size: int, root: str, digest_delta: int) -> None:
        """Apply `batch` and move to (`size`, `root`) in one transaction."""
        await self._write(sql_write.apply, fold(batch), expected_size=expected_size, size=size, root=root, digest_delta=digest_delta)
        self._applied += len(batch)
        if self._applied >= self._analyze_at:
            self._analyze_at = 2 * self._applied
            await self._write(sql_write.refresh_statistics)

    async def wipe(self) -> None:
        """Drop everything projected."""
        await self._write(sql_write.wipe)

    async def forget(self) -> None:
        """The tables are written anew, and SQLite's write-ahead log is cut off. PostgreSQL's own log and backups keep what they have."""
        await asyncio.to_thread(self._database.forget)

    async def glance(self, urns: Sequence[str], states: Sequence[str], at: int | None = None, walk: Walk | None = None) -> Glance:
        """Position, nodes, state values and a walk, in one transaction."""
        def query(session: Session) -> Glance:
            position = Position(*session.row(sql_text.POSITION))
            reach = None if walk is None else replace(sql_walk.reachable(session, walk, at), size=position.size)
            return Glance(position, _get(session, urns, at), _states(session, states), reach)
        return await self._read(query)

    async def get(self, urns: Sequence[str], at: int | None = None) -> dict[str, NodeRow]:
        """The nodes that exist at `at`, with the facts visible there."""
        return await self._read(_get, urns, at)

    async def revisions(self, urn: str, at: int | None = None) -> list[RevisionRow]:
        """All revisions that began at or before `at`, as they stood at `at`."""
        rows = await self._read(lambda session: session.rows(sql_text.REVISIONS, urn, OPEN if at is None else at))
        return [revision_of(urn, fact, text, from_, to, at) for fact, text, from_, to in rows]

    async def neighbours(self, frontier: Sequence[str], direction: Direction, families: Sequence[Family], at: int | None, limit: int) -> list[Edge]:
        """Edges leaving `frontier` in `direction`."""
        return await self._read(sql_walk.neighbours, frontier, direction, families, at, limit)

    async def claims(self, urns: Sequence[str], direction: Direction, at: int | None, limit: int) -> Claims:
        """What the dataset edges of `urns` say besides their other ends."""
        return await self._read(lambda session: sql_walk.claims(session, urns, direction, at, limit))

    async def edge_history(self, urns: Sequence[str], families: Sequence[Family], start: int, end: int, limit: int,
                           direction: Direction = "UPSTREAM") -> list[Edge]:
        """Edges that began or ended within a window."""
        return await self._read(sql_walk.edge_history, urns, families, start, end, limit, direction)

    async def reachable(self, roots: Sequence[str], direction: Direction, depth: int | None, families: Sequence[Family], at: int | None,
                        limits: Limits) -> Reach:
        """Everything within `depth` hops of `roots`."""
        def query(session: Session) -> Reach:
            walk = Walk(tuple(roots), direction, depth, tuple(families), limits)
            return replace(sql_walk.reachable(session, walk, at), size=session.row(sql_text.POSITION)[0])
        return await self._read(query)

    async def paths(self, start: str, end: str, direction: Direction, families: Sequence[Family], at: int | None, limits: Limits) -> list[Path]:
        """One shortest path."""
        return await self._read(sql_walk.paths, start, end, direction, families, at, limits)

    async def provenance(self, urns: Sequence[str], types: Sequence[str] | None, at: int | None, limit: int = 1_000) -> dict[str, Provenance]:
        """The newest `limit` links per node, direction and type."""
        return await self._read(_provenance, urns, types, OPEN if at is None else at, limit)

    async def touches(self, urns: Sequence[str], start: int, end: int, *, after: int | None = None, limit: int = 100,
                      event_types: Sequence[str] | None = None) -> list[TouchRow]:
        """What the next `limit` entries said about `urns`."""
        return await self._read(_touches, urns, start if after is None else max(start, after + 1), end, limit, event_types)

    async def concerned(self, indices: Sequence[int]) -> list[TouchRow]:
        """What these entries concerned."""
        rows = await self._read(lambda session: session.rows(sql_text.CONCERNED, session.many(sorted(set(indices)))))
        return [TouchRow(urn, role, entry_of(body)) for urn, role, body in rows]

    async def entries(self, start: int, end: int, *, limit: int = 100, actor: str | None = None, commit: str | None = None,
                      event_types: Sequence[str] | None = None) -> list[EntryRecord]:
        """Entry records by index."""
        wanted = {column: plain(value) for column, value in (("actor", actor), ("commit_urn", commit)) if value is not None}
        statement = sql_text.entries(tuple(wanted), None if event_types is None else len(event_types))
        parameters = (start, end, *wanted.values(), *map(plain, event_types or ()), limit)
        return [entry_of(row[0]) for row in await self._read(lambda session: session.rows(statement, *parameters))]

    async def outcome(self, index: int) -> EntryRecord | None:
        """What became of entry `index`."""
        row = await self._read(lambda session: session.row(sql_text.OUTCOME, index))
        return None if row is None else entry_of(row[0])

    async def set_stats(self, set_ids: Sequence[str]) -> dict[str, SetStat]:
        """Counters of edge sets."""
        rows = await self._read(lambda session: session.rows(sql_text.SET_STATS, session.many({plain(set_id) for set_id in set_ids})))
        return {unplain(set_id): SetStat(unplain(set_id), last_seen, runs) for set_id, last_seen, runs in rows}

    async def search(self, text: str, kinds: Sequence[str] | None, prefixes: Sequence[str] | None, after: tuple[str, str] | None, first: int) -> Page:
        """Nodes whose name or namespace contains `text`."""
        return await self._read(_search, text, kinds, prefixes, after, first)

    async def listed(self, kind: str, at: int | None, after: str | None, limit: int) -> list[str]:
        """URNs of a kind, in their order."""
        start, end = kind_range(kind)
        return [row[0] for row in await self._read(lambda session: session.rows(sql_text.LISTED, after or start, end, OPEN if at is None else at, limit))]

    async def size_at(self, time: int) -> int:
        """The number of entries received at or before `time`."""
        row = await self._read(lambda session: session.row(sql_text.SIZE_AT, time))
        return 0 if row is None else int(row[0])

    async def digest(self) -> str:
        """The digest of the stored rows."""
        return await self._read(_digest)

    async def counts(self) -> dict[str, int]:
        """Rows by kind."""
        return await self._read(lambda session: {name: session.row(statement)[0] for name, statement in sql_text.COUNTS.items()})


def _get(session: Session, urns: Sequence[str], at: int | None) -> dict[str, NodeRow]:
    if not urns:
        return {}
    return _with_facts(session, session.rows(sql_text.EXISTING, session.many(set(urns)), OPEN if at is None else at), at)


def _states(session: Session, keys: Sequence[str]) -> dict[str, Any]:
    rows = session.rows(sql_text.STATES, session.many({plain(key) for key in keys})) if keys else []
    return {unplain(key): read(value) for key, value in rows}


def _with_facts(session: Session, nodes: Sequence[tuple[int, str, str, int]], at: int | None) -> dict[str, NodeRow]:
    facts: dict[int, list[tuple[str, str, int]]] = {row[0]: [] for row in nodes}
    listed = session.many(facts)
    for number, fact, text, since in session.rows(sql_text.FACTS_NOW, listed) if at is None else session.rows(sql_text.FACTS_AT, listed, at, at):
        facts[number].append((fact, text, since))
    return {urn: node_of(urn, tenant, from_, facts[number]) for number, urn, tenant, from_ in sorted(nodes, key=lambda row: row[1])}


def _provenance(session: Session, urns: Sequence[str], types: Sequence[str] | None, at: int, limit: int) -> dict[str, Provenance]:
    if not urns:
        return {}
    numbers = {row[0]: row[1] for row in session.rows(sql_text.EXISTING, session.many(set(urns)), at)}
    listed = session.many(numbers)
    out: dict[str, list[Link]] = {urn: [] for urn in numbers.values()}
    into: dict[str, list[Link]] = {urn: [] for urn in numbers.values()}
    count = None if types is None else len(types)
    for near, kind, far, from_, props in session.rows(sql_text.links("src", count), listed, *(types or ()), at, at, limit - 1):
        out[numbers[near]].append(Link(kind, numbers[near], far, from_, read(props)))
    for near, kind, far, from_, props in session.rows(sql_text.links("dst", count), listed, *(types or ()), at, at, limit - 1):
        into[numbers[near]].append(Link(kind, far, numbers[near], from_, read(props)))
    return {urn: Provenance(newest(out[urn], limit), newest(into[urn], limit)) for urn in sorted(out)}


def _touches(session: Session, urns: Sequence[str], start: int, end: int, limit: int, event_types: Sequence[str] | None) -> list[TouchRow]:
    if not urns:
        return []
    listed, types = session.many(set(urns)), tuple(map(plain, event_types or ()))
    count = None if event_types is None else len(types)
    indices = [row[0] for row in session.rows(sql_text.touched(count), listed, start, end, *types, limit)]
    if not indices:
        return []
    rows = session.rows(sql_text.touch_rows(count), listed, indices[0], indices[-1] + 1, *types)
    return [TouchRow(urn, role, entry_of(body)) for urn, role, body in rows]


def _search(session: Session, text: str, kinds: Sequence[str] | None, prefixes: Sequence[str] | None, after: tuple[str, str] | None, first: int) -> Page:
    statement = sql_text.search(None if kinds is None else len(kinds), prefixes=prefixes is not None, after=after is not None)
    listed = () if prefixes is None else (session.many(map(plain, prefixes)),)
    rows = session.rows(statement, sql_text.contains(plain(text.casefold())), *(after or ()), *(kinds or ()), *listed, first + 1)
    found, more = rows[:first], len(rows) > first
    nodes = _with_facts(session, [row[:4] for row in found], None)
    return Page(tuple(nodes[row[1]] for row in found), (found[-1][4], found[-1][1]) if more and found else None)


def _digest(session: Session) -> str:
    session.read_everything()
    total = 0
    for urn, tenant, from_ in session.stream(sql_text.ALL_NODES):
        total += node_digest(urn, tenant, from_)
    for urn, fact, text, from_, to in session.stream(sql_text.ALL_REVISIONS):
        total += revision_digest(urn, unplain(fact), read(text), from_, to)
    for family, down, up, from_, opened_by, to, context, own in session.stream(sql_text.ALL_EDGES):
        total += edge_digest(edge_of(family, down, up, from_, opened_by, to, orjson.loads(context), own))
    for kind, src, dst, from_, props in session.stream(sql_text.ALL_LINKS):
        total += link_digest(Link(kind, src, dst, from_, read(props)))
    return f"{total % DIGEST_MODULUS:064x}"
