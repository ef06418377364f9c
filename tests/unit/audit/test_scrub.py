"""The scrubber: passes that go on where they were stopped, find what was changed, and forget it only when it is good again."""
from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lineproof_audit import scrub
from lineproof_audit.folder import open_folder
from lineproof_audit.init import ROOT_ADMIN_KEY, register_key
from lineproof_audit.keys import SigningKey
from lineproof_audit.leaf import SYSTEM_TENANT
from lineproof_audit.log import Log
from lineproof_audit.scrub import Scrubber
from tests.whole_log import WholeLog, event, make_log

ENTRIES = 230


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> WholeLog:
    return make_log(tmp_path_factory.mktemp("whole"), ENTRIES)


@pytest.fixture
def log(whole: WholeLog, tmp_path: Path) -> Iterator[Log]:
    shutil.copytree(whole.data, tmp_path / "data")
    with Log.open(tmp_path / "data", state_dir=whole.state) as opened:
        yield opened


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "scrub.json"


def change(tmp_path: Path, *statements: str) -> None:
    connection = sqlite3.connect(tmp_path / "data" / "log.db", isolation_level=None)
    for (trigger,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {trigger}")
    for statement in statements:
        assert connection.execute(statement).rowcount != 0
    connection.close()


class Stop(threading.Event):
    """Set by itself after so many steps, or at the end of a pass."""

    def __init__(self, steps: int = 1_000_000) -> None:
        super().__init__()
        self.waits: list[float] = []
        self._steps = steps

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0)
        if len(self.waits) > self._steps or timeout == scrub.PAUSE_SECONDS:
            self.set()
        return self.is_set()


def scrubbed(log: Log, file: Path, *, steps: int = 1_000_000, rate: int = 10**6) -> Scrubber:
    """A scrubber after one pass, or after so many steps of it."""
    scrubber = Scrubber(log.store, file, log.origin, rate=rate)
    scrubber.run(Stop(steps))
    return scrubber


def test_a_sound_log_is_passed_through_and_nothing_is_found(log: Log, file: Path) -> None:
    scrubber = scrubbed(log, file)
    assert (scrubber.scrubbed.passes, scrubber.scrubbed.trouble, scrubber.position) == (1, None, 0)
    assert scrubbed(log, file).scrubbed.passes == 2


@pytest.mark.parametrize(("statement", "kind", "first"), [
    ("UPDATE entries SET leaf = CAST(replace(CAST(leaf AS TEXT), 'PRODUCER', 'SERVICE') AS BLOB) WHERE idx = 77", "tree", 77),
    ("UPDATE entries SET event_type = 'lineproof.cost.v1' WHERE idx = 78", "derived-column", 78),
    ("UPDATE bodies SET salt = zeroblob(32) WHERE idx = 79", "body", 79),
    ("DELETE FROM bodies WHERE idx = 80", "body", 80),
    ("UPDATE bodies SET envelope = (SELECT envelope FROM bodies WHERE idx = 82) WHERE idx = 81", "body", 81),
    ("UPDATE tiles SET hashes = zeroblob(length(hashes)) WHERE level = 0 AND number = 0", "tree", 0),
    ("DELETE FROM tiles WHERE level = 0", "tree", 0),
    ("UPDATE checkpoints SET root = zeroblob(32) WHERE size = (SELECT min(size) FROM checkpoints)", "checkpoint", None),
    ("UPDATE tree SET compact_range = (SELECT compact_range FROM log_head)", "stored-tree", None),
    ("DELETE FROM entries WHERE idx = 100", "missing-entry", 100),
])
def test_what_was_changed_in_the_store_is_found_and_its_entry_named(log: Log, file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, statement: str,
                                                                  kind: str, first: int | None) -> None:
    change(tmp_path, statement)
    trouble = scrubbed(log, file).scrubbed.trouble
    assert trouble is not None
    assert (trouble.code, trouble.first_bad_index) == ("corrupt-log", first)
    assert any(f"corrupt-log: the scrubber found at entry {first}: {kind}: " in line for line in caplog.messages)


def test_a_store_that_no_pass_gets_through_is_told_too(log: Log, file: Path, tmp_path: Path) -> None:
    change(tmp_path, "UPDATE log_head SET compact_range = x'00'")
    scrubber = scrubbed(log, file)
    trouble = scrubber.scrubbed.trouble
    assert trouble is not None
    assert (trouble.kind, trouble.first_bad_index) == ("unreadable", None)


def test_a_pass_goes_on_after_a_restart_and_remembers_what_it_found(log: Log, file: Path, tmp_path: Path) -> None:
    change(tmp_path, "UPDATE bodies SET salt = zeroblob(32) WHERE idx = 20", "DELETE FROM bodies WHERE idx = 120")
    first = scrubbed(log, file, steps=1)
    assert first.position == 2 * scrub.STEP_ENTRIES
    second = Scrubber(log.store, file, log.origin, rate=10**6)
    assert (second.position, second.scrubbed) == (first.position, first.scrubbed)
    change(tmp_path, "DELETE FROM entries WHERE idx = 3")  # behind it: for the next pass to find
    second.run(Stop())
    assert second.scrubbed.trouble is not None
    assert (second.scrubbed.passes, second.scrubbed.trouble.errors, second.scrubbed.trouble.first_bad_index) == (1, 2, 20)
    third = scrubbed(log, file)
    assert third.scrubbed.trouble is not None
    assert (third.scrubbed.passes, third.scrubbed.trouble.first_bad_index) == (2, 3)


def test_what_was_found_stands_until_a_whole_pass_finds_nothing(log: Log, file: Path, tmp_path: Path) -> None:
    change(tmp_path, "UPDATE entries SET tenant = 'x' || tenant WHERE idx = 200")
    assert scrubbed(log, file).scrubbed.trouble is not None
    change(tmp_path, "UPDATE entries SET tenant = substr(tenant, 2) WHERE idx = 200")
    assert scrubbed(log, file, steps=2).scrubbed.trouble is not None
    assert scrubbed(log, file).scrubbed.trouble is None


def test_it_reads_no_faster_than_it_may(log: Log, file: Path) -> None:
    stop = Stop()
    Scrubber(log.store, file, log.origin, rate=100).run(stop)
    paced = stop.waits[:-1]
    assert len(paced) == ENTRIES // scrub.STEP_ENTRIES
    assert all(0 < wait <= scrub.STEP_ENTRIES / 100 for wait in paced)


@pytest.mark.parametrize("damage", [lambda kept: "{", lambda kept: "[]", lambda kept: json.dumps({**kept, "v": 2}),
                                    lambda kept: json.dumps({**kept, "tree": "AA=="}),
                                    lambda kept: json.dumps({**kept, "origin": "log.example/other"}), lambda kept: json.dumps({**kept, "scrubbed": {}})])
def test_a_standpoint_that_cannot_be_read_or_is_of_another_log_begins_anew(log: Log, file: Path, damage: Any) -> None:
    assert scrubbed(log, file, steps=1).position > 0
    file.write_text(damage(json.loads(file.read_text())))
    scrubber = Scrubber(log.store, file, log.origin, rate=10**6)
    assert (scrubber.position, scrubber.scrubbed.passes) == (0, 0)
    scrubber.run(Stop())
    assert (scrubber.scrubbed.passes, scrubber.scrubbed.trouble) == (1, None)


def test_a_log_that_grows_and_loses_bodies_to_erasures_meanwhile_raises_no_alarm(log: Log, file: Path, tmp_path: Path,
                                                                                monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrub, "PAUSE_SECONDS", 0.001)
    policy = log.keyring.policy
    assert policy is not None
    tenant = policy.tenants[0].id
    root_admin, producer = SigningKey.load(log.state_dir / f"{ROOT_ADMIN_KEY}.pem"), SigningKey.generate()
    register_key(log.appender, root_admin, producer.verify_key, origin=log.origin, tenant=tenant)
    stop, ended = threading.Event(), threading.Event()
    scrubber = Scrubber(log.store, file, log.origin, rate=10**6, published=open_folder(tmp_path / "data" / "tiles"))
    threads = [threading.Thread(target=scrubber.run, args=(stop,)), threading.Thread(target=log.integrator.run, args=(ended, 0.01))]
    for thread in threads:
        thread.start()
    for number in range(40):
        said = [log.appender.submit(event(log, producer, 1_000 + 20 * number + more, tenant=tenant)).result(30).index for more in range(20)]
        erasure = log.appender.submit(event(log, root_admin, 1_000 + number, tenant=SYSTEM_TENANT, kind="lineproof.erasure.v1", signed_by="ADMIN",
                                            data={"entry": said[0], "reason": "asked for"})).result(30)
        log.store.erase_body(said[0], erasure.index)
    passes = scrubber.scrubbed.passes
    while scrubber.scrubbed.passes < passes + 2 and scrubber.scrubbed.trouble is None:
        stop.wait(0.01)
    stop.set()
    ended.set()
    for thread in threads:
        thread.join()
    assert scrubber.scrubbed.trouble is None
    assert scrubber.scrubbed.passes > 3
