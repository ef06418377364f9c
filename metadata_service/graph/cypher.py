"""Every Cypher statement of the graph. Plain Cypher, no plugin; Neo4j 5.26 or later.

How the graph lies in Neo4j:

- `(:Entity:<Kind> {urn, kind, namespace, sort_key, folded, tenant, from})`, unique by `urn`. The port looks entities up by URN alone and every
  namespace belongs to one tenant, so `tenant` is a property and no part of the key. `sort_key` is the name's UTF-8 in hex: Neo4j does not compare
  and sort text beyond U+FFFF in one order. `single`: at no position do two edges come to it from the same node, so that its edges are as
  many as its downstream neighbours; the value is the size since which these are the same. (Of graphs made before: nothing, or only `true`.)
- `DERIVED_FROM`, `COLUMN_DERIVED_FROM` (current) and `…_PAST` (closed) point downstream -> upstream; every other relationship is a provenance link.
- Facts are `(:Revision {urn, fact, from, to, value})` and the audit trail is `(:Touch {urn, index, role})`, joined by `urn` through an index. Neither hangs on
  its entity by a relationship or as properties: a walk reads the relationship chain and the first properties of every node that it passes.
- `Entry`, `EdgeSet`, `State` and one `Position`.

A variable-length pattern stays a breadth-first search that sees every node once (`VarLengthExpand(Pruning,BFS`) only under DISTINCT or `min(length(p))`, with a
lower bound of at most 1, and with predicates that hold for each relationship; `tests/integration/neo4j/test_plans.py` holds every statement to its plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Literal

from metadata_service.graph.ops import OPEN, Family

FAMILIES: tuple[Family, ...] = ("DERIVED_FROM", "COLUMN_DERIVED_FROM")
PAST = {"DERIVED_FROM": "DERIVED_FROM_PAST", "COLUMN_DERIVED_FROM": "COLUMN_DERIVED_FROM_PAST"}
_EDGE_TYPES = "['DERIVED_FROM', 'COLUMN_DERIVED_FROM', 'DERIVED_FROM_PAST', 'COLUMN_DERIVED_FROM_PAST']"

SCHEMA = (
    "CREATE CONSTRAINT entity_urn IF NOT EXISTS FOR (n:Entity) REQUIRE n.urn IS UNIQUE",
    "CREATE TEXT INDEX entity_folded IF NOT EXISTS FOR (n:Entity) ON (n.folded)",
    "CREATE CONSTRAINT revision_identity IF NOT EXISTS FOR (r:Revision) REQUIRE (r.urn, r.fact, r.from) IS UNIQUE",
    "CREATE INDEX revision_now IF NOT EXISTS FOR (r:Revision) ON (r.urn, r.to)",
    "CREATE CONSTRAINT touch_identity IF NOT EXISTS FOR (t:Touch) REQUIRE (t.urn, t.index) IS UNIQUE",
    "CREATE INDEX touch_entry IF NOT EXISTS FOR (t:Touch) ON (t.index)",
    "CREATE CONSTRAINT entry_index IF NOT EXISTS FOR (e:Entry) REQUIRE e.index IS UNIQUE",
    "CREATE INDEX entry_received IF NOT EXISTS FOR (e:Entry) ON (e.received, e.index)",
    "CREATE INDEX entry_actor IF NOT EXISTS FOR (e:Entry) ON (e.actor, e.index)",
    "CREATE INDEX entry_commit IF NOT EXISTS FOR (e:Entry) ON (e.commit, e.index)",
    "CREATE CONSTRAINT edge_set_id IF NOT EXISTS FOR (s:EdgeSet) REQUIRE s.set_id IS UNIQUE",
    "CREATE CONSTRAINT state_key IF NOT EXISTS FOR (s:State) REQUIRE s.key IS UNIQUE",
    "CREATE CONSTRAINT position_id IF NOT EXISTS FOR (p:Position) REQUIRE p.id IS UNIQUE",
)
PART = 200  # rows in one record
AWAIT_INDEXES = "CALL db.awaitIndexes(300)"
LABELS = ("Entity", "Revision", "Touch", "Entry", "EdgeSet", "State")

# Position. The SET takes the write lock before `size` is read: two projectors cannot both find the size they expect.
POSITION = "MATCH (p:Position {id: 0}) RETURN p.size AS size, p.root AS root, p.digest AS digest"
STANDS = "MATCH (p:Position {id: 0}) RETURN p.size AS size, p.closings AS closings"
POSITION_LOCKED = "MATCH (p:Position {id: 0}) SET p.locked = true RETURN p.size AS size, p.digest AS digest, coalesce(p.wiping, false) AS wiping"
FIRST_POSITION = "MERGE (p:Position {id: 0}) ON CREATE SET p.size = 0, p.root = $root, p.digest = $digest, p.closings = 0"
MOVE = "MATCH (p:Position {id: 0}) SET p.size = $size, p.root = $root, p.digest = $digest, p.wiping = $wiping, p.closings = p.closings + $closed"

# Writes: `$rows` of one batch, at most a few thousand.
KNOWN = "UNWIND $urns AS urn MATCH (n:Entity {urn: urn}) RETURN urn"
UPSERT_NODES = "UNWIND $rows AS row MERGE (n:Entity {urn: row.urn}) ON CREATE SET n += row.props, n.single = 0, n:$(row.label)"
ADD_REVISIONS = (f"UNWIND $rows AS row MERGE (r:Revision {{urn: row.urn, fact: row.fact, from: row.from}}) ON CREATE SET r.to = row.to, r.value = row.value "
                 f"ON MATCH SET r.to = CASE r.to WHEN {OPEN} THEN row.to ELSE r.to END")
END_REVISIONS = f"UNWIND $rows AS row MATCH (r:Revision {{urn: row.urn, fact: row.fact, from: row.from}}) WHERE r.to = {OPEN} SET r.to = row.to"
DROP_REVISIONS = f"UNWIND $rows AS row MATCH (r:Revision {{urn: row.urn, fact: row.fact, from: row.from}}) WHERE r.to = {OPEN} DELETE r"
PUT_STATS = "UNWIND $rows AS row MERGE (s:EdgeSet {set_id: row.set_id}) SET s.last_seen = row.last_seen, s.runs = row.runs"
ADD_TOUCHES = ("UNWIND $rows AS row MERGE (t:Touch {urn: row.urn, index: row.index}) ON CREATE SET t.role = row.role "
               "ON MATCH SET t.role = CASE t.role WHEN 'subject' THEN 'subject' ELSE row.role END")
ADD_ENTRIES = "UNWIND $rows AS row MERGE (e:Entry {index: row.index}) SET e += row.props"
PUT_STATES = "UNWIND $rows AS row MERGE (s:State {key: row.key}) SET s.value = row.value"
DROP_STATES = "UNWIND $keys AS key MATCH (s:State {key: key}) DELETE s"

# Reads. Hints where statistics of a young graph would lead the planner to a scan that it then keeps in its cache.
# A record costs the driver some 30 µs, however small, so that many rows come in one: the caller gives `$parts`, lists of at most PART keys.
_BY_URN = "USING INDEX SEEK r:Revision(urn, to)"
NODES = "UNWIND $urns AS urn MATCH (n:Entity {urn: urn}) WHERE n.from <= $at RETURN urn"
REVISIONS = (f"MATCH (r:Revision) {_BY_URN} WHERE r.urn = $urn AND r.to > 0 AND r.from <= $at "
             "RETURN r.fact AS fact, r.value AS value, r.from AS from, r.to AS to ORDER BY r.from, r.fact")
STATES = "UNWIND $parts AS part CALL (part) { UNWIND part AS key MATCH (s:State {key: key}) RETURN collect([key, s.value]) AS rows } RETURN rows"
SET_STATS = "UNWIND $set_ids AS set_id MATCH (s:EdgeSet {set_id: set_id}) RETURN set_id, s.last_seen AS last_seen, s.runs AS runs"
OUTCOME = "MATCH (e:Entry {index: $index}) RETURN e.body AS body"
SIZE_AT = "MATCH (e:Entry) WHERE e.received <= $time AND e.index IS NOT NULL RETURN e.index + 1 AS size ORDER BY e.received DESC, e.index DESC LIMIT 1"
_TOUCHES = ("UNWIND $urns AS urn MATCH (t:Touch) USING INDEX SEEK t:Touch(urn, index) WHERE t.urn = urn AND t.index >= $start AND t.index < $end "
            "MATCH (e:Entry {index: t.index}) WHERE $types IS NULL OR e.event_type IN $types ")
TOUCHED = _TOUCHES + "RETURN DISTINCT t.index AS index ORDER BY index LIMIT $limit"
TOUCH_ROWS = _TOUCHES + "RETURN urn, t.role AS role, e.body AS body ORDER BY t.index, urn"
CONCERNED = ("UNWIND $indices AS index MATCH (t:Touch) USING INDEX SEEK t:Touch(index) WHERE t.index = index WITH t MATCH (e:Entry {index: t.index}) "
             "RETURN t.urn AS urn, t.role AS role, e.body AS body ORDER BY t.index, urn")
LISTED = ("MATCH (n:Entity) USING INDEX SEEK n:Entity(urn) WHERE n.urn > $after AND n.urn < $before AND n.from <= $at "
          "WITH n.urn AS urn ORDER BY urn LIMIT $limit RETURN collect(urn) AS urns")
SEARCH = ("MATCH (n:Entity) WHERE n.folded CONTAINS $text AND ($kinds IS NULL OR n.kind IN $kinds) "
          "AND ($prefixes IS NULL OR any(prefix IN $prefixes WHERE n.namespace STARTS WITH prefix)) "
          "AND ($key IS NULL OR n.sort_key > $key OR (n.sort_key = $key AND n.urn > $urn)) "
          "RETURN n.urn AS urn ORDER BY n.sort_key, n.urn LIMIT $limit")

# Everything, for the digest and the counts. These do scan: they are about all rows.
ALL_NODES = "MATCH (n:Entity) RETURN n.urn AS urn, n.tenant AS tenant, n.from AS from"
ALL_REVISIONS = "MATCH (r:Revision) RETURN r.urn AS urn, r.fact AS fact, r.value AS value, r.from AS from, r.to AS to"
ALL_LINKS = f"MATCH (s)-[r]->(d) WHERE NOT type(r) IN {_EDGE_TYPES} RETURN type(r) AS type, s.urn AS src, d.urn AS dst, r.from AS from, r.props AS props"
COUNT_LINKS = "MATCH ()-[r]->() RETURN count(r) AS n"
DELETE_LABEL = {label: f"MATCH (n:{label}) CALL (n) {{ DETACH DELETE n }} IN TRANSACTIONS OF 5000 ROWS" for label in LABELS}


def count_label(label: str) -> str:
    """How many nodes of a label; answered by the count store."""
    return f"MATCH (n:{label}) RETURN count(n) AS n"


def count_type(kind: str) -> str:
    """How many relationships of a type; answered by the count store."""
    return f"MATCH ()-[r:{kind}]->() RETURN count(r) AS n"


def all_edges(kind: str) -> str:
    """Every edge of a type."""
    return f"MATCH (d)-[r:{kind}]->(u) RETURN d.urn AS down, u.urn AS up, properties(r) AS said"


@cache
def add_edges(family: Family, *, past: bool) -> str:
    """Edges that begin in this batch; `past`: that also end in it. An edge that was moved to the past already is not opened again.

    What ends in the batch has to be closed before, or else what takes its place would seem to be a second edge at the same time.
    """
    kind, other = (PAST[family], family) if past else (family, PAST[family])
    any_kind = "|".join([*FAMILIES, *PAST.values()])
    return ("UNWIND $rows AS row MATCH (d:Entity {urn: row.down}) MATCH (u:Entity {urn: row.up}) "
            f"WHERE NOT EXISTS {{ (d)-[:{other} {{key: row.key, from: row.from}}]->(u) }} "
            f"MERGE (d)-[r:{kind} {{key: row.key, from: row.from}}]->(u) ON CREATE SET r = row.said "
            f"WITH d, u, row, row.said.{'to' if past else 'from'} AS changed "
            f"WITH u, max(changed) AS changed, max(COUNT {{ (d)-[o:{any_kind}]->(u) WHERE o.from < row.said.to AND o.to > row.from }}) AS edges "
            f"WHERE edges > 1 OR u.single < changed SET u.single = CASE edges WHEN 1 THEN changed END")


@cache
def close_edges(family: Family) -> str:
    """Move edges to the past."""
    return (f"UNWIND $rows AS row MATCH (d:Entity {{urn: row.down}})-[r:{family} {{key: row.key, from: row.from}}]->(u) WHERE u.urn = row.up "
            f"CREATE (d)-[p:{PAST[family]}]->(u) SET p = properties(r), p.to = row.to DELETE r "
            "WITH u, max(row.to) AS changed WHERE u.single < changed SET u.single = changed")


@cache
def drop_edges(family: Family) -> str:
    """Edges that closed where they opened: visible nowhere."""
    return f"UNWIND $rows AS row MATCH (d:Entity {{urn: row.down}})-[r:{family} {{key: row.key, from: row.from}}]->(u) WHERE u.urn = row.up DELETE r"


@cache
def add_links(kind: str) -> str:
    """Links of one type; `kind` was checked by `batch.fold`."""
    return ("UNWIND $rows AS row MATCH (s:Entity {urn: row.src}) MATCH (d:Entity {urn: row.dst}) "
            f"MERGE (s)-[r:{kind}]->(d) ON CREATE SET r.from = row.from, r.props = row.props")


@cache
def nodes(*, past: bool) -> str:
    """Of the nodes that exist at `$at`, what `_node` says."""
    return f"UNWIND $parts AS part CALL (part) {{ UNWIND part AS urn {_node(past=past)} RETURN collect(node) AS rows }} RETURN rows"


@cache
def glance(*, past: bool) -> str:
    """Where the graph stands, some nodes at `$at`, and state values."""
    return f"MATCH (p:Position {{id: 0}}) RETURN {_glance(past=past)} AS glance"


def _glance(*, past: bool) -> str:
    return (f"[p.size, p.root, p.digest, COLLECT {{ UNWIND $urns AS urn {_node(past=past)} RETURN node }}, "
            "COLLECT { UNWIND $keys AS key MATCH (s:State {key: key}) USING INDEX SEEK s:State(key) RETURN [key, s.value] }]")


def _node(*, past: bool) -> str:
    """[urn, tenant, from, [[fact, value, from], …]] of the node of `urn`, with the facts visible at `$at`."""
    visible = "r.to > $at AND r.from <= $at" if past else f"r.to = {OPEN}"
    return ("MATCH (n:Entity {urn: urn}) USING INDEX SEEK n:Entity(urn) WHERE n.from <= $at WITH [urn, n.tenant, n.from, "
            f"COLLECT {{ MATCH (r:Revision) {_BY_URN} WHERE r.urn = urn AND {visible} RETURN [r.fact, r.value, r.from] }}] AS node")


@cache
def known_links(kind: str) -> str:
    """Which links of one type exist."""
    return f"UNWIND $rows AS row MATCH (s:Entity {{urn: row[0]}})-[:{kind}]->(d) WHERE d.urn = row[1] RETURN DISTINCT row"


def _types(families: Sequence[str], *, past: bool) -> str:
    return "|".join([*families, *(PAST[family] for family in families if past)])


def _arrow(direction: str, inner: str) -> str:
    return f"-[{inner}]->" if direction == "UPSTREAM" else f"<-[{inner}]-"


@cache
def distances(direction: str, families: tuple[Family, ...], depth: int | None, *, past: bool) -> str:
    """[urn, distance] of every node. The depth is part of the text: a bound of a pattern cannot be a parameter.

    Up to a depth of 1 there is nothing to prune, and the planner does not.
    """
    return (f"{_search(direction, families, depth, past=past)} WITH m.urn AS urn, distance ORDER BY distance, urn LIMIT $limit "
            "RETURN collect([urn, distance]) AS rows")


@cache
def reach(direction: str, families: tuple[Family, ...], depth: int | None, *, past: bool) -> str:
    """A whole walk in one query: nodes with distance, each with its edges to upstream and the number of its distinct downstream neighbours.

    The first row has what `glance` gives and says where the graph stood before the walk, the last one where it stood after it.
    """
    kinds, visible = _types(families, past=past), " WHERE r.from <= $at AND r.to > $at" if past else ""
    return (f"MATCH (p:Position {{id: 0}}) WITH [p.size, p.closings] AS before, {_glance(past=past)} AS glance "
            f"CALL (before) {{ {_search(direction, families, depth, past=past)} "
            "WITH m, distance ORDER BY distance, m.urn LIMIT $limit RETURN collect([m, distance]) AS found } "
            f"UNWIND range(0, size(found), {PART}) AS start CALL (found, start) {{ UNWIND found[start..start + {PART}] AS each "
            "WITH each[0] AS m, each[1] AS distance WITH collect([m.urn, distance, "
            f"COLLECT {{ MATCH (m)-[r:{kinds}]->(o){visible} RETURN [type(r), o.urn, properties(r)] LIMIT $edges }}, "
            f"{_downstream(families, past=past)}]) AS rows "
            "MATCH (p:Position {id: 0}) RETURN rows, [p.size, p.closings] AS after } "
            "RETURN before, CASE start WHEN 0 THEN glance END AS glance, rows, after")


def _downstream(families: tuple[Family, ...], *, past: bool) -> str:
    """The number of distinct downstream neighbours of `m`.

    How many edges a node has, Neo4j knows without reading them: the dataset above may have a hundred thousand readers. That number is also
    the one at `$at` where no edge to it came or went since, if the graph stands `$still`; else what was open is told from what was closed without
    reading where an open one ends.
    """
    looked = f"COUNT {{ MATCH (m)<-[r:{_types(families, past=past)}]-(o){' WHERE r.from <= $at AND r.to > $at' if past else ''} RETURN DISTINCT o }}"
    current, ended = "|".join(families), "|".join(PAST[family] for family in families)
    known = f"COUNT {{ (m)<-[:{current}]-() }}"
    if not past:
        return f"CASE WHEN m.single IS NOT NULL THEN {known} ELSE {looked} END"
    return (f"CASE WHEN $still AND m.single <= $at THEN {known} WHEN m.single >= 0 THEN COUNT {{ (m)<-[r:{current}]-() WHERE r.from <= $at }} "
            f"+ COUNT {{ (m)<-[r:{ended}]-() WHERE r.from <= $at AND r.to > $at }} ELSE {looked} END")


def _search(direction: str, families: tuple[Family, ...], depth: int | None, *, past: bool) -> str:
    walk = _arrow(direction, f":{_types(families, past=past)}*0..{'' if depth is None else depth}")
    visible = "WHERE all(r IN relationships(p) WHERE r.from <= $at AND r.to > $at) " if past else ""
    return (f"UNWIND $roots AS root MATCH (s:Entity {{urn: root}}) USING INDEX SEEK s:Entity(urn) WHERE s.from <= $at MATCH p = (s){walk}(m) {visible}"
            "WITH m, min(length(p)) AS distance")


# `found` relationships, some per record
_EDGES = (f"UNWIND range(0, size(found) - 1, {PART}) AS start "
          f"RETURN [r IN found[start..start + {PART}] | [type(r), startNode(r).urn, endNode(r).urn, properties(r)]] AS rows")


@cache
def changed(direction: str, families: tuple[Family, ...]) -> str:
    """The edges of `$urns` that began or ended within a window."""
    return (f"UNWIND $urns AS urn MATCH (n:Entity {{urn: urn}}){_arrow(direction, 'r:' + _types(families, past=True))}(o) "
            "WHERE (r.from > $start AND r.from <= $end) OR (r.to > $start AND r.to <= $end) "
            f"WITH r ORDER BY r.key, r.from LIMIT $limit WITH collect(r) AS found {_EDGES}")


@cache
def near(direction: str, families: tuple[Family, ...], *, past: bool) -> str:
    """The edges of `$urns`."""
    where = "WHERE r.from <= $at AND r.to > $at " if past else ""
    return (f"UNWIND $urns AS urn MATCH (n:Entity {{urn: urn}}){_arrow(direction, 'r:' + _types(families, past=past))}(o) {where}"
            f"WITH r ORDER BY r.key, r.from LIMIT $limit WITH collect(r) AS found {_EDGES}")


@cache
def claims(direction: str, *, past: bool) -> str:
    """[urn, via, basis, status, subtype] of the dataset edges of URNs, each once. Strings are what a relationship costs most to read, so only these are."""
    where = "WHERE r.from <= $at AND r.to > $at " if past else ""
    return (f"UNWIND $parts AS part CALL (part) {{ UNWIND part AS urn "
            f"MATCH (n:Entity {{urn: urn}}){_arrow(direction, 'r:' + _types(('DERIVED_FROM',), past=past))}(o) {where}"
            "WITH DISTINCT urn, r.via AS via, r.basis AS basis, r.status AS status, r.subtype AS subtype LIMIT $limit "
            "WITH collect([urn, via, basis, status, subtype]) AS rows MATCH (p:Position {id: 0}) RETURN rows, p.size AS size } RETURN rows, size")


@cache
def path_length(direction: str, families: tuple[Family, ...], *, past: bool) -> str:
    """The length of a shortest path, found from both ends at once."""
    visible = "WHERE all(r IN relationships(p) WHERE r.from <= $at AND r.to > $at) " if past else ""
    walk = _arrow(direction, f":{_types(families, past=past)}*1..")
    return (f"MATCH (s:Entity {{urn: $start}}) MATCH (e:Entity {{urn: $end}}) MATCH p = shortestPath((s){walk}(e)) {visible}"
            f"RETURN length(p) AS length")


@cache
def links(end: Literal["src", "dst"], *, typed: bool) -> str:
    """The newest `$limit` links of each node and type."""
    pattern = "(n)-[r]->(o:Entity)" if end == "src" else "(n)<-[r]-(o:Entity)"
    kind = "type(r) IN $types" if typed else f"NOT type(r) IN {_EDGE_TYPES}"
    return (f"UNWIND $urns AS urn MATCH (n:Entity {{urn: urn}}) WHERE n.from <= $at MATCH {pattern} WHERE {kind} AND r.from <= $at "
            "WITH urn, type(r) AS type, r, o.urn AS other ORDER BY r.from DESC, other "
            "WITH urn, type, collect([other, r.from, r.props])[..$limit] AS newest RETURN urn, type, newest")


@cache
def entries(fields: tuple[str, ...]) -> str:
    """Entry records by index."""
    wanted = "".join(f"AND e.{name} = ${name} " for name in fields)
    index = f"{fields[0]}, index" if fields else "index"
    return (f"MATCH (e:Entry) USING INDEX SEEK e:Entry({index}) WHERE e.index >= $start AND e.index < $stop {wanted}"
            "AND ($types IS NULL OR e.event_type IN $types) RETURN e.body AS body ORDER BY e.index LIMIT $limit")
