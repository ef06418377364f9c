"""Appending by library: entries per second into SQLite and PostgreSQL, beside the same bytes written raw to the same database."""
from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

from benchmarks.events import run_event
from benchmarks.figures import Report, Target, percentile, timed
from benchmarks.logs import BenchLog, append_all, append_one, open_log, repeated
from benchmarks.raw import raw_table
from benchmarks.scale import Scale
from benchmarks.services import Services, workplace
from lineproof_audit.append import BATCH_ENTRIES
from lineproof_audit.batch import NewEntry, prepare
from lineproof_audit.log import Log

__all__ = ["TITLE", "on_both_stores", "run"]

TITLE = "Appending by library"
ENVELOPES = 1_000  # distinct ones; entries beyond that repeat their bytes under event ids of their own
FLUSHES = 200
SINGLES = 500
PAGE = b"\0" * 4096
WARM = 10_000


def run(report: Report, scale: Scale, services: Services) -> None:
    """Take the figures."""
    on_both_stores(report, services, "append", partial(_measure, report, scale))


def on_both_stores(report: Report, services: Services, what: str, measure: Callable[[str, Path, str | None], None]) -> None:
    """Call `measure` with the store's name, a directory and the database's URL (None: SQLite), beside what a flush costs here."""
    with workplace() as directory:
        report.add("fdatasync of 4 KiB appended to a file, median", _flush_seconds(directory) * 1e6, "µs")
        measure("SQLite", directory, None)
    with workplace() as directory, services.postgres(what) as url:
        if url is not None:
            measure("PostgreSQL", directory, url)


def _measure(report: Report, scale: Scale, name: str, directory: Path, url: str | None) -> None:
    with open_log(directory, url) as bench:
        events = bench.entries(map(run_event, range(ENVELOPES)))
        entries = repeated(events)
        size = f"{statistics.mean(len(entry.envelope) for entry in events) / 1000:.1f} KB envelopes, batches of {BATCH_ENTRIES}"
        _run(bench.log, islice(entries, WARM))
        raw = scale.appended / _raw(directory, url, bench, list(islice(repeated(events), scale.appended)))
        rate = _run(bench.log, islice(entries, scale.appended))
        report.add(f"raw {'INSERT' if url is None else 'COPY'} of the same bytes, {name}", raw, "rows/s", size=f"{scale.appended:,} rows, {size}")
        report.add(f"append, {name}", rate, "events/s", against="raw rows", ratio=rate / raw, size=f"{scale.appended:,} entries, {size}",
                   target=Target(at_least=20_000), note="signatures verified before, durable when acknowledged")
        singles = [timed(partial(append_one, bench.log, entry)) for entry in islice(entries, SINGLES)]
        report.add(f"append one at a time, {name}, p50", percentile(singles, 0.5) * 1e6, "µs", size=f"{SINGLES} entries")
        report.add(f"append one at a time, {name}, p99", percentile(singles, 0.99) * 1e6, "µs", size=f"{SINGLES} entries")


def _run(log: Log, entries: Iterator[NewEntry]) -> float:
    """Entries per second."""
    ready = list(entries)
    return len(ready) / timed(lambda: append_all(log, ready))


def _raw(directory: Path, url: str | None, bench: BenchLog, entries: list[NewEntry]) -> float:
    with raw_table(directory, url) as write:
        return write([prepare(entry, bench.log.secrets) for entry in entries])


def _flush_seconds(directory: Path) -> float:
    """Median seconds until a page appended to a file on this disk is safe."""
    with (directory / "flushes").open("wb", buffering=0) as file:
        def flush() -> None:
            file.write(PAGE)
            os.fdatasync(file.fileno())

        return statistics.median(timed(flush) for _ in range(FLUSHES))
