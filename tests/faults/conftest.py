"""A PostgreSQL of its own. What was injected and what came of it is printed at the end, by tests/conftest.py."""
from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services.postgres_server import PostgresServer
from tests.services.postgres_server import own_postgres as starting
from tests.services.process import Missing


@pytest.fixture(scope="module")
def own_postgres(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """A PostgreSQL that a test may stop and kill; never one that the environment names. Its writes are flushed, as in production."""
    try:
        with starting(durable=True) as server:
            yield server
    except Missing:
        request.getfixturevalue("postgres_url")  # says so, loudly
        pytest.skip("PostgreSQL is not installed here")
