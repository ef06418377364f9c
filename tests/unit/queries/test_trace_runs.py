"""A trace goes by the run that wrote each version, and by the versions that runs read, wherever in the log their code stands."""
from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest

from metadata_service.queries.suspect_shapes import SuspectKind
from metadata_service.queries.suspects import suspects
from metadata_service.queries.trace import trace
from metadata_service.queries.trace_shapes import Trace, TraceStep
from tests.flights_world import NS, World, column, dataset, model, run_id
from tests.unit.queries.asking import ask

Columns = dict[str, tuple[str, list[tuple[str, str]], int]]
Said = list[tuple[str, str | None, str | None]]


def x(expression: str, *sources: tuple[str, str]) -> Columns:
    return {"x": (expression, list(sources), 1)}


def day(number: int, hour: int = 0) -> str:
    return f"2026-04-{number:02}T{hour:02}:00:00Z"


def moment(number: int, hour: int = 0) -> datetime:
    return datetime(2026, 4, number, hour, tzinfo=UTC)


def made(world: World, run: str, at: str, expression: str = "good", **more: Any) -> None:
    """A run of `make`, whose code is its expression, from a to m."""
    world.run("make", run, at, ["a"], "m", x(expression, ("a", "x")), f"select {expression}", **more)


def copied(world: World, run: str, at: str, **more: Any) -> None:
    """A run of `copy`, from m to end."""
    world.run("copy", run, at, ["m"], "end", x("m.x", ("m", "x")), "select m.x", **more)


def snapshot(world: World, name: str, version: str, run: str | None, at: str) -> None:
    world.say("lineproof.dataset-version.v1", {"namespace": NS, "name": name, "id": version, "committedAt": at,
                                               **({"runId": run_id(run)} if run is not None else {})}, at)


async def traced(world: World, of: str = "m", **more: Any) -> Trace:
    await world.settle()
    return await ask(world, trace, column("x", of), **more)


def said(found: Trace) -> Said:
    """(entity, expression, run) of each step."""
    return [((step.urn or "").rsplit(":", 2)[-2], step.expression, step.run.id if step.run is not None else None) for step in found.steps]


def step_of(found: Trace, name: str) -> TraceStep:
    return next(step for step in found.steps if step.urn == column("x", name))


async def test_the_code_of_the_version_that_was_read_and_not_the_latest(world: World) -> None:
    made(world, "make 1", day(1))
    copied(world, "copy 1", day(2))
    made(world, "make 2", day(3), "bad")
    found = await traced(world, "end")
    assert said(found) == [("end", "m.x", run_id("copy 1")), ("m", "good", run_id("make 1"))]
    assert step_of(found, "m").code_matches_run is True
    read = found.steps[0].inputs[0].version
    assert read is not None
    assert (read.run, read.inferred) == (f"urn:lineproof:run:{run_id('make 1')}", True)
    copied(world, "copy 2", day(4))
    assert said(await traced(world, "end"))[1] == ("m", "bad", run_id("make 2"))


async def test_what_a_reader_was_told_of_later_it_did_not_read(world: World) -> None:
    made(world, "make 1", day(1))
    made(world, "make 2", day(3), "bad")
    copied(world, "copy 1", day(2))  # its event came last
    assert said(await traced(world, "end"))[1] == ("m", "good", run_id("make 1"))


async def test_of_two_producers_the_one_that_wrote_the_version(world: World) -> None:
    for number, (name, source) in enumerate((("one", "a"), ("two", "b"), ("one", "a"), ("two", "b")), start=1):
        world.run(name, f"{name} {number}", day(number), [source], "m", x(f"by {name}", (source, "x")), f"select {name}")
    for number, name, source in ((1, "one", "a"), (2, "two", "b"), (3, "one", "a"), (4, "two", "b")):
        found = await traced(world, data_at=moment(number, 12))
        assert said(found) == [("m", f"by {name}", run_id(f"{name} {number}"))]
        assert [source_.urn for source_ in found.sources] == [dataset(source)]
    assert said(await traced(world)) == [("m", "by two", run_id("two 4"))]


async def test_a_job_that_knows_only_tables_does_not_hide_one_that_knows_columns(world: World) -> None:
    """An orchestrator tells of the same table as the engine that it started, a moment later."""
    made(world, "make 1", day(1))
    world.run("operator", "operator 1", day(1, 1), ["a"], "m", schema=["x"])
    assert ("m", "good", None) in said(await traced(world))


async def test_a_late_event_of_an_earlier_run_counts_for_its_own_time(world: World) -> None:
    made(world, "make 2", day(2), "good")
    before = await world.settle()
    made(world, "make 1", day(1), "good")
    assert said(await traced(world)) == [("m", "good", run_id("make 2"))]
    assert said(await traced(world, data_at=moment(1, 12))) == [("m", "good", run_id("make 1"))]
    unknown = await ask(world, trace, column("x", "m"), data_at=moment(1, 12), size=before)
    assert unknown.steps == ()
    assert [reason.code for reason in unknown.completeness.reasons] == ["no-data-then"]


async def test_a_version_that_comes_back_is_that_of_the_run_which_wrote_it_again(world: World) -> None:
    for number, (version, expression) in enumerate((("v1", "good"), ("v2", "bad"), ("v1", "good")), start=1):
        made(world, f"make {number}", day(number), expression)
        snapshot(world, "m", version, f"make {number}", day(number, 1))
    for number, expression in ((1, "good"), (2, "bad"), (3, "good")):
        found = await traced(world, data_at=moment(number, 12))
        assert said(found) == [("m", expression, run_id(f"make {number}"))]
        output = found.steps[0].output
        assert output is not None
        assert (output.committed_at or moment(30)) <= moment(number, 12)  # and not when it was written again
    assert said(await traced(world)) == [("m", "good", run_id("make 3"))]


async def test_of_a_dropped_table_there_are_no_data(world: World) -> None:
    made(world, "make 1", day(1))
    world.openlineage({"eventTime": day(2), "dataset": {"namespace": NS, "name": "m", "facets": {
        "lifecycleStateChange": {"lifecycleStateChange": "DROP"}}}})
    world.run("again", "again 1", day(4), ["b"], "m", x("again", ("b", "x")), "select again")
    assert said(await traced(world, data_at=moment(1, 12))) == [("m", "good", run_id("make 1"))]
    assert (await traced(world, data_at=moment(3))).steps == ()
    assert said(await traced(world)) == [("m", "again", run_id("again 1"))]


async def test_a_view_is_read_as_it_was_declared_then_and_what_lies_behind_it_too(world: World) -> None:
    def view(at: str, expression: str) -> None:
        world.openlineage({"eventTime": at, "dataset": {"namespace": NS, "name": "v", "facets": {
            "columnLineage": {"fields": {"x": {"inputFields": [{"namespace": NS, "name": "m", "field": "x"}]}}},
            "lineproof_columns": {"fields": {"x": {"expression": expression}}}}}})

    made(world, "make 1", day(1))
    view(day(1, 1), "m.x")
    world.run("copy", "copy 1", day(2), ["v"], "end", x("v.x", ("v", "x")), "select v.x")
    made(world, "make 2", day(3), "bad")
    view(day(3, 1), "-m.x")
    assert said(await traced(world, "end")) == [("end", "v.x", run_id("copy 1")), ("v", "m.x", None), ("m", "good", run_id("make 1"))]
    assert said(await traced(world, "v")) == [("v", "-m.x", None), ("m", "bad", run_id("make 2"))]


async def test_a_model_is_traced_from_the_version_it_was_trained_on(world: World) -> None:
    made(world, "make 1", day(1))
    world.say("lineproof.model-version.v1", {"namespace": NS, "name": "delay", "version": "9", "artifact": "d" * 64,
                                             "trainingDatasets": [{"namespace": NS, "name": "m", "version": f"run:{run_id('make 1')}"}],
                                             "trainingColumns": [{"namespace": NS, "name": "m", "column": "x"}]}, day(2))
    made(world, "make 2", day(3), "bad")
    await world.settle()
    found = await ask(world, trace, model("9"))
    assert [(step.expression, step.run.id) for step in found.steps if step.run is not None] == [("good", run_id("make 1"))]


async def test_that_steps_read_different_versions_is_said(world: World) -> None:
    made(world, "make 1", day(1))
    world.run("left", "left 1", day(2), ["m"], "l", x("m.x", ("m", "x")), "select left")
    made(world, "make 2", day(3), "bad")
    world.run("right", "right 1", day(4), ["m"], "r", x("m.x", ("m", "x")), "select right")
    world.run("both", "both 1", day(5), ["l", "r"], "end", x("l.x + r.x", ("l", "x"), ("r", "x")), "select both")
    found = await traced(world, "end")
    runs = {step.urn: step.inputs[0].version.run for step in found.steps if step.urn in (column("x", "l"), column("x", "r")) and step.inputs[0].version}
    assert runs == {column("x", "l"): f"urn:lineproof:run:{run_id('make 1')}", column("x", "r"): f"urn:lineproof:run:{run_id('make 2')}"}
    assert step_of(found, "m").expression == "bad"  # the later of them
    assert ("several-versions", dataset("m")) in [(reason.code, reason.urn) for reason in found.completeness.reasons]


@pytest.mark.parametrize("pinned", [True, False])
async def test_what_a_pinned_reader_never_read_is_no_suspect(world: World, pinned: bool) -> None:
    def read(run: str, at: str) -> None:
        version = {"version": {"datasetVersion": "v1"}} if pinned else {}
        world.openlineage({"eventType": "COMPLETE", "eventTime": at, "run": {"runId": run_id(run), "facets": {}},
                           "job": {"namespace": NS, "name": "copy", "facets": {"sql": {"query": "select m.x"}}},
                           "inputs": [{"namespace": NS, "name": "m", "facets": version}],
                           "outputs": [{"namespace": NS, "name": "end", "facets": {"schema": {"fields": [{"name": "x"}]}, "columnLineage": {"fields": {
                               "x": {"inputFields": [{"namespace": NS, "name": "m", "field": "x"}]}}}}}]})

    made(world, "make 1", day(1))
    snapshot(world, "m", "v1", "make 1", day(1, 1))
    read("copy 1", day(2))
    start = await world.settle()
    made(world, "make 2", day(3), "bad")
    snapshot(world, "m", "v2", "make 2", day(3, 1))
    read("copy 2", day(4))
    await world.settle()
    found = await ask(world, suspects, column("x", "end"), start=start)
    assert [row.urn for row in found.rows if row.kind is SuspectKind.CODE] == ([] if pinned else [column("x", "m")])


async def test_a_constant_has_an_origin_and_no_source(world: World) -> None:
    def told(number: int, expression: str, *sources: tuple[str, str]) -> None:
        columns: Columns = {"x": (expression, list(sources), 4), "y": ("a.y", [("a", "y")], 5)}
        world.run("make", f"make {number}", day(number), ["a"], "m", columns, f"select {expression}")

    told(1, "'eu'")
    found = await traced(world)
    step, = found.steps
    assert (step.urn, step.expression, step.file, step.line, step.inputs) == (column("x", "m"), "'eu'", "models/make.sql", 4, ())
    assert (step.run.id if step.run else None, found.sources, found.completeness.complete) == (run_id("make 1"), (), True)
    starts = [await world.settle()]
    told(2, "'us'")
    starts.append(await world.settle())
    told(3, "a.x", ("a", "x"))
    starts.append(await world.settle())
    told(4, "'asia'")
    assert said(await traced(world, data_at=moment(1, 12))) == [("m", "'eu'", run_id("make 1"))]
    for start, end, before, after in ((0, 1, "'eu'", "'us'"), (1, 2, "'us'", "a.x"), (2, None, "a.x", "'asia'")):
        rows = (await ask(world, suspects, column("x", "m"), start=starts[start], size=starts[end] if end is not None else None)).rows
        assert [(row.kind, row.urn, row.before, row.after) for row in rows if row.kind is SuspectKind.CODE] == [
            (SuspectKind.CODE, column("x", "m"), before, after)]


async def test_what_a_producer_says_of_a_constant_outweighs_the_parser(world: World) -> None:
    text = "select 'eu' as x"
    world.openlineage({"eventType": "START", "eventTime": day(1), "run": {"runId": run_id("make 1"), "facets": {}},
                       "job": {"namespace": NS, "name": "make", "facets": {"sql": {"query": text}}}, "inputs": [{"namespace": NS, "name": "a"}],
                       "outputs": [{"namespace": NS, "name": "m"}]})
    world.run("make", "make 1", day(1, 1), ["a"], "m", {"x": ("'eu'", [], 4), "y": ("a.y", [("a", "y")], 5)}, text)
    world.say("lineproof.derivation.v1", {
        "job": {"namespace": NS, "name": "make"}, "sql": hashlib.sha256(text.encode()).hexdigest(), "parser": "tests/1", "status": "complete",
        "columns": [{"output": {"namespace": NS, "name": "m"}, "field": "x", "expression": "'parsed'", "line": 1, "status": "complete", "inputs": []}]},
              day(2), key=world.log.notary)
    assert said(await traced(world)) == [("m", "'eu'", run_id("make 1"))]
