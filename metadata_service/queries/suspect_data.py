"""What data themselves say: versions with fewer or more rows than usual, other nulls and ranges, and versions that are overdue."""
from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from statistics import median
from typing import Any, Final

from metadata_service.graph.port import RevisionRow
from metadata_service.queries.activity import VersionRef, runs
from metadata_service.queries.context import QueryContext
from metadata_service.queries.influence import Influence
from metadata_service.queries.phrases import called
from metadata_service.queries.shapes import of_micros
from metadata_service.queries.suspect_shapes import Suspect, SuspectKind

__all__ = ["data_suspects", "looked_at", "missing_run"]

USUAL: Final = 10  # versions before the window that say what is usual
MANY_TIMES: Final = 1.5  # as many rows, or as few
SHARE: Final = 0.1  # by which the share of nulls may differ
RANGE: Final = 0.5  # by which a range, an average or a number of distinct values may differ, as a part of the usual
OVERDUE: Final = 2.0  # usual intervals without a new version
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
    found: list[Suspect] = []
    usual = [known[urn].row_count for urn in old if urn in known and known[urn].row_count is not None]
    usually = median(float(count) for count in usual if count is not None) if usual else None
    if version.row_count is not None and usually is not None and not _alike(float(version.row_count), usually):
        said = f"{version.row_count} rows, usually {usually:g}"
        found.append(_suspect(SuspectKind.VOLUME, dataset, said, usually, version.row_count, newest.from_, version.run, version.committed_at))
    rows = await context.graph.get([*old, version.urn], context.at)
    before = [_metrics(rows[urn].facts) for urn in old if urn in rows]
    after = _metrics(rows[version.urn].facts) if version.urn in rows else {}
    for column, name, was, now in _differences(before, after, columns):
        said = f"{name} of {column} is {now:g}, usually {was:g}"
        found.append(_suspect(SuspectKind.DISTRIBUTION, dataset, said, {column: {name: was}}, {column: {name: now}}, newest.from_, version.run,
                              version.committed_at))
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


def _suspect(kind: SuspectKind, urn: str, because: str, before: Any, after: Any, since: int | None, run: str | None, at: Any) -> Suspect:
    return Suspect(kind, urn, 0, because, Influence.VALUE, 0, before, after, since, at, run=run)


def _alike(one: float, other: float) -> bool:
    low, high = sorted((one, other))
    return high <= MANY_TIMES * low


def _metrics(facts: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Column -> metric -> value, of the facet dataQualityMetrics of OpenLineage; nulls as a share of the rows."""
    facet = facts.get("facet:dataQualityMetrics")
    said: Mapping[str, Any] = facet if isinstance(facet, Mapping) else {}
    rows = said.get("rowCount") or facts.get("rowCount")
    columns = said.get("columnMetrics")
    found: dict[str, dict[str, float]] = {}
    for column, metrics in (columns if isinstance(columns, Mapping) else {}).items():
        if not isinstance(metrics, Mapping):
            continue
        values = {name: float(metrics[name]) for name in METRICS if _is_number(metrics.get(name))}
        if _is_number(metrics.get("nullCount")) and _is_number(rows) and rows:
            values["share of nulls"] = float(metrics["nullCount"]) / float(rows)
        found[str(column)] = values
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


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
            far = abs(now - was) / SHARE if name == "share of nulls" else abs(now - was) / (RANGE * (abs(was) or 1.0))
            if far > 1 and (worst is None or far > worst[0]):
                worst = (far, name, was)
        if worst is not None:
            found.append((column, worst[1], worst[2], metrics[worst[1]]))
    return found
