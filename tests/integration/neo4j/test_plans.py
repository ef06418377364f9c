"""EXPLAIN of every shipped Cypher statement on a real Neo4j: from a unique index seek, by a pruning breadth-first search, and never a scan.

The planner decides by statistics, so the graph is loaded and the indexes are awaited first; statements of `cypher` that are not listed here fail a test.
"""
from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import anyio
import pytest
from neo4j import Driver, GraphDatabase

from metadata_service.graph import cypher
from metadata_service.graph.neo4j import Neo4jGraphStore
from metadata_service.graph.ops import Link, PutState, Revise, SetStat, Touch, UpsertNode
from tests.contract.graph_world import TENANT, Feeder, dataset, record
from tests.services.neo4j_server import Neo4jServer, wipe

BFS = "VarLengthExpand(Pruning,BFS"
SEEK = "NodeUniqueIndexSeek"
FORBIDDEN = ("AllNodesScan", "NodeByLabelScan", "CartesianProduct", "Repeat(Trail)", "VarLengthExpand(All)", "VarLengthExpand(Into)", "TypeScan")
FAMILY_SETS = (("DERIVED_FROM",), ("COLUMN_DERIVED_FROM",), ("DERIVED_FROM", "COLUMN_DERIVED_FROM"))
WAYS = ("UPSTREAM", "DOWNSTREAM")
NODES = 1_500
URNS = [dataset("t1"), dataset("t2")]
ROW = {"urn": URNS[0], "fact": "f", "from": 1, "to": 2, "value": "1", "down": URNS[0], "up": URNS[1], "src": URNS[0], "dst": URNS[1], "key": "k", "said": {},
       "props": {}, "label": "Dataset", "set_id": "s", "last_seen": 1, "runs": 1, "index": 1, "role": "subject"}
PARAMETERS: dict[str, Any] = {
    "rows": [ROW], "urns": URNS, "parts": [URNS], "urn": URNS[0], "roots": URNS, "at": 5, "limit": 10, "start": 0, "stop": 10, "end": 10, "types": None,
    "keys": ["k"], "set_ids": ["s"], "index": 1,
    "indices": [1, 2], "time": 5, "text": "weather", "kinds": None, "prefixes": None, "key": None, "size": 1, "root": "r", "digest": "d",
    "wiping": False, "closed": 0, "after": URNS[0], "before": "urn:lineproof:dataset;", "edges": 10, "still": True, "actor": "a", "commit": "c"}

LOOKUPS = {  # statement -> the operator that must find its rows
    **dict.fromkeys(("POSITION", "STANDS", "POSITION_LOCKED", "FIRST_POSITION", "MOVE", "KNOWN", "UPSERT_NODES", "ADD_REVISIONS", "END_REVISIONS",
                     "DROP_REVISIONS", "PUT_STATS", "ADD_TOUCHES", "ADD_ENTRIES", "PUT_STATES", "DROP_STATES", "NODES", "STATES", "SET_STATS", "OUTCOME",
                     "TOUCHED", "TOUCH_ROWS"), SEEK),
    **dict.fromkeys(("REVISIONS", "SIZE_AT", "CONCERNED"), "NodeIndexSeek"),
    "SEARCH": "NodeIndexContainsScan",
    "LISTED": "NodeUniqueIndexSeekByRange",
}
# about all rows, or no statement
WHOLE = {"ALL_NODES", "ALL_REVISIONS", "ALL_LINKS", "COUNT_LINKS", "SCHEMA", "AWAIT_INDEXES", "DELETE_LABEL", "LABELS", "FAMILIES", "PAST"}
BUILDERS = {"nodes", "glance", "reach", "distances", "near", "claims", "changed", "path_length", "links", "entries", "add_edges", "close_edges", "drop_edges",
            "add_links", "known_links"}
WHOLE_BUILDERS = {"count_label", "count_type", "all_edges"}


@pytest.fixture(scope="module")
def driver(neo4j_server: Neo4jServer) -> Iterator[Driver]:
    """A driver to a loaded graph."""
    wipe(neo4j_server)
    anyio.run(_load, neo4j_server)
    with GraphDatabase.driver(neo4j_server.uri, auth=neo4j_server.auth, notifications_min_severity="OFF") as opened:
        opened.execute_query("CALL db.awaitIndexes(300)", database_="neo4j")
        opened.execute_query("CALL db.resampleOutdatedIndexes()", database_="neo4j")
        opened.execute_query("CALL db.prepareForReplanning()", database_="neo4j")
        yield opened


async def _load(server: Neo4jServer) -> None:
    store = Neo4jGraphStore(server.uri, server.auth)
    await store.setup()
    feeder = Feeder(store)
    urns = [dataset(f"t{n}") for n in range(NODES)]
    await feeder.chain(*((urns[n], urns[(n * 7 + step) % NODES]) for n in range(NODES) for step in (1, 2, 3)))
    await feeder.chain(*itertools.pairwise(urns), family="COLUMN_DERIVED_FROM")
    await feeder.feed(*(Revise(urn, fact, "x", 3) for urn in urns for fact in ("owners", "schema")), *(Link("SAME_AS", urns[0], urn, 3) for urn in urns[1:]),
                      *(Touch(urn, 2) for urn in urns))
    await feeder.feed(*(record(n) for n in range(3, 1_003)), *(SetStat(f"s{n}", 1, 1) for n in range(200)), *(PutState(f"k{n}", 1) for n in range(200)),
                      UpsertNode(urns[0], TENANT, 1), entries=0)
    await store.close()


def operators(driver: Driver, statement: str, **parameters: Any) -> list[str]:
    """The operators that the planner chose, outermost first."""
    given = {name: value for name, value in (PARAMETERS | parameters).items() if f"${name}" in statement}
    plan = driver.execute_query(f"EXPLAIN {statement}", given, database_="neo4j").summary.plan
    assert plan is not None

    def walk(node: Mapping[str, Any]) -> Iterator[str]:
        operator, children = node["operatorType"].partition("@")[0], node.get("children", ())
        if operator == "CartesianProduct" and all(child["operatorType"].startswith(SEEK) for child in children):
            operator = "BothEnds"  # one row times one row
        yield f"{operator} {node['args'].get('Details', '')}"
        for child in children:
            yield from walk(child)

    return list(walk(plan))


def check(driver: Driver, statement: str, *wanted: str, **parameters: Any) -> None:
    """Every `wanted` operator is there, no forbidden one is."""
    found = operators(driver, statement, **parameters)
    shown = "\n".join([statement, *found])
    for operator in wanted:
        assert any(operator in one for one in found), f"no {operator} in\n{shown}"
    for operator in FORBIDDEN:
        assert not any(one.startswith(operator) or operator in one.partition(" ")[0] for one in found), f"{operator} in\n{shown}"


def test_every_statement_is_planned_here() -> None:
    constants = {name for name, value in vars(cypher).items() if name.isupper() and not name.startswith("_") and isinstance(value, str | tuple | dict)}
    assert constants == LOOKUPS.keys() | WHOLE
    functions = {name for name, value in vars(cypher).items() if not name.startswith("_") and callable(value) and name != "cache"
                 and getattr(inspect.unwrap(value), "__module__", "") == cypher.__name__}
    assert functions == BUILDERS | WHOLE_BUILDERS


@pytest.mark.parametrize("name", sorted(LOOKUPS))
def test_lookups_go_through_an_index(driver: Driver, name: str) -> None:
    check(driver, getattr(cypher, name), LOOKUPS[name])


@pytest.mark.parametrize("past", [False, True])
def test_nodes_and_their_facts_go_through_indexes(driver: Driver, *, past: bool) -> None:
    check(driver, cypher.nodes(past=past), SEEK, "NodeIndexSeek")
    found = operators(driver, cypher.glance(past=past))
    assert sum(one.startswith(SEEK) for one in found) == 3, found  # the position, the nodes and the states
    check(driver, cypher.glance(past=past), "NodeIndexSeek")
    found = operators(driver, cypher.reach("UPSTREAM", ("DERIVED_FROM",), None, past=past))
    assert sum(one.startswith(SEEK) for one in found) == 5, found  # those three, the roots, and the position once more


@pytest.mark.parametrize("past", [False, True])
@pytest.mark.parametrize("depth", [None, 2, 5])
@pytest.mark.parametrize("families", FAMILY_SETS)
@pytest.mark.parametrize("way", WAYS)
def test_reach_is_a_pruning_breadth_first_search_from_a_unique_seek(driver: Driver, way: str, families: Any, depth: int | None, *, past: bool) -> None:
    check(driver, cypher.distances(way, families, depth, past=past), BFS, SEEK)
    check(driver, cypher.reach(way, families, depth, past=past), BFS, SEEK)


def test_a_walk_looks_before_and_after_where_the_graph_stands(driver: Driver) -> None:
    found = operators(driver, cypher.reach("UPSTREAM", ("DERIVED_FROM",), None, past=False))
    (search,) = [place for place, one in enumerate(found) if one.startswith(BFS)]
    before, after = [place for place, one in enumerate(found) if "p:Position(id)" in one]
    assert before < search < after  # the operators of an Apply run in this order


@pytest.mark.parametrize("depth", [0, 1])
def test_up_to_one_hop_there_is_nothing_to_prune(driver: Driver, depth: int) -> None:
    found = operators(driver, cypher.reach("UPSTREAM", ("DERIVED_FROM",), depth, past=False))
    assert any(SEEK in one for one in found)
    assert not any("Scan" in one for one in found)


def test_the_interval_of_a_past_walk_is_tested_while_walking(driver: Driver) -> None:
    found = operators(driver, cypher.reach("UPSTREAM", ("DERIVED_FROM",), None, past=True))
    (search,) = [one for one in found if one.startswith(BFS)]
    assert "from <= $at" in search
    assert "DERIVED_FROM_PAST" in search
    assert "PAST" not in "".join(operators(driver, cypher.reach("UPSTREAM", ("DERIVED_FROM",), None, past=False)))  # now does not pay for history


def test_without_distinct_the_search_would_enumerate_paths(driver: Driver) -> None:
    statement = cypher.reach("UPSTREAM", ("DERIVED_FROM",), None, past=False).replace("min(length(p))", "length(p)")
    assert not any(one.startswith(BFS) for one in operators(driver, statement))  # the check above can fail


@pytest.mark.parametrize("past", [False, True])
@pytest.mark.parametrize("families", FAMILY_SETS)
@pytest.mark.parametrize("way", WAYS)
def test_one_step_starts_at_unique_seeks(driver: Driver, way: str, families: Any, *, past: bool) -> None:
    check(driver, cypher.near(way, families, past=past), SEEK, "Expand(All)")
    check(driver, cypher.claims(way, past=past), SEEK, "Expand(All)")


@pytest.mark.parametrize("families", FAMILY_SETS)
@pytest.mark.parametrize("way", WAYS)
def test_the_history_of_edges_starts_at_unique_seeks(driver: Driver, way: str, families: Any) -> None:
    check(driver, cypher.changed(way, families), SEEK, "Expand(All)")


@pytest.mark.parametrize("past", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_a_path_is_searched_from_both_ends(driver: Driver, way: str, *, past: bool) -> None:
    found = operators(driver, cypher.path_length(way, ("DERIVED_FROM",), past=past), start=URNS[0], end=URNS[1])
    assert any("ShortestPath" in one for one in found)
    assert not any(operator in one for one in found for operator in ("AllNodesScan", "NodeByLabelScan", "VarLengthExpand"))
    assert sum(SEEK in one or "MultiNodeIndexSeek" in one for one in found) >= 1


@pytest.mark.parametrize("typed", [False, True])
@pytest.mark.parametrize("end", ["src", "dst"])
def test_links_start_at_unique_seeks(driver: Driver, end: Any, *, typed: bool) -> None:
    check(driver, cypher.links(end, typed=typed), SEEK, "Expand(All)", types=["SAME_AS"])


@pytest.mark.parametrize("fields", [(), ("actor",), ("commit",), ("actor", "commit")])
def test_entries_go_through_an_index(driver: Driver, fields: tuple[str, ...]) -> None:
    check(driver, cypher.entries(fields), "IndexSeek")


@pytest.mark.parametrize("family", cypher.FAMILIES)
def test_edges_are_written_between_unique_seeks(driver: Driver, family: Any) -> None:
    for statement in (cypher.add_edges(family, past=False), cypher.add_edges(family, past=True), cypher.close_edges(family), cypher.drop_edges(family)):
        check(driver, statement, SEEK)
    check(driver, cypher.add_links("SAME_AS"), SEEK)
    check(driver, cypher.known_links("SAME_AS"), SEEK)


def test_counts_come_from_the_count_store(driver: Driver) -> None:
    for statement in (cypher.count_label("Entity"), cypher.count_type("DERIVED_FROM"), cypher.COUNT_LINKS):
        assert any("CountFromCountStore" in one for one in operators(driver, statement))
