"""How a change spreads: along which edges it gets to what, and with what severity."""
from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

from lineproof_schema.urn import holder, kind_of, parse_urn
from metadata_service.graph.ops import COLUMN_DERIVED_FROM, DERIVED_FROM, Edge, Family
from metadata_service.graph.port import Limits
from metadata_service.queries.column_gaps import is_vague
from metadata_service.queries.context import QueryContext
from metadata_service.queries.impact_shapes import Severity
from metadata_service.queries.roots import columns_of
from metadata_service.queries.subgraph import shortest_paths

__all__ = ["Spread", "merged", "spread_of_asset", "spread_of_columns", "uncertain"]

BOTH_FAMILIES: Final[tuple[Family, ...]] = (DERIVED_FROM, COLUMN_DERIVED_FROM)


@dataclass(frozen=True, slots=True)
class Spread:
    """How a change spreads: severity and reason by entity, and the edges it takes, those of certain breakage first.

    `known` are the edges of the part in which what reads what is known; those beyond lead from a reader of a whole dataset.
    """

    severity: dict[str, tuple[Severity, str]]
    edges: list[Edge]
    known: int
    same: tuple[str, ...] = ()  # what changes together with the root: the dataset of a column, the columns of a dataset, the fields of a struct


def uncertain(spread: Spread, reason: str | None) -> Spread:
    """The same with nothing certain about it, for this reason; as it is without one."""
    return spread if reason is None else replace(spread, severity=dict.fromkeys(spread.severity, (Severity.POSSIBLE, reason)))


def merged(spreads: Sequence[Spread]) -> Spread:
    """Several as one; of severities the first counts."""
    severity: dict[str, tuple[Severity, str]] = {}
    for spread in spreads:
        severity = {**spread.severity, **severity}
    known = [edge for spread in spreads for edge in spread.edges[:spread.known]]
    beyond = [edge for spread in spreads for edge in spread.edges[spread.known:]]
    return Spread(severity, [*known, *beyond], len(known), tuple(dict.fromkeys(urn for spread in spreads for urn in spread.same)))


async def spread_of_columns(context: QueryContext, columns: Sequence[str], limits: Limits, without: Collection[str] = ()) -> Spread:
    """From columns, with the fields in them. Who reads a struct as a whole may read the field that changes in it."""
    beside = await columns_of(context, sorted({holder(column) for column in columns}))
    every = [column for found in beside.values() for column in found if column not in columns]
    inside = [each for each in every if any(_is_in(each, column) for column in columns)]
    around = [each for each in every if each not in inside and any(_is_in(column, each) for column in columns)]
    spread = await _spread([*columns, *inside], context, limits, without)
    if around:
        spread = merged([spread, uncertain(await _spread(around, context, limits, without), "reads the struct that the field is in")])
    changed = {*columns, *inside, *around}
    return replace(spread, severity={urn: found for urn, found in spread.severity.items() if urn not in changed}, same=(*spread.same, *inside, *around))


def _is_in(field: str, struct: str) -> bool:
    """Whether one column is a field of the other: named after it with a dot, or with one more component."""
    inner, outer = parse_urn(field).components, parse_urn(struct).components
    return inner[:2] == outer[:2] and ".".join(inner[2:]).startswith(f"{'.'.join(outer[2:])}.")


async def _spread(columns: Sequence[str], context: QueryContext, limits: Limits, without: Collection[str]) -> Spread:
    certain = await context.graph.reachable(list(columns), "DOWNSTREAM", None, BOTH_FAMILIES, context.at, limits)
    context.notes.cut(certain, limits, "DOWNSTREAM")
    distance, edges = _without({node.urn: node.distance for node in certain.nodes}, certain.edges, columns, without)
    severity = {urn: (Severity.BREAKING, "reads the column" if steps == 1 else "made of what reads the column")
                for urn, steps in distance.items() if urn not in columns}
    known = len(edges)
    changed = set(map(holder, columns))
    touched = sorted({holder(urn) for urn in (*columns, *severity) if kind_of(urn) == "column"})
    readers = [edge for edge in await context.edges(touched, "DOWNSTREAM", [DERIVED_FROM], limits.edges)
               if edge.downstream not in severity and not (edge.upstream in changed and edge.downstream in without)]
    whole = await _readers_of_the_whole(context, readers, limits)
    if whole:
        start = sorted({edge.downstream for edge in whole})
        beyond = await context.graph.reachable(start, "DOWNSTREAM", None, [DERIVED_FROM], context.at, limits)
        context.notes.cut(beyond, limits, "DOWNSTREAM")
        for edge in whole:
            severity.setdefault(edge.downstream, (Severity.POSSIBLE, "reads the dataset as a whole; its columns are not known"))
        for node in beyond.nodes:
            severity.setdefault(node.urn, (Severity.POSSIBLE, "made of what may read the column"))
        edges += [*whole, *beyond.edges]
    return Spread(severity, edges, known, tuple(changed))


async def _readers_of_the_whole(context: QueryContext, edges: Sequence[Edge], limits: Limits) -> list[Edge]:
    """Of dataset edges, those whose reader did not say which columns of that dataset it reads."""
    if not edges:
        return []
    precise_columns: dict[str, set[str]] = {}
    readers = sorted({edge.downstream for edge in edges})
    columns = await columns_of(context, [urn for urn in readers if kind_of(urn) == "dataset"])
    owner = {column: dataset for dataset, found in columns.items() for column in found}
    for edge in await context.edges([*readers, *owner], "UPSTREAM", [COLUMN_DERIVED_FROM], limits.edges):
        precise_columns.setdefault(owner.get(edge.downstream, edge.downstream), set()).add(str(parse_urn(edge.upstream).parent or edge.upstream))
    return [edge for edge in edges if is_vague(edge) or edge.upstream not in precise_columns.get(edge.downstream, ())]


async def spread_of_asset(context: QueryContext, start: Sequence[str], limits: Limits, without: Collection[str] = ()) -> Spread:
    """From anything else, with the columns of a dataset."""
    columns = await columns_of(context, [urn for urn in start if kind_of(urn) == "dataset"])
    roots = [*start, *(column for found in columns.values() for column in found)]
    reach = await context.graph.reachable(roots, "DOWNSTREAM", None, BOTH_FAMILIES, context.at, limits)
    context.notes.cut(reach, limits, "DOWNSTREAM")
    distance, edges = _without({node.urn: node.distance for node in reach.nodes}, reach.edges, roots, without)
    severity = {urn: (Severity.BREAKING, "reads it" if steps == 1 else "made of what reads it") for urn, steps in distance.items() if urn not in roots}
    return Spread(severity, edges, len(edges), tuple(roots[len(start):]))


def _without(distance: dict[str, int], edges: Sequence[Edge], roots: Sequence[str], without: Collection[str]) -> tuple[dict[str, int], list[Edge]]:
    """A walk that does not take the step from a root to one of `without`, and what it still reaches."""
    if not without:
        return distance, list(edges)
    starts = set(roots)
    kept = [edge for edge in edges if not (edge.upstream in starts and holder(edge.downstream) in without)]
    reached = {urn: len(path) for urn, path in shortest_paths(dict.fromkeys(roots, ()), kept).items()}
    return reached, [edge for edge in kept if edge.upstream in reached]
