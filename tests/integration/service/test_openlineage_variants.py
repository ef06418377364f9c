"""Generated OpenLineage events as many clients send them, over HTTP and GraphQL alone, against an oracle that knows only the specification and our contract.

Each story is one run over one to five events, or the declarations of one dataset: names of every style, times in every zone, facets said, repeated, replaced
and unknown, inputs and outputs split over events. The same stories go to a second service shuffled and with repeats, and a part of them to a third: the
graphs have to be the same, at the end and at the position where the third one stopped.
"""
from __future__ import annotations

import base64
import json
import random
import uuid
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from lineproof_schema.openlineage import run_uuid
from lineproof_schema.urn import format_urn
from tests.service_world import ServiceWorld, running_service, service_settings

pytestmark = pytest.mark.anyio

Json = dict[str, Any]
STORIES = 40
NAMESPACES = ("s3://bucket", "gs://B/", "abfss://c@acct.dfs.core.windows.net", "hdfs://nn:8020", "kafka://b1:9092,b2:9092", "bigquery",
              "snowflake://org-acct", "postgres://host:5432", "arn:aws:glue:us-east-1:123456789012", "file", "\u00e9 ns", "e\u0301", "%20ns", "a:b#c",
              "\u05e2\u05d1\u05e8", "\U0001f600")
NAMES = ("db.schema.{}", "/path/{}/", "Topic {}", "\u8868{}", "{}'\"`\\", "%41{}", "{}#x?y=1")
COLUMNS = ("id", "ID", "a b", "\u00e9", "e\u0301", "x.y", "c:d", "a/b", "%25", "\U0001f600", "ts")
STATES = (["COMPLETE"], ["START", "COMPLETE"], ["START", "RUNNING", "RUNNING", "COMPLETE"], ["START", "FAIL"], ["START", "OTHER", "ABORT"],
          ["START", "COMPLETE", "OTHER"], ["START", "START", "COMPLETE"], ["START"], [None, "COMPLETE"])
HOW: tuple[list[dict[str, Any]], ...] = ([], [{"type": "DIRECT", "subtype": "IDENTITY"}], [{"type": "INDIRECT", "subtype": "JOIN", "description": "why"}],
                                         [{"type": "DIRECT", "subtype": "IDENTITY", "masking": True}, {"type": "INDIRECT", "subtype": "FILTER"}])
COMMON = {"_producer": "https://example.test/p", "_schemaURL": "https://example.test/f.json"}
ASKED = """query($u: ID!, $at: Position) {
  entity(urn: $u, at: $at) {entity {facts {name value} links {type outgoing urn}}}
  assets: lineage(urn: $u, at: $at, depth: 1) {nodes {urn} edges {downstream upstream basis type subtype status}}
  columns: lineage(urn: $u, at: $at, depth: 1, level: COLUMN) {nodes {urn} edges {downstream upstream basis type subtype expression}
    completeness {complete reasons {code urn}}}}"""


def urn(part: Json, *column: str) -> str:
    return format_urn("column" if column else "dataset", part["namespace"], part["name"], *column)


class Generator:
    """The events of one story, in the order they are said."""

    def __init__(self, seed: int) -> None:
        self.choose, self.seed, self.seconds, self.named = random.Random(seed), seed, 0.0, 0

    def likely(self, chance: float) -> bool:
        return self.choose.random() < chance

    def named_thing(self) -> Json:
        self.named += 1
        return {"namespace": self.choose.choice(NAMESPACES), "name": self.choose.choice(NAMES).format(f"{self.seed}_{self.named}")}

    def run_id(self) -> str:
        plain = str(uuid.UUID(int=self.choose.getrandbits(128), version=4))
        return self.choose.choice((plain, plain.upper(), f"019127df-00a2-743c-{plain[19:]}", f"scheduled__{plain}/T+00:00"))

    def said(self, **event: Any) -> Json:
        self.seconds += 1 + self.choose.random()
        when = datetime(2026, 3, 1, 10, tzinfo=UTC) + timedelta(seconds=self.seconds)
        written = self.choose.choice((when.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), when.astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat(),
                                      when.astimezone(timezone(timedelta(hours=-8))).strftime("%Y-%m-%dT%H:%M:%S.%f%z"),
                                      when.strftime("%Y-%m-%dT%H:%M:%S.%f") + "789Z", when.replace(tzinfo=None).isoformat()))
        return {"eventTime": written, "producer": self.choose.choice(("https://example.test/p", "no uri")), **event,
                **({"schemaURL": f"https://openlineage.io/spec/{self.choose.choice(('1-0-0', '2-0-2'))}/OpenLineage.json"} if self.likely(0.9) else {})}

    def some(self, facets: Json, chance: float) -> Json:
        return {name: {**COMMON, **facet, "said": self.choose.randrange(9)} for name, facet in facets.items() if self.likely(chance)}

    def source(self, sources: list[Json], more: Json) -> Json:
        how = self.choose.choice(HOW)
        return {**self.choose.choice(sources), "field": self.choose.choice(COLUMNS), **more, **({"transformations": how} if how else {})}

    def lineage(self, kind: str, columns: list[str], sources: list[Json]) -> Json:
        key, whole, more = ("inputFields", "dataset", {}) if kind == "columnLineage" else ("inputs", "inputs", {"type": "DATASET"})
        fields = {column: {key: [self.source(sources, more) for _ in range(self.choose.randrange(3))]} for column in columns if self.likely(0.7)}
        return {**COMMON, "fields": fields, **({whole: [self.source(sources, more) for _ in range(self.choose.randrange(3))]} if self.likely(0.5) else {})}

    def of_dataset(self, columns: list[str], precise: str | None, sources: list[Json]) -> Json:
        facets = self.some({"documentation": {"description": f"d{self.choose.random()}"}, "ownership": {"owners": [{"name": "team:x"}]},
                            "dataSource": {"uri": f"u://{self.choose.random()}"}, "storage": {"storageLayer": "x"}, "catalog": {"name": "c"},
                            "tags": {"tags": [{"key": "k", "value": "v"}]}, "acme_Thing": {"deep": [1, {"é": None}]}, "spark.logicalPlan": {"plan": []}}, 0.2)
        schema = {**COMMON, "fields": [{"name": column, "type": "int"} for column in columns]}
        return {**facets, "schema": schema, **({precise: self.lineage(precise, columns, sources)} if precise is not None and self.likely(0.7) else {})}

    def of_run(self) -> Json:
        names = ("nominalTime", "errorMessage", "processing_engine", "externalQuery", "environmentVariables", "test", "acme_run")
        return self.some({name: {} for name in names}, 0.2)

    def run(self) -> list[Json]:
        run, job, sources, outputs = self.run_id(), self.named_thing(), [self.named_thing() for _ in range(3)], [self.named_thing() for _ in range(2)]
        parent = {**COMMON, "run": {"runId": self.run_id()}, "job": self.named_thing(), "root": {"run": {"runId": self.run_id()}, "job": self.named_thing()}}
        precise = [self.choose.choice((None, "columnLineage", "lineage")) for _ in outputs]
        columns = [self.choose.sample(COLUMNS, 3) for _ in outputs]
        events = []
        for state in self.choose.choice(STATES):
            facets = {**self.of_run(), **({"parent": parent} if self.likely(0.7) else {})}
            ins, outs = (self.likely(0.7) for _ in range(2))
            parts = [{**part, "facets": self.of_dataset(columns[place], precise[place], sources)} for place, part in enumerate(outputs)]
            of_job = self.some({"jobType": {"processingType": "BATCH"}, "acme": {}}, 0.3)
            events.append(self.said(run={"runId": run, "facets": facets}, job={**job, "facets": of_job},
                                    **({"eventType": state} if state else {}), **({"inputs": [part for part in sources if self.likely(0.6)]} if ins else {}),
                                    **({"outputs": [part for part in parts if self.likely(0.7)]} if outs else {})))
        return events

    def declared(self) -> list[Json]:
        dataset, columns, sources = self.named_thing(), self.choose.sample(COLUMNS, 3), [self.named_thing() for _ in range(2)]
        precise = self.choose.choice(("columnLineage", "lineage"))
        return [self.said(dataset={**dataset, "facets": self.of_dataset(columns, precise, sources)}) for _ in range(self.choose.randrange(1, 4))]

    def story(self) -> list[Json]:
        return self.run() if self.likely(0.8) else self.declared()


@dataclass(frozen=True)
class Expected:
    """What one dataset, job or run should answer."""

    facets: dict[str, Json]
    status: str | None
    links: set[tuple[str, str]]
    assets: set[tuple[str, str]]  # upstream, basis
    columns: set[tuple[str, str, str, str | None]]


class Oracle:
    """What a story says, in the plainest reading: the last word on each facet, and for each output the union of what the events show of it."""

    def __init__(self, events: list[Json]) -> None:
        self.facets: dict[str, dict[str, Json]] = {}
        self.links: set[tuple[str, str]] = set()
        self.run = ""
        self.states: list[str] = []
        self.inputs: set[str] = set()
        self.shown: dict[str, tuple[set[str], set[tuple[str, str, str, str | None]]]] = {}
        self.basis: dict[str, str] = {}
        for event in events:
            self.declared = "dataset" in event
            outputs = [event["dataset"]] if self.declared else event.get("outputs", [])
            if not self.declared:
                self._of_run(event)
            for part in outputs:
                self._say(urn(part), part["facets"])
                self._show(part)

    def _say(self, entity: str, facets: Json) -> None:
        self.facets.setdefault(entity, {}).update(facets)

    def _of_run(self, event: Json) -> None:
        job, parent = event["job"], event["run"]["facets"].get("parent")
        self.run = format_urn("run", run_uuid(event["run"]["runId"], job["namespace"], job["name"]))
        self.states.append(event.get("eventType") or "OTHER")
        self._say(self.run, event["run"]["facets"])
        self._say(format_urn("job", job["namespace"], job["name"]), job["facets"])
        self.links.add(("OF", format_urn("job", job["namespace"], job["name"])))
        for kind, named in (("CHILD_OF", parent), ("ROOT", parent["root"])) if parent else ():
            self.links.add((kind, format_urn("run", run_uuid(named["run"]["runId"], named["job"]["namespace"], named["job"]["name"]))))
        for part in event.get("inputs", []):
            self.inputs.add(urn(part))
            self._say(urn(part), {})

    def _show(self, part: Json) -> None:
        sources, columns = self.shown.setdefault(urn(part), (set(), set()))
        kind = next((name for name in ("lineage", "columnLineage") if name in part["facets"]), None)
        if kind is None:
            return
        facet, key, whole = part["facets"][kind], *(("inputs", "inputs") if kind == "lineage" else ("inputFields", "dataset"))
        of_fields = [(column, item, "DIRECT") for column, field in facet["fields"].items() for item in field[key]]
        of_all = [(field["name"], item, "INDIRECT") for field in part["facets"]["schema"]["fields"] for item in facet.get(whole, [])]
        if of_fields or of_all or (kind == "lineage" and "inputs" in facet):
            self.basis[urn(part)] = kind
        for column, item, usual in (*of_fields, *of_all):
            sources.add(urn(item))
            for how in item.get("transformations", [{"type": usual}]):
                columns.add((urn(part, column), urn(item, item["field"]), how["type"], how.get("subtype")))

    def expected(self) -> dict[str, Expected]:
        found = {}
        ends = [state for state in self.states if state in ("COMPLETE", "FAIL", "ABORT")]
        for entity, facets in self.facets.items():
            sources, columns = self.shown.get(entity, (set(), set()))
            basis = self.basis.get(entity)
            assets = {(source, "declared" if self.declared else basis) for source in sources} if basis else set()
            if basis is None and entity in self.shown and not self.declared:
                assets = {(source, "inputsOutputs") for source in self.inputs}
            of_run = entity == self.run
            found[entity] = Expected(facets, (ends or self.states)[-1] if of_run else None, self.links if of_run else set(), assets, columns)
        return found


STREAM = [(story, Generator(story).story()) for story in range(STORIES)]
EVENTS = [event for _, events in STREAM for event in events]
EXPECTED = {entity: expected for _, events in STREAM for entity, expected in Oracle(events).expected().items()}


@dataclass
class Told:
    """Three services: one was told in order, one shuffled and with repeats, one the first part of that."""

    in_order: ServiceWorld
    shuffled: ServiceWorld
    part: ServiceWorld
    first: int  # the entry with the first event of `in_order`


async def send(world: ServiceWorld, events: Iterable[Json]) -> None:
    answer = await world.post(json.dumps({"events": list(events)}).encode(), "/api/v1/lineage/batch")
    assert answer.json()["status"] == "success", answer.text


@pytest.fixture(scope="module")
async def told(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[Told]:
    folder = tmp_path_factory.mktemp("variants")
    async with (running_service(service_settings(folder / "a")) as in_order, running_service(service_settings(folder / "b")) as shuffled,
                running_service(service_settings(folder / "c")) as part):
        first, choose = in_order.size(), random.Random(1)
        mixed = [*EVENTS, *choose.sample(EVENTS, len(EVENTS) // 4)]
        choose.shuffle(mixed)
        await send(in_order, EVENTS)
        await send(shuffled, mixed)
        await send(part, mixed[:len(mixed) // 2])
        yield Told(in_order, shuffled, part, first)


async def ask(world: ServiceWorld, entity: str, at: int | None = None) -> Json:
    """All that is answered about an entity; edges by name."""
    answer = await world.http.post("/graphql", json={"query": ASKED, "variables": {"u": entity, "at": None if at is None else {"size": at}}},
                                   headers={"Lineproof-Min-Size": str(world.size())})
    found = answer.json()
    assert "errors" not in found, found
    data: Json = found["data"]
    for level in ("assets", "columns"):
        nodes = [node["urn"] for node in data[level].pop("nodes")]
        edges = [{**edge, "downstream": nodes[edge["downstream"]], "upstream": nodes[edge["upstream"]]} for edge in data[level]["edges"]]
        data[level]["edges"] = sorted(edges, key=lambda edge: json.dumps(edge, sort_keys=True))
    data["columns"]["completeness"]["reasons"].sort(key=lambda reason: json.dumps(reason, sort_keys=True))
    for part in ("facts", "links"):
        if data["entity"]["entity"] is not None:
            data["entity"]["entity"][part].sort(key=lambda item: json.dumps(item, sort_keys=True))
    return data


async def test_each_event_is_kept_byte_for_byte(told: Told) -> None:
    for place in range(0, len(EVENTS), 7):
        asked = {"query": "query($i: Long!) {event(index: $i) {event {status payload envelope}}}", "variables": {"i": told.first + place}}
        answer = await told.in_order.http.post("/graphql", json=asked, headers={"Lineproof-Min-Size": str(told.in_order.size())})
        event = answer.json()["data"]["event"]["event"]
        assert (event["status"], event["payload"]) == ("applied", EVENTS[place])
        assert base64.b64decode(json.loads(event["envelope"])["payload"]) in json.dumps({"events": EVENTS}).encode()


async def test_the_graph_says_what_the_events_say(told: Told) -> None:
    assert len(EXPECTED) > 4 * STORIES
    assert {basis for expected in EXPECTED.values() for _, basis in expected.assets} == {"lineage", "columnLineage", "inputsOutputs", "declared"}
    for entity, expected in EXPECTED.items():
        data = await ask(told.in_order, entity)
        facts = {fact["name"]: fact["value"] for fact in data["entity"]["entity"]["facts"]}
        assert {name.removeprefix("facet:"): facet for name, facet in facts.items() if name.startswith("facet:")} == expected.facets, entity
        assert expected.status is None or facts["status"] == expected.status, entity
        assert expected.links <= {(link["type"], link["urn"]) for link in data["entity"]["entity"]["links"] if link["outgoing"]}, entity
        if not entity.startswith("urn:lineproof:dataset:"):  # a job or run stands for what it wrote
            continue
        assert {(edge["upstream"], edge["basis"]) for edge in data["assets"]["edges"]} == expected.assets, entity
        columns = {(edge["downstream"], edge["upstream"], edge["type"], edge["subtype"]) for edge in data["columns"]["edges"] if edge["type"] is not None}
        assert columns == expected.columns, entity


async def test_order_and_repeats_change_nothing(told: Told) -> None:
    assert told.shuffled.size() == told.in_order.size()
    for entity in EXPECTED:
        assert await ask(told.shuffled, entity) == await ask(told.in_order, entity), entity


async def test_a_position_answers_as_the_service_that_was_told_no_more(told: Told) -> None:
    size = told.part.size()
    assert told.in_order.size() > size
    for entity in list(EXPECTED)[::2]:
        assert await ask(told.shuffled, entity, size) == await ask(told.part, entity), entity
