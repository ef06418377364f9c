"""`lineproof log watch` on logs that are served, and on what somebody with their keys made of copies of them."""
from __future__ import annotations

import hashlib
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lineproof_audit.append import NewEntry
from lineproof_audit.checkpoint import peek_checkpoint
from lineproof_audit.envelope import PAYLOAD_CLOUDEVENT, sign_envelope
from lineproof_audit.init import ROOT_ADMIN_KEY, register_key
from lineproof_audit.keys import SigningKey
from lineproof_audit.log import Log
from lineproof_audit.note import NoteVerifier
from lineproof_audit.trust import TrustedLog, format_trust
from lineproof_schema.errors import LineproofError
from metadata_service.cli import _exit_code
from metadata_service.cli.log import app
from tests.serve_process import ENTRY, environment, lineproof, serving

STREAM = "0198c0de-0000-7000-8000-000000000002"
ENV = {"LINEPROOF_PROJECTOR": "off"}
# What `--json` says, one document a line. Programs read it: names are only ever added.
SHAPES = {
    "checkpoint": {"event", "origin", "size", "rootHash", "before", "promisesProven"},
    "behind": {"event", "size", "kept", "alarmInSeconds"},
    "note": {"event", "detail"},
    "unreachable": {"event", "detail", "retryInSeconds"},
    "alarm": {"event", "kind", "detail", "index", "kept", "shown"},
}


@dataclass
class World:
    """One log and a copy of it that went another way, both served; `old` is how it was before. `acks` are acknowledgements of the first after they parted."""

    folder: Path
    urls: dict[str, str]
    acks: list[dict[str, Any]]
    parted: int

    def watch(self, log: str, *arguments: str, state: Path, expect: int, token: str = "") -> list[dict[str, Any]]:
        target = f"{self.urls[log]}/api/v1/log" if log in self.urls else log if "://" in log else str(self.folder / log)
        done = CliRunner().invoke(app, ["watch", target, "--trust", str(self.folder / "trust.txt"), "--state", str(state), "--once", "--json", *arguments],
                                  env={"LINEPROOF_TOKEN": token or None})
        code = _exit_code(done.exception) if isinstance(done.exception, LineproofError) else done.exit_code
        assert code == expect, (done.output, done.exception)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert all(set(line) == SHAPES[line["event"]] for line in lines), lines
        return lines


def say(folder: Path, producer: SigningKey, word: str, numbers: list[int], previous: str = "") -> tuple[list[dict[str, Any]], str]:
    """Append events with these numbers and sign; gives the acknowledgements, and the hash of the last payload."""
    with Log.open(folder / ".lineproof", state_dir=folder / "state") as log:
        assert log.keyring.policy is not None
        acks = []
        for number in numbers:
            attributes = {"specversion": "1.0", "id": f"{word} {number}", "source": "ci", "type": "lineproof.quality.v1", "audience": log.origin,
                          "time": "2026-11-20T10:00:00Z", "stream": STREAM, "sequence": str(number), "previoushash": previous, "data": {"check": word}}
            payload = json.dumps(attributes).encode()
            previous = hashlib.sha256(payload).hexdigest()
            entry = NewEntry(sign_envelope(PAYLOAD_CLOUDEVENT, payload, producer), PAYLOAD_CLOUDEVENT, "lineproof.quality.v1",
                             log.keyring.policy.tenants[0].id, producer.keyid, "PRODUCER", None, "ci", f"{word} {number}")
            ack = log.appender.submit(entry).result(60)
            acks.append({"index": ack.index, "leaf": b64encode(ack.leaf).decode()})
        log.integrator.step()
        return acks, previous


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    base = tmp_path_factory.mktemp("watched")
    honest, forked, old = base / "honest", base / "forked", base / "old"
    honest.mkdir()
    producer = SigningKey.generate()
    with Log.open(honest / ".lineproof", create=True, state_dir=honest / "state") as log:
        assert log.keyring.policy is not None
        register_key(log.appender, SigningKey.load(log.state_dir / f"{ROOT_ADMIN_KEY}.pem"), producer.verify_key, origin=log.origin,
                     tenant=log.keyring.policy.tenants[0].id)
        (base / "trust.txt").write_text(format_trust([TrustedLog(NoteVerifier(log.origin, log.keyring.keys_for("log")[0]))]))
    _, last = say(honest, producer, "before", list(range(1, 298)))
    for copy in (forked, old):
        shutil.copytree(honest, copy)
    parted = 3 + 297
    acks, _ = say(honest, producer, "honest", [298, 299, 300], last)
    say(forked, producer, "other", [298, 299, 301, 302], last)
    with ExitStack() as stack:
        urls = {path.name: stack.enter_context(serving(path, env=ENV)).url for path in (honest, forked)}
        yield World(base, urls, acks, parted)


def kinds(lines: list[dict[str, Any]]) -> list[tuple[str, int | None]]:
    return [(line["kind"], line["index"]) for line in lines if line["event"] == "alarm"]


def test_a_served_log_is_followed_and_a_fork_a_rollback_and_age_are_alarms(world: World, tmp_path: Path) -> None:
    state = tmp_path / "watch.json"
    (first,) = world.watch("old/.lineproof", state=state, expect=0)
    assert (first["event"], first["size"], first["before"]) == ("checkpoint", world.parted, None)
    (grown,) = world.watch("honest", state=state, expect=0)
    assert (grown["size"], grown["before"]) == (world.parted + 3, world.parted)
    kept = state.read_text()
    assert kinds(world.watch("forked", state=state, expect=1)) == [("fork", None)]
    assert kinds(world.watch("old/.lineproof", state=state, expect=1)) == [("rollback", None)]
    assert state.read_text() == kept
    (alarm,) = [line for line in world.watch("honest", "--max-age", "0", state=state, expect=1) if line["event"] == "alarm"]
    assert alarm["kind"] == "stale"
    world.watch("honest", "--max-age", "1000000", state=state, expect=0)
    for where in ("honest/.lineproof", "honest/.lineproof/tiles"):
        world.watch(where, state=state, expect=0)
    assert kinds(world.watch("forked/.lineproof/tiles", state=state, expect=1)) == [("fork", None)]
    other = tmp_path / "other.json"
    world.watch("forked", state=other, expect=0)
    assert kinds(world.watch("forked", "--against", str(state), state=other, expect=1)) == [("fork", None)]


class Cache:
    """A web server in front of folders of tiles, which shows one after the other under the same URL."""

    def __init__(self, first: Path) -> None:
        cache = self
        self.shown = first

        class Handler(SimpleHTTPRequestHandler):
            def translate_path(self, path: str) -> str:
                return str(cache.shown / path.lstrip("/"))

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> Cache:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


def test_one_url_that_falls_behind_goes_back_and_forks(world: World, tmp_path: Path) -> None:
    state, lag = tmp_path / "watch.json", ("--lag", "100000")
    tiles = {name: world.folder / name / ".lineproof" / "tiles" for name in ("old", "honest", "forked")}
    with Cache(tiles["old"]) as cache:
        assert [line["event"] for line in world.watch(cache.url, state=state, expect=0)] == ["checkpoint"]
        cache.shown = tiles["honest"]
        (grown,) = world.watch(cache.url, *lag, state=state, expect=0)
        assert (grown["before"], grown["size"]) == (world.parted, world.parted + 3)
        cache.shown = tiles["old"]
        (behind,) = world.watch(cache.url, *lag, state=state, expect=0)
        assert (behind["event"], behind["size"], behind["kept"]) == ("behind", world.parted, world.parted + 3)
        (alarm,) = world.watch(cache.url, state=state, expect=1)
        assert (alarm["kind"], peek_checkpoint(alarm["kept"]).size, peek_checkpoint(alarm["shown"]).size) == ("rollback", world.parted + 3, world.parted)
        (alarm,) = world.watch(cache.url, "--lag", "0.000001", state=state, expect=1)
        assert alarm["kind"] == "rollback"
        cache.shown = tiles["forked"]
        assert kinds(world.watch(cache.url, *lag, state=state, expect=1)) == [("fork", None)]
        cache.shown = tmp_path / "nothing"
        assert kinds(world.watch(cache.url, *lag, state=state, expect=1)) == [("rollback", None)]
        cache.shown = tiles["honest"]
        assert [line["event"] for line in world.watch(cache.url, state=state, expect=0)] == ["checkpoint"]


def test_a_lost_index_another_leaf_and_a_missing_number_are_alarms(world: World, tmp_path: Path) -> None:
    file, spool = tmp_path / "acks.json", tmp_path / "spool"
    file.write_text(json.dumps(world.acks))
    (spool / "acks").mkdir(parents=True)
    lines = [{**ack, "salt": None, "duplicate": False, "stream": STREAM, "sequence": 1, "payload": "", "envelope": ""} for ack in world.acks]
    (spool / "acks" / "000000000001.ndjson").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (checkpoint,) = world.watch("honest", "--promised", str(file), "--acks", str(spool), "--promised", str(world.parted), state=tmp_path / "1", expect=0)
    assert checkpoint["promisesProven"] == 4
    lost = [("promise", world.parted + number) for number in range(3)]
    assert kinds(world.watch("forked", "--acks", str(spool), state=tmp_path / "2", expect=1)) == lost
    assert kinds(world.watch("old/.lineproof", "--promised", str(file), "--merge-delay", "0", state=tmp_path / "3", expect=1)) == lost
    world.watch("old/.lineproof", "--promised", str(file), "--merge-delay", "100000", state=tmp_path / "3", expect=0)
    assert kinds(world.watch("forked/.lineproof", "--producer-gaps", state=tmp_path / "4", expect=1)) == [("gap", world.parted + 2)]
    world.watch("honest/.lineproof", "--producer-gaps", state=tmp_path / "5", expect=0)


def test_a_url_shows_gaps_to_whom_it_shows_bodies_and_says_so_to_others(world: World, tmp_path: Path) -> None:
    token = next((world.folder / "forked" / "state").glob("*/admin-token")).read_text().strip()
    lines = world.watch("forked", "--producer-gaps", state=tmp_path / "1", expect=0)
    assert any("bodies of 301 entries are not shown" in line.get("detail", "") for line in lines), lines
    assert kinds(world.watch("forked", "--producer-gaps", state=tmp_path / "2", token=token, expect=1)) == [("gap", world.parted + 2)]


@pytest.mark.postgres
def test_a_log_in_postgresql_is_watched_where_it_lies(postgres_database: str, tmp_path: Path) -> None:
    with Log.open(postgres_database, create=True, data=tmp_path / "data", state_dir=tmp_path / "state") as log:
        log.integrator.step()
        (tmp_path / "trust.txt").write_text(format_trust([TrustedLog(NoteVerifier(log.origin, log.keyring.keys_for("log")[0]))]))
        size = log.reader.size()
    (line,) = World(tmp_path, {}, [], 0).watch(postgres_database, "--producer-gaps", "--promised", "0", state=tmp_path / "watch.json", expect=0)
    assert (line["size"], line["promisesProven"]) == (size, 1)


def test_a_log_that_is_not_reached_is_no_alarm(world: World, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        lines = world.watch(f"http://127.0.0.1:{taken.getsockname()[1]}/api/v1/log", state=tmp_path / "state", expect=3)
    assert [line["event"] for line in lines] == ["unreachable"] * 2
    assert not (tmp_path / "state").exists()


def test_following_goes_on_through_failures_says_an_alarm_once_and_runs_the_command(world: World, tmp_path: Path) -> None:
    shown = tmp_path / "shown"
    shutil.copytree(world.folder / "old" / ".lineproof" / "tiles", shown)
    process = subprocess.Popen([sys.executable, "-c", ENTRY, "log", "watch", str(shown), "--trust", "trust.txt", "--state", str(tmp_path / "state"),
                                "--interval", "0.1", "--json", "--exec", f"cp /dev/stdin {tmp_path / 'alarm.json'}"],
                               cwd=world.folder, env=environment(world.folder), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None

        def heard() -> dict[str, Any]:
            assert process.stdout is not None
            line: dict[str, Any] = json.loads(process.stdout.readline())
            return line

        assert heard()["event"] == "checkpoint"
        shutil.move(shown, tmp_path / "away")
        assert heard()["event"] == "unreachable"
        shutil.copytree(world.folder / "honest" / ".lineproof" / "tiles", shown)
        while (line := heard())["event"] == "unreachable":
            pass
        assert (line["event"], line["size"], line["before"]) == ("checkpoint", world.parted + 3, world.parted)
        shutil.move(shown, tmp_path / "away too")
        shutil.copytree(world.folder / "forked" / ".lineproof" / "tiles", shown)
        while (line := heard())["event"] == "unreachable":
            pass
        assert (line["event"], line["kind"]) == ("alarm", "fork")
        second = lineproof(world.folder, "log", "watch", str(shown), "--trust", "trust.txt", "--state", str(tmp_path / "state"), "--once")
        assert second.returncode == 3
        assert "data-directory-locked" in second.stderr
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=30)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)
    assert (process.returncode, rest) == (1, "")
    assert json.loads((tmp_path / "alarm.json").read_text()) == line
