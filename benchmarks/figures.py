"""Figures: how one is taken, judged and written down."""
from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

__all__ = ["Figure", "Report", "Target", "median_seconds", "percentile", "timed"]

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "latest.json"
PAGE = ROOT / "docs" / "benchmarks.md"


@dataclass(frozen=True, slots=True)
class Target:
    """What the design asks for: bounds of the figure and of its ratio."""

    at_least: float | None = None
    at_most: float | None = None
    ratio_at_least: float | None = None
    ratio_at_most: float | None = None

    def met(self, value: float, ratio: float | None) -> bool:
        """Whether every bound holds; a ratio that was not taken holds none."""
        bounds = [(value, self.at_least, self.at_most), (ratio, self.ratio_at_least, self.ratio_at_most)]
        return all((low is None or (taken is not None and taken >= low)) and (high is None or (taken is not None and taken <= high))
                   for taken, low, high in bounds)

    def __str__(self) -> str:
        parts = [("≥ ", self.at_least, ""), ("≤ ", self.at_most, ""), ("≥ ", self.ratio_at_least, "x"), ("≤ ", self.ratio_at_most, "x")]
        return " and ".join(f"{sign}{bound:,g}{unit}" for sign, bound, unit in parts if bound is not None)


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure. `ratio` is value / the value of `against`, taken in the same run; `target` is what the design asks for."""

    group: str
    name: str
    value: float
    unit: str
    against: str | None = None
    ratio: float | None = None
    size: str | None = None
    target: str | None = None
    met: bool | None = None
    note: str | None = None


def timed(work: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def median_seconds(work: Callable[[], object]) -> float:
    """Median seconds of seven calls after two uncounted ones."""
    for _ in range(2):
        work()
    return statistics.median(timed(work) for _ in range(7))


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that at least `share` (0..1) of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered) + 0.5) - 1))]


@dataclass(slots=True)
class Report:
    """Collects figures and prints them as they come; `write` puts them in the place of what was known of their groups."""

    figures: list[Figure] = field(default_factory=list)
    skipped: dict[str, list[str]] = field(default_factory=dict)
    group: str = ""
    titles: dict[str, str] = field(default_factory=dict)
    loads: dict[str, float] = field(default_factory=dict)
    began: dict[str, float] = field(default_factory=dict)

    def begin(self, group: str, title: str) -> None:
        """What follows belongs to `group`."""
        self.group = group
        self.titles[group] = title
        self.loads[group] = os.getloadavg()[0]
        self.began[group] = time.monotonic()
        self.skipped[group] = []
        print(f"\n{title} (load average {self.loads[group]:.1f})", flush=True)

    def add(self, name: str, value: float, unit: str, *, against: str | None = None, ratio: float | None = None, size: str | None = None,
            target: Target | None = None, note: str | None = None) -> None:
        """Take down one figure; whether it meets its target is judged on what was measured, before rounding."""
        met = None if target is None else target.met(value, ratio)
        figure = Figure(self.group, name, _rounded(value), unit, against, None if ratio is None else _rounded(ratio), size,
                        None if target is None else str(target), met, note)
        self.figures.append(figure)
        shown = f"{figure.value:>14,} {unit:<10}"
        if figure.ratio is not None:
            shown += f" {figure.ratio}x of {against}"
        if target is not None:
            shown += f"   target {target}: {'met' if met else 'NOT met'}"
        print(f"  {name:<60}{shown}", flush=True)

    def skip(self, what: str) -> None:
        """Say loudly what was not measured and why."""
        self.skipped[self.group].append(what)
        print(f"NOT MEASURED: {what}", file=sys.stderr, flush=True)

    def write(self, command: str, *, large: bool) -> None:
        """Write `benchmarks/results/latest.json` and `docs/benchmarks.md`: groups that were not measured now keep their figures, date and commit.

        Figures of the large sizes stand beside those of the usual ones.
        """
        known = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
        for group, title in self.titles.items():
            known[f"{group} large" if large else group] = {
                "title": f"{title}, large sizes" if large else title, "taken": f"{datetime.now(UTC):%Y-%m-%d}", "commit": commit or "unknown",
                "command": command, "minutes": _rounded((time.monotonic() - self.began[group]) / 60), "load": _rounded(self.loads[group]),
                "machine": f"{os.cpu_count()} cores ({_processor()}), {platform.system()}, Python {platform.python_version()}",
                "figures": [asdict(figure) for figure in self.figures if figure.group == group], "skipped": self.skipped[group]}
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n")
        PAGE.write_text(_page_of(known))


def _page_of(groups: Mapping[str, Mapping[str, Any]]) -> str:
    """The page of what was measured, group by group, each with when, how and at which load."""
    lines = ["# Measured figures", "",
             "Client, service and databases share the cores of one machine. Read the ratios, which compare two things in the same run, before the",
             "absolute figures. Tests never assert timings.", "",
             "`make bench` takes them again and writes this page; `BENCH=full make bench` takes larger sizes; `python -m benchmarks append` takes one",
             "part and leaves the others as they were."]
    missed: list[str] = []
    skipped: list[str] = []
    for group in groups.values():
        figures = [Figure(**each) for each in group["figures"]]
        if not figures:
            continue
        lines += ["", f"## {group['title']}", "",
                  f"Taken on {group['taken']} at commit `{group['commit']}` with `{group['command']}`{_minutes(group['minutes'])}; load average when it",
                  f"began: {group['load']:g}. {group['machine']}.", "",
                  "| what | value | beside | ratio | size | target | met |", "|---|---:|---|---:|---|---|---|"]
        lines += [f"| {f.name}{f' ({f.note})' if f.note else ''} | {f.value:,} {f.unit} | {f.against or ''} | {'' if f.ratio is None else f.ratio} "
                  f"| {f.size or ''} | {f.target or ''} | {'' if f.met is None else 'yes' if f.met else '**no**'} |" for f in figures]
        missed += [f"- {f.name}: {f.value:,} {f.unit}{'' if f.ratio is None else f' ({f.ratio}x of {f.against})'}, target {f.target}"
                   for f in figures if f.met is False]
        skipped += [f"- {what}" for what in group["skipped"]]
    lines += ["", "## Not met yet", "", *(missed or ["Every target measured here is met."])]
    if skipped:
        lines += ["", "## Not measured", "", *skipped]
    return "\n".join(lines) + "\n"


def _minutes(taken: float | None) -> str:
    return "" if taken is None else f" in {taken:g} minutes"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _rounded(value: float) -> float:
    if value == 0:
        return 0.0
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 2 if abs(value) >= 1 else 4
    return round(value, digits)
