"""Resolution from memory: never older than promised, never another answer than the graph's."""
from __future__ import annotations

from typing import Any

import pytest

from metadata_service.graph.ops import EntryRecord
from metadata_service.graph.port import Position
from metadata_service.registry.cache import FRESH_SECONDS, MAX_KEPT_BYTES, STALE_SECONDS, Kept, ResolutionCache
from tests.unit.projector.memory_graph import MemoryGraph
from tests.unit.projector.world import World

pytestmark = pytest.mark.anyio


class Counted(MemoryGraph):
    """Counts reads."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.looks = 0

    async def position(self) -> Position:
        self.looks += 1
        return await super().position()

    async def get(self, urns: Any, at: int | None = None) -> Any:
        self.reads += 1
        return await super().get(urns, at)

    async def entries(self, start: int, end: int, *, limit: int = 100, event_types: Any = None, **_: Any) -> list[EntryRecord]:
        return [record for index, record in sorted(self.records.items()) if start <= index < end and record.event_type in event_types][:limit]


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def world() -> World:
    world = World()
    world.graph = Counted()
    world.projector = type(world.projector)(world.log, world.graph)
    return world


def feature(world: World, version: str) -> int:
    return world.log.cloud("lineproof.feature-version.v1", {"namespace": "ml", "name": "f", "version": version, "column": {
        "namespace": "db", "name": "t", "column": "c"}, "definition": {"entities": ["e"], "dtype": "int", "sql": version}})


def alias(world: World, to: str, expected: int | None) -> int:
    return world.log.cloud("lineproof.alias.v1", {"kind": "feature", "namespace": "ml", "name": "f", "alias": "prod", "to": to, "expected": expected})


async def version(cache: ResolutionCache, least: int = 0) -> str | None:
    snapshot = await cache.current(least)
    return (await cache.resolve(snapshot, ("ml:f@prod",), None)).rows[0].version


async def test_answers_hold_until_an_entry_that_can_change_them(world: World) -> None:
    graph: Any = world.graph
    clock = Clock()
    feature(world, "1")
    feature(world, "2")
    first = alias(world, "1", None)
    await world.project()
    cache = ResolutionCache(graph, clock)
    assert await version(cache) == "1"
    reads = graph.reads
    for _ in range(5):
        assert await version(cache) == "1"
        world.log.run("j", f"r{clock.now}", outputs=["t"])
        await world.project()
        clock.now += 1
        before = graph.reads
        assert await version(cache) == "1"
        assert graph.reads == before
    assert graph.reads > reads  # the projector's
    assert (await cache.current()).position == await graph.position()
    alias(world, "2", first)
    await world.project()
    assert await version(cache) == "1"
    clock.now += 2 * FRESH_SECONDS
    assert await version(cache) == "1"  # and a look began beside the answer
    clock.now += STALE_SECONDS
    assert await version(cache) == "2"


async def test_a_look_beside_the_answers_renews_them(world: World) -> None:
    import asyncio

    graph: Any = world.graph
    clock = Clock()
    feature(world, "1")
    feature(world, "2")
    first = alias(world, "1", None)
    await world.project()
    cache = ResolutionCache(graph, clock)
    assert await version(cache) == "1"
    alias(world, "2", first)
    await world.project()
    clock.now += 2 * FRESH_SECONDS
    looks = graph.looks
    assert await version(cache) == "1"
    for _ in range(10):
        await asyncio.sleep(0)
    assert graph.looks == looks + 1
    assert await version(cache) == "2"


async def test_who_wrote_something_reads_it(world: World) -> None:
    graph: Any = world.graph
    feature(world, "1")
    feature(world, "2")
    first = alias(world, "1", None)
    await world.project()
    cache = ResolutionCache(graph, Clock())
    assert await version(cache) == "1"
    moved = alias(world, "2", first)
    await world.project()
    assert await version(cache, moved + 1) == "2"
    back = alias(world, "1", moved)
    await world.project()
    assert await version(cache) == "2"
    cache.saw(back + 1)
    assert await version(cache) == "1"


async def test_a_rebuilt_graph_is_read_anew(world: World) -> None:
    graph: Any = world.graph
    clock = Clock()
    feature(world, "1")
    alias(world, "1", None)
    await world.project()
    cache = ResolutionCache(graph, clock)
    assert await version(cache) == "1"
    await graph.wipe()
    clock.now += 1
    assert await version(cache) is None


async def test_many_at_once_look_once(world: World) -> None:
    import asyncio

    graph: Any = world.graph
    feature(world, "1")
    alias(world, "1", None)
    await world.project()
    cache = ResolutionCache(graph, Clock())
    looks = graph.looks
    assert set(await asyncio.gather(*(version(cache) for _ in range(50)))) == {"1"}
    assert graph.looks == looks + 1


def test_answers_are_bounded_by_their_weight_not_their_number() -> None:
    kept: Kept[int, str] = Kept()
    for number in range(1_000):
        kept.put(number, "small", 100)
    assert kept.get(0) == kept.get(999) == "small"
    kept.put(-1, "large", MAX_KEPT_BYTES - 50_000)
    assert (kept.get(-1), kept.get(0)) == ("large", None)
    kept.put(1, "again", 50_000)
    assert (kept.get(-1), kept.get(1)) == ("large", "again")
    kept.put(2, "one more", 1)
    assert (kept.get(-1), kept.get(2)) == (None, "one more")


async def test_answers_to_long_questions_are_forgotten_before_they_fill_the_memory(world: World) -> None:
    feature(world, "1")
    alias(world, "1", None)
    await world.project()
    graph: Any = world.graph
    cache = ResolutionCache(graph)
    snapshot = await cache.current()
    long = [("ml:f@prod", "x" * (MAX_KEPT_BYTES // 4) + str(number)) for number in range(4)]
    for references in long:
        assert (await cache.resolve(snapshot, references, None)).rows[0].version == "1"
    assert snapshot.answers.get((None, long[0])) is None
    assert snapshot.answers.get((None, long[-1])) is not None
