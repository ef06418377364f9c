"""How long an event takes to be seen: posted, acknowledged, projected, part of an answer; a real `lineproof serve` with its projector beside it."""
from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import count, islice, tee
from pathlib import Path

import orjson

from benchmarks.events import NAMESPACE, run_event, signed_events
from benchmarks.figures import Report, percentile
from benchmarks.load import Answers, closed_loop, open_loop, request
from benchmarks.logs import BenchLog, open_log
from benchmarks.scale import Scale
from benchmarks.services import Services, workplace
from benchmarks.serving import Service, serving

__all__ = ["TITLE", "run"]

TITLE = "Ingest to visible"
WARM = 100
ONE_BY_ONE = 300
RATE = 100.0
CONNECTIONS = 32
WAIT = ("prefer: wait=projected",)
DOCUMENT = """query($urn: ID!) { lineage(urn: $urn, depth: 1) { computedAt { size } nodes { urn } edges { downstream upstream openedBy } } }"""

Posted = tuple[str, bytes]  # name of a job and the signed envelope of its first run


def run(report: Report, scale: Scale, services: Services) -> None:
    """Take the figures."""
    with workplace() as directory:
        _measure(report, scale, directory, "SQLite", None)
    server = services.neo4j("ingest to visible")
    if server is not None:
        with workplace() as directory:
            _measure(report, scale, directory, "Neo4j", server.url)


def _measure(report: Report, scale: Scale, directory: Path, name: str, graph_url: str | None) -> None:
    paced = int(scale.load_seconds * RATE)
    with open_log(directory) as bench:
        posted = _events(bench)
        warm, alone, waited, asked = (list(islice(posted, number)) for number in (WARM, ONE_BY_ONE, ONE_BY_ONE, ONE_BY_ONE))
        under_way, under_way_waited = list(islice(posted, paced)), list(islice(posted, paced))
    with serving(directory, projector="process", graph_url=graph_url) as service:
        closed_loop(service, _requests(service, warm, ()), connections=1)
        while closed_loop(service, _requests(service, [next(posted)], WAIT), connections=1).statuses != {200: 1}:
            pass  # a database compiles its plans and its code first, which takes longer than the service waits
        projected = _one_by_one(service, waited, WAIT)
        answered = _answered(service, asked)
        acknowledged = _one_by_one(service, alone, ())
        _one_by_one(service, [next(posted)], WAIT)  # the projector has caught up
        size = f"{ONE_BY_ONE} first runs of jobs, one after the other"
        _add(report, f"posted to acknowledged, {name}", acknowledged, size)
        _add(report, f"posted to projected (Prefer: wait=projected), {name}", projected, size, acknowledged)
        _add(report, f"posted to answered by GraphQL, {name}", answered, f"{size}, each followed by the question what its output is made of", acknowledged)
        size = f"{paced:,} first runs of jobs, open loop at {RATE:,.0f}/s"
        acknowledged = _at_rate(service, under_way, ())
        _one_by_one(service, [next(posted)], WAIT)
        _add(report, f"posted to acknowledged at {RATE:,.0f}/s, {name}", acknowledged, size)
        _add(report, f"posted to projected at {RATE:,.0f}/s, {name}", _at_rate(service, under_way_waited, WAIT), size, acknowledged)


def _events(bench: BenchLog) -> Iterator[Posted]:
    """First runs of jobs without end."""
    names, again = tee(f"models.seen_{number}" for number in count())
    events = (run_event(0, job=name) for name in names)
    return ((name, signed.envelope) for name, signed in zip(again, signed_events(events, bench.key, bench.log.origin), strict=False))


def _one_by_one(service: Service, events: Sequence[Posted], headers: Sequence[str]) -> list[float]:
    return _seconds(closed_loop(service, _requests(service, events, headers), connections=1, keep=True), headers)


def _at_rate(service: Service, events: Sequence[Posted], headers: Sequence[str]) -> list[float]:
    return _seconds(open_loop(service, _requests(service, events, headers), rate=RATE, connections=CONNECTIONS), headers)


def _requests(service: Service, events: Sequence[Posted], headers: Sequence[str]) -> list[bytes]:
    return [request(service, "/api/v1/events", envelope, headers=headers) for _, envelope in events]


def _seconds(answers: Answers, headers: Sequence[str]) -> list[float]:
    answers.require(200 if headers else 202)
    return answers.seconds


def _answered(service: Service, events: Sequence[Posted]) -> list[float]:
    """Seconds from posting an event until GraphQL has answered with the edges it opened."""
    requests: list[bytes] = []
    for name, envelope in events:
        urn = f"urn:lineproof:dataset:{NAMESPACE}:out.{name}"
        requests.append(request(service, "/api/v1/events", envelope, headers=WAIT))
        requests.append(request(service, "/graphql", json.dumps({"query": DOCUMENT, "variables": {"urn": urn}}).encode()))
    answers = closed_loop(service, requests, connections=1, keep=True)
    answers.require(200)
    for said, found in zip(answers.bodies[::2], answers.bodies[1::2], strict=True):
        index, lineage = orjson.loads(said)["index"], orjson.loads(found)["data"]["lineage"]
        if index not in {edge["openedBy"] for edge in lineage["edges"]}:
            raise RuntimeError(f"entry {index} was projected and is not in the answer: {found[:500]!r}")
    return [post + ask for post, ask in zip(answers.seconds[::2], answers.seconds[1::2], strict=True)]


def _add(report: Report, name: str, seconds: Sequence[float], size: str, beside: Sequence[float] | None = None) -> None:
    for share in (0.5, 0.99):
        taken, other = percentile(seconds, share), None if beside is None else percentile(beside, share)
        report.add(f"{name}, p{share * 100:g}", taken * 1e3, "ms", against=None if other is None else "acknowledged",
                   ratio=None if other is None else taken / other, size=size)
