"""kill -9 at random moments under eight writers: of the service, of the projector, of PostgreSQL."""
from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.stand import Stand, stand
from tests.faults.tally import FULL, SEED, TALLY
from tests.services.postgres_server import PostgresServer, fresh_database

pytestmark = pytest.mark.slow

KILLS = 12 if FULL else 2
LONGEST_SECONDS = 1.2  # between two kills


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with stand(tmp_path_factory.mktemp("embedded")) as one:
        yield one


@pytest.fixture(scope="module")
def on_postgres(own_postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """Log, tokens and graph in one PostgreSQL."""
    with fresh_database(own_postgres.url) as url, stand(tmp_path_factory.mktemp("on-postgres"), LINEPROOF_DATABASE_URL=url, LINEPROOF_GRAPH_URL=url) as one:
        yield one


def moments(name: str) -> Iterator[None]:
    """Wait for one random moment after another; the first comes when there is work to disturb."""
    chance = random.Random(f"{SEED} {name}")
    for _ in range(KILLS):
        pause = chance.uniform(0.2, LONGEST_SECONDS)
        print(f"{name}: {pause:.3f} s")
        time.sleep(pause)
        yield


def test_the_service_is_killed_and_started_again(embedded: Stand) -> None:
    with embedded.producing():
        for _ in moments("service"):
            embedded.service.kill()
            TALLY.injected["kill -9 of the service"] += 1
            embedded.service.start()
    embedded.judge()


def test_the_projector_is_killed_and_the_service_starts_another(embedded: Stand) -> None:
    with embedded.producing():
        for _ in moments("projector"):
            os.kill(projector_of(embedded.pid), signal.SIGKILL)
            TALLY.injected["kill -9 of the projector"] += 1
    embedded.judge()


@pytest.mark.postgres
def test_postgresql_is_killed_and_started_again(on_postgres: Stand, own_postgres: PostgresServer) -> None:
    with on_postgres.producing():
        for _ in moments("postgresql"):
            own_postgres.kill()
            TALLY.injected["kill -9 of PostgreSQL"] += 1
            own_postgres.start()
    on_postgres.judge()


@pytest.mark.postgres
def test_backends_of_postgresql_are_killed_and_it_recovers_by_itself(on_postgres: Stand, own_postgres: PostgresServer) -> None:
    chance = random.Random(f"{SEED} backend")
    with on_postgres.producing():
        for _ in moments("backend"):
            os.kill(chance.choice(own_postgres.backends()), signal.SIGKILL)
            TALLY.injected["kill -9 of a PostgreSQL process"] += 1
    on_postgres.judge()


@pytest.mark.postgres
def test_the_database_is_gone_for_a_while(on_postgres: Stand, own_postgres: PostgresServer) -> None:
    refused = sum(on_postgres.ledger.refused.values())
    with on_postgres.producing():
        for _ in moments("outage"):
            own_postgres.stop()
            TALLY.injected["database stopped"] += 1
            with on_postgres.http() as http:  # the process lives and says what is wrong
                assert http.get("/healthz").status_code == 200
                assert http.get("/readyz").json()["code"] == "log-unavailable"
            time.sleep(1)
            own_postgres.start()
    assert sum(on_postgres.ledger.refused.values()) > refused
    on_postgres.judge()


def projector_of(service: int) -> int:
    """That child of the service, once it is there."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for child in Path(f"/proc/{service}/task/{service}/children").read_text().split():
            if b"metadata_service.projector" in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
        time.sleep(0.05)
    raise AssertionError("the service starts no projector")
