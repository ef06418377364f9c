"""What a viewer may not see reads like what does not exist, wherever it is asked for, and has no name wherever it is met.

Each hidden entity has a twin that nobody ever spoke of, called `ghost` where it is called `zebra` (it lies in a namespace that is not granted) or `okapi` (it
is classified): every root field of the SDL, and every export, says the same of both. Nothing that is told of what is visible holds these words.
"""
from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from graphql import GraphQLList, GraphQLNonNull, GraphQLObjectType

from lineproof_schema.urn import format_urn, parse_urn
from metadata_service.access import Viewer
from metadata_service.api.graphql import Caller, execute
from metadata_service.queries.context import Asked
from metadata_service.queries.export import Selection, open_stream
from metadata_service.queries.export_ndjson import ndjson_lines
from metadata_service.queries.export_openlineage import openlineage_lines
from metadata_service.queries.shapes import Direction
from metadata_service.registry.names import spell
from tests.flights_world import NS, RAW, World, column, commit, dataset, job, model, run_id, world_on_sqlite
from tests.root_fields import FIELDS, document
from tests.unit.queries.asking import reader_of

pytestmark = pytest.mark.anyio
VAULT, REPOSITORY = "vault://zebra", "git.example/zebra"
RUN, GHOST_RUN = run_id("in the vault"), run_id("never")
SHA, CODE, ACTOR = "e" * 40, "d" * 64, "zebra@example.org"
TWINS = {"zebra": "ghost", "okapi": "ghost", RUN: GHOST_RUN, SHA[:10]: "f" * 10}
VIEWERS: dict[str, Callable[[World], Viewer]] = {  # by the word that they never read
    "zebra": lambda world: reader_of(world, NS, RAW), "okapi": lambda world: reader_of(world, "", ceiling="internal")}
IN_THE_VAULT = [
    dataset("zebra_mid", VAULT), column("zebra_wind", "zebra_mid", VAULT), format_urn("dataset-version", VAULT, "zebra_mid", f"run:{RUN}"),
    format_urn("job", VAULT, "zebra_job"), format_urn("run", RUN), format_urn("transformation", VAULT, "zebra_job", CODE),
    format_urn("commit", REPOSITORY, SHA), format_urn("repository", REPOSITORY), format_urn("feature", VAULT, "zebra_f"),
    format_urn("feature-version", VAULT, "zebra_f", "1"), format_urn("model", VAULT, "zebra_m"), format_urn("model-version", VAULT, "zebra_m", "1"),
    format_urn("deployment", VAULT, "zebra_m", "live"), format_urn("consumer", VAULT, "zebra_board")]
CLASSIFIED = [dataset("okapi_pay"), column("okapi_sum", "okapi_pay"), format_urn("dataset-version", NS, "okapi_pay", "v1")]
HIDDEN = [*(("zebra", urn) for urn in IN_THE_VAULT), *(("okapi", urn) for urn in CLASSIFIED)]
VISIBLE = [dataset("weather", RAW), dataset("flights", RAW), dataset("report"), dataset("cleaned"), column("wind", "report"), dataset("bonus"),
           column("sum", "bonus"), job("report"), job("pay"), format_urn("run", run_id("report 1")), format_urn("run", run_id("pay 1")),
           format_urn("model", NS, "open"), format_urn("model-version", NS, "open", "1"), format_urn("deployment", NS, "open", "live"),
           format_urn("consumer", NS, "open_board"), model("1"), dataset("training_set"), commit("a" * 40)]


def _tell(world: World) -> None:
    """weather -> the vault's dataset -> report; flights -> a classified dataset -> bonus; and what is registered on both sides."""
    at = "2026-03-03T09:00:00Z"
    direct = [{"type": "DIRECT", "subtype": "IDENTITY"}]

    def made_of(output: str, namespace: str, source: str, name: str) -> dict[str, Any]:
        return {"schema": {"fields": [{"name": output, "type": "DOUBLE"}]}, "columnLineage": {"fields": {output: {"inputFields": [
            {"namespace": namespace, "name": source, "field": name, "transformations": direct}]}}}}

    def run(name: str, id_: str, inputs: list[tuple[str, str]], output: tuple[str, str], facets: dict[str, Any], namespace: str = NS,
            **job_facets: Any) -> None:
        world.openlineage({"eventType": "COMPLETE", "eventTime": at, "run": {"runId": id_, "facets": {}},
                           "job": {"namespace": namespace, "name": name, "facets": job_facets},
                           "inputs": [{"namespace": each, "name": of, "facets": {}} for each, of in inputs],
                           "outputs": [{"namespace": output[0], "name": output[1], "facets": facets}]})

    declared = {"lineproof_transformation": {"urn": format_urn("transformation", VAULT, "zebra_job", CODE), "repository": REPOSITORY, "commit": SHA,
                                             "path": "zebra.sql"}}
    world.say("lineproof.commit.v1", {"repository": REPOSITORY, "sha": SHA, "author": {"name": "zebra", "email": ACTOR}, "subject": "zebra"}, at)
    world.say("lineproof.transformation.v1", {"namespace": VAULT, "name": "zebra_job", "version": CODE, "language": "sql", "rawCode": "9" * 64,
                                              "path": "zebra.sql", "repository": REPOSITORY, "commit": SHA}, at)
    run("zebra_job", run_id("beside the vault"), [(RAW, "weather")], (VAULT, "zebra_mid"), made_of("zebra_wind", RAW, "weather", "wind_speed"), VAULT,
        **declared)
    run("report", run_id("report 1"), [(VAULT, "zebra_mid")], (NS, "report"), made_of("wind", VAULT, "zebra_mid", "zebra_wind"))
    run("zebra_silent", RUN, [(VAULT, "zebra_deep")], (VAULT, "zebra_mid"), {}, VAULT, **declared)  # it says nothing about columns
    run("zebra_writer", run_id("zebra writer"), [(RAW, "flights")], (NS, "report"), {}, VAULT)
    for number, (namespace, source, name) in enumerate(((VAULT, "zebra_mid", "zebra_wind"), (RAW, "weather", "wind_speed"))):  # it read the vault once
        said = {"lineproof_columns": {"fields": {"wind": {"expression": f"{name} * 2", "file": "cleaned.sql", "line": 1, "status": "complete"}}}}
        run("cleaned", run_id(f"cleaned {number}"), [(namespace, source)], (NS, "cleaned"), {**made_of("wind", namespace, source, name), **said},
            lineproof_transformation={"urn": format_urn("transformation", NS, "cleaned", str(number) * 64), "repository": "git.example/open"})
    world.say("lineproof.dataset.v1", {"namespace": NS, "name": "okapi_pay", "classification": "restricted", "columns": [{"name": "okapi_sum"}]}, at)
    world.say("lineproof.dataset-version.v1", {"namespace": NS, "name": "okapi_pay", "id": "v1", "rowCount": 10}, at)
    run("pay", run_id("pay 1"), [(RAW, "flights")], (NS, "okapi_pay"), made_of("okapi_sum", RAW, "flights", "dep_delay"))
    run("bonus", run_id("bonus 1"), [(NS, "okapi_pay")], (NS, "bonus"), made_of("sum", NS, "okapi_pay", "okapi_sum"))
    for subject, word in ((dataset("okapi_pay"), "okapi"), (dataset("zebra_mid", VAULT), "zebra")):
        world.say("lineproof.quality.v1", {"subject": subject, "check": f"{word} is good", "success": False}, at)
        world.say("lineproof.usage.v1", {"subject": subject, "reader": word, "count": 3, "window": {"start": at, "end": "2026-03-03T10:00:00Z"}}, at)
    for namespace, name, where in ((VAULT, "zebra_f", (VAULT, "zebra_mid", "zebra_wind")), (NS, "kept_apart", (NS, "okapi_pay", "okapi_sum"))):
        world.say("lineproof.feature-version.v1", {
            "namespace": namespace, "name": name, "version": "1", "owners": ["team"], "definition": {"entities": ["id"], "dtype": "double"},
            "column": dict(zip(("namespace", "name", "column"), where, strict=True))}, at)
        world.say("lineproof.alias.v1", {"kind": "feature", "namespace": namespace, "name": name, "alias": "prod", "to": "1", "expected": None}, at)
    for namespace, name in ((VAULT, "zebra_m"), (NS, "open")):
        world.say("lineproof.model-version.v1", {"namespace": namespace, "name": name, "version": "1", "artifact": "c" * 64, "binding": "stable",
                                                 "trainingDatasets": [{"namespace": VAULT, "name": "zebra_mid", "version": f"run:{RUN}"},
                                                                      {"namespace": NS, "name": "okapi_pay", "version": "v1"}],
                                                 "features": [spell(format_urn("feature-version", VAULT, "zebra_f", "1"))]}, at)
        world.say("lineproof.deployment.v1", {"namespace": namespace, "name": name, "id": "live", "action": "deploy", "modelVersion": "1",
                                              "environment": "prod", "features": [spell(format_urn("feature-version", VAULT, "zebra_f", "1"))]}, at)
        world.say("lineproof.consumer.v1", {"kind": "dashboard", "namespace": namespace, "name": "zebra_board" if namespace == VAULT else "open_board",
                                            "datasets": [{"namespace": VAULT, "name": "zebra_mid"}, {"namespace": NS, "name": "okapi_pay"}],
                                            "models": [spell(format_urn("model-version", VAULT, "zebra_m", "1"))]}, at)
    world.say("lineproof.deployment.v1", {"namespace": VAULT, "name": "zebra_d", "id": "live", "action": "deploy", "environment": "zebra",
                                          "modelVersion": spell(model("1"))}, at)


@pytest.fixture(scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[World]:
    async with world_on_sqlite(tmp_path_factory.mktemp("hidden")) as world:
        _tell(world)
        await world.settle()
        yield world


def _everything(type_: Any, within: tuple[str, ...] = ()) -> str:
    while isinstance(type_, GraphQLNonNull | GraphQLList):
        type_ = type_.of_type
    if not isinstance(type_, GraphQLObjectType):
        return ""
    assert type_.name not in within
    return "{ " + " ".join(f"{name} {_everything(field.type, (*within, type_.name))}" for name, field in type_.fields.items()) + " }"


async def _told(world: World, viewer: Viewer, field: str, given: dict[str, Any]) -> str:
    """All that a root field answers, as text."""
    head, _, _ = document(field, given).partition(" { computedAt")
    return json.dumps(await execute(Caller(world.room, viewer), f"{head} {_everything(FIELDS[field].type)} }}", given), sort_keys=True)


async def _exported(world: World, viewer: Viewer, selection: Selection) -> str:
    """All lines of both exports. The lines of OpenLineage stand in runs with ids of their own."""
    lines = []
    for form, tell in (("ndjson", ndjson_lines), ("openlineage", openlineage_lines)):
        stream = await open_stream(world.room, viewer, Asked(), selection, form)
        lines += [json.dumps(line, sort_keys=True, default=str) async for line in tell(stream)]
    return re.sub(r'"runId": "[^"]*"', "", "\n".join(lines))


def _about(urn: str) -> list[tuple[str, dict[str, Any]]]:
    """Every question that can be asked about an entity."""
    kind = parse_urn(urn).kind
    name = {"name": urn}
    questions: list[tuple[str, dict[str, Any]]] = [
        ("entity", {"urn": urn}), ("entity", {"ref": name}), ("search", {"text": urn.rpartition(":")[2], "first": 1}), ("impact", {"urn": urn}),
        ("trace", {"urn": urn}), ("auditTrail", {"urn": urn}), ("auditTrail", {"urn": urn, "upstream": True}), ("manifest", {"urn": urn}),
        ("pointInTimeChecks", {"urn": urn}), ("diff", {"urn": urn, "from": {"size": 9}, "direction": "BOTH"}),
        ("diff", {"urn": urn, "from": {"size": 0}, "level": "ASSET"}),
        ("suspects", {"urn": urn, "from": {"size": 0}}), ("resolve", {"refs": [urn]}), ("resolve", {"refs": [], "model": urn}),
        ("feature", {"ref": name}), ("model", {"ref": name}), ("aliases", {"name": urn}), ("aliases", {"name": urn, "kind": "MODEL"}),
        ("deployment", {"id": urn})]
    questions += [("lineage", {"urn": urn, "direction": "BOTH", "depth": None, "level": level}) for level in ("ASSET", "COLUMN", "VERSION")]
    if kind == "commit":
        questions += [("auditTrail", {"commit": sha}) for sha in (urn, urn[-40:], urn[-10:])]
        questions.append(("auditTrail", {"urn": dataset("weather", RAW), "commit": urn[-10:]}))
    if kind == "repository":
        questions.append(("auditTrail", {"actor": ACTOR.replace("zebra", urn[-5:])}))
    if kind == "dataset":
        questions.append(("impact", {"change": {"kind": "CHANGE_SCHEMA", "urn": urn, "columns": []}}))
    return questions


def _renamed(text: str) -> str:
    for named, other in TWINS.items():
        text = text.replace(named, other)
    return text


@pytest.mark.parametrize(("word", "urn"), HIDDEN, ids=[f"{word} {urn.split(':')[2]}" for word, urn in HIDDEN])
async def test_what_is_hidden_reads_like_what_does_not_exist(world: World, word: str, urn: str) -> None:
    viewer, twin = VIEWERS[word](world), _renamed(urn)
    assert (await execute(Caller(world.room, reader_of(world, "")), document("entity", {"urn": urn}), {"urn": urn}))["data"]["entity"]["completeness"][
        "unknown"] == 0, "it exists"
    assert twin != urn
    different = []
    for columns in (True, False):
        told, of_the_twin = [await _exported(world, viewer, Selection(each, Direction.BOTH, columns=columns)) for each in (urn, twin)]
        if _renamed(told) != of_the_twin:
            different.append(("export", {"columns": columns}, told, of_the_twin))
    for (field, given), (_, same) in zip(_about(urn), _about(twin), strict=True):
        told, of_the_twin = await _told(world, viewer, field, given), await _told(world, viewer, field, same)
        if _renamed(told) != of_the_twin:
            different.append((field, given, told[:1500], of_the_twin[:1500]))
    assert not different


@pytest.mark.parametrize("urn", VISIBLE)
async def test_what_is_hidden_has_no_name_beside_what_is_visible(world: World, urn: str) -> None:
    said = []
    for word, viewer in VIEWERS.items():
        for field, given in _about(urn):
            told = await _told(world, viewer(world), field, given)
            said += [(field, given, told[max(at.start() - 200, 0):at.end() + 100]) for at in re.finditer(word, told)]
        told = await _exported(world, viewer(world), Selection(urn, Direction.BOTH))
        said += [("export", {}, told[max(at.start() - 200, 0):at.end() + 100]) for at in re.finditer(word, told)]
    assert not said


@pytest.mark.parametrize("word", VIEWERS)
async def test_what_is_hidden_has_no_name_in_answers_about_the_whole(world: World, word: str) -> None:
    viewer, said = VIEWERS[word](world), []
    questions: list[tuple[str, dict[str, Any]]] = [
        ("search", {"text": "", "first": 100}), ("features", {}), ("features", {"kind": "MODEL"}), ("auditTrail", {"first": 100}), ("keyHistory", {}),
        ("accounting", {}), *(("event", {"index": index}) for index in range(world.log.reader.size()))]
    for field, given in questions:
        told = await _told(world, viewer, field, given)
        assert "errors" not in json.loads(told)
        said += [(field, given, told[max(at.start() - 200, 0):at.end() + 100]) for at in re.finditer(word, told)]
    assert not said


@pytest.mark.parametrize("word", VIEWERS)
async def test_pages_are_full_of_what_is_visible(world: World, word: str) -> None:
    for field, given in (("search", {"text": ""}), ("features", {"kind": "FEATURE"}), ("features", {"kind": "MODEL"})):
        whole = json.loads(await _told(world, VIEWERS[word](world), field, {**given, "first": 200}))["data"][field]
        rows, after, pages = [], None, 0
        while after is not None or not pages:
            page = json.loads(await _told(world, VIEWERS[word](world), field, {**given, "first": 2, "after": after}))["data"][field]
            rows += page["rows"]
            after, pages = page["after"], pages + 1
            assert len(page["rows"]) == 2 or after is None
        assert sorted(row["urn"] for row in rows) == sorted(row["urn"] for row in whole["rows"])
        assert pages == max(1, (len(rows) + 1) // 2), "a cursor leads on to something"
