"""How long an edge lives: GRAPH, "Semantics worth a test each"."""
from __future__ import annotations

import pytest

from metadata_service.graph.ops import DERIVED_FROM, OpenEdge, Revise, UpsertNode
from tests.unit.projector.recorded import columns, derived, ds, uid
from tests.unit.projector.world import World, dataset

pytestmark = pytest.mark.anyio


async def test_a_run_opens_edges_and_says_why(world: World) -> None:
    index = world.log.run("a", "r1", inputs=["raw"], outputs=["out"], code="v1")
    await world.project()
    (edge,) = world.edges(DERIVED_FROM)
    assert (edge.from_, edge.opened_by, edge.basis) == (index + 1, index, "inputsOutputs")
    assert edge.via == "urn:lineproof:job:jobs:a"
    assert edge.transformation.startswith("urn:lineproof:transformation:jobs:a:")
    assert world.assets(at=index) == set()
    assert world.assets(at=index + 1) == {("out", "raw")}


async def test_a_repeated_run_writes_its_own_node_and_no_edge_and_no_revision_of_what_it_touches(world: World) -> None:
    wide = {"schema": columns(*(f"c{n}" for n in range(200))), "columnLineage": derived(**{f"c{n}": [("raw", f"c{n}")] for n in range(200)})}
    world.log.run("a", "r1", inputs=["raw"], outputs=[ds("out", **wide)], code="v1", minutes=1)
    await world.project()
    world.log.run("a", "r2", inputs=["raw"], outputs=[ds("out", **wide)], code="v1", minutes=2)
    await world.project()
    ops = world.graph.batches[-1]
    assert not [op for op in ops if isinstance(op, OpenEdge)]
    assert {op.urn.split(":")[2] for op in ops if isinstance(op, UpsertNode)} == {"run", "dataset-version"}
    assert {(op.urn.split(":")[2], op.fact) for op in ops if isinstance(op, Revise) and op.urn.split(":")[2] not in ("run", "dataset-version")} == {
        ("dataset", "currentVersion")}
    assert len(ops) < 40


async def test_dynamic_inputs_of_one_version_do_not_flicker(world: World) -> None:
    world.log.run("a", "r1", inputs=["x"], outputs=["out"], code="v1", minutes=1)
    world.log.run("a", "r2", inputs=["y"], outputs=["out"], code="v1", minutes=2)
    await world.project()
    assert world.assets() == {("out", "x"), ("out", "y")}


async def test_another_version_takes_over_and_the_past_still_answers(world: World) -> None:
    world.log.run("a", "r1", inputs=["x"], outputs=["out"], code="v1", minutes=1)
    second = world.log.run("a", "r2", inputs=["y"], outputs=["out"], code="v2", minutes=2)
    await world.project()
    assert world.assets() == {("out", "y")}
    assert world.assets(at=second) == {("out", "x")}


async def test_a_revert_takes_over_again(world: World) -> None:
    for minute, code in enumerate(("v1", "v2", "v1")):
        world.log.run("a", f"r{minute}", inputs=[f"in-{code}"], outputs=["out"], code=code, minutes=minute)
    await world.project()
    assert world.assets() == {("out", "in-v1")}
    assert len({edge.key for edge in world.graph.edges.values()}) == 2
    assert len(world.graph.edges) == 3


async def test_versions_side_by_side_alternate(world: World) -> None:
    for minute in range(6):
        code = f"v{minute % 2}"
        index = world.log.run("a", f"r{minute}", inputs=[f"in-{code}"], outputs=["out"], code=code, minutes=minute)
        await world.project()
        assert world.assets() == {("out", f"in-{code}")}, index
    assert sorted(stat.runs for stat in world.graph.stats.values()) == [3, 3]


async def test_outputs_that_were_not_touched_keep_their_edges(world: World) -> None:
    world.log.run("a", "r1", inputs=["x"], outputs=["one", "two"], code="v1", minutes=1)
    world.log.run("a", "r2", inputs=["y"], outputs=["one"], code="v2", minutes=2)
    await world.project()
    assert world.assets() == {("one", "y"), ("two", "x")}


async def test_a_job_parameterised_over_a_hundred_outputs_keeps_them_all(world: World) -> None:
    for number in range(100):
        world.log.run("a", f"r{number}", inputs=["x"], outputs=[f"out{number}"], code="v1", minutes=number)
    await world.project()
    assert world.assets() == {(f"out{number}", "x") for number in range(100)}
    world.log.run("a", "next", inputs=["y"], outputs=["out7"], code="v2", minutes=200)
    await world.project()
    assert len(world.assets()) == 100
    assert ("out7", "y") in world.assets()


async def test_a_late_spool_of_old_code_only_adds_provenance(world: World) -> None:
    world.log.run("a", "old", inputs=["x"], outputs=["out"], code="v1", minutes=1)
    world.log.run("a", "new", inputs=["y"], outputs=["out"], code="v2", minutes=10)
    world.log.run("a", "late", inputs=["x"], outputs=[ds("out", schema=columns("stale"))], code="v1", minutes=5)
    await world.project()
    assert world.assets() == {("out", "y")}
    assert (f"run:{uid('late')}", "jobs:a") in world.links("OF")
    assert "schema" not in world.facts(dataset("out"))
    assert world.facts(dataset("out"))["currentVersion"].endswith(f"run%3A{uid('new')}")


@pytest.mark.parametrize("purpose", ["rerun", "backfill", "rebuild"])
async def test_reruns_backfills_and_rebuilds_of_old_code_only_add_provenance(world: World, purpose: str) -> None:
    world.log.run("a", "r1", inputs=["x"], outputs=["out"], code="v1", minutes=1)
    world.log.run("a", "r2", inputs=["y"], outputs=["out"], code="v2", minutes=2)
    world.log.run("a", "again", inputs=["x", "z"], outputs=["out"], code="v1", minutes=3, purpose=purpose)
    await world.project()
    assert world.assets() == {("out", "y")}
    assert world.facts(f"urn:lineproof:run:{uid('again')}")["purpose"] == purpose
    assert f"urn:lineproof:dataset-version:db:out:run%3A{uid('again')}" in world.graph.nodes


async def test_a_failed_run_of_new_code_does_not_take_over(world: World) -> None:
    world.log.run("a", "r1", inputs=["x"], outputs=["out"], code="v1", minutes=1)
    world.log.run("a", "r2", inputs=["y"], outputs=["out"], code="v2", minutes=2, state="FAIL")
    await world.project()
    assert ("out", "x") in world.assets()
    world.log.run("a", "r3", inputs=["x"], outputs=["out"], code="v1", minutes=3)
    await world.project()
    assert world.assets() == {("out", "x")}


async def test_a_streaming_job_takes_over_while_it_runs(world: World) -> None:
    streaming = {"jobType": {"processingType": "STREAMING", "integration": "FLINK"}}
    world.log.run("a", "r1", inputs=["x"], outputs=["out"], code="v1", minutes=1, state="RUNNING", **streaming)
    world.log.run("a", "r2", inputs=["y"], outputs=["out"], code="v2", minutes=2, state="START", **streaming)
    await world.project()
    assert world.assets() == {("out", "x"), ("out", "y")}
    world.log.run("a", "r2", inputs=["y"], outputs=["out"], code="v2", minutes=3, state="RUNNING", **streaming)
    await world.project()
    assert world.assets() == {("out", "y")}


async def test_io_split_over_start_and_complete_is_one_run(world: World) -> None:
    world.log.run("a", "r1", inputs=["x"], code="v1", minutes=1, state="START")
    world.log.run("a", "r1", outputs=["out"], minutes=2)
    await world.project()
    assert world.assets() == {("out", "x")}
    run = world.facts(f"urn:lineproof:run:{uid('r1')}")
    assert (run["status"], run["startedAt"], run["endedAt"]) == ("COMPLETE", "2026-01-01T00:01:00.000000Z", "2026-01-01T00:02:00.000000Z")
    assert world.edges(DERIVED_FROM)[0].transformation is not None


async def test_complete_before_start_is_the_same_run(world: World) -> None:
    world.log.run("a", "r1", outputs=["out"], minutes=2, code="v1")
    world.log.run("a", "r1", inputs=["x"], minutes=1, state="START")
    await world.project()
    assert world.assets() == {("out", "x")}
    assert world.facts(f"urn:lineproof:run:{uid('r1')}")["status"] == "COMPLETE"


async def test_without_code_identity_edges_only_add(world: World) -> None:
    world.log.run("a", "r1", inputs=["x"], outputs=["out"], minutes=1)
    world.log.run("a", "r2", inputs=["y"], outputs=["out"], minutes=2)
    await world.project()
    assert world.assets() == {("out", "x"), ("out", "y")}


async def test_code_told_only_at_the_end_replaces_what_was_shown_without(world: World) -> None:
    for number in (1, 2):
        world.log.run("a", f"r{number}", inputs=["x"], outputs=["out"], minutes=number, state="START")
        world.log.run("a", f"r{number}", inputs=["x"], outputs=["out"], minutes=number + 0.5, code="v1")
    await world.project()
    (edge,) = world.edges(DERIVED_FROM)
    assert edge.transformation is not None
    assert len(world.graph.edges) == 2  # the second run did not flicker


async def test_column_lineage_is_more_precise_than_the_product_and_start_does_not_undo_it(world: World) -> None:
    outputs = [ds("c", columnLineage=derived(k=[("a", "k")])), ds("d", columnLineage=derived(k=[("b", "k")]))]
    for number in (1, 2, 3):
        world.log.run("j", f"r{number}", inputs=["a", "b"], outputs=["c", "d"], minutes=number, code="v1", state="START")
        world.log.run("j", f"r{number}", inputs=["a", "b"], outputs=outputs, minutes=number + 0.5, code="v1")
        await world.project()
        assert world.assets() == {("c", "a"), ("d", "b")}
        assert world.columns() == {("c.k", "a.k"), ("d.k", "b.k")}
    assert {edge.basis for edge in world.edges(DERIVED_FROM)} == {"columnLineage"}
    assert len([edge for edge in world.graph.edges.values() if edge.family == DERIVED_FROM]) == 6  # the guess of the first START, and what replaced it


async def test_the_lineage_facet_outweighs_the_product(world: World) -> None:
    entries = [{"type": "DATASET", "namespace": "db", "name": out, "inputs": [{"type": "DATASET", "namespace": "db", "name": source}]}
               for out, source in (("c", "a"), ("d", "b"))]
    world.log.run("j", "r1", inputs=["a", "b"], outputs=["c", "d"], code="v1", lineage={"entries": entries})
    await world.project()
    assert world.assets() == {("c", "a"), ("d", "b")}
    assert {edge.basis for edge in world.edges(DERIVED_FROM)} == {"lineage"}


async def test_an_empty_lineage_entry_means_no_upstream(world: World) -> None:
    world.log.run("j", "r1", inputs=["a"], outputs=["c"], code="v1", state="START")
    world.log.run("j", "r1", inputs=["a"], outputs=["c"], code="v1", lineage={"entries": [{"type": "DATASET", "namespace": "db", "name": "c", "inputs": []}]})
    await world.project()
    assert world.assets() == set()


async def test_a_changed_expression_closes_and_reopens(world: World) -> None:
    def out(expression: str) -> dict[str, object]:
        return ds("c", columnLineage=derived(k=[("a", "k")]), lineproof_columns={"fields": {"k": {"expression": expression, "file": "m.sql", "line": 3}}})
    world.log.run("j", "r1", inputs=["a"], outputs=[out("k")], code="v1", minutes=1)
    world.log.run("j", "r2", inputs=["a"], outputs=[out("k * 2")], code="v1", minutes=2)
    await world.project()
    column = [edge for edge in world.graph.edges.values() if edge.family != DERIVED_FROM]
    assert [(edge.expression, edge.file, edge.line) for edge in sorted(column, key=lambda edge: edge.from_)] == [("k", "m.sql", 3), ("k * 2", "m.sql", 3)]
    assert len(world.columns()) == 1


async def test_the_edges_commit_is_that_of_the_versions_first_entry(world: World) -> None:
    transformation = "urn:lineproof:transformation:jobs:a:" + "5" * 64
    for number, sha in ((1, "a" * 40), (2, "b" * 40)):
        world.log.run("a", f"r{number}", inputs=["x", f"y{number}"], outputs=["out"], minutes=number,
                      lineproof_transformation={"urn": transformation, "commit": sha, "repository": "git.test/o/r"})
    await world.project()
    assert {edge.commit for edge in world.graph.edges.values()} == {"urn:lineproof:commit:git.test%2Fo%2Fr:" + "a" * 40}
    assert world.facts(f"urn:lineproof:run:{uid('r2')}")["commit"].endswith("b" * 40)


async def test_self_loops_and_cycles_are_kept(world: World) -> None:
    world.log.run("a", "r1", inputs=["t", "x"], outputs=["t"], code="v1")
    world.log.run("b", "r2", inputs=["t"], outputs=["x"], code="v1")
    await world.project()
    assert world.assets() == {("t", "t"), ("t", "x"), ("x", "t")}


async def test_indirect_columns_reach_every_output_column(world: World) -> None:
    facet = {**derived(a=[("raw", "a")], b=[("raw", "b")]), "dataset": [{"namespace": "db", "name": "raw", "field": "day",
                                                                        "transformations": [{"type": "INDIRECT", "subtype": "FILTER"}]}]}
    world.log.run("j", "r1", inputs=["raw"], outputs=[ds("out", schema=columns("a", "b", "c"), columnLineage=facet)], code="v1")
    await world.project()
    assert world.columns() == {("out.a", "raw.a"), ("out.b", "raw.b"), ("out.a", "raw.day"), ("out.b", "raw.day"), ("out.c", "raw.day")}
