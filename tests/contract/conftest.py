"""One empty graph per adapter and file of tests, and a log that is projected into it."""
from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from metadata_service.graph.open import open_graph
from metadata_service.graph.port import GraphStore
from tests.contract.semantics_world import Case
from tests.flights_world import World, open_world
from tests.services.neo4j_server import wipe
from tests.services.postgres_server import fresh_database


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "neo4j"])
def graph_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An empty graph of each adapter."""
    match request.param:
        case "sqlite":
            yield f"sqlite:///{tmp_path_factory.mktemp('graph') / 'graph.db'}"
        case "postgresql":
            with fresh_database(request.getfixturevalue("postgres_url")) as url:
                yield url
        case _:
            server = request.getfixturevalue("neo4j_server")
            wipe(server)
            yield str(server.url)


@pytest.fixture(scope="module")
async def opened_graph(graph_url: str, anyio_backend: str) -> AsyncIterator[GraphStore]:
    """That graph, ready."""
    graph = open_graph(graph_url)
    await graph.setup()
    yield graph
    await graph.close()


@pytest.fixture(scope="module")
def world(opened_graph: GraphStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A log in which nothing is said yet."""
    world = open_world(tmp_path_factory.mktemp("log"), opened_graph)
    yield world
    world.close()


@pytest.fixture
def case(world: World, request: pytest.FixtureRequest) -> Case:
    """The test's own part of the world."""
    return Case(world, request.node.originalname.removeprefix("test_")[:40])
