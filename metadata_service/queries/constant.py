"""A column that is made of no other: a constant, a counter, the time of day. No edge can say where that stands, a fact of its dataset does."""
from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from lineproof_schema.urn import holder, parse_urn
from metadata_service.graph.ops import COLUMN_DERIVED_FROM, Edge
from metadata_service.queries.context import QueryContext

__all__ = ["NOWHERE", "constants"]

NOWHERE: Final = ""  # the upstream end of such a column, where it is told like others


async def constants(context: QueryContext, columns: Iterable[str], size: int | None) -> list[Edge]:
    """Those of `columns` that are said to be made of no other, each as an edge from nowhere, of no set and by no job."""
    wanted = sorted(columns)
    rows = await context.graph.get(sorted(set(map(holder, wanted))), size) if wanted else {}
    found = []
    for urn in wanted:
        row = rows.get(holder(urn))
        place = (row.facts.get("sourceless") or {}).get(parse_urn(urn).components[2]) if row is not None else None
        if row is not None and place is not None:
            since = row.since["sourceless"]
            found.append(Edge(COLUMN_DERIVED_FROM, urn, NOWHERE, "", None, None, None, "columnLineage", "", since, since - 1, type="DIRECT",
                              expression=place.get("expression"), file=place.get("file"), line=place.get("line"), column=place.get("column"),
                              parser=place.get("parser"), status="complete"))
    return found
