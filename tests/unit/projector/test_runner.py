"""The loop: bad input, erasures, another log, another projector."""
from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import pytest

from lineproof_audit.envelope import PAYLOAD_CLOUDEVENT, PAYLOAD_OPENLINEAGE
from metadata_service.graph.errors import ProjectionConflict
from metadata_service.graph.ops import Revise
from metadata_service.projector import LogDoesNotExtend, Projector
from metadata_service.projector.rebuild import rebuild
from tests.unit.projector.memory_graph import MemoryGraph
from tests.unit.projector.recorded import columns, derived, ds, uid
from tests.unit.projector.world import World, dataset

pytestmark = pytest.mark.anyio


async def test_unreadable_bodies_are_rejected_with_a_code_and_stop_nothing(world: World) -> None:
    log = world.log
    bad = [log.append("openlineage.run", PAYLOAD_OPENLINEAGE, b"", "producer", raw=b"\x00 not an envelope"),
           log.append("openlineage.run", PAYLOAD_OPENLINEAGE, b"not json", "producer"),
           log.append("openlineage.run", PAYLOAD_OPENLINEAGE, b'{"eventTime": "yesterday"}', "producer"),
           log.append("lineproof.commit.v1", PAYLOAD_CLOUDEVENT, b'{"specversion": "1.0"}', "producer"),
           log.cloud("lineproof.alias.v1", {"kind": "feature"}),
           log.append("other", "text/plain", b"hello", "producer"),
           log.cloud("lineproof.tombstone.v1", {"urn": "urn:lineproof:nonsense:x", "reason": "r"}),
           log.run("a\0b", "r1", outputs=["t"], code="v1"),
           log.run("a", "r1", outputs=["t" * 1_300], code="v1"),
           log.cloud("lineproof.quality.v1", {"subject": dataset("t" * 7_000), "check": "c", "success": True})]
    after = log.run("a", "r2", inputs=["x"], outputs=["t"], code="v1")
    await world.project()
    assert {world.outcome(index)[0] for index in bad} == {"rejected"}
    codes = [world.outcome(index)[1] for index in bad]
    assert codes[1:4] == ["not-json", "invalid-openlineage", "invalid-event"]
    assert world.outcome(after) == ("applied", None)


def junk(choose: random.Random, depth: int = 0) -> Any:
    """Any JSON value, odd ones likely."""
    kinds = ["null", "bool", "int", "text", "list", "dict"] if depth < 3 else ["null", "int", "text"]
    match choose.choice(kinds):
        case "null":
            return None
        case "bool":
            return choose.random() < 0.5
        case "int":
            return choose.choice([0, -1, 2**70, 1.5, 1e300])
        case "text":
            return choose.choice(["", "x", "a:b", "é\u2028", "\0", "DATASET", "db", "name", "COMPLETE", "\U0001f600" * 3])
        case "list":
            return [junk(choose, depth + 1) for _ in range(choose.randrange(3))]
        case _:
            keys = ["fields", "inputs", "inputFields", "namespace", "name", "field", "type", "entries", "dataset", "transformations", "owners", "query",
                    "version", "run", "job", "runId", "identifiers", "lifecycleStateChange", "previousIdentifier", "tags", "key", "urn", "commit", "assertions",
                    "success"]
            return {choose.choice(keys): junk(choose, depth + 1) for _ in range(choose.randrange(4))}


async def test_very_deep_schemas_odd_keys_and_endless_names_are_kept_within_bounds(world: World) -> None:
    deep: list[dict[str, Any]] = [{"name": "bottom", "type": "INT"}]
    for _ in range(200):
        deep = [{"name": "n", "fields": deep}]
    odd = {"schema": {"fields": deep}, "k" * 3_000: {"a": 1}, "k" * 3_001: {"a": 2}, "\ud800": {"a": 3}, "é": {"a": 4}}
    for number in (1, 2):
        world.log.run("a", f"r{number}", inputs=["x"], outputs=[ds("t", **odd)], code="v1", minutes=number)
    await world.project()
    facts = world.facts(dataset("t"))
    assert sorted(value["a"] for fact, value in facts.items() if fact.startswith("facet:") and fact != "facet:schema") == [1, 2, 3, 4]
    assert max(len(fact) for fact in facts) < 100
    assert not [op for op in world.graph.batches[-1] if isinstance(op, Revise) and op.fact == "schema" and op.previous is not None]


FACETS = ("schema", "columnLineage", "lineage", "lineproof_columns", "ownership", "tags", "symlinks", "lifecycleStateChange", "version", "documentation",
          "dataSource", "sql", "sourceCode", "sourceCodeLocation", "lineproof_transformation", "jobType", "parent", "lineproof_run", "outputStatistics",
          "dataQualityAssertions", "x")


@pytest.mark.parametrize("seed", range(20))
async def test_facets_of_any_shape_never_stop_the_projector(world: World, seed: int) -> None:
    choose = random.Random(seed)
    for number in range(30):
        def facets() -> dict[str, Any]:
            return {choose.choice(FACETS): junk(choose) for _ in range(choose.randrange(4))}
        parts = [{"namespace": "db", "name": f"t{choose.randrange(3)}", "facets": facets(), "inputFacets": facets(), "outputFacets": facets()}
                 for _ in range(3)]
        world.log.lineage({"eventType": choose.choice(["START", "COMPLETE"]), "eventTime": "9999-12-31T00:00:00Z", "producer": "x:y",
                           "run": {"runId": uid(f"r{number // 2}"), "facets": facets()}, "job": {"namespace": "jobs", "name": "a", "facets": facets()},
                           "inputs": parts[:1], "outputs": parts[1:]})
    await world.project()


async def test_an_erasure_reaches_back_and_the_graph_is_projected_again(world: World) -> None:
    secret = world.log.run("a", "r1", inputs=["x"], outputs=[ds("t", ownership={"owners": [{"name": "eve@example.test"}]})], code="v1", minutes=1)
    other = world.log.run("a", "r2", inputs=["y"], outputs=["t"], code="v1", minutes=2)
    await world.project()
    assert world.facts(dataset("t"))["owners"] == [{"name": "eve@example.test"}]
    replacement = world.log.run("a", "r1", inputs=["x"], outputs=["t"], code="v1", minutes=1, signer="notary")
    erased = world.log.erase(secret, replacement)
    await world.project()
    assert "owners" not in world.facts(dataset("t"))
    assert not [row for row in await world.graph.revisions(dataset("t")) if row.fact == "owners"]
    assert world.assets(at=secret + 1) == {("t", "x")}
    assert [world.outcome(index) for index in (secret, other, replacement, erased)] == [
        ("applied", None), ("applied", None), ("ignored", "replacement"), ("applied", None)]
    world.log.erase(other)
    await world.project()
    assert world.outcome(other) == ("ignored", "erased")
    assert world.assets() == {("t", "x")}
    assert "rebuilding" not in world.graph.states
    assert world.graph.forgotten == 1  # since the wipe: once the rebuild is done, what deleted rows left behind goes


async def test_an_erasure_that_nobody_may_order_changes_nothing(world: World) -> None:
    entry = world.log.run("a", "r1", inputs=["x"], outputs=["t"], code="v1")
    index = world.log.cloud("lineproof.erasure.v1", {"entry": entry, "reason": "because"})
    await world.project()
    assert world.outcome(index) == ("rejected", "out-of-scope")
    assert world.assets() == {("t", "x")}


async def test_a_log_that_does_not_extend_is_refused(world: World) -> None:
    world.log.run("a", "r1", outputs=["t"], code="v1")
    await world.project()
    other = World()
    other.log.run("b", "r1", outputs=["t"], code="v1")
    other.log.run("b", "r2", outputs=["t"], code="v1")
    with pytest.raises(LogDoesNotExtend):
        await Projector(other.log, world.graph).step()
    world.log.stored.pop()
    with pytest.raises(LogDoesNotExtend):
        await Projector(world.log, world.graph).step()


async def test_a_second_projector_conflicts_and_then_goes_on_from_there(world: World) -> None:
    second = Projector(world.log, world.graph)
    await world.projector.step(2)
    await second.step(1)
    world.log.run("a", "r1", inputs=["x"], outputs=["t"], code="v1")
    with pytest.raises(ProjectionConflict):
        await world.projector.step()
    await world.project()
    assert world.assets() == {("t", "x")}


async def test_run_projects_what_comes_and_stops_when_asked(world: World) -> None:
    stop = asyncio.Event()
    task = asyncio.create_task(world.projector.run(stop))
    world.log.run("a", "r1", inputs=["x"], outputs=["t"], code="v1")
    while (await world.graph.position()).size < world.log.size():
        await asyncio.sleep(0.01)
    stop.set()
    await asyncio.wait_for(task, 10)
    assert world.assets() == {("t", "x")}


async def test_a_projector_with_nothing_cached_projects_the_same(world: World) -> None:
    for number in range(4):
        world.log.run("a", f"r{number}", inputs=["x"], outputs=[ds("t", schema=columns("k"), columnLineage=derived(k=[("x", "k")]))], code=f"v{number % 2}",
                      minutes=number)
    while await Projector(world.log, world.graph).step(1):
        pass
    other = MemoryGraph()
    await rebuild(world.log, other)
    assert await other.digest() == await world.graph.digest()
    assert (await other.position()) == (await world.graph.position())


async def test_every_touched_entity_of_a_run_is_in_its_trail(world: World) -> None:
    index = world.log.run("a", "r1", inputs=["x"], outputs=["t"], code="v1")
    await world.project()
    roles = {urn.split(":")[2]: role for (urn, at), role in world.graph.touched.items() if at == index}
    assert roles["job"] == roles["run"] == "subject"
    assert world.graph.touched[(dataset("t"), index)] == "subject"
    assert world.graph.touched[(dataset("x"), index)] == "mention"
    assert json.loads(json.dumps(world.graph.records[index].detail)) is None
