"""A real log and projector before any of the graph adapters, in which each case speaks in namespaces of its own."""
from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lineproof_audit.append import NewEntry
from lineproof_audit.envelope import PAYLOAD_OPENLINEAGE, sign_envelope
from lineproof_audit.init import register_key
from lineproof_audit.keys import SigningKey
from lineproof_schema.urn import format_urn, parse_urn
from metadata_service.queries.context import EVERYTHING
from metadata_service.queries.lineage import lineage
from metadata_service.queries.lineage_shapes import Lineage
from metadata_service.queries.shapes import Direction, Level
from tests.flights_world import PRODUCER, World
from tests.unit.projector.recorded import run_event, uid
from tests.unit.queries.asking import ask

__all__ = ["NARROW", "Case"]

NARROW = SigningKey.from_seed(b"\x12" * 32)
Pair = tuple[str | None, str | None]


@dataclass
class Case:
    """What one test says, and what it asks. Datasets lie in `db.<case>`, jobs in `jobs.<case>`; run names are the case's own."""

    world: World
    name: str

    @property
    def datasets(self) -> str:
        return f"db.{self.name}"

    @property
    def jobs(self) -> str:
        return f"jobs.{self.name}"

    # -- names

    def dataset(self, name: str) -> str:
        return format_urn("dataset", self.datasets, name)

    def column(self, dataset: str, name: str) -> str:
        return format_urn("column", self.datasets, dataset, name)

    def job(self, name: str) -> str:
        return format_urn("job", self.jobs, name)

    def run_urn(self, name: str) -> str:
        return format_urn("run", uid(f"{self.name} {name}"))

    def part(self, name: str, **facets: Any) -> dict[str, Any]:
        """A dataset of an event."""
        return {"namespace": self.datasets, "name": name, "facets": facets}

    def derived(self, **fields: Sequence[tuple[str, str]]) -> dict[str, Any]:
        """A columnLineage facet: column -> [(dataset, field)]."""
        identity = [{"type": "DIRECT", "subtype": "IDENTITY"}]
        return {"fields": {column: {"inputFields": [{"namespace": self.datasets, "name": dataset, "field": field, "transformations": identity}
                                                    for dataset, field in inputs]} for column, inputs in fields.items()}}

    # -- saying

    def run(self, job: str, run: str, inputs: Sequence[Any] = (), outputs: Sequence[Any] = (), **said: Any) -> int:
        """Log a signed run event; its index. Inputs and outputs are names or `part(…)`; `key` signs, "notary" for an event nobody signed."""
        return self.runs([(job, run, inputs, outputs, said)])[0]

    def runs(self, told: Sequence[tuple[str, str, Sequence[Any], Sequence[Any], dict[str, Any]]]) -> list[int]:
        """Log run events, flushed together."""
        waiting = []
        for job, run, inputs, outputs, said in told:
            key = said.pop("key", PRODUCER)
            parts = [[self.part(each) if isinstance(each, str) else each for each in side] for side in (inputs, outputs)]
            event = run_event(job, f"{self.name} {run}", inputs=parts[0], outputs=parts[1], namespace=self.jobs, **said)
            waiting.append(self.world.log.appender.submit(self._entry(event, "run", key)))
        return [int(each.result(10).index) for each in waiting]

    def declare(self, name: str, **facets: Any) -> int:
        """Log a dataset event."""
        event = {"eventTime": "2026-03-01T00:00:00Z", "producer": "https://example.test/catalog",
                 "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json", "dataset": self.part(name, **facets)}
        return int(self.world.log.appender.submit(self._entry(event, "dataset", PRODUCER)).result(10).index)

    def _entry(self, event: dict[str, Any], kind: str, key: SigningKey | str) -> NewEntry:
        signing = self.world.log.notary if isinstance(key, str) else key
        payload = json.dumps(event).encode()
        by = "SERVICE" if isinstance(key, str) else "PRODUCER"
        event_id = hashlib.sha256(payload + signing.keyid.encode()).hexdigest()
        return NewEntry(sign_envelope(PAYLOAD_OPENLINEAGE, payload, signing), PAYLOAD_OPENLINEAGE, f"openlineage.{kind}", self.world.tenant, signing.keyid, by,
                        None, "https://example.test/pipeline", event_id)

    def register_narrow(self) -> None:
        """From here on `NARROW` may speak for this case's namespaces and nothing else."""
        register_key(self.world.log.appender, self.world.admin, NARROW.verify_key, origin=self.world.log.origin, tenant=self.world.tenant, label="narrow",
                     namespaces=[self.datasets, self.jobs])

    async def settle(self) -> int:
        """Project what was said; the size."""
        return await self.world.settle(checkpoint=False)

    # -- asking

    async def lineage(self, name: str, direction: Direction = Direction.UPSTREAM, depth: int | None = None, *, level: Level = Level.ASSET,
                      at: int | None = None, viewer: Any = EVERYTHING, **more: Any) -> Lineage:
        """Lineage of a dataset of the case, or of a column (`dataset.column`), or of any URN."""
        urn = name if name.startswith("urn:") else self.column(*name.split(".", 1)) if "." in name else self.dataset(name)
        return await ask(self.world, lineage, urn, direction=direction, depth=depth, level=level, size=at, viewer=viewer, **more)

    async def upstream(self, name: str, **named: Any) -> set[Pair]:
        """(downstream, upstream) of everything upstream, by name."""
        return pairs(await self.lineage(name, **named))

    async def facts(self, urn: str) -> dict[str, Any]:
        return dict((await self.world.graph.get([urn]))[urn].facts)

    async def links(self, urn: str, kind: str) -> list[str]:
        """Other ends of the links of a kind that leave `urn`."""
        found = await self.world.graph.provenance([urn], [kind], None)
        return [link.dst for link in found[urn].out]


def pairs(found: Lineage) -> set[Pair]:
    """(downstream, upstream) by name; a column is `dataset.column`, a placeholder is None."""
    names = [_name(node.urn) for node in found.nodes]
    return {(names[edge.downstream], names[edge.upstream]) for edge in found.edges}


def distances(found: Lineage) -> dict[str | None, int]:
    return {_name(node.urn): node.distance for node in found.nodes}


def _name(urn: str | None) -> str | None:
    return ".".join(parse_urn(urn).components[1:]) if urn is not None else None
