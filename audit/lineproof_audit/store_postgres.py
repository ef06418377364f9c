"""The log store for several API processes: PostgreSQL.

Each batch locks the one row of `log_head`, so batches of all processes follow one another: indices have no gaps, and an entry is
visible only after all before it. A batch is written by one statement. One NOTIFY per batch wakes readers, who poll besides.
"""
from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, TypeVar

import psycopg
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict

from lineproof_audit.errors import AuditError, CorruptLog, LogUnavailable, NoSpace, NoSuchEntry
from lineproof_audit.schema_postgres import CREATE, GRANTS, GUARDS, OWNED
from lineproof_audit.store import (
    STORE_VERSION,
    AppendTransaction,
    Head,
    Known,
    NewRow,
    SignedCheckpoint,
    StoredRow,
    TileKey,
)
from lineproof_audit.store_reads import EMPTY_TREE, StoreReads, head_of
from lineproof_audit.tree import CompactRange

__all__ = ["PostgresStore", "plain_url"]

# Advisory locks of a session, in the class of this number ("LPLG"): 1 the integrator, 2 creating the tables.
LOCK_CLASS, INTEGRATOR_LOCK, CREATE_LOCK = 0x4C50_4C47, 1, 2
POLL_SECONDS = 0.5  # a NOTIFY may be lost with its connection; never wait longer than this for one
READERS = 8  # connections for reading at once; more threads wait
CONNECT_SECONDS = 10

_Connection = psycopg.Connection[tuple[Any, ...]]
_Result = TypeVar("_Result")

# A batch in one round trip: by COPY, with head and NOTIFY, it is eight, which small batches spend most of their time on; large ones lose nothing.
_INSERT = """
WITH entry AS (
    INSERT INTO lineproof_log.entries (idx, leaf, received, event_type, media_type, tenant, signer, signed_by, caller)
    SELECT * FROM unnest(%(idx)b::int8[], %(leaf)b::bytea[], %(received)b::int8[], %(event_type)b::text[], %(media_type)b::text[], %(tenant)b::text[],
                         %(signer)b::text[], %(signed_by)b::text[], %(caller)b::text[])
), body AS (
    INSERT INTO lineproof_log.bodies (idx, salt, envelope) SELECT * FROM unnest(%(idx)b::int8[], %(salt)b::bytea[], %(body)b::bytea[])
), identity AS (
    INSERT INTO lineproof_log.dedupe (identity, payload, idx) SELECT * FROM unnest(%(identity)b::bytea[], %(payload)b::bytea[], %(idx)b::int8[])
), head AS (
    UPDATE lineproof_log.log_head SET next = %(size)b, last_received = %(last)b, compact_range = %(range)b
)
SELECT pg_notify('lineproof_log', '')
"""

# A process that hangs inside a batch must not hold the head for ever; one that hangs outside must not be waited for.
_SESSION = """
SET lock_timeout = '10s';
SET idle_in_transaction_session_timeout = '30s';
SET default_transaction_isolation = 'read committed';
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local');
SET client_min_messages = 'warning'
"""


def plain_url(url: str) -> str:
    """`postgresql+psycopg://…`, as SQLAlchemy spells it, for libpq."""
    scheme, _, rest = url.partition("://")
    return f"{scheme.partition('+')[0]}://{rest}"


class PostgresStore(StoreReads, schema="lineproof_log.", mark="%s"):
    """The log in schema `lineproof_log` of the database at `url`.

    Connections are made on first use and again after a failure, so the store outlives a restart of the server. With `readonly` the
    server itself refuses whatever would write.
    """

    def __init__(self, url: str, *, readonly: bool = False) -> None:
        self._url = plain_url(url)
        self._readonly = readonly
        self._writer: _Connection | None = None
        self._leader: _Connection | None = None
        self._listener: _Connection | None = None
        self._epoch: int | None = None
        self._writing = threading.RLock()
        self._leading = threading.RLock()
        self._listening = threading.Lock()
        self._idle: list[_Connection] = []
        self._reading = threading.BoundedSemaphore(READERS)
        self._closed = False
        parts = conninfo_to_dict(self._url)
        self._location = f"postgresql://{parts.get('host', '')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"

    @property
    def location(self) -> str:
        return self._location

    def create(self) -> None:
        with self._transaction() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", (LOCK_CLASS, CREATE_LOCK))
            present = _one(connection.execute("SELECT to_regclass('lineproof_log.version') IS NOT NULL"))[0]
            if not present:
                connection.execute(CREATE)
                connection.execute(GUARDS)
                connection.execute("INSERT INTO lineproof_log.version (version) VALUES (%s)", (STORE_VERSION,))
            version = _one(connection.execute("SELECT version FROM lineproof_log.version"))[0]
            if version > STORE_VERSION:
                raise LogUnavailable(f"{self.location} was written by a newer Lineproof (store version {version})")
            if connection.execute("SELECT 1 FROM lineproof_log.log_head").fetchone() is None:  # new, or emptied: the lock record tells them apart
                connection.execute("INSERT INTO lineproof_log.log_head VALUES (true, 0, 0, %s, NULL)", (EMPTY_TREE,))
                connection.execute("INSERT INTO lineproof_log.tree VALUES (true, 0, %s, 0) ON CONFLICT DO NOTHING", (EMPTY_TREE,))

    def grant(self, role: str) -> None:
        """Give `role` what the service needs and no more: it can then neither change nor delete an entry."""
        with self._transaction() as connection:
            connection.execute(sql.SQL(GRANTS).format(role=sql.Identifier(role)))

    def hand_over(self, owner: str, role: str) -> None:
        """Create the log's tables if they are missing, give them to `owner`, which nobody logs in as, and let the service's `role` append and read.

        A log that an earlier version created gets the functions and triggers it lacks; those that are there are as this version has them afterwards.
        For an administrator's connection. Both roles are created if they are missing; `role` gets no password here. The service's other
        tables (tokens, quarantine, artifacts, a graph) are its own, in the schema `public`.
        """
        self.create()
        with self._transaction() as connection:
            for name, login in ((owner, "NOLOGIN"), (role, "LOGIN")):
                if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)).fetchone() is None:
                    connection.execute(sql.SQL("CREATE ROLE {} {}").format(sql.Identifier(name), sql.SQL(login)))
            connection.execute(GUARDS)
            for (statement,) in connection.execute(OWNED).fetchall():
                owned = _one(connection.execute("SELECT format(%s, %s::text)", (statement, owner)))[0]
                connection.execute(owned)
            connection.execute(sql.SQL("REVOKE {} FROM {}").format(sql.Identifier(owner), sql.Identifier(role)))
            connection.execute(sql.SQL("GRANT USAGE, CREATE ON SCHEMA public TO {}").format(sql.Identifier(role)))
        self.grant(role)

    def close(self) -> None:
        self._closed = True
        with self._writing:
            _close(self._writer)
            self._writer = None
        with self._leading:
            self._abdicate()
        with self._listening:
            _close(self._listener)
            self._listener = None
        while self._idle:
            self._idle.pop().close()

    # -- appending

    def append(self) -> AbstractContextManager[AppendTransaction]:
        return self._append()

    @contextmanager
    def _append(self) -> Iterator[_Append]:
        with self._transaction() as connection:
            yield _Append(connection)

    def bind_secret(self, check: bytes) -> None:
        with self._transaction() as connection:
            row = connection.execute("SELECT secret_check FROM lineproof_log.log_head FOR UPDATE").fetchone()
            if row is not None and row[0] is None:
                connection.execute("UPDATE lineproof_log.log_head SET secret_check = %s", (check,))
            elif row is None or row[0] != check:
                raise LogUnavailable(f"{self.location} was written with another dedupe secret; every API process needs the same keys directory")

    def erase_body(self, index: int, evidence: int) -> None:
        with self._transaction() as connection:
            refused = _one(connection.execute("SELECT lineproof_log.erase_body(%s, %s)", (index, evidence)))[0]
            if refused == "":
                raise NoSuchEntry(f"there is no entry {index}")
            if refused == "evidence":
                raise CorruptLog(f"entry {evidence} is no erasure entry after entry {index}")
            if refused is not None:
                raise CorruptLog(f"entry {index} ({refused}) can never be erased")

    def forget(self) -> None:
        return  # the service's role may not rewrite the table; docs/operations.md says what its owner does

    # -- reading

    def _fetch(self, query: str, parameters: Sequence[object] = ()) -> list[Any]:
        return self._read(lambda connection: connection.execute(query, parameters, binary=True).fetchall())

    # -- tree and checkpoints

    def elect(self) -> int | None:
        if self._readonly:
            return None
        with self._leading:
            if self._epoch is not None and self._leader is not None:
                try:
                    self._leader.execute("SELECT 1")  # the advisory lock lives as long as this session
                    return self._epoch
                except psycopg.Error:
                    self._abdicate()
            try:
                if self._leader is None:
                    self._leader = self._connect()
                if not _one(self._leader.execute("SELECT pg_try_advisory_lock(%s, %s)", (LOCK_CLASS, INTEGRATOR_LOCK)))[0]:
                    return None
                self._epoch = int(_one(self._leader.execute("UPDATE lineproof_log.tree SET epoch = epoch + 1 RETURNING epoch"))[0])
            except psycopg.Error as error:
                self._abdicate()
                raise _meaning(error, self.location) from error
            return self._epoch

    def resign(self) -> None:
        with self._leading:
            if self._leader is not None:
                with suppress(psycopg.Error):  # closing alone gives the lock up too, but only when the server has noticed
                    self._leader.execute("SELECT pg_advisory_unlock_all()")
            self._abdicate()

    def tiles(self, keys: Sequence[TileKey]) -> Mapping[TileKey, bytes]:
        levels, numbers = [key[0] for key in keys], [key[1] for key in keys]
        return self._read(lambda c: {(row[0], row[1]): row[2] for row in c.execute(
            "SELECT level, number, hashes FROM lineproof_log.tiles JOIN unnest(%s::int[], %s::bigint[]) AS wanted (level, number) USING (level, number)",
            (levels, numbers), binary=True)})

    def extend_tree(self, epoch: int, before: int, tree: CompactRange, tiles: Mapping[TileKey, bytes]) -> bool:
        with self._transaction() as connection:
            moved = connection.execute("UPDATE lineproof_log.tree SET size = %s, compact_range = %s WHERE epoch = %s AND size = %s",
                                       (tree.size, tree.to_bytes(), epoch, before)).rowcount
            if moved == 1 and tiles:
                connection.cursor().executemany("INSERT INTO lineproof_log.tiles VALUES (%s, %s, %s) ON CONFLICT (level, number) "
                                                "DO UPDATE SET hashes = excluded.hashes", [(*key, hashes) for key, hashes in tiles.items()])
            return moved == 1

    def publish(self, epoch: int, checkpoint: SignedCheckpoint) -> bool:
        with self._transaction() as connection:
            if connection.execute("SELECT 1 FROM lineproof_log.tree WHERE epoch = %s FOR UPDATE", (epoch,)).fetchone() is None:
                return False
            connection.execute("INSERT INTO lineproof_log.checkpoints AS old VALUES (%s, %s, %s, %s) ON CONFLICT (size) "
                               "DO UPDATE SET note = excluded.note, signed_at = excluded.signed_at WHERE old.root = excluded.root",
                               (checkpoint.size, checkpoint.root, checkpoint.note, checkpoint.signed_at))
            return True

    # -- connections

    def _connect(self) -> _Connection:
        if self._closed:
            raise LogUnavailable(f"{self.location} is closed")
        connection = psycopg.connect(self._url, autocommit=True, connect_timeout=CONNECT_SECONDS, application_name="lineproof-log")
        connection.execute(_SESSION)
        if self._readonly:
            connection.execute("SET default_transaction_read_only = on")
        return connection

    def _abdicate(self) -> None:
        """The advisory lock goes with its session."""
        _close(self._leader)
        self._leader, self._epoch = None, None

    @contextmanager
    def _transaction(self) -> Iterator[_Connection]:
        """One transaction on the writing connection; a connection that failed is dropped and made anew by the next batch."""
        with self._writing:
            try:
                if self._writer is None:
                    self._writer = self._connect()
                with self._writer.transaction():
                    yield self._writer
            except psycopg.Error as error:
                if self._writer is not None and (self._writer.broken or self._writer.closed or isinstance(error, psycopg.OperationalError)):
                    _close(self._writer)
                    self._writer = None
                raise _meaning(error, self.location) from error

    def _read(self, work: Callable[[_Connection], _Result]) -> _Result:
        """Run `work` on a reading connection; a connection that turns out dead (server restarted) is replaced once."""
        with self._reading:
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = None
            if connection is not None:
                try:
                    result = work(connection)
                    self._give_back(connection)
                    return result
                except psycopg.OperationalError:
                    connection.close()
                except psycopg.Error as error:
                    connection.close()
                    raise _meaning(error, self.location) from error
            try:
                connection = self._connect()
                result = work(connection)
            except psycopg.Error as error:
                _close(connection)
                raise _meaning(error, self.location) from error
            self._give_back(connection)
            return result

    def _give_back(self, connection: _Connection) -> None:
        if self._closed:
            connection.close()
        else:
            self._idle.append(connection)

    def _doze(self, seconds: float) -> None:
        """Sleep until a batch is announced, `seconds` at most."""
        if not self._listening.acquire(blocking=False):  # one thread listens; others poll a little faster than it would be rude to
            time.sleep(min(seconds, POLL_SECONDS / 10))
            return
        try:
            if self._listener is None:
                self._listener = self._connect()
                self._listener.execute("LISTEN lineproof_log")
                return  # look once more: a batch may have been announced before we listened
            for _ in self._listener.notifies(timeout=min(POLL_SECONDS, seconds), stop_after=1):
                pass
        except psycopg.Error as error:
            _close(self._listener)
            self._listener = None
            raise _meaning(error, self.location) from error
        finally:
            self._listening.release()


class _Append:
    """See `store.AppendTransaction`."""

    __slots__ = ("_connection", "head")

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        # FOR UPDATE, not an UPDATE that changes nothing: the same row lock, and a batch of retries leaves no dead row behind.
        self.head = head_of(connection.execute("SELECT next, last_received, compact_range FROM lineproof_log.log_head FOR UPDATE").fetchone())

    def known(self, identities: Sequence[bytes]) -> Mapping[bytes, Known]:
        return {row[0]: Known(row[2], row[1]) for row in self._connection.execute(
            "SELECT identity, payload, idx FROM lineproof_log.dedupe WHERE identity = ANY(%b)", (list(identities),), binary=True)}

    def rows(self, indices: Sequence[int]) -> Mapping[int, StoredRow]:
        return {row[0]: StoredRow(*row) for row in self._connection.execute(
            "SELECT e.idx, e.leaf, b.salt, b.envelope FROM lineproof_log.entries e LEFT JOIN lineproof_log.bodies b USING (idx) WHERE e.idx = ANY(%s)",
            (list(indices),), binary=True)}

    def insert(self, rows: Sequence[NewRow], head: Head) -> None:
        fields = [row.fields for row in rows]
        self._connection.execute(_INSERT, {
            "idx": [row.index for row in rows], "leaf": [row.leaf for row in rows], "received": [row.received for row in rows],
            "event_type": [each.event_type for each in fields], "media_type": [each.media_type for each in fields],
            "tenant": [each.tenant for each in fields], "signer": [each.signer for each in fields], "signed_by": [each.signed_by for each in fields],
            "caller": [each.caller for each in fields], "salt": [row.salt for row in rows], "body": [row.body for row in rows],
            "identity": [row.identity for row in rows], "payload": [row.payload for row in rows],
            "size": head.size, "last": head.last_received, "range": head.tree.to_bytes()})


def _close(connection: _Connection | None) -> None:
    if connection is not None:
        connection.close()


def _one(cursor: psycopg.Cursor[tuple[Any, ...]]) -> tuple[Any, ...]:
    row = cursor.fetchone()
    if row is None:
        raise LogUnavailable("the database holds no log yet")
    return row


def _meaning(error: psycopg.Error, location: str) -> AuditError:
    """What a PostgreSQL error means to a caller."""
    if isinstance(error, errors.DiskFull):
        return NoSpace(f"the disk of {location} is full")
    if isinstance(error, errors.DataCorrupted | errors.IndexCorrupted):
        return CorruptLog(f"{location} is damaged: {error}")
    if isinstance(error, psycopg.IntegrityError):  # an index or identity taken, though the head said otherwise
        return CorruptLog(f"{location} contradicts itself: {error}".strip())
    if isinstance(error, errors.UndefinedTable | errors.InvalidSchemaName):
        return LogUnavailable(f"{location} holds no log")
    return LogUnavailable(f"{location}: {error}".strip())
