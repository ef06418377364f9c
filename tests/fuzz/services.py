"""What is fuzzed as a whole: requests to the real application on a real log, and events that intake takes, projected.

A request is one line, `METHOD /path?query [content-type [content-encoding]]`, and the body. An answer fails if its status is 500, if an error has
no code of the catalogue, or if a GraphQL error is an internal one. At the end the projector has to have kept up: no event may stop it.
"""
from __future__ import annotations

import asyncio
import json
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from lineproof_audit.envelope import PAYLOAD_CLOUDEVENT, PAYLOAD_OPENLINEAGE
from lineproof_schema.errors import CODES
from metadata_service.intake.event import read_event
from metadata_service.projector import Projector
from tests.fuzz import seeds
from tests.fuzz.parsers import PARSERS, Contradiction, Run, Target
from tests.service_world import ServiceWorld, openlineage_run, running_service, service_settings
from tests.unit.audit.memory_log import ORIGIN
from tests.unit.projector.memory_graph import MemoryGraph
from tests.unit.projector.recorded import ORIGIN as PROJECTED
from tests.unit.projector.recorded import new_log

__all__ = ["TARGETS"]

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
KEEP_UP_SECONDS: Final = 120.0
FRESH: Final = 200  # events projected into one graph, before it is forgotten
_NOT_IN_PATHS: Final = re.compile(rb"[^!-~]+")


@contextmanager
def _served() -> Iterator[tuple[asyncio.AbstractEventLoop, ServiceWorld]]:
    """The service with its projector, and a little in its log; at the end everything that was taken has been projected."""
    loop = asyncio.new_event_loop()
    with tempfile.TemporaryDirectory(prefix="lineproof-fuzz-") as folder:
        settings = service_settings(Path(folder), wait_seconds=0.05, log_level="error")
        service = running_service(settings)
        world = loop.run_until_complete(service.__aenter__())
        try:
            for number in range(3):
                event = openlineage_run(f"job{number}", inputs=("raw",), outputs=("orders",))
                loop.run_until_complete(world.post(json.dumps(event).encode(), "/api/v1/lineage"))
            yield loop, world
            loop.run_until_complete(_kept_up(world))
        finally:
            loop.run_until_complete(service.__aexit__(None, None, None))
            loop.close()


async def _kept_up(world: ServiceWorld) -> None:
    deadline = time.monotonic() + KEEP_UP_SECONDS
    while True:
        position = (await world.app.state.services.graph.position()).size
        if position >= world.size():
            return
        if time.monotonic() > deadline:
            raise Contradiction(f"the log has {world.size()} entries, the projector stopped at {position}")
        await asyncio.sleep(0.05)


@contextmanager
def _http() -> Iterator[Run]:
    with _served() as (loop, world):
        yield lambda data: loop.run_until_complete(_ask(world, data))


@contextmanager
def _graphql() -> Iterator[Run]:
    with _served() as (loop, world):
        yield lambda data: loop.run_until_complete(_ask(world, b"POST /graphql application/json\n" + data))


async def _ask(world: ServiceWorld, data: bytes) -> str:
    head, _, body = data.partition(b"\n")
    method, _, rest = head.decode("latin-1").partition(" ")
    target, *kinds = (*rest.split(" "), "")[:3]
    raw = b"/" + _NOT_IN_PATHS.sub(b"", target.encode("latin-1")).lstrip(b"/")
    path, _, query = raw.partition(b"?")
    names = (b"content-type", b"content-encoding")
    headers = [(b"host", b"service"), (b"authorization", world.http.headers["authorization"].encode()), (b"content-length", b"%d" % len(body)),
               *((name, kind.encode("latin-1")) for name, kind in zip(names, kinds, strict=False) if kind)]
    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method if method in METHODS else "POST", "scheme": "http",
             "path": unquote(path.decode("ascii")), "raw_path": path, "query_string": query, "root_path": "", "headers": headers,
             "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "state": {}}
    return _judged(*await _answer(world, scope, body), graphql=path == b"/graphql")


async def _answer(world: ServiceWorld, scope: dict[str, Any], body: bytes) -> tuple[int, bytes]:
    status, parts, coming = 0, [], [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        return coming.pop() if coming else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        nonlocal status
        status = message.get("status", status)
        parts.append(message.get("body", b""))

    await world.app(scope, receive, send)
    return status, b"".join(parts)


def _judged(status: int, body: bytes, *, graphql: bool) -> str:
    """What the answer says, in a word."""
    if status == 500 or status == 0:
        raise Contradiction(f"HTTP {status}: {body[:500]!r}")
    if status >= 400:
        code = json.loads(body)["code"] if body else None
        if code is not None and (code not in CODES or code == "internal"):
            raise Contradiction(f"HTTP {status} with the code {code!r}")
        return f"{status} {code}"
    if graphql and b'"errors"' in body:
        codes = sorted({error["extensions"]["code"] for error in json.loads(body).get("errors", [])})
        if "internal" in codes or not set(codes) <= CODES.keys():
            raise Contradiction(f"a GraphQL error with the codes {codes}: {body[:500]!r}")
        return f"{status} {' '.join(codes)}"
    if b'"code":"internal"' in body:
        raise Contradiction(f"an item failed inside of us: {body[:500]!r}")
    return str(status)


@contextmanager
def _projected() -> Iterator[Run]:
    """Events that intake takes are applied or rejected; none stops the projector."""
    loop = asyncio.new_event_loop()
    log, graph = new_log(), MemoryGraph()
    loop.run_until_complete(Projector(log, graph).step())
    fresh = deepcopy((log.stored, log.tree, graph.__dict__))
    state: dict[str, Any] = {"left": 0}

    def begin() -> None:
        state["log"], state["graph"], state["left"] = new_log(), MemoryGraph(), FRESH
        stored, tree, rows = deepcopy(fresh)
        state["log"].stored, state["log"].tree = stored, tree
        state["graph"].__dict__.update(rows)
        state["projector"] = Projector(state["log"], state["graph"])

    def run(payload: bytes) -> str:
        kind = PAYLOAD_CLOUDEVENT if b'"specversion"' in payload else PAYLOAD_OPENLINEAGE
        facts = read_event(kind, payload)
        if state["left"] == 0:
            begin()
        state["left"] -= 1
        before = state["left"]
        state["left"] = 0  # whatever goes wrong now, the next event begins anew
        signer = "admin" if facts.event_type in ("lineproof.key.v1", "lineproof.policy.v1", "lineproof.erasure.v1") else "producer"
        index = state["log"].append(facts.event_type, kind, payload, signer)
        loop.run_until_complete(state["projector"].step())
        state["graph"].batches.clear()
        state["left"] = before
        outcome = state["graph"].records[index]
        return f"ok {outcome.status} {outcome.reason or ''}"

    try:
        yield run
    finally:
        loop.close()


TARGETS: dict[str, Target] = {
    **PARSERS,
    "projection": (lambda: [payload.replace(ORIGIN.encode(), PROJECTED.encode()) for kind in (PAYLOAD_CLOUDEVENT, PAYLOAD_OPENLINEAGE)
                            for payload in seeds.payloads(kind)], _projected, 8_192),
    "GraphQL": (seeds.documents, _graphql, 8_192),
    "HTTP": (seeds.requests, _http, 8_192),
}
