"""The Neo4j graph, for production: one asynchronous driver, statements of `cypher`."""
from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from neo4j import AsyncDriver, AsyncGraphDatabase, AsyncManagedTransaction, AsyncSession, Query, unit_of_work
from neo4j.exceptions import AuthError, DriverError, TransientError

from metadata_service.graph import cypher, neo4j_walk
from metadata_service.graph.batch import fold, require_known
from metadata_service.graph.errors import GraphUnavailable, ProjectionConflict
from metadata_service.graph.neo4j_rows import edge_of, sort_key, statements
from metadata_service.graph.neo4j_walk import by_family
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
from metadata_service.graph.rows import (
    EMPTY_DIGEST,
    EMPTY_ROOT,
    claims_of,
    entry_of,
    kind_range,
    node_of,
    oldest_first,
    plain,
    read,
    revision_of,
    sort_name,
    unplain,
)

__all__ = ["Neo4jGraphStore"]

ROWS = 2_000  # per statement: memory of one transaction stays small, and round trips do not count any more
APPLY_SECONDS = 120.0
READ_SECONDS = 60.0


class Neo4jGraphStore:
    """A `GraphStore` on Neo4j 5.26 or later (Community is enough)."""

    def __init__(self, uri: str, auth: tuple[str, str] | None, *, database: str = "neo4j") -> None:
        self._uri, self._auth, self._database = uri, auth, database
        self._driver: AsyncDriver | None = None

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[AsyncSession]:
        """A session; what the database refuses for the moment is `GraphUnavailable`."""
        if self._driver is None:
            self._driver = AsyncGraphDatabase.driver(self._uri, auth=self._auth, notifications_min_severity="OFF")
        try:
            async with self._driver.session(database=self._database) as session:
                yield session
        except (DriverError, TransientError, AuthError) as error:
            raise GraphUnavailable(f"Neo4j does not answer: {error}") from error

    async def rows(self, statement: str, parameters: Mapping[str, Any], seconds: float = READ_SECONDS) -> list[Mapping[str, Any]]:
        """All rows of one statement of `cypher`, in a transaction of its own."""
        async with self._session() as session:
            return await _run(session, statement, seconds, parameters)

    async def setup(self) -> None:
        """Create constraints and indexes where missing, and wait until they are online."""
        async with self._session() as session:
            for statement in (*cypher.SCHEMA, cypher.AWAIT_INDEXES):
                await _run(session, statement, APPLY_SECONDS, {})
            await _run(session, cypher.FIRST_POSITION, APPLY_SECONDS, {"root": EMPTY_ROOT, "digest": EMPTY_DIGEST})

    async def close(self) -> None:
        """Close the driver; idempotent."""
        if self._driver is not None:
            await self._driver.close()
            self._driver = None

    async def position(self) -> Position:
        """Where the graph stands."""
        (row,) = await self.rows(cypher.POSITION, {})
        return Position(row["size"], row["root"], row["digest"])

    async def load(self, urns: Sequence[str], states: Sequence[str]) -> Loaded:
        """Nodes with their current facts, and state values."""
        async with self._session() as session:
            nodes = await _get(session, urns, None)
            parts = await _run(session, cypher.STATES, READ_SECONDS, {"parts": _parts(states)}) if states else []
        return Loaded(nodes, {key: read(value) for part in parts for key, value in part["rows"]})

    async def known_links(self, links: Sequence[tuple[str, str, str]]) -> set[tuple[str, str, str]]:
        """Those of these (type, src, dst) that exist."""
        known: set[tuple[str, str, str]] = set()
        async with self._session() as session:
            for kind in sorted({link[0] for link in links}):
                rows = await _run(session, cypher.known_links(kind), READ_SECONDS, {"rows": [[src, dst] for of, src, dst in links if of == kind]})
                known.update((kind, *row["row"]) for row in rows)
        return known

    async def apply(self, batch: Sequence[GraphOp], *, expected_size: int, size: int, root: str, digest_delta: int) -> None:
        """Apply `batch` and move to (`size`, `root`) in one transaction."""
        effect = fold(batch)

        @unit_of_work(timeout=APPLY_SECONDS)
        async def work(tx: AsyncManagedTransaction) -> None:
            stands = await _one(tx, cypher.POSITION_LOCKED)
            if stands["wiping"]:
                raise ProjectionConflict("the graph was being wiped and that did not finish: wipe it again")
            if stands["size"] != expected_size:
                raise ProjectionConflict(f"the graph stands at {stands['size']}, not at {expected_size}", size=stands["size"])
            total = (int(stands["digest"], 16) + digest_delta) % DIGEST_MODULUS
            await _write(tx, cypher.MOVE, size=size, root=root, digest=f"{total:064x}", wiping=False, closed=int(bool(effect.closed)))
            known = {row["urn"] for row in await _many(tx, cypher.KNOWN, "urns", sorted(effect.referenced() - effect.nodes.keys()))}
            require_known(effect.referenced(), known | effect.nodes.keys())
            for statement, name, rows in statements(effect):
                await _many(tx, statement, name, rows)

        async with self._session() as session:
            await session.execute_write(work)

    async def wipe(self) -> None:
        """Drop everything projected; until it is done, nothing can be applied."""
        parameters = {"size": 0, "root": EMPTY_ROOT, "digest": EMPTY_DIGEST, "closed": 1}
        async with self._session() as session:
            await _run(session, cypher.MOVE, APPLY_SECONDS, {**parameters, "wiping": True})
            for statement in cypher.DELETE_LABEL.values():
                await _run(session, statement, None, {})
            await _run(session, cypher.MOVE, APPLY_SECONDS, {**parameters, "wiping": False})

    async def forget(self) -> None:
        """Nothing: Neo4j reuses the space of deleted records by itself, and transaction logs go after their retention."""

    async def glance(self, urns: Sequence[str], states: Sequence[str], at: int | None = None, walk: Walk | None = None) -> Glance:
        """Position, nodes, state values and a walk, by one statement."""
        named = {"urns": sorted(set(urns)), "keys": sorted(set(states))}
        found, reach = (None, None) if walk is None else await neo4j_walk.glance(self, walk, at, named)
        if found is None:
            (row,) = await self.rows(cypher.glance(past=at is not None), {**named, "at": OPEN if at is None else at})
            found = row["glance"]
        size, root, digest, nodes, values = found
        return Glance(Position(size, root, digest), {urn: node_of(urn, *row) for urn, *row in nodes}, {key: read(value) for key, value in values}, reach)

    async def get(self, urns: Sequence[str], at: int | None = None) -> dict[str, NodeRow]:
        """The nodes that exist at `at`, with the facts visible there."""
        async with self._session() as session:
            return await _get(session, urns, at)

    async def revisions(self, urn: str, at: int | None = None) -> list[RevisionRow]:
        """All revisions that began at or before `at`, as they stood at `at`."""
        rows = await self.rows(cypher.REVISIONS, {"urn": urn, "at": OPEN if at is None else at})
        return [revision_of(urn, row["fact"], row["value"], row["from"], row["to"], at) for row in rows]

    async def neighbours(self, frontier: Sequence[str], direction: Direction, families: Sequence[Family], at: int | None, limit: int) -> list[Edge]:
        """Edges leaving `frontier` in `direction`."""
        if not frontier or not families:
            return []
        statement = cypher.near(direction, by_family(families), past=at is not None)
        parts = await self.rows(statement, {"urns": sorted(set(frontier)), "at": at, "limit": limit})
        return [edge_of(*row) for part in parts for row in part["rows"]]

    async def claims(self, urns: Sequence[str], direction: Direction, at: int | None, limit: int) -> Claims:
        """What the dataset edges of `urns` say besides their other ends."""
        parts = await self.rows(cypher.claims(direction, past=at is not None), {"parts": _parts(urns) or [[]], "at": at, "limit": limit + 1})
        return Claims(claims_of(row for part in parts for row in part["rows"][:limit]), parts[-1]["size"], any(len(part["rows"]) > limit for part in parts))

    async def edge_history(self, urns: Sequence[str], families: Sequence[Family], start: int, end: int, limit: int,
                           direction: Direction = "UPSTREAM") -> list[Edge]:
        """Edges that began or ended within a window."""
        if not urns or not families:
            return []
        parts = await self.rows(cypher.changed(direction, by_family(families)), {"urns": sorted(set(urns)), "start": start, "end": end, "limit": limit})
        return [edge_of(kind, down, up, said, to=said["to"] if said["to"] <= end else OPEN) for part in parts for kind, down, up, said in part["rows"]]

    async def reachable(self, roots: Sequence[str], direction: Direction, depth: int | None, families: Sequence[Family], at: int | None,
                        limits: Limits) -> Reach:
        """Everything within `depth` hops of `roots`, by one pruned breadth-first query."""
        return await neo4j_walk.reachable(self, Walk(tuple(roots), direction, depth, by_family(families), limits), at)

    async def paths(self, start: str, end: str, direction: Direction, families: Sequence[Family], at: int | None, limits: Limits) -> list[Path]:
        """One shortest path."""
        return await neo4j_walk.paths(self, start, end, direction, families, at, limits)

    async def provenance(self, urns: Sequence[str], types: Sequence[str] | None, at: int | None, limit: int = 1_000) -> dict[str, Provenance]:
        """The newest `limit` links per node, direction and type."""
        bound = OPEN if at is None else at
        parameters = {"urns": sorted(set(urns)), "types": None if types is None else list(types), "at": bound, "limit": limit}
        async with self._session() as session:
            known = sorted(row["urn"] for row in await _run(session, cypher.NODES, READ_SECONDS, {"urns": parameters["urns"], "at": bound}))
            out: dict[str, list[Link]] = {urn: [] for urn in known}
            into: dict[str, list[Link]] = {urn: [] for urn in known}
            for row in await _run(session, cypher.links("src", typed=types is not None), READ_SECONDS, parameters):
                out[row["urn"]] += [Link(row["type"], row["urn"], other, from_, read(props)) for other, from_, props in row["newest"]]
            for row in await _run(session, cypher.links("dst", typed=types is not None), READ_SECONDS, parameters):
                into[row["urn"]] += [Link(row["type"], other, row["urn"], from_, read(props)) for other, from_, props in row["newest"]]
        return {urn: Provenance(oldest_first(out[urn]), oldest_first(into[urn])) for urn in known}

    async def touches(self, urns: Sequence[str], start: int, end: int, *, after: int | None = None, limit: int = 100,
                      event_types: Sequence[str] | None = None) -> list[TouchRow]:
        """What the next `limit` entries said about `urns`."""
        first = start if after is None else max(start, after + 1)
        types = None if event_types is None else [plain(name) for name in event_types]
        parameters = {"urns": sorted(set(urns)), "start": first, "end": end, "types": types}
        async with self._session() as session:
            indices = [row["index"] for row in await _run(session, cypher.TOUCHED, READ_SECONDS, {**parameters, "limit": limit})]
            if not indices:
                return []
            rows = await _run(session, cypher.TOUCH_ROWS, READ_SECONDS, {**parameters, "start": indices[0], "end": indices[-1] + 1})
        return [TouchRow(row["urn"], row["role"], entry_of(row["body"])) for row in rows]

    async def concerned(self, indices: Sequence[int]) -> list[TouchRow]:
        """What these entries concerned."""
        rows = await self.rows(cypher.CONCERNED, {"indices": sorted(set(indices))})
        return [TouchRow(row["urn"], row["role"], entry_of(row["body"])) for row in rows]

    async def entries(self, start: int, end: int, *, limit: int = 100, actor: str | None = None, commit: str | None = None,
                      event_types: Sequence[str] | None = None) -> list[EntryRecord]:
        """Entry records by index."""
        wanted = {name: plain(value) for name, value in (("actor", actor), ("commit", commit)) if value is not None}
        types = None if event_types is None else [plain(name) for name in event_types]
        rows = await self.rows(cypher.entries(tuple(wanted)), {"start": start, "stop": end, "limit": limit, "types": types, **wanted})
        return [entry_of(row["body"]) for row in rows]

    async def outcome(self, index: int) -> EntryRecord | None:
        """What became of entry `index`."""
        rows = await self.rows(cypher.OUTCOME, {"index": index})
        return entry_of(rows[0]["body"]) if rows else None

    async def set_stats(self, set_ids: Sequence[str]) -> dict[str, SetStat]:
        """Counters of edge sets."""
        rows = await self.rows(cypher.SET_STATS, {"set_ids": sorted(set(set_ids))})
        return {row["set_id"]: SetStat(row["set_id"], row["last_seen"], row["runs"]) for row in rows}

    async def search(self, text: str, kinds: Sequence[str] | None, prefixes: Sequence[str] | None, after: tuple[str, str] | None, first: int) -> Page:
        """Nodes whose name or namespace contains `text`."""
        name, urn = after or (None, None)
        parameters = {"text": plain(text.casefold()), "kinds": None if kinds is None else list(kinds),
                      "prefixes": None if prefixes is None else [plain(prefix) for prefix in prefixes],
                      "key": None if name is None else sort_key(name), "urn": urn, "limit": first + 1}
        async with self._session() as session:
            found = [row["urn"] for row in await _run(session, cypher.SEARCH, READ_SECONDS, parameters)]
            nodes = await _get(session, found[:first], None)
        return Page(tuple(nodes[urn] for urn in found[:first]), (sort_name(found[first - 1]), found[first - 1]) if len(found) > first > 0 else None)

    async def listed(self, kind: str, at: int | None, after: str | None, limit: int) -> list[str]:
        """URNs of a kind, in their order."""
        start, end = kind_range(kind)
        parameters = {"after": after or start, "before": end, "at": OPEN if at is None else at, "limit": limit}
        return [urn for row in await self.rows(cypher.LISTED, parameters) for urn in row["urns"]]

    async def size_at(self, time: int) -> int:
        """The number of entries received at or before `time`."""
        rows = await self.rows(cypher.SIZE_AT, {"time": time})
        return rows[0]["size"] if rows else 0

    async def digest(self) -> str:
        """The digest of the stored rows, streamed."""
        total = 0
        async with self._session() as session:
            async for row in await session.run(cypher.ALL_NODES):
                total += node_digest(row["urn"], row["tenant"], row["from"])
            async for row in await session.run(cypher.ALL_REVISIONS):
                total += revision_digest(row["urn"], unplain(row["fact"]), read(row["value"]), row["from"], row["to"])
            for family in cypher.FAMILIES:
                for kind, past in ((family, False), (cypher.PAST[family], True)):
                    async for row in await session.run(_query(cypher.all_edges(kind), None)):
                        total += edge_digest(edge_of(family, row["down"], row["up"], row["said"], to=row["said"]["to"] if past else OPEN))
            async for row in await session.run(_query(cypher.ALL_LINKS, None)):
                total += link_digest(Link(row["type"], row["src"], row["dst"], row["from"], read(row["props"])))
        return f"{total % DIGEST_MODULUS:064x}"

    async def counts(self) -> dict[str, int]:
        """Rows by kind, from the count store."""
        async def count(statement: str) -> int:
            return int((await self.rows(statement, {}))[0]["n"])

        current = sum([await count(cypher.count_type(family)) for family in cypher.FAMILIES])
        past = sum([await count(cypher.count_type(cypher.PAST[family])) for family in cypher.FAMILIES])
        links = await count(cypher.COUNT_LINKS) - current - past
        return {"nodes": await count(cypher.count_label("Entity")), "edges": current, "past_edges": past, "links": links,
                "revisions": await count(cypher.count_label("Revision")), "entries": await count(cypher.count_label("Entry"))}


def _query(statement: str, seconds: float | None) -> Query:
    return Query(statement, timeout=seconds)


async def _run(session: AsyncSession, statement: str, seconds: float | None, parameters: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """One statement in a transaction of its own: one round trip."""
    result = await session.run(_query(statement, seconds), dict(parameters))
    return [record async for record in result]


async def _one(tx: AsyncManagedTransaction, statement: str) -> Mapping[str, Any]:
    record = await (await tx.run(statement)).single()
    if record is None:
        raise GraphUnavailable("the graph was never set up")
    return record


async def _write(tx: AsyncManagedTransaction, statement: str, **parameters: Any) -> None:
    await (await tx.run(statement, parameters)).consume()


async def _many(tx: AsyncManagedTransaction, statement: str, name: str, rows: Sequence[Any]) -> list[Mapping[str, Any]]:
    """`statement` over `rows`, some at a time."""
    answers: list[Mapping[str, Any]] = []
    for start in range(0, len(rows), ROWS):
        answers += [record async for record in await tx.run(statement, {name: rows[start:start + ROWS]})]
    return answers


async def _get(session: AsyncSession, urns: Sequence[str], at: int | None) -> dict[str, NodeRow]:
    if not urns:
        return {}
    parts = await _run(session, cypher.nodes(past=at is not None), READ_SECONDS, {"parts": _parts(urns), "at": OPEN if at is None else at})
    return {urn: node_of(urn, tenant, from_, facts) for part in parts for urn, tenant, from_, facts in part["rows"]}


def _parts(keys: Iterable[str]) -> list[list[str]]:
    """Distinct keys in order, as many to a list as rows come in one record."""
    ordered = sorted(set(keys))
    return [ordered[start:start + cypher.PART] for start in range(0, len(ordered), cypher.PART)]
