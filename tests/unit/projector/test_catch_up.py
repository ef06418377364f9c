"""Catching up: each batch is worked out while the one before it is written, and nothing comes out another way."""
from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from lineproof_schema.errors import LineproofError
from metadata_service.graph.errors import GraphUnavailable, ProjectionConflict
from metadata_service.graph.ops import GraphOp
from metadata_service.projector import Projector
from tests.unit.projector.memory_graph import MemoryGraph
from tests.unit.projector.recorded import columns, derived, ds
from tests.unit.projector.world import World

pytestmark = pytest.mark.anyio

BATCH = 7


class SlowGraph(MemoryGraph):
    """Writes when it is told to, and says what was asked of it meanwhile; fails the writes it is told to fail."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self.failing: dict[int, LineproofError] = {}  # by expected size; each fails once
        self.on_write: Any = None
        self.loaded: asyncio.Event | None = None  # a write ends only after a read that began later

    async def load(self, urns: Sequence[str], states: Sequence[str]) -> Any:
        self.said.append("load")
        if self.loaded is not None:
            self.loaded.set()
        return await super().load(urns, states)

    async def apply(self, batch: Sequence[GraphOp], *, expected_size: int, **place: Any) -> None:
        self.said.append(f"begin {expected_size}")
        if self.loaded is not None:
            self.loaded.clear()
            await asyncio.wait_for(self.loaded.wait(), 60)
            self.loaded = None
        for _ in range(50):
            await asyncio.sleep(0)
        if self.on_write is not None:
            self.on_write(expected_size)
        if expected_size in self.failing:
            self.said.append(f"failed {expected_size}")
            raise self.failing.pop(expected_size)
        await super().apply(batch, expected_size=expected_size, **place)
        self.said.append(f"written {expected_size}")


def write(world: World, number: int = 40) -> None:
    for each in range(number):
        names = [f"c{column}" for column in range(1 + each % 3)]
        output = ds(f"out{each % 9}", schema=columns(*names), columnLineage=derived(**{name: [(f"out{(each + 1) % 9}", name)] for name in names}))
        world.log.run(f"job{each % 5}", f"r{each}", inputs=[f"out{(each + 1) % 9}"], outputs=[output], code=f"v{each % 4}", minutes=each)


async def test_the_graph_is_the_one_that_steps_make_and_batches_are_written_in_order(world: World) -> None:
    write(world)
    await world.project()
    graph, told = SlowGraph(), list[int]()
    done = await Projector(world.log, graph).catch_up(BATCH, progress=told.append)
    assert done == world.log.size() == told[-1]
    assert told == sorted(set(told))
    writes = [line for line in graph.said if line != "load"]
    assert writes == [line for start in [0, *told[:-1]] for line in (f"begin {start}", f"written {start}")]  # never two at once
    assert await graph.digest() == (await graph.position()).digest == await world.graph.digest()


async def test_the_next_batch_is_read_while_one_is_written(world: World) -> None:
    write(world)
    graph = SlowGraph()
    graph.loaded = asyncio.Event()
    await Projector(world.log, graph).catch_up(BATCH)
    first = graph.said[graph.said.index("begin 0"):graph.said.index("written 0")]
    assert "load" in first


async def test_up_to_a_size_and_no_further(world: World) -> None:
    write(world)
    graph = SlowGraph()
    projector = Projector(world.log, graph)
    assert await projector.catch_up(BATCH, upto=17) == 17
    assert (await graph.position()).size == 17
    assert await projector.catch_up(BATCH, upto=17) == 0
    await projector.catch_up(BATCH)
    await world.project()
    assert await graph.digest() == await world.graph.digest()


@pytest.mark.parametrize("error", [GraphUnavailable("gone"), ProjectionConflict("moved")])
async def test_a_write_that_fails_after_the_next_batch_was_read_loses_nothing(world: World, error: LineproofError) -> None:
    write(world)
    await world.project()
    graph = SlowGraph()
    graph.failing = {14: error}
    projector = Projector(world.log, graph)
    with pytest.raises(type(error)):
        await projector.catch_up(BATCH)
    assert (await graph.position()).size == 14
    await projector.catch_up(BATCH)  # goes on from where the graph stands
    assert (await graph.position()).size == world.log.size()
    assert await graph.digest() == await world.graph.digest()


async def test_when_asked_to_stop_what_was_begun_is_written_and_no_more(world: World) -> None:
    write(world)
    graph, stop = SlowGraph(), asyncio.Event()
    graph.on_write = lambda size: stop.set() if size == 14 else None
    projector = Projector(world.log, graph)
    done = await projector.catch_up(BATCH, stop=stop)
    assert done == (await graph.position()).size < world.log.size()
    assert graph.said[-1].startswith("written")
    await world.project()
    await projector.catch_up(BATCH)
    assert await graph.digest() == await world.graph.digest()


async def test_a_cancelled_projector_leaves_no_write_behind_and_goes_on(world: World) -> None:
    write(world)
    graph = SlowGraph()
    projector = Projector(world.log, graph)
    running = asyncio.create_task(projector.catch_up(BATCH))
    while "begin 14" not in graph.said:
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    said = len(graph.said)
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(graph.said) == said
    await projector.catch_up(BATCH)
    await world.project()
    assert await graph.digest() == await world.graph.digest()


async def test_an_erasure_that_reaches_back_waits_for_the_batch_before_it(world: World) -> None:
    write(world, 20)
    spoken = world.log.run("secret", "s", inputs=["x"], outputs=["hidden"], code="v1", minutes=99)
    graph = SlowGraph()
    projector = Projector(world.log, graph)
    await projector.catch_up(BATCH)
    size = world.log.size()
    write(world, 20)
    graph.on_write = lambda at: world.log.erase(spoken) if at == size else None
    await projector.catch_up(BATCH)
    await projector.catch_up(BATCH)
    await world.project()
    assert (await graph.position()).size == world.log.size()
    assert await graph.digest() == (await graph.position()).digest == await world.graph.digest()
