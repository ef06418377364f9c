"""The environment a run runs in, as far as a later one needs it: interpreter, platform and the lock file of its packages.

The lock file is named by LINEPROOF_LOCKFILE (or an argument): requirements with hashes as `uv pip compile --generate-hashes` writes them,
or a pylock.toml. It is opt-in: without one a run is recorded as before and its manifest says what is missing.
"""
from __future__ import annotations

import logging
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Environment", "duckdb_engine", "environment_of"]

logger = logging.getLogger("ingest_hooks")

LOCKFILE_VARIABLE = "LINEPROOF_LOCKFILE"
MAX_LOCKFILE_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Environment:
    """What stands in facet `lineproof_rebuild` of every run of this process."""

    python: str
    platform: str
    lockfile: str | None = None
    lockfile_name: str | None = None

    def facts(self) -> dict[str, Any]:
        """The facet's fields."""
        found = {"python": self.python, "platform": self.platform, "lockfile": self.lockfile, "lockfile_name": self.lockfile_name}
        return {name: value for name, value in found.items() if value is not None}


def environment_of(keep: Callable[[bytes], str | None], lockfile: str | Path | None = None) -> Environment:
    """This process's environment; `keep` stores the lock file as an artifact and gives its digest. Never raises."""
    where = lockfile or os.environ.get(LOCKFILE_VARIABLE)
    digest = name = None
    if where:
        path = Path(where)
        try:
            if path.stat().st_size > MAX_LOCKFILE_BYTES:
                raise OSError(f"more than {MAX_LOCKFILE_BYTES} bytes")
            digest, name = keep(path.read_bytes()), path.name
        except OSError as error:
            logger.warning("the lock file %s cannot be read, so runs cannot be rebuilt: %s", path, error)
    return Environment(platform.python_version(), f"{platform.system().lower()}-{platform.machine()}", digest, name if digest else None)


def duckdb_engine(connection: Any | None = None) -> dict[str, Any]:
    """DuckDB's version, time zone and threads: those of `connection`, or the defaults of this machine."""
    import duckdb

    with duckdb.connect() as fresh:
        asked = connection if connection is not None else fresh
        zone, threads = asked.execute("select current_setting('TimeZone'), current_setting('threads')").fetchall()[0]
    return {"name": "duckdb", "version": duckdb.__version__, "settings": {"TimeZone": str(zone), "threads": str(threads)}}
