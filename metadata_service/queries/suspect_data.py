"""What data themselves say: versions with fewer or more rows than usual, other nulls and ranges, and versions that are overdue.

Runs measure what they write, and also what they read: of a source that nobody here writes, its readers alone say how it looked.
"""
from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from statistics import median
from typing import Any, Final

from metadata_service.graph.port import RevisionRow
from metadata_service.queries.activity import RunRef, VersionRef, runs
from metadata_service.queries.context import QueryContext
from metadata_service.queries.influence import Influence
from metadata_service.queries.phrases import called
from metadata_service.queries.shapes import of_micros
from metadata_service.queries.suspect_shapes import Suspect, SuspectKind

__all__ = ["data_suspects", "looked_at", "missing_run", "seen_by_a_reader"]

USUAL: Final = 10  # versions before the window that say what is usual
MANY_TIMES: Final = 1.5  # as many rows, or as few
SHARE: Final = 0.1  # by which the share of nulls may differ
STEADY: Final = 3  # measurements that show how much is usual: what then differs by more than three times as much stands out, however little that is,
LITTLE_ROWS, LITTLE_SHARE = 0.1, 0.01  # but for a tenth of the rows, or a hundredth of nulls
RANGE: Final = 0.5  # by which a range, an average or a number of distinct values may differ, as a part of the usual
OVERDUE: Final = 2.0  # usual intervals without a new version
NULLS: Final = "share of nulls"
METRICS: Final = ("average", "max", "min", "distinctCount")


def looked_at(history: Sequence[RevisionRow], start: int) -> set[str]:
    """The versions of a dataset that `data_suspects` and `missing_run` compare, to be read for many datasets at once."""
    made = _made(history)
    return {str(row.value) for row in (*made[-USUAL:], *[row for row in made if row.from_ <= start][-USUAL:])}


def _made(history: Sequence[RevisionRow]) -> list[RevisionRow]:
    return [row for row in history if row.fact == "currentVersion" and row.value is not None]


async def data_suspects(context: QueryContext, dataset: str, history: Sequence[RevisionRow], known: Mapping[str, VersionRef], start: int,
                        columns: Collection[str], *, raw: bool) -> list[Suspect]:
    """The newest version of the window against those before it. `columns` are those on the path, all if empty."""
    made = _made(history)
    old, new = [str(row.value) for row in made if row.from_ <= start][-USUAL:], [row for row in made if row.from_ > start]
    if not new:
        return []
    newest = new[-1]
    version = known.get(str(newest.value))
    if version is None:
        return []
    rows = await context.graph.get([*old, version.urn], context.at)
    before = [_Measured.of(rows[urn].facts, known[urn].row_count) for urn in old if urn in rows and urn in known]
    after = _Measured.of(rows[version.urn].facts if version.urn in rows else {}, version.row_count)
    found = [_suspect(*said, newest.from_, version.run, version.committed_at) for said in _said(dataset, before, after, columns)]
    if not found and raw and old and known.get(old[-1]) is not None and known[old[-1]].fingerprint != version.fingerprint:
        said = "raw data were loaded anew, and nothing recorded of them stands out"
        found.append(_suspect(SuspectKind.DATA, dataset, said, old[-1], version.urn, newest.from_, version.run, version.committed_at))
    return found


async def missing_run(context: QueryContext, dataset: str, history: Sequence[RevisionRow], known: Mapping[str, VersionRef], start: int) -> Suspect | None:
    """That a dataset with a rhythm became overdue within the window: when the window ends it is, and by what was told before it, it was not."""
    made = [str(row.value) for row in _made(history)][-USUAL:]
    if len(made) <= 3 or context.size == 0:  # fewer make no rhythm
        return None
    lately = [known[urn] for urn in sorted(set(made)) if urn in known]
    written = await runs(context, [version.run for version in lately if version.run])
    times = sorted(at for version in lately
                   if (at := version.committed_at or (written[version.run].ended_at if version.run in written else None)) is not None)
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(times) if later > earlier]
    last = await context.graph.outcome(context.size - 1)
    before = await context.graph.outcome(start - 1) if start > 0 else None
    if len(gaps) < 3 or last is None:
        return None
    usually, silent = median(gaps), (of_micros(last.received) - times[-1]).total_seconds()
    already = (of_micros(before.claimed) - times[-1]).total_seconds() if before is not None and before.claimed is not None else 0.0
    if silent <= OVERDUE * usually or already > OVERDUE * usually:
        return None
    said = f"no new version of {called(dataset)} for {timedelta(seconds=int(silent))}, usually every {timedelta(seconds=int(usually))}"
    return _suspect(SuspectKind.RUN_MISSING, dataset, said, None, None, None, None, times[-1])


def seen_by_a_reader(dataset: str, before: Sequence[Any], now: Any, columns: Collection[str], run: RunRef) -> list[Suspect]:
    """What `run` measured of an input against what earlier runs did: the facets each sent with it."""
    return [_suspect(*said, run.recorded_by + 1, run.urn, run.ended_at or run.started_at)
            for said in _said(dataset, [_Measured.of_input(each) for each in before], _Measured.of_input(now), columns)]


def _suspect(kind: SuspectKind, urn: str, because: str, before: Any, after: Any, since: int | None, run: str | None, at: Any) -> Suspect:
    return Suspect(kind, urn, 0, because, Influence.VALUE, 0, before, after, since, at, run=run)


@dataclass(frozen=True, slots=True)
class _Measured:
    """Data as somebody measured them: their rows, and column -> metric -> value of the facet dataQualityMetrics of OpenLineage; nulls as a share."""

    rows: float | None
    columns: Mapping[str, Mapping[str, float]]

    @classmethod
    def of(cls, facts: Mapping[str, Any], rows: float | None) -> _Measured:
        return cls._of(facts.get("facet:dataQualityMetrics"), rows)

    @classmethod
    def of_input(cls, facets: Any) -> _Measured:
        said: Mapping[str, Any] = facets if isinstance(facets, Mapping) else {}
        read = said.get("inputStatistics")
        return cls._of(said.get("dataQualityMetrics"), _number(read.get("rowCount")) if isinstance(read, Mapping) else None)

    @classmethod
    def _of(cls, facet: Any, rows: float | None) -> _Measured:
        said: Mapping[str, Any] = facet if isinstance(facet, Mapping) else {}
        counted = _number(said.get("rowCount"))
        whole = counted or rows
        metrics = said.get("columnMetrics")
        found: dict[str, dict[str, float]] = {}
        for column, each in (metrics if isinstance(metrics, Mapping) else {}).items():
            if isinstance(each, Mapping):
                values = {name: value for name in METRICS if (value := _number(each.get(name))) is not None}
                nulls = _number(each.get("nullCount"))
                found[str(column)] = values if nulls is None or not whole else {**values, NULLS: nulls / whole}
        return cls(counted if rows is None else float(rows), found)


def _said(dataset: str, before: Sequence[_Measured], after: _Measured, columns: Collection[str]) -> list[tuple[SuspectKind, str, str, Any, Any]]:
    """What stands out: kind, dataset, in words, usual and now."""
    found: list[tuple[SuspectKind, str, str, Any, Any]] = []
    usual = [each.rows for each in before if each.rows is not None]
    if usual and after.rows is not None:
        was = median(usual)
        if not _alike(after.rows, was) or _unsteady(after.rows, usual, LITTLE_ROWS * was):
            found.append((SuspectKind.VOLUME, dataset, f"{after.rows:.0f} rows, usually {was:.0f}", was, int(after.rows)))
    for column, name, was, now in _differences([each.columns for each in before], after.columns, columns):
        found.append((SuspectKind.DISTRIBUTION, dataset, f"{name} of {column} is {now:g}, usually {was:g}", {column: {name: was}}, {column: {name: now}}))
    return found


def _alike(one: float, other: float) -> bool:
    low, high = sorted((one, other))
    return high <= MANY_TIMES * low


def _unsteady(now: float, usual: Sequence[float], little: float) -> bool:
    """Whether a measurement lies outside of what was steady before."""
    return len(usual) >= STEADY and abs(now - median(usual)) > max(little, 3 * (max(usual) - min(usual)))


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _differences(before: Sequence[Mapping[str, Mapping[str, float]]], after: Mapping[str, Mapping[str, float]],
                 columns: Collection[str]) -> list[tuple[str, str, float, float]]:
    """(column, metric, usual, now) of what stands out, one metric per column: the one that differs most."""
    found = []
    for column, metrics in sorted(after.items()):
        if columns and column not in columns:
            continue
        worst: tuple[float, str, float] | None = None
        for name, now in metrics.items():
            usual = [each[column][name] for each in before if name in each.get(column, {})]
            if not usual:
                continue
            was = median(usual)
            far = abs(now - was) / (SHARE if name == NULLS else RANGE * (abs(was) or 1.0))
            if (far > 1 or (name == NULLS and _unsteady(now, usual, LITTLE_SHARE))) and (worst is None or far > worst[0]):
                worst = (far, name, was)
        if worst is not None:
            found.append((column, worst[1], worst[2], metrics[worst[1]]))
    return found
