"""What only SQLite can get wrong: plans, pragmas, files that come and go."""
from __future__ import annotations

import json
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from metadata_service.graph import sql_text
from metadata_service.graph.errors import GraphUnavailable
from metadata_service.graph.open import open_graph
from metadata_service.graph.ops import OPEN
from metadata_service.graph.sql_text import Dialect
from tests.contract.graph_world import Feeder, dataset

pytestmark = pytest.mark.anyio

BOTH = frozenset({0, 1})
STATEMENTS = {
    **{f"step-{way}-{sorted(families)}-{shape}-{past}": sql_text.step(way, families, shape, past=past)
       for way in ("UPSTREAM", "DOWNSTREAM") for families in (BOTH, frozenset({0})) for shape in ("far", "count", "claims", "edges") for past in (False, True)},
    **{f"step-{way}-single-{past}": sql_text.step(way, frozenset({0}), "far", past=past, single=True)
       for way in ("UPSTREAM", "DOWNSTREAM") for past in (False, True)},
    **{f"count-in-order-{way}-{sorted(families)}-{past}": sql_text.count_in_order(way, families, past=past)
       for way in ("UPSTREAM", "DOWNSTREAM") for families in (BOTH, frozenset({0})) for past in (False, True)},
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
    plan = _plan(path, STATEMENTS[name])
    scans = [line for line in plan.splitlines() if line.startswith("SCAN") and not line.startswith(("SCAN f VIRTUAL", "SCAN k", "SCAN step", "SCAN (subquery"))]
    assert scans in ([], ["SCAN CONSTANT ROW"]), plan


@pytest.mark.parametrize("way", ["UPSTREAM", "DOWNSTREAM"])
@pytest.mark.parametrize("past", [False, True])
async def test_walks_stay_inside_the_indexes_and_now_reads_no_past(path: Path, way: str, past: bool) -> None:
    for statement in (sql_text.step(way, BOTH, "far", past=past), sql_text.step(way, BOTH, "far", past=past, single=True),
                      sql_text.count_in_order(way, BOTH, past=past)):
        plan = _plan(path, statement)
        assert "COVERING INDEX graph_edge_now_" in plan
        assert ("graph_edge_past_" in plan) == past


@pytest.mark.parametrize("families", [BOTH, frozenset({0})])
async def test_the_readers_of_a_hub_are_counted_as_the_index_has_them_without_sorting(path: Path, families: frozenset[int]) -> None:
    assert "TEMP B-TREE" not in _plan(path, sql_text.count_in_order("DOWNSTREAM", families, past=False))


@pytest.mark.parametrize("way", ["UPSTREAM", "DOWNSTREAM"])
@pytest.mark.parametrize("families", [BOTH, frozenset({0}), frozenset({1})])
async def test_neighbours_counted_in_order_are_those_that_grouping_counts(path: Path, way: str, families: frozenset[int]) -> None:
    chance = random.Random(7)
    edges = []
    for number in range(400):
        began = chance.randrange(1, 10)
        ended = chance.choice([OPEN, began + chance.randrange(1, 6)])
        edges.append((number, str(number), chance.randrange(2), chance.randrange(12), chance.randrange(12), began, ended))
    nodes = json.dumps(list(range(12)))
    with closing(sqlite3.connect(path)) as connection:
        connection.executemany("INSERT INTO graph_edge VALUES (?, ?, ?, ?, ?, ?, ?, 0, 1, NULL)", edges)
        for at in (None, *range(1, 16)):
            grouped = Dialect("sqlite").render(sql_text.step(way, families, "count", past=at is not None))
            template = sql_text.count_in_order(way, families, past=at is not None)
            expected = dict(connection.execute(grouped, (nodes,) if at is None else (nodes, at, nodes, at, at)))
            found = dict(connection.execute(Dialect("sqlite").render(template), (*(at,) * template.count("?"), nodes)))
            assert {node: count for node, count in found.items() if count} == expected
            assert expected


def _plan(path: Path, template: str) -> str:
    statement = Dialect("sqlite").render(template)
    with closing(sqlite3.connect(path)) as connection:
        return "\n".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", ("[]",) * statement.count("?")))


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
