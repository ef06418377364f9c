"""What a batch and an edge look like in Neo4j: the rows of the statements of `cypher`."""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, cast

from lineproof_schema.urn import parse_urn
from metadata_service.graph import cypher
from metadata_service.graph.batch import Batch
from metadata_service.graph.ops import OPEN, Edge, EntryRecord, Family
from metadata_service.graph.port import Reach, ReachedNode
from metadata_service.graph.reference import TOO_MANY_EDGES
from metadata_service.graph.rows import canonical, entry_text, folded, plain, said, sort_name

__all__ = ["edge_of", "reach_of", "sort_key", "statements"]


def statements(batch: Batch) -> Iterator[tuple[str, str, list[Any]]]:
    """(statement, parameter name, rows sorted by key) in the order in which they must run."""
    yield cypher.UPSERT_NODES, "rows", [_node(urn, op.tenant, op.from_) for urn, op in sorted(batch.nodes.items())]
    ended = [{"urn": urn, "fact": plain(fact), "from": from_, "to": to} for (urn, fact, from_), to in sorted(batch.ended.items())]
    yield cypher.END_REVISIONS, "rows", [row for row in ended if row["from"] != row["to"]]
    yield cypher.DROP_REVISIONS, "rows", [row for row in ended if row["from"] == row["to"]]
    yield cypher.ADD_REVISIONS, "rows", [{"urn": urn, "fact": plain(fact), "from": from_, "to": write.to, "value": canonical(write.value)}
                                         for (urn, fact, from_), write in sorted(batch.revisions.items(), key=lambda item: item[0])]
    for family in cypher.FAMILIES:
        closed = [{"down": edge.downstream, "up": edge.upstream, "key": key, "from": from_, "to": to}
                  for (key, from_), (edge, to) in batch.closed.items() if edge.family == family]
        closed.sort(key=lambda row: (row["down"], row["up"], row["key"], row["from"]))
        yield cypher.close_edges(family), "rows", [row for row in closed if row["from"] != row["to"]]
        yield cypher.drop_edges(family), "rows", [row for row in closed if row["from"] == row["to"]]
        opened = [(edge, {"down": edge.downstream, "up": edge.upstream, "key": key, "from": from_, "said": {**said(edge, key), "from": from_, "to": edge.to}})
                  for (key, from_), edge in batch.edges.items() if edge.family == family]
        opened.sort(key=lambda item: (item[1]["down"], item[1]["up"], item[1]["key"], item[1]["from"]))
        yield cypher.add_edges(family, past=False), "rows", [row for edge, row in opened if edge.to == OPEN]
        yield cypher.add_edges(family, past=True), "rows", [row for edge, row in opened if edge.to != OPEN]
    for kind in sorted({kind for kind, _, _ in batch.links}):
        yield cypher.add_links(kind), "rows", [{"src": src, "dst": dst, "from": link.from_, "props": canonical(link.props)}
                                               for (of, src, dst), link in sorted(batch.links.items(), key=lambda item: item[0]) if of == kind]
    yield cypher.PUT_STATS, "rows", [{"set_id": stat.set_id, "last_seen": stat.last_seen, "runs": stat.runs} for _, stat in sorted(batch.stats.items())]
    yield cypher.ADD_TOUCHES, "rows", [{"urn": urn, "index": index, "role": role} for (urn, index), role in sorted(batch.touches.items())]
    yield cypher.ADD_ENTRIES, "rows", [{"index": entry.index, "props": _entry(entry)} for _, entry in sorted(batch.entries.items())]
    yield cypher.PUT_STATES, "rows", [{"key": key, "value": canonical(value)} for key, value in sorted(batch.states.items()) if value is not None]
    yield cypher.DROP_STATES, "keys", sorted(key for key, value in batch.states.items() if value is None)


def _node(urn: str, tenant: str, from_: int) -> dict[str, Any]:
    parsed = parse_urn(urn)
    props = {"kind": parsed.kind, "namespace": plain(parsed.namespace or ""), "sort_key": sort_key(sort_name(urn)), "folded": folded(urn), "tenant": tenant,
             "from": from_}
    return {"urn": urn, "label": "".join(word.capitalize() for word in parsed.kind.split("-")), "props": props}


def sort_key(name: str) -> str:
    """Text that Neo4j sorts as the bytes of `name`."""
    return name.encode().hex()


def _entry(entry: EntryRecord) -> dict[str, Any]:
    return {"received": entry.received, "event_type": plain(entry.event_type), "actor": None if entry.actor is None else plain(entry.actor),
            "commit": None if entry.commit is None else plain(entry.commit), "body": entry_text(entry)}


def edge_of(kind: str, downstream: str, upstream: str, said: Mapping[str, Any], *, to: int = OPEN) -> Edge:
    """An edge as it is seen while visible: open."""
    get = said.get
    family = "DERIVED_FROM" if kind.startswith("DERIVED") else "COLUMN_DERIVED_FROM"
    return Edge(cast("Family", family), downstream, upstream, said["set_id"], get("via"), get("transformation"), get("commit"), said["basis"], said["tenant"],
                said["from"], said["opened_by"], to, get("type"), get("subtype"), get("expression"), get("file"), get("line"), get("column"), get("parser"),
                get("status"), get("version"))


def reach_of(rows: Sequence[Sequence[Any]], limit: int, reasons: list[str]) -> Reach:
    """The answer that the rows of `cypher.reach` are: edges that leave it become counts."""
    below = {urn: downstream for urn, _, _, downstream in rows}
    above: dict[str, int] = {}
    between: list[tuple[Any, ...]] = []  # (key, from, …) as they sort, then what `edge_of` takes
    for urn, _, edges, _ in rows:
        upstream = {up for _, up, _ in edges}
        inside = upstream & below.keys()
        above[urn] = len(upstream) - len(inside)
        for up in inside:
            below[up] -= 1
        between += [(said["key"], said["from"], kind, urn, up, said) for kind, up, said in edges if up in inside]
    between.sort(key=itemgetter(0, 1))
    if len(between) > limit:
        reasons = [*reasons, TOO_MANY_EDGES]
    nodes = tuple(ReachedNode(urn, distance, above[urn], below[urn]) for urn, distance, _, _ in rows)
    return Reach(nodes, tuple(edge_of(*edge) for _, _, *edge in between[:limit]), bool(reasons), tuple(reasons))
