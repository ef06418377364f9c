"""Keeping an input's bytes in the artifact store, so that a run that read them can be run again. Opt-in, because data is large.

Small raw files are kept as they are; tables as Parquet (from DuckDB) or Arrow IPC. A table counts as kept only if what was written reads
back with the same fp1 fingerprint.
"""
from __future__ import annotations

import io
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ingest_hooks.artifacts import MAX_ARTIFACT_BYTES

__all__ = ["retained_relation", "retained_table"]

logger = logging.getLogger("ingest_hooks")

Keep = Callable[[bytes], str | None]


def _hold_of(form: str, files: dict[str, str]) -> dict[str, Any]:
    """The `hold` of a dataset version whose bytes are artifacts."""
    return {"kind": "artifact", "format": form, "files": files}


def retained_relation(connection: Any, relation: str, expected: str, name: str, keep: Keep) -> dict[str, Any] | None:
    """Keep a DuckDB relation (quoted SQL) as Parquet; None, with the reason in the log, if it is too large or does not survive Parquet."""
    from ingest_hooks.fp1 import fingerprint_query

    with tempfile.TemporaryDirectory(prefix="lineproof-retain-") as folder:
        path = Path(folder) / "rows.parquet"
        connection.execute(f"copy (select * from {relation}) to '{path}' (format parquet, compression zstd)")  # noqa: S608 - quoted by dbt
        if path.stat().st_size > MAX_ARTIFACT_BYTES:
            logger.warning("%s is not retained: %d bytes as Parquet, at most %d", name, path.stat().st_size, MAX_ARTIFACT_BYTES)
            return None
        if fingerprint_query(connection, f"select * from read_parquet('{path}')").sha256 != expected:  # noqa: S608 - our own file
            logger.warning("%s is not retained: Parquet does not give its rows back as they were", name)
            return None
        digest = keep(path.read_bytes())
    return _hold_of("parquet", {f"{name}.parquet": digest}) if digest else None


def retained_table(table: Any, name: str, keep: Keep) -> dict[str, Any] | None:
    """Keep an Arrow table as Arrow IPC; None if it is too large."""
    import pyarrow as pa

    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    if sink.tell() > MAX_ARTIFACT_BYTES:
        logger.warning("%s is not retained: %d bytes as Arrow IPC, at most %d", name, sink.tell(), MAX_ARTIFACT_BYTES)
        return None
    digest = keep(sink.getvalue())
    return _hold_of("arrow", {f"{name}.arrow": digest}) if digest else None
