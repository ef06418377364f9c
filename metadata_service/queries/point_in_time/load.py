"""Reads what is recorded behind one or more dataset versions: version by version, run by run, back to where nothing more is told."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from lineproof_schema.urn import parse_urn
from metadata_service.graph.port import NodeRow
from metadata_service.queries.activity import runs, versions
from metadata_service.queries.context import QueryContext
from metadata_service.queries.point_in_time.recorded import History, Made, Snapshot, read_timing, snapshot_of
from metadata_service.queries.shapes import as_time

__all__ = ["load"]

MAX_VERSIONS = 1_000  # behind one question
USED_LIMIT = 2_000


async def load(context: QueryContext, roots: Sequence[str], time: str | None) -> History:
    """What stands behind the versions `roots`; `time` is their reference-time column."""
    snapshots: dict[str, Snapshot] = {}
    made: dict[str, Made] = {}
    frontier = sorted(set(roots))
    while frontier and len(snapshots) < MAX_VERSIONS:
        rows = await context.graph.get(frontier, context.at)
        for urn, row in rows.items():
            snapshots[urn] = await _snapshot(context, row)
        found = await _made(context, rows)
        made |= found
        frontier = sorted({version for each in found.values() for version in each.inputs.values()} - snapshots.keys())
    if frontier:
        context.notes.truncate(f"versions (more than {MAX_VERSIONS})")
    ends = [(snapshot.event_min, snapshot.event_max) for urn in roots if (snapshot := snapshots.get(urn)) is not None and snapshot.event_column == time]
    lows, highs = [low for low, _ in ends if low is not None], [high for _, high in ends if high is not None]
    whole = bool(ends) and len(lows) == len(set(roots))  # the first reference time is known only if that of every root is
    return History(snapshots, made, min(lows) if whole else None, max(highs) if whole and len(highs) == len(lows) else None)


async def _snapshot(context: QueryContext, row: NodeRow) -> Snapshot:
    entry = row.since.get("knowledge", row.from_) - 1
    return snapshot_of(row.urn, str(parse_urn(row.urn).parent), entry, row.facts, await _first_committed(context, row))


async def _first_committed(context: QueryContext, row: NodeRow) -> datetime | None:
    """When the content was there first: a version is its content, and a later run that writes it again makes nothing new."""
    if "committedAt" not in row.facts:
        return None
    said = [as_time(found.value) for found in await context.graph.revisions(row.urn, context.at) if found.fact == "committedAt"]
    return min((time for time in said if time is not None), default=None)


async def _made(context: QueryContext, rows: Mapping[str, NodeRow]) -> dict[str, Made]:
    """The run behind each version, with its code and inputs."""
    known = await versions(context, rows)
    written = await runs(context, {version.run for version in known.values() if version.run})
    links = await context.links(sorted(written), ["USED", "GENERATED"], USED_LIMIT, "inputs and outputs of one run")
    code = await context.graph.get(sorted({*written, *(run.transformation for run in written.values() if run.transformation)}), context.at)
    found: dict[str, Made] = {}
    for urn, version in known.items():
        run = written.get(version.run or "")
        if run is None:
            continue
        inputs: dict[str, str] = {}
        for kind in ("GENERATED", "USED"):  # what the run wrote on the way and read again, unless it says what it read
            for link in links[run.urn].out if run.urn in links else ():
                if link.type == kind and (kind == "USED" or link.dst != urn):
                    inputs[str(parse_urn(link.dst).parent)] = link.dst
        row, own = code.get(run.transformation or ""), code.get(run.urn)
        facts = row.facts if row is not None else {}
        commit = facts.get("commit") or run.commit
        timing = f"timing:{version.dataset}"
        said = own.facts.get(timing) if own is not None else None
        found[urn] = Made(run.urn, run.purpose, run.recorded_by, run.transformation, commit if isinstance(commit, str) else None,
                          read_timing(said if said is not None else facts.get(timing)), inputs)
    return found
