"""Connections of the SQL graph: SQLite with one writer and many readers, or PostgreSQL."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, PoolProxiedConnection, create_engine, event, make_url
from sqlalchemy.exc import InterfaceError, OperationalError

from metadata_service.graph.errors import GraphUnavailable
from metadata_service.graph.sql_text import COMPACT, Dialect, Insert

__all__ = ["Database", "Session"]

BUSY_SECONDS = 30  # SQLite: how long a writer waits for the other one
# SQLite's page cache, which each connection has for itself and fills in time. Reads are of mapped pages and hardly touch it; what it saves is writing a
# page twice in one transaction, which a batch of very wide events would. Measured with 2, 8 and 64 MiB: no difference to lineage at 100 K nodes and 300 K
# edges, to repeated runs behind 150 K entries, to first runs; 5 % to first runs of 200 columns.
CACHE_KIB = 8_192
MMAP_BYTES = 1 << 30
STREAM_ROWS = 5_000
ROWS_AT_ONCE = 64  # SQLite: rows added by one statement; while it runs, other threads do
LOOKUP_PLANS = ("enable_seqscan", "enable_hashjoin", "enable_mergejoin", "jit")
SETUP_LOCK = 0x6C70_6772_6170_6800  # "lpgraph": an arbitrary number nobody else locks
PRAGMAS = ("journal_mode = WAL", "synchronous = NORMAL", "temp_store = MEMORY", f"cache_size = -{CACHE_KIB}", f"mmap_size = {MMAP_BYTES}")


class Session:
    """One transaction; runs statements of `sql_text` and nothing else.

    Statements go to the driver's own cursor: rows stay plain tuples, which matters when a walk reads tens of thousands of them. A walk along a chain is a
    statement per node, so that what surrounds one counts, too: the cursor is kept.
    """

    def __init__(self, connection: PoolProxiedConnection, dialect: Dialect) -> None:
        self._connection = connection
        self._cursor = self._connection.cursor()
        self.dialect = dialect

    def rows(self, template: str, *parameters: Any) -> Sequence[Any]:
        """All rows."""
        self._cursor.execute(self.dialect.render(template), parameters)
        return self._cursor.fetchall()

    def row(self, template: str, *parameters: Any) -> Any:
        """The first row or None."""
        with closing(self._connection.cursor()) as cursor:
            cursor.execute(self.dialect.render(template), parameters)
            return cursor.fetchone()

    def stream(self, template: str) -> Iterator[Any]:
        """Rows of any number without holding them all."""
        named = {} if self.dialect.name == "sqlite" else {"name": "lineproof_stream"}  # psycopg: a cursor on the server
        with closing(self._connection.cursor(**named)) as cursor:
            cursor.execute(self.dialect.render(template))
            while rows := cursor.fetchmany(STREAM_ROWS):
                yield from rows

    def read_everything(self) -> None:
        """From here on the transaction reads whole tables: on PostgreSQL, joins of whole tables are right again."""
        if self.dialect.name == "postgresql":
            with closing(self._connection.cursor()) as cursor:
                for setting in LOOKUP_PLANS:
                    cursor.execute(f"SET LOCAL {setting} = on")

    def write(self, template: str, parameters: list[tuple[Any, ...]]) -> None:
        """Run once per row of parameters."""
        if parameters:
            with closing(self._connection.cursor()) as cursor:
                cursor.executemany(self.dialect.render(template), parameters)

    def insert(self, into: Insert, rows: list[tuple[Any, ...]]) -> None:
        """Add rows, no two of one key. On PostgreSQL they go in one statement: by one each, both ends spend most of their time on the way."""
        if rows:
            with closing(self._connection.cursor()) as cursor:
                if self.dialect.name == "sqlite":
                    whole = len(rows) - len(rows) % ROWS_AT_ONCE
                    for start in range(0, whole, ROWS_AT_ONCE):
                        cursor.execute(self.dialect.insert(into, ROWS_AT_ONCE), list(chain.from_iterable(rows[start:start + ROWS_AT_ONCE])))
                    cursor.executemany(self.dialect.insert(into), rows[whole:])
                else:
                    cursor.execute(self.dialect.insert(into), [list(column) for column in zip(*rows, strict=True)])

    def many(self, values: Any) -> Any:
        """A list parameter."""
        return self.dialect.many(values)


class Database:
    """An engine and its transactions. Safe to use from many threads."""

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        self._file: Path | None = None
        if parsed.get_backend_name() == "sqlite":
            self.dialect = Dialect("sqlite")
            self._file = Path(parsed.database or "")
            self.engine: Engine = create_engine(parsed, pool_size=8, max_overflow=32, connect_args={"timeout": BUSY_SECONDS, "cached_statements": 512})
            event.listen(self.engine, "connect", _configure)
            event.listen(self.engine, "begin", _begin)
        else:
            self.dialect = Dialect("postgresql")
            self.engine = create_engine(parsed, pool_size=8, max_overflow=32, pool_pre_ping=True)
            event.listen(self.engine, "connect", _plan_lookups)
        self._identity = self._identify()

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A read transaction: every statement in it sees the same state."""
        self._follow_swap()
        if self.dialect.name == "sqlite":  # straight from the pool: what SQLAlchemy does around a transaction takes longer than a small question's statements
            with self._reported(), closing(self.engine.raw_connection()) as pooled:  # closing rolls back
                pooled.cursor().execute("BEGIN")
                yield Session(pooled, self.dialect)
            return
        options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with self._reported(), self.engine.connect().execution_options(**options) as connection, connection.begin():
            yield Session(connection.connection, self.dialect)

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A write transaction, committed at the end and rolled back on error."""
        self._follow_swap()
        with self._reported(), self.engine.connect().execution_options(lineproof_writer=True) as connection, connection.begin():
            yield Session(connection.connection, self.dialect)

    @contextmanager
    def creating(self) -> Iterator[Connection]:
        """A write transaction for tables and indexes; on PostgreSQL two processes that start together take turns."""
        with self._reported(), self.engine.connect().execution_options(lineproof_writer=True) as connection, connection.begin():
            if self.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({SETUP_LOCK})")
            yield connection
        self._identity = self._identify()

    def forget(self) -> None:
        """Write all tables anew, so that no page holds what was deleted. Takes a while and, on PostgreSQL, locks readers out meanwhile."""
        with self._reported(), self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            driver = connection.connection
            with closing(driver.cursor()) as cursor:
                for statement in COMPACT[self.dialect.name]:
                    cursor.execute(statement)

    @contextmanager
    def _reported(self) -> Iterator[None]:
        driver = self.engine.dialect.loaded_dbapi
        try:
            yield
        except (OperationalError, InterfaceError) as error:  # from SQLAlchemy: connect, begin, commit
            raise GraphUnavailable(f"the graph's database does not answer: {error.orig}") from error
        except (driver.OperationalError, driver.InterfaceError) as error:  # from the driver: statements
            raise GraphUnavailable(f"the graph's database does not answer: {error}") from error

    def _identify(self) -> tuple[int, int] | None:
        if self._file is None:
            return None
        try:
            status = self._file.stat()
        except FileNotFoundError:
            return None
        return status.st_dev, status.st_ino

    def _follow_swap(self) -> None:
        """Open connections go on reading a file that was deleted or replaced (it is disposable): leave them when the path names another one."""
        identity = self._identify()
        if identity != self._identity:
            self.engine.dispose()
            self._identity = identity


def _configure(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where `_begin` says so, not where the driver guesses
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _plan_lookups(connection: Any, _record: Any) -> None:
    """Every statement goes from a short list through an index. Before the first ANALYZE the planner does not know that and joins whole tables."""
    with connection.cursor() as cursor:
        for setting in LOOKUP_PLANS:
            cursor.execute(f"SET {setting} = off")
    connection.commit()


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("lineproof_writer") else "BEGIN")
