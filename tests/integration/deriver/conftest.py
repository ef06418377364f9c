"""A real log and a real graph with projector and deriver that take a step when told to."""
from __future__ import annotations

import base64
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lineproof_audit.append import NewEntry
from lineproof_audit.envelope import PAYLOAD_OPENLINEAGE, sign_envelope
from lineproof_audit.init import ROOT_ADMIN_KEY, admin_entry
from lineproof_audit.keys import SigningKey
from lineproof_audit.log import Log
from metadata_service.database import Database
from metadata_service.deriver.parser import Parser
from metadata_service.deriver.progress import METADATA, Progress
from metadata_service.deriver.runner import Deriver
from metadata_service.graph.open import open_graph
from metadata_service.graph.ops import Edge
from metadata_service.graph.port import GraphStore
from metadata_service.intake.derivations import DerivationLog
from metadata_service.projector import Projector

NS = "postgres://wh:5432"


@dataclass
class Derived:
    """What tests say, and what was derived. Names without a namespace are datasets of `NS`."""

    log: Log
    graph: GraphStore
    database: Database
    projector: Projector
    deriver: Deriver

    def another(self, parser: Parser | None = None) -> Deriver:
        """A deriver that remembers nothing, as after a restart."""
        return Deriver(self.log.reader, self.graph, DerivationLog(self.log.appender, self.log.notary, self.log.origin), Progress(self.database), parser)

    def ran(self, job: str, sql: str | None, *, inputs: dict[str, list[str] | None] | None = None, outputs: dict[str, list[str] | None] | None = None,
            run: str | None = None, state: str = "COMPLETE", dialect: str | None = None, output_facets: dict[str, Any] | None = None,
            minute: int = 0, declared: bool = False) -> int:
        """One event of a run, or of a job as declared; datasets with their columns, or None where nothing is told of them."""
        facets = {"sql": {"query": sql, **({"dialect": dialect} if dialect else {})}} if sql is not None else {}
        event = {"eventType": state, "eventTime": f"2026-01-01T00:{minute:02}:00Z", "producer": "https://example.test/p",
                 "run": {"runId": run or str(uuid.uuid4())}, "job": {"namespace": "jobs", "name": job, "facets": facets},
                 "inputs": [_dataset(name, columns, {}) for name, columns in (inputs or {}).items()],
                 "outputs": [_dataset(name, columns, output_facets or {}) for name, columns in (outputs or {}).items()]}
        kind = "job" if declared else "run"
        payload = json.dumps({key: value for key, value in event.items() if not (declared and key in ("run", "eventType"))}).encode()
        policy = self.log.keyring.policy
        assert policy is not None
        entry = NewEntry(sign_envelope(PAYLOAD_OPENLINEAGE, payload, self.log.notary), PAYLOAD_OPENLINEAGE, f"openlineage.{kind}", policy.tenants[0].id,
                         self.log.notary.keyid, "SERVICE", None, "https://example.test/p", str(uuid.uuid4()))
        return self.log.appender.submit(entry).result(30).index

    def erase(self, entry: int) -> None:
        """The root admin orders that the body of an entry goes, and it goes."""
        admin = SigningKey.load(self.log.state_dir / f"{ROOT_ADMIN_KEY}.pem")
        order = self.log.appender.submit(admin_entry("lineproof.erasure.v1", {"entry": entry, "reason": "r"}, admin, origin=self.log.origin,
                                                     now=1_767_225_600_000_000)).result(30)
        self.log.store.erase_body(entry, order.index)

    async def settle(self, deriver: Deriver | None = None) -> list[dict[str, Any]]:
        """Project and derive until there is nothing left; all derivations of the log."""
        while await self.projector.step() or await (deriver or self.deriver).step():
            pass
        return self.derivations()

    def derivations(self) -> list[dict[str, Any]]:
        return [json.loads(base64.b64decode(json.loads(entry.envelope or b"{}")["payload"]))["data"] for entry in self.log.reader.entries()
                if entry.fields.event_type == "lineproof.derivation.v1"]

    async def edges(self, dataset: str, column: str, at: int | None = None) -> list[Edge]:
        """The edges into a column."""
        namespace = NS.replace(":", "%3A").replace("/", "%2F")
        return await self.graph.neighbours([f"urn:lineproof:column:{namespace}:{dataset}:{column}"], "UPSTREAM", ["COLUMN_DERIVED_FROM"], at, 100)


def _dataset(name: str, columns: list[str] | None, facets: dict[str, Any]) -> dict[str, Any]:
    namespace, _, own = name.rpartition("|")
    schema = {"schema": {"fields": [{"name": column, "type": "INTEGER"} for column in columns]}} if columns is not None else {}
    return {"namespace": namespace or NS, "name": own, "facets": {**schema, **facets}}


@pytest.fixture
async def derived(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Derived]:
    with Log.open(tmp_path / "data", create=True, state_dir=tmp_path / "state") as log:
        database = Database(str(tmp_path / "data"), [METADATA])
        graph = open_graph(f"sqlite:///{tmp_path / 'graph.db'}")
        await graph.setup()
        world = Derived(log, graph, database, Projector(log.reader, graph), None)  # type: ignore[arg-type]
        world.deriver = world.another()
        try:
            yield world
        finally:
            await world.deriver.close()
            await graph.close()
            database.close()
