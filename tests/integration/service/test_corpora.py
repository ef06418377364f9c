"""OpenLineage events that others wrote: every scenario and every facet example of the specification, over HTTP, against what they say.

The corpora lie beside the repository (`../shared/corpora`); without them this module skips.
"""
from __future__ import annotations

import gzip
import json
import uuid
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lineproof_schema.openlineage import run_uuid
from lineproof_schema.urn import format_urn
from tests.service_world import ServiceWorld, openlineage_run

CORPORA = Path(__file__).parents[4] / "shared" / "corpora" / "openlineage"
if not CORPORA.is_dir():
    pytest.skip("NOT TESTED: the OpenLineage corpora are not at ../shared/corpora/openlineage", allow_module_level=True)
pytestmark = pytest.mark.anyio

Event = dict[str, Any]
Edge = tuple[str, str, str | None, str | None]
FACTS = "query($urn: ID!) {entity(urn: $urn) {entity {facts {name value} links {type outgoing urn}}}}"
EDGES = """query($urn: ID!, $level: Level!) {lineage(urn: $urn, level: $level, depth: 1) {nodes {urn} edges {downstream upstream basis type subtype}}}"""


def scenarios() -> dict[str, list[Event]]:
    folders = sorted((CORPORA / "scenarios").iterdir())
    found = {folder.name: [json.loads(file.read_text("utf-8")) for file in sorted(folder.glob("*.json"))] for folder in folders}
    return {**found, "example_full_event": [json.loads((CORPORA / "spec" / "tests" / "example_full_event.json").read_text("utf-8"))]}


def facet_examples() -> Iterator[tuple[str, str, Event]]:
    """Name of the example, where its facet belongs, the facet under its key."""
    for file in sorted((CORPORA / "spec" / "tests").glob("*/*.json")):
        facets = json.loads(file.read_text("utf-8"))
        kind = file.parent.name
        if kind == "LineageFacet":
            place = "dataset" if file.stem == "dataset-to-dataset" else "job"
        else:
            place = next((place for word, place in (("RunFacet", "run"), ("JobFacet", "job"), ("InputDataset", "input"), ("OutputDataset", "output"),
                                                    ("BaseSubset", "input")) if word in kind), "dataset")
        yield f"{kind}/{file.stem}", place, facets


PER_RUN = {"dataQualityMetrics", "version"}  # dataset facets that are true of one run or version; docs/openlineage.md
SCENARIOS = scenarios()
EXAMPLES = list(facet_examples())


def urn_of(part: Event, column: str | None = None) -> str:
    kind = "dataset" if column is None else "column"
    return format_urn(kind, part["namespace"], part["name"], *([column] if column is not None else []))


class Said:
    """What a scenario says, read from its events without any code of the projection."""

    def __init__(self, events: list[Event]) -> None:
        self.jobs: dict[str, str] = {}
        self.states: dict[str, list[str]] = defaultdict(list)
        self.inputs: dict[str, dict[str, Event]] = defaultdict(dict)
        self.outputs: dict[str, dict[str, Event]] = defaultdict(lambda: defaultdict(dict))
        self.parents: dict[str, str] = {}
        for event in events:
            job = event["job"]
            run = format_urn("run", run_uuid(event["run"]["runId"], job["namespace"], job["name"]))
            self.jobs[run] = format_urn("job", job["namespace"], job["name"])
            self.states[run].append(event["eventType"])
            parent = event["run"].get("facets", {}).get("parent")
            if parent is not None:
                self.parents[run] = format_urn("run", run_uuid(parent["run"]["runId"], parent["job"]["namespace"], parent["job"]["name"]))
            self.inputs[run].update((urn_of(part), part) for part in event.get("inputs", []))
            for part in event.get("outputs", []):
                self.outputs[run][urn_of(part)].update({**part.get("facets", {}), "part": part})

    def status(self, run: str) -> str:
        states = self.states[run]
        return next(state for state in ("COMPLETE", "FAIL", "ABORT", "RUNNING", "START", "OTHER") if state in states)

    def column_edges(self) -> set[Edge]:
        edges: set[Edge] = set()
        for facets in (facets for outputs in self.outputs.values() for facets in outputs.values()):
            lineage = facets.get("columnLineage", {})
            for column, field in lineage.get("fields", {}).items():
                for source in field["inputFields"]:
                    for how in source.get("transformations") or [{"type": "DIRECT", "subtype": field.get("transformationType")}]:
                        edges.add((urn_of(facets["part"], column), urn_of(source, source["field"]), how["type"], how.get("subtype")))
            for source in lineage.get("dataset", []):
                for column in (field["name"] for field in facets["schema"]["fields"]):
                    edges.update((urn_of(facets["part"], column), urn_of(source, source["field"]), how["type"], how.get("subtype"))
                                 for how in source["transformations"])
        return edges

    def asset_edges(self) -> set[tuple[str, str, str]]:
        edges = set()
        for run, outputs in self.outputs.items():
            for output, facets in outputs.items():
                lineage = facets.get("columnLineage", {})
                named = [source for field in lineage.get("fields", {}).values() for source in field["inputFields"]] + lineage.get("dataset", [])
                precise = {(output, urn_of(source), "columnLineage") for source in named}
                edges |= precise or {(output, source, "inputsOutputs") for source in self.inputs[run]}
        return edges


async def ask(world: ServiceWorld, query: str, **variables: Any) -> Any:
    answer = await world.http.post("/graphql", json={"query": query, "variables": variables}, headers={"Lineproof-Min-Size": str(world.size())})
    found = answer.json()
    assert "errors" not in found, found
    return next(iter(found["data"].values()))


async def facts_of(world: ServiceWorld, urn: str) -> dict[str, Any]:
    entity = (await ask(world, FACTS, urn=urn))["entity"]
    assert entity is not None, urn
    return {fact["name"]: fact["value"] for fact in entity["facts"]}


async def graph_of(world: ServiceWorld, said: Said) -> dict[str, Any]:
    """All that is answered about the entities of a scenario; inferred pins aside, which depend on what was there first."""
    found: dict[str, Any] = {}
    for run, job in said.jobs.items():
        for urn in (run, job, *said.inputs[run], *said.outputs[run]):
            entity = (await ask(world, FACTS, urn=urn))["entity"]
            links = sorted((link["type"], link["outgoing"], link["urn"]) for link in entity["links"] if link["type"] != "USED")
            found[urn] = (sorted((fact["name"], json.dumps(fact["value"], sort_keys=True)) for fact in entity["facts"]), links)
        for urn in said.outputs[run]:
            for level in ("ASSET", "COLUMN"):
                found[f"{level} {urn}"] = sorted(await edges_of(world, urn, level), key=str)
    return found


async def edges_of(world: ServiceWorld, urn: str, level: str) -> set[tuple[str, str, str, str | None, str | None]]:
    answer = await ask(world, EDGES, urn=urn, level=level)
    nodes = [node["urn"] for node in answer["nodes"]]
    return {(nodes[edge["downstream"]], nodes[edge["upstream"]], edge["basis"], edge["type"], edge["subtype"]) for edge in answer["edges"]}


async def send(world: ServiceWorld, events: list[Event], how: str) -> None:
    bodies = [json.dumps(event).encode() for event in events]
    if how == "array":
        answer = await world.post(b"[" + b",".join(bodies) + b"]", "/api/v1/lineage/batch")
        assert answer.json()["status"] == "success", answer.text
    elif how == "events, gzip":
        answer = await world.post(gzip.compress(b'{"events": [' + b",".join(bodies) + b"]}"), "/api/v1/lineage/batch", content_encoding="gzip")
        assert answer.json()["summary"]["successful"] == len(events), answer.text
    else:
        for body in reversed(bodies) if how == "backwards" else bodies:
            answer = await world.post(body, "/api/v1/lineage")
            assert answer.status_code == 200, answer.text


@pytest.fixture
async def world(roomy: ServiceWorld) -> ServiceWorld:
    return roomy


@pytest.mark.parametrize("name", SCENARIOS)
async def test_the_graph_says_what_the_scenario_says(world: ServiceWorld, name: str) -> None:
    events = SCENARIOS[name]
    await send(world, events, "one by one")
    said = Said(events)
    columns: set[Edge] = set()
    assets = set()
    for run, job in said.jobs.items():
        assert (await facts_of(world, run))["status"] == said.status(run)
        links = {(link["type"], link["urn"]) for link in (await ask(world, FACTS, urn=run))["entity"]["links"] if link["outgoing"]}
        assert ("OF", job) in links
        assert run not in said.parents or ("CHILD_OF", said.parents[run]) in links
        for output, facets in said.outputs[run].items():
            known = await facts_of(world, output)
            if "schema" in facets:
                assert [field["name"] for field in known["schema"]] == [field["name"] for field in facets["schema"]["fields"]]
            if "lifecycleStateChange" in facets:
                assert known["lifecycle"] == facets["lifecycleStateChange"]["lifecycleStateChange"]
            columns |= {(down, up, kind, subtype) for down, up, _, kind, subtype in await edges_of(world, output, "COLUMN") if ":column:" in down}
            assets |= {(down, up, basis) for down, up, basis, _, subtype in await edges_of(world, output, "ASSET") if subtype != "SAME_AS"}
    assert columns == said.column_edges()
    assert assets == said.asset_edges()


@pytest.mark.parametrize("name", SCENARIOS)
async def test_repeats_change_nothing(world: ServiceWorld, name: str) -> None:
    await send(world, SCENARIOS[name], "one by one")
    before, size = await graph_of(world, Said(SCENARIOS[name])), world.size()
    for event in SCENARIOS[name]:
        assert (await world.post(json.dumps(event).encode(), "/api/v1/lineage")).json()["duplicate"]
    assert (await graph_of(world, Said(SCENARIOS[name])), world.size()) == (before, size)


@pytest.mark.parametrize("how", ["array", "events, gzip", "backwards"])
@pytest.mark.parametrize("name", SCENARIOS)
async def test_the_way_and_order_of_arrival_do_not_matter(world: ServiceWorld, another: ServiceWorld, name: str, how: str) -> None:
    await send(world, SCENARIOS[name], "one by one")
    await send(another, SCENARIOS[name], how)
    said = Said(SCENARIOS[name])
    assert await graph_of(another, said) == await graph_of(world, said)


@pytest.mark.parametrize(("name", "place", "facets"), EXAMPLES, ids=[name for name, _, _ in EXAMPLES])
async def test_every_facet_example_is_applied(world: ServiceWorld, name: str, place: str, facets: Event) -> None:
    source: Event = {"namespace": "demo", "name": "source"}
    target: Event = {"namespace": "demo", "name": "target"}
    run, job = str(uuid.uuid4()), {"namespace": "demo", "name": "example"}
    event = {**openlineage_run(), "run": {"runId": run}, "job": job, "inputs": [source], "outputs": [target]}
    match place:
        case "run":
            event["run"]["facets"] = facets
        case "job":
            event["job"]["facets"] = facets
        case "input":
            source["inputFacets"] = facets
        case "output":
            target["outputFacets"] = facets
        case _:
            target["facets"] = source["facets"] = facets
    answer = await world.post(json.dumps(event).encode(), "/api/v1/lineage")
    assert answer.status_code == 200, answer.text
    shown = await ask(world, "query($index: Long!) {event(index: $index) {event {status reason detail payload}}}", index=answer.json()["index"])
    assert (shown["event"]["status"], shown["event"]["reason"]) == ("applied", None)
    assert shown["event"]["payload"] == event
    ((key, facet),) = facets.items()
    asked = {"run": format_urn("run", run), "job": format_urn("job", "demo", "example"), "dataset": urn_of(target)}
    if place in asked and key not in PER_RUN:
        assert (await facts_of(world, asked[place]))[f"facet:{key}"] == facet
    else:
        of_run = await facts_of(world, asked["run"])
        side, part = ("outputFacets", target) if place in ("output", "dataset") else ("inputFacets", source)
        assert of_run[side][urn_of(part)][key] == facet
