"""Facets that are neither edges nor facts of a dataset stay with the run, the version or the declaration that said them."""
from __future__ import annotations

from typing import Any

import pytest

from lineproof_schema.urn import format_urn
from tests.unit.projector.recorded import columns, ds, uid
from tests.unit.projector.world import World, dataset

pytestmark = pytest.mark.anyio

STATISTICS = {"_producer": "p", "rowCount": 7, "size": 70}
REPORT = {"_producer": "p", "snapshotId": 3}


def output(**facets: Any) -> dict[str, Any]:
    return {**ds("t"), "outputFacets": facets}


def written(run: str) -> str:
    return format_urn("dataset-version", "db", "t", f"run:{uid(run)}")


@pytest.mark.parametrize("states", [("RUNNING", "COMPLETE"), ("COMPLETE", "RUNNING")])
async def test_output_facets_reach_the_version_whichever_event_said_them(world: World, states: tuple[str, str]) -> None:
    for state in states:
        said = output(outputStatistics=STATISTICS, customReport=REPORT) if state == "RUNNING" else ds("t")
        world.log.run("a", "r1", inputs=["raw"], outputs=[said], state=state, minutes=1 if state == "RUNNING" else 2)
    await world.project()
    facts = world.facts(written("r1"))
    assert (facts["facet:outputStatistics"], facts["facet:customReport"], facts["rowCount"]) == (STATISTICS, REPORT, 7)


async def test_output_facets_of_a_failed_run_stay_with_the_run(world: World) -> None:
    world.log.run("a", "r1", inputs=["raw"], outputs=[output(outputStatistics=STATISTICS)], state="FAIL")
    await world.project()
    assert world.facts(format_urn("run", uid("r1")))["outputFacets"] == {dataset("t"): {"outputStatistics": STATISTICS}}


async def test_a_declared_dataset_keeps_its_statistics(world: World) -> None:
    world.log.lineage({"eventTime": "2026-01-02T00:00:00Z", "producer": "x:y", "dataset": ds("t", dataQualityMetrics=STATISTICS)})
    await world.project()
    assert world.facts(dataset("t"))["facet:dataQualityMetrics"] == STATISTICS


async def test_a_declared_job_keeps_what_is_said_of_its_outputs_and_of_other_jobs(world: World) -> None:
    before = {"type": "JOB", "namespace": "air", "name": "before"}
    lineage = {"_producer": "p", "entries": [{"type": "JOB", "namespace": "air", "name": "load", "inputs": [before]}]}
    world.log.lineage({"eventTime": "2026-01-02T00:00:00Z", "producer": "x:y", "job": {"namespace": "air", "name": "load", "facets": {"lineage": lineage}},
                       "outputs": [output(outputStatistics=STATISTICS)]})
    await world.project()
    assert world.facts(format_urn("job", "air", "load"))["facet:lineage"] == lineage
    assert world.facts(dataset("t"))["facet:outputStatistics"] == STATISTICS


async def test_a_renamed_dataset_knows_its_former_name(world: World) -> None:
    previous: dict[str, Any] = {"lifecycleStateChange": {"lifecycleStateChange": "RENAME", "previousIdentifier": {"namespace": "db", "name": "old"}}}
    world.log.run("a", "r1", inputs=["raw"], outputs=[ds("t", **previous)])
    await world.project()
    assert world.facts(dataset("t"))["renamedFrom"] == {"namespace": "db", "name": "old"}


def told(description: str, *names: str) -> dict[str, Any]:
    return ds("t", documentation={"description": description}, schema=columns(*names))


@pytest.mark.parametrize("order", [("START", "COMPLETE"), ("COMPLETE", "START")])
async def test_the_later_event_of_a_run_has_the_last_word_whichever_came_first(world: World, order: tuple[str, str]) -> None:
    said = {"START": (told("planned", "x"), 1), "COMPLETE": (told("made", "x", "y"), 2)}
    for state in order:
        world.log.run("a", "r1", inputs=["raw"], outputs=[said[state][0]], state=state, minutes=said[state][1])
    await world.project()
    facts = world.facts(dataset("t"))
    assert (facts["description"], [column["name"] for column in facts["schema"]]) == ("made", ["x", "y"])
    assert "existence" not in world.facts(format_urn("column", "db", "t", "y"))


async def test_an_earlier_run_that_arrives_late_adds_what_nobody_said_and_replaces_nothing(world: World) -> None:
    world.log.run("a", "r2", inputs=["raw"], outputs=[told("new", "x", "y")], minutes=60)
    world.log.run("a", "r1", inputs=["raw"], outputs=[{**told("old", "x"), "facets": {**told("old", "x")["facets"], "storage": STATISTICS}}], minutes=1)
    await world.project()
    facts = world.facts(dataset("t"))
    assert (facts["description"], len(facts["schema"]), facts["facet:storage"]) == ("new", 2, STATISTICS)


async def test_a_drop_told_late_does_not_end_what_was_written_since(world: World) -> None:
    drop = ds("t", lifecycleStateChange={"lifecycleStateChange": "DROP"})
    create = ds("t", lifecycleStateChange={"lifecycleStateChange": "CREATE"})
    world.log.run("a", "r1", inputs=["raw"], outputs=[create], state="COMPLETE", minutes=2)
    world.log.run("a", "r1", inputs=["raw"], outputs=[drop], state="RUNNING", minutes=1)
    await world.project()
    assert world.facts(dataset("t"))["existence"] == "exists"
    assert world.assets() == {("t", "raw")}
