"""The features of features.yml as versions in the registry.

    python ml/features.py register      before the build: a version that the registry does not have yet
    python ml/features.py promote       after the build: its values into the online store, then `latest-stable` moves to it
"""
from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import yaml

from ingest_hooks import Emitter, ResolveError, Resolver
from ingest_hooks.fp1 import fingerprint_query
from ingest_hooks.git import GitRepository

WAREHOUSE = Path(os.environ["FLIGHTS_DUCKDB"])
DATASETS = f"duckdb://{WAREHOUSE.name}"
ONLINE = WAREHOUSE.with_name("online.db")  # what a key-value store would be
HEAD = GitRepository().commit()


@dataclass(frozen=True)
class Feature:
    """A column of a view, at the version that the view has now."""

    namespace: str
    name: str
    version: str
    dtype: str
    view: str
    owner: str
    entities: tuple[str, ...]
    time: str | None
    window: str | None

    @property
    def reference(self) -> str:
        return f"{self.namespace}:{self.name}@{self.version}"

    @property
    def online_table(self) -> str:
        return f"{self.name}_v{self.version}"


def declared() -> Iterator[Feature]:
    said = yaml.safe_load(Path("features.yml").read_text())
    for view, of in said["views"].items():
        for name, dtype in of["features"].items():
            yield Feature(said["namespace"], name, str(of["version"]), dtype, view, of["owner"], tuple(of["entities"]), of.get("time"), of.get("window"))


def known(resolver: Resolver, reference: str) -> tuple[str, int | None] | None:
    """The version a reference means and the entry that moved the alias there; None if it means nothing yet."""
    try:
        found = resolver.one(reference)
    except ResolveError as error:
        if error.code == "not-found":
            return None
        raise
    return found.version, found.alias_index


def register(emitter: Emitter, resolver: Resolver) -> list[Feature]:
    new = [feature for feature in declared() if known(resolver, feature.reference) is None]
    for feature in new:
        keys = [{"name": key, "type": "VARCHAR"} for key in feature.entities]
        times = [{"name": feature.time, "type": "TIMESTAMP WITH TIME ZONE"}] if feature.time else []
        value = {"name": feature.name, "type": feature.dtype}
        emitter.feature_version(
            namespace=feature.namespace, name=feature.name, version=feature.version,
            definition={"entities": feature.entities, "dtype": feature.dtype, "sql": Path(f"models/features/{feature.view}.sql").read_text(),
                        "eventTimeColumn": feature.time, "window": feature.window},
            column={"namespace": DATASETS, "name": f"flights.features.{feature.view}", "column": feature.name},
            offline={"uri": f"{DATASETS}/features.{feature.view}", "schema": [*keys, *times, value]},
            online={"uri": f"sqlite://{ONLINE.name}/{feature.online_table}", "schema": [*keys, value]},
            repository=HEAD.repository, commit=HEAD.sha, owners=[feature.owner])
    return new


def promote(emitter: Emitter, resolver: Resolver) -> list[Feature]:
    warehouse, online = duckdb.connect(str(WAREHOUSE), read_only=True), sqlite3.connect(ONLINE)
    warehouse.execute("set TimeZone = 'UTC'")
    built: dict[str, str] = {}
    moved = []
    for feature in declared():
        stands = known(resolver, f"{feature.namespace}:{feature.name}@latest-stable")
        if stands is not None and stands[0] == feature.version:
            continue
        table = f"features.{feature.view}"
        if feature.view not in built:
            built[feature.view] = fingerprint_query(warehouse, f"select * from {table}").sha256
        rows = materialize(warehouse, online, table, feature)
        first, last = warehouse.execute(f"select min({feature.time}), max({feature.time}) from {table}").fetchall()[0] if feature.time else (None, None)
        interval = {"start": first, "end": last + timedelta(microseconds=1)} if first is not None else None
        emitter.materialization(feature=feature.reference, status="completed", interval=interval, location=f"sqlite://{ONLINE.name}/{feature.online_table}",
                                rows=rows, finished_at=datetime.now(UTC),
                                output={"namespace": DATASETS, "name": f"flights.{table}", "version": built[feature.view]})
        # moves only if the alias still stands where it was when we looked
        emitter.alias(kind="feature", namespace=feature.namespace, name=feature.name, alias="latest-stable", to=feature.version,
                      expected=stands[1] if stands is not None else None, reason=HEAD.subject, actor=HEAD.author_email)
        moved.append(feature)
    return moved


def materialize(warehouse: duckdb.DuckDBPyConnection, online: sqlite3.Connection, table: str, feature: Feature) -> int:
    """The newest value of each key into the online store, in a table of this version's own; the number of rows."""
    newest = f"arg_max({feature.name}, {feature.time})" if feature.time else f"any_value({feature.name})"
    rows = warehouse.execute(f"select {', '.join(feature.entities)}, {newest} from {table} group by all").fetchall()
    with online:
        online.execute(f"create table if not exists {feature.online_table} (key text primary key, value)")
        online.executemany(f"insert or replace into {feature.online_table} values (?, ?)", ((json.dumps(row[:-1]), row[-1]) for row in rows))
    return len(rows)


def main(what: str) -> None:
    with Emitter.from_env(namespace="flights") as emitter:
        done = {"register": register, "promote": promote}[what](emitter, Resolver())
        emitter.flush(120)
    print(f"{what}: {', '.join(f'{feature.name}@{feature.version}' for feature in done) or 'nothing new'}")


if __name__ == "__main__":
    main(sys.argv[1])
