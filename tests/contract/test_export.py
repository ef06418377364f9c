"""Exports on every adapter: the lines of a stream are what the answers say, at any position, under any grants, also where it breaks off and goes on."""
from __future__ import annotations

import json
import re
import tracemalloc
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from metadata_service.api.lineage_stream import ExportForm, chunks
from metadata_service.graph.open import open_graph
from metadata_service.graph.ops import GraphOp, OpenEdge, UpsertNode
from metadata_service.graph.port import GraphStore
from metadata_service.projector import Projector
from metadata_service.queries import export
from metadata_service.queries.context import EVERYTHING, Asked, Room
from metadata_service.queries.errors import InvalidArgument, InvalidCursor, PositionBeyondLog
from metadata_service.queries.export import Selection, open_stream
from metadata_service.queries.lineage import lineage
from metadata_service.queries.lineage_shapes import Lineage
from metadata_service.queries.shapes import Direction, Level
from tests.contract.graph_world import TENANT, Feeder, edge
from tests.contract.graph_world import dataset as made
from tests.flights_world import NS, RAW, World, column, dataset, flights_world, model, world_on_sqlite
from tests.unit.queries.asking import ask, reader_of

pytestmark = pytest.mark.anyio
Line = dict[str, Any]


@pytest.fixture(scope="module")
async def world(opened_graph: GraphStore, tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[World]:
    world = await flights_world(tmp_path_factory.mktemp("log"), opened_graph)
    yield world
    world.close()


async def exported(room: Room, selection: Selection, size: int | None = None, *, viewer: Any = EVERYTHING, after: str | None = None,
                   form: ExportForm = ExportForm.ndjson) -> list[Line]:
    stream = await open_stream(room, viewer, Asked(size), selection, form.value, after)
    raw = b"".join([part async for part in chunks(stream, form)])
    assert raw.endswith(b"\n")
    return [json.loads(line) for line in raw.splitlines()]


def of(lines: list[Line], kind: str) -> list[Line]:
    return [line[kind] for line in lines if kind in line]


def _opened(cursor: str) -> str:
    """What anybody can read in a cursor."""
    return urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("utf-8", "replace")


def edges_of(lines: list[Line]) -> set[tuple[Any, ...]]:
    names = ("downstream", "upstream", "level", "from", "openedBy", "type", "subtype", "via", "line")
    return {tuple(each.get(name) for name in names) for each in of(lines, "edge")}


def edges_in(found: Lineage) -> set[tuple[Any, ...]]:
    return {(found.nodes[each.downstream].urn, found.nodes[each.upstream].urn, each.level.name, each.from_, each.opened_by, each.type, each.subtype, each.via,
             each.line) for each in found.edges}


@pytest.mark.parametrize("when", ["now", "then"])
async def test_the_lineage_of_an_entity_is_what_the_answer_says_and_has_no_limit(world: World, when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "PAGE", 2)
    size = None if when == "now" else world.log.reader.size() - 8
    for way in (Direction.UPSTREAM, Direction.DOWNSTREAM):
        lines = await exported(world.room, Selection(dataset("feat_weather"), way, columns=False), size)
        answer = await ask(world, lineage, dataset("feat_weather"), direction=way, depth=None, size=size, facts=True)
        assert {(node["urn"], node["distance"], tuple(node["owners"])) for node in of(lines, "node")} == {(n.urn, n.distance, n.owners) for n in answer.nodes}
        assert edges_of(lines) == edges_in(answer)
        assert [next(iter(line)) for line in (lines[0], lines[-1])] == ["header", "trailer"]
        (trailer,) = of(lines, "trailer")
        assert (trailer["nodes"], trailer["edges"], trailer["completeness"]["complete"]) == (len(answer.nodes), len(answer.edges), True)
        assert trailer["computedAt"] == {"size": answer.computed_at.size, "rootHash": answer.computed_at.root_hash,
                                         "coveringCheckpoint": answer.computed_at.covering_checkpoint}
    lines = await exported(world.room, Selection(dataset("training_set")), size)
    answer = await ask(world, lineage, dataset("training_set"), depth=None, level=Level.COLUMN, size=size)
    assert edges_of(lines) >= edges_in(answer)  # with the edges between their datasets beside them
    one = await exported(world.room, Selection(dataset("training_set"), depth=1, columns=False), size)
    assert {node["name"]: node["hiddenUpstream"] for node in of(one, "node")} == {"training_set": 0, "feat_weather": 1, "flights": 0}


async def test_everything_is_told_once_and_at_its_position(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "PAGE", 3)
    lines = await exported(world.room, Selection())
    ids = [node["id"] for node in of(lines, "node")]
    assert len(ids) == len(set(ids))
    assert {dataset("training_set"), dataset("weather", RAW), column("wind_ms", "training_set"), model("1")} <= set(ids)
    assert all("distance" not in node for node in of(lines, "node"))
    assert {end for each in of(lines, "edge") for end in (each["downstream"], each["upstream"])} <= set(ids)
    whole = await ask(world, lineage, dataset("weather", RAW), direction=Direction.DOWNSTREAM, depth=None)
    assert edges_in(whole) <= edges_of(lines)
    assets = await exported(world.room, Selection(columns=False))
    assert edges_of(assets) == {each for each in edges_of(lines) if each[2] == "ASSET"}
    early = world.log.reader.size() - 8
    before = await exported(world.room, Selection(), early)
    assert all(each["from"] <= early and each["to"] is None for each in of(before, "edge"))
    assert of(before, "header")[0]["computedAt"]["size"] == early
    assert edges_of(before) != edges_of(lines)
    assert [len(of(await exported(world.room, Selection(), 0), kind)) for kind in ("header", "node", "edge", "trailer")] == [1, 0, 0, 1]


@pytest.mark.parametrize("form", list(ExportForm))
@pytest.mark.parametrize("selection", [Selection(), Selection(dataset("training_set"))], ids=["everything", "lineage"])
async def test_what_breaks_off_goes_on_at_any_cursor_while_the_log_grows(world: World, selection: Selection, form: ExportForm,
                                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "PAGE", 2)
    size = world.log.reader.size()
    whole = await exported(world.room, selection, form=form)
    world.run("later", f"later {form} {selection.urn}", "2026-03-03T09:00:00Z", ["training_set"], "later", schema=["anything"])
    await world.settle(checkpoint=False)
    own = [line if form is ExportForm.ndjson else line.get("run", {}).get("facets", {}).get("lineproof_export", {}) for line in whole]
    at = [index for index, line in enumerate(own) if "cursor" in line]
    assert len(at) > 1
    for index in (at[0], at[len(at) // 2], at[-1]):
        rest = await exported(world.room, selection, after=own[index]["cursor"], form=form)
        assert rest[1:-1] == whole[index + 1:-1]
        last = [line["trailer"] if form is ExportForm.ndjson else line["run"]["facets"]["lineproof_export"] for line in (rest[-1], whole[-1])]
        assert {name: value for name, value in last[0].items() if name != "computedAt"} == {n: v for n, v in last[1].items() if n != "computedAt"}
        assert last[0]["computedAt"]["size"] == size
    cursor = own[at[0]]["cursor"]
    for wrong, viewer in ((Selection(dataset("weather", RAW)), EVERYTHING), (selection, reader_of(world, NS))):
        with pytest.raises(InvalidCursor):
            await exported(world.room, wrong, after=cursor, viewer=viewer, form=form)
    with pytest.raises(InvalidCursor):
        await exported(world.room, selection, 3, after=cursor, form=form)


async def test_a_stream_stands_where_it_began_while_the_log_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "PAGE", 2)
    monkeypatch.setattr("metadata_service.api.lineage_stream.CHUNK_BYTES", 1)
    whole, lines = await exported(world.room, Selection(columns=False)), list[Line]()
    async for part in chunks(await open_stream(world.room, EVERYTHING, Asked(), Selection(columns=False), "ndjson"), ExportForm.ndjson):
        lines += map(json.loads, part.splitlines())
        if len(lines) == 4:
            for name in ("0 before all", "zz behind all"):
                world.run(f"grow {name}", f"grow {name}", "2026-03-04T09:00:00Z", ["training_set"], name, schema=["anything"])
            await world.settle()
    assert [{**line, "trailer": {**line["trailer"], "computedAt": None}} if "trailer" in line else line for line in lines] == [
        {**line, "trailer": {**line["trailer"], "computedAt": None}} if "trailer" in line else line for line in whole]
    assert dataset("zz behind all") in {node["urn"] for node in of(await exported(world.room, Selection(columns=False)), "node")}


async def test_what_may_not_be_seen_is_withheld_and_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "PAGE", 3)
    viewer = reader_of(world, NS)  # the raw data lie elsewhere
    lines = await exported(world.room, Selection(dataset("training_set")), viewer=viewer)
    hidden = [node for node in of(lines, "node") if node["restricted"]]
    assert {node["kind"] for node in hidden} == {"DATASET", "COLUMN"}
    assert all(node["urn"] is None and node["name"] is None and node["id"].startswith("restricted:") for node in hidden)
    assert of(lines, "trailer")[0]["completeness"]["restricted"] == len(hidden)
    ids = {node["id"] for node in of(lines, "node")}
    assert {end for each in of(lines, "edge") for end in (each["downstream"], each["upstream"])} <= ids
    touching = [each for each in of(lines, "edge") if each["upstream"].startswith("restricted:")]
    assert touching
    assert all("expression" not in each and "via" not in each for each in touching)
    everything = await exported(world.room, Selection(), viewer=viewer)
    assert 0 < of(everything, "trailer")[0]["completeness"]["restricted"] == sum(node["restricted"] for node in of(everything, "node"))
    outside = await exported(world.room, Selection(), viewer=reader_of(world, "elsewhere"))
    assert [next(iter(line)) for line in outside] == ["header", "trailer"]  # of what is nowhere beside what it sees it learns nothing
    assert of(outside, "trailer")[0]["completeness"]["restricted"] == 0
    for told in (lines, everything, await exported(world.room, Selection(), viewer=viewer, form=ExportForm.openlineage)):
        opened = json.dumps(told) + "".join(_opened(part) for part in re.findall(r'"cursor": "([^"]+)"', json.dumps(told)))
        assert RAW not in opened
        assert "file%3A" not in opened


async def test_nothing_is_told_of_what_is_not_there(world: World) -> None:
    lines = await exported(world.room, Selection(dataset("nowhere")))
    assert [next(iter(line)) for line in lines] == ["header", "trailer"]
    assert [reason["code"] for reason in of(lines, "trailer")[0]["completeness"]["reasons"]] == ["unknown-urn"]
    hidden = await exported(world.room, Selection(dataset("weather", RAW)), viewer=reader_of(world, NS))
    assert [reason["code"] for reason in of(hidden, "trailer")[0]["completeness"]["reasons"]] == ["unknown-urn"]
    with pytest.raises(InvalidArgument):
        await exported(world.room, Selection(dataset("training_set"), depth=1_000))
    with pytest.raises(PositionBeyondLog):
        await exported(world.room, Selection(), world.log.reader.size() + 1)


async def test_entities_with_more_edges_than_a_page_reads_are_read_apart(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = edges_of(await exported(world.room, Selection()))
    monkeypatch.setattr(export, "PAGE_EDGES", 3)
    assert edges_of(await exported(world.room, Selection())) == expected
    monkeypatch.setattr(export, "MOST_EDGES", 1)
    cut = await exported(world.room, Selection())
    assert edges_of(cut) < expected
    assert "not all is here: edges of one entity (the first 1)" in [each["detail"] for each in of(cut, "trailer")[0]["completeness"]["reasons"]]
    monkeypatch.setattr(export, "MAX_REACHED", 2)
    (trailer,) = of(await exported(world.room, Selection(dataset("training_set"), columns=False)), "trailer")
    assert trailer["nodes"] == 2
    assert trailer["completeness"]["truncated"]


async def test_a_graph_that_is_being_made_again_ends_the_stream_with_a_problem(tmp_path: Path, anyio_backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "PAGE", 3)
    async with world_on_sqlite(tmp_path) as world:
        for form in ExportForm:
            stream = await open_stream(world.room, EVERYTHING, Asked(), Selection(), form.value)
            monkeypatch.setattr("metadata_service.api.lineage_stream.CHUNK_BYTES", 1)
            lines = []
            async for part in chunks(stream, form):
                lines += part.splitlines()
                if len(lines) == 5:
                    await world.graph.wipe()
            last = json.loads(lines[-1])
            told = last["problem"] if form is ExportForm.ndjson else last["run"]["facets"]["lineproof_export"]["problem"]
            assert (told["code"], told["projected"]) == ("rebuilding", 0)
            assert form is ExportForm.ndjson or last["eventType"] == "FAIL"
            again = Projector(world.log.reader, world.graph)
            while await again.step():
                pass


async def test_memory_does_not_grow_with_the_graph(tmp_path: Path, anyio_backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "PAGE", 50)
    async with world_on_sqlite(tmp_path) as world:
        graph = open_graph(f"sqlite:///{tmp_path / 'large.db'}")
        await graph.setup()
        feeder, room, peaks = Feeder(graph), Room(graph, world.log.reader, world.keyring, b"secret"), list[int]()
        for first, nodes in ((0, 500), (500, 3_000)):
            urns = [made(f"table-{number:05}") for number in range(first, nodes)]
            ops: list[GraphOp] = [UpsertNode(urn, TENANT, feeder.size + 1) for urn in urns]
            ops += [OpenEdge(edge(urns[number], urns[number // 2], feeder.size + 1)) for number in range(1, len(urns))]
            await feeder.feed(*ops)
            for traced in (False, True):  # the first fills the caches of names, which are the process's and bounded
                told = 0
                if traced:
                    tracemalloc.start()
                async for part in chunks(await open_stream(room, EVERYTHING, Asked(), Selection(columns=False), "ndjson"), ExportForm.ndjson):
                    told += part.count(b'{"node"')
                assert told == nodes
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert peaks[1] < 1.5 * peaks[0]
        await graph.close()


