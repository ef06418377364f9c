"""Feature versions, aliases, models, deployments, consumers, and what is said about them."""
from __future__ import annotations

import pytest

from metadata_service.graph.ops import COLUMN_DERIVED_FROM, DERIVED_FROM
from metadata_service.projector.feature_hash import fold_sql
from tests.unit.projector.recorded import columns, ds
from tests.unit.projector.world import World, dataset

pytestmark = pytest.mark.anyio

FV1 = "urn:lineproof:feature-version:ml:delay:1"


def feature(version: str = "1", sql: str = "select 1", **more: object) -> dict[str, object]:
    return {"namespace": "ml", "name": "delay", "version": version, "column": {"namespace": "db", "name": "features", "column": "delay"},
            "definition": {"entities": ["flight"], "dtype": "int", "sql": sql, "sources": [{"namespace": "db", "name": "raw"}]}, **more}


def alias(to: str | None, expected: int | None, name: str = "prod", kind: str = "feature", **more: object) -> dict[str, object]:
    return {"kind": kind, "namespace": "ml", "name": "delay", "alias": name, "to": to, "expected": expected, **more}


async def test_a_feature_version_is_immutable(world: World) -> None:
    world.log.cloud("lineproof.feature-version.v1", feature())
    same = world.log.cloud("lineproof.feature-version.v1", feature(sql="select  1 -- note", description="told later"))
    conflict = world.log.cloud("lineproof.feature-version.v1", feature(sql="select 2"))
    await world.project()
    assert world.outcome(same) == ("applied", None)
    assert world.outcome(conflict) == ("rejected", "version-conflict")
    assert world.facts(FV1)["description"] == "told later"
    assert {(edge.upstream) for edge in world.edges(DERIVED_FROM)} == {dataset("features"), dataset("raw")}
    assert [edge.upstream for edge in world.edges(COLUMN_DERIVED_FROM)] == ["urn:lineproof:column:db:features:delay"]


@pytest.mark.parametrize(("sql", "folded"), [
    ("select\n  a -- c\n from t", "select a from t"), ("select '--x  y' /* z */ , \"a  b\"", "select '--x  y' , \"a  b\""),
    ("  select $$ a  b $$", "select $$ a  b $$"), ("select 'it''s  '", "select 'it''s  '")])
def test_sql_is_folded_outside_of_quotes_only(sql: str, folded: str) -> None:
    assert fold_sql(sql) == folded


async def test_aliases_move_by_compare_and_set(world: World) -> None:
    for version in ("1", "2"):
        world.log.cloud("lineproof.feature-version.v1", feature(version))
    first = world.log.cloud("lineproof.alias.v1", alias("1", None, actor="Ana@x.test"))
    stale = world.log.cloud("lineproof.alias.v1", alias("2", None))
    moved = world.log.cloud("lineproof.alias.v1", alias("2", first))
    unknown = world.log.cloud("lineproof.alias.v1", alias("9", moved))
    taken = world.log.cloud("lineproof.alias.v1", alias("1", None, name="2"))
    protected = world.log.cloud("lineproof.alias.v1", alias("1", None, name="champion"))
    approved = world.log.cloud("lineproof.alias.v1", alias("1", None, name="champion", approval="CHG-1"))
    gone = world.log.cloud("lineproof.alias.v1", alias(None, moved))
    again = world.log.cloud("lineproof.alias.v1", alias("1", None))
    await world.project()
    outcomes = [world.outcome(index) for index in (first, stale, moved, unknown, taken, protected, approved, gone, again)]
    assert outcomes == [("applied", None), ("rejected", "alias-moved"), ("applied", None), ("rejected", "unknown-version"), ("rejected", "alias-is-version"),
                        ("rejected", "approval-required"), ("applied", None), ("applied", None), ("applied", None)]
    head = "urn:lineproof:feature:ml:delay"
    assert world.facts(head)["alias:prod"]["index"] == again
    versions = [row.value["version"] for row in await world.graph.revisions(head) if row.fact == "alias:prod"]
    assert versions == ["1", "2", "1"]
    assert world.graph.records[first].actor == "ana@x.test"
    assert "ml:delay" in world.touched(stale)


async def test_a_model_is_derived_from_what_it_was_trained_on_with_aliases_resolved_then(world: World) -> None:
    world.log.run("a", "r1", outputs=[ds("train", schema=columns("x", "label"))], code="v1")
    for version in ("1", "2"):
        world.log.cloud("lineproof.feature-version.v1", feature(version))
    first = world.log.cloud("lineproof.alias.v1", alias("1", None))
    model_entry = world.log.cloud("lineproof.model-version.v1", {
        "namespace": "ml", "name": "model", "version": "7", "artifact": "c" * 64, "features": ["ml:delay@prod", "ml:gone@3"], "binding": "flexible",
        "trainingDatasets": [{"namespace": "db", "name": "train", "version": "v9"}]})
    world.log.cloud("lineproof.alias.v1", alias("2", first))
    await world.project()
    model = "urn:lineproof:model-version:ml:model:7"
    upstream = {edge.upstream: edge.version for edge in world.edges(DERIVED_FROM) if edge.downstream == model}
    assert upstream == {dataset("train"): "urn:lineproof:dataset-version:db:train:v9", FV1: FV1,
                        "urn:lineproof:feature-version:ml:gone:3": "urn:lineproof:feature-version:ml:gone:3"}
    assert {edge.upstream for edge in world.edges(COLUMN_DERIVED_FROM) if edge.downstream == model} == {
        "urn:lineproof:column:db:train:x", "urn:lineproof:column:db:train:label"}
    assert world.outcome(model_entry) == ("partial", "unknown-version")
    assert world.links("TRAINED_ON") == {("model:7", "train:v9")}


async def test_deployments_pin_concrete_versions(world: World) -> None:
    world.log.cloud("lineproof.feature-version.v1", feature())
    world.log.cloud("lineproof.alias.v1", alias("1", None))
    base = {"namespace": "ml", "name": "model", "action": "deploy", "modelVersion": "7", "environment": "prod"}
    refused = world.log.cloud("lineproof.deployment.v1", {**base, "id": "d0", "features": ["ml:delay@prod"]})
    world.log.cloud("lineproof.deployment.v1", {**base, "id": "d1", "features": ["ml:delay@1"]})
    world.log.cloud("lineproof.deployment.v1", {**base, "id": "d2", "modelVersion": "ml:model@8", "previous": "d1"})
    await world.project()
    assert world.outcome(refused) == ("rejected", "alias-not-allowed")
    assert [world.facts(f"urn:lineproof:deployment:ml:model:{name}")["live"] for name in ("d1", "d2")] == [False, True]
    assert ("model:d1", "delay:1") in world.links("PINS")


async def test_a_consumer_reads_what_its_newest_declaration_says(world: World) -> None:
    base = {"kind": "dashboard", "namespace": "bi", "name": "delays", "owners": ["ana"]}
    world.log.cloud("lineproof.consumer.v1", {**base, "datasets": [{"namespace": "db", "name": "x"}], "models": ["ml:model@7"]})
    world.log.cloud("lineproof.consumer.v1", {**base, "columns": [{"namespace": "db", "name": "y", "column": "k"}]})
    await world.project()
    assert [edge.upstream for edge in world.edges(DERIVED_FROM)] == [dataset("y")]
    assert [edge.upstream for edge in world.edges(COLUMN_DERIVED_FROM)] == ["urn:lineproof:column:db:y:k"]
    assert len(world.graph.edges) == 4


async def test_materialization_quality_cost_and_usage_are_facts_of_their_subject(world: World) -> None:
    world.log.cloud("lineproof.feature-version.v1", feature())
    world.log.cloud("lineproof.materialization.v1", {"feature": "ml:delay@1", "status": "completed", "rows": 5,
                                                    "output": {"namespace": "db", "name": "features", "version": "v1"}})
    unknown = world.log.cloud("lineproof.materialization.v1", {"feature": "ml:delay@2", "status": "completed"})
    world.log.cloud("lineproof.quality.v1", {"subject": dataset("features"), "check": "not_null", "success": False, "column": "delay"})
    world.log.cloud("lineproof.cost.v1", {"subject": FV1, "effectiveCost": 1.0, "billingCurrency": "EUR"})
    nobody = world.log.cloud("lineproof.usage.v1", {"subject": dataset("nowhere"), "count": 1,
                                                   "window": {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}})
    await world.project()
    assert world.facts(FV1)["materialization"]["status"] == "completed"
    assert world.outcome(unknown) == ("rejected", "unknown-version")
    assert world.outcome(nobody) == ("rejected", "unknown-urn")
    assert world.facts(dataset("features"))["quality:not_null"]["success"] is False
    assert world.facts("urn:lineproof:column:db:features:delay")["quality:not_null"]["success"] is False
    assert world.facts(FV1)["cost:*"] == {"effectiveCost": 1, "billingCurrency": "EUR"}
    assert ("delay:1", "features:v1") in world.links("MATERIALIZED_AS")
