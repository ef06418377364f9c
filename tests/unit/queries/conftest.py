"""The flights world on SQLite, built once; tests that say more build their own."""
from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.flights_world import World, world_on_sqlite


@pytest.fixture(scope="session")
async def shared_world(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[World]:
    """Only to be asked."""
    async with world_on_sqlite(tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture
async def world(tmp_path: Path, anyio_backend: str) -> AsyncIterator[World]:
    """To be added to."""
    async with world_on_sqlite(tmp_path) as world:
        yield world
