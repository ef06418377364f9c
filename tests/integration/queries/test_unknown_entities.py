"""What nobody ever spoke of is answered by a few look-ups on every store: each statement is counted, and its plan holds no scan."""
from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest
from neo4j import GraphDatabase
from sqlalchemy import make_url

from lineproof_schema.urn import format_urn
from metadata_service.api.graphql import Caller, execute
from metadata_service.graph import cypher, neo4j, sql_text
from metadata_service.graph.open import open_graph
from metadata_service.graph.sql_engine import Session
from metadata_service.projector import Projector
from metadata_service.queries.context import EVERYTHING, Room
from tests.flights_world import World, column, dataset, world_on_sqlite
from tests.root_fields import FIELDS, document
from tests.services.neo4j_server import Neo4jServer

pytestmark = pytest.mark.anyio

MOST = 12  # statements of one answer
HITS = 60  # of Neo4j's store in one statement; the world has some hundred nodes
TABLE, COLUMN = dataset("nowhere"), column("nothing", "nowhere")
MODEL, DEPLOYMENT = format_urn("model-version", "nobody", "nothing", "1"), format_urn("deployment", "nobody", "nothing", "live")
QUESTIONS: list[tuple[str, dict[str, Any]]] = [
    *(("entity", {"urn": urn}) for urn in (TABLE, COLUMN, MODEL, format_urn("job", "nobody", "nothing"), format_urn("run", "0" * 32))),
    *(("lineage", {"urn": urn, "direction": "BOTH", "depth": None, "level": level})
      for urn in (TABLE, COLUMN, format_urn("model", "nobody", "nothing")) for level in ("ASSET", "COLUMN", "VERSION")),
    ("impact", {"urn": TABLE}), ("impact", {"urn": COLUMN}), ("impact", {"change": {"urn": TABLE, "kind": "RENAME_DATASET"}}),
    ("trace", {"urn": COLUMN}), ("trace", {"urn": MODEL}), ("diff", {"urn": TABLE, "from": {"size": 1}}), ("suspects", {"urn": COLUMN, "from": {"size": 1}}),
    ("auditTrail", {"urn": TABLE}), ("auditTrail", {"urn": TABLE, "upstream": True}), ("pointInTimeChecks", {"urn": TABLE}),
    ("manifest", {"urn": MODEL}), ("manifest", {"urn": DEPLOYMENT}), ("feature", {"ref": {"name": "nobody:nothing"}}),
    ("model", {"ref": {"name": "nobody:nothing"}}), ("aliases", {"name": format_urn("model", "nobody", "nothing"), "kind": "MODEL"}),
    ("deployment", {"id": DEPLOYMENT}), ("resolve", {"refs": [MODEL]}), ("resolve", {"refs": [], "model": MODEL}),
]
NOT_ABOUT_ONE = {"search", "features", "accounting", "event", "checkpoint", "keyHistory", "evidence"}


LISTS = ("SCAN f VIRTUAL", "SCAN k", "SCAN step", "SCAN (subquery", "SCAN CONSTANT")  # of what a statement was given or found
Scans = Callable[[str, Any], list[str]]


@dataclass(slots=True)
class Store:
    """A store with the world in it: what runs there, and what the plan of a statement holds that reads a whole table or label."""

    room: Room
    scans: Scans
    everything: tuple[str, Any]  # a statement that scans
    ran: list[tuple[str, Any]] = field(default_factory=list)


@pytest.fixture(scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[World]:
    async with world_on_sqlite(tmp_path_factory.mktemp("unknown")) as world:
        yield world


@pytest.fixture(params=["sqlite", "postgresql", "neo4j"])
async def store(request: pytest.FixtureRequest, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    everything: tuple[str, Any] = (sql_text.ALL_NODES, ())
    match request.param:
        case "sqlite":
            url, plans = f"sqlite:///{tmp_path / 'graph.db'}", _in_sqlite(tmp_path / "graph.db")
        case "postgresql":
            url = request.getfixturevalue("postgres_database")
            plans = _in_postgresql(url)
        case _:
            url, everything = request.getfixturevalue("neo4j_url"), (cypher.ALL_NODES, {})
            plans = _in_neo4j(request.getfixturevalue("neo4j_server"))
    graph = open_graph(url)
    await graph.setup()
    projector = Projector(world.log.reader, graph)
    while await projector.step():
        pass
    with plans as scans:
        found = Store(replace(world.room, graph=graph), scans, everything)
        _record(monkeypatch, found.ran)
        yield found
    await graph.close()


def _record(monkeypatch: pytest.MonkeyPatch, ran: list[tuple[str, Any]]) -> None:
    """Note every statement that reads, on its way to the driver."""
    for name in ("rows", "row"):
        def noted(session: Session, template: str, *parameters: Any, passed: Any = getattr(Session, name)) -> Any:
            ran.append((session.dialect.render(template), parameters))
            return passed(session, template, *parameters)
        monkeypatch.setattr(Session, name, noted)
    run = neo4j._run

    async def noted_run(session: Any, statement: str, seconds: float | None, parameters: Mapping[str, Any]) -> Any:
        ran.append((statement, parameters))
        return await run(session, statement, seconds, parameters)

    monkeypatch.setattr(neo4j, "_run", noted_run)


@contextmanager
def _in_sqlite(path: Path) -> Iterator[Scans]:
    with closing(sqlite3.connect(path)) as connection:
        def scans(statement: str, parameters: Sequence[Any]) -> list[str]:
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            return [line for line in plan if line.startswith("SCAN") and not line.startswith(LISTS)]

        yield scans


@contextmanager
def _in_postgresql(url: str) -> Iterator[Scans]:
    with psycopg.connect(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True) as connection:
        connection.execute("SET enable_seqscan = off")  # as the service has it: the tables of this world are smaller than a page

        def scans(statement: str, parameters: Sequence[Any]) -> list[str]:
            plan = [row[0] for row in connection.execute(f"EXPLAIN {statement}", parameters)]
            whole = [line for line, below in pairwise([*plan, ""]) if "Index" in line and "Scan using" in line and "Index Cond" not in below]
            return [line for line in plan if "Seq Scan" in line and "graph_position" not in line] + whole  # of positions there is one

        yield scans


@contextmanager
def _in_neo4j(server: Neo4jServer) -> Iterator[Scans]:
    def operators(plan: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
        yield plan["operatorType"].partition("@")[0], plan["args"].get("DbHits", 0)
        for child in plan.get("children", ()):
            yield from operators(child)

    with GraphDatabase.driver(server.uri, auth=server.auth, notifications_min_severity="OFF") as driver:
        def scans(statement: str, parameters: Mapping[str, Any]) -> list[str]:
            plan = driver.execute_query(f"PROFILE {statement}", dict(parameters), database_="neo4j").summary.profile
            assert plan is not None
            found = list(operators(plan))
            hits = sum(hits for _, hits in found)
            return [name for name, _ in found if "Scan" in name] + ([f"{hits} hits"] if hits > HITS else [])

        yield scans


def test_every_field_about_an_entity_is_asked_here() -> None:
    assert {name for name, _ in QUESTIONS} | NOT_ABOUT_ONE == FIELDS.keys()


async def test_what_is_unknown_is_looked_up_and_never_scanned_for(store: Store) -> None:
    size = await store.room.graph.position()
    assert store.scans(*store.everything), "a scan has to be seen"
    looked_at: set[str] = set()
    for name, given in QUESTIONS:
        position = {} if name in ("diff", "suspects") else {"at": {"size": size.size // 2}}
        for variables in (given, given | position):
            store.ran.clear()
            body = await execute(Caller(store.room, EVERYTHING), document(name, variables), variables)
            found = (body.get("data") or {}).get(name)
            assert found is None or (not found["completeness"]["complete"] and found["completeness"]["reasons"]), (name, variables, body)
            assert 1 <= len(store.ran) <= MOST, (name, variables, [statement for statement, _ in store.ran])
            for statement, parameters in store.ran:
                assert statement in looked_at or store.scans(statement, parameters) == [], (name, variables, statement)
                looked_at.add(statement)
