"""Queries made ready to be resolved: positions and names noted as written, base tables named, items written out, columns qualified."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlglot import exp
from sqlglot.optimizer.normalize_identifiers import normalize_identifiers
from sqlglot.optimizer.qualify import qualify
from sqlglot.schema import MappingSchema

from ingest_hooks.sql.columns.expand import expand_items
from ingest_hooks.sql.columns.naming import name_tables
from ingest_hooks.sql.columns.positions import remember_positions
from ingest_hooks.sql.columns.tables import SchemaIndex, Tables, remember_names
from ingest_hooks.sql.forms.nodes import Nodes

__all__ = ["prepare"]

_DOTTED: Final = frozenset({"athena", "bigquery", "clickhouse", "databricks", "duckdb", "hive", "presto", "redshift", "spark", "spark2", "trino"})
_NO_LATERAL = frozenset({"athena", "bigquery", "mysql", "oracle", "postgres", "presto", "sqlite", "trino", "tsql"})  # an item cannot read the one before it

_NO_WHOLE_ROWS: Final = frozenset({"athena", "databricks", "fabric", "hive", "mysql", "oracle", "presto", "redshift", "snowflake", "spark", "spark2", "trino",
                                   "tsql"})


def prepare(queries: Sequence[exp.Query], index: SchemaIndex, dialect: str | None, variables: frozenset[str]) -> tuple[list[exp.Expr], Tables]:
    """The queries with every column under the table it belongs to, as far as `index` says, and their base tables. Changes them in place."""

    def folded(name: str) -> str:
        """A name without quotes, as the dialect reads it."""
        found: str = normalize_identifiers(exp.to_identifier(name, quoted=False), dialect=dialect).name
        return found

    normal: list[exp.Expr] = []
    schemas: set[tuple[str, str]] = set()
    written: dict[str, str] = {}
    given: dict[str, str] = {}
    walked = [Nodes(query) for query in queries]
    for query, nodes in zip(queries, walked, strict=True):
        schemas |= remember_names(nodes)
        remember_positions(nodes)
        spelled = [(identifier, identifier.name) for identifier in _column_names(nodes)]
        named = [(identifier, identifier.name) for identifier in _given_names(nodes)]
        normal.append(normalize_identifiers(query, dialect=dialect, store_original_column_identifiers=True))
        for identifier, as_written in spelled:
            written.setdefault(identifier.name, as_written)
        for identifier, as_written in named:
            given.setdefault(identifier.name, as_written)
    tables = name_tables(normal, index, written, folded, variables)
    tables.given.update(given)
    tables.dotted, tables.unnests_fields = dialect in _DOTTED, dialect == "bigquery"
    tables.lateral, tables.whole_rows = dialect not in _NO_LATERAL, dialect not in _NO_WHOLE_ROWS
    for nodes in walked:
        _drop_qualifiers(nodes, schemas)
        expand_items(nodes, tables, dialect)
    schema = MappingSchema(tables.schema(dialect), dialect=dialect, normalize=False)
    # beside columns that nothing is known of a name may be theirs or an alias; sqlglot gives up on that, where `Resolver` looks for itself
    qualified: list[exp.Expr] = [qualify(query, dialect=dialect, schema=schema, validate_qualify_columns=False, identify=False, quote_identifiers=False,
                                         allow_partial_qualification=True, expand_alias_refs=not tables.open) for query in normal]
    for query in qualified:
        tables.take_back(query)
    return qualified, tables


def _column_names(nodes: Nodes) -> list[exp.Identifier]:
    """The identifiers that name columns, in the order of the tree."""
    names = [column.this for column in nodes.of(exp.Column) if isinstance(column.this, exp.Identifier)]
    names += [name for join in nodes.of(exp.Join) for name in join.args.get("using") or () if isinstance(name, exp.Identifier)]
    return names


def _given_names(nodes: Nodes) -> list[exp.Identifier]:
    """The identifiers that give columns their names."""
    names = [alias.args["alias"] for alias in nodes.of(exp.Alias) if isinstance(alias.args.get("alias"), exp.Identifier)]
    names += [column for alias in nodes.of(exp.TableAlias) for column in alias.columns if isinstance(column, exp.Identifier)]
    names += [column for pivot in nodes.of(exp.Pivot) for column in pivot.args.get("columns") or () if isinstance(column, exp.Identifier)]
    return names


def _drop_qualifiers(nodes: Nodes, schemas: set[tuple[str, str]]) -> None:
    """`main.orders.id` -> `orders.id`: the renamed tables have no schema part left to match. `alias.struct.field` stays."""
    for column in nodes.of(exp.Column):
        if column.args.get("db") is not None and (column.text("db").lower(), column.table.lower()) in schemas:
            column.set("db", None)
            column.set("catalog", None)
