"""Suspects that the runs themselves show: what they were given, where they ran, what they named, and who took turns with whom."""
from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from metadata_service.queries.suspect_shapes import Suspect, SuspectKind
from metadata_service.queries.suspects import suspects
from metadata_service.queries.trace import trace
from tests.flights_world import NS, World, code, column, dataset, run_id
from tests.unit.queries.asking import ask


def day(number: int, hour: int = 0) -> str:
    return f"2026-04-{number:02}T{hour:02}:00:00Z"


def made(world: World, number: int, *, job: str = "make", text: str = "select a.x", run_facets: dict[str, Any] | None = None, at: str | None = None,
         version: str | None = None, facets: dict[str, Any] | None = None, derived: bool = True) -> None:
    """Run `number` of a job from a to m, as any client tells it."""
    lineage = {"columnLineage": {"fields": {"x": {"inputFields": [{"namespace": NS, "name": "a", "field": "x"}]}}}} if derived else {}
    world.openlineage({"eventType": "COMPLETE", "eventTime": at or day(number), "run": {"runId": run_id(f"{job} {number}"), "facets": run_facets or {}},
                       "job": {"namespace": NS, "name": job, "facets": {"sql": {"query": text}, **(facets or {})}},
                       "inputs": [{"namespace": NS, "name": "a", "facets": {"version": {"datasetVersion": version}} if version else {}}] if derived else [],
                       "outputs": [{"namespace": NS, "name": "m", "facets": {"schema": {"fields": [{"name": "x"}]}, **lineage}}]})


async def found(world: World, start: int) -> Sequence[Suspect]:
    await world.settle()
    return [row for row in (await ask(world, suspects, column("x", "m"), start=start)).rows if row.kind is not SuspectKind.RUN_MISSING]


def parameters(rate: int, moment: int) -> dict[str, Any]:
    return {"lineproof_run": {"purpose": "normal", "parameters": {"rate": rate, "date": moment}}}


def execution_parameters(rate: int, moment: int) -> dict[str, Any]:
    return {"executionParameters": {"parameters": [{"key": "r", "name": "rate", "value": rate}, {"key": "d", "name": "date", "value": moment}]}}


@pytest.mark.parametrize("given", [parameters, execution_parameters])
async def test_a_parameter_that_was_always_the_same_and_is_not_now(world: World, given: Any) -> None:
    for number in (1, 2, 3):
        made(world, number, run_facets=given(5, number))
    start = await world.settle()
    made(world, 4, run_facets=given(5, 4))
    assert await found(world, start) == []  # the date is another one every day
    made(world, 5, run_facets=given(7, 5))
    row, = await found(world, start)
    assert (row.kind, row.urn, row.before, row.after, row.run) == (SuspectKind.CONFIG, dataset("m"), {"rate": 5}, {"rate": 7},
                                                                  f"urn:lineproof:run:{run_id('make 5')}")
    assert row.because == "the configuration of make changed: rate 5 → 7"


@pytest.mark.parametrize(("name", "old", "new"), [("image", "sha256:" + "a" * 64, "sha256:" + "b" * 64), ("lockfile", "1" * 64, "2" * 64)])
async def test_the_same_code_in_another_environment(world: World, name: str, old: str, new: str) -> None:
    def own(value: str) -> dict[str, Any]:
        return {"lineproof_transformation": {"urn": code("make", "select a.x"), name: value}}

    made(world, 1, facets=own(old))
    made(world, 2, facets=own(old))
    start = await world.settle()
    made(world, 3, facets=own(new))
    row, = await found(world, start)
    assert (row.kind, row.before, row.after) == (SuspectKind.ENVIRONMENT, {name: old}, {name: new})


async def test_another_engine(world: World) -> None:
    for number, version in ((1, "3.4"), (2, "3.5")):
        start = await world.settle()
        made(world, number, run_facets={"processing_engine": {"name": "spark", "version": version}})
    row, = await found(world, start)
    assert (row.kind, row.before, row.after) == (SuspectKind.ENVIRONMENT, {"engine version": "3.4"}, {"engine version": "3.5"})


async def test_a_run_that_names_another_version_of_its_input(world: World) -> None:
    for version in ("v1", "v2"):
        world.say("lineproof.dataset-version.v1", {"namespace": NS, "name": "a", "id": version, "committedAt": day(1)}, day(1))
    made(world, 2, version="v1")
    start = await world.settle()
    made(world, 3, version="v2")
    row, = await found(world, start)
    assert (row.kind, row.urn, row.before, row.after) == (SuspectKind.INPUT_VERSION, dataset("a"), "v1", "v2")


async def test_who_always_names_the_newest_version_pins_nothing(world: World) -> None:
    for number, version in ((1, "v1"), (2, "v2")):
        start = await world.settle()
        world.say("lineproof.dataset-version.v1", {"namespace": NS, "name": "a", "id": version, "committedAt": day(number)}, day(number))
        made(world, number, version=version)
    assert SuspectKind.INPUT_VERSION not in {row.kind for row in await found(world, start)}


async def test_what_names_a_single_run_is_no_configuration(world: World) -> None:
    ids = ("57d1b5f5-b9ce-4525-bd7a-0dfc4a5f76fa", "3fffde27-172a-46c7-be40-7121e7a3f5ec")
    for number, invocation in enumerate(ids, start=1):
        start = await world.settle()
        made(world, number, run_facets={"lineproof_run": {"purpose": "normal", "parameters": {"invocation": invocation, "ds": f"2026-04-0{number}"}}})
    assert await found(world, start) == []


async def test_another_job_wrote_the_table(world: World) -> None:
    made(world, 1)
    start = await world.settle()
    made(world, 2, job="other", text="select b.x")
    row, = await found(world, start)
    assert (row.kind, row.urn, row.because) == (SuspectKind.CODE, dataset("m"), "m was made by other, before by make")
    start = await world.settle()
    made(world, 3)
    again, = await found(world, start)
    assert again.because.endswith("; they take turns")
    assert again.score < row.score


async def test_a_loader_of_which_only_the_code_is_known(world: World) -> None:
    made(world, 1, derived=False)
    start = await world.settle()
    made(world, 2, derived=False, text="select 2")
    row, = await found(world, start)
    assert (row.kind, row.because) == (SuspectKind.CODE, "the code of make, which writes m, changed")


async def test_a_backfill_by_older_code_is_told_and_does_not_take_over(world: World) -> None:
    made(world, 1, text="select old")
    made(world, 2, text="select new")
    start = await world.settle()
    made(world, 3, text="select old", run_facets={"lineproof_run": {"purpose": "backfill"}})
    row, = await found(world, start)
    assert (row.kind, row.because) == (SuspectKind.CODE, "a backfill wrote m again, by another version of the code")
    assert (await ask(world, trace, column("x", "m"))).steps[0].transformation == code("make", "select new")


async def test_code_changed_when_it_was_told_and_not_when_the_parser_had_read_it(world: World) -> None:
    """The parser reads each statement some time after its run, and what it finds stands from there on."""
    def told(number: int, text: str) -> None:
        world.openlineage({"eventType": "COMPLETE", "eventTime": day(number), "run": {"runId": run_id(f"make {number}"), "facets": {}},
                           "job": {"namespace": NS, "name": "make", "facets": {"sql": {"query": text}}}, "inputs": [{"namespace": NS, "name": "a"}],
                           "outputs": [{"namespace": NS, "name": "m", "facets": {"schema": {"fields": [{"name": "x"}]}}}]})

    def parsed(text: str, expression: str) -> None:
        world.say("lineproof.derivation.v1", {
            "job": {"namespace": NS, "name": "make"}, "sql": hashlib.sha256(text.encode()).hexdigest(), "parser": "tests/1", "status": "complete",
            "columns": [{"output": {"namespace": NS, "name": "m"}, "field": "x", "expression": expression, "line": 1, "status": "complete",
                         "inputs": [{"namespace": NS, "name": "a", "field": "x", "transformations": [{"type": "DIRECT", "subtype": "TRANSFORMATION"}]}]}]},
                  day(20), key=world.log.notary)

    told(1, "select x * 2 as x")
    parsed("select x * 2 as x", "x * 2")
    start = await world.settle()
    told(2, "select x * 3 as x")
    await world.settle()
    parsed("select x * 3 as x", "x * 3")
    row, = await found(world, start)
    assert (row.kind, row.urn, row.before, row.after) == (SuspectKind.CODE, column("x", "m"), "x * 2", "x * 3")
    assert row.at == datetime(2026, 4, 2, tzinfo=UTC)
    late = await ask(world, trace, column("x", "m"), since=datetime(2026, 4, 10, tzinfo=UTC))
    assert not any(change.suspect for change in late.changes)
    then = await ask(world, trace, column("x", "m"), data_at=datetime(2026, 4, 1, 12, tzinfo=UTC))
    assert [(step.expression, step.run.id) for step in then.steps if step.run is not None] == [("x * 2", run_id("make 1"))]
    snippet = then.steps[0].snippet
    assert snippet is not None
    assert (snippet.file, snippet.highlight, snippet.lines) == ("statement of make", 1, ("select x * 2 as x",))
