"""Graph URLs."""
from __future__ import annotations

import pytest

from lineproof_schema.errors import LineproofError
from metadata_service.graph.errors import GraphUnavailable
from metadata_service.graph.neo4j import Neo4jGraphStore
from metadata_service.graph.open import open_graph
from metadata_service.graph.sql import SqlGraphStore


@pytest.mark.parametrize("url", ["mysql://host/db", "sqlite://", "sqlite:///:memory:", "neo4j", ""])
def test_a_url_that_names_no_graph_is_an_invalid_setting(url: str) -> None:
    with pytest.raises(LineproofError) as caught:
        open_graph(url)
    assert caught.value.code == "invalid-setting"


def test_each_scheme_has_its_adapter() -> None:
    assert isinstance(open_graph("sqlite:////tmp/never-opened.db"), SqlGraphStore)
    assert isinstance(open_graph("postgresql://user@127.0.0.1/db"), SqlGraphStore)
    for scheme in ("neo4j", "bolt", "neo4j+s", "bolt+ssc"):
        assert isinstance(open_graph(f"{scheme}://user:p%40ss@host:7687/neo4j"), Neo4jGraphStore)


@pytest.mark.anyio
@pytest.mark.parametrize("url", ["postgresql://nobody@127.0.0.1:9/none", "bolt://neo4j:x@127.0.0.1:9", "sqlite:////nonexistent/directory/graph.db"])
async def test_a_store_that_does_not_answer_is_unavailable_and_retriable(url: str) -> None:
    graph = open_graph(url)
    with pytest.raises(GraphUnavailable) as caught:
        await graph.position()
    assert caught.value.entry.retriable
    await graph.close()
    await graph.close()
