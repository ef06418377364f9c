"""Checking: the raw rate of Ed25519 verification, and fsck of a whole log beside it."""
from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from benchmarks.events import run_event, signed_events
from benchmarks.figures import Report, Target, timed
from benchmarks.logs import append_all, open_log
from benchmarks.scale import Scale
from benchmarks.services import Services, workplace
from lineproof_audit.envelope import Envelope, pae, parse_envelope
from lineproof_audit.fsck import fsck
from lineproof_audit.fsck_store import StoreSource
from lineproof_audit.keys import SigningKey, VerifyKey

__all__ = ["CORES", "TITLE", "raw_verify_rate", "run"]

TITLE = "Checking signatures and logs"
CORES: Final = os.cpu_count() or 1
MESSAGES = 4_000


def raw_verify_rate(threads: int) -> float:
    """Ed25519 verifications per second of `threads` threads, over messages of real size; nothing else is done."""
    key = SigningKey.generate()
    events = [parse_envelope(signed.envelope) for signed in signed_events(map(run_event, range(200)), key, "lineproof.local/bench")]
    share = [_message(events[position % len(events)]) for position in range(MESSAGES // threads)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda _: None, range(threads)))
        seconds = timed(lambda: [done.result() for done in [pool.submit(_verify, key.verify_key, share) for _ in range(threads)]])
    return len(share) * threads / seconds


def _message(envelope: Envelope) -> tuple[bytes, bytes]:
    return envelope.signature, pae(envelope.payload_type, envelope.payload)


def _verify(key: VerifyKey, messages: list[tuple[bytes, bytes]]) -> None:
    for signature, message in messages:
        key.verify(signature, message)


def run(report: Report, scale: Scale, services: Services) -> None:
    """Take the figures."""
    one = raw_verify_rate(1)
    report.add("raw Ed25519 verify, one thread", one, "1/s", size="2.2 KB payloads")
    with workplace() as directory, open_log(directory) as bench:
        append_all(bench.log, bench.entries(map(run_event, range(scale.checked))))
        bench.log.integrator.step()
        before = raw_verify_rate(CORES)
        structure = scale.checked / timed(lambda: _check(bench.log.store, signatures=False))
        signed = scale.checked / timed(lambda: _check(bench.log.store, signatures=True))
        both = (before + raw_verify_rate(CORES)) / 2
    report.add(f"raw Ed25519 verify, {CORES} threads", both, "1/s", against="one thread", ratio=both / one, size="mean of before and after fsck")
    report.add("fsck, structure", structure, "entries/s", size=f"{scale.checked:,} entries", target=Target(at_least=20_000),
               note="bodies, leaves, tree, columns, streams; not the signatures")
    report.add("fsck, with signatures", signed, "entries/s", against=f"raw verify, {CORES} threads", ratio=signed / both, size=f"{scale.checked:,} entries",
               target=Target(ratio_at_least=0.5))


def _check(store: object, *, signatures: bool) -> None:
    report = fsck(StoreSource(store), signatures=signatures)  # type: ignore[arg-type]
    if not report.ok or report.warnings:
        raise RuntimeError(f"the log of the benchmark is not sound: {report.findings[:3]}")
