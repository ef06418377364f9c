"""Exports over HTTP: what a service says of itself as OpenLineage is valid, and makes a fresh service know the same lineage."""
from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.flights_world import dataset
from tests.service_world import JSON, ServiceWorld, openlineage_run, running_service, service_settings

pytestmark = pytest.mark.anyio
SPEC = Path(__file__).parents[4] / "shared" / "corpora" / "openlineage" / "spec"
URL = "/api/v1/lineage/export"
Event = dict[str, Any]


@pytest.fixture(scope="module")
async def told(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[ServiceWorld]:
    """A service that was told of runs, views, other names, columns and models."""
    async with running_service(service_settings(tmp_path_factory.mktemp("told"))) as service:
        await _tell(service)
        yield service


def _columns(**fields: list[tuple[str, str]]) -> Event:
    identity = [{"type": "DIRECT", "subtype": "IDENTITY"}]
    return {"fields": {name: {"inputFields": [{"namespace": "demo", "name": of, "field": column, "transformations": identity} for of, column in inputs]}
                       for name, inputs in fields.items()}}


async def _tell(service: ServiceWorld) -> None:
    code = {"facets": {"sql": {"query": "select 1"}}}
    spoken = {"eventTime": "2026-03-01T00:00:00Z", "producer": "https://example.org/test", "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json"}
    events: list[Event] = [
        openlineage_run("load", inputs=("raw", "other raw"), outputs=("stage",)),
        {**openlineage_run("split", inputs=("stage", "raw")), "job": {"namespace": "demo", "name": "split", **code}, "outputs": [
            {"namespace": "demo", "name": "left", "facets": {
                "schema": {"fields": [{"name": "k", "type": "INT"}, {"name": "n", "type": "INT"}]}, "version": {"datasetVersion": "17"},
                "columnLineage": {**_columns(k=[("stage", "k")]), "dataset": [{"namespace": "demo", "name": "raw", "field": "id", "transformations": [
                    {"type": "INDIRECT", "subtype": "JOIN"}]}]},
                "lineproof_columns": {"fields": {"k": {"expression": "stage.k", "file": "split.sql", "line": 3, "column": 5, "status": "complete"}}}}},
            {"namespace": "demo", "name": "right", "facets": {"columnLineage": _columns(k=[("raw", "k")])}}]},
        openlineage_run("join", inputs=("left", "right", "join"), outputs=("join",)),
        openlineage_run("failing", state="FAIL", inputs=("left",), outputs=("broken",)),
        {**spoken, "dataset": {"namespace": "demo", "name": "view", "facets": {"columnLineage": _columns(v=[("join", "k")]),
                                                                               "ownership": {"owners": [{"name": "team"}]}}}},
        {**spoken, "job": {"namespace": "demo", "name": "declared"}, "inputs": [{"namespace": "demo", "name": "view"}],
         "outputs": [{"namespace": "demo", "name": "report"}]},
        {**openlineage_run("named", inputs=("report",)), "outputs": [{"namespace": "demo", "name": "s3/t", "facets": {
            "symlinks": {"identifiers": [{"namespace": "demo", "name": "hive.t", "type": "TABLE"}]}}}]},
        openlineage_run("reader", inputs=("hive.t",), outputs=("last",)),
        {**openlineage_run("secret", inputs=("left",)), "outputs": [{"namespace": "private", "name": "payroll"}]},
        openlineage_run("elsewhere", namespace="private", inputs=("payroll",), outputs=("copy",))]
    for event in events:
        assert (await service.post(json.dumps(event).encode(), "/api/v1/lineage")).status_code == 200
    consumer = {"kind": "dashboard", "namespace": "demo", "name": "board", "owners": ["team"], "datasets": [{"namespace": "demo", "name": "last"}]}
    assert (await service.post(service.cloudevent("lineproof.consumer.v1", consumer), prefer="wait=projected")).status_code == 200


async def exported(service: ServiceWorld, headers: dict[str, str] | None = None, **query: Any) -> list[Event]:
    answer = await service.http.get(URL, params=query, headers={"Lineproof-Min-Size": str(service.size()), **(headers or {})})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    assert answer.headers["cache-control"] == "no-store"
    return [json.loads(line) for line in answer.text.splitlines()]


async def edges(service: ServiceWorld) -> dict[str, set[tuple[Any, ...]]]:
    """The lineage of datasets and of columns that a service knows."""
    found = [line["edge"] for line in await exported(service) if "edge" in line]
    between = [each for each in found if all(each[end].split(":")[2] in ("dataset", "column") for end in ("downstream", "upstream"))]
    return {"ASSET": {(each["downstream"], each["upstream"], each["via"]) for each in between if each["level"] == "ASSET"},
            "COLUMN": {tuple(each[name] for name in ("downstream", "upstream", "type", "subtype", "via", "expression", "file", "line", "column"))
                       for each in between if each["level"] == "COLUMN"}}


async def test_what_is_exported_as_openlineage_makes_a_fresh_service_know_the_same(told: ServiceWorld, tmp_path: Path) -> None:
    events = await exported(told, format="openlineage")
    async with running_service(service_settings(tmp_path)) as fresh:
        answer = await fresh.http.post("/api/v1/lineage/batch", content=json.dumps(events), headers=JSON)
        assert answer.json()["status"] == "success", answer.text
        mine, theirs = await edges(told), await edges(fresh)
        assert len(mine["ASSET"]) > 12
        assert theirs["ASSET"] == mine["ASSET"]
        assert theirs["COLUMN"] == mine["COLUMN"]
        assert sum(each[3] == "JOIN" for each in mine["COLUMN"]) == 2  # of the rows, and so of both columns
        asked = "query($urn: ID!) { entity(urn: $urn) { entity { owners facts { name value } } } }"
        for name in ("left", "view"):
            known = [(await each.http.post("/graphql", json={"query": asked, "variables": {"urn": dataset(name, "demo")}})).json()["data"]["entity"]["entity"]
                     for each in (told, fresh)]
            assert known[0]["owners"] == known[1]["owners"]
            facts = [{fact["name"]: fact["value"] for fact in each["facts"]} for each in known]
            for fact in ("schema", "currentVersion"):
                assert facts[0].get(fact) == facts[1].get(fact), name
        again = await exported(fresh, format="openlineage")
        assert {json.dumps(each["dataset"], sort_keys=True) for each in again if "dataset" in each} >= {
            json.dumps(each["dataset"], sort_keys=True) for each in events if "dataset" in each}


async def test_every_line_is_valid_openlineage(told: ServiceWorld) -> None:
    if not SPEC.is_dir():
        pytest.skip("NOT TESTED: the OpenLineage specification is not at ../shared/corpora/openlineage/spec")
    from jsonschema import Draft202012Validator
    from referencing import Registry, Resource

    known = [json.loads(file.read_text("utf-8")) for file in (SPEC / "OpenLineage.json", *sorted((SPEC / "facets").glob("*.json")))]
    registry: Any = Registry().with_resources((each["$id"], Resource.from_contents(each)) for each in known)
    events = [*await exported(told, format="openlineage"), *await exported(told, format="openlineage", urn=dataset("last", "demo"), depth=2)]
    facets = 0
    for event in events:
        Draft202012Validator(known[0], registry=registry).validate(event)
        Draft202012Validator({"$ref": event["schemaURL"]}, registry=registry).validate(event)
        parts = [event.get(place) or {} for place in ("run", "job", "dataset")] + [*event.get("inputs", []), *event.get("outputs", [])]
        for facet in (facet for part in parts for facet in part.get("facets", {}).values()):
            facets += 1
            if facet["_schemaURL"].startswith("https://openlineage.io/"):
                Draft202012Validator({"$ref": facet["_schemaURL"]}, registry=registry).validate(facet)
    assert facets > 20
    assert {event["eventType"] for event in events if "run" in event} == {"START", "COMPLETE"}
    assert any("run" not in event and "job" in event for event in events)
    uuid.UUID(events[0]["run"]["runId"])


async def test_an_export_begins_with_its_position_and_ends_with_what_it_told(told: ServiceWorld) -> None:
    lines = await exported(told, urn=dataset("last", "demo"), direction="UPSTREAM", columns="false")
    assert lines[0]["header"]["computedAt"]["size"] == told.size()
    assert (lines[-1]["trailer"]["nodes"], lines[-1]["trailer"]["edges"]) == (sum("node" in line for line in lines), sum("edge" in line for line in lines))
    early = await exported(told, size=3)
    assert early[0]["header"]["computedAt"]["size"] == 3
    events = await exported(told, format="openlineage")
    own = events[-1]["run"]["facets"]["lineproof_export"]
    assert own["datasets"] == sum("dataset" in event for event in events)
    assert own["jobs"] == sum(event.get("job", {}).get("namespace") not in (None, "lineproof") for event in events)
    assert [(each["code"], each["detail"]) for each in own["completeness"]["reasons"]] == [
        ("no-openlineage-word", "OpenLineage has no words for consumers: they are not told")]


async def test_refusals_come_before_the_first_line(told: ServiceWorld) -> None:
    refused: list[tuple[dict[str, Any], str]] = [
        ({"urn": "nonsense"}, "invalid-urn"), ({"size": told.size() + 1}, "position-beyond-log"),
        ({"depth": 1000, "urn": dataset("raw", "demo")}, "invalid-argument"),
        ({"after": "AAAA"}, "invalid-cursor"), ({"format": "csv"}, "invalid-argument"), ({"size": -1}, "invalid-argument"),
        ({"time": "2026-01-01T00:00:00"}, "invalid-position")]
    for query, code in refused:
        answer = await told.http.get(URL, params=query)
        assert answer.status_code >= 400, query
        assert answer.json()["code"] == code, query
    assert (await told.http.get(URL, headers=told.as_("ingest"))).json()["code"] == "forbidden"
    assert (await told.http.get(URL, headers={"Authorization": "Bearer wrong"})).json()["code"] == "unauthenticated"
    unknown = await exported(told, urn=dataset("nowhere", "demo"))
    assert [reason["code"] for reason in unknown[-1]["trailer"]["completeness"]["reasons"]] == ["unknown-urn"]


async def test_a_reader_of_one_namespace_is_told_nothing_of_another(told: ServiceWorld) -> None:
    reader = told.as_("reader", prefixes=("demo",))
    lines = await exported(told, reader)
    assert "payroll" not in json.dumps(lines)
    assert lines[-1]["trailer"]["completeness"]["restricted"] == 1  # payroll, made of `left`; the copy of it is nobody's business
    events = await exported(told, reader, format="openlineage")
    assert "private" not in json.dumps(events)
    assert events[-1]["run"]["facets"]["lineproof_export"]["completeness"]["restricted"] == 1
