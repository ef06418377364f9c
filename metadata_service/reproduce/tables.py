"""Data in the sandbox: retained inputs put where steps find them, and outputs read back for the comparison."""
from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from metadata_service.reproduce.sandbox import Sandbox
from metadata_service.reproduce.shape import safe_name

__all__ = ["Missing", "Tables"]


class Missing(Exception):
    """A step did not write what it wrote when it was recorded, or reads what is not there."""


class Tables:
    """DuckDB files by database name, raw files and Arrow files by dataset version. Connections are closed before a step runs."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._open: dict[str, duckdb.DuckDBPyConnection] = {}
        self._files: dict[str, Path] = {}
        self._arrow: dict[str, Path] = {}
        self._placed: set[str] = set()

    def has(self, version: str) -> bool:
        return version in self._placed

    def place(self, given: Mapping[str, Any]) -> pa.Table | None:
        """Put a retained input in its place; its rows, or None for raw files, which their digests prove.

        Raises:
            ValueError: a format we cannot read.
        """
        version, (namespace, name), retention = str(given["version"]), given["dataset"], given["retention"]
        files = sorted((retention.get("files") or {}).items())
        form = retention.get("format")
        self._placed.add(version)
        if form == "raw":
            folder = self.sandbox.folder / "inputs" / str(len(self._placed))
            folder.mkdir()
            for label, digest in files:
                shutil.copyfile(self.sandbox.artifact(digest), folder / safe_name(label))
            self._files[version] = folder / files[0][0] if len(files) == 1 else folder
            return None
        if form not in ("parquet", "arrow") or len(files) != 1:
            raise ValueError(f"retained as {form!r} in {len(files)} files")
        table = self.read(form, files[0][1])
        if str(namespace).startswith("duckdb://"):
            database, schema, identifier = _parts(str(name))
            connection = self._connection(database)
            connection.execute(f"create schema if not exists {_quoted(schema)}")
            into = f"create or replace table {_quoted(schema)}.{_quoted(identifier)} as select * from"
            try:
                if form == "parquet":  # by DuckDB itself, which wrote it: its types come back
                    connection.execute(f"{into} read_parquet(?)", [str(self.sandbox.artifact(files[0][1]))])
                else:
                    connection.register("lineproof_input", table)
                    connection.execute(f"{into} lineproof_input")
                    connection.unregister("lineproof_input")
            except duckdb.Error as error:
                raise ValueError(str(error)) from error
            table = self._rows(connection, schema, identifier)
        self._arrow[version] = self._write(table)
        return table

    def original(self, output: Mapping[str, Any]) -> pa.Table | None:
        """The retained rows of an output as they were recorded."""
        retention = output.get("retention") or {}
        files = list((retention.get("files") or {}).values())
        return self.read(retention["format"], files[0]) if retention.get("format") in ("parquet", "arrow") and len(files) == 1 else None

    def file(self, version: str) -> Path:
        """Where a raw input lies."""
        if version not in self._files:
            raise Missing(f"{version} is no retained file")
        return self._files[version]

    def arrow(self, version: str) -> Path:
        """An input table as Arrow IPC."""
        if version not in self._arrow:
            raise Missing(f"{version} is neither a retained table nor one that a step returned")
        return self._arrow[version]

    def returned(self, version: str) -> Path:
        """Where a step writes the table it returns."""
        self._arrow[version] = self.sandbox.folder / "tables" / f"{len(self._arrow)}.arrow"
        return self._arrow[version]

    def output(self, step: Mapping[str, Any], output: Mapping[str, Any]) -> pa.Table:
        """What a step wrote.

        Raises:
            Missing: it is not there.
        """
        version, (namespace, name) = str(output["version"]), output["dataset"]
        if version in self._arrow and self._arrow[version].exists():
            with pa.OSFile(str(self._arrow[version]), "rb") as source:
                return pa.ipc.open_file(source).read_all()
        if not str(namespace).startswith("duckdb://"):
            raise Missing(f"{step['job'][1]} did not return {name}")
        node = step.get("node")
        database, schema, identifier = (node["database"], node["schema"], node["identifier"]) if node else _parts(str(name))
        try:
            return self._rows(self._connection(database), schema, identifier)
        except (duckdb.Error, ValueError) as error:
            raise Missing(f"{step['job'][1]} did not write {name}: {error}") from error

    def close(self) -> None:
        """Let go of the database files: a step opens them itself."""
        for connection in self._open.values():
            connection.close()
        self._open.clear()

    def _connection(self, database: str) -> duckdb.DuckDBPyConnection:
        if database not in self._open:
            connection = duckdb.connect(str(self.sandbox.database(database)))
            connection.execute("set TimeZone = 'UTC'")
            self._open[database] = connection
        return self._open[database]

    def read(self, form: str, digest: str) -> pa.Table:
        """The rows of an artifact. Raises ValueError (pyarrow's errors are some) if it is not in that format."""
        path = str(self.sandbox.artifact(digest))
        if form == "arrow":
            with pa.OSFile(path, "rb") as source:
                return pa.ipc.open_file(source).read_all()
        try:
            with duckdb.connect() as connection:
                connection.execute("set TimeZone = 'UTC'")
                return connection.read_parquet(path).to_arrow_table()
        except duckdb.Error as error:
            raise ValueError(str(error)) from error

    def _rows(self, connection: duckdb.DuckDBPyConnection, schema: str, identifier: str) -> pa.Table:
        return connection.sql(f"select * from {_quoted(schema)}.{_quoted(identifier)}").to_arrow_table()  # noqa: S608 - quoted

    def _write(self, table: pa.Table) -> Path:
        path = self.sandbox.folder / "tables" / f"{len(self._arrow)}.arrow"
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        return path


def _parts(name: str) -> tuple[str, str, str]:
    """Database, schema and table of a DuckDB dataset's name."""
    parts = name.split(".", 2)
    if len(parts) != 3:
        raise Missing(f"{name} is not <database>.<schema>.<table>")
    return parts[0], parts[1], parts[2]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
