"""The DuckDB file after the run: columns, fingerprints, event times. Read only; what cannot be read is None, with a reason in the log."""
from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ingest_hooks.fp1 import Fingerprint, bit_digest, fingerprint_query
from ingest_hooks.retention import retained_relation
from lineproof_schema.errors import LineproofError

__all__ = ["EventTime", "Warehouse", "opened"]

logger = logging.getLogger("ingest_hooks")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class EventTime:
    """Smallest and largest event time; a timestamp without zone counts as UTC."""

    column: str
    min: datetime | None
    max: datetime | None


@dataclass(slots=True)
class Warehouse:
    """An open database. `columns`: `database.schema.table` -> column -> type, in order."""

    connection: Any
    columns: dict[str, dict[str, str]]
    _fingerprints: dict[str, Fingerprint | None] = field(default_factory=dict)

    def fingerprint(self, relation: str) -> Fingerprint | None:
        """fp1 of a table or view given as quoted SQL; taken once."""
        if relation not in self._fingerprints:
            self._fingerprints[relation] = self._guarded(relation, lambda: fingerprint_query(self.connection, f"select * from {relation}"))  # noqa: S608 - quoted by dbt
        return self._fingerprints[relation]

    def bits(self, relation: str) -> str | None:
        """The digest of the values in their order (level `bit`)."""
        found: str | None = self._guarded(relation, lambda: bit_digest(self.connection.sql(f"select * from {relation}").to_arrow_table()))  # noqa: S608
        return found

    def retained(self, relation: str, found: Fingerprint, name: str, keep: Callable[[bytes], str | None]) -> dict[str, Any] | None:
        """Keep the rows as a Parquet artifact; the `hold` of their version, or None."""
        kept: dict[str, Any] | None = self._guarded(relation, lambda: retained_relation(self.connection, relation, found.sha256, name, keep))
        return kept

    def event_time(self, relation: str, name: str, column: str) -> EventTime | None:
        """The range of an event-time column; None if the table has no such column of a time type."""
        kind = next((found for known, found in self.columns.get(name, {}).items() if known.lower() == column.lower()), "")
        if not kind.startswith(("TIMESTAMP", "DATE")):
            logger.warning("dbt hook: %s has no time column %s", name, column)
            return None
        quoted = '"' + column.replace('"', '""') + '"'
        value = quoted if "TIME ZONE" in kind else f"{quoted}::timestamp"
        rows = self._guarded(relation, lambda: self.connection.execute(
            f"select epoch_us(min({value})), epoch_us(max({value})) from {relation}").fetchall())  # noqa: S608 - quoted
        return EventTime(column, _instant(rows[0][0]), _instant(rows[0][1])) if rows else None

    def _guarded(self, relation: str, read: Any) -> Any:
        import duckdb

        try:
            return read()
        except (duckdb.Error, LineproofError) as error:
            logger.warning("dbt hook: %s cannot be read: %s", relation, error)
            return None


@contextmanager
def opened(path: Path) -> Iterator[Warehouse | None]:
    """The database at `path`, or None if it cannot be opened."""
    import duckdb

    try:
        connection = _connect(path)
    except duckdb.Error as error:
        logger.warning("dbt hook: %s cannot be opened, so there are no dataset versions: %s", path, error)
        yield None
        return
    try:
        connection.execute("set TimeZone = 'UTC'")  # a view over timestamps with zone must not depend on the machine's
        columns: dict[str, dict[str, str]] = {}
        for database, schema, table, column, kind in connection.execute(
                "select database_name, schema_name, table_name, column_name, data_type from duckdb_columns() where not internal "
                "order by database_name, schema_name, table_name, column_index").fetchall():
            columns.setdefault(f"{database}.{schema}.{table}", {})[column] = kind
        yield Warehouse(connection, columns)
    finally:
        connection.close()


def _connect(path: Path) -> Any:
    import duckdb

    if not path.is_file():
        raise duckdb.IOException(f"no such file: {path}")
    try:
        return duckdb.connect(str(path), read_only=True)
    except duckdb.ConnectionException:
        return duckdb.connect(str(path))  # dbt in this very process still holds it open for writing


def _instant(micros: int | None) -> datetime | None:
    try:
        return None if micros is None else _EPOCH + timedelta(microseconds=micros)
    except OverflowError:
        return None  # 'infinity', or beyond the year 9999
