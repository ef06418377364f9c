"""POST /resolve: a real `lineproof serve` on loopback, models of ten features each, asked at a fixed rate."""
from __future__ import annotations

import json
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path

from benchmarks.figures import Report, Target, percentile, timed
from benchmarks.load import closed_loop, open_loop, post, request
from benchmarks.logs import BenchLog, open_log
from benchmarks.scale import Scale
from benchmarks.services import Services, workplace
from benchmarks.serving import Service, serving
from lineproof_audit.envelope import PAYLOAD_CLOUDEVENT, sign_envelope
from metadata_service.graph.ops import OPEN

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
            for name, features, bodies in (
                    ("pins of a model", PER_MODEL, [_body([], f"bench:m{number}@stable") for number in range(MODELS)]),
                    ("aliases of a flexible model", PER_MODEL, [_body([], f"bench:m{number}@flexible") for number in range(MODELS)]),
                    ("one alias without a model", 1, [_body(_references(number, 1), None) for number in range(MODELS)]),
                    ("ten aliases without a model", 10, [_body(_references(number, 10), None) for number in range(MODELS)]),
                    ("a hundred aliases without a model", 100, [_body(_references(number, 100), None) for number in range(MODELS)])):
                _served(report, scale, service, name, features, bodies)
            _beside_the_engine(report, service, directory / "data" / "graph.db")


def _served(report: Report, scale: Scale, service: Service, name: str, features: int, bodies: list[bytes]) -> None:
    """As fast as it goes, and at the rate the design asks for."""
    asked = [request(service, "/resolve", body) for body in bodies]
    answers = closed_loop(service, islice(cycle(asked), int(scale.load_seconds * 4_000)), connections=8, seconds=scale.load_seconds)
    answers.require(200)
    report.add(f"{name}, as fast as it goes", len(answers.seconds) / answers.wall, "1/s", size=f"8 connections, {features} features each")
    paced = open_loop(service, list(islice(cycle(asked), int(scale.load_seconds * RATE))), rate=RATE, connections=CONNECTIONS)
    paced.require(200)
    size = f"{len(paced.seconds):,} requests, open loop at {RATE:,.0f}/s"
    for share in (0.5, 0.95):
        report.add(f"{name} at {RATE:,.0f}/s, p{share * 100:.0f}", percentile(paced.seconds, share) * 1e3, "ms", size=size)
    idle = open_loop(service, [_healthz(service)] * len(paced.seconds), rate=RATE, connections=CONNECTIONS)
    idle.require(200)
    bare = percentile(idle.seconds, 0.99) * 1e3
    p99 = percentile(paced.seconds, 0.99) * 1e3
    report.add(f"{name} at {RATE:,.0f}/s, p99", p99, "ms", against=f"GET /healthz ({bare:.1f} ms)", ratio=p99 / bare, size=size,
               target=Target(at_most=10) if features <= PER_MODEL else None)


def _beside_the_engine(report: Report, service: Service, file: Path) -> None:
    """One caller, one after the other: from memory, and what nobody asked before, beside the same facts read from the graph by hand."""
    for count in (1, 10, 100):
        news = [list(each) for each in dict.fromkeys(tuple(_references(number, count, step)) for step in (3, 9, 11) for number in range(MODELS, FEATURES))]
        with _sqlite(file) as read:
            by_hand = [timed(lambda each=each: read(each)) for each in news]  # type: ignore[misc]
        first = closed_loop(service, [request(service, "/resolve", _body(each, None)) for each in news], connections=1)
        again = closed_loop(service, [request(service, "/resolve", _body(each, None)) for each in news], connections=1)
        raw = percentile(by_hand, 0.5) * 1e3
        size = f"{len(news)} requests of {count} aliases, one connection"
        report.add(f"{count} aliases read by hand, SQLite, p50", raw, "ms", size=f"{len(news)} reads: alias facts, then facts of the versions")
        for name, answers in (("never asked before", first), ("asked before", again)):
            answers.require(200)
            p50 = percentile(answers.seconds, 0.5) * 1e3
            report.add(f"{count} aliases, {name}, p50", p50, "ms", against="read by hand", ratio=p50 / raw, size=size)


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


def _references(number: int, count: int = PER_MODEL, step: int = 1) -> list[str]:
    return [f"bench:f{(number * 7 + each * step) % FEATURES}@prod" for each in range(count)]


@contextmanager
def _sqlite(file: Path) -> Iterator[Callable[[list[str]], int]]:
    """What one would write by hand against the tables: where the aliases stand, then all that is known of the versions."""
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    facts = ("SELECT n.urn, r.fact, r.value FROM json_each(?) j CROSS JOIN graph_node n CROSS JOIN graph_revision r "
             f"WHERE n.urn = j.value AND r.node_id = n.id AND r.to_ = {OPEN}")

    def read(references: list[str]) -> int:
        heads = ["urn:lineproof:feature:" + reference.partition("@")[0] for reference in references]
        stand = [(urn, json.loads(value)["version"]) for urn, _, value in connection.execute(facts + " AND r.fact = 'alias:prod'", (json.dumps(heads),))]
        versions = [f"{urn.replace(':feature:', ':feature-version:')}:{version}" for urn, version in stand]
        found: dict[str, dict[str, object]] = {}
        for urn, fact, value in connection.execute(facts, (json.dumps(versions),)):
            found.setdefault(urn, {})[fact] = json.loads(value)
        if len(found) != len(references):
            raise RuntimeError(f"{len(found)} of {len(references)} aliases were found")
        return len(found)

    yield read
    connection.close()


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
