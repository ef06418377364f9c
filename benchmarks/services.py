"""The real databases to measure on, with fsync on. The environment (POSTGRES_URL, NEO4J_URI) wins over starting our own."""
from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.figures import Report
from benchmarks.scale import Scale
from tests.services.neo4j_server import Neo4jServer, run_neo4j, server_of, wipe
from tests.services.postgres_server import fresh_database, run_postgres
from tests.services.process import Missing

__all__ = ["Services", "workplace"]


class Services:
    """Starts each service when it is first asked for; all end with `close`. None where it cannot run, which the report then says."""

    def __init__(self, report: Report, scale: Scale) -> None:
        self._report, self._scale = report, scale
        self._stack = ExitStack()
        self._postgres: str | None = None
        self._neo4j: Neo4jServer | None = None
        self._missing: set[str] = set()

    def close(self) -> None:
        """Stop what was started."""
        self._stack.close()

    @contextmanager
    def postgres(self, what: str) -> Iterator[str | None]:
        """The URL of an empty database, dropped afterwards; `what` is what goes unmeasured without it."""
        if self._postgres is None and "postgres" not in self._missing:
            try:
                self._postgres = os.environ.get("POSTGRES_URL") or self._stack.enter_context(run_postgres(durable=True))
                _require_durable(self._postgres)
            except Missing as reason:
                self._missing.add("postgres")
                self._report.skip(f"PostgreSQL: {reason}")
        if self._postgres is None:
            self._report.skip(f"{what} on PostgreSQL")
            yield None
            return
        with fresh_database(self._postgres) as url:
            yield url

    def neo4j(self, what: str) -> Neo4jServer | None:
        """An emptied Neo4j."""
        if self._neo4j is None and "neo4j" not in self._missing:
            try:
                given, (heap, pagecache) = os.environ.get("NEO4J_URI"), self._scale.neo4j_memory
                self._neo4j = server_of(given) if given else self._stack.enter_context(run_neo4j(heap=heap, pagecache=pagecache, jvm=()))
            except Missing as reason:
                self._missing.add("neo4j")
                self._report.skip(f"Neo4j: {reason}")
        if self._neo4j is None:
            self._report.skip(f"{what} on Neo4j")
            return None
        wipe(self._neo4j)
        return self._neo4j


def _require_durable(url: str) -> None:
    """Figures of a database that does not flush would be figures of something else."""
    import psycopg

    with psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://")) as connection:
        for setting in ("fsync", "synchronous_commit"):
            row = connection.execute(f"SHOW {setting}").fetchone()
            if row is None or row[0] != "on":
                raise Missing(f"it runs with {setting}={row and row[0]}; benchmarks need it on")


@contextmanager
def workplace() -> Iterator[Path]:
    """A directory for one measurement, gone afterwards. TMPDIR chooses the disk."""
    with tempfile.TemporaryDirectory(prefix="lineproof-bench-") as directory:
        yield Path(directory)
