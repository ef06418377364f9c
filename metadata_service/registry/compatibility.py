"""Whether a feature version may take the place of another one: what its author declared, and what schema and column use say."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lineproof_schema.urn import UrnError, format_urn, parse_urn
from metadata_service.graph.ops import COLUMN_DERIVED_FROM, DERIVED_FROM
from metadata_service.graph.port import GraphStore, NodeRow
from metadata_service.projector.compatibility import Difference, differences, verdict

__all__ = ["ColumnUse", "Compatibility", "SchemaDifference", "check"]

EDGE_LIMIT = 5_000


@dataclass(frozen=True, slots=True)
class SchemaDifference:
    """`effect`: breaks (every reader), breaks-readers (those of the column), adds, values (same shape, computed otherwise) or unknown."""

    what: str
    column: str | None
    effect: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class ColumnUse:
    """Who reads a changed column (or, with `column` null, the earlier version). `certain` is false for readers whose columns are not known."""

    column: str | None
    urn: str
    certain: bool


@dataclass(frozen=True, slots=True)
class Compatibility:
    """`declared` and `checked` are additive or breaking (or unknown); `agrees` is null where one of them is not known.

    `schema` is what the schemas alone say, whoever reads them. `adapter` is the SHA-256 of the function between the two versions.
    """

    with_: str
    urn: str
    declared: str | None
    checked: str
    schema: str
    agrees: bool | None
    because: str
    differences: tuple[SchemaDifference, ...]
    used_by: tuple[ColumnUse, ...]
    adapter: str | None


async def check(graph: GraphStore, at: int | None, before: NodeRow, after: NodeRow, declared: Mapping[str, Any] | None) -> Compatibility:
    """Compare two registered versions of one feature at a position.

    A changed or removed column counts as breaking iff somebody reads it, or may: a reader of the whole dataset whose columns are not
    known is supposed to read all of them.
    """
    found = differences(before.facts, after.facts)
    suspect = {each.column for each in found if each.effect == "breaks-readers" and each.column is not None}
    use = await _readers(graph, at, before, after, suspect)
    shape = any(each.effect == "breaks" for each in found)
    used_by = use + (await _users(graph, at, before.urn) if shape else ())
    read = frozenset(each.column for each in use if each.column is not None)
    checked = verdict(found, read)
    said = str(declared["kind"]) if declared is not None else None
    agrees = None if said is None or checked == "unknown" else said == checked
    adapter = declared.get("adapterDigest") if declared is not None else None
    shown = tuple(SchemaDifference(each.what, each.column, each.effect, each.before, each.after) for each in found)
    return Compatibility(parse_urn(before.urn).components[2], before.urn, said, checked, verdict(found, None), agrees,
                         _because(found, checked, read), shown, used_by, adapter)


async def _readers(graph: GraphStore, at: int | None, before: NodeRow, after: NodeRow, columns: set[str]) -> tuple[ColumnUse, ...]:
    """Readers of these columns of the dataset that stores the earlier version, the two versions themselves left out."""
    place = before.facts.get("column")
    if not columns or not isinstance(place, dict):
        return ()
    store = format_urn("dataset", place["namespace"], place["name"])
    own = {before.urn, after.urn}
    links = (await graph.provenance([store], ["COLUMN_OF"], at, EDGE_LIMIT)).get(store)
    known = sorted({*(link.src for link in links.into)} if links is not None else ())
    precise: set[str] = set()
    found: set[ColumnUse] = set()
    wanted = {format_urn("column", place["namespace"], place["name"], column): column for column in columns}
    for edge in await graph.neighbours(sorted({*known, *wanted}), "DOWNSTREAM", [COLUMN_DERIVED_FROM], at, EDGE_LIMIT):
        precise.add(_asset(edge.downstream))
        if edge.upstream in wanted and edge.downstream not in own:
            found.add(ColumnUse(wanted[edge.upstream], edge.downstream, True))
    for edge in await graph.neighbours([store], "DOWNSTREAM", [DERIVED_FROM], at, EDGE_LIMIT):
        vague = edge.basis == "inputsOutputs" or edge.status in ("partial", "unknown") or edge.downstream not in precise
        if vague and edge.downstream not in own:
            found |= {ColumnUse(column, edge.downstream, False) for column in columns}
    return tuple(sorted(found, key=lambda each: (each.column or "", each.urn, not each.certain)))


async def _users(graph: GraphStore, at: int | None, version: str) -> tuple[ColumnUse, ...]:
    edges = await graph.neighbours([version], "DOWNSTREAM", [DERIVED_FROM], at, EDGE_LIMIT)
    return tuple(ColumnUse(None, urn, True) for urn in sorted({edge.downstream for edge in edges}))


def _asset(urn: str) -> str:
    try:
        parsed = parse_urn(urn)
    except UrnError:
        return urn
    return str(parsed.parent) if parsed.kind == "column" else urn


def _because(found: tuple[Difference, ...], checked: str, read: frozenset[str]) -> str:
    if not found:
        return "nothing differs"
    if checked == "unknown":
        return "one of the two versions declares no schema"
    breaking = [each for each in found if each.effect == "breaks" or (each.effect == "breaks-readers" and each.column in read)]
    if breaking:
        named = (f"column {each.column} is {'gone' if each.after is None else 'another'} and read" if each.column else f"{each.what} differs"
                 for each in breaking)
        return "; ".join(named)
    unread = [each.column for each in found if each.effect == "breaks-readers" and each.column]
    if unread:
        return f"nobody is known to read what changed: {', '.join(unread)}"
    return "nothing that was there is gone or has another type"
