"""Three API processes on one PostgreSQL log, one of them killed every second, under eight writers."""
from __future__ import annotations

import json
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lineproof_audit.init import register_key
from lineproof_audit.keys import SigningKey
from lineproof_audit.log import Log
from tests.faults.tally import FULL, TALLY
from tests.faults.verdict import Told, judge
from tests.log_entries import PRODUCER, new_entry

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

PROCESSES, WRITERS, KILLS, PIPELINE = 3, 8, 30 if FULL else 3, 16


@dataclass
class Fleet:
    """The API processes; `port(n)` is where process n listens now, or listened last."""

    command: list[str]
    processes: list[subprocess.Popen[str]] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)

    def start(self) -> tuple[subprocess.Popen[str], int]:
        process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
        assert process.stdout is not None
        return process, int(process.stdout.readline())

    def fill(self) -> None:
        for _ in range(PROCESSES):
            process, port = self.start()
            self.processes.append(process)
            self.ports.append(port)

    def kill_and_restart(self, number: int) -> None:
        victim = self.processes[number]
        victim.send_signal(signal.SIGKILL)
        assert victim.wait(30) == -signal.SIGKILL
        assert victim.stdout is not None
        victim.stdout.close()
        self.processes[number], self.ports[number] = self.start()

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait(30)
            assert process.stdout is not None
            process.stdout.close()


@dataclass
class Writer:
    """Sends its events in order, each again and again until it is acknowledged, to whichever process answers."""

    name: int
    fleet: Fleet
    stop: threading.Event
    acknowledged: dict[str, Told] = field(default_factory=dict)
    failure: BaseException | None = None

    def run(self) -> None:
        try:
            sent = 0
            while not self.stop.is_set():
                events = [[f"{self.name}-{sent + n}", "x" * 200] for n in range(PIPELINE)]
                sent += PIPELINE
                self._until_acknowledged(events)
        except BaseException as error:
            self.failure = error

    def _until_acknowledged(self, events: list[list[str]]) -> None:
        connection: socket.socket | None = None
        deadline = time.monotonic() + 60
        attempt = 0
        while events:
            assert time.monotonic() < deadline
            try:
                if connection is None:
                    attempt += 1
                    connection = socket.create_connection(("127.0.0.1", self.fleet.ports[random.randrange(PROCESSES)]), timeout=30)
                connection.sendall(json.dumps(events).encode() + b"\n")
                with connection.makefile("rb") as answer:
                    line = answer.readline()
                if not line.endswith(b"\n"):
                    raise ConnectionError
            except OSError:
                if connection is not None:
                    connection.close()
                connection = None
                time.sleep(0.02)
                continue
            left = []
            for event, ack in zip(events, json.loads(line), strict=True):
                if ack is None:
                    left.append(event)
                    continue
                assert event[0] not in self.acknowledged
                self.acknowledged[event[0]] = Told(ack[0], ack[1])
            events = left
        if connection is not None:
            connection.close()


def test_nothing_acknowledged_is_lost_and_no_index_is_used_twice(postgres_database: str, tmp_path: Path) -> None:
    data, state = tmp_path / "data", tmp_path / "state"
    with Log.open(postgres_database, create=True, data=data, state_dir=state) as log:
        assert log.keyring.policy is not None
        tenant = log.keyring.policy.tenants[0].id
        register_key(log.appender, SigningKey.load(log.state_dir / "root-admin.pem"), PRODUCER.verify_key, origin=log.origin, tenant=tenant)
        own = log.reader.size()
    fleet = Fleet([sys.executable, "-m", "tests.faults.api_process", postgres_database, str(data), str(state), tenant])
    stop = threading.Event()
    writers = [Writer(number, fleet, stop) for number in range(WRITERS)]
    threads = [threading.Thread(target=writer.run) for writer in writers]
    try:
        fleet.fill()
        for thread in threads:
            thread.start()
        for kill in range(KILLS):
            time.sleep(1)
            fleet.kill_and_restart(kill % PROCESSES)
            TALLY.injected["kill -9 of an API process"] += 1
        stop.set()
        for thread in threads:
            thread.join(90)
        assert not any(thread.is_alive() for thread in threads)
    finally:
        stop.set()
        fleet.stop()
    assert [writer.failure for writer in writers] == [None] * WRITERS
    told = {event: ack for writer in writers for event, ack in writer.acknowledged.items()}

    with Log.open(postgres_database, data=data, state_dir=state) as log:
        assert log.reader.size() == len(told) + own  # every event was retried until it was acknowledged
        log.integrator.step()  # the last leader was killed
        again = random.sample(sorted(told), 500)
        for event, future in zip(again, log.appender.submit_many(new_entry(event, "x" * 200, tenant=tenant) for event in again), strict=True):
            ack = future.result(60)
            assert ack.duplicate
            TALLY.sent_again += 1
            TALLY.other_answers += Told(ack.index, ack.leaf.hex()) != told[event]
            assert Told(ack.index, ack.leaf.hex()) == told[event]
        assert log.reader.integrated_size() == log.reader.size()
    judge(postgres_database, state, told, tiles=data / "tiles")
