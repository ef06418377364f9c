"""How entries are gathered into batches: by operations as well as by number, with few reads, and never with another result."""
from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import pytest

from metadata_service.graph.ops import GraphOp, PutState
from metadata_service.graph.port import Loaded
from metadata_service.projector import ProjectableEntry, Projector, View, ahead, project, runner
from tests.unit.projector.memory_graph import MemoryGraph
from tests.unit.projector.recorded import columns, derived, ds
from tests.unit.projector.world import World, dataset

pytestmark = pytest.mark.anyio

NEW_JOBS = 120


class CountingGraph(MemoryGraph):
    """Counts what costs a round trip."""

    loads = 0

    async def load(self, urns: Sequence[str], states: Sequence[str]) -> Loaded:
        self.loads += 1
        return await super().load(urns, states)


def write_new_jobs(world: World) -> None:
    for number in range(NEW_JOBS):
        names = [f"c{each}" for each in range(5)]
        output = ds(f"out{number}", schema=columns(*names), columnLineage=derived(**{name: [(f"in{number}", name)] for name in names}))
        world.log.run(f"job{number}", f"r{number}", inputs=[f"in{number}"], outputs=[output], code="v1")


async def test_a_batch_ends_where_it_has_grown_too_large_and_the_graph_is_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    write_new_jobs(world)
    await world.project()
    monkeypatch.setattr(runner, "BATCH_OPS", 500)
    small = MemoryGraph()
    projector = Projector(world.log, small)
    steps = 0
    while await projector.step():
        steps += 1
    largest = max(len(batch) for batch in small.batches)
    assert steps > 3
    assert largest < 800  # the last entry may go beyond the bound, by what one entry says
    assert await small.digest() == await world.graph.digest()
    assert (await small.position()).size == world.log.size()


async def test_new_entities_are_read_many_at_a_time(world: World) -> None:
    write_new_jobs(world)
    graph = CountingGraph()
    projector = Projector(world.log, graph)
    while await projector.step():
        pass
    assert graph.loads < NEW_JOBS / 2  # one at a time it would be several per job
    await world.project()
    assert await graph.digest() == await world.graph.digest()


async def test_a_run_of_many_outputs_is_projected_twice_not_once_for_each(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once to find out all it reads, once for good. An end reads the lists of edge sets first, and then the sets."""
    asked: Counter[int] = Counter()

    def counted(entry: ProjectableEntry, view: View) -> list[GraphOp]:
        asked[entry.index] += 1
        return project(entry, view)

    monkeypatch.setattr(runner, "project", counted)
    monkeypatch.setattr(runner, "LEAST_AHEAD", 0)
    outputs = [ds(f"out{number}", schema=columns("a", "b"), columnLineage=derived(a=[("in", "a")], b=[("in", "b")]),
                  ownership={"owners": [{"name": f"team{number}"}]}, version={"datasetVersion": str(number)}) for number in range(30)]
    for code in ("v1", "v2"):
        world.log.run("job", code, inputs=["in"], outputs=outputs, code=code)
    runs = world.log.size()
    world.log.run("cleaning", "r", outputs=[ds(f"out{number}", lifecycleStateChange={"lifecycleStateChange": "DROP"}) for number in range(30)])
    for _ in range(world.log.size()):
        assert await Projector(world.log, world.graph).step(1) == 1  # a new one: nothing is known from the entries before
    assert max(times for index, times in asked.items() if index < runs) == 2
    assert max(asked.values()) == 3
    assert not world.assets()
    await world.project()


def said(graph: MemoryGraph) -> list[GraphOp]:
    """All operations in their order, without what the runner adds to each batch."""
    return [op for batch in graph.batches for op in batch if not (isinstance(op, PutState) and op.key in ("tree", "erasures"))]


@pytest.mark.parametrize("seed", range(4))
async def test_what_is_worked_out_before_its_turn_is_what_it_would_be_at_its_turn(world: World, seed: int) -> None:
    choose = random.Random(seed)
    for number in range(60):
        job, names = choose.randrange(8), [f"c{each}" for each in range(choose.randrange(1, 4))]
        read = f"t{choose.randrange(8)}"
        output = ds(f"t{choose.randrange(8)}", schema=columns(*names), columnLineage=derived(**{name: [(read, name)] for name in names}))
        world.log.run(f"job{job}", f"r{choose.randrange(40)}", inputs=[read], outputs=[output], code=f"v{choose.randrange(3)}", minutes=number)
        if choose.random() < 0.1:
            world.log.cloud("lineproof.tombstone.v1", {"urn": dataset(f"t{choose.randrange(8)}"), "reason": "gone"})
    await world.project()
    alone = MemoryGraph()
    while await Projector(world.log, alone).step(batch=1):  # each entry by itself, nothing known of any other
        pass
    assert said(world.graph) == said(alone)
    assert await world.graph.digest() == await alone.digest()


async def test_an_entry_that_only_adds_is_worked_out_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    write_new_jobs(world)
    seen: Counter[int] = Counter()

    def counted(entry: ProjectableEntry, view: View) -> list[GraphOp]:
        seen[entry.index] += 1
        return project(entry, view)

    monkeypatch.setattr(runner, "project", counted)
    monkeypatch.setattr(ahead, "project", counted)
    await world.project()
    assert sum(seen.values()) < 1.1 * world.log.size()


async def test_of_runs_that_repeat_only_the_first_few_are_tried_ahead(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    write_new_jobs(world)
    await world.project()  # after which many are tried ahead
    for number in range(300):
        world.log.run("another", f"again{number}", inputs=["x"], outputs=["y"], code="v1", minutes=number)
    tried: list[int] = []

    def counted(entry: ProjectableEntry, view: View) -> list[GraphOp]:
        tried.append(entry.index)
        return project(entry, view)

    monkeypatch.setattr(ahead, "project", counted)
    await world.project()
    assert 0 < len(tried) < 30
