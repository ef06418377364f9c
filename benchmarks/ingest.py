"""Ingest by HTTP: a real `lineproof serve` on loopback, signed events of about 3 KB, beside the raw rate of signature checks."""
from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice

from benchmarks.events import run_event, signed_events
from benchmarks.figures import Report, Target, percentile
from benchmarks.load import Answers, closed_loop, open_loop, request
from benchmarks.logs import BenchLog, open_log
from benchmarks.scale import Scale
from benchmarks.services import Services, workplace
from benchmarks.serving import Service, serving
from benchmarks.verify import CORES, raw_verify_rate

__all__ = ["TITLE", "run"]

TITLE = "Ingest by HTTP"
BATCH = 256  # what the hooks' sender posts at once
BATCH_CONNECTIONS = 4
CONNECTIONS = 16
RATE = 1_000.0
OPEN_CONNECTIONS = 64
WARM = 2_000
PROCESSES = (1, 2, 4)
SHARE = 4  # of the events and the seconds of the other figures go to each number of processes
PROJECTORS = {"off": "projector elsewhere", "process": "projector beside it, on the same cores"}


def run(report: Report, scale: Scale, services: Services) -> None:
    """Take the figures: embedded stores first, then the log on PostgreSQL."""
    raw = raw_verify_rate(CORES)
    report.add(f"raw Ed25519 verify, {CORES} threads", raw, "1/s", size="2.2 KB payloads")
    for projector in PROJECTORS:
        _measure(report, scale, raw, projector, None)
    with services.postgres("HTTP ingest") as url:
        if url is not None:
            _measure(report, scale, raw, "off", url)
    with services.postgres("several API processes") as url:
        if url is not None:
            _several(report, scale, raw, url)


def _measure(report: Report, scale: Scale, raw: float, projector: str, url: str | None) -> None:
    where = f"{'SQLite' if url is None else 'PostgreSQL'}, {PROJECTORS[projector]}"
    with workplace() as directory:
        with open_log(directory, url) as bench:
            events = _events(bench)
            warm = [next(events) for _ in range(WARM)]
            batches = [list(islice(events, BATCH)) for _ in range(scale.ingested // BATCH)]
            singles = list(islice(events, int(scale.load_seconds * 4_000)))
            paced = list(islice(events, int(scale.load_seconds * RATE)))
        with serving(directory, projector=projector, database_url=url) as service:
            _send(service, [warm[start:start + BATCH] for start in range(0, WARM, BATCH)])
            rate = scale.ingested // BATCH * BATCH / _send(service, batches).wall
            judged = projector == "off"  # GRAPH has targets of its own for the projector; here it competes for the cores
            report.add(f"batches, {where}", rate, "events/s", against="raw verify", ratio=rate / raw,
                       size=f"{scale.ingested:,} events, arrays of {BATCH}, {BATCH_CONNECTIONS} connections",
                       target=Target(at_least=5_000, ratio_at_least=0.25) if judged else None)
            answers = closed_loop(service, _requests(service, singles), connections=CONNECTIONS, seconds=scale.load_seconds)
            answers.require(202)
            rate = len(answers.seconds) / answers.wall
            report.add(f"one event per request, {where}", rate, "events/s", against="raw verify", ratio=rate / raw,
                       size=f"{CONNECTIONS} connections, {len(answers.seconds):,} events", target=Target(at_least=1_500) if judged else None)
            answers = open_loop(service, list(_requests(service, paced)), rate=RATE, connections=OPEN_CONNECTIONS)
            answers.require(202)
            size = f"{len(paced):,} events, open loop at {RATE:,.0f}/s"
            report.add(f"one event per request at {RATE:,.0f}/s, {where}, p50", percentile(answers.seconds, 0.5) * 1e3, "ms", size=size)
            report.add(f"one event per request at {RATE:,.0f}/s, {where}, p99", percentile(answers.seconds, 0.99) * 1e3, "ms", size=size,
                       target=Target(at_most=100) if judged else None)


def _several(report: Report, scale: Scale, raw: float, url: str) -> None:
    """Several API processes append to one log: each locks its head, so batches follow one another and everything before the lock is shared out."""
    with workplace() as directory, ExitStack() as processes:
        with open_log(directory, url) as bench:
            events = _events(bench)
            count = scale.ingested // SHARE // BATCH
            seconds = scale.load_seconds / SHARE
            warm = [next(events) for _ in range(max(PROCESSES) * BATCH)]
            batches = {number: [list(islice(events, BATCH)) for _ in range(count)] for number in PROCESSES}
            singles = {number: list(islice(events, int(seconds * 4_000))) for number in PROCESSES}
        served: list[Service] = []
        for number in PROCESSES:
            while len(served) < number:
                data = f"data-{len(served)}"
                shutil.copytree(directory / "data" / "keys", directory / data / "keys")
                served.append(processes.enter_context(serving(directory, projector="off", database_url=url, data=data)))
                _send(served[-1], [warm[:BATCH]])
                warm = warm[BATCH:]
            first, others = served[0], served[1:]
            rate = count * BATCH / _send(first, batches[number], beside=others).wall
            where = f"PostgreSQL, {number} API process{'es' if number > 1 else ''}"
            report.add(f"batches, {where}", rate, "events/s", against="raw verify", ratio=rate / raw,
                       size=f"{count * BATCH:,} events, arrays of {BATCH}, {BATCH_CONNECTIONS} connections in all")
            answers = closed_loop(first, _requests(first, singles[number]), connections=CONNECTIONS, seconds=seconds, beside=others)
            answers.require(202)
            rate = len(answers.seconds) / answers.wall
            report.add(f"one event per request, {where}", rate, "events/s", against="raw verify", ratio=rate / raw,
                       size=f"{CONNECTIONS} connections in all, {len(answers.seconds):,} events")


def _events(bench: BenchLog) -> Iterator[bytes]:
    """Signed envelopes without end, each of its own run."""
    numbers = iter(range(10**9))
    return (signed.envelope for signed in signed_events(map(run_event, numbers), bench.key, bench.log.origin))


def _send(service: Service, batches: list[list[bytes]], *, beside: Sequence[Service] = ()) -> Answers:
    requests = [request(service, "/api/v1/events", b"[" + b",".join(batch) + b"]") for batch in batches]
    answers = closed_loop(service, requests, connections=BATCH_CONNECTIONS, keep=True, beside=beside)
    answers.require(200)
    accepted = sum(body.count(b'"status":202') for body in answers.bodies)
    if accepted != sum(map(len, batches)):
        raise RuntimeError(f"{accepted} of {sum(map(len, batches))} events were accepted: {answers.bodies[0][:500]!r}")
    return answers


def _requests(service: Service, envelopes: list[bytes]) -> Iterator[bytes]:
    return (request(service, "/api/v1/events", envelope) for envelope in envelopes)
