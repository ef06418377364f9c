"""Positions: sizes, times, waiting for one's own writes, and what lies beyond."""
from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast
from unittest.mock import ANY

import anyio
import pytest

from lineproof_audit.reader import LogReader
from lineproof_schema.urn import format_urn
from metadata_service.graph.ops import PutState
from metadata_service.graph.port import GraphStore
from metadata_service.projector.runner import REBUILDING_STATE, Projector
from metadata_service.queries.context import EVERYTHING, Asked, Viewer, answer, now_only
from metadata_service.queries.entity import SEARCH_RANKS, EntityRow, entity, search
from metadata_service.queries.errors import InvalidPosition, NotHistorical, NotProjected, PositionBeyondLog, Rebuilding
from metadata_service.queries.lineage import first_walk, lineage
from metadata_service.queries.lineage_shapes import Lineage
from metadata_service.queries.shapes import Direction, Level
from tests.flights_world import NS, RAW, World, column, dataset
from tests.unit.queries.asking import Counted, ask, reader_of

pytestmark = pytest.mark.anyio


async def test_a_time_means_the_entries_received_by_then(shared_world: World) -> None:
    assert (await ask(shared_world, entity, dataset("weather", RAW), time=datetime(2020, 1, 1, tzinfo=UTC))).computed_at.size == 0
    last = shared_world.log.reader.entry(shared_world.log.reader.size() - 1).fields.received
    then = datetime.fromtimestamp(last / 1_000_000 + 1, UTC)
    assert (await ask(shared_world, entity, dataset("weather", RAW), time=then)).computed_at.size == shared_world.log.reader.size()


async def test_beyond_the_log_is_refused(shared_world: World) -> None:
    size = shared_world.log.reader.size()
    with pytest.raises(PositionBeyondLog) as refused:
        await ask(shared_world, entity, dataset("weather", RAW), size=size + 1)
    assert refused.value.extra == {"size": size}
    with pytest.raises(PositionBeyondLog):
        await ask(shared_world, entity, dataset("weather", RAW), min_size=size + 1)
    for size_ in (-1,):
        with pytest.raises(InvalidPosition):
            await ask(shared_world, entity, dataset("weather", RAW), size=size_)
    with pytest.raises(InvalidPosition):
        await ask(shared_world, entity, dataset("weather", RAW), time=datetime(2026, 1, 1))


async def test_logged_but_not_projected_is_waited_for_then_refused(world: World) -> None:
    size = world.say("lineproof.dataset.v1", {"namespace": RAW, "name": "late", "columns": []}) + 1
    with pytest.raises(NotProjected) as refused:
        await ask(world, entity, dataset("late", RAW), min_size=size)
    assert refused.value.extra == {"projected": size - 1}

    async def project() -> None:
        await anyio.sleep(0.1)
        await world.settle()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(project)
        found = await ask(world, entity, dataset("late", RAW), min_size=size)
    assert found.entity is not None
    assert found.computed_at.size == size


async def test_before_its_checkpoint_an_answer_has_none(world: World) -> None:
    world.say("lineproof.dataset.v1", {"namespace": RAW, "name": "late", "columns": []})
    await world.settle(checkpoint=False)
    assert (await ask(world, entity, dataset("late", RAW))).computed_at.covering_checkpoint is None
    await world.settle()
    assert (await ask(world, entity, dataset("late", RAW))).computed_at.covering_checkpoint == world.log.reader.size()


async def test_the_checkpoint_that_covers_a_size_is_read_once(world: World) -> None:
    asked: list[int] = []

    class Reader(LogReader):
        def checkpoint_covering(self, size: int) -> str | None:
            asked.append(size)
            return super().checkpoint_covering(size)

    world.say("lineproof.dataset.v1", {"namespace": RAW, "name": "late", "columns": []})
    await world.settle(checkpoint=False)
    size, room = world.log.reader.size(), replace(world.room, reader=Reader(world.log.reader.store), covered={})

    async def covering(at: int) -> int | None:
        return (await answer(room, EVERYTHING, Asked(at), lambda context: entity(context, dataset("late", RAW)))).computed_at.covering_checkpoint

    assert [await covering(size), await covering(size)] == [None, None]  # it may still come
    await world.settle()
    assert [await covering(size), await covering(1), await covering(size), await covering(1)] == [size, ANY, size, ANY]
    assert asked == [size, size, size, 1]


async def test_the_present_has_no_past() -> None:
    now_only(Asked(), "search")
    with pytest.raises(NotHistorical):
        now_only(Asked(size=3), "search")


async def test_search_pages_hold_each_entity_once_by_rank(shared_world: World) -> None:
    whole = await ask(shared_world, search, "weather", first=100)
    found: list[EntityRow] = []
    after = None
    while True:
        page = await ask(shared_world, search, "weather", first=2, after=after)
        found += page.rows
        after = page.after
        if after is None:
            break
    assert sorted(row.urn for row in found) == sorted(row.urn for row in whole.rows)
    ranks = [next(rank for rank, kinds in enumerate(SEARCH_RANKS) if row.kind in kinds) for row in found]
    assert ranks == sorted(ranks)
    assert len(found) > 4


async def test_a_graph_that_is_being_made_again_answers_nothing(world: World) -> None:
    whole = world.log.reader.size()
    position = await world.graph.position()
    await world.graph.wipe()
    empty = await world.graph.position()
    await world.graph.apply([PutState(REBUILDING_STATE, whole)], expected_size=0, size=0, root=empty.root, digest_delta=0)
    with pytest.raises(Rebuilding) as refused:
        await ask(world, entity, dataset("weather", RAW))
    assert refused.value.extra == {"projected": 0, "whole": whole}
    again = Projector(world.log.reader, world.graph)
    await again.step(whole - 1)
    with pytest.raises(Rebuilding):
        await ask(world, entity, dataset("weather", RAW))
    await again.step()
    assert (await ask(world, entity, dataset("weather", RAW))).computed_at.size == position.size


@pytest.mark.parametrize(("facts", "reads"), [(False, []), (True, ["get", "position"])])  # what is read after the walk may be of another moment
async def test_lineage_begins_with_one_read_of_the_graph(shared_world: World, facts: bool, reads: list[str]) -> None:
    graph = Counted(shared_world.graph)
    room = replace(shared_world.room, graph=cast("GraphStore", graph))
    urn = dataset("training_set")
    walk = first_walk(urn, direction=Direction.UPSTREAM, depth=None, level=Level.ASSET, active_since=None, limits=None)

    async def asked(viewer: Viewer, **named: Any) -> Lineage:
        graph.asked.clear()
        return await answer(room, viewer, Asked(), lambda context: lineage(context, urn, depth=None, facts=facts), about=[urn], **named)

    found = await asked(EVERYTHING, walk=walk)
    assert graph.asked == ["glance", *reads]
    assert found == await ask(shared_world, lineage, urn, depth=None, facts=facts)
    assert await asked(EVERYTHING) == found
    assert graph.asked == ["glance", "reachable", *reads]
    other = first_walk(urn, direction=Direction.DOWNSTREAM, depth=None, level=Level.ASSET, active_since=None, limits=None)
    assert await asked(EVERYTHING, walk=other) == found
    assert graph.asked == ["glance", "reachable", *reads]
    await asked(reader_of(shared_world, NS), walk=walk)
    assert "reachable" in graph.asked  # from whom something is hidden, the root may be


@pytest.mark.parametrize(("urn", "level", "depth"), [
    (dataset("training_set"), Level.COLUMN, 1), (dataset("training_set"), Level.VERSION, 1), (column("wind_ms", "feat_weather"), Level.ASSET, 1),
    (format_urn("job", NS, "join"), Level.ASSET, 1), ("no urn", Level.ASSET, 1), (dataset("training_set"), Level.ASSET, -1),
    (dataset("training_set"), Level.ASSET, 101)])
def test_where_a_walk_begins_has_to_be_read_first(urn: str, level: Level, depth: int) -> None:
    assert first_walk(urn, direction=Direction.UPSTREAM, depth=depth, level=level, active_since=None, limits=None) is None


@pytest.mark.parametrize(("moment", "facts"), [("reachable", False), ("get", True)])
async def test_an_answer_is_of_one_position_though_the_graph_moves_meanwhile(world: World, moment: str, facts: bool) -> None:
    size, urn = world.log.reader.size(), dataset("training_set")
    before = await ask(world, lineage, urn, depth=None, facts=facts)

    async def move(name: str) -> None:
        if name == moment and world.log.reader.size() == size:
            world.say("lineproof.dataset.v1", {"namespace": NS, "name": "feat_weather", "description": "new"})
            world.run("join", "join 9", "2026-03-09T09:00:00Z", ["feat_weather", "newcomer"], "training_set", None)
            await world.settle()

    graph = Counted(world.graph, move)
    room = replace(world.room, graph=cast("GraphStore", graph))
    found = await answer(room, EVERYTHING, Asked(), lambda context: lineage(context, urn, depth=None, facts=facts), about=[urn])
    assert world.log.reader.size() > size
    assert (found.computed_at.size, found.nodes) == (size, before.nodes)
    now = await ask(world, lineage, urn, depth=None, facts=facts)
    assert "newcomer" in {node.name for node in now.nodes}
    assert "newcomer" not in {node.name for node in found.nodes}
    assert ("new" in {node.description for node in now.nodes}) is facts
