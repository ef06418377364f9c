"""Projecting the log again: into another store, over the embedded one, or beside any graph to prove it.

The graph is a view: dropping it and projecting the log again gives the same one. `verify` does that into a temporary SQLite
graph and compares digests, which do not depend on the adapter.
"""
from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from metadata_service.graph.open import open_graph
from metadata_service.graph.port import GraphStore, Position
from metadata_service.projector.runner import BATCH_ENTRIES, EntrySource, Projector

__all__ = ["Progress", "Verification", "rebuild", "rebuild_file", "verify"]

Progress = Callable[[int, int], None]  # (entries projected, entries in all)


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether a graph says what the log says. All digests are 64 hex digits, at the same size.

    `kept` is the digest the graph keeps as it goes, `stored` that of its rows now, `rebuilt` that of the log projected again.
    """

    size: int
    kept: str
    stored: str
    rebuilt: str

    @property
    def ok(self) -> bool:
        """All three agree."""
        return self.kept == self.stored == self.rebuilt


async def rebuild(reader: EntrySource, graph: GraphStore, upto: int | None = None, *, batch: int = BATCH_ENTRIES, progress: Progress | None = None) -> Position:
    """Empty `graph` and project the log into it, up to size `upto` (or all there is).

    Raises:
        ProjectionConflict: a projector runs on this graph.
    """
    await graph.setup()
    await graph.wipe()
    projector = Projector(reader, graph)
    size = await asyncio.to_thread(reader.size)
    stop = size if upto is None else min(upto, size)
    await projector.catch_up(batch, upto=stop, progress=None if progress is None else lambda done: progress(done, stop))
    return await graph.position()


async def rebuild_file(reader: EntrySource, path: Path, *, progress: Progress | None = None) -> Position:
    """Project the log into a new file beside the SQLite graph `path`, then put it in its place in one transaction.

    Readers see the old graph until then. A projector that runs meanwhile starts again from the rebuilt position.
    """
    fresh = path.with_name(f"{path.name}.{os.getpid()}.rebuild")
    graph = open_graph(f"sqlite:///{fresh.absolute()}")
    try:
        try:
            position = await rebuild(reader, graph, progress=progress)
        finally:
            await graph.close()
        await asyncio.to_thread(_replace, fresh, path)
    finally:
        for suffix in ("", "-wal", "-shm"):
            fresh.with_name(fresh.name + suffix).unlink(missing_ok=True)
    return position


def _replace(fresh: Path, path: Path) -> None:
    # SQLite's backup writes one transaction through the old file's own log; renaming over it would leave that log beside a file it does not belong to.
    with closing(sqlite3.connect(fresh)) as source, closing(sqlite3.connect(path, timeout=60)) as target:
        source.backup(target)


async def verify(reader: EntrySource, graph: GraphStore, *, progress: Progress | None = None) -> Verification:
    """Project the log again up to where `graph` stands and compare. Changes nothing."""
    position = await graph.position()
    stored = await graph.digest()
    with tempfile.TemporaryDirectory(prefix="lineproof-verify-") as scratch:
        other = open_graph(f"sqlite:///{Path(scratch) / 'graph.db'}")
        try:
            again = await rebuild(reader, other, position.size, progress=progress)
        finally:
            await other.close()
    return Verification(position.size, position.digest, stored, again.digest)
