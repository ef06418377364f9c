"""Fuzzing: every parser of what others wrote under coverage-guided inputs (atheris), each in a process of its own.

What has to hold is in `tests/fuzz`: no error but ours, no 500, no hang, nothing kept. A failure is a figure that misses its target, and its input
is left in `.fuzz/`, to become a regression case in `tests/data/fuzz` once it is mended.
"""
from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.figures import ROOT, Report, Target
from benchmarks.scale import Scale
from benchmarks.services import Services

__all__ = ["TITLE", "run"]

TITLE = "Fuzzing"
WEIGHTS = {"envelope": 15, "CloudEvents": 12, "OpenLineage": 15, "in-toto": 6, "leaf": 8, "note": 9, "proof": 6, "trust file": 5, "tile path": 6,
           "tiles and exports": 5, "bundle": 6, "NDJSON and arrays": 6, "URN": 4, "projection": 6, "GraphQL": 3, "HTTP": 4}
FOUND = ROOT / ".fuzz"
LIMIT_SECONDS = 3_600  # of one target: a deadlock that no timer of its own process meets
MEGABYTE = 1 << 20


def run(report: Report, scale: Scale, services: Services) -> None:
    """Take the figures."""
    if importlib.util.find_spec("atheris") is None:
        report.skip("fuzzing: atheris is not installed (the lock has it for Linux on x86-64)")
        return
    inputs = failures = 0
    worst_growth, worst_slow = 0.0, 0.0
    began, seed = time.monotonic(), int(time.time())
    for name, weight in WEIGHTS.items():
        found = _guided(name, weight * scale.fuzzed, seed)
        inputs += found["inputs"]
        failed = found["codes"].get("FAILED", 0)
        failures += failed
        growth = (found["rssAfter"] - found["rssBefore"]) / MEGABYTE
        worst_growth, worst_slow = max(worst_growth, growth), max(worst_slow, found["slowest"])
        report.add(f"{name}", found["inputs"] / found["seconds"], "inputs/s", size=f"{found['inputs']:,} inputs",
                   note=f"{len(found['codes'])} distinct answers, slowest {found['slowest'] * 1e3:.0f} ms, resident {found['rssBefore'] / MEGABYTE:.0f} -> "
                        f"{found['rssAfter'] / MEGABYTE:.0f} MiB, {found['blocks']:,} blocks kept by the last four fifths, {failed} failures")
        for failure in found["failures"]:
            print(failure, file=sys.stderr)
    size = f"{inputs:,} inputs in {time.monotonic() - began:.0f} s, seed {seed}"
    report.add("inputs that failed", failures, "inputs", size=size, target=Target(at_most=0), note="an error that is not ours, a 500, a hang, a contradiction")
    report.add("slowest input", worst_slow, "s", size=size, target=Target(at_most=10))
    report.add("growth of the resident memory of a target, the most", worst_growth, "MiB", size=size, target=Target(at_most=256),
               note="the engine's corpus is in it")


def _guided(name: str, inputs: int, seed: int) -> dict[str, Any]:
    folder = Path(FOUND) / name.replace(" ", "-")
    done = subprocess.run([sys.executable, "-m", "tests.fuzz.guided", name, str(inputs), str(seed), str(folder)], cwd=ROOT, capture_output=True, text=True,
                          check=False, timeout=LIMIT_SECONDS)
    if done.returncode != 0:
        raise RuntimeError(f"the target {name} ended with {done.returncode}:\n{done.stderr[-4000:]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer
