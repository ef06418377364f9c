"""Pipelines in SQL for tests: each statement is parsed by the hooks, run on DuckDB for its types, and told as a signed run."""
from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import duckdb

from ingest_hooks import facets
from ingest_hooks.sql import SqlLineage, column_lineage
from tests.flights_world import NS, REPO, World, code, run_id

__all__ = ["SqlWorld"]


class SqlWorld:
    """Tables and models in one namespace. Versions are told once and named `v1`, `v2`, …"""

    def __init__(self, world: World) -> None:
        self.world = world
        self.database = duckdb.connect()
        self.version: dict[str, str] = {}
        self._runs = 0

    def table(self, name: str, columns: str, *, knowledge: str | None = None, event_time: tuple[str, str, str] | str | None = None,
              committed: str | None = "2026-03-01T00:00:00Z", **more: Any) -> str:
        """A source with these columns (as in CREATE TABLE); `event_time` is its column, with the first and last if known. The version's id."""
        self.database.execute(f"create or replace table {name} ({columns})")
        return self._version(name, knowledge, event_time, committed, None, more)

    def model(self, name: str, sql: str, *, knowledge: str | None = None, event_time: tuple[str, str, str] | str | None = None, sha: str = "a" * 40,
              purpose: str = "normal", told: bool = True, written_as: str | None = None, first: Mapping[str, str] | None = None, adds: bool = False,
              **more: Any) -> str:
        """A table made by `sql`; with `told` False nothing is said of its statement. The version's id.

        Args:
            written_as: the code as it is kept, if it is not the SQL but makes it at run time.
            first: tables (name -> SQL) that the same run makes before.
            adds: the rows are added to those of earlier runs.
        """
        inputs, outputs = set[str](), []
        for table, text in (first or {}).items():
            outputs.append(self._made(table, text, inputs))
        schema = self._schema()
        self.database.execute(f"create or replace table {name} as {sql}")
        lineage = column_lineage(sql, dialect="duckdb", schema=schema, output=name, file=f"models/{name}.sql")
        version = code(name, written_as or sql)
        self._runs += 1
        run = f"{name} {self._runs}"
        at = f"2026-03-02T{self._runs // 60:02}:{self._runs % 60:02}:00Z"
        self.world.say("lineproof.transformation.v1", {"namespace": NS, "name": name, "version": version.rpartition(":")[2], "language": "sql",
                                                       "rawCode": hashlib.sha256(sql.encode()).hexdigest(), "path": f"models/{name}.sql",
                                                       "repository": REPO, "commit": sha}, at)
        read = [{"namespace": NS, "name": each, "facets": {"version": facets.dataset_version(self.version[each])}}
                for each in sorted(inputs.union(lineage.inputs) - (first or {}).keys())]
        made = self._version(name, knowledge, event_time, at, run_id(run), more)
        said: dict[str, Any] = {"schema": facets.table_schema(self._schema()[name].items()), "version": facets.dataset_version(made)}
        if told:
            said |= self._lineage(lineage, name)
        if adds:
            said["lineproof_columns"]["timing"] = facets.with_earlier_rows(said["lineproof_columns"]["timing"])
        why = {"lineproof_run": {"purpose": purpose}} if purpose != "normal" else {}
        self.world.openlineage({
            "eventType": "COMPLETE", "eventTime": at, "run": {"runId": run_id(run), "facets": why},
            "job": {"namespace": NS, "name": name, "facets": {"lineproof_transformation": {"urn": version, "repository": REPO, "commit": sha,
                                                                                         "path": f"models/{name}.sql"}}},
            "inputs": read, "outputs": [*outputs, {"namespace": NS, "name": name, "facets": said}]})
        return made

    def _made(self, name: str, sql: str, inputs: set[str]) -> dict[str, Any]:
        """What a run says of a table on the way; its inputs are added to `inputs`."""
        lineage = column_lineage(sql, dialect="duckdb", schema=self._schema(), output=name, file=f"models/{name}.sql")
        inputs.update(lineage.inputs)
        self.database.execute(f"create or replace table {name} as {sql}")
        return {"namespace": NS, "name": name, "facets": {"schema": facets.table_schema(self._schema()[name].items()), **self._lineage(lineage, name)}}

    def _lineage(self, lineage: SqlLineage, name: str) -> dict[str, Any]:
        return {"columnLineage": facets.column_lineage(lineage, lambda table: (NS, table)),
                "lineproof_columns": facets.columns(lineage, file=f"models/{name}.sql", relocate=lambda line, column: (line, column),
                                                    name_of=lambda table: (NS, table))}

    def train(self, version: str, table: str, **more: Any) -> str:
        """A model version trained on the table's last version; the reference time is `ref` and the label time `known` unless said otherwise."""
        self.world.say("lineproof.model-version.v1", {
            "namespace": NS, "name": "m", "version": version, "artifact": hashlib.sha256(version.encode()).hexdigest(),
            "trainingDatasets": [{"namespace": NS, "name": table, "version": self.version[table]}],
            **{"referenceTimeColumn": "ref", "labelTimeColumn": "known", "labelColumns": ["label"], **more}}, "2026-03-03T00:00:00Z")
        return f"urn:lineproof:model-version:{NS.replace(':', '%3A').replace('/', '%2F')}:m:{version}"

    def _schema(self) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for table, column, kind in self.database.execute("select table_name, column_name, data_type from duckdb_columns() where not internal "
                                                         "order by table_name, column_index").fetchall():
            found.setdefault(table, {})[column] = kind
        return found

    def _version(self, name: str, knowledge: str | None, event_time: tuple[str, str, str] | str | None, committed: str | None, run: str | None,
                 more: Mapping[str, Any]) -> str:
        number = int(self.version.get(name, "v0")[1:]) + 1
        self.version[name] = f"v{number}"
        data: dict[str, Any] = {"namespace": NS, "name": name, "id": self.version[name], **more}
        if knowledge is not None:
            data["knowledge"] = knowledge
        if isinstance(event_time, str):
            data["eventTime"] = {"column": event_time}
        elif event_time is not None:
            data["eventTime"] = dict(zip(("column", "min", "max"), event_time, strict=True))
        for key, value in (("committedAt", committed), ("runId", run)):
            if value is not None:
                data[key] = value
        self.world.say("lineproof.dataset-version.v1", data, committed or "2026-03-01T00:00:00Z")
        return self.version[name]
