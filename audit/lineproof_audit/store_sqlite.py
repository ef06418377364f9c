"""The embedded log store: one SQLite file, one writing process, any number of reading ones.

Durability: WAL with `synchronous=FULL`, so a commit is on disk before it is acknowledged. Only the writer's connection
checkpoints the WAL; readers open the file read-only and cannot, which keeps SQLite before 3.51.3 clear of its WAL-reset bug.
"""
from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from lineproof_audit.directory_lock import DirectoryLock
from lineproof_audit.errors import AuditError, CorruptLog, LogUnavailable, NoSpace, NoSuchEntry
from lineproof_audit.store import (
    ERASURE_TYPE,
    STORE_VERSION,
    UNERASABLE_TYPES,
    AppendTransaction,
    Head,
    Known,
    NewRow,
    SignedCheckpoint,
    StoredRow,
    TileKey,
)
from lineproof_audit.store_reads import CONTROL, EMPTY_TREE, StoreReads, head_of
from lineproof_audit.tree import CompactRange

__all__ = ["SqliteStore"]

APPLICATION_ID = 0x4C50_4C31  # "LPL1": `file` and we tell a log from any other SQLite file
BUSY_MS = 5_000
CACHE_KIB = 64 * 1024  # the dedupe index is hit at random: 1 M entries have about 60 MB of it
WAL_PAGES = 4_096  # 16 MB between checkpoints: the pages of the dedupe index are written to the file once per that much
POLL_SECONDS = 0.02

_FORBIDDEN = "SELECT RAISE(ABORT, 'entries of a log are never changed')"

SCHEMA = f"""
CREATE TABLE log_head (
    one INTEGER PRIMARY KEY CHECK (one = 1), next INTEGER NOT NULL, last_received INTEGER NOT NULL, compact_range BLOB NOT NULL, secret_check BLOB
) STRICT;
CREATE TABLE entries (
    idx INTEGER PRIMARY KEY, leaf BLOB NOT NULL, received INTEGER NOT NULL, event_type TEXT NOT NULL, media_type TEXT NOT NULL, tenant TEXT NOT NULL,
    signer TEXT NOT NULL, signed_by TEXT NOT NULL, caller TEXT
) STRICT;
CREATE INDEX entries_control ON entries (idx) WHERE event_type IN ({CONTROL});
CREATE TABLE bodies (idx INTEGER PRIMARY KEY, salt BLOB NOT NULL, envelope BLOB NOT NULL) STRICT;
CREATE TABLE dedupe (identity BLOB PRIMARY KEY, payload BLOB NOT NULL, idx INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE erasures (idx INTEGER PRIMARY KEY, evidence INTEGER NOT NULL) STRICT;
CREATE TABLE tree (one INTEGER PRIMARY KEY CHECK (one = 1), size INTEGER NOT NULL, compact_range BLOB NOT NULL, epoch INTEGER NOT NULL) STRICT;
CREATE TABLE tiles (level INTEGER NOT NULL, number INTEGER NOT NULL, hashes BLOB NOT NULL, PRIMARY KEY (level, number)) STRICT;
CREATE TABLE checkpoints (size INTEGER PRIMARY KEY, root BLOB NOT NULL, note TEXT NOT NULL, signed_at INTEGER NOT NULL) STRICT;
CREATE TRIGGER entries_update BEFORE UPDATE ON entries BEGIN {_FORBIDDEN}; END;
CREATE TRIGGER entries_delete BEFORE DELETE ON entries BEGIN {_FORBIDDEN}; END;
CREATE TRIGGER bodies_update BEFORE UPDATE ON bodies BEGIN {_FORBIDDEN}; END;
CREATE TRIGGER bodies_delete BEFORE DELETE ON bodies WHEN NOT EXISTS (SELECT 1 FROM erasures WHERE erasures.idx = OLD.idx) BEGIN {_FORBIDDEN}; END;
CREATE TRIGGER dedupe_update BEFORE UPDATE ON dedupe BEGIN {_FORBIDDEN}; END;
CREATE TRIGGER dedupe_delete BEFORE DELETE ON dedupe BEGIN {_FORBIDDEN}; END;
CREATE TRIGGER erasures_delete BEFORE DELETE ON erasures BEGIN {_FORBIDDEN}; END;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {STORE_VERSION};
"""  # noqa: S608 (constants)

_Result = TypeVar("_Result")


class SqliteStore(StoreReads, schema="", mark="?"):
    """The log in `<directory>/log.db`. A writing store holds the directory's lock until `close`.

    Args:
        directory: the data directory; it is made (0700) when writing.
        readonly: read only, beside a writing process or without one.

    Raises:
        DataDirectoryLocked: another process writes this directory.
        LogUnavailable: reading only, and there is no log.
    """

    def __init__(self, directory: Path | str, *, readonly: bool = False) -> None:
        self._directory = Path(directory)
        self._path = self._directory / "log.db"
        self._readonly = readonly
        self._lock: DirectoryLock | None = None
        self._writer: sqlite3.Connection | None = None
        self._writing = threading.RLock()
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        self._epoch: int | None = None
        if readonly:
            if not self._path.is_file():
                raise LogUnavailable(f"there is no log in {self._directory}")
        else:
            try:
                self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise LogUnavailable(f"cannot make {self._directory}: {error.strerror}") from error
            self._lock = DirectoryLock(self._directory)

    @property
    def location(self) -> str:
        return str(self._path)

    def create(self) -> None:
        def make(connection: sqlite3.Connection) -> None:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > STORE_VERSION:
                raise LogUnavailable(f"{self._path} was written by a newer Lineproof (store version {version})")
            if version == 0:
                connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA}; COMMIT")
            connection.execute("INSERT OR IGNORE INTO log_head VALUES (1, 0, 0, ?, NULL)", (EMPTY_TREE,))
            connection.execute("INSERT OR IGNORE INTO tree VALUES (1, 0, ?, 0)", (EMPTY_TREE,))

        self._write(make)

    def close(self) -> None:
        self._closed = True
        with self._writing:
            while self._idle:
                self._idle.pop().close()
            self._drop_writer()
            if self._lock is not None:
                self._lock.release()

    # -- appending

    def append(self) -> AbstractContextManager[AppendTransaction]:
        return self._append()

    @contextmanager
    def _append(self) -> Iterator[_Append]:
        with self._transaction() as connection:
            yield _Append(connection)

    def bind_secret(self, check: bytes) -> None:
        with self._transaction() as connection:
            row = connection.execute("SELECT secret_check FROM log_head").fetchone()
            if row is not None and row[0] is None:
                connection.execute("UPDATE log_head SET secret_check = ?", (check,))
            elif row is None or row[0] != check:
                raise LogUnavailable(f"{self._path} was written with another dedupe secret; restore the keys directory that belongs to it")

    def erase_body(self, index: int, evidence: int) -> None:
        with self._transaction() as connection:
            row = connection.execute("SELECT event_type FROM entries WHERE idx = ?", (index,)).fetchone()
            if row is None:
                raise NoSuchEntry(f"there is no entry {index}")
            if row[0] in UNERASABLE_TYPES:
                raise CorruptLog(f"entry {index} ({row[0]}) can never be erased")
            proof = connection.execute("SELECT event_type FROM entries WHERE idx = ? AND idx > ?", (evidence, index)).fetchone()
            if proof is None or proof[0] != ERASURE_TYPE:
                raise CorruptLog(f"entry {evidence} is no erasure entry after entry {index}")
            connection.execute("INSERT OR IGNORE INTO erasures VALUES (?, ?)", (index, evidence))
            connection.execute("DELETE FROM bodies WHERE idx = ?", (index,))

    def forget(self) -> None:
        # secure_delete has zeroed the pages; what was written before still stands in frames of the write-ahead log.
        self._write(lambda connection: connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close())

    # -- reading

    def _fetch(self, query: str, parameters: Sequence[object] = ()) -> list[Any]:
        return self._read(lambda connection: connection.execute(query, parameters).fetchall())

    def _doze(self, seconds: float) -> None:
        time.sleep(min(POLL_SECONDS, seconds))

    # -- tree and checkpoints

    def elect(self) -> int | None:
        if self._readonly:
            return None
        with self._writing:  # the directory's lock already elected this process; the epoch makes a leader of its past visible
            if self._epoch is None:
                with self._transaction() as connection:
                    self._epoch = int(connection.execute("UPDATE tree SET epoch = epoch + 1 RETURNING epoch").fetchone()[0])
            return self._epoch

    def resign(self) -> None:
        self._epoch = None

    def tiles(self, keys: Sequence[TileKey]) -> Mapping[TileKey, bytes]:
        def load(connection: sqlite3.Connection) -> dict[TileKey, bytes]:
            found = {}
            for key in keys:
                row = connection.execute("SELECT hashes FROM tiles WHERE level = ? AND number = ?", key).fetchone()
                if row is not None:
                    found[key] = row[0]
            return found

        return self._read(load)

    def extend_tree(self, epoch: int, before: int, tree: CompactRange, tiles: Mapping[TileKey, bytes]) -> bool:
        with self._transaction() as connection:
            moved = connection.execute("UPDATE tree SET size = ?, compact_range = ? WHERE epoch = ? AND size = ?",
                                       (tree.size, tree.to_bytes(), epoch, before)).rowcount
            if moved == 1:
                connection.executemany("INSERT INTO tiles VALUES (?, ?, ?) ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes",
                                       [(*key, hashes) for key, hashes in tiles.items()])
            return moved == 1

    def publish(self, epoch: int, checkpoint: SignedCheckpoint) -> bool:
        with self._transaction() as connection:
            if connection.execute("SELECT 1 FROM tree WHERE epoch = ?", (epoch,)).fetchone() is None:
                return False
            connection.execute("INSERT INTO checkpoints VALUES (?, ?, ?, ?) ON CONFLICT (size) DO UPDATE SET note = excluded.note, "
                               "signed_at = excluded.signed_at WHERE root = excluded.root",
                               (checkpoint.size, checkpoint.root, checkpoint.note, checkpoint.signed_at))
            return True

    # -- connections

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """BEGIN IMMEDIATE … COMMIT on the one writing connection; any exception rolls back."""
        with self._writing:
            try:
                connection = self._writer_connection()
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.Error as error:
                self._drop_writer()
                raise _meaning(error, self._path) from error
            try:
                yield connection
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                self._roll_back(connection)
                raise _meaning(error, self._path) from error
            except BaseException:
                self._roll_back(connection)
                raise

    def _write(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """DDL, which manages its own transaction."""
        with self._writing:
            try:
                work(self._writer_connection())
            except sqlite3.Error as error:
                self._drop_writer()
                raise _meaning(error, self._path) from error

    def _writer_connection(self) -> sqlite3.Connection:
        if self._closed or self._readonly:
            raise LogUnavailable(f"{self._path} is {'closed' if self._closed else 'open for reading only'}")
        if self._writer is None:
            connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=BUSY_MS / 1000)
            self._writer = connection
            for pragma in ("journal_mode = WAL", "synchronous = FULL", f"wal_autocheckpoint = {WAL_PAGES}", f"cache_size = -{CACHE_KIB}",
                           "fullfsync = ON", "secure_delete = ON"):  # secure_delete: an erased body leaves no bytes in a free page
                connection.execute(f"PRAGMA {pragma}")
        return self._writer

    def _roll_back(self, connection: sqlite3.Connection) -> None:
        """Undo; a connection that cannot is dropped, which undoes as well: the next batch opens a new one."""
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._drop_writer()

    def _drop_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _read(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Run `work` on a reading connection; each thread has one to itself while it works."""
        try:
            connection = self._idle.pop() if self._idle else self._reader_connection()
        except IndexError:  # another thread took the last one in between
            connection = self._reader_connection()
        except sqlite3.Error as error:
            raise _meaning(error, self._path) from error
        try:
            result = work(connection)
        except sqlite3.Error as error:
            connection.close()
            raise _meaning(error, self._path) from error
        if self._closed:
            connection.close()
        else:
            self._idle.append(connection)
        return result

    def _reader_connection(self) -> sqlite3.Connection:
        if self._closed:
            raise LogUnavailable(f"{self._path} is closed")
        uri = self._path.resolve().as_uri()
        connection = sqlite3.connect(f"{uri}?mode=ro", uri=True, isolation_level=None, check_same_thread=False, timeout=BUSY_MS / 1000)
        try:
            connection.execute("SELECT 1 FROM sqlite_schema")
        except sqlite3.OperationalError:
            # A copy of a log on read-only media: SQLite cannot make the WAL's index there, and without a WAL it needs none.
            connection.close()
            wal = self._path.with_name("log.db-wal")
            if wal.exists() and wal.stat().st_size:
                raise
            connection = sqlite3.connect(f"{uri}?immutable=1", uri=True, isolation_level=None, check_same_thread=False)
        return connection


class _Append:
    """See `store.AppendTransaction`."""

    __slots__ = ("_connection", "head")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.head = head_of(connection.execute("SELECT next, last_received, compact_range FROM log_head").fetchone())

    def known(self, identities: Sequence[bytes]) -> Mapping[bytes, Known]:
        marks = ",".join("?" * len(identities))
        return {identity: Known(index, payload) for identity, payload, index in self._connection.execute(
            f"SELECT identity, payload, idx FROM dedupe WHERE identity IN ({marks})", identities)}  # noqa: S608 (marks only)

    def rows(self, indices: Sequence[int]) -> Mapping[int, StoredRow]:
        marks = ",".join("?" * len(indices))
        return {row[0]: StoredRow(*row) for row in self._connection.execute(
            f"SELECT e.idx, e.leaf, b.salt, b.envelope FROM entries e LEFT JOIN bodies b ON b.idx = e.idx WHERE e.idx IN ({marks})", indices)}  # noqa: S608

    def insert(self, rows: Sequence[NewRow], head: Head) -> None:
        at = 0
        while at < len(rows):
            chunk = rows[at:at + (1 << (len(rows) - at).bit_length() - 1)]
            at += len(chunk)
            self._insert("entries", len(chunk), 9, [value for row in chunk for fields in (row.fields,) for value in (
                row.index, row.leaf, row.received, fields.event_type, fields.media_type, fields.tenant, fields.signer, fields.signed_by, fields.caller)])
            self._insert("bodies", len(chunk), 3, [value for row in chunk for value in (row.index, row.salt, row.body)])
            self._insert("dedupe", len(chunk), 3, [value for row in chunk for value in (row.identity, row.payload, row.index)])
        self._connection.execute("UPDATE log_head SET next = ?, last_received = ?, compact_range = ?", (head.size, head.last_received, head.tree.to_bytes()))

    def _insert(self, table: str, rows: int, columns: int, values: Sequence[object]) -> None:
        """One statement for many rows: `executemany` gives up the interpreter lock at every row, and under load gets it back late.

        Chunks are powers of two, so that there are few statements to keep prepared. OR FAIL: an error rolls back the whole batch anyway,
        so SQLite need not copy each page it touches to be able to undo this statement alone.
        """
        marks = ",".join([f"({','.join('?' * columns)})"] * rows)
        self._connection.execute(f"INSERT OR FAIL INTO {table} VALUES {marks}", values)  # noqa: S608 (marks only)


def _meaning(error: sqlite3.Error, path: Path) -> AuditError:
    """What an SQLite error means to a caller. Primary codes: sqlite.org/rescode.html."""
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return NoSpace(f"the disk of {path} is full")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return CorruptLog(f"{path} is damaged: {error}")
    if code == sqlite3.SQLITE_CONSTRAINT:  # an index or identity taken, though the head said otherwise
        return CorruptLog(f"{path} contradicts itself: {error}")
    if code == sqlite3.SQLITE_ERROR and "no such table" in str(error):
        return LogUnavailable(f"{path} holds no log")
    return LogUnavailable(f"{path}: {error}")
