"""One engine for the service's own tables (tokens, quarantine, artifacts), in the same database as the log.

The log's appender has its own connection and never waits for ours longer than one short transaction: writes here take
`BEGIN IMMEDIATE` at once, so that a transaction never fails half-way for a lock it could have asked for first. No connection
of ours checkpoints the write-ahead log: below SQLite 3.51.3 a second checkpointing connection can lose committed frames.
"""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, OperationalError

from lineproof_schema.errors import LineproofError

__all__ = ["Database", "DatabaseUnavailable"]

BUSY_TIMEOUT_MS: Final = 15_000  # a group commit takes milliseconds; a slow disk's fsync may take seconds


class DatabaseUnavailable(LineproofError):
    """The database cannot be reached, or its disk is full; retry."""

    code = "log-unavailable"


class Database:
    """Short read and write transactions on SQLite or PostgreSQL.

    Raises from both context managers:
        DatabaseUnavailable: the database cannot be reached (`log-unavailable`) or its disk is full (`no-space`).
    """

    def __init__(self, location: str, tables: Sequence[sa.MetaData]) -> None:
        """`location` is a PostgreSQL URL or the data directory; `tables` are created where missing."""
        if "://" in location:
            url = sa.make_url(location)
            self._engine = sa.create_engine(url.set(drivername="postgresql+psycopg"), pool_size=4, max_overflow=4, pool_pre_ping=True)
        else:
            self._engine = sa.create_engine(f"sqlite:///{Path(location).absolute() / 'log.db'}", pool_size=4, connect_args={"check_same_thread": False})
            event.listen(self._engine, "connect", _sqlite_pragmas)
            event.listen(self._engine, "begin", _sqlite_begin)
        if not tables:
            return
        with self.write() as connection:
            for metadata in tables:
                metadata.create_all(connection, checkfirst=True)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A read transaction."""
        with _translated(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A write transaction: committed on leaving, rolled back on an exception."""
        with _translated(), self._engine.connect().execution_options(writes=True) as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Close all connections; idempotent."""
        self._engine.dispose()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        full = "disk is full" in str(error.orig) or "No space left" in str(error.orig)
        raise DatabaseUnavailable("the database's disk is full" if full else "the database cannot be reached",
                                  code="no-space" if full else "log-unavailable") from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise DatabaseUnavailable("the database cannot be reached") from error
        raise


def _sqlite_pragmas(connection: object, _record: object) -> None:
    connection.isolation_level = None  # type: ignore[attr-defined]  # we begin ourselves, see _sqlite_begin
    cursor = connection.cursor()  # type: ignore[attr-defined]
    for pragma in (f"busy_timeout={BUSY_TIMEOUT_MS}", "journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=0", "foreign_keys=ON", "secure_delete=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _sqlite_begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")
