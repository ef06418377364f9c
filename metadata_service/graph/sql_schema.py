"""Tables of the SQL graph (SQLite and PostgreSQL).

URNs are long and walks are many, so everything refers to nodes by integer id; `graph_node` is also the dictionary of URNs that are only
mentioned (a touch of an entity that never came to exist): those have no `from_`.
What is current has partial indexes of its own, so that "now" reads nothing that ended. All text sorts by bytes on both databases.
"""
from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, SmallInteger, Table, Text, text
from sqlalchemy.types import TypeEngine

from metadata_service.graph.ops import OPEN

__all__ = ["FAMILIES", "METADATA"]

FAMILIES = {"DERIVED_FROM": 0, "COLUMN_DERIVED_FROM": 1}

METADATA = MetaData()
_BYTES = Text().with_variant(Text(collation="C"), "postgresql")  # SQLite compares by bytes by default
_ID: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")  # INTEGER PRIMARY KEY is SQLite's own row id
_CURRENT = text(f"to_ = {OPEN}")
_PAST = text(f"to_ <> {OPEN}")

Table("graph_position", METADATA,
      Column("id", SmallInteger, primary_key=True), Column("size", BigInteger, nullable=False), Column("root", _BYTES, nullable=False),
      Column("digest", _BYTES, nullable=False))

Table("graph_node", METADATA,
      Column("id", _ID, primary_key=True, autoincrement=False), Column("urn", _BYTES, nullable=False, unique=True),
      Column("kind", _BYTES, nullable=False), Column("namespace", _BYTES, nullable=False), Column("sort_name", _BYTES, nullable=False),
      Column("folded", _BYTES, nullable=False), Column("tenant", _BYTES), Column("from_", BigInteger),
      Index("graph_node_search", "sort_name", "urn"))

_revision = Table("graph_revision", METADATA,
                  Column("node_id", BigInteger, primary_key=True), Column("fact", _BYTES, primary_key=True), Column("from_", BigInteger, primary_key=True),
                  Column("to_", BigInteger, nullable=False), Column("value", _BYTES, nullable=False))
Index("graph_revision_now", _revision.c.node_id, sqlite_where=_CURRENT, postgresql_where=_CURRENT)

# What the edges of one set have in common is kept once.
Table("graph_context", METADATA,
      Column("id", _ID, primary_key=True, autoincrement=False), Column("hash", _BYTES, nullable=False, unique=True), Column("body", _BYTES, nullable=False))

_edge = Table("graph_edge", METADATA,
              Column("id", _ID, primary_key=True, autoincrement=False), Column("key", _BYTES, nullable=False), Column("family", SmallInteger, nullable=False),
              Column("down_id", BigInteger, nullable=False), Column("up_id", BigInteger, nullable=False), Column("from_", BigInteger, nullable=False),
              Column("to_", BigInteger, nullable=False), Column("opened_by", BigInteger, nullable=False), Column("context_id", BigInteger, nullable=False),
              Column("own", _BYTES),
              Index("graph_edge_key", "key", "from_", unique=True))
for _near, _far in (("down_id", "up_id"), ("up_id", "down_id")):  # both orders cover a walk: it never touches the table itself
    # (`to_` is constant in the first, but SQLite would look it up in the table)
    Index(f"graph_edge_now_{_near}", _edge.c[_near], _edge.c.family, _edge.c[_far], _edge.c.from_, _edge.c.to_, sqlite_where=_CURRENT,
          postgresql_where=_CURRENT, postgresql_include=["id"])
    Index(f"graph_edge_past_{_near}", _edge.c[_near], _edge.c.family, _edge.c.from_, _edge.c.to_, _edge.c[_far], sqlite_where=_PAST, postgresql_where=_PAST,
          postgresql_include=["id"])

_link = Table("graph_link", METADATA,
              Column("src_id", BigInteger, primary_key=True), Column("type", _BYTES, primary_key=True), Column("dst_id", BigInteger, primary_key=True),
              Column("from_", BigInteger, nullable=False), Column("props", _BYTES, nullable=False), sqlite_with_rowid=False)
Index("graph_link_out", _link.c.src_id, _link.c.type, _link.c.from_)
Index("graph_link_into", _link.c.dst_id, _link.c.type, _link.c.from_)

Table("graph_set_stat", METADATA,
      Column("set_id", _BYTES, primary_key=True), Column("last_seen", BigInteger, nullable=False), Column("runs", BigInteger, nullable=False))

_touch = Table("graph_touch", METADATA,
               Column("node_id", BigInteger, primary_key=True, autoincrement=False), Column("idx", BigInteger, primary_key=True, autoincrement=False),
               Column("role", _BYTES, nullable=False), sqlite_with_rowid=False)
TOUCH_BY_ENTRY = Index("graph_touch_entry", _touch.c.idx)

_entry = Table("graph_entry", METADATA,
               Column("idx", _ID, primary_key=True, autoincrement=False), Column("received", BigInteger, nullable=False),
               Column("event_type", _BYTES, nullable=False), Column("actor", _BYTES), Column("commit_urn", _BYTES), Column("body", _BYTES, nullable=False),
               Index("graph_entry_received", "received", "idx"))
Index("graph_entry_event_type", _entry.c.event_type, _entry.c.idx)
for _name in ("actor", "commit_urn"):  # most entries have neither
    _said = text(f"{_name} IS NOT NULL")
    Index(f"graph_entry_{_name}", _entry.c[_name], _entry.c.idx, sqlite_where=_said, postgresql_where=_said)

Table("graph_state", METADATA, Column("key", _BYTES, primary_key=True), Column("value", _BYTES, nullable=False))
