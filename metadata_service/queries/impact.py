"""Impact: what a change breaks, who owns it, when it was last made, and by which path the change gets there.

Rules. A change to a column follows column edges as far as they are known: every reader of a dropped column breaks, whether it
takes the value (DIRECT) or filters by it (INDIRECT), and so does everything made of that reader. Beside that path, a reader of
the dataset as a whole, of which nobody said which columns it reads, is `possible`, and so is what lies behind it. A reader that
says which columns it reads, and does not read this one, is not affected at all. Dropping a dataset breaks all its readers.
Fields of a struct change with it; a reader of the struct as a whole is `possible` where only a field changes. Retiring a model
version that is live breaks its deployments.
A change of nullability or values breaks nothing for certain: everything on its path is `possible`. So it is with a change of
type that says no new type, or a wider one; a type that no longer holds every value is as grave to readers as if the column went away.
"""
from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from lineproof_schema.urn import format_urn, holder, kind_of, parse_urn
from metadata_service.graph.ops import Edge
from metadata_service.graph.port import Limits, NodeRow
from metadata_service.queries.activity import EPOCH
from metadata_service.queries.column_types import Fit, fit
from metadata_service.queries.context import QueryContext
from metadata_service.queries.errors import InvalidArgument
from metadata_service.queries.impact_facts import Facts
from metadata_service.queries.impact_shapes import Affected, Binding, ChangeKind, Column, Impact, Retype, Severity, Use
from metadata_service.queries.impact_spread import Spread, merged, spread_of_asset, spread_of_columns, uncertain
from metadata_service.queries.lineage import flatten, hidden_jobs, owner_names
from metadata_service.queries.lineage_shapes import RootEntity
from metadata_service.queries.mask import hidden
from metadata_service.queries.roots import asked_roots
from metadata_service.queries.shapes import Kind, Level
from metadata_service.queries.subgraph import Subgraph, shortest_paths

__all__ = ["impact"]

COLUMN_CHANGES: Final = frozenset({ChangeKind.DROP_COLUMN, ChangeKind.RENAME_COLUMN, ChangeKind.RETYPE_COLUMN, ChangeKind.CHANGE_NULLABILITY})
DATASET_CHANGES: Final = frozenset({ChangeKind.DROP_DATASET, ChangeKind.RENAME_DATASET, ChangeKind.CHANGE_SCHEMA})
USES: Final = tuple(Use)  # the most certain one first
UNCERTAIN: Final = {ChangeKind.RETYPE_COLUMN: "its type may change", ChangeKind.CHANGE_NULLABILITY: "it may hold nulls, or no longer",
                    ChangeKind.CHANGE_VALUES: "its values change"}
RETYPED: Final = {Fit.WIDER: "its type gets wider", Fit.UNKNOWN: "its type changes; whether the new one holds the same values is not known"}


async def impact(context: QueryContext, urn: str, change: ChangeKind | None = None, limits: Limits | None = None,
                 columns: Sequence[Column] | None = None, retype: Retype | None = None, without: Sequence[str] = ()) -> Impact:
    """What `change` of `urn` affects downstream; without a change, dropping it is meant. `columns`: the schema after CHANGE_SCHEMA; `retype`: what
    RETYPE_COLUMN makes of the type; `without`: datasets that will not read `urn` itself any more, so that nothing gets to them by that step.

    Raises:
        UrnError, InvalidArgument: the change does not go with the kind of entity.
    """
    kind = parse_urn(urn).kind
    change = _checked(kind, change)
    if (change is ChangeKind.CHANGE_SCHEMA) is (columns is None):
        raise InvalidArgument("columns go with CHANGE_SCHEMA, and only with it")
    if retype is not None and change is not ChangeKind.RETYPE_COLUMN:
        raise InvalidArgument("type and typeBefore go with RETYPE_COLUMN only")
    if without and change is ChangeKind.CHANGE_SCHEMA:
        raise InvalidArgument("without does not go with CHANGE_SCHEMA")
    limits = limits or Limits()
    roots = await asked_roots(context, urn, Level.COLUMN if kind == "column" else Level.ASSET)
    if not roots:
        return Impact(await context.computed_at(), context.notes.completeness(), change, (), 0, 0, (), (), ())
    if columns is not None:
        return await _of_schema(context, urn, columns, limits)
    start = [root.urn for root in roots]
    mended = frozenset(without)
    spread = await spread_of_columns(context, start, limits, mended) if kind == "column" else await spread_of_asset(context, start, limits, mended)
    if change is ChangeKind.RETIRE_VERSION:
        spread.severity.update((urn, (Severity.BREAKING, "is live itself")) for urn in start if kind_of(urn) == "model-version")
    fits = await _fits(context, urn, retype) if retype is not None else None
    if fits is Fit.SAME:
        spread = Spread({}, [], 0)
    reason = UNCERTAIN.get(change) if fits is None else RETYPED.get(fits)
    return await _describe(context, change, [RootEntity(root.urn, root.why) for root in roots], uncertain(spread, reason))


async def _fits(context: QueryContext, column: str, retype: Retype) -> Fit:
    before = retype.before or (await _recorded(context, holder(column))).get(parse_urn(column).name, {}).get("type")
    return Fit.UNKNOWN if before is None else fit(str(before), retype.after)


async def _recorded(context: QueryContext, dataset: str) -> dict[str, Mapping[str, object]]:
    """The fields of the recorded schema of a dataset, by name."""
    rows = await context.graph.get([dataset], context.at)
    fields = rows[dataset].facts.get("schema") or () if dataset in rows else ()
    return {str(field["name"]): field for field in fields if isinstance(field, dict) and "name" in field}


async def _of_schema(context: QueryContext, dataset: str, after: Sequence[Column], limits: Limits) -> Impact:
    """Every column that the recorded schema has and `after` has not, or has otherwise. What is new affects nobody."""
    before = await _recorded(context, dataset)
    if not before:
        context.notes.doubt("no-schema", f"no schema of {dataset} is recorded, so what goes away cannot be told", dataset)
    kept = {column.name: column for column in after}
    in_other_case = {column.name.casefold(): column for column in after if column.name not in before}
    changed: dict[tuple[ChangeKind, str | None], list[str]] = {}
    for name, field in before.items():
        found = _change(field, kept.get(name) or in_other_case.get(name.casefold()))
        if found is not None:
            changed.setdefault(found, []).append(format_urn("column", *parse_urn(dataset).components, name))
    spreads = [uncertain(await spread_of_columns(context, urns, limits), reason)
               for (_, reason), urns in sorted(changed.items(), key=lambda each: (each[0][1] is not None, each[0][0].value, each[0][1] or ""))]
    roots = [RootEntity(urn, kind.value) for (kind, _), urns in changed.items() for urn in urns]
    return await _describe(context, ChangeKind.CHANGE_SCHEMA, roots, merged(spreads))


def _change(before: Mapping[str, object], after: Column | None) -> tuple[ChangeKind, str | None] | None:
    """What becomes of a column, and why it is not certain what that breaks, if it is not."""
    if after is None:
        return ChangeKind.DROP_COLUMN, None
    fits = fit(str(before["type"]), after.type) if after.type is not None and before.get("type") is not None else Fit.SAME
    if fits is not Fit.SAME:
        return ChangeKind.RETYPE_COLUMN, RETYPED.get(fits)
    if after.nullable is not None and before.get("nullable") not in (None, after.nullable):
        return ChangeKind.CHANGE_NULLABILITY, UNCERTAIN[ChangeKind.CHANGE_NULLABILITY]
    return None


def _checked(kind: str, change: ChangeKind | None) -> ChangeKind:
    usual = {"column": ChangeKind.DROP_COLUMN, "dataset": ChangeKind.DROP_DATASET}.get(kind, ChangeKind.RETIRE_VERSION)
    if change is None:
        return usual
    fits = COLUMN_CHANGES if kind == "column" else DATASET_CHANGES if kind == "dataset" else {ChangeKind.RETIRE_VERSION}
    if change is not ChangeKind.CHANGE_VALUES and change not in fits:
        raise InvalidArgument(f"{change.value} does not apply to a {kind}")
    return change


async def _describe(context: QueryContext, change: ChangeKind, roots: Sequence[RootEntity], spread: Spread) -> Impact:
    seeds: dict[str, tuple[int, ...]] = dict.fromkeys([*(root.urn for root in roots), *spread.same], ())
    by_value = sorted(spread.edges[:spread.known], key=lambda edge: edge.type == "INDIRECT")  # of two ways as long the one by which the value goes is shown
    edges = list(dict.fromkeys([*by_value, *spread.edges[spread.known:]]))
    paths = shortest_paths(seeds, edges)
    holders = _holders(spread.severity, seeds)
    uses = _uses(seeds, spread)
    for dataset, columns in holders.items():  # a dataset is as near as its nearest affected column, best one whose value is made of it
        reached = [column for column in columns if column in paths]  # none, where the walk was cut
        if not reached:
            continue
        nearest = min(reached, key=lambda each: (len(paths[each]), uses.get(each) is not Use.DIRECT))
        paths[dataset] = min(paths[nearest], paths.get(dataset, paths[nearest]), key=len)
    if holders:
        for urn, path in shortest_paths(paths, edges).items():
            paths.setdefault(urn, path)
    kept = {index: place for place, index in enumerate(  # where the walk was cut, an edge may hang on nothing
        index for index, edge in enumerate(edges) if edge.upstream in paths and edge.downstream in paths)}
    edges = [edges[index] for index in kept]
    paths = {urn: tuple(kept[index] for index in path) for urn, path in paths.items()}
    graph = Subgraph({urn: len(path) for urn, path in paths.items()}, {}, {}, edges)
    masked = await hidden(context, graph.distance)
    rows = await context.graph.get(sorted(graph.distance), context.at)
    nodes, shown, position = flatten(context, graph, masked, rows, await hidden_jobs(context, edges))
    wanted = [urn for urn in {*spread.severity, *holders} if urn in paths]
    facts = await Facts.load(context, [urn for urn in wanted if urn not in masked], rows, edges)
    affected = [_affected(urn, position[urn], spread, uses, holders, facts, edges, paths[urn], urn in masked) for urn in wanted]
    affected = [item for item in affected if item.path or item.deployments]  # what is retired is affected itself only where it is live
    affected.sort(key=lambda item: (item.severity is Severity.POSSIBLE, not item.deployments, item.distance, item.kind.value, item.urn or ""))
    breaking = sum(item.severity is Severity.BREAKING for item in affected)
    visible = tuple(root for root in roots if root.urn not in masked)
    return Impact(await context.computed_at(), context.notes.completeness(), change, visible, breaking, len(affected) - breaking,
                  tuple(affected), nodes, shown)


def _uses(seeds: Iterable[str], spread: Spread) -> dict[str, Use]:
    """How the change gets into what it reaches; the most certain way counts."""
    known = [edge for edge in spread.edges[:spread.known] if not kind_of(edge.upstream) == kind_of(edge.downstream) == "dataset"]
    found = dict.fromkeys(shortest_paths(dict.fromkeys(seeds, ()), known), Use.INDIRECT)
    found.update(dict.fromkeys(shortest_paths(dict.fromkeys(seeds, ()), [edge for edge in known if edge.type != "INDIRECT"]), Use.DIRECT))
    return found


def _holders(severity: Mapping[str, tuple[Severity, str]], seeds: Collection[str]) -> dict[str, list[str]]:
    """Dataset -> its affected columns, without the changed dataset itself."""
    changed = set(map(holder, seeds))
    found: dict[str, list[str]] = {}
    for urn in severity:
        if kind_of(urn) == "column" and holder(urn) not in changed:
            found.setdefault(holder(urn), []).append(urn)
    return found


def _affected(urn: str, node: int, spread: Spread, uses: Mapping[str, Use], holders: Mapping[str, list[str]], facts: Facts, edges: Sequence[Edge],
              path: tuple[int, ...], masked: bool) -> Affected:
    parsed = parse_urn(urn)
    columns = holders.get(urn, [])
    found = [each for each in (urn, *columns) if each in spread.severity]
    severity, reason = min((spread.severity[each] for each in found), key=lambda pair: pair[0] is Severity.POSSIBLE)
    if urn not in spread.severity or severity is not spread.severity[urn][0]:
        reason = "holds columns made of it"
    use = min((uses.get(each, Use.UNKNOWN) for each in found), key=USES.index)
    if masked:
        return Affected(node, Kind(parsed.kind), None, None, severity, use, reason, len(path), (), (), Binding.FLOATING, None, None, (), path)
    asset = holder(urn)
    row = facts.rows.get(urn)
    owners = owner_names(row) if row is not None else ()
    if not owners and asset in facts.rows:
        owners = owner_names(facts.rows[asset])
    own = [facts.own_runs[urn]] if urn in facts.own_runs else [facts.last[job] for job in facts.jobs.get(asset, ()) if job in facts.last]
    last = max(own, key=lambda run: (run.ended_at or run.started_at or EPOCH, run.urn), default=None)
    made = facts.materialized.get(facts.stored_in.get(urn, asset))
    return Affected(node, Kind(parsed.kind), urn, parsed.name, severity, use, reason, len(path), owners,
                    tuple(sorted(parse_urn(each).name for each in columns)), _binding(row, edges[path[-1]] if path else None), made, last,
                    facts.deployments.get(urn, ()), path)


def _binding(row: NodeRow | None, entered_by: Edge | None) -> Binding:
    if row is not None and row.kind == "model-version" and row.facts.get("binding") is not None:
        return Binding.PINNED if row.facts["binding"] == "stable" else Binding.FLOATING
    return Binding.PINNED if entered_by is not None and entered_by.version is not None else Binding.FLOATING
