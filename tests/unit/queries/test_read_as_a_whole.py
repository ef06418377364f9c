"""A step that says nothing about columns: it is named, what lies behind it is looked at dataset by dataset, and no changed column there is missed."""
from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from lineproof_schema.urn import format_urn
from metadata_service.queries.diff import diff
from metadata_service.queries.influence import Influence
from metadata_service.queries.shapes import Direction, Level
from metadata_service.queries.suspect_shapes import Suspect, SuspectKind
from metadata_service.queries.suspects import suspects
from metadata_service.queries.trace import trace
from metadata_service.queries.trace_shapes import Cause
from tests.flights_world import NS, World, column, dataset, run_id
from tests.unit.queries.asking import ask, reader_of


def step(world: World, job: str, day: int, source: str, target: str, text: str, columns: dict[str, tuple[str, str]] | None = None, *,
         namespace: str = NS) -> None:
    """A run of `job`; `columns` are output column -> (expression, column of the source). Without them it says nothing about columns."""
    facets: dict[str, Any] = {"schema": {"fields": [{"name": name} for name in columns or ("x",)]}}
    if columns is not None:
        facets["columnLineage"] = {"fields": {name: {"inputFields": [
            {"namespace": namespace, "name": source, "field": read, "transformations": [{"type": "DIRECT", "subtype": "TRANSFORMATION"}]}]}
            for name, (_, read) in columns.items()}}
        facets["lineproof_columns"] = {"fields": {name: {"expression": said, "file": f"{job}.sql", "line": 2} for name, (said, _) in columns.items()}}
    world.openlineage({"eventType": "COMPLETE", "eventTime": f"2026-04-{day:02}T00:00:00Z", "run": {"runId": run_id(f"{job} {day}")},
                       "job": {"namespace": NS, "name": job, "facets": {"sql": {"query": text}}}, "inputs": [{"namespace": namespace, "name": source}],
                       "outputs": [{"namespace": NS, "name": target, "facets": facets}]})


async def told(world: World, start: int, **asked: Any) -> list[Suspect]:
    answer = await ask(world, suspects, column("score", "end"), start=start, **asked)
    assert [each.job for each in answer.opaque] == [format_urn("job", NS, "fit")]
    return [row for row in answer.rows if row.kind is not SuspectKind.RUN_MISSING]


def day(world: World, number: int, first: dict[str, tuple[str, str]], text: str, *, namespace: str = NS) -> None:
    """raw -> staged (by columns) -> fitted (nobody says by which) -> end."""
    step(world, "stage", number, "raw", "staged", text, first, namespace=namespace)
    step(world, "fit", number, "staged", "fitted", "fit()")
    step(world, "finish", number, "fitted", "end", "select x as score from fitted", {"score": ("x", "x")})


async def test_a_column_computed_otherwise_behind_the_step_is_a_suspect_with_both_expressions(world: World) -> None:
    day(world, 1, {"km": ("miles * 1.6", "miles"), "id": ("id", "id")}, "select one")
    start = await world.settle()
    day(world, 2, {"km": ("miles * 1.5", "miles"), "id": ("id", "id")}, "select two")
    await world.settle()
    row, = await told(world, start)
    assert (row.kind, row.urn, row.before, row.after, row.influence, row.distance) == (
        SuspectKind.CODE, column("km", "staged"), "miles * 1.6", "miles * 1.5", Influence.VALUE, 2)
    assert (row.file, row.line) == ("stage.sql", 2)
    assert row.because == "how staged.km is computed changed; which of its columns are read is not known"


async def test_it_comes_after_as_great_a_change_that_surely_counts(world: World) -> None:
    day(world, 1, {"km": ("miles * 1.6", "miles")}, "select one")
    start = await world.settle()
    step(world, "stage", 2, "raw", "staged", "select two", {"km": ("miles * 1.5", "miles")})
    step(world, "fit", 2, "staged", "fitted", "fit()")
    step(world, "finish", 2, "fitted", "end", "select x + 1", {"score": ("x + 1", "x")})
    await world.settle()
    assert [row.urn for row in await told(world, start)] == [column("score", "end"), column("km", "staged")]


async def test_code_that_computes_every_column_as_before_is_said_to(world: World) -> None:
    day(world, 1, {"km": ("miles * 1.6", "miles")}, "select one")
    start = await world.settle()
    day(world, 2, {"km": ("miles * 1.6", "miles")}, "select one -- a comment")
    await world.settle()
    row, = await told(world, start)
    assert row.because == "its code changed, and says the same of the columns on the path"
    assert row.score < 50


async def test_the_trace_names_the_change_and_that_it_may_not_count(world: World) -> None:
    day(world, 1, {"km": ("miles * 1.6", "miles"), "id": ("id", "id")}, "select one")
    day(world, 2, {"km": ("miles * 1.5", "miles"), "id": ("id", "id")}, "select two")
    await world.settle()
    answer = await ask(world, trace, column("score", "end"), since=datetime(2026, 4, 2, tzinfo=UTC))
    assert answer.verdict.cause is Cause.CODE
    assert "how staged.km is computed" in answer.verdict.because
    assert "which columns are read of it is not known" in answer.verdict.because
    change = next(change for change in answer.changes if change.suspect)
    columns = {each.urn for each in change.columns}
    assert column("km", "staged") in columns
    assert column("id", "staged") not in columns
    before = await ask(world, trace, column("score", "end"), since=datetime(2026, 4, 3, tzinfo=UTC))
    assert before.verdict.cause is Cause.UNKNOWN


async def test_no_expression_names_a_table_that_the_viewer_may_not_see(world: World) -> None:
    day(world, 1, {"km": ("hush.miles * 1.6", "miles")}, "select one", namespace="db://closed")
    start = await world.settle()
    day(world, 2, {"km": ("hush.miles * 1.5", "miles")}, "select two", namespace="db://closed")
    await world.settle()
    assert "hush" in str(await told(world, start))
    assert "hush" not in str(await told(world, start, viewer=reader_of(world, NS)))


async def test_a_diff_of_columns_says_where_it_cannot_look(world: World) -> None:
    day(world, 1, {"km": ("miles * 1.6", "miles")}, "select one")
    start = await world.settle()
    day(world, 2, {"km": ("miles * 1.5", "miles")}, "select two")
    await world.settle()
    answer = await ask(world, diff, column("score", "end"), start=start)
    assert answer.edges == ()
    assert [(reason.code, reason.urn) for reason in answer.completeness.reasons] == [("column-lineage-unknown", column("x", "fitted"))]
    down = await ask(world, diff, column("km", "staged"), start=start, direction=Direction.DOWNSTREAM)
    assert [(reason.code, reason.urn) for reason in down.completeness.reasons] == [("column-lineage-unknown", dataset("staged"))]
    known = await ask(world, diff, column("km", "staged"), start=start)
    assert known.completeness.complete
    assert [(each.before.expression, each.after.expression) for each in known.edges if each.before and each.after] == [("miles * 1.6", "miles * 1.5")]
    assert (await ask(world, diff, column("score", "end"), start=start, level=Level.ASSET)).completeness.complete


async def test_what_nothing_on_the_way_has_read_since_is_told_so_and_stands_back(world: World) -> None:
    day(world, 1, {"km": ("miles * 1.6", "miles")}, "select one")
    start = await world.settle()
    day(world, 2, {"km": ("miles * 1.5", "miles")}, "select two")
    step(world, "stage", 3, "raw", "staged", "select three", {"km": ("miles * 1.4", "miles")})
    await world.settle()
    read, unread = await told(world, start)
    assert (read.after, unread.after) == ("miles * 1.5", "miles * 1.4")
    assert unread.because == f"{read.because}; nothing on the way has read it since"
    step(world, "fit", 4, "staged", "fitted", "fit()")
    await world.settle()
    assert [row.because.endswith("since") for row in await told(world, start)] == [False, True]  # the last step has not run again
    step(world, "finish", 5, "fitted", "end", "select x as score from fitted", {"score": ("x", "x")})
    await world.settle()
    assert [row.because.endswith("since") for row in await told(world, start)] == [False, False]


async def test_of_two_jobs_that_write_a_table_in_turns_the_change_of_either_is_a_suspect(world: World) -> None:
    def turn(day: int, text: str) -> None:
        step(world, "one", day, "a", "both", text, {"x": (text, "x")})
        step(world, "two", day + 1, "b", "both", "as ever", {"x": ("as ever", "x")})

    turn(1, "old")
    start = await world.settle()
    turn(3, "new")
    await world.settle()
    rows = [row for row in (await ask(world, suspects, column("x", "both"), start=start)).rows if row.kind is SuspectKind.CODE]
    assert [(row.urn, row.job, row.before, row.after) for row in rows] == [(column("x", "both"), format_urn("job", NS, "one"), "old", "new")]
