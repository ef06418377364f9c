"""Datasets: facts, drops, renames, symlinks, versions, tombstones."""
from __future__ import annotations

from typing import Any

import pytest

from metadata_service.graph.ops import DERIVED_FROM
from tests.unit.projector.recorded import columns, derived, ds, uid
from tests.unit.projector.world import World, dataset

pytestmark = pytest.mark.anyio


def lifecycle(state: str, previous: str | None = None) -> dict[str, object]:
    more = {"previousIdentifier": {"namespace": "db", "name": previous}} if previous else {}
    return {"lifecycleStateChange": {"lifecycleStateChange": state, **more}}


async def test_facets_become_facts_and_merge_additively(world: World) -> None:
    world.log.run("a", "r1", outputs=[ds("t", schema=columns("x", "y"), ownership={"owners": [{"name": "ana@example.test", "type": "OWNER"}]},
                                         documentation={"description": "first"}, custom_thing={"_producer": "p", "kept": {"deep": [1, 2.0, None]}})], code="v1")
    world.log.run("a", "r2", outputs=[ds("t", documentation={"description": "second"}, custom_thing={"_deleted": True})], code="v1", minutes=1)
    await world.project()
    facts = world.facts(dataset("t"))
    assert facts["schema"] == [{"name": "x", "type": "INT"}, {"name": "y", "type": "INT"}]
    assert facts["owners"] == [{"name": "ana@example.test", "type": "OWNER"}]
    assert facts["description"] == "second"
    assert "facet:custom_thing" not in facts
    assert (await world.graph.get([dataset("t")], at=world.log.size() - 1))[dataset("t")].facts["facet:custom_thing"]["kept"] == {"deep": [1, 2, None]}
    assert world.links("OWNED_BY") == {("t", "principal:ana%40example.test")}


async def test_columns_are_entities_and_one_that_is_gone_is_dropped(world: World) -> None:
    world.log.run("a", "r1", outputs=[ds("t", schema=columns("x", "y"))], code="v1")
    world.log.run("a", "r2", outputs=[ds("t", schema=columns("x", type="TEXT"))], code="v1", minutes=1)
    await world.project()
    assert world.facts("urn:lineproof:column:db:t:x") == {"dataType": "TEXT", "position": 1}
    assert world.facts("urn:lineproof:column:db:t:y")["existence"] == "dropped"


async def test_drop_closes_edges_on_both_sides_and_recreation_is_a_second_existence(world: World) -> None:
    world.log.run("a", "r1", inputs=["raw"], outputs=[ds("t", columnLineage=derived(k=[("raw", "k")]))], code="v1", minutes=1)
    world.log.run("b", "r2", inputs=["t"], outputs=["mart"], code="v1", minutes=2)
    dropped = world.log.lineage({"eventTime": "2026-01-02T00:00:00Z", "producer": "x:y", "dataset": ds("t", **lifecycle("DROP"))})
    await world.project()
    assert world.assets() == set()
    assert world.columns() == set()
    assert world.assets(at=dropped) == {("t", "raw"), ("mart", "t")}
    assert world.facts(dataset("t"))["existence"] == "dropped"
    world.log.run("a", "r3", inputs=["raw"], outputs=["t"], code="v1", minutes=2000)
    await world.project()
    assert world.assets() == {("t", "raw")}
    existence = [row.value for row in await world.graph.revisions(dataset("t")) if row.fact == "existence"]
    assert existence == ["exists", "dropped", "exists"]


async def test_a_run_that_drops_its_output_leaves_no_edge(world: World) -> None:
    world.log.run("a", "r1", inputs=["raw"], outputs=["t"], code="v1", state="START")
    world.log.run("a", "r1", inputs=["raw"], outputs=[ds("t", **lifecycle("DROP"))], code="v1", minutes=1)
    await world.project()
    assert world.assets() == set()


async def test_a_rename_moves_lineage_and_the_next_run_finds_it_there(world: World) -> None:
    out = {"schema": columns("k"), "columnLineage": derived(k=[("raw", "k")])}
    world.log.run("a", "r1", inputs=["raw"], outputs=[ds("old", **out)], code="v1", minutes=1)
    world.log.run("b", "r2", inputs=["old"], outputs=[ds("mart", columnLineage=derived(m=[("old", "k")]))], code="v1", minutes=2)
    before = world.log.size()
    world.log.lineage({"eventTime": "2026-01-02T00:00:00Z", "producer": "x:y", "dataset": ds("new", **lifecycle("RENAME", "old"))})
    await world.project()
    assert world.assets() == {("new", "raw"), ("mart", "new")}
    assert world.columns() == {("new.k", "raw.k"), ("mart.m", "new.k")}
    assert world.assets(at=before) == {("old", "raw"), ("mart", "old")}
    assert world.facts(dataset("old"))["existence"] == "dropped"
    assert world.facts(dataset("new"))["schema"] == [{"name": "k", "type": "INT"}]
    edges = len(world.graph.edges)
    world.log.run("a", "r3", inputs=["raw"], outputs=[ds("new", **out)], code="v1", minutes=2000)
    await world.project()
    assert len(world.graph.edges) == edges
    world.log.run("a", "r4", inputs=["raw2"], outputs=[ds("new")], code="v2", minutes=2001)
    await world.project()
    assert world.assets() == {("new", "raw2"), ("mart", "new")}


@pytest.mark.parametrize("now", [{"identifiers": [{"namespace": "db", "name": "w", "type": "TABLE"}]}, {"_deleted": True}])
async def test_a_name_that_symlinks_leave_out_is_no_other_name_any_more(world: World, now: dict[str, Any]) -> None:
    world.log.run("a", "r1", outputs=[ds("t", symlinks={"identifiers": [{"namespace": "db", "name": name, "type": "TABLE"} for name in ("u", "v", "w")]})])
    world.log.run("b", "r2", outputs=[ds("v", symlinks={"identifiers": [{"namespace": "db", "name": "t", "type": "TABLE"}]})])
    await world.project()
    assert world.assets() == {("t", "u"), ("u", "t"), ("t", "v"), ("v", "t"), ("t", "w"), ("w", "t")}
    world.log.run("a", "r3", outputs=[ds("t", symlinks=now)], minutes=1)
    await world.project()
    kept = {("t", "v"), ("v", "t")}  # which v says itself
    assert world.assets() == (kept if "_deleted" in now else kept | {("t", "w"), ("w", "t")})


async def test_symlinks_join_the_names_of_one_dataset(world: World) -> None:
    links = {"symlinks": {"identifiers": [{"namespace": "hive", "name": "t", "type": "TABLE"}]}}
    world.log.run("a", "r1", inputs=["raw"], outputs=[ds("s3/t", **links)], code="v1")
    await world.project()
    hive = "urn:lineproof:dataset:hive:t"
    assert {(link.src, link.dst) for link in world.graph.links.values() if link.type == "SAME_AS"} == {(dataset("s3/t"), hive)}
    pairs = {(edge.downstream, edge.upstream) for edge in world.edges(DERIVED_FROM) if edge.subtype == "SAME_AS"}
    assert pairs == {(dataset("s3/t"), hive), (hive, dataset("s3/t"))}


async def test_versions_without_a_facet_are_the_runs_and_pins_to_them_are_inferred(world: World) -> None:
    world.log.run("a", "r1", outputs=["t", ds("exact", version={"datasetVersion": "8811"})], code="v1", minutes=1)
    world.log.run("b", "r2", inputs=["t", ds("exact", version={"datasetVersion": "8811"})], outputs=["mart"], code="v1", minutes=2)
    await world.project()
    version = f"urn:lineproof:dataset-version:db:t:run%3A{uid('r1')}"
    assert world.facts(dataset("t"))["currentVersion"] == version
    used = {link.dst: link.props for link in world.graph.links.values() if link.type == "USED"}
    assert used == {version: {"inferred": True}, "urn:lineproof:dataset-version:db:exact:8811": {"inferred": False}}
    assert ("GENERATED", f"urn:lineproof:run:{uid('r1')}", version) in world.graph.links


async def test_an_older_run_that_arrives_late_does_not_become_the_current_version(world: World) -> None:
    world.log.run("a", "new", outputs=["t"], code="v1", minutes=10)
    world.log.run("a", "old", outputs=["t"], code="v1", minutes=5)
    await world.project()
    assert world.facts(dataset("t"))["currentVersion"].endswith(uid("new"))


async def test_a_job_that_ceased_leaves_no_edges(world: World) -> None:
    world.log.run("a", "r1", inputs=["x"], outputs=["t"], code="v1")
    world.log.run("b", "r2", inputs=["t"], outputs=["u"], code="v1")
    world.log.cloud("lineproof.tombstone.v1", {"urn": "urn:lineproof:job:jobs:a", "reason": "retired"})
    await world.project()
    assert world.assets() == {("u", "t")}


async def test_retracting_an_entry_closes_what_it_opened_and_nothing_else(world: World) -> None:
    world.log.run("a", "r1", inputs=["x"], outputs=["t"], code="v1", minutes=1)
    wrong = world.log.run("a", "r2", inputs=["mistake"], outputs=["t"], code="v1", minutes=2)
    gone = world.log.cloud("lineproof.tombstone.v1", {"entry": wrong, "reason": "wrong table"})
    await world.project()
    assert world.assets() == {("t", "x")}
    assert world.assets(at=gone) == {("t", "x"), ("t", "mistake")}


async def test_declared_edges_of_job_and_dataset_events_only_add(world: World) -> None:
    base = {"eventTime": "2026-01-01T00:00:00Z", "producer": "x:y"}
    world.log.lineage({**base, "job": {"namespace": "jobs", "name": "a"}, "inputs": [ds("x")], "outputs": [ds("t")]})
    world.log.lineage({**base, "job": {"namespace": "jobs", "name": "a"}, "inputs": [ds("y")], "outputs": [ds("t")]})
    world.log.lineage({**base, "dataset": ds("view", lineage={"inputs": [{"type": "DATASET", "namespace": "db", "name": "t"}]})})
    await world.project()
    assert world.assets() == {("t", "x"), ("t", "y"), ("view", "t")}
    assert {edge.basis for edge in world.edges(DERIVED_FROM)} == {"declared"}
    world.log.run("a", "r1", inputs=["z"], outputs=["t"], code="v1")
    await world.project()
    assert ("t", "x") in world.assets()


async def test_column_lineage_through_a_view(world: World) -> None:
    world.log.lineage({"eventTime": "2026-01-01T00:00:00Z", "producer": "x:y", "dataset": ds("view", columnLineage=derived(v=[("raw", "k")]))})
    world.log.run("a", "r1", inputs=["view"], outputs=[ds("t", columnLineage=derived(o=[("view", "v")]))], code="v1")
    await world.project()
    assert world.columns() == {("view.v", "raw.k"), ("t.o", "view.v")}
    assert world.assets() == {("view", "raw"), ("t", "view")}


async def test_declared_facts_say_nothing_where_absent_and_an_empty_list_clears(world: World) -> None:
    world.log.cloud("lineproof.dataset.v1", {"namespace": "db", "name": "t", "owners": [{"name": "ana"}], "tags": ["b", "a"], "classification": "secret"})
    world.log.cloud("lineproof.dataset.v1", {"namespace": "db", "name": "t", "tags": []})
    await world.project()
    facts = world.facts(dataset("t"))
    assert (facts["owners"], facts["classification"], facts.get("tags")) == ([{"name": "ana"}], "secret", None)


async def test_partial_column_lineage_keeps_the_inputs_it_does_not_explain(world: World) -> None:
    facts = {"fields": {"k": {"status": "complete"}, "m": {"status": "unknown", "reason": "macro"}}}
    world.log.run("a", "r1", inputs=["x", "y"], outputs=[ds("t", columnLineage=derived(k=[("x", "k")]), lineproof_columns=facts)], code="v1")
    await world.project()
    assert {(edge.upstream, edge.basis) for edge in world.edges(DERIVED_FROM)} == {(dataset("x"), "columnLineage"), (dataset("y"), "inputsOutputs")}
