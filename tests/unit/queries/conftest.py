"""The flights world on SQLite, built once; tests that say more build their own."""
from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from metadata_service.graph.open import open_graph
from tests.flights_world import World, flights_world


@pytest.fixture(scope="session")
async def shared_world(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[World]:
    """Only to be asked."""
    async for world in _world(tmp_path_factory.mktemp("world")):
        yield world


@pytest.fixture
async def world(tmp_path: Path, anyio_backend: str) -> AsyncIterator[World]:
    """To be added to."""
    async for world in _world(tmp_path):
        yield world


async def _world(directory: Path) -> AsyncIterator[World]:
    graph = open_graph(f"sqlite:///{directory / 'graph.db'}")
    await graph.setup()
    world = await flights_world(directory, graph)
    yield world
    world.close()
    await graph.close()
