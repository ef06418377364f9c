"""What a projector holds in memory as the log it projects grows."""
from __future__ import annotations

import asyncio
import gc
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.events import run_event
from benchmarks.figures import Report, Target
from benchmarks.logs import append_all, open_log
from benchmarks.scale import Scale
from benchmarks.services import Services, workplace
from lineproof_audit.log import Log
from metadata_service import garbage
from metadata_service.graph.open import open_graph
from metadata_service.graph.sql_engine import CACHE_KIB
from metadata_service.projector import Projector

__all__ = ["TITLE", "run"]

TITLE = "Memory of the projector along a long log"
CHUNK = 10_000  # events in memory at once
FULL_FROM = 100_000  # entries after which every bounded memory is full: the overlay's generations, the names that are kept


def run(report: Report, scale: Scale, services: Services) -> None:
    """Take the figures: a process that does nothing else projects a log of runs into SQLite."""
    total, early = scale.long, scale.long // 10
    with workplace() as directory:
        with open_log(directory) as bench:
            for start in range(0, total, CHUNK):
                append_all(bench.log, bench.entries(map(run_event, range(start, min(start + CHUNK, total)))))
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            before, (then, last) = pool.submit(_resident, directory, (early, total)).result()
    size = f"{total:,} runs that say what they said before, of one projector on SQLite; {before:,.0f} MB before the first"
    full = early >= FULL_FROM
    kept = f"two page caches of {CACHE_KIB // 1024} MiB, two generations of nodes and states, names, the batch at hand and the one before"
    for what, now, earlier in (("largest", last.largest, then.largest), ("at rest", last.settled, then.settled)):
        report.add(f"memory of the projector up to {early:,} entries, {what}", earlier, "MB", size=size)
        report.add(f"memory of the projector from there to {total:,} entries, {what}", now, "MB", against=f"up to {early:,}", ratio=now / earlier, size=size,
                   target=Target(ratio_at_most=1.1) if full else None,
                   note=f"{kept}; without the mapped pages of the database's file" + ("" if full else f"; all of it is bounded, and full at {FULL_FROM:,}"))


@dataclass(frozen=True, slots=True)
class Held:
    """MB along a stretch of the log: the most after any batch, and at its end with nothing under way and no cycles left."""

    largest: float
    settled: float


def _resident(directory: Path, stops: Sequence[int]) -> tuple[float, list[Held]]:
    """MB before the first entry, and along the stretches that end at these sizes."""
    async def work() -> tuple[float, list[Held]]:
        graph = open_graph(f"sqlite:///{directory / 'graph.db'}")
        await graph.setup()
        projector, before, found = Projector(log.reader, graph), _private_megabytes(), []
        for stop in stops:
            sampled: list[float] = []
            await projector.catch_up(upto=stop, progress=lambda _, sampled=sampled: sampled.append(_private_megabytes()))  # type: ignore[misc]
            gc.collect()
            found.append(Held(max(sampled), _private_megabytes()))
        await graph.close()
        return before, found

    garbage.relax()
    log = Log.open(directory / "data", state_dir=directory / "state")
    try:
        return asyncio.run(work())
    finally:
        log.close()


def _private_megabytes() -> float:
    """Resident pages of this process that no file stands behind (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:")) / 1024
