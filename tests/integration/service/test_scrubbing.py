"""A row or a tile that is changed beneath a running service is told by its metrics, its log and `/readyz`, with the entry; also after a restart."""
from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import psycopg
import pytest

from lineproof_audit import scrub
from lineproof_audit.errors import CorruptLog
from lineproof_audit.store_postgres import PostgresStore, plain_url
from tests.service_world import ServiceWorld, running_service, service_settings

pytestmark = pytest.mark.anyio
WAIT_SECONDS = 60
CHANGES = [("UPDATE {log}entries SET signer = tenant WHERE idx = 3", 3), ("UPDATE {log}tiles SET hashes = {zeros} WHERE level = 0", 0),
           ("DELETE FROM {log}bodies WHERE idx = 4", 4), ("DELETE FROM {log}entries", 0)]


def change_sqlite(directory: Path, statement: str) -> None:
    connection = sqlite3.connect(directory / "data" / "log.db", timeout=30, isolation_level=None)
    for (trigger,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {trigger}")
    assert connection.execute(statement.format(log="", zeros="zeroblob(length(hashes))")).rowcount > 0
    connection.close()


def change_postgres(url: str, statement: str) -> None:
    with psycopg.connect(plain_url(url), autocommit=True) as connection:
        for table in ("entries", "bodies"):
            connection.execute(f"ALTER TABLE lineproof_log.{table} DISABLE TRIGGER ALL".encode())
        zeros = "decode(repeat('00', length(hashes)), 'hex')"
        assert connection.execute(statement.format(log="lineproof_log.", zeros=zeros).encode()).rowcount > 0


async def told(http: httpx.AsyncClient, known: Callable[[Any], bool]) -> Any:
    """What `/readyz` says of the scrubber, once it is as asked for."""
    with anyio.fail_after(WAIT_SECONDS):
        while True:
            answer = await http.get("/readyz")
            assert answer.status_code == 200
            found = answer.json()["scrub"]
            if known(found):
                return found
            await anyio.sleep(0.05)


async def passed(world: ServiceWorld, more: int = 2) -> float:
    """Wait for `more` whole passes (of which one began after the call)."""
    with anyio.fail_after(WAIT_SECONDS):
        enough = await metric(world, "lineproof_scrub_passes") + more
        while (now := await metric(world, "lineproof_scrub_passes")) < enough:
            await anyio.sleep(0.05)
        return now


async def metric(world: ServiceWorld, name: str) -> float:
    lines = (await world.http.get("/metrics")).text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


async def scrub_a_changed_log(world: ServiceWorld, change: Callable[[], None], index: int, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        assert (await world.post(world.cloudevent())).status_code == 202
    await passed(world)
    assert await told(world.http, lambda found: True) is None
    assert await metric(world, "lineproof_scrub_first_bad_index") == -1
    change()
    found = await told(world.http, lambda found: found is not None)
    assert (found["code"], found["firstBadIndex"]) == ("corrupt-log", index)
    assert await metric(world, "lineproof_scrub_first_bad_index") == index
    assert await metric(world, "lineproof_scrub_errors") >= 1
    assert any(f"corrupt-log: the scrubber found at entry {index}: " in line for line in caplog.messages)
    answer = await world.post(world.cloudevent())  # a wrong entry stops no intake; with a wrong tile nothing can be signed, which is told apart
    assert (answer.status_code, answer.json().get("code")) in ((202, None), (503, "checkpoint-lock"))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrub, "PAUSE_SECONDS", 0.2)


@pytest.mark.parametrize(("statement", "index"), CHANGES)
async def test_what_is_changed_in_sqlite_beneath_the_service_is_told(tmp_path: Path, statement: str, index: int, caplog: pytest.LogCaptureFixture) -> None:
    settings = service_settings(tmp_path, projector="off", scrub_rate=10_000)
    async with running_service(settings) as world:
        await scrub_a_changed_log(world, lambda: change_sqlite(tmp_path, statement), index, caplog)
    if "tiles" in statement:
        return
    if statement.endswith("entries"):  # without its genesis it is no log
        with pytest.raises(CorruptLog, match="genesis"):
            async with running_service(settings):
                pass
        return
    async with running_service(settings) as again:
        for _ in range(2):  # known from the start, and found again
            assert (await told(again.http, lambda found: True))["firstBadIndex"] == index
            await passed(again)


@pytest.mark.postgres
@pytest.mark.parametrize(("statement", "index"), CHANGES)
async def test_what_is_changed_in_postgresql_beneath_the_service_is_told(tmp_path: Path, postgres_database: str, statement: str, index: int,
                                                                       caplog: pytest.LogCaptureFixture) -> None:
    settings = service_settings(tmp_path, projector="off", scrub_rate=10_000, database_url=postgres_database)
    async with running_service(settings) as world:
        await scrub_a_changed_log(world, lambda: change_postgres(postgres_database, statement), index, caplog)


@pytest.mark.postgres
async def test_of_several_processes_the_one_that_integrates_scrubs(tmp_path: Path, postgres_database: str) -> None:
    settings = service_settings(tmp_path, projector="off", scrub_rate=10_000, database_url=postgres_database)
    async with running_service(settings) as world:
        await passed(world)
        store = PostgresStore(postgres_database)
        other = scrub.Scrubber(store, tmp_path / "other.json", world.origin, rate=10_000)
        with anyio.move_on_after(2):
            await anyio.to_thread.run_sync(other.run, Ended(after=3))
        assert other.scrubbed.passes == 0
        store.close()


class Ended:
    """A stop that comes after so many pauses."""

    def __init__(self, after: int) -> None:
        self._left = after

    def is_set(self) -> bool:
        return self._left <= 0

    def wait(self, timeout: float | None = None) -> bool:
        self._left -= 1
        return self.is_set()


async def test_no_scrubber_where_none_is_wanted(tmp_path: Path) -> None:
    async with running_service(service_settings(tmp_path, projector="off", scrub_rate=0)) as world:
        assert (await world.http.get("/readyz")).json()["scrub"] is None
        assert await metric(world, "lineproof_scrub_passes") == 0
    assert not (tmp_path / "data" / "scrub.json").exists()
