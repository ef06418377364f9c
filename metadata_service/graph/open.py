"""Open a graph by URL."""
from __future__ import annotations

from urllib.parse import unquote, urlsplit

from lineproof_schema.errors import LineproofError
from metadata_service.graph.port import GraphStore

__all__ = ["open_graph"]

_NEO4J = {"neo4j", "neo4j+s", "neo4j+ssc", "bolt", "bolt+s", "bolt+ssc"}


def open_graph(url: str) -> GraphStore:
    """The graph at `url`; nothing is connected or created before the first call (`setup` creates tables or constraints).

    `sqlite:///path` · `postgresql://…` or `postgresql+psycopg://…` · `neo4j://user:password@host:port[/database]`, `bolt://…` and their `+s` forms.

    Raises:
        LineproofError: invalid-setting: another scheme, or the extra that it needs is not installed.
    """
    scheme, separator, _ = url.partition("://")
    if separator and scheme in _NEO4J:
        try:
            from metadata_service.graph.neo4j import Neo4jGraphStore
        except ImportError as error:
            raise LineproofError("a Neo4j graph needs the extra: pip install 'lineproof[neo4j]'", code="invalid-setting") from error
        parts = urlsplit(url)
        auth = None if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))
        host = parts.netloc.rpartition("@")[2]
        query = f"?{parts.query}" if parts.query else ""
        return Neo4jGraphStore(f"{scheme}://{host}{query}", auth, database=parts.path.strip("/") or "neo4j")
    if separator and scheme in ("sqlite", "postgresql", "postgresql+psycopg"):
        if scheme == "sqlite" and url.partition(":///")[2] in ("", ":memory:"):
            raise LineproofError("a graph in memory cannot be shared by threads; give a file: sqlite:///path", code="invalid-setting")
        from metadata_service.graph.sql import SqlGraphStore

        return SqlGraphStore(url)
    raise LineproofError(f"no graph can be opened at {scheme}://…; use sqlite:///, postgresql:// or neo4j://", code="invalid-setting")
