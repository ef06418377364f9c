"""What an append, a proof and a check cost as the log grows, on both stores, beside raw rows in a table that grows with it."""
from __future__ import annotations

import json
import random
import statistics
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

from benchmarks.append import on_both_stores
from benchmarks.events import run_event
from benchmarks.figures import Report, Target, timed
from benchmarks.logs import BenchLog, append_all, open_log, repeated
from benchmarks.raw import Write, raw_table
from benchmarks.scale import Scale
from benchmarks.services import Services
from lineproof_audit.batch import NewEntry, prepare
from lineproof_audit.envelope import PAYLOAD_OPENLINEAGE, parse_envelope, sign_envelope
from lineproof_audit.fsck import fsck
from lineproof_audit.fsck_store import StoreSource

__all__ = ["TITLE", "run"]

TITLE = "Cost as the log grows"
ENVELOPES = 1_000  # distinct ones, of no producer stream: their bytes stand in many entries
LAST = 10_000  # entries whose appending is timed at each size
CHUNK = 10_000
PROOFS = 300


def run(report: Report, scale: Scale, services: Services) -> None:
    """Take the figures."""
    on_both_stores(report, services, "growth", partial(_measure, report, scale))


def _measure(report: Report, scale: Scale, name: str, directory: Path, url: str | None) -> None:
    first: dict[str, float] = {}

    def add(what: str, size: int, seconds: float, *, target: Target | None = None, note: str | None = None) -> None:
        """One cost (µs); beside the same one at the least size from the second on."""
        began = first.setdefault(what, seconds)
        beside = None if size == scale.sizes[0] else f"at {scale.sizes[0]:,}"
        report.add(f"{what} at {size:,} entries, {name}", seconds * 1e6, "µs", against=beside, ratio=None if beside is None else seconds / began,
                   target=target if beside is not None else None, note=note)

    with open_log(directory, url) as bench, raw_table(directory, url) as write:
        entries, rows = _entries(bench), _entries(bench)
        for size in scale.sizes:
            raw, append = _grow(bench, write, entries, rows, size)
            add(f"raw {'INSERT' if url is None else 'COPY'} of a row", size, raw)
            add("append", size, append, target=Target(ratio_at_most=1.2), note=f"{append / raw:.1f}x of a raw row; signatures verified before")
            while bench.log.reader.size() > bench.log.store.integrated().tree.size:
                bench.log.integrator.step()
            choose = random.Random(size)
            proofs = [timed(partial(bench.log.reader.inclusion_proof, choose.randrange(size), size)) for _ in range(PROOFS)]
            add("inclusion proof", size, statistics.median(proofs), note="median, of a random entry, read from the tiles")
            if max(proofs) > 0 and size == scale.sizes[-1]:
                report.add(f"inclusion proof at {size:,} entries, {name}, the slowest of {PROOFS}", max(proofs) * 1e3, "ms", target=Target(at_most=5))
            add("fsck of an entry", size, timed(partial(_check, bench)) / size, note="structure; the start of its processes is in it")


def _grow(bench: BenchLog, write: Write, entries: Iterator[NewEntry], rows: Iterator[NewEntry], size: int) -> tuple[float, float]:
    """Let log and raw table grow to `size`; the seconds of one raw row and one append, of the last ones."""
    raw = append = 0.0
    while (have := bench.log.reader.size()) < size:
        number = min(CHUNK, size - LAST - have) if have < size - LAST else size - have
        raw = write([prepare(entry, bench.log.secrets) for entry in islice(rows, number)]) / number
        ready = list(islice(entries, number))
        append = timed(partial(append_all, bench.log, ready)) / number
    return raw, append


def _entries(bench: BenchLog) -> Iterator[NewEntry]:
    events = [sign_envelope(PAYLOAD_OPENLINEAGE, json.dumps(run_event(number)).encode(), bench.key) for number in range(ENVELOPES)]
    return repeated([NewEntry(envelope, PAYLOAD_OPENLINEAGE, "openlineage.run", bench.tenant, bench.key.keyid, "PRODUCER", None, "benchmarks", "",
                              parse_envelope(envelope)) for envelope in events])


def _check(bench: BenchLog) -> None:
    report = fsck(StoreSource(bench.log.store), signatures=False)
    if not report.ok or report.warnings:
        raise RuntimeError(f"the log of the benchmark is not sound: {report.findings[:3]}")
