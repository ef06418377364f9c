"""What the databases do by themselves: the columns of log entries, prepared before, written in transactions of the same number of rows."""
from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.figures import timed
from lineproof_audit.append import BATCH_ENTRIES, Prepared

__all__ = ["Write", "raw_table"]

Write = Callable[[Sequence[Prepared]], float]
"""Writes rows after those written before; the seconds it took."""

_Row = tuple[int, bytes, bytes, bytes, bytes, bytes]


@contextmanager
def raw_table(directory: Path, url: str | None) -> Iterator[Write]:
    """An empty table with the indexes that the log needs, in SQLite (by INSERT) or at `url` in PostgreSQL (by binary COPY)."""
    written = 0
    with _sqlite(directory / "raw.db") if url is None else _postgres(url) as write_batches:
        def write(items: Sequence[Prepared]) -> float:
            nonlocal written
            rows = [_row(index, item) for index, item in enumerate(items, written)]
            written += len(rows)
            batches = [rows[start:start + BATCH_ENTRIES] for start in range(0, len(rows), BATCH_ENTRIES)]
            return timed(lambda: write_batches(batches))

        yield write


def _row(index: int, item: Prepared) -> _Row:
    return index, item.before_time + b"0" + item.after_time, item.salt, item.body, item.identity, item.payload


@contextmanager
def _sqlite(path: Path) -> Iterator[Callable[[list[list[_Row]]], None]]:
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL",
                      "CREATE TABLE raw (idx INTEGER PRIMARY KEY, leaf BLOB, salt BLOB, body BLOB, identity BLOB UNIQUE, payload BLOB) STRICT"):
        connection.execute(statement)

    def write(batches: list[list[_Row]]) -> None:
        for rows in batches:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO raw VALUES (?, ?, ?, ?, ?, ?)", rows)
            connection.execute("COMMIT")

    yield write
    connection.close()


@contextmanager
def _postgres(url: str) -> Iterator[Callable[[list[list[_Row]]], None]]:
    import psycopg

    with psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://")) as connection:
        connection.execute("CREATE TABLE raw (idx bigint PRIMARY KEY, leaf bytea, salt bytea, body bytea, identity bytea UNIQUE, payload bytea)")
        connection.commit()

        def write(batches: list[list[_Row]]) -> None:
            for rows in batches:
                with connection.cursor().copy("COPY raw FROM STDIN (FORMAT BINARY)") as copy:
                    copy.set_types(["int8", "bytea", "bytea", "bytea", "bytea", "bytea"])
                    for row in rows:
                        copy.write_row(row)
                connection.commit()

        yield write
        connection.execute("DROP TABLE raw")
