"""A real service that is done harm to, its producers, and what they were told."""
from __future__ import annotations

import asyncio
import base64
import json
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from lineproof_audit.envelope import PAYLOAD_CLOUDEVENT, sign_envelope
from lineproof_audit.init import ROOT_ADMIN_KEY, register_key
from lineproof_audit.keys import SigningKey
from lineproof_audit.leaf import body_commitment, parse_leaf
from lineproof_audit.log import Log
from metadata_service.graph.open import open_graph
from metadata_service.projector.rebuild import verify
from tests.faults.tally import TALLY
from tests.faults.verdict import Told, judge
from tests.integration.hooks.receiver import free_port
from tests.integration.hooks.service import Service

WRITERS = 8
PATIENCE_SECONDS = 90  # a projector that died often waits 30 s


@dataclass
class Ledger:
    """What was sent and what was answered; every answer is held against the earlier ones when it comes."""

    sent: dict[str, bytes] = field(default_factory=dict)
    told: dict[str, Told] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)

    def answer(self, event: str, result: dict[str, Any]) -> bool:
        """Take one answer down; whether it acknowledges the event."""
        if result.get("index") is None:
            code = str(result.get("problem", result).get("code"))
            self.refused[code] = self.refused.get(code, 0) + 1
            if result.get("status") != 503:
                self.wrong.append(f"{event}: {result}")
            return False
        leaf = base64.b64decode(result["leaf"])
        if parse_leaf(leaf).body != body_commitment(base64.b64decode(result["salt"]), self.sent[event]):
            self.wrong.append(f"{event}: the acknowledged leaf is of other bytes")
        if self.told.setdefault(event, Told(result["index"], leaf.hex())) != Told(result["index"], leaf.hex()):
            self.wrong.append(f"{event}: first at {self.told[event].index}, then at {result['index']}")
        return True


@dataclass
class Stand:
    """A service with one producer key, and the ledger of its producers."""

    service: Service
    key: SigningKey
    origin: str
    ledger: Ledger = field(default_factory=Ledger)
    seen: set[str] = field(default_factory=set)
    gaps: int = 0  # streams of hooks that dropped an event, and said so

    @property
    def home(self) -> Path:
        return self.service.home

    @property
    def log_target(self) -> str:
        return self.service.settings.get("LINEPROOF_DATABASE_URL", str(self.home / "data"))

    @property
    def pid(self) -> int:
        assert self.service.process is not None
        return self.service.process.pid

    def http(self) -> httpx.Client:
        """A client with the admin's token."""
        token = next((self.home / "state").glob("*/admin-token")).read_text().strip()
        return httpx.Client(base_url=self.service.url, headers={"authorization": f"Bearer {token}"}, timeout=30)

    def events(self, count: int) -> list[str]:
        """New signed events; their ids."""
        made = []
        for number in range(count):
            event = str(uuid.uuid4())
            body = {"specversion": "1.0", "id": event, "source": "faults", "type": "lineproof.dataset.v1", "time": datetime.now(UTC).isoformat(),
                    "audience": self.origin, "data": {"namespace": "demo", "name": f"orders{number % 7}", "description": event}}
            self.ledger.sent[event] = sign_envelope(PAYLOAD_CLOUDEVENT, json.dumps(body).encode(), self.key)
            made.append(event)
        return made

    def post(self, http: httpx.Client, events: Sequence[str]) -> list[str]:
        """Send once; those that were not acknowledged."""
        try:
            answer = http.post("/api/v1/events", content=b"[" + b",".join(self.ledger.sent[event] for event in events) + b"]")
        except httpx.TransportError:  # it died, or is not up again
            return list(events)
        results = answer.json().get("results") if answer.status_code == 200 else [{"status": answer.status_code, **answer.json()}] * len(events)
        return [event for event, result in zip(events, results, strict=True) if not self.ledger.answer(event, result)]

    def send(self, count: int, batch: int = 1) -> list[str]:
        """Send new events, each again until it is acknowledged."""
        made = self.events(count)
        with self.http() as http:
            for start in range(0, count, batch):
                self.until_acknowledged(http, made[start:start + batch])
        return made

    def until_acknowledged(self, http: httpx.Client, events: Sequence[str]) -> None:
        """Send until everything is."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while events := self.post(http, events):
            assert time.monotonic() < deadline, (self.ledger.refused, (self.home / "serve.log").read_text()[-2000:])
            time.sleep(0.02)

    @contextmanager
    def producing(self, writers: int = WRITERS, batch: int = 4) -> Iterator[None]:
        """Producers at work until the block ends and all they sent is acknowledged; somebody reads checkpoints meanwhile."""
        stop, failures = threading.Event(), []

        def write() -> None:
            try:
                with self.http() as http:
                    while not stop.is_set():
                        self.until_acknowledged(http, self.events(batch))
            except BaseException as error:
                failures.append(error)

        def watch() -> None:
            with self.http() as http:
                while not stop.wait(0.1):
                    self.look(http)

        threads = [*(threading.Thread(target=write) for _ in range(writers)), threading.Thread(target=watch)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join(PATIENCE_SECONDS + 30)
        assert not any(thread.is_alive() for thread in threads)
        assert not failures, failures

    def look(self, http: httpx.Client) -> str | None:
        """Read the checkpoint and keep it for the verdict."""
        try:
            answer = http.get("/api/v1/log/checkpoint")
        except httpx.TransportError:
            return None
        if answer.status_code != 200:
            return None
        self.seen.add(answer.text)
        return answer.text

    def settle(self) -> None:
        """Everything sent again gets its first index; graph and checkpoint reach the head of the log."""
        with self.http() as http:
            known, wrong = list(self.ledger.told), len(self.ledger.wrong)
            for start in range(0, len(known), 200):
                self.until_acknowledged(http, known[start:start + 200])  # what was killed last may be on its way back only now
            TALLY.sent_again += len(known)
            TALLY.other_answers += len(self.ledger.wrong) - wrong
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not self._level(http):
                assert time.monotonic() < deadline, (http.get("/readyz").text, (self.home / "serve.log").read_text()[-2000:])
                time.sleep(0.1)

    def judge(self) -> int:
        """Settle and hold log, checkpoints and graph against the ledger; the size of the log."""
        self.settle()
        size = judge(self.log_target, self.home / "state", self.ledger.told, tiles=self.home / "data" / "tiles", seen=self.seen,
                     gaps=self.gaps)
        assert not self.ledger.wrong, self.ledger.wrong[:5]
        asyncio.run(self._verify_graph())
        return size

    def _level(self, http: httpx.Client) -> bool:
        state, note = http.get("/readyz"), self.look(http)
        return state.status_code == 200 and note is not None and state.json()["graph"] == state.json()["log"] == int(note.split("\n")[1])

    async def _verify_graph(self) -> None:
        with Log.open(self.log_target, readonly=True, state_dir=self.home / "state") as log:
            graph = open_graph(self.service.settings.get("LINEPROOF_GRAPH_URL", f"sqlite:///{self.home / 'data' / 'graph.db'}"))
            try:
                found = await verify(log.reader, graph)
            finally:
                await graph.close()
            assert found.ok, found
            assert found.size == log.reader.size()


@contextmanager
def stand(home: Path, **settings: str) -> Iterator[Stand]:
    """A service on a new log, started; killed at the end if it still runs."""
    target = settings.get("LINEPROOF_DATABASE_URL", str(home / "data"))
    key = SigningKey.generate()
    with Log.open(target, create=True, data=home / "data" if "://" in target else None, state_dir=home / "state") as log:
        assert log.keyring.policy is not None
        register_key(log.appender, SigningKey.load(log.state_dir / f"{ROOT_ADMIN_KEY}.pem"), key.verify_key, origin=log.origin,
                     tenant=log.keyring.policy.tenants[0].id)
        origin = log.origin
    service = Service(home, free_port(), settings=settings)
    service.start()
    try:
        yield Stand(service, key, origin)
    finally:
        if service.process is not None:
            service.kill()
