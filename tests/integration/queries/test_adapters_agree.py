"""One log, projected into every graph store: whole GraphQL answers are equal, now and in the past."""
from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from metadata_service.api.graphql import Caller, execute
from metadata_service.cli import documents
from metadata_service.graph.open import open_graph
from metadata_service.projector import Projector
from metadata_service.queries.context import EVERYTHING
from tests.flights_world import GOOD, RAW, World, column, dataset, features, flights_world, model

pytestmark = pytest.mark.anyio

QUESTIONS: list[tuple[str, dict[str, Any]]] = [
    (documents.LINEAGE, {"urn": dataset("training_set"), "depth": None, "direction": "BOTH"}),
    (documents.LINEAGE, {"urn": dataset("training_set"), "depth": 2, "level": "COLUMN"}),
    (documents.LINEAGE, {"urn": dataset("stg_weather"), "depth": None, "direction": "DOWNSTREAM", "kinds": ["CONSUMER"]}),
    (documents.IMPACT, {"urn": column("wind_speed", "weather", RAW)}), (documents.IMPACT, {"urn": dataset("training_set")}),
    (documents.TRACE, {"urn": column("wind_ms", "training_set")}), (documents.TRACE, {"urn": model("1")}),
    (documents.AUDIT, {"urn": dataset("training_set"), "upstream": True}), (documents.ENTITY, {"urn": dataset("feat_weather")}),
]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    graph = open_graph(f"sqlite:///{tmp_path / 'graph.db'}")
    await graph.setup()
    world = await flights_world(tmp_path, graph)
    features(world, "feat 3", "2026-03-03T09:10:00Z", GOOD, "a" * 40)
    await world.settle()
    yield world
    world.close()
    await graph.close()


async def _agrees(world: World, url: str) -> None:
    other = open_graph(url)
    try:
        await other.setup()
        projector = Projector(world.log.reader, other)
        while await projector.step():
            pass
        size = world.log.reader.size()
        for at in (None, {"size": size - 4}, {"size": size // 2}, {"size": 3}):
            for document, variables in QUESTIONS:
                expected = await execute(Caller(world.room, EVERYTHING), document, {**variables, "at": at})
                found = await execute(Caller(replace(world.room, graph=other), EVERYTHING), document, {**variables, "at": at})
                assert "errors" not in expected
                assert found == expected, (document[:20], variables, at)
        found = await execute(Caller(replace(world.room, graph=other), EVERYTHING), documents.SEARCH, {"text": "weather", "first": 5})
        assert found == await execute(Caller(world.room, EVERYTHING), documents.SEARCH, {"text": "weather", "first": 5})
    finally:
        await other.close()


async def test_postgresql_answers_like_sqlite(world: World, postgres_database: str) -> None:
    await _agrees(world, postgres_database)


async def test_neo4j_answers_like_sqlite(world: World, neo4j_uri: str, neo4j_server: Any) -> None:
    await _agrees(world, neo4j_server.url)
