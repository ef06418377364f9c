"""The service, as a process, on a log that is not what it signed: it is read, nothing is taken or signed, and the operator is told what to do."""
from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import httpx
import psycopg
import pytest
from sqlalchemy import make_url

from lineproof_audit.checkpoint import peek_checkpoint
from lineproof_audit.store_postgres import plain_url
from tests.serve_process import Serving, lineproof, serving
from tests.service_world import openlineage_run

TABLES = ("entries", "bodies", "dedupe", "erasures", "tiles", "checkpoints")


class Place(Protocol):
    """Where a log lies, with ways to do to it what should not be done."""

    def env(self, copy: str | None = None) -> dict[str, str]:
        """Settings of a service on it, or on one of its copies."""

    def copy(self, folder: Path, name: str) -> None:
        """Copy it while no service runs."""

    def put_back(self, folder: Path, name: str) -> None:
        """Let a copy take its place."""

    def empty(self, folder: Path) -> None:
        """Cut off every entry, and all that says that there were any."""


class Embedded:
    """SQLite in the data directory."""

    def env(self, copy: str | None = None) -> dict[str, str]:
        return {}

    def copy(self, folder: Path, name: str) -> None:
        shutil.copytree(folder / ".lineproof", folder / name / ".lineproof")

    def put_back(self, folder: Path, name: str) -> None:
        shutil.rmtree(folder / ".lineproof")
        shutil.copytree(folder / name / ".lineproof", folder / ".lineproof")

    def empty(self, folder: Path) -> None:
        with closing(sqlite3.connect(folder / ".lineproof" / "log.db", isolation_level=None)) as connection:
            for (trigger,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
                connection.execute(f"DROP TRIGGER {trigger}")
            for table in (*TABLES, "log_head", "tree"):
                connection.execute(f"DELETE FROM {table}")


class Postgres:
    """A database, and its copies beside it."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url)

    def env(self, copy: str | None = None) -> dict[str, str]:
        return {"LINEPROOF_DATABASE_URL": self._named(copy)}

    def copy(self, folder: Path, name: str) -> None:
        shutil.copytree(folder / ".lineproof", folder / name / ".lineproof")  # the keys
        self._server(f'CREATE DATABASE "{self._url.database}_{name}" TEMPLATE "{self._url.database}"')

    def put_back(self, folder: Path, name: str) -> None:
        self._server(f'DROP DATABASE "{self._url.database}" WITH (FORCE)', f'CREATE DATABASE "{self._url.database}" TEMPLATE "{self._url.database}_{name}"')

    def empty(self, folder: Path) -> None:
        with psycopg.connect(plain_url(self._named(None)), autocommit=True) as connection:
            for table in (*TABLES, "log_head", "tree"):
                connection.execute(f"ALTER TABLE lineproof_log.{table} DISABLE TRIGGER ALL".encode())
                connection.execute(f"TRUNCATE lineproof_log.{table}".encode())

    def drop(self, *names: str) -> None:
        self._server(*(f'DROP DATABASE IF EXISTS "{self._url.database}_{name}" WITH (FORCE)' for name in names))

    def _named(self, copy: str | None) -> str:
        name = self._url.database if copy is None else f"{self._url.database}_{copy}"
        return self._url.set(database=name).render_as_string(hide_password=False)

    def _server(self, *statements: str) -> None:
        with psycopg.connect(plain_url(self._url.set(database="postgres").render_as_string(hide_password=False)), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    if request.param == "sqlite":
        yield Embedded()
        return
    postgres = Postgres(request.getfixturevalue("postgres_database"))
    yield postgres
    postgres.drop("early", "late")


@contextmanager
def service(folder: Path, env: dict[str, str], state: Path | None = None) -> Iterator[Serving]:
    with serving(folder, env={**env, "LINEPROOF_PROJECTOR": "off", "LINEPROOF_DERIVER": "false", "LINEPROOF_CHECKPOINT_SECONDS": "0.2",
                              **({} if state is None else {"LINEPROOF_STATE_DIR": str(state)})}) as running:
        yield running


def token(folder: Path) -> str:
    return next((folder / "state").glob("*/admin-token")).read_text().strip()


def tell(running: Serving, folder: Path, name: str) -> httpx.Response:
    return httpx.post(f"{running.url}/api/v1/lineage", json=openlineage_run(name), headers={"authorization": f"Bearer {token(folder)}"}, timeout=30)


def ready(running: Serving) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{running.url}/readyz", timeout=30).json()
    return found


def covered(running: Serving, size: int) -> None:
    for _ in range(600):
        answer = httpx.get(f"{running.url}/api/v1/log/checkpoint", timeout=30)
        if answer.status_code == 200 and peek_checkpoint(answer.text).size == size:
            return
        time.sleep(0.05)
    raise AssertionError(f"no checkpoint of {size}: {running.log_text}")


def stopped(running: Serving, folder: Path, size: int, *told: str) -> None:
    """It signs nothing, takes nothing, reads all, and says what to do."""
    while ready(running)["checkpoints"] != "checkpoint-lock":
        time.sleep(0.05)
    refused = tell(running, folder, "too late")
    assert (refused.status_code, refused.json()["code"]) == (503, "checkpoint-lock")
    assert ready(running)["log"] == size
    assert "lineproof_checkpoints_blocked 1.0" in httpx.get(f"{running.url}/metrics", timeout=30).text
    headers = {"authorization": f"Bearer {token(folder)}"}
    assert httpx.get(f"{running.url}/api/v1/log/entries/{size - 1}", headers=headers, timeout=30).json()["envelope"]
    for words in (*told, "checkpoint-lock"):
        assert words in running.log_text, running.log_text


def test_a_copy_that_runs_beside_and_a_restored_backup_take_and_sign_nothing(place: Place, tmp_path: Path) -> None:
    with service(tmp_path, place.env()) as first:
        assert tell(first, tmp_path, "one").json()["index"] == 2
        covered(first, 3)
        assert first.stop() == 0
    place.copy(tmp_path, "early")
    with ExitStack() as stack:
        original = stack.enter_context(service(tmp_path, place.env()))
        copied = stack.enter_context(service(tmp_path / "early", place.env("early"), tmp_path / "state"))  # both on one host: one record
        assert [tell(original, tmp_path, name).json()["index"] for name in ("two", "three")] == [3, 4]
        covered(original, 5)
        stopped(copied, tmp_path, 3, "this log has 3 entries, but has signed a tree of", "a copy of a log that goes on elsewhere")
        assert ready(original)["checkpoints"] is None
        assert [original.stop(), copied.stop()] == [0, 0]
    place.copy(tmp_path, "late")
    place.put_back(tmp_path, "early")
    with service(tmp_path, place.env()) as restored:
        stopped(restored, tmp_path, 3, "a backup was restored", "Bring the missing entries back", "begin another")
        assert peek_checkpoint(httpx.get(f"{restored.url}/api/v1/log/checkpoint").text).size == 3
        assert restored.stop() == 0
    place.put_back(tmp_path, "late")
    with service(tmp_path, place.env()) as healed:
        assert tell(healed, tmp_path, "four").json()["index"] == 5
        covered(healed, 6)


def test_a_log_whose_tables_were_emptied_does_not_begin_again(place: Place, tmp_path: Path) -> None:
    with service(tmp_path, place.env()) as first:
        assert tell(first, tmp_path, "one").status_code == 200
        covered(first, 3)
        assert first.stop() == 0
    place.empty(tmp_path)
    done = lineproof(tmp_path, "serve", "--port", "0", env=place.env())
    assert done.returncode != 0
    for words in ("checkpoint-lock", "has signed size 3", "but the log is empty", "restore it, or begin one with another origin"):
        assert words in done.stderr, done.stderr


def test_a_second_service_without_the_record_signs_nothing_and_the_first_goes_on(postgres_database: str, tmp_path: Path) -> None:
    env = {"LINEPROOF_DATABASE_URL": postgres_database}
    with service(tmp_path, env) as first:
        assert tell(first, tmp_path, "one").json()["index"] == 2
        covered(first, 3)
        (tmp_path / "elsewhere").mkdir()
        shutil.copytree(tmp_path / ".lineproof", tmp_path / "elsewhere" / ".lineproof")
        with service(tmp_path / "elsewhere", env) as second:  # a host with a state directory of its own
            while ready(second)["checkpoints"] != "checkpoint-lock":
                time.sleep(0.05)
            assert "lineproof log adopt --checkpoint FILE" in second.log_text
            assert tell(second, tmp_path, "two").json()["index"] == 3  # one log: what it takes, the first signs
            covered(first, 4)
            assert first.stop() == 0  # the lead passes to the other, which must not take it up
            while ready(second)["checkpoints"] != "checkpoint-lock":
                time.sleep(0.05)
            assert tell(second, tmp_path, "three").json()["index"] == 4
            assert second.stop() == 0
    with service(tmp_path, env) as first:
        covered(first, 5)
