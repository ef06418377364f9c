"""What only SQLite can get wrong: plans, pragmas, files that come and go."""
from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from metadata_service.graph import sql_text
from metadata_service.graph.errors import GraphUnavailable
from metadata_service.graph.open import open_graph
from metadata_service.graph.sql_text import Dialect
from tests.contract.graph_world import Feeder, dataset

pytestmark = pytest.mark.anyio

BOTH = frozenset({0, 1})
STATEMENTS = {
    **{f"step-{way}-{sorted(families)}-{shape}-{past}": sql_text.step(way, families, shape, past=past)
       for way in ("UPSTREAM", "DOWNSTREAM") for families in (BOTH, frozenset({0})) for shape in ("far", "count", "claims", "edges") for past in (False, True)},
    **{name: getattr(sql_text, name) for name in (
        "NODE_IDS", "EXISTING", "URNS_OF", "CONTEXT_IDS", "STATES", "LINK_EXISTS", "FACTS_NOW", "FACTS_AT", "REVISIONS", "SET_STATS", "CONTEXTS", "EDGES_BY_ID",
        "OUTCOME", "SIZE_AT", "POSITION", "CLOSE_EDGE", "END_REVISION")},
    "links-out": sql_text.links("src", None), "links-into": sql_text.links("dst", 2), "touched": sql_text.touched(None), "touch_rows": sql_text.touch_rows(2),
    "entries": sql_text.entries((), None), "entries-actor": sql_text.entries(("actor",), None), "entries-commit": sql_text.entries(("commit_urn",), 2),
}


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A set-up graph file."""
    graph = open_graph(f"sqlite:///{tmp_path / 'graph.db'}")
    await graph.setup()
    await graph.close()
    return tmp_path / "graph.db"


@pytest.mark.parametrize("name", STATEMENTS)
async def test_no_statement_scans_a_table(path: Path, name: str) -> None:
    statement = Dialect("sqlite").render(STATEMENTS[name])
    with closing(sqlite3.connect(path)) as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", ("[]",) * statement.count("?"))]
    scans = [line for line in plan if line.startswith("SCAN") and not line.startswith(("SCAN f VIRTUAL", "SCAN k", "SCAN step", "SCAN (subquery"))]
    assert scans in ([], ["SCAN CONSTANT ROW"]), "\n".join(plan)


@pytest.mark.parametrize("way", ["UPSTREAM", "DOWNSTREAM"])
async def test_walks_stay_inside_the_indexes_and_now_reads_no_past(path: Path, way: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for shape in ("far", "count"):
            for past in (False, True):
                statement = Dialect("sqlite").render(sql_text.step(way, BOTH, shape, past=past))
                plan = "\n".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", ("[]",) * statement.count("?")))
                assert "COVERING INDEX graph_edge_now_" in plan
                assert ("graph_edge_past_" in plan) == past


async def test_the_file_is_in_wal_mode(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_a_file_that_was_replaced_is_followed(path: Path) -> None:
    graph = open_graph(f"sqlite:///{path}")
    await Feeder(graph).nodes(dataset("old"))
    other = open_graph(f"sqlite:///{path.with_name('new.db')}")
    await other.setup()
    await Feeder(other).nodes(dataset("new"))
    await other.close()
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.with_name("new.db").replace(path)
    assert list(await graph.get([dataset("old"), dataset("new")])) == [dataset("new")]
    await graph.close()


async def test_a_file_that_is_no_graph_is_unavailable(tmp_path: Path) -> None:
    graph = open_graph(f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(GraphUnavailable, match="no such table"):
        await graph.position()
    await graph.close()
