"""Graphs that an older version wrote: what it did not remember is looked at."""
from __future__ import annotations

import pytest
from neo4j import GraphDatabase

from metadata_service.graph.neo4j import Neo4jGraphStore
from metadata_service.graph.ops import CloseEdge, OpenEdge
from metadata_service.graph.port import Limits
from tests.contract.graph_world import Feeder, dataset, edge
from tests.services.neo4j_server import Neo4jServer, wipe

pytestmark = pytest.mark.anyio

HUB, ONE, TWO = (dataset(name) for name in ("hub", "one", "two"))


@pytest.mark.parametrize("mark", [True, None])
async def test_readers_are_counted_right_on_nodes_without_the_size_since_which_they_are_the_same(neo4j_server: Neo4jServer, mark: object) -> None:
    wipe(neo4j_server)
    store = Neo4jGraphStore(neo4j_server.uri, neo4j_server.auth)
    await store.setup()
    feeder = Feeder(store)
    await feeder.nodes(HUB, ONE, TWO)
    await feeder.feed(OpenEdge(edge(ONE, HUB, 2)), OpenEdge(edge(TWO, HUB, 2)))
    with GraphDatabase.driver(neo4j_server.uri, auth=neo4j_server.auth) as driver:
        driver.execute_query("MATCH (n:Entity) SET n.single = $mark", mark=mark, database_="neo4j")
    await feeder.feed(CloseEdge(edge(ONE, HUB, 2), 3))
    await feeder.feed(OpenEdge(edge(ONE, HUB, 4)))
    assert await _counted(store) == [0, 2, 1, 2, 2]
    await feeder.feed(OpenEdge(edge(ONE, HUB, 5, set_id="other")))
    assert await _counted(store) == [0, 2, 1, 2, 2]
    await store.close()


async def _counted(store: Neo4jGraphStore) -> list[int]:
    return [(await store.reachable([HUB], "UPSTREAM", 0, ["DERIVED_FROM"], at, Limits())).nodes[0].hidden_downstream for at in (1, 2, 3, 4, None)]
