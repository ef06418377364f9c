"""A small HTTP service that takes events as the contract says: a real server with a real log leaf per event, and faults on demand."""
from __future__ import annotations

import base64
import contextlib
import gzip
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response

from lineproof_audit.envelope import Envelope, parse_envelope
from lineproof_audit.leaf import Leaf, body_commitment, encode_leaf

Fault = Callable[[str, bytes], Response | None]
ItemFault = Callable[[dict[str, Any]], dict[str, Any] | None]


@dataclass
class Receiver:
    """What arrived. `fault` may answer a whole request, `item_fault` one event (given its body)."""

    events: list[dict[str, Any]] = field(default_factory=list)
    envelopes: list[bytes] = field(default_factory=list)
    artifacts: dict[str, bytes] = field(default_factory=dict)
    arrivals: list[str] = field(default_factory=list)  # "event" and "artifact" in order of arrival
    requests: int = 0
    encodings: list[str | None] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)
    fault: Fault | None = None
    item_fault: ItemFault | None = None
    lie: bool = False
    port: int = 0
    _known: dict[bytes, dict[str, Any]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def take(self, raw: bytes) -> dict[str, Any]:
        envelope = parse_envelope(raw)
        body = json.loads(envelope.payload)
        if self.item_fault is not None and (answer := self.item_fault(body)) is not None:
            return answer
        if envelope.payload in self._known:
            return {**self._known[envelope.payload], "duplicate": True}
        salt = os.urandom(32)
        committed = body_commitment(salt, b"something else" if self.lie else raw)
        leaf = encode_leaf(Leaf(1, envelope.payload_type, "any", "0" * 32, envelope.keyid, "PRODUCER", None, time.time_ns() // 1000, committed))
        result = {"status": 202, "index": len(self.events), "leaf": base64.b64encode(leaf).decode(), "salt": base64.b64encode(salt).decode(),
                  "duplicate": False}
        self._known[envelope.payload] = result
        self.events.append(body)
        self.envelopes.append(raw)
        self.arrivals.append("event")
        return result

    def parsed(self) -> list[Envelope]:
        return [parse_envelope(raw) for raw in self.envelopes]


def application(receiver: Receiver) -> FastAPI:
    app = FastAPI()

    async def body_of(request: Request) -> bytes:
        body = await request.body()
        receiver.requests += 1
        receiver.tokens.append(request.headers.get("authorization"))
        receiver.encodings.append(request.headers.get("content-encoding"))
        return gzip.decompress(body) if request.headers.get("content-encoding") == "gzip" else body

    @app.post("/api/v1/events")
    async def events(request: Request) -> Response:
        body = await body_of(request)
        if receiver.fault is not None and (answer := receiver.fault("events", body)) is not None:
            return answer
        # the exact bytes of the items: envelopes are compact JSON, which json writes back letter for letter
        items = [json.dumps(item, separators=(",", ":")).encode() for item in json.loads(body)]
        return Response(json.dumps({"results": [receiver.take(item) for item in items]}), media_type="application/json")

    @app.put("/api/v1/artifacts/{digest}")
    async def artifact(digest: str, request: Request) -> Response:
        body = await body_of(request)
        if receiver.fault is not None and (answer := receiver.fault("artifacts", body)) is not None:
            return answer
        receiver.artifacts[digest] = body
        receiver.arrivals.append("artifact")
        return Response(status_code=201)

    return app


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serving(receiver: Receiver, port: int | None = None) -> Iterator[Receiver]:
    """Run the receiver on loopback in a thread."""
    receiver.port = port or free_port()
    server = uvicorn.Server(uvicorn.Config(application(receiver), host="127.0.0.1", port=receiver.port, log_level="critical", lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    for _ in range(500):
        if server.started:
            break
        time.sleep(0.01)
    assert server.started
    try:
        yield receiver
    finally:
        server.should_exit = True
        thread.join(10)


def problem(status: int, code: str, **extra: Any) -> dict[str, Any]:
    """A per-event refusal."""
    return {"status": status, "problem": {"type": f"urn:lineproof:error:{code}", "status": status, "code": code, "detail": f"refused: {code}", **extra}}
