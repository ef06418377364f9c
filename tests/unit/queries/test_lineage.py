"""Lineage: directions, levels, filters that keep paths, versions that stand for their feature or model."""
from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

import pytest

from lineproof_schema.urn import UrnError, format_urn
from metadata_service.graph.port import GraphStore
from metadata_service.queries.context import EVERYTHING, Asked, answer
from metadata_service.queries.errors import InvalidArgument
from metadata_service.queries.lineage import lineage, walk_limits
from metadata_service.queries.lineage_shapes import Lineage
from metadata_service.queries.shapes import Direction, Kind, Level
from tests.flights_world import NS, RAW, World, column, dataset, features, job, model, run_id, training
from tests.unit.queries.asking import Counted, ask, reader_of

pytestmark = pytest.mark.anyio


def names(found: Lineage) -> list[tuple[str | None, int]]:
    return [(node.name, node.distance) for node in found.nodes]


def pairs(found: Lineage) -> set[tuple[str | None, str | None]]:
    return {(found.nodes[edge.downstream].name, found.nodes[edge.upstream].name) for edge in found.edges}


async def test_upstream_goes_back_to_raw_data(shared_world: World) -> None:
    found = await ask(shared_world, lineage, dataset("training_set"), depth=None)
    assert names(found) == [("training_set", 0), ("feat_weather", 1), ("flights", 1), ("stg_weather", 2), ("weather", 3)]
    assert pairs(found) == {("training_set", "feat_weather"), ("training_set", "flights"), ("feat_weather", "stg_weather"), ("stg_weather", "weather")}
    assert found.completeness.complete
    assert found.computed_at.size == shared_world.log.reader.size() == found.computed_at.covering_checkpoint
    assert found.computed_at.root_hash == shared_world.log.reader.root_at(found.computed_at.size).hex()


async def test_downstream_ends_at_the_dashboard(shared_world: World) -> None:
    found = await ask(shared_world, lineage, dataset("stg_weather"), direction=Direction.DOWNSTREAM, depth=None)
    assert names(found) == [("stg_weather", 0), ("feat_weather", 1), ("training_set", 2), ("export", 3), ("delay", 3), ("delays_today", 4)]


async def test_depth_cuts_and_says_how_much_is_hidden(shared_world: World) -> None:
    found = await ask(shared_world, lineage, dataset("training_set"), depth=1)
    hidden = {node.name: (node.hidden_upstream, node.hidden_downstream) for node in found.nodes}
    assert hidden == {"training_set": (0, 2), "feat_weather": (1, 0), "flights": (0, 0)}


async def test_both_directions_put_upstream_at_negative_distances(shared_world: World) -> None:
    found = await ask(shared_world, lineage, dataset("feat_weather"), direction=Direction.BOTH, depth=1)
    assert names(found) == [("feat_weather", 0), ("stg_weather", -1), ("training_set", 1)]
    hidden = {node.name: (node.hidden_upstream, node.hidden_downstream) for node in found.nodes}
    assert hidden["feat_weather"] == (0, 0)
    assert hidden["stg_weather"][0] == 1
    assert hidden["training_set"][1] == 2


async def test_columns_are_walked_column_by_column_with_their_place(shared_world: World) -> None:
    found = await ask(shared_world, lineage, column("wind_ms", "training_set"), level=Level.COLUMN, depth=None)
    assert [node.urn for node in found.nodes] == [column("wind_ms", "training_set"), column("wind_ms", "feat_weather"),
                                                   column("wind_speed_mph", "stg_weather"), column("wind_speed", "weather", RAW)]
    feature = next(edge for edge in found.edges if found.nodes[edge.downstream].urn == column("wind_ms", "feat_weather"))
    assert (feature.expression, feature.file, feature.line, feature.column) == ("round(wind_speed_mph * 0.27778, 1)", "models/feat_weather.sql", 5, 5)
    assert feature.via == job("feat_weather")


async def test_a_dataset_at_column_level_means_all_its_columns(shared_world: World) -> None:
    found = await ask(shared_world, lineage, dataset("training_set"), level=Level.COLUMN, depth=1)
    assert [root.urn for root in found.roots] == [column(each, "training_set") for each in ("id", "late", "wind_ms")]
    assert column("dep_delay", "flights", RAW) in [node.urn for node in found.nodes]


async def test_a_column_at_asset_level_means_its_dataset(shared_world: World) -> None:
    found = await ask(shared_world, lineage, column("wind_ms", "training_set"), depth=1)
    assert [(root.urn, root.why) for root in found.roots] == [(dataset("training_set"), "dataset of column wind_ms")]


async def test_a_model_stands_for_its_live_version(shared_world: World) -> None:
    found = await ask(shared_world, lineage, format_urn("model", NS, "delay"), depth=1)
    assert [(root.urn, root.why) for root in found.roots] == [(model("1"), "deployed to production")]
    assert ("training_set", 1) in names(found)


async def test_without_a_deployment_the_newest_version_is_live(world: World) -> None:
    world.say("lineproof.deployment.v1", {"namespace": NS, "name": "delay", "id": "gone", "action": "retire", "modelVersion": "1",
                                          "environment": "production", "previous": "live"})
    world.say("lineproof.model-version.v1", {"namespace": NS, "name": "delay", "version": "2", "artifact": "d" * 64})
    world.say("lineproof.deployment.v1", {"namespace": NS, "name": "delay", "id": "live", "action": "retire", "modelVersion": "1", "environment": "production"})
    await world.settle()
    found = await ask(world, lineage, format_urn("model", NS, "delay"))
    assert [(root.urn, root.why) for root in found.roots] == [(model("2"), "newest version")]


async def test_a_job_stands_for_what_it_writes(shared_world: World) -> None:
    found = await ask(shared_world, lineage, job("feat_weather"))
    assert [(root.urn, root.why) for root in found.roots] == [(dataset("feat_weather"), "written by the job")]
    by_run = await ask(shared_world, lineage, format_urn("run", run_id("feat 2")))
    assert [root.urn for root in by_run.roots] == [dataset("feat_weather")]


async def test_a_kinds_filter_keeps_the_paths_to_what_is_wanted(shared_world: World) -> None:
    found = await ask(shared_world, lineage, dataset("stg_weather"), direction=Direction.DOWNSTREAM, depth=None, kinds=[Kind.CONSUMER])
    assert [node.name for node in found.nodes] == ["stg_weather", "feat_weather", "training_set", "delay", "delays_today"]
    training_set = found.nodes[2]
    assert training_set.hidden_downstream == 1  # the export


async def test_active_since_leaves_out_what_no_run_has_shown(shared_world: World) -> None:
    since = datetime(2026, 3, 2, tzinfo=UTC)
    found = await ask(shared_world, lineage, dataset("training_set"), direction=Direction.DOWNSTREAM, depth=None, active_since=since)
    assert [node.name for node in found.nodes] == ["training_set", "delay", "delays_today"]
    assert found.nodes[0].hidden_downstream == 1


async def test_the_past_answers_with_the_code_of_then(shared_world: World) -> None:
    before = shared_world.log.reader.size() - 6  # before the staging of the second day
    found = await ask(shared_world, lineage, column("wind_ms", "feat_weather"), level=Level.COLUMN, depth=1, size=before)
    assert [edge.expression for edge in found.edges] == ["round(wind_speed_mph * 0.44704, 1)"]
    assert found.edges[0].to is None  # nothing was known there of its end
    assert found.computed_at.size == before
    now = await ask(shared_world, lineage, column("wind_ms", "feat_weather"), level=Level.COLUMN, depth=1)
    assert [(edge.expression, edge.to) for edge in now.edges] == [("round(wind_speed_mph * 0.27778, 1)", None)]


async def test_an_entity_that_does_not_exist_yet_is_unknown_there(shared_world: World) -> None:
    for urn, size in ((dataset("nowhere"), None), (dataset("training_set"), 5)):
        found = await ask(shared_world, lineage, urn, size=size)
        assert (found.roots, found.nodes, found.edges) == ((), (), ())
        assert [reason.code for reason in found.completeness.reasons] == ["unknown-urn"]
        assert not found.completeness.complete


async def test_columns_of_a_job_that_says_nothing_about_columns_are_unknown(shared_world: World) -> None:
    found = await ask(shared_world, lineage, column("anything", "export"), level=Level.COLUMN)
    assert [(reason.code, reason.urn) for reason in found.completeness.reasons] == [("column-lineage-unknown", column("anything", "export"))]
    assert found.completeness.unknown == 1


async def test_a_restricted_node_keeps_its_place_and_loses_its_name(shared_world: World) -> None:
    viewer = reader_of(shared_world, RAW)
    found = await ask(shared_world, lineage, dataset("weather", RAW), direction=Direction.DOWNSTREAM, depth=2, viewer=viewer)
    assert [(node.urn, node.name, node.kind, node.distance, node.restricted) for node in found.nodes] == [
        (dataset("weather", RAW), "weather", Kind.DATASET, 0, False), (None, None, Kind.DATASET, 1, True), (None, None, Kind.DATASET, 2, True)]
    assert [(edge.via, edge.transformation, edge.commit) for edge in found.edges] == [(None, None, None)] * 2
    assert (found.completeness.restricted, found.completeness.complete) == (2, False)
    assert NS not in repr(found)
    assert "stg_weather" not in repr(found)


async def test_a_restricted_root_reads_like_an_unknown_one(shared_world: World) -> None:
    viewer = reader_of(shared_world, RAW)
    hidden = await ask(shared_world, lineage, dataset("training_set"), viewer=viewer)
    absent = await ask(shared_world, lineage, dataset("training_sex"), viewer=viewer)
    assert repr(hidden).replace("training_set", "?") == repr(absent).replace("training_sex", "?")


async def test_a_classified_dataset_is_hidden_with_its_columns(world: World) -> None:
    world.say("lineproof.dataset.v1", {"namespace": NS, "name": "feat_weather", "classification": "confidential"})
    await world.settle()
    viewer = reader_of(world, "", ceiling="internal")
    found = await ask(world, lineage, column("wind_ms", "training_set"), level=Level.COLUMN, depth=None, viewer=viewer)
    assert [node.name for node in found.nodes] == ["wind_ms", None, "wind_speed_mph", "wind_speed"]
    assert all(edge.expression is None for edge in found.edges[:1])


async def test_an_answer_is_of_one_size_even_while_the_projector_runs(world: World) -> None:
    """An answer that the projector overtook is computed again at the size it promised."""
    before = world.log.reader.size()
    asked = 0

    async def question(context: object) -> Lineage:
        nonlocal asked
        found = await lineage(context, column("wind_ms", "feat_weather"), level=Level.COLUMN, depth=1, facts=True)  # type: ignore[arg-type]
        asked += 1
        if asked == 1:
            features(world, "feat 3", "2026-03-03T09:10:00Z", "select\n a,\n b,\n -- x\n 3 * wind_speed_mph as wind_ms\n", "a" * 40)
            await world.settle()
        return found

    found = await ask(world, question)
    assert asked == 2
    assert found.computed_at.size == before
    assert [edge.expression for edge in found.edges] == ["round(wind_speed_mph * 0.27778, 1)"]
    assert (await ask(world, lineage, column("wind_ms", "feat_weather"), level=Level.COLUMN, depth=1)).edges[0].expression == "3 * wind_speed_mph"


async def test_what_is_said_of_columns_is_of_the_size_of_the_walk(world: World) -> None:
    before = world.log.reader.size()

    async def move(name: str) -> None:
        if name == "claims" and world.log.reader.size() == before:
            features(world, "feat 3", "2026-03-03T09:10:00Z", "select\n a,\n b,\n -- x\n 3 * wind_speed_mph as wind_ms\n", "a" * 40)
            await world.settle()

    graph = Counted(world.graph, move)
    room = replace(world.room, graph=cast("GraphStore", graph))
    found = await answer(room, EVERYTHING, Asked(), lambda context: lineage(context, column("wind_ms", "feat_weather"), level=Level.COLUMN, depth=1))
    assert (found.computed_at.size, graph.asked.count("claims")) == (before, 2)
    assert [edge.expression for edge in found.edges] == ["round(wind_speed_mph * 0.27778, 1)"]
    graph.asked.clear()
    await answer(room, EVERYTHING, Asked(), lambda context: lineage(context, column("wind_ms", "feat_weather"), level=Level.COLUMN, depth=1))
    assert (graph.asked.count("claims"), "position" in graph.asked) == (1, False)  # whoever reads claims is told where the graph stood


async def test_limits_truncate_and_say_so(shared_world: World) -> None:
    found = await ask(shared_world, lineage, dataset("training_set"), depth=None, limits=walk_limits(2, None))
    assert found.completeness.truncated
    assert len(found.nodes) <= 2


async def test_cycles_and_self_loops_end(world: World) -> None:
    world.run("loop", "loop 1", "2026-03-03T00:00:00Z", ["loop_b", "loop_a"], "loop_a", schema=["x"])
    world.run("loop_back", "loop 2", "2026-03-03T00:00:00Z", ["loop_a"], "loop_b", schema=["x"])
    await world.settle()
    found = await ask(world, lineage, dataset("loop_a"), direction=Direction.BOTH, depth=None)
    assert {node.name for node in found.nodes} == {"loop_a", "loop_b"}
    assert pairs(found) == {("loop_a", "loop_a"), ("loop_a", "loop_b"), ("loop_b", "loop_a")}


async def test_nonsense_is_refused(shared_world: World) -> None:
    with pytest.raises(UrnError):
        await ask(shared_world, lineage, "urn:lineproof:planet:mars")
    with pytest.raises(InvalidArgument):
        await ask(shared_world, lineage, dataset("training_set"), depth=-1)
    with pytest.raises(InvalidArgument):
        walk_limits(0, None)


async def test_facts_come_with_the_nodes_when_asked_for(shared_world: World) -> None:
    found = await ask(shared_world, lineage, dataset("training_set"), depth=0, facts=True)
    assert found.nodes[0].owners == ("ml-team",)
    assert (await ask(shared_world, lineage, dataset("training_set"), depth=0)).nodes[0].owners == ()


async def test_training_a_second_time_changes_nothing(world: World) -> None:
    before = await ask(world, lineage, dataset("training_set"), depth=None)
    training(world, "train 3", "2026-03-03T09:20:00Z")
    await world.settle()
    after = await ask(world, lineage, dataset("training_set"), depth=None)
    assert (after.nodes, after.edges) == (before.nodes, before.edges)


async def test_a_column_read_by_a_job_that_names_no_columns_is_not_clean_downstream(shared_world: World) -> None:
    found = await ask(shared_world, lineage, column("wind_ms", "training_set"), direction=Direction.DOWNSTREAM, level=Level.COLUMN, depth=None)
    assert [(reason.code, reason.urn) for reason in found.completeness.reasons] == [("column-lineage-unknown", dataset("training_set"))]
    upstream = await ask(shared_world, lineage, column("wind_ms", "training_set"), level=Level.COLUMN, depth=None)
    assert upstream.completeness.complete
