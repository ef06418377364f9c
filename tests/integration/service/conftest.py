"""One running service per test."""
from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.service_world import ServiceWorld, running_service, service_settings

LIMITS = {"max_event_bytes": 65_536, "max_body_bytes": 262_144, "max_batch_events": 50}


@pytest.fixture
async def world(tmp_path: Path, anyio_backend: str) -> AsyncIterator[ServiceWorld]:
    """A service with small limits and nobody who projects."""
    async with running_service(service_settings(tmp_path, projector="off", **LIMITS)) as opened:
        yield opened


@pytest.fixture
async def projected(tmp_path: Path, anyio_backend: str) -> AsyncIterator[ServiceWorld]:
    """A service with small limits and its projector."""
    async with running_service(service_settings(tmp_path, **LIMITS)) as opened:
        yield opened


@pytest.fixture
async def roomy(tmp_path: Path, anyio_backend: str) -> AsyncIterator[ServiceWorld]:
    """A service with the usual limits and its projector."""
    async with running_service(service_settings(tmp_path / "roomy")) as opened:
        yield opened


@pytest.fixture
async def another(tmp_path: Path, anyio_backend: str) -> AsyncIterator[ServiceWorld]:
    """A second service of that kind."""
    async with running_service(service_settings(tmp_path / "another")) as opened:
        yield opened
