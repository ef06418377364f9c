"""Base tables of a statement, matched against the schema the caller gave.

Every base table in the working tree is renamed to `_t<n>` (its alias stays), so that lookups are exact however many parts the
statement and the schema spell out, and two tables of one name in two schemas never mix.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp
from sqlglot.optimizer.scope import traverse_scope

from ingest_hooks.sql.statement import table_name

__all__ = ["BaseTable", "SchemaIndex", "Tables", "name_tables", "remember_names", "written_tables"]

_ORIGINAL = "lineproof_name"
_FILE_READERS = ("read_", "parquet_scan", "csv_scan", "delta_scan", "iceberg_scan")


@dataclass(frozen=True, slots=True)
class BaseTable:
    """`columns`: normalised column name -> (name, type) as the schema has them; None if the schema does not know the table."""

    name: str
    columns: Mapping[str, tuple[str, str]] | None


class SchemaIndex:
    """Finds a table in the caller's schema by the longest matching tail of its dotted name, without regard to case."""

    def __init__(self, schema: Mapping[str, Mapping[str, str]] | None) -> None:
        self._schema = schema or {}
        self._by_tail: dict[str, list[str]] = {}
        for key in self._schema:
            parts = key.casefold().split(".")
            for start in range(len(parts)):
                self._by_tail.setdefault(".".join(parts[start:]), []).append(key)

    def find(self, name: str) -> str | None:
        """The one key whose tail is `name`, or whose whole is a tail of `name`; None if there is none or several."""
        wanted = name.casefold()
        if name in self._schema:
            return name
        parts = wanted.split(".")
        for start in range(len(parts)):
            tail = ".".join(parts[start:])
            found = self._by_tail.get(tail, [])
            if start:
                found = [key for key in found if key.casefold() == tail]
            if len(found) == 1:
                return found[0]
            if found:
                return None
        return None

    def columns(self, key: str) -> Mapping[str, str]:
        """Column name -> type of a table, in order."""
        return self._schema[key]


@dataclass(slots=True)
class Tables:
    """The base tables of a statement by their synthetic names."""

    by_id: dict[str, BaseTable] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)

    def of(self, table: exp.Table) -> BaseTable | None:
        """The base table behind a renamed table node; None for table functions."""
        return self.by_id.get(table.name)

    def schema(self) -> dict[str, dict[str, str]]:
        """The schema of the renamed tables, for sqlglot."""
        return {key: {name: kind for name, (_, kind) in table.columns.items()} for key, table in self.by_id.items() if table.columns}


def remember_names(tree: exp.Expr) -> set[tuple[str, str]]:
    """Keep each table's name as written, before identifiers are normalised. Returns the (schema, table) pairs, lower-case."""
    pairs: set[tuple[str, str]] = set()
    for table in tree.find_all(exp.Table):
        table.meta[_ORIGINAL] = table_name(table)
        if table.db:
            pairs.add((table.db.lower(), table.name.lower()))
    return pairs


def written_tables(tree: exp.Expr) -> set[str]:
    """Names of the base tables as written, after `remember_names`, for a query that could not be resolved."""
    ctes = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    names = {str(table.meta.get(_ORIGINAL) or table_name(table)) for table in tree.find_all(exp.Table)}
    return {name for name in names if name and name.lower() not in ctes}


def name_tables(queries: Sequence[exp.Expr], index: SchemaIndex) -> Tables:
    """Rename the base tables of already normalised queries in place."""
    tables = Tables()
    ids: dict[tuple[str, str], str] = {}
    seen: set[int] = set()
    for query in queries:
        for scope in traverse_scope(query):
            for source in list(scope.sources.values()):
                if not isinstance(source, exp.Table) or id(source) in seen or (source.name in scope.cte_sources and not source.db):
                    continue
                seen.add(id(source))
                _rename(source, index, tables, ids)
    return tables


def _rename(table: exp.Table, index: SchemaIndex, tables: Tables, ids: dict[tuple[str, str], str]) -> None:
    written = _file_name(table) or table.meta.get(_ORIGINAL) or table_name(table)
    if not isinstance(table.this, exp.Identifier) and _file_name(table) is None:
        return  # a table function: generate_series(…), range(…)
    if isinstance(table.this, exp.Identifier) and not table.alias:
        table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name)))
    key = index.find(written)
    identity = (key or written, "key" if key else "name")
    synthetic = ids.get(identity)
    if synthetic is None:
        synthetic = ids[identity] = f"_t{len(ids)}"
        columns: Mapping[str, tuple[str, str]] | None = None
        if key is not None:
            columns = {name.lower(): (name, kind) for name, kind in index.columns(key).items()}
        tables.by_id[synthetic] = BaseTable(key or written, columns)
        tables.names.append(key or written)
    table.set("this", exp.to_identifier(synthetic))
    table.set("db", None)
    table.set("catalog", None)


def _file_name(table: exp.Table) -> str | None:
    """`read_csv('x.csv')` and `read_parquet('x')` are tables named by their file."""
    if not isinstance(table.this, exp.Func):
        return None
    literal = table.this.find(exp.Literal)
    name = table.this.name if isinstance(table.this, exp.Anonymous) else table.this.sql_name()
    return literal.name if literal is not None and literal.is_string and name.lower().startswith(_FILE_READERS) else None
