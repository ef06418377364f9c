"""Every SQL statement of the graph, written once for both dialects.

`Dialect.render` fills the few places in which they differ:

- `{ids}` / `{texts}`: a list parameter as a table `f(value)`: `json_each(?)` or `unnest(%s::bigint[])`;
- `?`: a scalar parameter.

`CROSS JOIN … WHERE` is an inner join that SQLite takes in the written order: from the list to an index, never a scan.
"""
# ruff: noqa: S608 - the texts are composed of constants of this module; values are always parameters
from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import orjson

from metadata_service.graph.ops import OPEN


@dataclass(frozen=True, slots=True)
class Insert:
    """Rows for a table. `columns` with their types on PostgreSQL; `conflict` says what becomes of rows that are there."""

    table: str
    columns: str
    conflict: str = ""


_NEAR = {"UPSTREAM": ("down_id", "up_id"), "DOWNSTREAM": ("up_id", "down_id")}
_EDGE = "e.id, e.key, e.family, e.down_id, e.up_id, e.from_, e.opened_by, e.context_id, e.own"

POSITION = "SELECT size, root, digest FROM graph_position WHERE id = 0"
MOVE = "UPDATE graph_position SET size = ?, root = ?, digest = ? WHERE id = 0"
FIRST_POSITION = "INSERT INTO graph_position (id, size, root, digest) VALUES (0, 0, ?, ?) ON CONFLICT DO NOTHING"

NODE_IDS = "SELECT n.urn, n.id, n.from_ FROM {texts} CROSS JOIN graph_node n WHERE n.urn = f.value"
EXISTING = "SELECT n.id, n.urn, n.tenant, n.from_ FROM {texts} CROSS JOIN graph_node n WHERE n.urn = f.value AND n.from_ <= ?"
URNS_OF = "SELECT n.id, n.urn FROM {ids} CROSS JOIN graph_node n WHERE n.id = f.value"
TOP_ID = {table: f"SELECT coalesce(max(id), 0) FROM graph_{table}" for table in ("node", "edge", "context")}

MAKE_EXIST = "UPDATE graph_node SET tenant = ?, from_ = ? WHERE id = ? AND from_ IS NULL"
END_REVISION = f"UPDATE graph_revision SET to_ = ? WHERE node_id = ? AND fact = ? AND from_ = ? AND to_ = {OPEN}"
DROP_REVISION = f"DELETE FROM graph_revision WHERE node_id = ? AND fact = ? AND from_ = ? AND to_ = {OPEN}"
CONTEXT_IDS = "SELECT c.hash, c.id FROM {texts} CROSS JOIN graph_context c WHERE c.hash = f.value"
CLOSE_EDGE = f"UPDATE graph_edge SET to_ = ? WHERE key = ? AND from_ = ? AND to_ = {OPEN}"
DROP_EDGE = f"DELETE FROM graph_edge WHERE key = ? AND from_ = ? AND to_ = {OPEN}"
DROP_STATE = "DELETE FROM graph_state WHERE key = ?"

ADD_NODE = Insert("node", "id bigint, urn text, kind text, namespace text, sort_name text, folded text, tenant text, from_ bigint")
ADD_REVISION = Insert("revision", "node_id bigint, fact text, from_ bigint, to_ bigint, value text",
                      f"ON CONFLICT (node_id, fact, from_) DO UPDATE SET to_ = excluded.to_ WHERE graph_revision.to_ = {OPEN}")
ADD_CONTEXT = Insert("context", "id bigint, hash text, body text")
ADD_EDGE = Insert("edge", "id bigint, key text, family smallint, down_id bigint, up_id bigint, from_ bigint, to_ bigint, opened_by bigint, "
                  "context_id bigint, own text",
                  f"ON CONFLICT (key, from_) DO UPDATE SET to_ = excluded.to_ WHERE graph_edge.to_ = {OPEN}")
ADD_LINK = Insert("link", "src_id bigint, type text, dst_id bigint, from_ bigint, props text", "ON CONFLICT DO NOTHING")
PUT_STAT = Insert("set_stat", "set_id text, last_seen bigint, runs bigint",
                  "ON CONFLICT (set_id) DO UPDATE SET last_seen = excluded.last_seen, runs = excluded.runs")
ADD_TOUCH = Insert("touch", "node_id bigint, idx bigint, role text",
                   "ON CONFLICT (node_id, idx) DO UPDATE SET role = excluded.role WHERE graph_touch.role <> 'subject'")
ADD_ENTRY = Insert("entry", "idx bigint, received bigint, event_type text, actor text, commit_urn text, body text",
                   "ON CONFLICT (idx) DO UPDATE SET received = excluded.received, event_type = excluded.event_type, actor = excluded.actor, "
                   "commit_urn = excluded.commit_urn, body = excluded.body")
PUT_STATE = Insert("state", "key text, value text", "ON CONFLICT (key) DO UPDATE SET value = excluded.value")

STATES = "SELECT s.key, s.value FROM {texts} CROSS JOIN graph_state s WHERE s.key = f.value"
LINK_EXISTS = ("SELECT 1 FROM graph_node s CROSS JOIN graph_node d CROSS JOIN graph_link l "
               "WHERE s.urn = ? AND d.urn = ? AND l.src_id = s.id AND l.type = ? AND l.dst_id = d.id")
FACTS_NOW = f"SELECT r.node_id, r.fact, r.value, r.from_ FROM {{ids}} CROSS JOIN graph_revision r WHERE r.node_id = f.value AND r.to_ = {OPEN}"
FACTS_AT = "SELECT r.node_id, r.fact, r.value, r.from_ FROM {ids} CROSS JOIN graph_revision r WHERE r.node_id = f.value AND r.from_ <= ? AND r.to_ > ?"
REVISIONS = ("SELECT r.fact, r.value, r.from_, r.to_ FROM graph_node n CROSS JOIN graph_revision r "
             "WHERE n.urn = ? AND r.node_id = n.id AND r.from_ <= ? ORDER BY r.from_, r.fact")
SET_STATS = "SELECT s.set_id, s.last_seen, s.runs FROM {texts} CROSS JOIN graph_set_stat s WHERE s.set_id = f.value"
LISTED = "SELECT urn FROM graph_node WHERE urn > ? AND urn < ? AND from_ <= ? ORDER BY urn LIMIT ?"
CONTEXTS = "SELECT c.id, c.body FROM {ids} CROSS JOIN graph_context c WHERE c.id = f.value"
EDGES_BY_ID = f"SELECT {_EDGE} FROM {{ids}} CROSS JOIN graph_edge e WHERE e.id = f.value"
CONCERNED = ("SELECT n.urn, t.role, x.body FROM {ids} CROSS JOIN graph_touch t CROSS JOIN graph_node n CROSS JOIN graph_entry x "
             "WHERE t.idx = f.value AND n.id = t.node_id AND x.idx = t.idx ORDER BY t.idx, n.urn")
OUTCOME = "SELECT body FROM graph_entry WHERE idx = ?"
SIZE_AT = "SELECT idx + 1 FROM graph_entry WHERE received <= ? ORDER BY received DESC, idx DESC LIMIT 1"

ALL_NODES = "SELECT urn, tenant, from_ FROM graph_node WHERE from_ IS NOT NULL"
ALL_REVISIONS = "SELECT n.urn, r.fact, r.value, r.from_, r.to_ FROM graph_revision r JOIN graph_node n ON n.id = r.node_id"
ALL_EDGES = ("SELECT e.family, d.urn, u.urn, e.from_, e.opened_by, e.to_, c.body, e.own FROM graph_edge e JOIN graph_node d ON d.id = e.down_id "
             "JOIN graph_node u ON u.id = e.up_id JOIN graph_context c ON c.id = e.context_id")
ALL_LINKS = "SELECT l.type, s.urn, d.urn, l.from_, l.props FROM graph_link l JOIN graph_node s ON s.id = l.src_id JOIN graph_node d ON d.id = l.dst_id"
COUNTS = {
    "nodes": "SELECT count(*) FROM graph_node WHERE from_ IS NOT NULL",
    "edges": f"SELECT count(*) FROM graph_edge WHERE to_ = {OPEN}",
    "past_edges": f"SELECT count(*) FROM graph_edge WHERE to_ <> {OPEN}",
    "revisions": "SELECT count(*) FROM graph_revision",
    "links": "SELECT count(*) FROM graph_link",
    "entries": "SELECT count(*) FROM graph_entry",
}
WIPE = tuple(f"DELETE FROM graph_{table}" for table in ("node", "revision", "context", "edge", "link", "set_stat", "touch", "entry", "state"))
_ALL_TABLES = ", ".join(statement.removeprefix("DELETE FROM ") for statement in WIPE)
COMPACT = {"sqlite": ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"), "postgresql": (f"VACUUM (FULL) {_ALL_TABLES}",)}
ANALYZE = "ANALYZE graph_node, graph_revision, graph_context, graph_edge, graph_link, graph_touch, graph_entry"  # PostgreSQL


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a database writes list parameters and markers."""

    name: Literal["sqlite", "postgresql"]

    def render(self, template: str) -> str:
        """The statement in this dialect."""
        return _render(self.name, template)

    def insert(self, into: Insert, rows: int = 1) -> str:
        """The statement that adds rows: so many of them on SQLite, an array per column on PostgreSQL."""
        return _insert(self.name, into, rows)

    def many(self, values: Iterable[Any]) -> Any:
        """A list parameter for `{ids}` or `{texts}`."""
        return orjson.dumps(list(values)).decode() if self.name == "sqlite" else list(values)


@cache
def _render(dialect: str, template: str) -> str:
    if dialect == "sqlite":
        return template.replace("{ids}", "json_each(?) AS f").replace("{texts}", "json_each(?) AS f")
    # %b: the driver writes an array in binary at a seventh of the cost of its text
    return template.replace("?", "%s").replace("{ids}", "unnest(%b::bigint[]) AS f(value)").replace("{texts}", "unnest(%b::text[]) AS f(value)")


@cache
def _insert(dialect: str, into: Insert, number: int) -> str:
    names, types = zip(*(column.split(" ") for column in into.columns.split(", ")), strict=True)
    one = f"({marks(len(names))})"
    rows = f"VALUES {', '.join([one] * number)}" if dialect == "sqlite" else f"SELECT * FROM unnest({', '.join(f'%b::{kind}[]' for kind in types)})"
    return f"INSERT INTO graph_{into.table} ({', '.join(names)}) {rows} {into.conflict}"


@cache
def step(direction: str, families: frozenset[int], shape: Literal["far", "count", "claims", "edges"], *, past: bool, single: bool = False) -> str:
    """One step of a walk, from a list of node ids, or from a single one: along a chain, half of a step's time goes into the list.

    `far`: far ids, those of a list each once; `count`: (near, number of distinct far); `claims`: distinct (near, context id, own); `edges`: whole rows.
    Parameters: ids; in the past: ids, at, ids, at, at; `claims`: and a limit.
    """
    near, far = _NEAR[direction]
    columns = {"far": f"e.{far} AS far", "count": f"e.{near} AS near, e.{far} AS far",
               "claims": f"e.{near} AS near, e.context_id AS context, e.own AS own", "edges": _EDGE}
    source = f"graph_edge e WHERE e.{near} = ?" if single else f"{{ids}} CROSS JOIN graph_edge e WHERE e.{near} = f.value"
    family = "" if len(families) == 2 else f" AND e.family = {min(families)}"
    both = " UNION ALL ".join(_visible(f"SELECT {columns[shape]} FROM {source}{family}", past=past))
    match shape:
        case "count":
            return f"SELECT near, count(DISTINCT far) FROM ({both}) AS step GROUP BY near"
        case "far" if not single:
            return f"SELECT DISTINCT far FROM ({both}) AS step"
        case "claims":
            return f"SELECT DISTINCT near, context, own FROM ({both}) AS step LIMIT ?"
        case _:
            return both


@cache
def count_in_order(direction: str, families: frozenset[int], *, past: bool) -> str:
    """What `step` gives as `count`, for SQLite, with zeros.

    The index has the current neighbours of a node in order, family by family: asked for in that order, they are counted as they come, and those of several
    families merged. Grouped, the readers of a hub go through a tree in memory, which takes four times as long. Of edges that ended, few are visible at a
    position: those neighbours are counted that are not among the current ones. PostgreSQL takes twice as long this way. Parameters: `at` for every `?`; ids.
    """
    near, far = _NEAR[direction]
    scans = [f"SELECT e.{far} AS far FROM graph_edge e WHERE e.{near} = f.value AND e.family = {family}" for family in sorted(families)]
    if len(scans) > 1:
        every = " UNION ".join(each for scan in scans for each in _visible(scan, past=past))
        return f"SELECT f.value, (SELECT count(*) FROM ({every} ORDER BY far) AS step) FROM {{ids}}"
    now, *ended = _visible(scans[0], past=past)
    still = f"SELECT 1 FROM graph_edge n WHERE n.{near} = f.value AND n.family = {min(families)} AND n.{far} = e.{far} AND n.to_ = {OPEN} AND n.from_ <= ?"
    counted = " + ".join(f"(SELECT count(DISTINCT far) FROM ({scan}) AS step)" for scan in (now, *(f"{each} AND NOT EXISTS ({still})" for each in ended)))
    return f"SELECT f.value, {counted} FROM {{ids}}"


def _visible(scan: str, *, past: bool) -> tuple[str, ...]:
    """`scan` of edges, once of those that are current and once of those that ended. Parameters in the past: at; at, at."""
    return (f"{scan} AND e.to_ = {OPEN} AND e.from_ <= ?", f"{scan} AND e.to_ <> {OPEN} AND e.from_ <= ? AND e.to_ > ?") if past else (
        f"{scan} AND e.to_ = {OPEN}",)


@cache
def changed(direction: str, families: frozenset[int]) -> str:
    """(edge id, to) of edges that began or ended within a window. Parameters: ids, start, end, ids, start, end, start, end."""
    family = "" if len(families) == 2 else f" AND e.family = {min(families)}"
    scan = f"SELECT e.id, e.to_ FROM {{ids}} CROSS JOIN graph_edge e WHERE e.{_NEAR[direction][0]} = f.value{family} AND e.to_"
    began = "e.from_ > ? AND e.from_ <= ?"
    return f"{scan} = {OPEN} AND {began} UNION ALL {scan} <> {OPEN} AND (({began}) OR (e.to_ > ? AND e.to_ <= ?))"


@cache
def links(end: Literal["src", "dst"], types: int | None) -> str:
    """The newest links of some nodes: per node and type all that are no older than the newest `limit`.

    Types are found by hopping through the index, so that a dataset with a million versions costs a few rows. Parameters: ids, `types` names, at, at, limit - 1.
    """
    other = "dst" if end == "src" else "src"
    chosen = "" if types is None else f" AND k.type IN ({marks(types)})"
    return (f"WITH RECURSIVE k(node, type) AS (SELECT f.value, (SELECT min(l.type) FROM graph_link l WHERE l.{end}_id = f.value) FROM {{ids}} "
            f"UNION ALL SELECT k.node, (SELECT min(l.type) FROM graph_link l WHERE l.{end}_id = k.node AND l.type > k.type) FROM k WHERE k.type IS NOT NULL) "
            f"SELECT k.node, k.type, o.urn, l.from_, l.props FROM k CROSS JOIN graph_link l CROSS JOIN graph_node o "
            f"WHERE k.type IS NOT NULL{chosen} AND l.{end}_id = k.node AND l.type = k.type AND o.id = l.{other}_id AND l.from_ <= ? AND l.from_ >= "
            f"coalesce((SELECT i.from_ FROM graph_link i WHERE i.{end}_id = k.node AND i.type = k.type AND i.from_ <= ? "
            "ORDER BY i.from_ DESC LIMIT 1 OFFSET ?), 0)")


@cache
def touched(types: int | None) -> str:
    """Indices of the next entries that concerned some URNs. Parameters: urns, start, end, `types` names, limit."""
    return f"SELECT DISTINCT t.idx FROM {_touches(types)} ORDER BY t.idx LIMIT ?"


@cache
def touch_rows(types: int | None) -> str:
    """Those entries. Parameters: urns, start, end, `types` names."""
    return f"SELECT n.urn, t.role, x.body FROM {_touches(types)} ORDER BY t.idx, n.urn"


def _touches(types: int | None) -> str:
    chosen = "" if types is None else f" AND x.event_type IN ({marks(types)})"
    return ("{texts} CROSS JOIN graph_node n CROSS JOIN graph_touch t CROSS JOIN graph_entry x "
            f"WHERE n.urn = f.value AND t.node_id = n.id AND t.idx >= ? AND t.idx < ? AND x.idx = t.idx{chosen}")


@cache
def entries(columns: tuple[str, ...], types: int | None) -> str:
    """Entry records. Parameters: start, end, one per column, `types` names, limit."""
    wanted = "".join(f" AND {column} = ?" for column in columns) + ("" if types is None else f" AND event_type IN ({marks(types)})")
    return f"SELECT body FROM graph_entry WHERE idx >= ? AND idx < ?{wanted} ORDER BY idx LIMIT ?"


@cache
def search(kinds: int | None, *, prefixes: bool, after: bool) -> str:
    """Nodes by (name, urn). Parameters: pattern, name and urn to continue after, `kinds` names, prefixes, limit."""
    wanted = (" AND (n.sort_name, n.urn) > (?, ?)" if after else "") + ("" if kinds is None else f" AND n.kind IN ({marks(kinds)})")
    if prefixes:
        wanted += " AND EXISTS (SELECT 1 FROM {texts} WHERE substr(n.namespace, 1, length(f.value)) = f.value)"
    return (f"SELECT n.id, n.urn, n.tenant, n.from_, n.sort_name FROM graph_node n WHERE n.from_ IS NOT NULL AND n.folded LIKE ? ESCAPE '\\'{wanted} "
            "ORDER BY n.sort_name, n.urn LIMIT ?")


def marks(number: int) -> str:
    """`number` parameter markers; for an empty list a value that equals nothing."""
    return ", ".join("?" * number) if number else "NULL"


def contains(text: str) -> str:
    """The LIKE pattern of a text anywhere."""
    for special in ("\\", "%", "_"):
        text = text.replace(special, "\\" + special)
    return f"%{text}%"


def family_ids(families: Collection[str], numbers: dict[str, int]) -> frozenset[int]:
    """The numbers of edge families."""
    return frozenset(numbers[family] for family in families)
