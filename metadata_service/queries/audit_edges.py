"""What an entry changed in the lineage of the entities it concerned: the graph just after it, compared with just before."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from lineproof_schema.urn import WALK_KINDS, kind_of
from metadata_service.graph.ops import COLUMN_DERIVED_FROM, DERIVED_FROM, Edge
from metadata_service.graph.port import TouchRow
from metadata_service.queries.context import QueryContext
from metadata_service.queries.mask import hidden
from metadata_service.queries.shapes import Level

__all__ = ["AuditEdge", "EdgeAction", "edge_changes"]

EDGE_LIMIT: Final = 20_000
# entries that never say what anything is made of: most of a busy log, not worth two reads each
SILENT: Final = frozenset(f"lineproof.{noun}.v1" for noun in (
    "alias", "commit", "cost", "dataset-version", "deployment", "erasure", "genesis", "key", "policy", "quality", "transformation", "usage"))


class EdgeAction(Enum):
    """OPENED: from this entry on it is said. CLOSED: until this entry it was."""

    OPENED = "OPENED"
    CLOSED = "CLOSED"


@dataclass(frozen=True, slots=True)
class AuditEdge:
    """A lineage edge from the row's entity up to `urn`, begun or ended by the entry. What a new version of code says again is no change.

    A restricted upstream is a placeholder.
    """

    action: EdgeAction
    urn: str | None
    restricted: bool
    level: Level
    type: str | None
    subtype: str | None
    expression: str | None
    file: str | None
    line: int | None


async def edge_changes(context: QueryContext, rows: Sequence[TouchRow]) -> Mapping[tuple[str, int], tuple[AuditEdge, ...]]:
    """Opened and closed edges by (urn, index): one read for all entries, and two more for each with which an edge begins or ends."""
    concerned: dict[int, set[str]] = defaultdict(set)
    for row in rows:
        if row.entry.event_type not in SILENT and row.entry.status == "applied" and kind_of(row.urn) in WALK_KINDS:
            concerned[row.entry.index].add(row.urn)
    found: dict[tuple[str, int], list[tuple[EdgeAction, Edge]]] = defaultdict(list)
    for index, urns in sorted((await _changed(context, concerned)).items()):
        before, after = await _edges(context, urns, index), await _edges(context, urns, index + 1)
        for action, these, others in ((EdgeAction.CLOSED, before, after), (EdgeAction.OPENED, after, before)):
            for said in sorted(these.keys() - others.keys(), key=repr):
                found[these[said].downstream, index].append((action, these[said]))
    masked = await hidden(context, {edge.upstream for edges in found.values() for _, edge in edges})
    return {key: tuple(_shown(action, edge, masked) for action, edge in edges) for key, edges in found.items()}


async def _changed(context: QueryContext, concerned: Mapping[int, set[str]]) -> Mapping[int, set[str]]:
    """Those entries with which an edge of what they concerned begins or ends: most runs say what was said before. All, if there are too many."""
    if not concerned:
        return {}
    urns = sorted({urn for urns in concerned.values() for urn in urns})
    edges = await context.graph.edge_history(urns, [DERIVED_FROM, COLUMN_DERIVED_FROM], min(concerned), max(concerned) + 1, EDGE_LIMIT)
    if len(edges) == EDGE_LIMIT:
        return concerned
    sizes = {size for edge in edges for size in (edge.from_, edge.to)}
    return {index: urns for index, urns in concerned.items() if index + 1 in sizes}


async def _edges(context: QueryContext, urns: Iterable[str], size: int) -> dict[tuple[Any, ...], Edge]:
    edges = await context.graph.neighbours(sorted(urns), "UPSTREAM", [DERIVED_FROM, COLUMN_DERIVED_FROM], size, EDGE_LIMIT)
    return {(edge.downstream, edge.upstream, edge.family, edge.type, edge.subtype, " ".join((edge.expression or "").split())): edge for edge in edges}


def _shown(action: EdgeAction, edge: Edge, masked: frozenset[str]) -> AuditEdge:
    level = Level.COLUMN if edge.family == COLUMN_DERIVED_FROM else Level.ASSET
    if edge.upstream in masked:
        return AuditEdge(action, None, True, level, edge.type, edge.subtype, None, None, None)
    return AuditEdge(action, edge.upstream, False, level, edge.type, edge.subtype, edge.expression, edge.file, edge.line)
