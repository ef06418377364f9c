"""Appending by library: entries per second into SQLite and PostgreSQL, beside the same bytes written raw to the same database."""
from __future__ import annotations

import os
import sqlite3
import statistics
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import cycle, islice
from pathlib import Path

from benchmarks.events import run_event
from benchmarks.figures import Report, Target, percentile, timed
from benchmarks.logs import BenchLog, append_all, append_one, open_log
from benchmarks.scale import Scale
from benchmarks.services import Services, workplace
from lineproof_audit.append import BATCH_ENTRIES, NewEntry, Prepared, prepare
from lineproof_audit.log import Log

__all__ = ["TITLE", "run"]

TITLE = "Appending by library"
ENVELOPES = 1_000  # distinct ones; entries beyond that repeat their bytes under event ids of their own
FLUSHES = 200
SINGLES = 500
PAGE = b"\0" * 4096
FIRST = 10_000  # size from which on the cost per append has to stay flat


def run(report: Report, scale: Scale, services: Services) -> None:
    """Take the figures."""
    with workplace() as directory:
        flush = _flush_seconds(directory)
        report.add("fsync of 4 KiB appended to a file, median", flush * 1e6, "µs")
        _measure(report, scale, "SQLite", directory, None)
    with workplace() as directory, services.postgres("append") as url:
        if url is not None:
            _measure(report, scale, "PostgreSQL", directory, url)


def _measure(report: Report, scale: Scale, name: str, directory: Path, url: str | None) -> None:
    with open_log(directory, url) as bench:
        envelopes = [signed.envelope for signed in bench.entries(map(run_event, range(ENVELOPES)))]
        entries = _entries(bench)
        size = f"{statistics.mean(map(len, envelopes)) / 1000:.1f} KB envelopes, batches of {BATCH_ENTRIES}"
        early = _run(bench.log, islice(entries, FIRST))
        raw = _raw(directory, url, bench, scale.appended)
        rate = _run(bench.log, islice(entries, scale.appended))
        report.add(f"raw {'INSERT' if url is None else 'COPY'} of the same bytes, {name}", raw, "rows/s", size=f"{scale.appended:,} rows, {size}")
        report.add(f"append, {name}", rate, "events/s", against="raw rows", ratio=rate / raw, size=f"{scale.appended:,} entries, {size}",
                   target=Target(at_least=20_000), note="signatures verified before, durable when acknowledged")
        singles = [timed(partial(append_one, bench.log, entry)) for entry in islice(entries, SINGLES)]
        report.add(f"append one at a time, {name}, p50", percentile(singles, 0.5) * 1e6, "µs", size=f"{SINGLES} entries")
        report.add(f"append one at a time, {name}, p99", percentile(singles, 0.99) * 1e6, "µs", size=f"{SINGLES} entries")
        rest = scale.grown_to - bench.log.reader.size()
        if rest > 2 * FIRST:
            _run(bench.log, islice(entries, rest - FIRST))
            late = _run(bench.log, islice(entries, FIRST))
            report.add(f"cost per append at {scale.grown_to:,} entries, {name}", 1e6 / late, "µs", against=f"that of the first {FIRST:,}", ratio=early / late,
                       size=f"{scale.grown_to:,} entries", target=Target(ratio_at_most=1.2))


def _entries(bench: BenchLog) -> Iterator[NewEntry]:
    """Entries without end, with ids of their own."""
    events = bench.entries(map(run_event, range(ENVELOPES)))
    for position, entry in enumerate(cycle(events)):
        yield NewEntry(entry.envelope, entry.media_type, entry.event_type, entry.tenant, entry.signer, entry.signed_by, None, "benchmarks", f"event {position}",
                       entry.parsed)


def _run(log: Log, entries: Iterator[NewEntry]) -> float:
    """Entries per second."""
    ready = list(entries)
    return len(ready) / timed(lambda: append_all(log, ready))


def _flush_seconds(directory: Path) -> float:
    with (directory / "flushes").open("wb", buffering=0) as file:
        def flush() -> None:
            file.write(PAGE)
            os.fsync(file.fileno())

        return statistics.median(timed(flush) for _ in range(FLUSHES))


def _raw(directory: Path, url: str | None, bench: BenchLog, number: int) -> float:
    """Rows per second of the same columns, prepared before, in transactions of the same number of rows."""
    prepared = [prepare(entry, bench.log.secrets) for entry in islice(_entries(bench), number)]
    batches = [prepared[start:start + BATCH_ENTRIES] for start in range(0, number, BATCH_ENTRIES)]
    return number / (_raw_sqlite(directory / "raw.db", batches) if url is None else _raw_postgres(url, batches))


def _row(index: int, item: Prepared) -> tuple[int, bytes, bytes, bytes, bytes, bytes]:
    return index, item.before_time + b"0" + item.after_time, item.salt, item.body, item.identity, item.payload


def _raw_sqlite(path: Path, batches: Sequence[Sequence[Prepared]]) -> float:
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL",
                      "CREATE TABLE raw (idx INTEGER PRIMARY KEY, leaf BLOB, salt BLOB, body BLOB, identity BLOB UNIQUE, payload BLOB) STRICT"):
        connection.execute(statement)
    index = iter(range(10**9))
    ready = [[_row(next(index), item) for item in batch] for batch in batches]

    def write() -> None:
        for rows in ready:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO raw VALUES (?, ?, ?, ?, ?, ?)", rows)
            connection.execute("COMMIT")

    seconds = timed(write)
    connection.close()
    return seconds


def _raw_postgres(url: str, batches: Sequence[Sequence[Prepared]]) -> float:
    import psycopg

    index = iter(range(10**9))
    ready = [[_row(next(index), item) for item in batch] for batch in batches]
    with psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://")) as connection:
        connection.execute("CREATE TABLE raw (idx bigint PRIMARY KEY, leaf bytea, salt bytea, body bytea, identity bytea UNIQUE, payload bytea)")
        connection.commit()

        def write() -> None:
            for rows in ready:
                with connection.cursor().copy("COPY raw FROM STDIN (FORMAT BINARY)") as copy:
                    copy.set_types(["int8", "bytea", "bytea", "bytea", "bytea", "bytea"])
                    for row in rows:
                        copy.write_row(row)
                connection.commit()

        seconds = timed(write)
        connection.execute("DROP TABLE raw")
    return seconds
