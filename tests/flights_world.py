"""A small real world to ask questions about: a log, a signing producer, the projector and an SQLite graph.

weather (raw) -> stg_weather -> feat_weather -> training_set -> model delay@1 -> dashboard; flights (raw) -> training_set;
training_set -> export, by a job that says nothing about columns. Times are claimed: day N is 2026-03-0N.
"""
from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rfc8785

from lineproof_audit.append import NewEntry
from lineproof_audit.envelope import PAYLOAD_CLOUDEVENT, PAYLOAD_OPENLINEAGE, sign_envelope
from lineproof_audit.init import register_key
from lineproof_audit.keyring import Keyring
from lineproof_audit.keys import SigningKey
from lineproof_audit.log import Log
from lineproof_schema.urn import format_urn
from metadata_service.graph.open import open_graph
from metadata_service.graph.port import GraphStore
from metadata_service.projector import Projector
from metadata_service.queries.context import Room

__all__ = ["ADA", "BOB", "NS", "PRODUCER", "RAW", "REPO", "World", "code", "column", "commit", "dataset", "flights_world", "job", "model", "run_id",
           "world_on_sqlite"]

NS, RAW, REPO = "duckdb://flights", "file://raw", "git.example/team/flights"
PRODUCER = SigningKey.from_seed(b"\x11" * 32)
ADA = {"name": "Ada Ames", "email": "Ada@example.org"}
BOB = {"name": "Bob Berg", "email": "bob@example.org"}
SOURCE = "https://flights.example/pipeline"


def dataset(name: str, namespace: str = NS) -> str:
    return format_urn("dataset", namespace, name)


def column(name: str, of: str, namespace: str = NS) -> str:
    return format_urn("column", namespace, of, name)


def job(name: str) -> str:
    return format_urn("job", NS, name)


def model(version: str) -> str:
    return format_urn("model-version", NS, "delay", version)


def commit(sha: str) -> str:
    return format_urn("commit", REPO, sha)


def run_id(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"run {name}"))


def code(name: str, text: str) -> str:
    """The transformation's URN for this text."""
    raw = hashlib.sha256(text.encode()).hexdigest()
    return format_urn("transformation", NS, name, hashlib.sha256(rfc8785.dumps({"rawCode": raw, "modules": {}, "config": None})).hexdigest())


@dataclass
class World:
    """What tests say and ask. `sources` is what the artifact store would hold: SHA-256 -> bytes."""

    log: Log
    graph: GraphStore
    projector: Projector
    admin: SigningKey
    sources: dict[str, bytes] = field(default_factory=dict)
    _events: int = 0

    @property
    def room(self) -> Room:
        return Room(self.graph, self.log.reader, self.keyring, b"a secret of the tests", self.source)

    def keyring(self) -> Keyring:
        keyring = Keyring()
        for entry in self.log.reader.control_entries():
            keyring.apply(entry.index, entry.fields, entry.envelope)
        return keyring

    async def source(self, digest: str) -> bytes | None:
        return self.sources.get(digest)

    @property
    def tenant(self) -> str:
        policy = self.keyring().policy
        assert policy is not None
        return policy.tenants[0].id

    def say(self, event_type: str, data: dict[str, Any], at: str = "2026-03-01T00:00:00Z", key: SigningKey = PRODUCER, **attributes: str) -> int:
        """Append a signed CloudEvent; its index. `attributes` are extensions, such as the producer's."""
        self._events += 1
        event_id = f"event-{self._events}"
        payload = {"specversion": "1.0", "id": event_id, "source": SOURCE, "type": event_type, "time": at, "audience": self.log.origin, "data": data,
                   **attributes}
        return self._append(PAYLOAD_CLOUDEVENT, payload, event_type, event_id, key)

    def openlineage(self, event: dict[str, Any], key: SigningKey = PRODUCER) -> int:
        """Append a signed OpenLineage event; its index."""
        payload = {"producer": SOURCE, "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent", **event}
        kind = "run" if "run" in event else "dataset"
        return self._append(PAYLOAD_OPENLINEAGE, payload, f"openlineage.{kind}", hashlib.sha256(json.dumps(payload).encode()).hexdigest(), key)

    def _append(self, payload_type: str, payload: dict[str, Any], event_type: str, event_id: str, key: SigningKey) -> int:
        envelope = sign_envelope(payload_type, json.dumps(payload).encode(), key)
        by = "SERVICE" if key is self.log.notary else "PRODUCER"
        entry = NewEntry(envelope, payload_type, event_type, self.tenant, key.keyid, by, None, SOURCE, event_id)
        ack: Any = self.log.appender.submit(entry).result(10)
        return int(ack.index)

    def run(self, name: str, run: str, at: str, reads: list[str], writes: str, columns: dict[str, tuple[str, list[tuple[str, str]], int]] | None = None,
            text: str | None = None, sha: str | None = None, schema: list[str] | None = None, state: str = "COMPLETE", namespace: str = NS,
            purpose: str = "normal", joins: list[tuple[str, str]] | None = None) -> int:
        """One run event. `columns`: output column -> (expression, [(dataset, column)], line in the file). Datasets with a slash are raw.

        `joins` are columns that decide which rows there are.
        """
        job_facets: dict[str, Any] = {}
        if text is not None:
            raw = hashlib.sha256(text.encode()).hexdigest()
            self.sources[raw] = text.encode()
            job_facets["lineproof_transformation"] = {"urn": code(name, text), "repository": REPO, "commit": sha, "path": f"models/{name}.sql"}
            job_facets["sql"] = {"query": text}
            self.say("lineproof.transformation.v1", {"namespace": NS, "name": name, "version": code(name, text).rpartition(":")[2], "language": "sql",
                                                     "rawCode": raw, "path": f"models/{name}.sql", "repository": REPO, "commit": sha}, at)
        facets: dict[str, Any] = {"schema": {"fields": [{"name": each, "type": "DOUBLE"} for each in schema or [*(columns or {})]]}}
        if columns is not None:
            facets["columnLineage"] = {"fields": {output: {"inputFields": [_field(source, each, "DIRECT", "TRANSFORMATION") for source, each in inputs]}
                                                  for output, (_, inputs, _) in columns.items()},
                                       "dataset": [_field(source, each, "INDIRECT", "JOIN") for source, each in joins or []]}
            facets["lineproof_columns"] = {"fields": {output: {"expression": expression, "file": f"models/{name}.sql", "line": line, "column": 5,
                                                               "status": "complete", "parser": "tests/1"}
                                                      for output, (expression, _, line) in columns.items()}}
        run_facets = {"lineproof_run": {"purpose": purpose}} if purpose != "normal" else {}
        return self.openlineage({
            "eventType": state, "eventTime": at, "run": {"runId": run_id(run), "facets": run_facets},
            "job": {"namespace": NS, "name": name, "facets": job_facets},
            "inputs": [{"namespace": RAW if each.startswith("raw/") else NS, "name": each.removeprefix("raw/"), "facets": {}} for each in reads],
            "outputs": [{"namespace": namespace, "name": writes, "facets": facets}]})

    async def settle(self, checkpoint: bool = True) -> int:
        """Project everything and publish a checkpoint; the size."""
        while await self.projector.step():
            pass
        if checkpoint:
            self.log.integrator.step()
        return self.log.reader.size()

    def close(self) -> None:
        self.log.close()


def _field(source: str, column_name: str, kind: str, subtype: str) -> dict[str, Any]:
    return {"namespace": RAW if source.startswith("raw/") else NS, "name": source.removeprefix("raw/"), "field": column_name,
            "transformations": [{"type": kind, "subtype": subtype}]}


def open_world(directory: Path, graph: GraphStore) -> World:
    """An initialised log with one registered producer, and a projector into `graph`."""
    log = Log.open(directory / "data", create=True, state_dir=directory / "state")
    admin = SigningKey.load(next((directory / "state").rglob("root-admin.pem")))
    world = World(log, graph, Projector(log.reader, graph), admin)
    register_key(log.appender, admin, PRODUCER.verify_key, origin=log.origin, tenant=world.tenant, label="pipeline")
    return world


STAGING = "select\n    origin,\n    time_hour as observed_at,\n    wind_speed as wind_speed_mph\nfrom weather\n"
GOOD = "select\n    origin,\n    observed_at,\n    -- metres per second\n    round(wind_speed_mph * 0.44704, 1) as wind_ms\nfrom stg_weather\n"
PLANTED = GOOD.replace("0.44704", "0.27778")
TRAINING = "select\n    flights.id,\n    feat.wind_ms,\n    flights.dep_delay > 15 as late\nfrom flights\njoin feat using (origin)\n"


def staging(world: World, run: str, at: str) -> int:
    return world.run("stg_weather", run, at, ["raw/weather"], "stg_weather", {
        "origin": ("origin", [("raw/weather", "origin")], 2), "observed_at": ("time_hour", [("raw/weather", "time_hour")], 3),
        "wind_speed_mph": ("wind_speed", [("raw/weather", "wind_speed")], 4)}, STAGING, "a" * 40)


def features(world: World, run: str, at: str, text: str = GOOD, sha: str = "a" * 40, **more: Any) -> int:
    return world.run("feat_weather", run, at, ["stg_weather"], "feat_weather", {
        "origin": ("origin", [("stg_weather", "origin")], 2), "observed_at": ("observed_at", [("stg_weather", "observed_at")], 3),
        "wind_ms": (text.split("\n")[4].strip().removesuffix(" as wind_ms"), [("stg_weather", "wind_speed_mph")], 5)}, text, sha, **more)


JOINED = "select\n    feat.wind_ms as wind,\n    count(*) over () as rows\nfrom flights\njoin feat_weather as feat using (origin)\n"


def joined(world: World, run: str, at: str, joins: list[tuple[str, str]] | None = None, text: str = JOINED, sha: str = "a" * 40) -> int:
    """A dataset whose rows are decided by a join: its wind is a value of the features, its count nothing but rows."""
    return world.run("joined", run, at, ["feat_weather", "raw/flights"], "joined", {"wind": ("feat.wind_ms", [("feat_weather", "wind_ms")], 2),
                                                                                    "rows": ("count(*) over ()", [], 3)},
                     text, sha, joins=joins if joins is not None else [("feat_weather", "origin"), ("raw/flights", "origin")])


def training(world: World, run: str, at: str) -> int:
    return world.run("training_set", run, at, ["feat_weather", "raw/flights"], "training_set", {
        "id": ("flights.id", [("raw/flights", "id")], 2), "wind_ms": ("feat.wind_ms", [("feat_weather", "wind_ms")], 3),
        "late": ("flights.dep_delay > 15", [("raw/flights", "dep_delay")], 4)}, TRAINING, "a" * 40)


async def flights_world(directory: Path, graph: GraphStore) -> World:
    """The world of two days: day 1 all is well, on day 2 Bob's commit changes the unit of the wind."""
    world = open_world(directory, graph)
    for sha, author, at, subject in (("a" * 40, ADA, "2026-03-01T08:00:00Z", "Delay features"), ("b" * 40, BOB, "2026-03-02T08:00:00Z", "Wind in km/h")):
        world.say("lineproof.commit.v1", {"repository": REPO, "sha": sha, "author": author, "committedAt": at, "subject": subject}, at)
    for name, columns in (("weather", ["origin", "time_hour", "wind_speed", "precip"]), ("flights", ["id", "origin", "dep_delay"])):
        world.say("lineproof.dataset.v1", {"namespace": RAW, "name": name, "columns": [{"name": each} for each in columns],
                                           "owners": [{"name": "weather-desk" if name == "weather" else "ops"}], "isSource": True}, "2026-03-01T08:30:00Z")
        version(world, RAW, name, "v1", "2026-03-01T08:40:00Z", "1" * 64)
    staging(world, "stg 1", "2026-03-01T09:00:00Z")
    features(world, "feat 1", "2026-03-01T09:10:00Z")
    training(world, "train 1", "2026-03-01T09:20:00Z")
    world.say("lineproof.dataset.v1", {"namespace": NS, "name": "training_set", "owners": [{"name": "ml-team"}]}, "2026-03-01T09:25:00Z")
    world.say("lineproof.model-version.v1", {
        "namespace": NS, "name": "delay", "version": "1", "artifact": "c" * 64, "owners": ["ml-team"], "binding": "stable",
        "trainingDatasets": [{"namespace": NS, "name": "training_set", "version": f"run:{run_id('train 1')}"}],
        "trainingColumns": [{"namespace": NS, "name": "training_set", "column": each} for each in ("wind_ms", "late")]}, "2026-03-01T10:00:00Z")
    world.say("lineproof.deployment.v1", {"namespace": NS, "name": "delay", "id": "live", "action": "deploy", "modelVersion": "1", "environment": "production"},
              "2026-03-01T10:10:00Z")
    world.say("lineproof.consumer.v1", {"kind": "dashboard", "namespace": NS, "name": "delays_today", "owners": ["airport-ops"],
                                        "models": [f"{format_urn('model', NS, 'delay').removeprefix('urn:lineproof:model:')}@1"]}, "2026-03-01T10:20:00Z")
    world.run("export", "export 1", "2026-03-01T11:00:00Z", ["training_set"], "export", schema=["anything"])
    staging(world, "stg 2", "2026-03-02T09:00:00Z")
    features(world, "feat 2", "2026-03-02T09:10:00Z", PLANTED, "b" * 40)
    training(world, "train 2", "2026-03-02T09:20:00Z")
    await world.settle()
    return world


def version(world: World, namespace: str, name: str, id_: str, at: str, digest: str) -> int:
    return world.say("lineproof.dataset-version.v1", {"namespace": namespace, "name": name, "id": id_, "rowCount": 10, "committedAt": at,
                                                      "fingerprint": {"algorithm": "fp1", "rows": 10, "sum": "0" * 32, "sha256": digest}}, at)


@asynccontextmanager
async def world_on_sqlite(directory: Path) -> AsyncIterator[World]:
    """The flights world with its graph beside it; closed afterwards."""
    graph = open_graph(f"sqlite:///{directory / 'graph.db'}")
    await graph.setup()
    world = await flights_world(directory, graph)
    yield world
    world.close()
    await graph.close()
