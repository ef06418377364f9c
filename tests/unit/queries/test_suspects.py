"""Suspects: each kind of change upstream is found, named and ranked; what did not change in the window is no suspect."""
from __future__ import annotations

from typing import Any

import pytest

from metadata_service.queries.errors import InvalidArgument
from metadata_service.queries.influence import Influence
from metadata_service.queries.suspect_shapes import Suspect, SuspectKind, Suspects
from metadata_service.queries.suspects import suspects
from tests.flights_world import NS, RAW, World, column, dataset, run_id
from tests.unit.queries.asking import ask, reader_of

pytestmark = pytest.mark.anyio
VALUE = column("wind_ms", "training_set")
DAYS = [f"2026-03-{day:02}T00:00:00Z" for day in range(10, 30)]


def stg(world: World, day: int, text: str = "select same", expression: str = "wind_speed", joins: list[tuple[str, str]] | None = None, state: str = "COMPLETE",
        schema: list[str] | None = None) -> int:
    return world.run("stg_weather", f"later stg {day}", DAYS[day], ["raw/weather"], "stg_weather",
                     {"wind_speed_mph": (expression, [("raw/weather", "wind_speed")], 4)}, text, "a" * 40, state=state, joins=joins, schema=schema)


def load(world: World, day: int, rows: int, nulls: int | None = None) -> None:
    """A new version of the raw table."""
    metrics = {} if nulls is None else {"dataQualityMetrics": {"rowCount": rows, "columnMetrics": {"wind_speed": {"nullCount": nulls, "max": 30.0}}}}
    output = {"namespace": RAW, "name": "weather", "facets": {**metrics, "version": {"datasetVersion": f"load-{day}"}},
              "outputFacets": {"outputStatistics": {"rowCount": rows}}}
    world.openlineage({"eventType": "COMPLETE", "eventTime": DAYS[day], "run": {"runId": run_id(f"load {day}"), "facets": {}},
                       "job": {"namespace": NS, "name": "load"}, "inputs": [], "outputs": [output]})


async def found(world: World, start: int, urn: str = VALUE, **more: Any) -> Suspects:
    await world.settle()
    return await ask(world, suspects, urn, start, **more)


def of(answer: Suspects, kind: SuspectKind) -> Suspect:
    (row,) = [row for row in answer.rows if row.kind is kind]
    return row


async def test_changed_code_is_the_first_suspect_with_both_expressions(world: World) -> None:
    stg(world, 0)
    start = await world.settle()
    load(world, 1, 100, 0)
    stg(world, 1, "select other", "wind_speed * 1.852")
    answer = await found(world, start)
    first = answer.rows[0]
    assert (first.kind, first.urn, first.before, first.after) == (SuspectKind.CODE, column("wind_speed_mph", "stg_weather"), "wind_speed", "wind_speed * 1.852")
    assert (first.file, first.line, first.influence) == ("models/stg_weather.sql", 4, Influence.VALUE)
    assert first.commit is not None
    assert first.commit.sha == "a" * 40
    assert start < (first.since or 0) <= answer.to
    assert [row.score for row in answer.rows] == sorted((row.score for row in answer.rows), reverse=True)


async def test_code_that_says_the_same_of_the_path_stands_behind(world: World) -> None:
    stg(world, 0)
    start = await world.settle()
    stg(world, 1, "select the same -- with a comment")
    quiet = of(await found(world, start), SuspectKind.CODE)
    assert "says the same" in quiet.because
    assert quiet.score < 50


async def test_a_new_join_decides_rows_and_ranks_lower(world: World) -> None:
    stg(world, 0)
    start = await world.settle()
    stg(world, 1, "select joined", joins=[("raw/flights", "id")])
    rows = [row for row in (await found(world, start)).rows if row.kind is SuspectKind.CODE]
    assert [row.influence for row in rows] == [Influence.ROWS]
    assert rows[0].score < 60


async def test_what_changed_before_the_window_is_no_suspect(world: World) -> None:
    stg(world, 0)
    stg(world, 1, "select other", "wind_speed * 1.852")
    start = await world.settle()
    stg(world, 2, "select other", "wind_speed * 1.852")
    assert SuspectKind.CODE not in {row.kind for row in (await found(world, start)).rows}


async def test_rows_nulls_and_schemas_that_stand_out(world: World) -> None:
    for day in range(4):
        load(world, day, 100 + day, 1)
    stg(world, 4)
    start = await world.settle()
    load(world, 5, 12, 9)
    stg(world, 6, schema=["wind_speed_mph", "extra"])
    answer = await found(world, start)
    volume, nulls, schema = of(answer, SuspectKind.VOLUME), of(answer, SuspectKind.DISTRIBUTION), of(answer, SuspectKind.SCHEMA)
    assert (volume.urn, volume.before, volume.after) == (dataset("weather", RAW), 101.0, 12)
    assert volume.because == "12 rows, usually 101; nothing on the way has read it since"
    assert "share of nulls of wind_speed is 0.75" in nulls.because
    assert "new extra" in schema.because
    assert volume.score > nulls.score > schema.score > 0


async def test_usual_data_are_no_suspect_and_new_raw_data_the_last(world: World) -> None:
    for day in range(4):
        load(world, day, 100, 1)
    start = await world.settle()
    load(world, 5, 104, 1)
    kinds = {row.kind for row in (await found(world, start)).rows}
    assert not kinds & {SuspectKind.VOLUME, SuspectKind.DISTRIBUTION, SuspectKind.SCHEMA, SuspectKind.CODE}


async def test_a_failed_check_on_the_way_names_what_it_expected(world: World) -> None:
    start = await world.settle()
    world.say("lineproof.quality.v1", {"subject": dataset("weather", RAW), "check": "plausible_wind", "column": "wind_speed", "severity": "error",
                                       "success": False, "expected": {"max": 60}, "actual": {"max": 612}, "checkedAt": DAYS[3]}, DAYS[3])
    failed = of(await found(world, start), SuspectKind.QUALITY)
    assert failed.urn == column("wind_speed", "weather", RAW)
    assert failed.because == "plausible_wind failed: expected max 60, found max 612"


async def test_a_failed_check_of_a_column_beside_the_way_stands_back(world: World) -> None:
    start = await world.settle()
    for name in ("wind_speed", "precip"):
        world.say("lineproof.quality.v1", {"subject": dataset("weather", RAW), "check": f"known_{name}", "column": name, "severity": "error",
                                           "success": False, "checkedAt": DAYS[3]}, DAYS[3])
    on, beside = [row for row in (await found(world, start)).rows if row.kind is SuspectKind.QUALITY]
    assert (on.urn, on.influence) == (column("wind_speed", "weather", RAW), Influence.VALUE)
    assert (beside.urn, beside.influence) == (column("precip", "weather", RAW), Influence.ROWS)
    assert beside.score < on.score


async def test_a_failed_run_and_a_missing_one(world: World) -> None:
    for day in range(5):
        load(world, day, 100, 1)
    stg(world, 5)
    start = await world.settle()
    stg(world, 6, state="FAIL")
    answer = await found(world, start)
    assert "ended as FAIL" in of(answer, SuspectKind.RUN_FAILED).because
    missing = [row for row in answer.rows if row.kind is SuspectKind.RUN_MISSING and row.urn == dataset("weather", RAW)]
    assert "usually every 1 day" in missing[0].because  # loaded in March, and now it is long after


async def test_opaque_steps_are_named_and_crossed(world: World) -> None:
    answer = await found(world, 0, dataset("export"))
    assert [(step.urn, step.job is not None) for step in answer.opaque] == [(dataset("export"), True)]
    assert column("wind_ms", "feat_weather") in {row.urn for row in answer.rows if row.kind is SuspectKind.CODE}  # behind the opaque one


async def test_nothing_in_an_empty_window_and_errors_for_a_wrong_one(shared_world: World) -> None:
    size = (await shared_world.graph.position()).size
    answer = await ask(shared_world, suspects, VALUE, size)
    assert {row.kind for row in answer.rows} <= {SuspectKind.RUN_MISSING}
    with pytest.raises(InvalidArgument):
        await ask(shared_world, suspects, VALUE, size + 1)
    unknown = await ask(shared_world, suspects, dataset("nothing"), 0)
    assert [reason.code for reason in unknown.completeness.reasons] == ["unknown-urn"]


async def test_what_is_hidden_is_counted_only(world: World) -> None:
    stg(world, 0)
    start = await world.settle()
    load(world, 1, 100)
    stg(world, 1, "select other", "wind_speed * 1.852")
    await world.settle()
    answer = await ask(world, suspects, VALUE, start, viewer=reader_of(world, NS))
    assert answer.completeness.restricted > 0
    assert RAW not in repr(answer.rows)
