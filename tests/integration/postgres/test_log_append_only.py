"""Append-only in depth on PostgreSQL, election, and life after a lost connection."""
from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import errors, sql

from lineproof_audit.append import Appender
from lineproof_audit.errors import CorruptLog, KeyFileError, LogUnavailable
from lineproof_audit.log import Log
from lineproof_audit.store_postgres import PostgresStore, plain_url
from tests.log_entries import new_entry

pytestmark = pytest.mark.postgres

TABLES = ("entries", "bodies", "dedupe")
CHANGES = [f"{verb} lineproof_log.{table}{rest}" for table in TABLES for verb, rest in (("UPDATE", " SET idx = idx"), ("DELETE FROM", ""), ("TRUNCATE", ""))]


@pytest.fixture
def log(postgres_database: str, tmp_path: Path) -> Iterator[Log]:
    with Log.open(postgres_database, create=True, data=tmp_path / "data", state_dir=tmp_path / "state") as opened:
        opened.appender.submit(new_entry("1")).result(30)
        yield opened


@pytest.fixture
def admin(log: Log, postgres_database: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(plain_url(postgres_database), autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize("change", CHANGES)
def test_entries_cannot_be_changed_even_with_triggers_of_a_replica(admin: psycopg.Connection[tuple[object, ...]], change: str) -> None:
    for role in ("origin", "replica"):
        admin.execute(sql.SQL("SET session_replication_role = {}").format(sql.Literal(role)))
        with pytest.raises(errors.IntegrityConstraintViolation, match="never changed"):
            admin.execute(change.encode())
    assert admin.execute("SELECT count(*) FROM lineproof_log.entries").fetchone() == (3,)


def test_the_services_role_appends_reads_and_erases_and_no_more(log: Log, admin: psycopg.Connection[tuple[object, ...]], postgres_database: str) -> None:
    role = f"lineproof_app_{log.origin[-8:]}"
    admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
    try:
        assert isinstance(log.store, PostgresStore)
        log.store.grant(role)
        url = postgres_database.replace("//test@", f"//{role}@")
        store = PostgresStore(url)
        appender = Appender(store, log.notary, log.secrets)
        assert appender.submit(new_entry("2")).result(30).index == 3
        epoch = store.elect()
        assert epoch is not None
        store.resign()
        with pytest.raises(CorruptLog, match="no erasure entry"):
            store.erase_body(3, 99)
        store.erase_body(3, appender.submit(new_entry("3", event_type="lineproof.erasure.v1")).result(30).index)
        assert store.rows(3, 4)[0].body is None
        appender.close()
        store.close()
        with psycopg.connect(plain_url(url), autocommit=True) as connection:
            for change in [*CHANGES, "INSERT INTO lineproof_log.erasures VALUES (2, 2)", "SET session_replication_role = replica",
                           "ALTER TABLE lineproof_log.entries DISABLE TRIGGER ALL"]:
                with pytest.raises(errors.InsufficientPrivilege):
                    connection.execute(change.encode())
    finally:
        admin.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(sql.Identifier(role)))


def test_one_process_integrates_and_another_takes_over(log: Log, postgres_database: str, tmp_path: Path) -> None:
    with Log.open(postgres_database, data=tmp_path / "data", state_dir=tmp_path / "state") as other:
        assert log.integrator.step() is not None
        other.appender.submit(new_entry("2")).result(30)
        assert other.integrator.step() is None
        assert log.store.integrated().tree.size == 3
        log.integrator.resign()
        published = other.integrator.step()
        assert published is not None
        assert published.size == 4


def test_a_leader_whose_connection_died_is_fenced_off(log: Log, admin: psycopg.Connection[tuple[object, ...]]) -> None:
    first = log.store.elect()
    assert first is not None
    admin.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
    second = log.store.elect()
    assert second == first + 1
    assert not log.store.extend_tree(first, 0, log.store.head().tree, {})
    assert log.integrator.step() is not None


def test_appending_and_reading_recover_from_lost_connections(log: Log, admin: psycopg.Connection[tuple[object, ...]]) -> None:
    assert log.reader.size() == 3
    admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'lineproof-log'")
    with pytest.raises(LogUnavailable):
        log.appender.submit(new_entry("2")).result(30)
    assert log.appender.submit(new_entry("2")).result(30).index == 3
    assert log.reader.size() == 4


def test_several_processes_share_one_secret(log: Log, postgres_database: str, tmp_path: Path) -> None:
    with pytest.raises(KeyFileError):
        Log.open(postgres_database, data=tmp_path / "elsewhere", state_dir=tmp_path / "state")
    with pytest.raises(KeyFileError, match="`data`"):
        Log.open(postgres_database)


def test_a_commit_is_flushed_although_the_server_says_otherwise(log: Log) -> None:
    """The test server runs with synchronous_commit = off; the log's sessions do not."""
    assert isinstance(log.store, PostgresStore)
    assert log.store._writer is not None
    assert log.store._writer.execute("SHOW synchronous_commit").fetchone() == ("on",)


def test_a_batch_is_announced(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """A waiting reader is woken, not merely found awake by its next poll."""
    monkeypatch.setattr("lineproof_audit.store_postgres.POLL_SECONDS", 600.0)
    sizes: list[int] = []
    waiting = threading.Thread(target=lambda: sizes.append(log.reader.wait_for(4, 600)), daemon=True)
    waiting.start()
    log.appender.submit(new_entry("2")).result(30)
    waiting.join(60)
    assert sizes == [4]


def test_a_reading_log_cannot_write(log: Log, postgres_database: str) -> None:
    with Log.open(postgres_database, readonly=True) as reading:
        assert [entry.index for entry in reading.reader.entries()] == [0, 1, 2]
        assert reading.store.elect() is None
        assert log.appender.submit(new_entry("2", event_type="lineproof.erasure.v1")).result(30).index == 3
        with pytest.raises(LogUnavailable, match="read-only"):
            reading.store.erase_body(2, 3)


def test_a_database_without_a_log_says_so(postgres_database: str) -> None:
    with pytest.raises(LogUnavailable):
        Log.open(postgres_database, readonly=True)
    with pytest.raises(LogUnavailable):
        Log.open("postgresql://127.0.0.1:1/nowhere", readonly=True)
