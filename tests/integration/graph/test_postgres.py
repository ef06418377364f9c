"""What only PostgreSQL can get wrong: plans of a young graph, and sorting under a linguistic collation."""
from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import make_url

from metadata_service.graph import sql_text
from metadata_service.graph.open import open_graph
from metadata_service.graph.sql_engine import Database
from tests.contract.graph_world import Feeder, dataset

pytestmark = pytest.mark.anyio

NODES = 1_500


@pytest.fixture
def linguistic_database(postgres_url: str) -> Iterator[str]:
    """A database that sorts text as people in the United States do."""
    name = f"lineproof_{uuid.uuid4().hex[:16]}"
    plain = make_url(postgres_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE \"{name}\" TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'")
    yield make_url(postgres_url).set(drivername="postgresql+psycopg", database=name).render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


async def test_order_is_by_bytes_whatever_the_database_collates(linguistic_database: str) -> None:
    graph = open_graph(linguistic_database)
    await graph.setup()
    names = ["b", "B", "a", "é", "_", "z", "Z"]
    await Feeder(graph).nodes(*(dataset(name) for name in names))
    page = await graph.search("", None, None, None, 20)
    assert [row.name for row in page.rows] == sorted(names)
    rest = await graph.search("", None, None, ("a", dataset("a")), 20)
    assert [row.name for row in rest.rows] == sorted(name for name in names if name > "a")
    await graph.close()


async def test_a_graph_that_was_just_filled_is_read_through_its_indexes(postgres_database: str) -> None:
    graph = open_graph(postgres_database)
    await graph.setup()
    urns = [dataset(f"t{n}") for n in range(NODES)]
    await Feeder(graph).chain(*((urns[n], urns[(n * 7 + step) % NODES]) for n in range(NODES) for step in (1, 2)))
    await graph.close()
    database = Database(postgres_database)
    try:
        with database.reading() as session:
            ids = [1, 2, 3]
            for way, column in (("UPSTREAM", "down_id"), ("DOWNSTREAM", "up_id")):
                for shape in ("far", "count", "edges"):
                    plan = "\n".join(row[0] for row in session.rows(f"EXPLAIN {sql_text.step(way, frozenset({0}), shape, past=False)}", ids))
                    assert f"graph_edge_now_{column}" in plan, plan
                    assert "Seq Scan" not in plan, plan
            for statement, given in ((sql_text.EXISTING, [urns[:3], 5]), (sql_text.URNS_OF, [ids]), (sql_text.FACTS_NOW, [ids]), (sql_text.EDGES_BY_ID, [ids])):
                plan = "\n".join(row[0] for row in session.rows(f"EXPLAIN {statement}", *given))
                assert "Index" in plan, plan
                assert "Seq Scan" not in plan, plan
    finally:
        database.close()
