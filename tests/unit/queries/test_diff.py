"""Diff: what it says, applied to the past, is the present; and it tells at which sizes lineage changed."""
from __future__ import annotations

import itertools

import pytest

from lineproof_schema.urn import format_urn
from metadata_service.queries.diff import Difference, EdgeDifference, GraphDiff, Said, diff
from metadata_service.queries.errors import InvalidArgument
from metadata_service.queries.lineage import lineage
from metadata_service.queries.lineage_shapes import Lineage
from metadata_service.queries.shapes import Direction, Level
from tests.flights_world import NS, RAW, World, column, dataset
from tests.unit.queries.asking import ask, reader_of

pytestmark = pytest.mark.anyio
Edge = tuple[object, ...]


def edges_of(found: Lineage) -> list[Edge]:
    nodes = [node.urn for node in found.nodes]
    return sorted(((nodes[each.downstream], nodes[each.upstream], each.level.value, each.type, each.subtype, each.via, each.transformation, each.expression,
                    each.file, each.line, each.status, each.version, each.from_, each.opened_by) for each in found.edges), key=repr)


def as_edge(each: EdgeDifference, said: Said) -> Edge:
    return (each.downstream, each.upstream, each.level.value, each.type, each.subtype, said.via, said.transformation, said.expression, said.file, said.line,
            said.status, said.version, said.since, said.opened_by)


def applied(edges: list[Edge], found: GraphDiff) -> list[Edge]:
    kept = list(edges)
    for each in found.edges:
        if each.before is not None:
            kept.remove(as_edge(each, each.before))
    return sorted([*kept, *(as_edge(each, each.after) for each in found.edges if each.after is not None)], key=repr)


async def told(world: World, urn: str, size: int, direction: Direction, level: Level) -> Lineage:
    return await ask(world, lineage, urn, direction=direction, depth=None, level=level, size=size)


@pytest.mark.parametrize("direction", [Direction.UPSTREAM, Direction.DOWNSTREAM])
async def test_applied_to_any_past_it_gives_any_later_lineage(shared_world: World, direction: Direction) -> None:
    urn = dataset("training_set") if direction is Direction.UPSTREAM else dataset("weather", RAW)
    size = (await shared_world.graph.position()).size
    sizes = [*range(0, size, 3), size]
    for start, end in itertools.combinations(sizes, 2):
        found = await ask(shared_world, diff, urn, start, direction=direction, level=Level.ASSET, size=end)
        before, after = [await told(shared_world, urn, each, direction, Level.ASSET) for each in (start, end)]
        assert applied(edges_of(before), found) == edges_of(after), (start, end)
        came = {node.urn for node in after.nodes} - {node.urn for node in before.nodes}
        assert {node.urn for node in found.nodes if node.change is Difference.ADDED} == came


async def test_changed_code_is_a_changed_edge_with_both_sides(world: World) -> None:
    start = (await world.graph.position()).size
    world.run("feat_weather", "feat 9", "2026-03-09T00:00:00Z", ["stg_weather"], "feat_weather",
              {"wind_ms": ("wind_speed_mph * 0.5144", [("stg_weather", "wind_speed_mph")], 7)}, "select another", "c" * 40)
    end = await world.settle()
    found = await ask(world, diff, column("wind_ms", "training_set"), start)
    assert (found.from_, found.to, found.computed_at.size) == (start, end, end)
    changed = [each for each in found.edges if each.change is Difference.CHANGED and each.downstream == column("wind_ms", "feat_weather")]
    assert [(each.before and each.before.line, each.after and each.after.line, each.after and each.after.expression) for each in changed] == [
        (5, 7, "wind_speed_mph * 0.5144")]
    assert found.positions == ()  # the column's own edges are as they were
    own = await ask(world, diff, column("wind_ms", "feat_weather"), start)
    assert own.positions == tuple({each.after.since for each in changed if each.after is not None})


async def test_facts_that_changed_are_told_and_activity_is_not(world: World) -> None:
    start = (await world.graph.position()).size
    world.run("stg_weather", "stg 9", "2026-03-09T00:00:00Z", ["raw/weather"], "stg_weather",
              {"wind_speed_mph": ("wind_speed", [("raw/weather", "wind_speed")], 4)}, "select changed", "c" * 40, schema=["wind_speed_mph", "more"])
    await world.settle()
    found = await ask(world, diff, dataset("stg_weather"), start, level=Level.ASSET)
    (fact,) = [each for each in found.facts if each.urn == dataset("stg_weather") and each.fact == "schema"]
    assert [field["name"] for field in fact.after] == ["wind_speed_mph", "more"]
    assert start < (fact.since or 0) <= found.to
    assert not any(each.fact == "currentVersion" for each in found.facts)


async def test_the_sizes_at_which_lineage_changed_are_exact(shared_world: World) -> None:
    urn, size = dataset("feat_weather"), (await shared_world.graph.position()).size
    found = await ask(shared_world, diff, urn, 0)
    seen = [edges_of(await told(shared_world, urn, each, Direction.UPSTREAM, Level.COLUMN)) for each in range(size + 1)]
    own = [[edge for edge in edges if str(edge[0]).startswith((urn, urn.replace(":dataset:", ":column:")))] for edges in seen]
    changes = {each for each in range(1, size + 1) if own[each] != own[each - 1]}
    assert changes <= set(found.positions)
    urns = [urn, *(str(edge[0]) for edges in own for edge in edges)]
    for each in found.positions:
        before, after = [await shared_world.graph.neighbours(urns, "UPSTREAM", ["DERIVED_FROM", "COLUMN_DERIVED_FROM"], at, 1_000) for at in (each - 1, each)]
        assert before != after


async def test_nothing_changed_between_a_position_and_itself(shared_world: World) -> None:
    size = (await shared_world.graph.position()).size
    found = await ask(shared_world, diff, dataset("training_set"), size)
    assert (found.nodes, found.edges, found.facts, found.positions) == ((), (), (), ())
    with pytest.raises(InvalidArgument):
        await ask(shared_world, diff, dataset("training_set"), 6, size=5)


async def test_what_is_hidden_has_no_name(shared_world: World) -> None:
    found = await ask(shared_world, diff, dataset("weather", RAW), 0, direction=Direction.DOWNSTREAM, viewer=reader_of(shared_world, RAW))
    assert found.completeness.restricted > 0
    assert NS not in repr((found.nodes, found.edges, found.facts))


async def test_an_unknown_entity_is_said_to_be_unknown(shared_world: World) -> None:
    found = await ask(shared_world, diff, dataset("nothing"), 0)
    assert [reason.code for reason in found.completeness.reasons] == ["unknown-urn"]


async def test_of_a_column_the_facts_of_its_dataset_are_told_and_of_a_feature_its_own(world: World) -> None:
    reference = {"entities": ["origin"], "dtype": "DOUBLE", "sources": [{"namespace": NS, "name": "feat_weather"}]}
    for version in ("1", "2"):
        world.say("lineproof.feature-version.v1", {"namespace": NS, "name": "wind", "version": version, "definition": {**reference, "sql": f"select {version}"},
                                                   "column": {"namespace": NS, "name": "feat_weather", "column": "wind_ms"}})
    first = world.say("lineproof.alias.v1", {"kind": "feature", "namespace": NS, "name": "wind", "alias": "live", "to": "1"})
    start = await world.settle()
    world.say("lineproof.dataset.v1", {"namespace": NS, "name": "stg_weather", "description": "in miles"})
    world.say("lineproof.alias.v1", {"kind": "feature", "namespace": NS, "name": "wind", "alias": "live", "to": "2", "expected": first})
    end = await world.settle()
    feature = format_urn("feature", NS, "wind")
    of_column, of_feature = [await ask(world, diff, urn, start) for urn in (column("wind_ms", "training_set"), feature)]
    described = (dataset("stg_weather"), "description", None, "in miles", end - 1)
    assert [(each.urn, each.fact, each.before, each.after, each.since) for each in of_column.facts] == [described]
    moved = next(each for each in of_feature.facts if each.urn == feature)
    assert (moved.fact, moved.before["version"], moved.after["version"], moved.since) == ("alias:live", "1", "2", end)
