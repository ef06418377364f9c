"""POST /resolve: a real `lineproof serve` on loopback, models of ten features each, asked at a fixed rate."""
from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import cycle, islice

from benchmarks.figures import Report, Target, percentile
from benchmarks.load import closed_loop, open_loop, post, request
from benchmarks.logs import BenchLog, open_log
from benchmarks.scale import Scale
from benchmarks.services import Services, workplace
from benchmarks.serving import Service, serving
from lineproof_audit.envelope import PAYLOAD_CLOUDEVENT, sign_envelope

__all__ = ["TITLE", "run"]

TITLE = "POST /resolve"
FEATURES, MODELS, PER_MODEL = 200, 50, 10
RATE = 1_000.0
CONNECTIONS = 32
SOURCE = "https://bench.example/serving"


def run(report: Report, scale: Scale, services: Services) -> None:
    """Take the figures: what was answered before is answered from memory, so every body was asked once before it counts."""
    with workplace() as directory:
        with open_log(directory) as bench:
            events = list(_registry(bench))
        with serving(directory, projector="process") as service:
            for start in range(0, len(events), 100):
                post(service, "/api/v1/events", b"[" + b",".join(events[start:start + 100]) + b"]")
            _caught_up(service)
            for name, bodies in (("pins of a model", [_body([], f"bench:m{number}@stable") for number in range(MODELS)]),
                                 ("aliases of a flexible model", [_body([], f"bench:m{number}@flexible") for number in range(MODELS)]),
                                 ("ten aliases without a model", [_body(_references(number), None) for number in range(MODELS)])):
                asked = [request(service, "/resolve", body) for body in bodies]
                answers = closed_loop(service, islice(cycle(asked), int(scale.load_seconds * 4_000)), connections=8, seconds=scale.load_seconds)
                answers.require(200)
                report.add(f"{name}, as fast as it goes", len(answers.seconds) / answers.wall, "1/s", size="8 connections, 10 features each")
                paced = open_loop(service, list(islice(cycle(asked), int(scale.load_seconds * RATE))), rate=RATE, connections=CONNECTIONS)
                paced.require(200)
                idle = open_loop(service, [_healthz(service)] * len(paced.seconds), rate=RATE, connections=CONNECTIONS)
                idle.require(200)
                bare, p99 = percentile(idle.seconds, 0.99) * 1e3, percentile(paced.seconds, 0.99) * 1e3
                size = f"{len(paced.seconds):,} requests, open loop at {RATE:,.0f}/s"
                report.add(f"{name} at {RATE:,.0f}/s, p50", percentile(paced.seconds, 0.5) * 1e3, "ms", size=size)
                report.add(f"{name} at {RATE:,.0f}/s, p99", p99, "ms", against=f"GET /healthz ({bare:.1f} ms)", ratio=p99 / bare, size=size,
                           target=Target(at_most=10))


def _registry(bench: BenchLog) -> Iterator[bytes]:
    """Feature versions with an alias each, and models with both bindings."""
    for number in range(FEATURES):
        for version in ("1", "2"):
            yield _event(bench, "feature-version", {
                "namespace": "bench", "name": f"f{number}", "version": version, "column": {"namespace": "bench", "name": "features", "column": f"f{number}"},
                "definition": {"entities": ["entity"], "dtype": "double", "sql": f"select {version}"},
                "online": {"uri": f"redis://online/f{number}/{version}", "schema": [{"name": "entity", "type": "string"},
                                                                                    {"name": "value", "type": "double"}]}})
        yield _event(bench, "alias", {"kind": "feature", "namespace": "bench", "name": f"f{number}", "alias": "prod", "to": "1"})
    for number in range(MODELS):
        for binding in ("stable", "flexible"):
            yield _event(bench, "model-version", {"namespace": "bench", "name": f"m{number}", "version": binding, "artifact": f"{number:064x}",
                                                  "features": _references(number), "binding": binding, "ttlSeconds": 30})


def _references(number: int) -> list[str]:
    return [f"bench:f{(number * 7 + each) % FEATURES}@prod" for each in range(PER_MODEL)]


def _event(bench: BenchLog, kind: str, data: dict[str, object]) -> bytes:
    body = {"specversion": "1.0", "id": uuid.uuid4().hex, "source": SOURCE, "type": f"lineproof.{kind}.v1", "time": datetime.now(UTC).isoformat(),
            "audience": bench.log.origin, "data": data}
    return sign_envelope(PAYLOAD_CLOUDEVENT, json.dumps(body).encode(), bench.key)


def _healthz(service: Service) -> bytes:
    """The least a request can cost here: what its tail is made of is the machine's."""
    return f"GET /healthz HTTP/1.1\r\nhost: {service.host}\r\n\r\n".encode()


def _body(references: list[str], model: str | None) -> bytes:
    return json.dumps({"references": references, "model": model}).encode()


def _caught_up(service: Service) -> None:
    """Until the graph has what the log has: the newest model answers."""
    deadline = time.monotonic() + 120
    asked = request(service, "/resolve", _body([], f"bench:m{MODELS - 1}@flexible"))
    while closed_loop(service, [asked], connections=1).statuses != {200: 1}:
        if time.monotonic() > deadline:
            raise RuntimeError("the projector did not catch up")
        time.sleep(0.2)
