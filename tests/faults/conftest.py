"""Prints at the end what was injected and what came of it."""
from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.tally import TALLY
from tests.services.postgres_server import PostgresServer
from tests.services.postgres_server import own_postgres as starting
from tests.services.process import Missing


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Last in the output: how many faults, how many acknowledged events, how many lost."""
    if TALLY.cases:
        terminalreporter.write_sep("=", "faults")
        for line in TALLY.lines():
            terminalreporter.write_line(line)


@pytest.fixture(scope="module")
def own_postgres(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """A PostgreSQL that a test may stop and kill; never one that the environment names. Its writes are flushed, as in production."""
    try:
        with starting(durable=True) as server:
            yield server
    except Missing:
        request.getfixturevalue("postgres_url")  # says so, loudly
        pytest.skip("PostgreSQL is not installed here")
