"""Facets that are neither edges nor facts of a dataset stay with the run, the version or the declaration that said them."""
from __future__ import annotations

from typing import Any

import pytest

from lineproof_schema.urn import format_urn
from tests.unit.projector.recorded import ds, uid
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
