"""Pins of stable bindings, immutable models and deployments, and what is live."""
from __future__ import annotations

from typing import Any

import pytest

from metadata_service.projector import rebuild
from metadata_service.projector.compatibility import differences, verdict
from tests.unit.projector.memory_graph import MemoryGraph
from tests.unit.projector.world import World

pytestmark = pytest.mark.anyio

MODEL = "urn:lineproof:model-version:ml:model:7"


def feature(world: World, version: str = "1", name: str = "delay", **more: Any) -> int:
    return world.log.cloud("lineproof.feature-version.v1", {
        "namespace": "ml", "name": name, "version": version, "column": {"namespace": "db", "name": "features", "column": name},
        "definition": {"entities": ["flight"], "dtype": "int", "sql": f"select {version}"}, **more})


def alias(world: World, to: str | None, expected: int | None, name: str = "prod") -> int:
    return world.log.cloud("lineproof.alias.v1", {"kind": "feature", "namespace": "ml", "name": "delay", "alias": name, "to": to, "expected": expected})


def model(world: World, features: list[str], version: str = "7", **more: Any) -> int:
    return world.log.cloud("lineproof.model-version.v1", {"namespace": "ml", "name": "model", "version": version, "artifact": "c" * 64, "features": features,
                                                         **more})


def deployment(world: World, action: str = "deploy", id: str = "d1", **more: Any) -> int:
    return world.log.cloud("lineproof.deployment.v1", {"namespace": "ml", "name": "model", "id": id, "action": action, "modelVersion": "7",
                                                      "environment": "prod", **more})


def pins(world: World) -> list[tuple[str, str, str | None, int | None]] | None:
    found = world.facts(MODEL).get("pins")
    return None if found is None else [(row["reference"], row["feature"].rpartition(":")[2], row["alias"], row["aliasIndex"]) for row in found["features"]]


async def test_pins_are_what_aliases_meant_at_the_entry(world: World) -> None:
    feature(world, "1")
    feature(world, "2")
    moved = alias(world, "1", None)
    registered = model(world, ["ml:delay@prod", "ml:delay@2"])
    alias(world, "2", moved)
    again = model(world, ["ml:delay@prod", "ml:delay@2"])
    await world.project()
    assert pins(world) == [("ml:delay@prod", "1", "prod", moved), ("ml:delay@2", "2", None, None)]
    assert world.facts(MODEL)["pins"]["index"] == registered
    assert world.outcome(again) == ("applied", None)
    assert [row.from_ for row in await world.graph.revisions(MODEL) if row.fact == "pins"] == [registered + 1]
    uses = {edge.upstream.rpartition(":")[2] for edge in world.edges("DERIVED_FROM") if edge.downstream == MODEL}
    assert uses == {"1", "2"}


async def test_a_flexible_binding_has_no_pins_and_keeps_what_it_was_trained_with(world: World) -> None:
    feature(world, "1")
    feature(world, "2")
    moved = alias(world, "1", None)
    model(world, ["ml:delay@prod"], binding="flexible")
    alias(world, "2", moved)
    model(world, ["ml:delay@prod"], binding="flexible", description="again")
    await world.project()
    assert pins(world) is None
    assert world.facts(MODEL)["resolvedFeatures"] == {"ml:delay@prod": "urn:lineproof:feature-version:ml:delay:1"}


async def test_a_stable_binding_that_cannot_be_pinned_is_rejected_until_it_can(world: World) -> None:
    feature(world, "1")
    refused = model(world, ["ml:delay@1", "ml:wind@3", "nonsense"], trainingDatasets=[{"namespace": "db", "name": "train", "version": "1"}])
    alias(world, "9", None)
    no_alias = model(world, ["ml:delay@prod"], version="8")
    await world.project()
    assert [world.outcome(index) for index in (refused, no_alias)] == [("rejected", "no-manifest")] * 2
    assert world.graph.records[refused].detail["missing"] == ["ml:wind@3", "nonsense"]  # type: ignore[index]
    assert {"model:7", "ml:model"} <= world.touched(refused)
    assert MODEL not in world.graph.nodes
    feature(world, "3", "wind")
    again = model(world, ["ml:delay@1", "ml:wind@3"])
    await world.project()
    assert world.outcome(again) == ("applied", None)
    assert pins(world) == [("ml:delay@1", "1", None, None), ("ml:wind@3", "3", None, None)]


async def test_features_told_later_are_pinned_then_or_not_at_all(world: World) -> None:
    feature(world, "1")
    model(world, [])
    refused = model(world, ["ml:wind@3"])
    added = model(world, ["ml:delay@1"])
    await world.project()
    assert (world.outcome(refused), world.outcome(added)) == (("rejected", "no-manifest"), ("applied", None))
    assert pins(world) == [("ml:delay@1", "1", None, None)]


async def test_a_flexible_binding_may_name_what_is_not_registered_yet(world: World) -> None:
    early = model(world, ["ml:delay@prod"], binding="flexible")
    await world.project()
    assert world.outcome(early) == ("partial", "unknown-version")
    assert world.facts(MODEL)["features"] == ["ml:delay@prod"]


async def test_a_model_version_says_nothing_else_when_told_again(world: World) -> None:
    feature(world, "1")
    feature(world, "2")
    model(world, ["ml:delay@1"])
    conflicts = [model(world, ["ml:delay@2"]), model(world, ["ml:delay@1"], binding="flexible"), model(world, ["ml:delay@1"], artifact="d" * 64)]
    added = model(world, [], referenceTimeColumn="at", description="told later")
    changed = model(world, [], referenceTimeColumn="other")
    await world.project()
    assert [world.outcome(index) for index in (*conflicts, changed)] == [("rejected", "version-conflict")] * 4
    assert world.outcome(added) == ("applied", None)
    facts = world.facts(MODEL)
    assert (facts["referenceTimeColumn"], facts["description"], facts["features"]) == ("at", "told later", ["ml:delay@1"])
    assert world.graph.records[conflicts[0]].detail["fact"] == "features"  # type: ignore[index]


async def test_a_reference_to_what_is_not_registered_never_shadows_an_alias(world: World) -> None:
    feature(world, "1")
    model(world, ["ml:delay@prod"], version="6", binding="flexible")  # makes a node for a version called "prod"
    moved = alias(world, "1", None)
    model(world, ["ml:delay@prod"])
    await world.project()
    assert world.outcome(moved) == ("applied", None)
    assert pins(world) == [("ml:delay@prod", "1", "prod", moved)]


async def test_an_ended_version_takes_no_alias(world: World) -> None:
    feature(world, "1")
    world.log.cloud("lineproof.tombstone.v1", {"urn": "urn:lineproof:feature-version:ml:delay:1", "reason": "wrong"})
    refused = alias(world, "1", None)
    await world.project()
    assert world.outcome(refused) == ("rejected", "unknown-version")


async def test_a_version_may_not_take_the_name_of_an_alias(world: World) -> None:
    feature(world, "1")
    alias(world, "1", None)
    world.log.cloud("lineproof.model-version.v1", {"namespace": "ml", "name": "model", "version": "1", "artifact": "a" * 64})
    world.log.cloud("lineproof.alias.v1", {"kind": "model", "namespace": "ml", "name": "model", "alias": "best", "to": "1"})
    taken = [feature(world, "prod"), model(world, [], version="best")]
    await world.project()
    assert [world.outcome(index) for index in taken] == [("rejected", "version-is-alias")] * 2


async def test_every_attempt_on_an_alias_says_what_it_tried(world: World) -> None:
    feature(world, "1")
    feature(world, "2")
    first = alias(world, "1", None)
    stale = alias(world, "2", None)
    gone = alias(world, None, first)
    nothing = alias(world, None, None)
    await world.project()
    tried = [{key: (world.graph.records[index].detail or {}).get(key) for key in ("alias", "to", "was", "wasIndex")} for index in (first, stale, gone, nothing)]
    assert tried == [{"alias": "prod", "to": "1", "was": None, "wasIndex": None}, {"alias": "prod", "to": "2", "was": "1", "wasIndex": first},
                     {"alias": "prod", "to": None, "was": "1", "wasIndex": first}, {"alias": "prod", "to": None, "was": None, "wasIndex": None}]
    assert world.outcome(nothing) == ("rejected", "unknown-alias")


async def test_a_deployment_serves_the_pins_of_its_model_and_nothing_else(world: World) -> None:
    feature(world, "1")
    feature(world, "2")
    model(world, ["ml:delay@1"])
    deployment(world)
    same = deployment(world, id="d2", features=["ml:delay@1"])
    other = deployment(world, id="d3", features=["ml:delay@2"])
    await world.project()
    assert world.facts("urn:lineproof:deployment:ml:model:d1")["features"] == ["urn:lineproof:feature-version:ml:delay:1"]
    assert (world.outcome(same)[0], world.outcome(other)) == ("applied", ("rejected", "manifest-mismatch"))
    assert ("model:d1", "delay:1") in world.links("PINS")


async def test_deploy_retire_and_replace_decide_what_is_live(world: World) -> None:
    one, two = ("urn:lineproof:deployment:ml:model:" + name for name in ("d1", "d2"))
    model(world, [])
    deployment(world, image="sha256:" + "e" * 64)
    nobody = deployment(world, "retire", "d9")
    retired = deployment(world, "retire")
    await world.project()
    assert (world.outcome(nobody), world.outcome(retired)) == (("rejected", "unknown-deployment"), ("applied", None))
    assert (world.facts(one)["live"], world.facts(one)["action"], world.facts(one)["image"]) == (False, "retire", "sha256:" + "e" * 64)
    deployment(world)
    moved = deployment(world, environment="elsewhere")
    deployment(world, id="d2", previous="d1")
    unknown = deployment(world, id="d3", previous="d0")
    await world.project()
    assert world.outcome(moved) == ("rejected", "deployment-conflict")
    assert (world.facts(one)["live"], world.facts(two)["live"]) == (False, True)
    assert world.outcome(unknown) == ("partial", "unknown-deployment")
    lives = [row.value for row in await world.graph.revisions(one) if row.fact == "live"]
    assert lives == [True, False, True, False]


async def test_a_rebuild_gives_the_same_pins(world: World) -> None:
    feature(world, "1")
    feature(world, "2")
    moved = alias(world, "1", None)
    model(world, ["ml:delay@prod"])
    await world.project()
    deployment(world)
    alias(world, "2", moved)
    model(world, ["ml:delay@prod"], commit=None)
    deployment(world, "retire")
    await world.project()
    again = MemoryGraph()
    await rebuild.rebuild(world.log, again)  # type: ignore[arg-type]
    assert await again.digest() == await world.graph.digest()


def version(**more: Any) -> dict[str, Any]:
    schema = [{"name": "flight", "type": "string", "nullable": False}, {"name": "delay", "type": "int"}, {"name": "extra", "type": "int"}]
    return {"definition": {"entities": ["flight"], "dtype": "int", "sql": "select 1", "ttlSeconds": 60},
            "online": {"uri": "redis://a", "schema": schema}, **more}


@pytest.mark.parametrize(("change", "found", "unread", "effects"), [
    ({}, "additive", "additive", set()),
    ({"definition": {"entities": ["flight"], "dtype": "int", "sql": "select 2", "ttlSeconds": 60}}, "additive", "additive", {"values"}),
    ({"definition": {"entities": ["flight"], "dtype": "float", "sql": "select 1", "ttlSeconds": 60}}, "breaking", "breaking", {"breaks"}),
    ({"definition": {"entities": ["flight", "day"], "dtype": "int", "sql": "select 1", "ttlSeconds": 60}}, "breaking", "breaking", {"breaks"}),
    ({"online": None}, "breaking", "breaking", {"breaks"}),
    ({"offline": {"uri": "s3://x"}}, "additive", "additive", {"adds"}),
    ({"online": {"uri": "redis://b", "schema": version()["online"]["schema"]}}, "additive", "additive", {"values"}),
    ({"online": {"uri": "redis://a", "schema": [*version()["online"]["schema"], {"name": "new"}]}}, "additive", "additive", {"adds"}),
    ({"online": {"uri": "redis://a", "schema": version()["online"]["schema"][:2]}}, "breaking", "additive", {"breaks-readers"}),
    ({"online": {"uri": "redis://a", "schema": [*version()["online"]["schema"][:2], {"name": "extra", "type": "text"}]}}, "breaking", "additive",
     {"breaks-readers"}),
    ({"online": {"uri": "redis://a", "schema": [{"name": "flight", "type": "string"}, *version()["online"]["schema"][1:]]}}, "breaking", "additive",
     {"breaks-readers"}),
    ({"online": {"uri": "redis://a"}}, "unknown", "unknown", {"unknown"}),
])
def test_what_a_change_of_version_does(change: dict[str, Any], found: str, unread: str, effects: set[str]) -> None:
    result = differences(version(), version(**change))
    assert {each.effect for each in result} == effects
    assert (verdict(result, None), verdict(result, frozenset())) == (found, unread)


async def test_a_claim_of_compatibility_stands_beside_what_is_found(world: World) -> None:
    feature(world, "1")
    lied = feature(world, "2", definition={"entities": ["flight"], "dtype": "text"}, compatibility={"with": "1", "kind": "additive"})
    nobody = feature(world, "3", compatibility={"with": "9", "kind": "additive"})
    careful = feature(world, "4", compatibility={"with": "1", "kind": "breaking"})
    await world.project()
    said = world.graph.records[lied].detail or {}
    assert said["compatibility"] == {"with": "1", "declared": "additive", "found": "breaking"}
    assert world.outcome(lied) == ("partial", "compatibility-mismatch")
    assert world.facts("urn:lineproof:feature-version:ml:delay:2")["definition"]["dtype"] == "text"
    assert world.outcome(nobody) == ("partial", "unknown-version")
    assert world.outcome(careful) == ("applied", None)


@pytest.mark.parametrize(("left", "outcome"), [(["flight", "delay"], ("applied", None)), ([], ("partial", "compatibility-mismatch"))])
async def test_what_depends_on_who_reads_it_is_no_mismatch_yet(world: World, left: list[str], outcome: tuple[str, str | None]) -> None:
    """A column that is gone may be read by nobody; a store that is gone is gone for everybody."""
    def stored(*columns: str) -> dict[str, Any]:
        return {"online": {"uri": "redis://a", "schema": [{"name": name, "type": "int"} for name in columns]}} if columns else {}

    feature(world, "1", **stored("flight", "delay", "extra"))
    second = feature(world, "2", compatibility={"with": "1", "kind": "additive"}, **stored(*left))
    await world.project()
    assert world.outcome(second) == outcome
    assert (world.graph.records[second].detail or {})["compatibility"]["found"] == "breaking"
