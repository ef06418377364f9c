"""Which SQL a plain event speaks: as its facet says, else by the place its data lies in, else by what ran it."""
from __future__ import annotations

from collections.abc import Iterable
from typing import Final

__all__ = ["dialect_of"]

_ALIASES: Final = {
    "athena": "athena", "awsathena": "athena", "bigquery": "bigquery", "clickhouse": "clickhouse", "databricks": "databricks", "duckdb": "duckdb",
    "googlesql": "bigquery", "hive": "hive", "mariadb": "mysql", "mssql": "tsql", "mysql": "mysql", "oracle": "oracle", "postgres": "postgres",
    "postgresql": "postgres", "presto": "presto", "redshift": "redshift", "snowflake": "snowflake", "spark": "spark", "spark_sql": "spark",
    "sparksql": "spark", "sqlite": "sqlite", "sqlserver": "tsql", "teradata": "teradata", "trino": "trino", "tsql": "tsql",
}  # by the names that facets, OpenLineage namespaces and integrations use
_GENERIC: Final = frozenset({"", "ansi", "generic", "sql"})


def dialect_of(said: str | None, namespaces: Iterable[str], integration: str | None) -> tuple[str | None, str | None]:
    """The parser's name of the dialect (None: the generic one), and why that may be wrong."""
    if said is not None:
        known = _known(said)
        return known, None if known is not None or said.strip().lower() in _GENERIC else f"unknown-dialect:{said[:40]}"
    places = {found for namespace in namespaces if (found := _known(namespace.partition(":")[0])) is not None}
    if len(places) == 1:
        return places.pop(), None
    return (_known(integration) if integration is not None else None), None


def _known(word: str) -> str | None:
    return _ALIASES.get(word.strip().lower().replace("-", "_").replace(" ", "_"))
