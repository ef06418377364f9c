"""How a CSV file becomes a raw table. Imports nothing but DuckDB, so that a rebuild can call it with the locked packages alone."""
from __future__ import annotations

import duckdb


def load(connection: duckdb.DuckDBPyConnection, table: str, file: str) -> None:
    connection.execute("create schema if not exists raw")
    connection.execute(f"create or replace table raw.{table} as select * from read_csv(?, nullstr = ['NA', ''])", [file])
