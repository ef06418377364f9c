"""Trace: a wrong value's way back, whether code made it wrong or the source did."""
from __future__ import annotations

from datetime import UTC, datetime

import pytest

from metadata_service.queries.influence import Influence
from metadata_service.queries.trace import trace
from metadata_service.queries.trace_shapes import Cause
from tests.flights_world import (
    BOB,
    GOOD,
    JOINED,
    NS,
    PLANTED,
    RAW,
    REPO,
    STAGING,
    World,
    code,
    column,
    commit,
    dataset,
    features,
    joined,
    model,
    run_id,
    staging,
    training,
    version,
)
from tests.unit.queries.asking import ask, reader_of

pytestmark = pytest.mark.anyio
TUESDAY = datetime(2026, 3, 2, tzinfo=UTC)


async def test_every_step_names_line_commit_author_run_and_versions(shared_world: World) -> None:
    found = await ask(shared_world, trace, column("wind_ms", "training_set"))
    assert [step.urn for step in found.steps] == [column("wind_ms", "training_set"), column("wind_ms", "feat_weather"), column("wind_speed_mph", "stg_weather")]
    step = found.steps[1]
    assert (step.expression, step.file, step.line, step.column) == ("round(wind_speed_mph * 0.27778, 1)", "models/feat_weather.sql", 5, 5)
    assert step.commit is not None
    assert (step.commit.urn, step.commit.author, step.commit.subject) == (commit("b" * 40), "Bob Berg", "Wind in km/h")
    assert step.run is not None
    assert (step.run.id, step.run.status, step.run.signed_by) == (run_id("feat 2"), "COMPLETE", "PRODUCER")
    assert step.output is not None
    assert step.output.id == f"run:{run_id('feat 2')}"
    assert [(each.urn, each.version.id if each.version else None) for each in step.inputs] == [
        (column("wind_speed_mph", "stg_weather"), f"run:{run_id('stg 2')}")]
    assert step.code_matches_run
    assert step.snippet is not None
    assert step.snippet.lines[step.snippet.highlight - step.snippet.start].strip() == "round(wind_speed_mph * 0.27778, 1) as wind_ms"
    assert [(source.urn, source.columns, source.version.id if source.version else None) for source in found.sources] == [
        (dataset("weather", RAW), ("wind_speed",), "v1")]
    assert found.completeness.complete


async def test_wrong_since_tuesday_names_the_commit(shared_world: World) -> None:
    found = await ask(shared_world, trace, column("wind_ms", "training_set"), since=TUESDAY)
    assert found.verdict.cause is Cause.CODE
    assert "Bob Berg" in found.verdict.because
    change = found.changes[0]
    assert change.path_changed
    assert (change.at, change.file, change.line) == (datetime(2026, 3, 2, 9, 10, tzinfo=UTC), "models/feat_weather.sql", 5)
    assert change.previous == code("feat_weather", GOOD)
    assert [(each.urn, each.before, each.after) for each in change.columns if each.changed] == [
        (column("wind_ms", "feat_weather"), "round(wind_speed_mph * 0.44704, 1)", "round(wind_speed_mph * 0.27778, 1)")]
    assert [each.first for each in found.changes] == [False, True, True, True]


async def test_a_wrong_source_shows_its_check_and_that_no_code_changed(world: World) -> None:
    version(world, RAW, "weather", "v2", "2026-03-03T08:00:00Z", "2" * 64)
    world.say("lineproof.quality.v1", {"subject": dataset("weather", RAW), "version": "v2", "check": "wind_speed_plausible", "column": "wind_speed",
                                       "success": False, "expected": "<= 200", "actual": 1048.36, "checkedAt": "2026-03-03T08:05:00Z"}, "2026-03-03T08:05:00Z")
    staging(world, "stg 3", "2026-03-03T09:00:00Z")
    await world.settle()
    found = await ask(world, trace, column("wind_speed_mph", "stg_weather"), since=datetime(2026, 3, 3, tzinfo=UTC))
    assert found.verdict.cause is Cause.SOURCE_DATA
    assert "wind_speed_plausible" in found.verdict.because
    assert not any(change.path_changed for change in found.changes)
    source = found.sources[0]
    assert source.version is not None
    assert source.previous is not None
    assert (source.version.id, source.previous.id, source.changed) == ("v2", "v1", True)
    assert source.failed_checks >= 1
    finding = found.quality[0]
    assert (finding.check, finding.column, finding.actual, finding.version, finding.on_source) == ("wind_speed_plausible", "wind_speed", 1048.36, "v2", True)


async def test_a_check_on_another_column_is_no_finding(world: World) -> None:
    world.say("lineproof.quality.v1", {"subject": dataset("weather", RAW), "check": "precip_known", "column": "precip", "success": False})
    world.say("lineproof.quality.v1", {"subject": dataset("weather", RAW), "check": "rows", "success": True})
    await world.settle()
    found = await ask(world, trace, column("wind_ms", "training_set"))
    assert found.quality == ()


async def test_an_older_value_is_traced_through_the_code_of_its_time(shared_world: World) -> None:
    found = await ask(shared_world, trace, column("wind_ms", "training_set"), data_at=datetime(2026, 3, 1, 23, tzinfo=UTC))
    assert [step.run.id if step.run else None for step in found.steps] == [run_id("train 1"), run_id("feat 1"), run_id("stg 1")]
    assert found.steps[1].expression == "round(wind_speed_mph * 0.44704, 1)"
    assert found.steps[1].commit is not None
    assert found.steps[1].commit.author == "Ada Ames"


async def test_before_the_first_run_there_is_no_data(shared_world: World) -> None:
    found = await ask(shared_world, trace, column("wind_ms", "training_set"), data_at=datetime(2026, 2, 1, tzinfo=UTC))
    assert "no-data-then" in [reason.code for reason in found.completeness.reasons]


async def test_a_reformatted_query_is_a_change_of_code_but_not_of_the_value(world: World) -> None:
    text = GOOD.replace("0.44704", "0.27778").replace("-- metres per second", "-- km/h")
    features(world, "feat 3", "2026-03-03T09:10:00Z", text, "a" * 40)
    await world.settle()
    found = await ask(world, trace, column("wind_ms", "feat_weather"), since=datetime(2026, 3, 3, tzinfo=UTC))
    assert found.verdict.cause is Cause.UNKNOWN
    newest = max(found.changes, key=lambda change: change.size)
    assert (newest.transformation, newest.path_changed, newest.first) == (code("feat_weather", text), False, False)
    assert any(change.path_changed for change in found.changes)  # Bob's, one version earlier


async def test_a_rerun_of_old_code_that_was_declared_current_shows_that_code(world: World) -> None:
    """A rerun leaves the edges alone; when its snapshot is then declared current, the code is that of the rerun."""
    features(world, "feat again", "2026-03-04T09:10:00Z", GOOD, "a" * 40, purpose="rerun")
    world.say("lineproof.dataset-version.v1", {"namespace": NS, "name": "feat_weather", "id": "restored", "runId": run_id("feat again"),
                                               "committedAt": "2026-03-04T09:20:00Z"}, "2026-03-04T09:20:00Z")
    await world.settle()
    found = await ask(world, trace, column("wind_ms", "feat_weather"))
    assert found.steps[0].expression == "round(wind_speed_mph * 0.44704, 1)"
    assert found.steps[0].run is not None
    assert found.steps[0].run.id == run_id("feat again")
    assert found.steps[0].code_matches_run is True
    assert found.completeness.complete


async def test_where_columns_are_unknown_the_trace_goes_on_with_datasets(shared_world: World) -> None:
    found = await ask(shared_world, trace, column("anything", "export"))
    assert found.steps[0].urn == dataset("export")
    assert found.steps[0].basis == "inputsOutputs"
    assert dataset("weather", RAW) in {source.urn for source in found.sources}
    assert "column-lineage-unknown" in [reason.code for reason in found.completeness.reasons]


async def test_a_model_is_traced_through_its_training_columns(shared_world: World) -> None:
    found = await ask(shared_world, trace, model("1"))
    assert {each.urn for each in found.steps[0].inputs} == {column("wind_ms", "training_set"), column("late", "training_set")}
    assert {source.urn for source in found.sources} == {dataset("weather", RAW), dataset("flights", RAW)}


async def test_a_dataset_is_traced_by_all_its_columns(shared_world: World) -> None:
    found = await ask(shared_world, trace, dataset("feat_weather"))
    assert {root.urn for root in found.roots} == {column(each, "feat_weather") for each in ("origin", "observed_at", "wind_ms")}


async def test_a_trace_into_restricted_data_hides_its_words(world: World) -> None:
    training(world, "train 3", "2026-03-03T09:20:00Z")
    await world.settle()
    found = await ask(world, trace, column("wind_ms", "feat_weather"), viewer=reader_of(world, NS))
    assert found.sources[0].restricted
    assert found.sources[0].urn is None
    assert found.steps[-1].inputs[0].restricted
    assert found.steps[-1].expression is None
    assert found.steps[-1].snippet is None
    assert RAW not in repr(found)
    assert found.completeness.restricted > 0


async def test_an_unknown_column_has_no_trace(shared_world: World) -> None:
    found = await ask(shared_world, trace, column("nothing", "training_set"))
    assert (found.steps, found.verdict.cause) == ((), Cause.UNKNOWN)
    assert [reason.code for reason in found.completeness.reasons] == ["unknown-urn"]


async def test_the_path_of_the_value_comes_first_and_what_decides_rows_after_it(world: World) -> None:
    joined(world, "joined 1", "2026-03-02T09:30:00Z")
    await world.settle()
    found = await ask(world, trace, column("wind", "joined"))
    value = [step.urn for step in found.steps if step.influence is Influence.VALUE]
    assert value == [column("wind", "joined"), column("wind_ms", "feat_weather"), column("wind_speed_mph", "stg_weather")]
    assert [step.urn for step in found.steps][:3] == value
    assert {step.urn for step in found.steps[3:]} == {column("origin", "feat_weather"), column("origin", "stg_weather")}
    assert [(each.urn, each.influence) for each in found.steps[0].inputs] == [
        (column("wind_ms", "feat_weather"), Influence.VALUE), (column("origin", "feat_weather"), Influence.ROWS),
        (column("origin", "flights", RAW), Influence.ROWS)]
    assert [(source.urn, source.influence) for source in found.sources] == [
        (dataset("weather", RAW), Influence.VALUE), (dataset("flights", RAW), Influence.ROWS)]


async def test_of_a_count_the_rows_are_the_value(world: World) -> None:
    joined(world, "joined 1", "2026-03-02T09:30:00Z")
    await world.settle()
    found = await ask(world, trace, column("rows", "joined"))
    assert {each.influence for step in found.steps for each in step.inputs} == {Influence.VALUE}
    assert column("origin", "feat_weather") in {step.urn for step in found.steps}


async def test_a_change_of_rows_is_told_and_is_no_suspect(world: World) -> None:
    """Bob changed the value on day 2; on day 3 Cleo changes how the joined-on column is made."""
    cleo = {"name": "Cleo Cox", "email": "cleo@example.org"}
    world.say("lineproof.commit.v1", {"repository": REPO, "sha": "c" * 40, "author": cleo, "committedAt": "2026-03-03T08:00:00Z",
                                       "subject": "Upper case"}, "2026-03-03T08:00:00Z")
    joined(world, "joined 1", "2026-03-02T09:30:00Z")
    world.run("stg_weather", "stg 3", "2026-03-03T09:00:00Z", ["raw/weather"], "stg_weather", {
        "origin": ("upper(origin)", [("raw/weather", "origin")], 2), "observed_at": ("time_hour", [("raw/weather", "time_hour")], 3),
        "wind_speed_mph": ("wind_speed", [("raw/weather", "wind_speed")], 4)}, STAGING.replace("origin", "upper(origin)"), "c" * 40)
    features(world, "feat 3", "2026-03-03T09:10:00Z", PLANTED, "b" * 40)
    joined(world, "joined 2", "2026-03-03T09:30:00Z")
    await world.settle()
    found = await ask(world, trace, column("wind", "joined"), since=TUESDAY)
    told = [(change.commit.author if change.commit else None, change.influence, change.suspect) for change in found.changes if change.path_changed]
    assert told == [("Bob Berg", Influence.VALUE, True), ("Cleo Cox", Influence.ROWS, False)]
    assert found.verdict.cause is Cause.CODE
    said = found.verdict.because
    assert said.index("Bob Berg") < said.index("0.27778") < said.index("decides only which rows") < said.index("Cleo Cox")
    later = await ask(world, trace, column("wind", "joined"), since=datetime(2026, 3, 3, tzinfo=UTC))
    assert (later.verdict.cause, [change for change in later.changes if change.suspect]) == (Cause.UNKNOWN, [])
    assert "Cleo Cox" in later.verdict.because
    assert "Bob Berg" not in later.verdict.because


async def test_other_joins_at_the_step_itself_change_rows_only(world: World) -> None:
    joined(world, "joined 1", "2026-03-02T09:30:00Z")
    world.say("lineproof.commit.v1", {"repository": REPO, "sha": "d" * 40, "author": BOB, "committedAt": "2026-03-04T08:00:00Z",
                                       "subject": "Another join"}, "2026-03-04T08:00:00Z")
    joined(world, "joined 2", "2026-03-04T09:30:00Z", [("feat_weather", "observed_at")], JOINED.replace("(origin)", "(observed_at)"), "d" * 40)
    await world.settle()
    found = await ask(world, trace, column("wind", "joined"), since=datetime(2026, 3, 4, tzinfo=UTC))
    change = next(change for change in found.changes if change.commit and change.commit.sha == "d" * 40)
    assert (change.path_changed, change.influence, change.suspect) == (True, Influence.ROWS, False)
    counted = await ask(world, trace, column("rows", "joined"), since=datetime(2026, 3, 4, tzinfo=UTC))
    assert counted.changes[0].suspect, "of a count the rows are the value"
    assert "now reads feat_weather.observed_at, no longer" in counted.verdict.because


async def test_a_check_is_told_once_and_one_on_rows_decides_nothing(world: World) -> None:
    joined(world, "joined 1", "2026-03-02T09:30:00Z")
    for name in ("wind_speed", "origin"):
        world.say("lineproof.quality.v1", {"subject": dataset("weather", RAW), "check": f"{name}_plausible", "column": name, "success": False,
                                           "expected": {"max": 200}, "actual": {"failures": 1}}, "2026-03-03T08:05:00Z")
    await world.settle()
    found = await ask(world, trace, column("wind", "joined"), since=datetime(2026, 3, 3, tzinfo=UTC))
    assert [(each.check, each.influence, each.on_source) for each in found.quality] == [
        ("wind_speed_plausible", Influence.VALUE, True), ("origin_plausible", Influence.ROWS, True)]
    assert found.verdict.cause is Cause.SOURCE_DATA
    assert "weather.wind_speed, wind_speed_plausible, expected max 200, found failures 1" in found.verdict.because
    assert "origin_plausible" not in found.verdict.because


async def test_declared_sources_are_raw_although_it_is_known_what_they_were_loaded_from(world: World) -> None:
    world.run("load", "load 1", "2026-03-02T07:00:00Z", ["raw/weather.csv"], "weather", namespace=RAW)
    world.say("lineproof.quality.v1", {"subject": dataset("weather", RAW), "check": "plausible", "column": "wind_speed", "success": False})
    await world.settle()
    found = await ask(world, trace, column("wind_ms", "feat_weather"), since=datetime(2026, 3, 3, tzinfo=UTC))
    assert dataset("weather.csv", RAW) in {source.urn for source in found.sources}
    assert [finding.on_source for finding in found.quality] == [True]
    assert found.verdict.cause is Cause.SOURCE_DATA


async def test_a_step_that_reads_a_snapshot_and_declares_it_did_not_write_it(world: World) -> None:
    snapshot = f"run:{run_id('feat 2')}"
    world.openlineage({"eventType": "COMPLETE", "eventTime": "2026-03-03T10:00:00Z", "run": {"runId": run_id("reader")},
                       "job": {"namespace": NS, "name": "reader"}, "outputs": [],
                       "inputs": [{"namespace": NS, "name": "feat_weather", "facets": {"version": {"datasetVersion": snapshot}}}]})
    world.say("lineproof.dataset-version.v1", {"namespace": NS, "name": "feat_weather", "id": snapshot, "runId": run_id("reader"),
                                               "committedAt": "2026-03-03T10:00:00Z"}, "2026-03-03T10:00:00Z")
    await world.settle()
    found = await ask(world, trace, column("wind_ms", "feat_weather"))
    assert found.steps[0].run is not None
    assert found.steps[0].run.id == run_id("feat 2")
