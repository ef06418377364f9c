"""What a projector holds in memory as the log it projects grows."""
from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.events import run_event
from benchmarks.figures import Report, Target
from benchmarks.logs import append_all, open_log
from benchmarks.scale import Scale
from benchmarks.services import Services, workplace
from lineproof_audit.log import Log
from metadata_service import garbage
from metadata_service.graph.open import open_graph
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
            before, then, last = pool.submit(_resident, directory, (early, total)).result()
    size = f"{total:,} runs that say what they said before, of one projector on SQLite; {before:,.0f} MB before the first"
    report.add(f"memory of the projector after {early:,} entries", then, "MB", size=size)
    report.add(f"memory of the projector after {total:,} entries", last, "MB", against=f"after {early:,}", ratio=last / then, size=size,
               target=Target(ratio_at_most=1.1) if early >= FULL_FROM else None,
               note="without the mapped pages of the database's file" + ("" if early >= FULL_FROM else f"; what is kept is bounded, and full at {FULL_FROM:,}"))


def _resident(directory: Path, stops: Sequence[int]) -> list[float]:
    """MB before the first entry, and when the projector came to each of these sizes."""
    async def work() -> list[float]:
        graph = open_graph(f"sqlite:///{directory / 'graph.db'}")
        await graph.setup()
        projector, found = Projector(log.reader, graph), [_private_megabytes()]
        for stop in stops:
            await projector.catch_up(upto=stop)
            found.append(_private_megabytes())
        await graph.close()
        return found

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
