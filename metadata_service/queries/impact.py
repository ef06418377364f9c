"""Impact: what a change breaks, who owns it, when it was last made, and by which path the change gets there.

Rules. A change to a column follows column edges as far as they are known: every reader of a dropped column breaks, whether it
takes the value (DIRECT) or filters by it (INDIRECT), and so does everything made of that reader. Beside that path, a reader of
the dataset as a whole, of which nobody said which columns it reads, is `possible`, and so is what lies behind it. A reader that
says which columns it reads, and does not read this one, is not affected at all. Dropping a dataset breaks all its readers.
A change of type or of values breaks nothing for certain: everything on its path is `possible`.
"""
from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from lineproof_schema.urn import parse_urn
from metadata_service.graph.ops import COLUMN_DERIVED_FROM, DERIVED_FROM, Edge, Family
from metadata_service.graph.port import Limits, NodeRow
from metadata_service.queries.activity import EPOCH, RunRef, VersionRef, current_versions, last_runs, runs
from metadata_service.queries.context import QueryContext
from metadata_service.queries.errors import InvalidArgument
from metadata_service.queries.impact_shapes import Affected, Binding, ChangeKind, Impact, LiveDeployment, Materialization, Severity
from metadata_service.queries.lineage import RootEntity, flatten, hidden_jobs, owner_names
from metadata_service.queries.mask import hidden
from metadata_service.queries.roots import columns_of, expand
from metadata_service.queries.shapes import Kind, Level
from metadata_service.queries.subgraph import Subgraph, shortest_paths

__all__ = ["impact"]

BOTH_FAMILIES: Final[tuple[Family, ...]] = (DERIVED_FROM, COLUMN_DERIVED_FROM)


@dataclass(frozen=True, slots=True)
class _Spread:
    """How a change spreads: severity and reason by entity, and the edges it takes, those of certain breakage first."""

    severity: dict[str, tuple[Severity, str]]
    edges: list[Edge]
    same: tuple[str, ...] = ()  # what changes together with the root: the dataset of a column, the columns of a dataset


async def impact(context: QueryContext, urn: str, change: ChangeKind | None = None, limits: Limits | None = None) -> Impact:
    """What `change` of `urn` affects downstream; without a change, dropping it is meant.

    Raises:
        UrnError, InvalidArgument: the change does not go with the kind of entity.
    """
    kind = parse_urn(urn).kind
    change = _checked(kind, change)
    limits = limits or Limits()
    roots = await expand(context, urn, Level.COLUMN if kind == "column" else Level.ASSET)
    if not roots or urn in await hidden(context, [urn]):
        context.notes.doubt("unknown-urn", f"{urn} does not exist at size {context.size}", urn)
        return Impact(await context.computed_at(), context.notes.completeness(), change, (), 0, 0, (), (), ())
    start = [root.urn for root in roots]
    spread = await _spread_of_column(context, urn, limits) if kind == "column" else await _spread_of_asset(context, start, limits)
    if change in (ChangeKind.RETYPE_COLUMN, ChangeKind.CHANGE_VALUES):
        reason = "its type may change" if change is ChangeKind.RETYPE_COLUMN else "its values change"
        spread = replace(spread, severity={other: (Severity.POSSIBLE, reason) for other in spread.severity})
    return await _describe(context, change, [RootEntity(root.urn, root.why) for root in roots], spread)


def _checked(kind: str, change: ChangeKind | None) -> ChangeKind:
    usual = {"column": ChangeKind.DROP_COLUMN, "dataset": ChangeKind.DROP_DATASET}.get(kind, ChangeKind.RETIRE_VERSION)
    if change is None:
        return usual
    fits = change is ChangeKind.CHANGE_VALUES or {"COLUMN": "column", "DATASET": "dataset"}.get(change.value.rsplit("_", 1)[1], kind) == kind
    if not fits or (change is ChangeKind.RETIRE_VERSION and kind in ("column", "dataset")):
        raise InvalidArgument(f"{change.value} does not apply to a {kind}")
    return change


async def _spread_of_column(context: QueryContext, column: str, limits: Limits) -> _Spread:
    certain = await context.graph.reachable([column], "DOWNSTREAM", None, BOTH_FAMILIES, context.at, limits)
    _admit(context, certain.truncated, certain.reasons)
    severity: dict[str, tuple[Severity, str]] = {}
    for node in certain.nodes:
        if node.urn != column:
            severity[node.urn] = (Severity.BREAKING, "reads the column" if node.distance == 1 else "made of what reads the column")
    edges = list(certain.edges)
    touched = sorted({str(parse_urn(urn).parent) for urn in (column, *severity) if urn.startswith("urn:lineproof:column:")})
    readers = await context.graph.neighbours(touched, "DOWNSTREAM", [DERIVED_FROM], context.at, limits.edges)
    whole = await _readers_of_the_whole(context, [edge for edge in readers if edge.downstream not in severity], limits)
    if whole:
        start = sorted({edge.downstream for edge in whole})
        beyond = await context.graph.reachable(start, "DOWNSTREAM", None, [DERIVED_FROM], context.at, limits)
        _admit(context, beyond.truncated, beyond.reasons)
        for edge in whole:
            severity.setdefault(edge.downstream, (Severity.POSSIBLE, "reads the dataset as a whole; its columns are not known"))
        for node in beyond.nodes:
            severity.setdefault(node.urn, (Severity.POSSIBLE, "made of what may read the column"))
        edges += [*whole, *beyond.edges]
    return _Spread(severity, edges, (str(parse_urn(column).parent),))


async def _readers_of_the_whole(context: QueryContext, edges: Sequence[Edge], limits: Limits) -> list[Edge]:
    """Of dataset edges, those whose reader did not say which columns of that dataset it reads."""
    if not edges:
        return []
    precise_columns: dict[str, set[str]] = {}
    readers = sorted({edge.downstream for edge in edges})
    columns = await columns_of(context, [urn for urn in readers if urn.startswith("urn:lineproof:dataset:")])
    owner = {column: dataset for dataset, found in columns.items() for column in found}
    for edge in await context.graph.neighbours([*readers, *owner], "UPSTREAM", [COLUMN_DERIVED_FROM], context.at, limits.edges):
        precise_columns.setdefault(owner.get(edge.downstream, edge.downstream), set()).add(str(parse_urn(edge.upstream).parent or edge.upstream))
    vague = ("partial", "unknown")
    return [edge for edge in edges if edge.basis == "inputsOutputs" or edge.status in vague or edge.upstream not in precise_columns.get(edge.downstream, ())]


async def _spread_of_asset(context: QueryContext, start: Sequence[str], limits: Limits) -> _Spread:
    columns = await columns_of(context, [urn for urn in start if urn.startswith("urn:lineproof:dataset:")])
    roots = [*start, *(column for found in columns.values() for column in found)]
    reach = await context.graph.reachable(roots, "DOWNSTREAM", None, BOTH_FAMILIES, context.at, limits)
    _admit(context, reach.truncated, reach.reasons)
    severity = {node.urn: (Severity.BREAKING, "reads it" if node.distance == 1 else "made of what reads it") for node in reach.nodes if node.urn not in roots}
    return _Spread(severity, list(reach.edges), tuple(roots[len(start):]))


def _admit(context: QueryContext, truncated: bool, reasons: Sequence[str]) -> None:
    if truncated:
        context.notes.truncate(*reasons)


async def _describe(context: QueryContext, change: ChangeKind, roots: Sequence[RootEntity], spread: _Spread) -> Impact:
    seeds: dict[str, tuple[int, ...]] = dict.fromkeys([*(root.urn for root in roots), *spread.same], ())
    edges = list({(edge.key, edge.from_): edge for edge in spread.edges}.values())
    paths = shortest_paths(seeds, edges, "DOWNSTREAM")
    holders = _holders(spread.severity, seeds)
    for dataset, columns in holders.items():  # a dataset is as near as its nearest affected column
        nearest = min((paths[column] for column in columns if column in paths), key=len, default=())
        paths[dataset] = min(paths.get(dataset, nearest), nearest, key=len)
    for urn, path in shortest_paths(paths, edges, "DOWNSTREAM").items():
        paths.setdefault(urn, path)
    graph = Subgraph({urn: len(path) for urn, path in paths.items()}, {}, {}, edges)
    masked = await hidden(context, graph.distance)
    rows = await context.graph.get(sorted(graph.distance), context.at)
    nodes, shown, position = flatten(context, graph, masked, rows, await hidden_jobs(context, edges))
    wanted = [urn for urn in {*spread.severity, *holders} if urn in paths]
    facts = await _Facts.load(context, [urn for urn in wanted if urn not in masked], rows, edges)
    affected = [_affected(urn, position[urn], spread, holders, facts, edges, paths[urn], urn in masked) for urn in wanted]
    affected.sort(key=lambda item: (item.severity is Severity.POSSIBLE, item.distance, item.kind.value, item.urn or ""))
    breaking = sum(item.severity is Severity.BREAKING for item in affected)
    visible = tuple(root for root in roots if root.urn not in masked)
    return Impact(await context.computed_at(), context.notes.completeness(), change, visible, breaking, len(affected) - breaking,
                  tuple(affected), nodes, shown)


def _holders(severity: Mapping[str, tuple[Severity, str]], seeds: Collection[str]) -> dict[str, list[str]]:
    """Dataset -> its affected columns, without the changed dataset itself."""
    changed = {str(parse_urn(urn).parent) if urn.startswith("urn:lineproof:column:") else urn for urn in seeds}
    found: dict[str, list[str]] = {}
    for urn in severity:
        if urn.startswith("urn:lineproof:column:"):
            dataset = str(parse_urn(urn).parent)
            if dataset not in changed:
                found.setdefault(dataset, []).append(urn)
    return found


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is told about affected entities beside the path."""

    rows: Mapping[str, NodeRow]
    materialized: Mapping[str, Materialization]  # by dataset
    last: Mapping[str, RunRef]  # by job
    jobs: Mapping[str, set[str]]  # entity -> jobs that write it
    own_runs: Mapping[str, RunRef]  # by run
    deployments: Mapping[str, tuple[LiveDeployment, ...]]
    stored_in: Mapping[str, str]  # feature version -> dataset

    @classmethod
    async def load(cls, context: QueryContext, urns: Collection[str], rows: Mapping[str, NodeRow], edges: Iterable[Edge]) -> _Facts:
        jobs: dict[str, set[str]] = {}
        stored: dict[str, str] = {}
        for edge in edges:
            holder = _holder(edge.downstream)
            if (edge.via is not None and holder != edge.downstream) or parse_urn(holder).kind == "dataset":
                jobs.setdefault(holder, set()).update({edge.via} if edge.via else ())
            if ":feature-version:" in edge.downstream[:31]:
                stored.setdefault(edge.downstream, _holder(edge.upstream))
        datasets = {_holder(urn) for urn in urns if parse_urn(_holder(urn)).kind == "dataset"} | set(stored.values())
        current = await current_versions(context, (urn for urn in datasets if parse_urn(urn).kind == "dataset"))
        trained = {urn: _text(rows[urn].facts.get("run")) for urn in urns if urn in rows and rows[urn].kind == "model-version"}
        written = await runs(context, {version.run for version in current.values() if version.run} | {run for run in trained.values() if run})
        visible_jobs = {job for found in jobs.values() for job in found} - await hidden(context, {job for found in jobs.values() for job in found})
        return cls(rows, {dataset: _materialization(version, written) for dataset, version in current.items()}, await last_runs(context, visible_jobs), jobs,
                   {urn: written[run] for urn, run in trained.items() if run in written}, await _live(context, list(trained)), stored)


def _holder(urn: str) -> str:
    """The dataset of a column; else the entity itself."""
    return str(parse_urn(urn).parent) if urn.startswith("urn:lineproof:column:") else urn


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _materialization(version: VersionRef, written: Mapping[str, RunRef]) -> Materialization:
    run = written.get(version.run or "")
    at = version.committed_at or (run.ended_at or run.started_at if run else None)
    return Materialization(version.urn, version.id, version.run, run.status if run else None, at, version.row_count)


async def _live(context: QueryContext, models: Sequence[str]) -> dict[str, tuple[LiveDeployment, ...]]:
    links = await context.graph.provenance(models, ["DEPLOYS"], context.at) if models else {}
    by_model = {urn: [link.src for link in row.into] for urn, row in links.items()}
    rows = await context.graph.get(sorted({urn for found in by_model.values() for urn in found}), context.at)
    return {model: tuple(LiveDeployment(urn, rows[urn].facts.get("environment")) for urn in found if urn in rows and rows[urn].facts.get("live"))
            for model, found in by_model.items()}


def _affected(urn: str, node: int, spread: _Spread, holders: Mapping[str, list[str]], facts: _Facts, edges: Sequence[Edge], path: tuple[int, ...],
              masked: bool) -> Affected:
    parsed = parse_urn(urn)
    columns = holders.get(urn, [])
    severity, reason = min((spread.severity[each] for each in (urn, *columns) if each in spread.severity), key=lambda pair: pair[0] is Severity.POSSIBLE)
    if urn not in spread.severity or severity is not spread.severity[urn][0]:
        reason = "holds columns made of it"
    if masked:
        return Affected(node, Kind(parsed.kind), None, None, severity, reason, len(path), (), (), Binding.FLOATING, None, None, (), path)
    holder = _holder(urn)
    row = facts.rows.get(urn)
    owners = owner_names(row) if row is not None else ()
    if not owners and holder in facts.rows:
        owners = owner_names(facts.rows[holder])
    own = [facts.own_runs[urn]] if urn in facts.own_runs else [facts.last[job] for job in facts.jobs.get(holder, ()) if job in facts.last]
    last = max(own, key=lambda run: (run.ended_at or run.started_at or EPOCH, run.urn), default=None)
    made = facts.materialized.get(facts.stored_in.get(urn, holder))
    return Affected(node, Kind(parsed.kind), urn, parsed.name, severity, reason, len(path), owners, tuple(sorted(parse_urn(each).name for each in columns)),
                    _binding(row, edges[path[-1]] if path else None), made, last, facts.deployments.get(urn, ()), path)


def _binding(row: NodeRow | None, entered_by: Edge | None) -> Binding:
    if row is not None and row.kind == "model-version" and row.facts.get("binding") is not None:
        return Binding.PINNED if row.facts["binding"] == "stable" else Binding.FLOATING
    return Binding.PINNED if entered_by is not None and entered_by.version is not None else Binding.FLOATING
