"""What the appender does when clock, disk or database fail: nothing acknowledged is lost, and it recovers by itself."""
from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lineproof_audit.append import Ack, Appender
from lineproof_audit.clock import MAX_AHEAD_US, MAX_BEHIND_US
from lineproof_audit.errors import ClockError, DataDirectoryLocked, LogUnavailable, NoSpace, QueueFull
from lineproof_audit.log import Log
from lineproof_audit.store_sqlite import SqliteStore
from tests.log_entries import SetClock, new_entry

SECOND = 1_000_000


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def log(tmp_path: Path, clock: SetClock) -> Iterator[Log]:
    with Log.open(tmp_path / "data", create=True, state_dir=tmp_path / "state", clock=clock) as opened:
        yield opened


def received(log: Log, event_id: str) -> int:
    return log.reader.entry(log.appender.submit(new_entry(event_id)).result(30).index).fields.received


def test_received_is_the_clock_and_never_decreases(log: Log, clock: SetClock) -> None:
    start = clock.wall_us
    clock.pass_time(5 * SECOND)
    assert received(log, "1") == start + 5 * SECOND
    clock.wall_us -= MAX_BEHIND_US
    assert received(log, "2") == start + 5 * SECOND


def test_a_clock_far_behind_the_log_refuses_until_it_is_set_right(log: Log, clock: SetClock) -> None:
    clock.wall_us -= MAX_BEHIND_US + 1
    with pytest.raises(ClockError):
        log.appender.submit(new_entry("1")).result(30)
    assert log.reader.size() == 2
    clock.wall_us += MAX_BEHIND_US + 1
    assert log.appender.submit(new_entry("1")).result(30).index == 2


def test_a_clock_that_leaps_ahead_refuses_and_one_that_merely_waited_does_not(log: Log, clock: SetClock) -> None:
    clock.pass_time(10 * MAX_AHEAD_US)  # a quiet night
    received(log, "1")
    clock.wall_us += MAX_AHEAD_US + SECOND
    for _ in range(2):  # asking again does not make it true
        with pytest.raises(ClockError):
            log.appender.submit(new_entry("2")).result(30)
    clock.steady_us += MAX_AHEAD_US + SECOND
    received(log, "2")


class Slow(SetClock):
    """Holds the appender's thread inside a batch until it may go on."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.go = threading.Event(), threading.Event()

    def wall(self) -> int:
        if threading.current_thread().name == "lineproof-append":
            self.entered.set()
            assert self.go.wait(30)
        return super().wall()


def test_a_full_queue_says_so_and_takes_nothing(log: Log) -> None:
    slow = Slow()
    appender = Appender(log.store, log.notary, log.secrets, queue_size=3, clock=slow)
    first = appender.submit(new_entry("0"))
    assert slow.entered.wait(30)
    queued = appender.submit_many(new_entry(str(n)) for n in range(1, 6))
    assert [isinstance(future.exception(0) if future.done() else None, QueueFull) for future in queued] == [False, False, False, True, True]
    assert appender.waiting == 3
    slow.go.set()
    assert [future.result(30).index for future in [first, *queued[:3]]] == [2, 3, 4, 5]
    assert appender.submit(new_entry("5")).result(30).index == 6
    appender.close()


def test_of_entries_submitted_together_those_beyond_a_full_queue_are_refused_and_the_others_acknowledged(log: Log) -> None:
    slow = Slow()
    appender = Appender(log.store, log.notary, log.secrets, queue_size=3, clock=slow)
    prepared = [appender.prepare(new_entry(str(n))) for n in range(6)]
    first = appender.submit_together(prepared[:1])
    assert slow.entered.wait(30)
    rest, none = appender.submit_together(prepared[1:]), appender.submit_together(prepared[4:])
    assert [type(answer) for answer in none.result(0)] == [QueueFull, QueueFull]  # decided at once: nobody waits for the others
    assert not rest.done()
    slow.go.set()
    assert [type(answer) for answer in first.result(30) + rest.result(30)] == [Ack, Ack, Ack, Ack, QueueFull, QueueFull]
    assert log.reader.size() == 6
    appender.close()
    assert [type(answer) for answer in appender.submit_together(prepared).result(0)] == [LogUnavailable] * 6


def test_the_queue_is_bounded_in_bytes_too(log: Log, clock: SetClock) -> None:
    appender = Appender(log.store, log.notary, log.secrets, queue_bytes=10, clock=clock)
    assert isinstance(appender.submit(new_entry("1")).exception(0), QueueFull)
    appender.close()


def test_a_full_disk_is_no_space_and_the_appender_recovers(log: Log) -> None:
    store = log.store
    assert isinstance(store, SqliteStore)
    kept = log.appender.submit(new_entry("kept")).result(30)
    writer = store._writer
    assert writer is not None
    pages = writer.execute("PRAGMA page_count").fetchone()[0]
    writer.execute(f"PRAGMA max_page_count = {pages}")  # SQLite reports the limit as it reports ENOSPC: SQLITE_FULL
    futures = log.appender.submit_many(new_entry(str(n), "x" * 2_000) for n in range(100))
    assert {type(future.exception(30)) for future in futures} == {NoSpace}
    assert log.reader.size() == 3
    writer.execute("PRAGMA max_page_count = 1000000")
    assert [future.result(30).index for future in log.appender.submit_many(new_entry(str(n), "x" * 2_000) for n in range(100))] == list(range(3, 103))
    assert log.reader.entry(kept.index).leaf == kept.leaf


def test_a_locked_database_is_unavailable_and_the_appender_recovers(log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = log.store
    assert isinstance(store, SqliteStore)
    assert store._writer is not None
    store._writer.execute("PRAGMA busy_timeout = 10")
    other = sqlite3.connect(tmp_path / "data" / "log.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")  # somebody's tool
    with pytest.raises(LogUnavailable):
        log.appender.submit(new_entry("1")).result(30)
    other.execute("ROLLBACK")
    other.close()
    assert log.appender.submit(new_entry("1")).result(30).index == 2


def test_a_batch_that_fails_at_the_commit_answers_nobody_with_success(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    store = log.store
    assert isinstance(store, SqliteStore)
    store._drop_writer()
    failing = True

    class Connection(sqlite3.Connection):
        def execute(self, statement: str, *arguments: object) -> sqlite3.Cursor:
            if failing and statement == "COMMIT":
                raise sqlite3.OperationalError("disk I/O error")
            return super().execute(statement, *arguments)  # type: ignore[arg-type]

    real = sqlite3.connect
    monkeypatch.setattr("lineproof_audit.store_sqlite.sqlite3.connect", lambda *a, **k: real(*a, **k, factory=Connection))
    assert isinstance(log.appender.submit(new_entry("1")).exception(30), LogUnavailable)
    assert log.reader.size() == 2
    failing = False
    ack = log.appender.submit(new_entry("1")).result(30)
    assert (ack.index, ack.duplicate) == (2, False)


def test_a_retry_after_a_commit_whose_answer_was_lost_gets_the_first_index(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    store = log.store
    assert isinstance(store, SqliteStore)
    store._drop_writer()
    losing = True

    class Connection(sqlite3.Connection):
        def execute(self, statement: str, *arguments: object) -> sqlite3.Cursor:
            result = super().execute(statement, *arguments)  # type: ignore[arg-type]
            if losing and statement == "COMMIT":
                raise sqlite3.OperationalError("the connection went away")
            return result

    real = sqlite3.connect
    monkeypatch.setattr("lineproof_audit.store_sqlite.sqlite3.connect", lambda *a, **k: real(*a, **k, factory=Connection))
    assert isinstance(log.appender.submit(new_entry("1")).exception(30), LogUnavailable)
    losing = False
    ack = log.appender.submit(new_entry("1")).result(30)
    assert (ack.index, ack.duplicate) == (2, True)


def test_a_second_process_on_one_data_directory_is_refused(log: Log, tmp_path: Path) -> None:
    with pytest.raises(DataDirectoryLocked) as raised:
        Log.open(tmp_path / "data", state_dir=tmp_path / "state")
    assert raised.value.code == "data-directory-locked"
    log.close()
    Log.open(tmp_path / "data", state_dir=tmp_path / "state").close()


def test_the_database_itself_refuses_to_change_entries(log: Log, tmp_path: Path) -> None:
    log.appender.submit(new_entry("1")).result(30)
    other = sqlite3.connect(tmp_path / "data" / "log.db", isolation_level=None)
    for statement in ("UPDATE entries SET leaf = x'00'", "DELETE FROM entries", "UPDATE bodies SET salt = x'00'", "DELETE FROM bodies",
                      "UPDATE dedupe SET idx = 0", "DELETE FROM dedupe"):
        with pytest.raises(sqlite3.IntegrityError, match="never changed"):
            other.execute(statement)
    other.close()
