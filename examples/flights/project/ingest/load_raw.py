"""Load the five CSV files into the warehouse's raw schema.

    python ingest/load_raw.py FLIGHTS_CSV WEATHER_CSV PLANES_CSV AIRLINES_CSV AIRPORTS_CSV
"""
from __future__ import annotations

import os
import sys
from pathlib import Path

import duckdb
from tables import load

from ingest_hooks import DuckDB, Emitter, InputFile

WAREHOUSE = f"duckdb://{Path(os.environ['FLIGHTS_DUCKDB']).name}"
FILES = "file://nycflights13"


def main(files: list[Path]) -> None:
    connection = duckdb.connect(os.environ["FLIGHTS_DUCKDB"])
    connection.execute("set TimeZone = 'UTC'")
    with Emitter.from_env(namespace="flights") as emitter:
        for file in files:
            table = file.stem
            target = (WAREHOUSE, f"flights.raw.{table}")
            with emitter.step(f"load_{table}", outputs=[target], code=load) as step:
                step.call(load, DuckDB(connection), table, InputFile((FILES, file.name), file), retain=True)
                step.version(target, connection.sql(f"select * from raw.{table}").to_arrow_table())
            print(f"loaded raw.{table}")
        emitter.flush(120)


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
