"""Impact: what breaks for certain, what may, and what does not because it says which columns it reads."""
from __future__ import annotations

import pytest

from metadata_service.queries.errors import InvalidArgument
from metadata_service.queries.impact import impact
from metadata_service.queries.impact_shapes import Affected, Binding, ChangeKind, Column, Impact, Retype, Severity, Use
from metadata_service.queries.shapes import Kind
from tests.flights_world import NS, RAW, World, column, dataset, model, run_id
from tests.unit.queries.asking import ask, reader_of

pytestmark = pytest.mark.anyio
B, P = Severity.BREAKING, Severity.POSSIBLE


def severities(found: Impact) -> dict[str | None, Severity]:
    return {item.urn: item.severity for item in found.affected}


def item_of(found: Impact, urn: str) -> Affected:
    return next(item for item in found.affected if item.urn == urn)


async def test_a_dropped_column_breaks_all_that_is_made_of_it(shared_world: World) -> None:
    found = await ask(shared_world, impact, column("wind_speed", "weather", RAW))
    assert found.change is ChangeKind.DROP_COLUMN
    consumer = f"urn:lineproof:consumer:{dataset('delays_today').split(':', 3)[3]}"
    assert severities(found) == {
        column("wind_speed_mph", "stg_weather"): B, dataset("stg_weather"): B, column("wind_ms", "feat_weather"): B, dataset("feat_weather"): B,
        column("wind_ms", "training_set"): B, dataset("training_set"): B, model("1"): B, consumer: B, dataset("export"): P}
    assert (found.breaking, found.possible) == (8, 1)
    assert found.affected[0].urn == model("1")  # live, and so before what is nearer
    assert found.affected[-1].urn == dataset("export")
    assert "as a whole" in found.affected[-1].reason


async def test_the_path_leads_from_the_column_to_the_dashboard(shared_world: World) -> None:
    found = await ask(shared_world, impact, column("wind_speed", "weather", RAW))
    for item in found.affected:
        at = column("wind_speed", "weather", RAW)
        for index in item.path:
            edge = found.edges[index]
            here = found.nodes[edge.upstream].urn
            assert here == at or dataset_of(at) == here
            at = str(found.nodes[edge.downstream].urn)
        assert item.urn in (at, dataset_of(at))
        assert found.nodes[item.node].urn == item.urn
    steps = [found.edges[index] for index in item_of(found, model("1")).path]
    assert [(edge.file, edge.line) for edge in steps[:3]] == [("models/stg_weather.sql", 4), ("models/feat_weather.sql", 5), ("models/training_set.sql", 3)]


def dataset_of(urn: str) -> str:
    return ":".join(urn.replace(":column:", ":dataset:").split(":")[:5])


async def test_owners_materialization_runs_and_binding_are_told(shared_world: World) -> None:
    found = await ask(shared_world, impact, column("wind_speed", "weather", RAW))
    trained = item_of(found, dataset("training_set"))
    assert trained.owners == ("ml-team",)
    assert trained.columns == ("wind_ms",)
    assert trained.last_materialization is not None
    assert trained.last_materialization.version_id == f"run:{run_id('train 2')}"
    assert trained.last_materialization.status == "COMPLETE"
    assert trained.last_run is not None
    assert trained.last_run.id == run_id("train 2")
    assert trained.binding is Binding.FLOATING
    assert item_of(found, column("wind_ms", "training_set")).owners == ("ml-team",)
    served = item_of(found, model("1"))
    assert (served.binding, served.owners) == (Binding.PINNED, ("ml-team",))
    assert [each.environment for each in served.deployments] == ["production"]


async def test_the_last_run_may_have_failed_after_the_last_materialization(world: World) -> None:
    world.run("stg_weather", "stg 3", "2026-03-03T09:00:00Z", ["raw/weather"], "stg_weather", state="FAIL")
    await world.settle()
    item = item_of(await ask(world, impact, column("wind_speed", "weather", RAW)), dataset("stg_weather"))
    assert item.last_run is not None
    assert (item.last_run.id, item.last_run.status) == (run_id("stg 3"), "FAIL")
    assert item.last_materialization is not None
    assert item.last_materialization.run == f"urn:lineproof:run:{run_id('stg 2')}"


async def test_a_reader_of_other_columns_is_not_affected(shared_world: World) -> None:
    found = await ask(shared_world, impact, column("precip", "weather", RAW))
    assert severities(found) == {}
    identifier = await ask(shared_world, impact, column("id", "training_set"))
    assert severities(identifier) == {dataset("export"): P}  # the model reads wind_ms and late only


async def test_dropping_a_dataset_breaks_every_reader(shared_world: World) -> None:
    found = await ask(shared_world, impact, dataset("training_set"))
    assert found.change is ChangeKind.DROP_DATASET
    assert item_of(found, dataset("export")).severity is B
    assert item_of(found, model("1")).severity is B
    assert dataset("training_set") not in severities(found)
    assert found.possible == 0


async def test_what_lies_behind_a_possible_break_is_possible(world: World) -> None:
    world.run("report", "report 1", "2026-03-03T00:00:00Z", ["export"], "report", {"x": ("x", [("export", "anything")], 1)}, "select x", "a" * 40)
    await world.settle()
    found = await ask(world, impact, column("wind_speed", "weather", RAW))
    assert item_of(found, dataset("report")).severity is P
    assert found.nodes[found.edges[item_of(found, dataset("report")).path[-1]].upstream].urn == dataset("export")


async def test_a_change_of_values_breaks_nothing_for_certain(shared_world: World) -> None:
    for change in (ChangeKind.CHANGE_VALUES, ChangeKind.RETYPE_COLUMN, ChangeKind.CHANGE_NULLABILITY):
        found = await ask(shared_world, impact, column("wind_speed", "weather", RAW), change)
        assert set(severities(found).values()) == {P}
        assert len(found.affected) == 9


async def test_what_computes_with_a_column_is_told_from_what_only_joins_by_it(world: World) -> None:
    world.run("by_origin", "by_origin 1", "2026-03-03T00:00:00Z", ["raw/weather", "raw/flights"], "by_origin", {"flight": ("id", [("raw/flights", "id")], 1)},
              "select id", "a" * 40, joins=[("raw/weather", "wind_speed")])
    await world.settle()
    found = await ask(world, impact, column("wind_speed", "weather", RAW))
    assert item_of(found, dataset("by_origin")).severity is B
    assert {item_of(found, dataset(name)).use for name in ("stg_weather", "feat_weather", "training_set")} == {Use.DIRECT}
    assert item_of(found, model("1")).use is Use.DIRECT
    assert item_of(found, dataset("by_origin")).use is Use.INDIRECT
    assert item_of(found, dataset("export")).use is Use.UNKNOWN
    dropped = await ask(world, impact, dataset("weather", RAW))
    assert item_of(dropped, dataset("by_origin")).use is Use.INDIRECT
    assert item_of(dropped, dataset("stg_weather")).use is Use.DIRECT


async def test_a_new_schema_is_the_sum_of_what_it_takes_away(shared_world: World) -> None:
    both = [Column("id"), Column("wind_speed_mph", "double")]
    kept = await ask(shared_world, impact, dataset("stg_weather"), ChangeKind.CHANGE_SCHEMA, columns=both)
    row = (await shared_world.graph.get([dataset("stg_weather")], None))[dataset("stg_weather")]
    names = [field["name"] for field in row.facts["schema"]]
    gone = [name for name in names if name not in {"id", "wind_speed_mph"}]
    assert {root.urn for root in kept.roots} == {column(name, "stg_weather") for name in gone}
    retyped = await ask(shared_world, impact, dataset("stg_weather"), ChangeKind.CHANGE_SCHEMA,
                        columns=[Column(name, "VARCHAR" if name == "wind_speed_mph" else None) for name in names])
    assert [(root.urn, root.why) for root in retyped.roots] == [(column("wind_speed_mph", "stg_weather"), "RETYPE_COLUMN")]
    assert item_of(retyped, dataset("training_set")).severity is B
    in_other_words = [Column(name.upper(), "float8") for name in names]
    assert (await ask(shared_world, impact, dataset("stg_weather"), ChangeKind.CHANGE_SCHEMA, columns=in_other_words)).affected == ()
    dropped = await ask(shared_world, impact, dataset("stg_weather"), ChangeKind.CHANGE_SCHEMA, columns=[])
    alone = await ask(shared_world, impact, column("wind_speed_mph", "stg_weather"))
    assert {urn: B for urn, level in severities(alone).items() if level is B}.items() <= severities(dropped).items()
    same = await ask(shared_world, impact, dataset("stg_weather"), ChangeKind.CHANGE_SCHEMA, columns=[Column(name) for name in names])
    assert (same.affected, same.breaking) == ((), 0)
    for change, columns in ((ChangeKind.CHANGE_SCHEMA, None), (ChangeKind.DROP_DATASET, both)):
        with pytest.raises(InvalidArgument):
            await ask(shared_world, impact, dataset("stg_weather"), change, columns=columns)


async def test_a_type_that_holds_every_value_may_break_readers_and_another_does(shared_world: World) -> None:
    wind = column("wind_speed_mph", "stg_weather")  # recorded as DOUBLE

    async def retyped(after: str, before: str | None = None) -> Impact:
        return await ask(shared_world, impact, wind, ChangeKind.RETYPE_COLUMN, retype=Retype(after, before))

    assert (await retyped("double precision")).affected == ()
    assert item_of(await retyped("FLOAT"), dataset("training_set")).severity is B
    assert item_of(await retyped("FLOAT"), dataset("export")).severity is P  # which reads the table as a whole
    wider = await retyped("BIGINT", "INT")
    assert set(severities(wider).values()) == {P}
    assert {item.reason for item in wider.affected if item.urn == column("wind_ms", "training_set")} == {"its type gets wider"}
    assert set(severities(await retyped("my_type")).values()) == {P}
    unrecorded = await ask(shared_world, impact, column("wind_speed", "weather", RAW), ChangeKind.RETYPE_COLUMN, retype=Retype("INT"))
    assert set(severities(unrecorded).values()) == {P}
    with pytest.raises(InvalidArgument):
        await ask(shared_world, impact, wind, ChangeKind.DROP_COLUMN, retype=Retype("INT"))


async def test_a_change_must_fit_its_entity(shared_world: World) -> None:
    for urn, change in ((dataset("training_set"), ChangeKind.DROP_COLUMN), (column("id", "training_set"), ChangeKind.DROP_DATASET),
                        (dataset("training_set"), ChangeKind.RETIRE_VERSION)):
        with pytest.raises(InvalidArgument):
            await ask(shared_world, impact, urn, change)


async def test_retiring_a_model_version_reaches_its_deployment_and_its_dashboard(world: World) -> None:
    found = await ask(world, impact, model("1"))
    assert found.change is ChangeKind.RETIRE_VERSION
    live, dashboard = found.affected
    assert (live.kind, live.severity, live.distance, [each.environment for each in live.deployments]) == (Kind.MODEL_VERSION, B, 0, ["production"])
    assert (dashboard.kind, dashboard.name) == (Kind.CONSUMER, "delays_today")
    world.say("lineproof.deployment.v1", {"namespace": NS, "name": "delay", "id": "live", "action": "retire", "modelVersion": "1", "environment": "production"},
              "2026-03-03T00:00:00Z")
    await world.settle()
    assert [item.kind for item in (await ask(world, impact, model("1"))).affected] == [Kind.CONSUMER]


async def test_fields_go_with_their_struct_and_readers_of_the_struct_may_miss_a_field(world: World) -> None:
    struct = [{"name": "at", "type": "STRUCT<lat DOUBLE, lon DOUBLE>"}, {"name": "at_home", "type": "BOOLEAN"}]
    world.say("lineproof.dataset.v1", {"namespace": RAW, "name": "places", "columns": struct}, "2026-03-03T00:00:00Z")
    for name, read in (("norths", "at.lat"), ("easts", "at.lon"), ("copies", "at"), ("homes", "at_home")):
        world.run(name, name, "2026-03-03T01:00:00Z", ["raw/places"], name, {"x": (read, [("raw/places", read)], 1)}, f"select {read}", "a" * 40)
    await world.settle()
    field = severities(await ask(world, impact, column("at.lat", "places", RAW)))
    assert {urn: level for urn, level in field.items() if ":dataset:" in str(urn)} == {dataset("norths"): B, dataset("copies"): P}
    whole = severities(await ask(world, impact, column("at", "places", RAW)))
    assert {urn for urn in whole if ":dataset:" in str(urn)} == {dataset("norths"), dataset("easts"), dataset("copies")}
    assert set(whole.values()) == {B}
    dropped = await ask(world, impact, dataset("places", RAW))
    assert {item_of(dropped, dataset(name)).use for name in ("norths", "copies", "homes")} == {Use.DIRECT}


async def test_readers_that_will_not_read_it_any_more_are_not_affected_by_that_step(world: World) -> None:
    wind = column("wind_speed", "weather", RAW)
    world.run("also", "also", "2026-03-03T00:00:00Z", ["raw/weather", "feat_weather"], "also",
              {"w": ("wind_speed", [("raw/weather", "wind_speed")], 1), "f": ("wind_ms", [("feat_weather", "wind_ms")], 2)}, "select 1", "a" * 40)
    await world.settle()
    found = await ask(world, impact, wind, without=[dataset("also")])
    assert item_of(found, dataset("also")).columns == ("f",)  # which it still gets, by the features
    assert item_of(found, model("1")).severity is B
    assert (await ask(world, impact, wind, without=[dataset("also"), dataset("stg_weather")])).affected == ()
    asset = await ask(world, impact, dataset("weather", RAW), without=[dataset("also"), dataset("stg_weather")])
    assert asset.affected == ()
    opaque = await ask(world, impact, column("id", "training_set"), without=[dataset("export")])
    assert opaque.affected == ()


async def test_the_path_to_a_dataset_is_that_of_a_column_whose_value_is_made_of_it(world: World) -> None:
    world.run("joined", "joined", "2026-03-03T00:00:00Z", ["raw/weather"], "joined",
              {"a": ("origin", [("raw/weather", "origin")], 1), "z": ("precip", [("raw/weather", "precip")], 2)}, "select 1", "a" * 40,
              joins=[("raw/weather", "precip")])
    await world.settle()
    found = await ask(world, impact, column("precip", "weather", RAW))
    (step,) = item_of(found, dataset("joined")).path
    assert (found.edges[step].type, found.edges[step].line) == ("DIRECT", 2)


async def test_impact_in_the_past_sees_the_readers_of_then(shared_world: World) -> None:
    before_model = next(entry.index for entry in await shared_world.graph.entries(0, 99) if entry.event_type == "lineproof.model-version.v1")
    found = await ask(shared_world, impact, column("wind_speed", "weather", RAW), size=before_model)
    assert model("1") not in severities(found)
    assert dataset("training_set") in severities(found)


async def test_restricted_readers_count_without_a_name(shared_world: World) -> None:
    found = await ask(shared_world, impact, column("wind_speed", "weather", RAW), viewer=reader_of(shared_world, RAW))
    assert (found.breaking, found.possible) == (8, 1)
    assert {item.urn for item in found.affected} == {None}
    assert all(item.owners == () and item.columns == () and item.last_run is None for item in found.affected)
    assert found.completeness.restricted > 0
    assert NS not in repr(found)


async def test_an_unknown_entity_affects_nothing_and_says_so(shared_world: World) -> None:
    found = await ask(shared_world, impact, column("nothing", "weather", RAW))
    assert found.affected == ()
    assert [reason.code for reason in found.completeness.reasons] == ["unknown-urn"]
