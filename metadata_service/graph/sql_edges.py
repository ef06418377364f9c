"""How edges lie in SQL rows: what a set has in common (`context`), and what is one edge's `own`."""
from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from metadata_service.graph import sql_text
from metadata_service.graph.ops import OPEN, Edge, Family
from metadata_service.graph.sql_engine import Session
from metadata_service.graph.sql_schema import FAMILIES

__all__ = ["claims_of_rows", "context_of", "edge_of", "edges_of", "own_of", "urns_of"]

FAMILY_NAMES: dict[int, Family] = {0: "DERIVED_FROM", 1: "COLUMN_DERIVED_FROM"}
assert {name: number for number, name in FAMILY_NAMES.items()} == FAMILIES


def context_of(edge: Edge) -> tuple[str, str]:
    """(hash, JSON) of what the edges of a set share."""
    body = _scalars((edge.set_id, edge.via, edge.transformation, edge.commit, edge.basis, edge.tenant, edge.parser))
    return hashlib.sha256(body.encode()).hexdigest()[:32], body


def own_of(edge: Edge) -> str | None:
    """JSON of what is the edge's own; None when there is nothing."""
    values = (edge.type, edge.subtype, edge.expression, edge.file, edge.line, edge.column, edge.status, edge.version)
    return None if not any(value is not None for value in values) else _scalars(values)


def _scalars(values: tuple[Any, ...]) -> str:
    return orjson.dumps(values).decode()


_NOTHING = (None,) * 8


def edge_of(family: int, downstream: str, upstream: str, from_: int, opened_by: int, to: int, context: Sequence[Any], own: str | None) -> Edge:
    """The edge of a row; `context` is parsed already, since many rows share it."""
    set_id, via, transformation, commit, basis, tenant, parser = context
    if own is None:
        return Edge(FAMILY_NAMES[family], downstream, upstream, set_id, via, transformation, commit, basis, tenant, from_, opened_by, to, parser=parser)
    kind, subtype, expression, file, line, column, status, version = orjson.loads(own)
    return Edge(FAMILY_NAMES[family], downstream, upstream, set_id, via, transformation, commit, basis, tenant, from_, opened_by, to, kind, subtype, expression,
                file, line, column, parser, status, version)


def edges_of(session: Session, rows: Sequence[Any], urns: dict[int, str] | None = None) -> list[Edge]:
    """Edges of rows in the columns of `sql_text.EDGES_BY_ID`, as they are seen while visible: open."""
    if urns is None:
        urns = urns_of(session, {row[3] for row in rows} | {row[4] for row in rows})
    contexts = _contexts(session, {row[7] for row in rows})
    return [edge_of(family, urns[down], urns[up], from_, opened_by, OPEN, contexts[context], own)
            for _, _, family, down, up, from_, opened_by, context, own in rows]


def claims_of_rows(session: Session, rows: Sequence[Any], urns: Mapping[int, str]) -> Iterator[tuple[str, str | None, str, str | None, str | None]]:
    """(URN, via, basis, status, subtype) of rows (node id, context id, own)."""
    contexts = _contexts(session, {row[1] for row in rows})
    for number, context, own in rows:
        _, via, _, _, basis, _, _ = contexts[context]
        _, subtype, _, _, _, _, status, _ = _NOTHING if own is None else orjson.loads(own)
        yield urns[number], via, basis, status, subtype


def _contexts(session: Session, ids: Collection[int]) -> dict[int, Any]:
    return {number: orjson.loads(body) for number, body in session.rows(sql_text.CONTEXTS, session.many(ids))} if ids else {}


def urns_of(session: Session, ids: Iterable[int]) -> dict[int, str]:
    """URNs by node id."""
    return {row[0]: row[1] for row in session.rows(sql_text.URNS_OF, session.many(ids))}
