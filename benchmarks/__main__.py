"""`python -m benchmarks [GROUP…]`: without a group, all of them, and the results are written down. BENCH=full takes the large sizes."""
from __future__ import annotations

import importlib
import os
import sys
import time
from types import ModuleType

from benchmarks.figures import PAGE, RESULTS, ROOT, Report
from benchmarks.scale import DEFAULT, FULL
from benchmarks.services import Services

GROUPS = ("append", "verify", "hooks", "sql", "fingerprint", "ingest", "projection", "lineage", "resolve")


def main(arguments: list[str]) -> int:
    """Run the groups named, or all."""
    unknown = [name for name in arguments if name not in GROUPS]
    if unknown or os.environ.get("BENCH", "default") not in ("default", "full"):
        print(f"usage: [BENCH=full] python -m benchmarks [{'|'.join(GROUPS)}]…", file=sys.stderr)
        return 2
    scale = FULL if os.environ.get("BENCH") == "full" else DEFAULT
    report, began = Report(), time.monotonic()
    services = Services(report)
    try:
        for name in arguments or GROUPS:
            group: ModuleType = importlib.import_module(f"benchmarks.{name}")
            report.begin(name, group.TITLE)
            group.run(report, scale, services)
    finally:
        services.close()
    seconds = time.monotonic() - began
    missed = sum(figure.met is False for figure in report.figures)
    print(f"\n{len(report.figures)} figures in {seconds:.0f} s; {missed} targets not met, {len(report.skipped)} things not measured")
    if not arguments:  # a part of them would stand beside figures of another commit and another day
        report.write(f"{'BENCH=full ' if scale is FULL else ''}make bench", seconds)
        print(f"written: {RESULTS.relative_to(ROOT)}, {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
