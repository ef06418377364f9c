"""Applying a batch to the SQL graph: the whole batch, its position and its digest in one transaction."""
from __future__ import annotations

from collections.abc import Iterable

from lineproof_schema.urn import parse_urn
from metadata_service.graph import sql_text
from metadata_service.graph.batch import Batch, require_known
from metadata_service.graph.errors import ProjectionConflict
from metadata_service.graph.ops import DIGEST_MODULUS, Edge
from metadata_service.graph.rows import EMPTY_DIGEST, EMPTY_ROOT, canonical, entry_text, folded, plain, sort_name
from metadata_service.graph.sql_edges import context_of, own_of
from metadata_service.graph.sql_engine import Session
from metadata_service.graph.sql_schema import FAMILIES

__all__ = ["apply", "first_position", "refresh_statistics", "wipe"]


def first_position(session: Session) -> None:
    """Where an empty graph stands."""
    session.write(sql_text.FIRST_POSITION, [(EMPTY_ROOT, EMPTY_DIGEST)])


def wipe(session: Session) -> None:
    """Delete everything projected."""
    for statement in sql_text.WIPE:
        session.write(statement, [()])
    session.write(sql_text.MOVE, [(0, EMPTY_ROOT, EMPTY_DIGEST)])


def refresh_statistics(session: Session) -> None:
    """Tell PostgreSQL's planner how large the tables have become; SQLite takes the written order and needs none."""
    if session.dialect.name == "postgresql":
        session.write(sql_text.ANALYZE, [()])


def apply(session: Session, batch: Batch, *, expected_size: int, size: int, root: str, digest_delta: int) -> None:
    """Write `batch` and move the position."""
    locked = sql_text.POSITION if session.dialect.name == "sqlite" else f"{sql_text.POSITION} FOR UPDATE"  # SQLite: BEGIN IMMEDIATE holds the lock
    stands, _, digest = session.row(locked)
    if stands != expected_size:
        raise ProjectionConflict(f"the graph stands at {stands}, not at {expected_size}", size=stands)
    total = (int(digest, 16) + digest_delta) % DIGEST_MODULUS
    session.write(sql_text.MOVE, [(size, root, f"{total:064x}")])

    ids = _nodes(session, batch)
    _revisions(session, batch, ids)
    _edges(session, batch, ids)
    session.insert(sql_text.ADD_LINK, [(ids[link.src], link.type, ids[link.dst], link.from_, canonical(link.props)) for link in batch.links.values()])
    session.insert(sql_text.PUT_STAT, [(plain(stat.set_id), stat.last_seen, stat.runs) for stat in batch.stats.values()])
    session.insert(sql_text.ADD_TOUCH, [(ids[urn], index, role) for (urn, index), role in batch.touches.items()])
    session.insert(sql_text.ADD_ENTRY, [(entry.index, entry.received, plain(entry.event_type), _plain(entry.actor), _plain(entry.commit), entry_text(entry))
                                       for entry in batch.entries.values()])
    session.insert(sql_text.PUT_STATE, [(plain(key), canonical(value)) for key, value in batch.states.items() if value is not None])
    session.write(sql_text.DROP_STATE, [(plain(key),) for key, value in batch.states.items() if value is None])


def _plain(text: str | None) -> str | None:
    return None if text is None else plain(text)


def _nodes(session: Session, batch: Batch) -> dict[str, int]:
    """Node ids of every URN of the batch; what is new gets the next ones (there is one writer: it holds the position)."""
    referenced = batch.referenced()
    urns = dict.fromkeys([*batch.nodes, *referenced, *(urn for urn, _ in batch.touches)])
    ids: dict[str, int] = {}
    existing: set[str] = set()
    for urn, number, from_ in session.rows(sql_text.NODE_IDS, session.many(urns)):
        ids[urn] = number
        if from_ is not None:
            existing.add(urn)
    require_known(referenced, existing | batch.nodes.keys())
    session.write(sql_text.MAKE_EXIST, [(op.tenant, op.from_, ids[urn]) for urn, op in batch.nodes.items() if urn in ids and urn not in existing])
    new = [urn for urn in urns if urn not in ids]
    ids.update(zip(new, _next(session, "node"), strict=False))
    rows = []
    for urn in new:
        parsed, op = parse_urn(urn), batch.nodes.get(urn)
        tenant, from_ = (None, None) if op is None else (op.tenant, op.from_)
        rows.append((ids[urn], urn, parsed.kind, plain(parsed.namespace or ""), sort_name(urn), folded(urn), tenant, from_))
    session.insert(sql_text.ADD_NODE, rows)
    return ids


def _next(session: Session, table: str) -> Iterable[int]:
    start = session.row(sql_text.TOP_ID[table])[0] + 1
    return iter(range(start, 2**62))


def _revisions(session: Session, batch: Batch, ids: dict[str, int]) -> None:
    ended = batch.ended.items()
    session.write(sql_text.END_REVISION, [(to, ids[urn], plain(fact), from_) for (urn, fact, from_), to in ended if from_ < to])
    session.write(sql_text.DROP_REVISION, [(ids[urn], plain(fact), from_) for (urn, fact, from_), to in ended if from_ == to])
    session.insert(sql_text.ADD_REVISION, [(ids[urn], plain(fact), from_, write.to, canonical(write.value))
                                          for (urn, fact, from_), write in batch.revisions.items()])


def _edges(session: Session, batch: Batch, ids: dict[str, int]) -> None:
    if batch.edges:
        contexts = _contexts(session, batch.edges.values())
        session.insert(sql_text.ADD_EDGE, [
            (number, key, FAMILIES[edge.family], ids[edge.downstream], ids[edge.upstream], from_, edge.to, edge.opened_by, contexts[context_of(edge)[0]],
             own_of(edge))
            for number, ((key, from_), edge) in zip(_next(session, "edge"), batch.edges.items(), strict=False)])
    closed = batch.closed.items()
    session.write(sql_text.CLOSE_EDGE, [(to, key, from_) for (key, from_), (_, to) in closed if from_ < to])
    session.write(sql_text.DROP_EDGE, [(key, from_) for (key, from_), (_, to) in closed if from_ == to])


def _contexts(session: Session, edges: Iterable[Edge]) -> dict[str, int]:
    """Ids of what the edges of a set share, by hash."""
    bodies = dict(context_of(edge) for edge in edges)
    ids: dict[str, int] = {row[0]: row[1] for row in session.rows(sql_text.CONTEXT_IDS, session.many(bodies))}
    new = [hashed for hashed in bodies if hashed not in ids]
    ids.update(zip(new, _next(session, "context"), strict=False))
    session.insert(sql_text.ADD_CONTEXT, [(ids[hashed], hashed, bodies[hashed]) for hashed in new])
    return ids
