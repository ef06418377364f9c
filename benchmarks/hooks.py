"""What the hooks cost a pipeline: the time `emit` keeps its caller, and the time an import takes."""
from __future__ import annotations

import logging
import os
import statistics
import subprocess
import sys
from functools import partial
from pathlib import Path

from benchmarks.events import NAMESPACE, run_event, signed_events
from benchmarks.figures import Report, percentile, timed
from benchmarks.scale import Scale
from benchmarks.services import Services, workplace
from ingest_hooks import Emitter
from lineproof_audit.keys import SigningKey

__all__ = ["TITLE", "run"]

TITLE = "Cost in the pipeline"
ORIGIN = "lineproof.local/bench"
STARTS = 9
NOTHING = "pass"
STANDARD = "import json, ssl"


def run(report: Report, scale: Scale, services: Services) -> None:
    """Take the figures."""
    with workplace() as directory:
        _emit(report, scale.emitted, directory)
    _imports(report)


def _emit(report: Report, number: int, directory: Path) -> None:
    logging.getLogger("ingest_hooks").setLevel(logging.CRITICAL)  # it says once that no service is set, which is meant
    key = SigningKey.generate()
    events = [run_event(each) for each in range(number)]
    envelopes = [signed.envelope for signed in signed_events(iter(events), key, ORIGIN)]
    size = f"{number:,} events of {statistics.mean(map(len, envelopes)) / 1000:.1f} KB"
    emitter = Emitter(key=key, audience=ORIGIN, spool=directory / "spool", namespace=NAMESPACE, source="benchmarks")
    emitter.openlineage(run_event(number))  # opens the spool and loads the models
    taken: list[float] = []
    raw: list[float] = []
    fd = os.open(directory / "raw", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        for event, envelope in zip(events, envelopes, strict=True):  # side by side, so that both meet the same machine
            taken.append(timed(partial(emitter.openlineage, event)))
            raw.append(timed(partial(_write, fd, envelope)))
    finally:
        os.close(fd)
    stats = emitter.stats()
    emitter.close(timeout=0)
    if stats.spooled != number + 1:
        raise RuntimeError(f"{stats.spooled} of {number + 1} events were spooled")
    for share, name in ((0.5, "p50"), (0.99, "p99")):
        beside = percentile(raw, share)
        report.add(f"raw append with fdatasync of the same bytes, {name}", beside * 1e6, "µs", size=size)
        report.add(f"emit, {name}", percentile(taken, share) * 1e6, "µs", against=f"raw append, {name}", ratio=percentile(taken, share) / beside, size=size,
                   note="checked, signed, on disk when it returns")


def _write(fd: int, data: bytes) -> None:
    os.write(fd, data)
    os.fdatasync(fd)


def _imports(report: Report) -> None:
    """Median time of a whole interpreter, each kind in turn, less that of an interpreter that does nothing."""
    programs: dict[str, list[float]] = {program: [] for program in (NOTHING, STANDARD, "import ingest_hooks", "import lineproof_audit.verify")}
    for _ in range(STARTS):
        for program, taken in programs.items():
            taken.append(timed(partial(subprocess.run, [sys.executable, "-c", program], check=True)))
    start = statistics.median(programs.pop(NOTHING))
    report.add("Python itself", start * 1e3, "ms", size=f"median of {STARTS} starts")
    standard = statistics.median(programs.pop(STANDARD)) - start
    report.add(f"`{STANDARD}`", standard * 1e3, "ms")
    for program, taken in programs.items():
        seconds = statistics.median(taken) - start
        report.add(f"`{program}`", seconds * 1e3, "ms", against=f"`{STANDARD}`", ratio=seconds / standard)
