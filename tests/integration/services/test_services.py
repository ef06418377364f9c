"""The service fixtures themselves: real servers, apart from each other, gone when the run is."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from neo4j import GraphDatabase
from neo4j.exceptions import AuthError

from tests.services.install import missing_packages
from tests.services.neo4j_server import Neo4jServer, server_of
from tests.services.postgres_server import fresh_database
from tests.services.process import start


def _plain(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://")


def test_each_postgres_database_is_empty_and_gone_afterwards(postgres_url: str) -> None:
    with fresh_database(postgres_url) as first, psycopg.connect(_plain(first), autocommit=True) as connection:
        connection.execute("CREATE TABLE marker (n integer)")
        with fresh_database(postgres_url) as second, psycopg.connect(_plain(second)) as other:
            row = other.execute("SELECT count(*) FROM pg_tables WHERE tablename = 'marker'").fetchone()
            assert row == (0,)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(_plain(first))


def test_neo4j_is_a_real_526_with_authentication(neo4j_server: Neo4jServer, neo4j_uri: str) -> None:
    with GraphDatabase.driver(neo4j_uri, auth=neo4j_server.auth) as driver:
        records = driver.execute_query("CALL dbms.components() YIELD versions, edition RETURN versions[0] AS version, edition", database_="neo4j").records
        assert records[0]["version"].startswith("5.26")
        assert driver.execute_query("MATCH (n) RETURN count(n) AS n", database_="neo4j").records[0]["n"] == 0
    if "NEO4J_URI" not in os.environ:
        with GraphDatabase.driver(neo4j_uri, auth=("neo4j", "another password")) as driver, pytest.raises(AuthError):
            driver.verify_connectivity()


def test_credentials_of_a_given_uri_are_taken_apart() -> None:
    server = server_of("neo4j://ann:p%40ss@db.example:7687")
    assert (server.uri, server.user, server.password) == ("neo4j://db.example:7687", "ann", "p@ss")
    assert server.url == "neo4j://ann:p%40ss@db.example:7687"


def test_a_service_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    console = tmp_path / "console"
    script = (f"import signal, time; from pathlib import Path; from tests.services.process import start;"
              f"p = start(['sleep', '600'], console=Path({str(console)!r}), death_signal=signal.SIGKILL); print(p.pid, flush=True); time.sleep(600)")
    root = Path(__file__).resolve().parents[3]
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=root) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert Path(f"/proc/{child}").exists()
        parent.kill()
        parent.wait()
    deadline = time.monotonic() + 10
    while _alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(child)


def test_stopping_is_by_pid(tmp_path: Path) -> None:
    first = start(["sleep", "600"], console=tmp_path / "a", death_signal=signal.SIGKILL)
    second = start(["sleep", "600"], console=tmp_path / "b", death_signal=signal.SIGKILL)
    first.kill()
    first.wait()
    assert second.poll() is None
    second.kill()
    second.wait()


def test_installer_asks_for_nothing_that_is_there(postgres_url: str, neo4j_server: Neo4jServer) -> None:
    if "POSTGRES_URL" not in os.environ and "NEO4J_URI" not in os.environ:
        assert missing_packages() == []


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
