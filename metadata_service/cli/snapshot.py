"""A snapshot of the graph: one file that answers lineage and impact where neither service nor log is, as in CI.

It is the graph as an SQLite file, with the signed checkpoint that covers it. It knows one position, and none of the entries behind it.
"""
from __future__ import annotations

import asyncio
import secrets
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, Final, cast

from lineproof_audit.keyring import Keyring
from lineproof_audit.reader import LogReader
from lineproof_audit.store import LogStore
from lineproof_schema.errors import LineproofError
from metadata_service.api.graphql.schema import Caller
from metadata_service.graph.open import open_graph
from metadata_service.graph.port import GraphStore, Position
from metadata_service.projector.rebuild import rebuild
from metadata_service.queries.context import EVERYTHING, Room

__all__ = ["export_snapshot", "reading_snapshot"]

CURSOR_BYTES: Final = 32


async def export_snapshot(reader: LogReader, graph: GraphStore, embedded: Path | None, file: Path) -> Position:
    """Write the graph as it stands to `file`, which must not exist; `embedded` is its SQLite file, where it is one.

    Raises:
        LineproofError: `invalid-argument`: the file exists, or cannot be written.
    """
    if file.exists():
        raise LineproofError(f"{file} exists; a snapshot replaces nothing", code="invalid-argument")
    partial = file.with_name(f"{file.name}.partial")
    try:
        if embedded is not None:
            await asyncio.to_thread(_copy, embedded, partial)
        position = await _position(reader, partial, None if embedded is not None else (await graph.position()).size)
        await asyncio.to_thread(_seal, partial, position, reader.checkpoint_covering(position.size))
        partial.rename(file)
        return position
    except OSError as error:
        raise LineproofError(f"{file} cannot be written: {error.strerror}", code="invalid-argument") from error
    finally:
        for suffix in ("", "-wal", "-shm"):
            partial.with_name(partial.name + suffix).unlink(missing_ok=True)


@asynccontextmanager
async def reading_snapshot(file: Path) -> AsyncIterator[Caller]:
    """Questions to a snapshot. It is copied first, since SQLite writes beside what it reads and the file may be of somebody else.

    Raises:
        LineproofError: `invalid-argument`: the file is no snapshot.
    """
    with tempfile.TemporaryDirectory(prefix="lineproof-snapshot-") as scratch:
        copy = Path(scratch) / "graph.db"
        await asyncio.to_thread(shutil.copyfile, file, copy)
        position, checkpoint = await asyncio.to_thread(_sealed, copy, file)
        graph = open_graph(f"sqlite:///{copy}")
        try:
            yield Caller(Room(graph, _SnapshotReader(position, checkpoint), _no_keys, secrets.token_bytes(CURSOR_BYTES)), EVERYTHING)
        finally:
            await graph.close()


class _NoStore:
    """Stands where a log has its entries: whatever needs more than the position ends here."""

    def __getattr__(self, name: str) -> Any:
        raise _not_in_snapshot("entries and proofs are")


class _SnapshotReader(LogReader):
    """A log of which only one position is known."""

    def __init__(self, position: Position, checkpoint: str | None) -> None:
        super().__init__(cast(LogStore, _NoStore()))
        self._position, self._checkpoint = position, checkpoint

    def size(self) -> int:
        return self._position.size

    def root_at(self, size: int) -> bytes:
        if size != self._position.size:
            raise _not_in_snapshot(f"position {size} is")
        return bytes.fromhex(self._position.root)

    def checkpoint_covering(self, size: int) -> str | None:
        return self._checkpoint if size <= self._position.size else None


def _not_in_snapshot(what: str) -> LineproofError:
    return LineproofError(f"{what} not in this snapshot; ask the service or a data directory", code="not-in-snapshot")


def _no_keys() -> Keyring:
    raise _not_in_snapshot("keys are")


def _copy(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    with closing(sqlite3.connect(source, timeout=60)) as opened:
        opened.execute("VACUUM INTO ?", (str(target),))


async def _position(reader: LogReader, file: Path, upto: int | None) -> Position:
    """Where the file stands; what is not a copy is projected into it first."""
    graph = open_graph(f"sqlite:///{file.absolute()}")
    try:
        return await graph.position() if upto is None else await rebuild(reader, graph, upto)
    finally:
        await graph.close()


def _seal(file: Path, position: Position, checkpoint: str | None) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as opened:
        opened.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
        opened.execute("CREATE TABLE lineproof_snapshot (size INTEGER, root TEXT, digest TEXT, checkpoint TEXT)")  # makes a graph file a snapshot
        opened.execute("INSERT INTO lineproof_snapshot VALUES (?, ?, ?, ?)", (position.size, position.root, position.digest, checkpoint))


def _sealed(copy: Path, file: Path) -> tuple[Position, str | None]:
    try:
        with closing(sqlite3.connect(copy)) as opened:
            size, root, digest, checkpoint = opened.execute("SELECT size, root, digest, checkpoint FROM lineproof_snapshot").fetchone()
    except (sqlite3.DatabaseError, TypeError) as error:
        raise LineproofError(f"{file} is no snapshot: write one with lineproof graph export", code="invalid-argument") from error
    return Position(size, root, digest), checkpoint
