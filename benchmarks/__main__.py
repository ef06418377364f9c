"""`python -m benchmarks [GROUP…]`: all groups, or these. BENCH=full takes the large sizes; BENCH_WRITE=0 prints and writes nothing down."""
from __future__ import annotations

import importlib
import os
import sys
import time
from types import ModuleType

from benchmarks.figures import PAGE, RESULTS, ROOT, Report
from benchmarks.scale import DEFAULT, FULL
from benchmarks.services import Services

GROUPS = ("append", "growth", "verify", "hooks", "sql", "fingerprint", "ingest", "visible", "projection", "memory", "lineage", "resolve", "fuzz")


def main(arguments: list[str]) -> int:
    """Run the groups named, or all."""
    unknown = [name for name in arguments if name not in GROUPS]
    if unknown or os.environ.get("BENCH", "default") not in ("default", "full"):
        print(f"usage: [BENCH=full] python -m benchmarks [{'|'.join(GROUPS)}]…", file=sys.stderr)
        return 2
    scale = FULL if os.environ.get("BENCH") == "full" else DEFAULT
    report, began = Report(), time.monotonic()
    services = Services(report, scale)
    try:
        for name in arguments or GROUPS:
            group: ModuleType = importlib.import_module(f"benchmarks.{name}")
            report.begin(name, group.TITLE)
            group.run(report, scale, services)
    finally:
        services.close()
    seconds = time.monotonic() - began
    missed = sum(figure.met is False for figure in report.figures)
    print(f"\n{len(report.figures)} figures in {seconds:.0f} s; {missed} targets not met, {sum(map(len, report.skipped.values()))} things not measured")
    if os.environ.get("BENCH_WRITE") != "0":
        how = "make bench" if not arguments else f"python -m benchmarks {' '.join(arguments)}"
        report.write(f"{'BENCH=full ' if scale is FULL else ''}{how}", large=scale is FULL)
        print(f"written: {RESULTS.relative_to(ROOT)}, {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
