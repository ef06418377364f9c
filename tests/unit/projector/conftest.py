"""A fresh log and graph for each test."""
from __future__ import annotations

import pytest

from tests.unit.projector.world import World


@pytest.fixture
def world() -> World:
    """A log with keys and policy, nothing projected yet."""
    return World()
