"""Column lineage of a statement that runs on DuckDB: tables and columns from the connection, positions in the calling file."""
from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ingest_hooks import facets
from ingest_hooks.errors import GitError
from ingest_hooks.git import GitRepository

if TYPE_CHECKING:
    from ingest_hooks.step import Dataset

__all__ = ["SqlFacts", "sql_facts"]

_EMPTIES = re.compile(r"\s*(truncate\b|delete\s+from\s+\S+\s*;?\s*$)", re.IGNORECASE)  # of a table


class Connection(Protocol):
    """What we need of a DuckDB connection."""

    def cursor(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class SqlFacts:
    """Datasets a statement reads and the one it writes, with the facets of that one. `replaces`: nothing of what was in it before is left."""

    inputs: tuple[Dataset, ...]
    output: Dataset | None
    output_facets: dict[str, Any] = field(default_factory=dict)
    replaces: bool = False


def sql_facts(connection: Connection, sql: str, caller: Path, known: Sequence[Dataset], namespace: str) -> SqlFacts:
    """Read `sql` before it runs. Needs the `sql` extra.

    Args:
        connection: gives the tables and columns as they are now (through a cursor of its own, so results in flight stay).
        sql: one statement.
        caller: the Python file that holds the text; positions refer to it if the text stands there literally, once.
        known: datasets declared by the step; a table is one of them if their dotted names end alike.
        namespace: of tables that are none of those.
    """
    from ingest_hooks.sql import column_lineage

    lineage = column_lineage(sql, dialect="duckdb", schema=_tables(connection))

    def dataset(table: str) -> Dataset:
        return _dataset(table, known, namespace)

    inputs = tuple(dict.fromkeys(dataset(table) for table in lineage.inputs))
    if lineage.output is None:
        return SqlFacts(inputs, None)
    file, relocate = _place(sql, caller)
    written = {"columnLineage": facets.column_lineage(lineage, dataset),
               "lineproof_columns": facets.columns(lineage, file=file, relocate=relocate, name_of=dataset)}
    return SqlFacts(inputs, dataset(lineage.output), written, lineage.statement.startswith("create") or _EMPTIES.match(sql) is not None)


def _tables(connection: Connection) -> dict[str, dict[str, str]]:
    tables: dict[str, dict[str, str]] = {}
    cursor = connection.cursor()
    try:
        rows = cursor.execute("select schema_name, table_name, column_name, data_type from duckdb_columns() where not internal "
                              "and database_name = current_database() order by schema_name, table_name, column_index").fetchall()
    finally:
        cursor.close()
    for schema, table, column, kind in rows:
        tables.setdefault(f"{schema}.{table}", {})[column] = kind
    return tables


def _dataset(table: str, known: Sequence[Dataset], namespace: str) -> Dataset:
    from ingest_hooks.step import Dataset

    parts = table.casefold().split(".")
    for candidate in known:
        other = candidate.name.casefold().split(".")
        shared = min(len(parts), len(other))
        if parts[-shared:] == other[-shared:]:
            return candidate
    return Dataset(namespace, table)


def _place(sql: str, caller: Path) -> tuple[str | None, facets.Relocate]:
    """The file to name, and how positions of the statement become positions in it. Without a literal match: no file, statement positions."""
    try:
        text = caller.read_text(encoding="utf-8")
    except (OSError, ValueError):
        text = ""
    if text.count(sql) != 1:
        return None, lambda line, column: (line, column)
    before = text[: text.index(sql)]
    first_line, first_column = before.count("\n"), len(before) - (before.rfind("\n") + 1)

    def relocate(line: int | None, column: int | None) -> tuple[int | None, int | None]:
        if line is None:
            return None, None
        return line + first_line, column + first_column if column is not None and line == 1 else column

    try:
        return GitRepository(caller).relative(caller) or caller.name, relocate
    except GitError:
        return caller.name, relocate
