"""The projector as a process, and rebuilding and verifying, over a real log and real SQLite."""
from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from lineproof_audit.append import NewEntry
from lineproof_audit.envelope import PAYLOAD_OPENLINEAGE, sign_envelope
from lineproof_audit.log import Log
from metadata_service.graph.open import open_graph
from metadata_service.projector import Projector
from metadata_service.projector.rebuild import rebuild_file, verify

pytestmark = pytest.mark.anyio


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    """An embedded log in `<tmp>/data`, open for writing as the service has it."""
    with Log.open(tmp_path / "data", create=True, state_dir=tmp_path / "state") as opened:
        yield opened


def run_event(log: Log, number: int) -> None:
    """Append one run, wrapped by the notary."""
    event = {"eventType": "COMPLETE", "eventTime": f"2026-01-01T00:{number:02}:00Z", "producer": "https://example.test/p",
             "run": {"runId": str(uuid.uuid4())}, "job": {"namespace": "jobs", "name": "a", "facets": {"sql": {"query": f"select {number % 2}"}}},
             "inputs": [{"namespace": "db", "name": "raw"}], "outputs": [{"namespace": "db", "name": "out"}]}
    payload = json.dumps(event).encode()
    assert log.keyring.policy is not None
    tenant = log.keyring.policy.tenant_of("jobs")
    assert tenant is not None
    log.appender.submit(NewEntry(envelope=sign_envelope(PAYLOAD_OPENLINEAGE, payload, log.notary), media_type=PAYLOAD_OPENLINEAGE, event_type="openlineage.run",
                                 tenant=tenant, signer=log.notary.keyid, signed_by="SERVICE", caller=None, source="https://example.test/p",
                                 event_id=str(uuid.uuid4()))).result(timeout=30)


def start(tmp_path: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "LINEPROOF_DATA": str(tmp_path / "data"), "LINEPROOF_STATE_DIR": str(tmp_path / "state"), "LINEPROOF_LOG_FORMAT": "json"}
    return subprocess.Popen([sys.executable, "-m", "metadata_service.projector"], env=environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE)


def size_of(path: Path) -> int:
    """Where the graph stands, asked of the file itself."""
    import asyncio

    async def ask() -> int:
        graph = open_graph(f"sqlite:///{path}")
        try:
            return (await graph.position()).size
        finally:
            await graph.close()

    try:
        return asyncio.run(ask())
    except Exception:  # the tables are not there yet
        return -1


def wait_for(path: Path, size: int) -> None:
    deadline = time.monotonic() + 60
    while size_of(path) < size:
        assert time.monotonic() < deadline, f"the graph stands at {size_of(path)}, not at {size}"
        time.sleep(0.1)


def test_the_process_follows_the_log_hands_over_and_ends_with_its_parent(log: Log, tmp_path: Path) -> None:
    graph = tmp_path / "data" / "graph.db"
    run_event(log, 0)
    first, second = start(tmp_path), None
    try:
        wait_for(graph, log.reader.size())
        second = start(tmp_path)
        run_event(log, 1)
        wait_for(graph, log.reader.size())
        first.send_signal(signal.SIGKILL)
        first.wait(30)
        run_event(log, 2)
        wait_for(graph, log.reader.size())
        assert second.stdin is not None
        second.stdin.close()
        assert second.wait(30) == 0
    finally:
        for process in (first, second):
            if process is not None:
                if process.poll() is None:
                    process.kill()
                process.wait(30)
                for pipe in (process.stdin, process.stderr):
                    if pipe is not None:
                        pipe.close()


async def test_a_rebuilt_file_takes_the_place_of_the_graph_while_it_is_open(log: Log, tmp_path: Path) -> None:
    path = tmp_path / "graph.db"
    graph = open_graph(f"sqlite:///{path}")
    try:
        await graph.setup()
        for number in range(4):
            run_event(log, number)
        projector = Projector(log.reader, graph)
        await projector.step(4)
        before = await graph.position()
        position = await rebuild_file(log.reader, path)
        assert position.size == log.reader.size() > before.size
        assert await graph.position() == position
        assert list(tmp_path.glob("*.rebuild*")) == []
        run_event(log, 5)
        await Projector(log.reader, graph).step()
        assert (await verify(log.reader, graph)).ok
    finally:
        await graph.close()


async def test_verify_notices_an_altered_graph(log: Log, tmp_path: Path) -> None:
    path = tmp_path / "graph.db"
    graph = open_graph(f"sqlite:///{path}")
    try:
        await graph.setup()
        for number in range(3):
            run_event(log, number)
        await Projector(log.reader, graph).step()
        assert (await verify(log.reader, graph)).ok
        with sqlite3.connect(path) as connection:
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'graph_revision%'")]
            connection.execute(f"DELETE FROM {tables[0]} WHERE rowid IN (SELECT rowid FROM {tables[0]} LIMIT 1)")
        connection.close()
        found = await verify(log.reader, graph)
        assert not found.ok
        assert found.kept == found.rebuilt != found.stored
    finally:
        await graph.close()
