"""A run is the union of its events, and so are the declarations of an entity: whatever the order they arrive in, the graph is the same and the last word on
each facet stands."""
from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from lineproof_schema.urn import format_urn
from tests.unit.projector.recorded import at, columns, ds, run_event, uid
from tests.unit.projector.world import World, dataset

pytestmark = pytest.mark.anyio

Event = dict[str, Any]
JOB, RUN, TARGET = format_urn("job", "jobs", "a"), format_urn("run", uid("r")), dataset("t")


def told(minutes: float, state: str, *, out: Event | None = None, inputs: tuple[Any, ...] = (), run: Event | None = None, **job: Any) -> Event:
    """An event of the one run; `out` are facets of its one output."""
    return run_event("a", "r", state=state, minutes=minutes, inputs=inputs, outputs=[ds("t", **out)] if out is not None else [], run_facets=run, **job)


def declared(minutes: float, **facets: Any) -> Event:
    return {"eventTime": at(minutes), "producer": "https://example.test/catalog", "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json",
            "dataset": ds("t", **facets)}


def by_column(**sources: str) -> Event:
    """A columnLineage facet: column -> dataset, whose column `id` it is; "" for none."""
    return {"fields": {column: {"inputFields": [{"namespace": "db", "name": name, "field": "id"}] if name else []} for column, name in sources.items()}}


def explicit(*names: str, **more: Any) -> Event:
    return {"inputs": [{"namespace": "db", "name": name, "type": "DATASET"} for name in names], **more}


def entry(*names: str) -> Event:
    return {"entries": [{"type": "DATASET", "namespace": "db", "name": "t", **explicit(*names)}]}


def whole(world: World) -> str:
    """All that can be asked: nodes with their facts, links, open edges."""
    edges = [(edge.downstream, edge.upstream, edge.basis, edge.type, edge.subtype, edge.status) for family in ("DERIVED_FROM", "COLUMN_DERIVED_FROM")
             for edge in world.edges(family)]
    return json.dumps([sorted((urn, sorted(world.facts(urn).items())) for urn in world.graph.nodes), sorted(world.graph.links), sorted(edges, key=str)],
                      indent=1, default=str)


STORIES: dict[str, tuple[list[Event], dict[tuple[str, str], Any], set[tuple[str, str]]]] = {
    "the end comes first, and both that came before it say another schema": (
        [told(1, "START", out={"schema": columns("a")}), told(2, "RUNNING", out={"schema": columns("a", "b")}), told(3, "COMPLETE", out={})],
        {(TARGET, "schema"): columns("a", "b")["fields"], (RUN, "status"): "COMPLETE"}, set()),
    "what is added after the end is said last": (
        [told(1, "RUNNING", documentation={"description": "first"}), told(2, "COMPLETE"), told(3, "OTHER", documentation={"description": "last"})],
        {(JOB, "description"): "last"}, set()),
    "at one moment a START comes before the end": (
        [told(1, "START", out={"ownership": {"owners": [{"name": "x"}]}}, run={"acme": {"n": 1}}),
         told(1, "COMPLETE", out={"ownership": {"owners": [{"name": "x"}], "note": 1}}, run={"acme": {"n": 2}})],
        {(RUN, "facet:acme"): {"n": 2}, (TARGET, "facet:ownership"): {"owners": [{"name": "x"}], "note": 1}}, set()),
    "two facets with one word for what they say": (
        [told(1, "START", out={"storage": {"storageLayer": "iceberg"}}), told(2, "COMPLETE", out={"dataSource": {"uri": "s3://b"}})],
        {(TARGET, "facet:storage"): {"storageLayer": "iceberg"}, (TARGET, "storage"): "s3://b"}, set()),
    "an event that is taken back before it comes": (
        [told(1, "START", out={"documentation": {"description": "old"}}), told(2, "RUNNING", out={"documentation": {"_deleted": True}}), told(3, "COMPLETE")],
        {(TARGET, "description"): None, (TARGET, "facet:documentation"): None}, set()),
    "a version that is corrected": (
        [told(1, "START", out={"version": {"datasetVersion": "1"}}, run={"parent": {"run": {"runId": uid("p")}, "job": {"name": "p"}}}),
         told(2, "COMPLETE", out={"version": {"datasetVersion": "2"}})],
        {(TARGET, "currentVersion"): format_urn("dataset-version", "db", "t", "2")}, set()),
    "columns of one event, other columns of the next": (
        [told(1, "START", inputs=("x", "y"), out={"columnLineage": by_column(a="x")}), told(2, "COMPLETE", out={"columnLineage": by_column(a="y")})],
        {}, {("t", "x"), ("t", "y")}),
    "columns that the next event no longer tells": (
        [told(1, "START", inputs=("x", "y"), out={"columnLineage": by_column(a="x")}),
         told(2, "COMPLETE", out={"columnLineage": {"fields": {}, "dataset": []}})],
        {}, {("t", "x")}),
    "columns, then only that they are made of nothing": (
        [told(1, "START", inputs=("x", "y"), out={"columnLineage": by_column(a="x")}), told(2, "COMPLETE", out={"columnLineage": by_column(a="")})],
        {}, {("t", "x")}),
    "three that disagree, of which the last names no source": (
        [told(1, "START", inputs=("x", "y"), out={"columnLineage": by_column(a="x", b="")}),
         told(2, "RUNNING", out={"columnLineage": by_column(a="y")}), told(3, "COMPLETE", out={"columnLineage": by_column(a="", b="")})],
        {(TARGET, "sourceless"): None, (TARGET, "facet:columnLineage"): by_column(a="", b="")}, {("t", "x"), ("t", "y")}),
    "lineage after columns": (
        [told(1, "START", inputs=("x", "y"), out={"columnLineage": by_column(a="x")}), told(2, "COMPLETE", out={"lineage": explicit("y")})], {}, {("t", "y")}),
    "columns after lineage": (
        [told(1, "START", inputs=("x", "y"), out={"lineage": explicit("y")}), told(2, "COMPLETE", out={"columnLineage": by_column(a="x")})], {}, {("t", "y")}),
    "lineage of the job and of the dataset": (
        [told(1, "START", inputs=("x",), lineage=entry("y")), told(2, "RUNNING", out={"lineage": explicit("z")}), told(3, "COMPLETE")],
        {}, {("t", "y"), ("t", "z")}),
    "the end and others in between name no output": (
        [told(1, "START", out={"lineage": explicit("x")}), told(2, "RUNNING", out={"lineage": explicit("y")}), told(3, "RUNNING", inputs=("x",)),
         told(4, "COMPLETE")],
        {(TARGET, "facet:lineage"): explicit("y")}, {("t", "x"), ("t", "y")}),
    "a run that drops, as it says at its end": (
        [told(1, "START", inputs=("x",), out={"schema": columns("a")}), told(2, "RUNNING", out={}),
         told(3, "COMPLETE", out={"lifecycleStateChange": {"lifecycleStateChange": "DROP"}})],
        {(TARGET, "existence"): "dropped", (TARGET, "currentVersion"): None}, set()),
    "a run that drops, as it says at both ends": (
        [told(1, "START", out={"lifecycleStateChange": {"lifecycleStateChange": "DROP"}}),
         told(2, "COMPLETE", out={"lifecycleStateChange": {"lifecycleStateChange": "DROP"}})],
        {(TARGET, "existence"): "dropped", (TARGET, "currentVersion"): None}, set()),
    "a stream that ran until it was stopped": (
        [told(1, "START", inputs=("x",), out={}, jobType={"processingType": "STREAMING"}), told(2, "RUNNING"), told(3, "RUNNING"), told(4, "ABORT")],
        {(TARGET, "currentVersion"): format_urn("dataset-version", "db", "t", f"run:{uid('r')}"), (RUN, "status"): "ABORT",
         (format_urn("dataset-version", "db", "t", f"run:{uid('r')}"), "committedAt"): "2026-01-01T00:02:00.000000Z"}, {("t", "x")}),
    "owners that change": (
        [told(1, "START", out={"ownership": {"owners": [{"name": "x"}]}}, ownership={"owners": [{"name": "x"}]}),
         told(2, "COMPLETE", out={"ownership": {"owners": [{"name": "y"}]}}, ownership={"owners": [{"name": "y"}]})],
        {(TARGET, "owners"): [{"name": "y"}], (JOB, "owners"): [{"name": "y"}]}, set()),
    "three declarations": (
        [declared(1, documentation={"description": "1"}, tags={"tags": [{"key": "k", "value": "1"}]}), declared(2, documentation={"description": "2"}),
         declared(3, tags={"tags": [{"key": "k", "value": "3"}]}, lineage=explicit("x"))],
        {(TARGET, "description"): "2", (TARGET, "tags"): ["k:3"]}, {("t", "x")}),
}


@pytest.mark.parametrize("name", STORIES)
async def test_every_order_of_arrival_gives_the_same_graph(name: str) -> None:
    events, facts, assets = STORIES[name]
    found = {}
    for order in itertools.permutations(range(len(events))):
        world = World()
        for place in order:
            world.log.lineage(events[place], signer="producer")
        await world.project()
        assert {key: world.facts(key[0]).get(key[1]) for key in facts} == facts, order
        assert world.assets() == assets, order
        found[order] = whole(world)
    assert len(set(found.values())) == 1, found


async def test_the_datasets_own_lineage_counts_before_the_jobs(world: World) -> None:
    world.log.lineage(told(1, "COMPLETE", out={"lineage": explicit("x")}, lineage=entry("y")))
    await world.project()
    assert world.assets() == {("t", "x")}


async def test_taking_back_the_datasets_lineage_leaves_the_jobs(world: World) -> None:
    world.log.lineage(told(1, "START", out={"lineage": explicit("x")}, inputs=("z",)))
    world.log.lineage(told(2, "COMPLETE", out={"lineage": {"_deleted": True}}, lineage=entry("y")))
    await world.project()
    assert world.assets() == {("t", "y")}


async def test_columns_made_of_nothing_leave_the_inputs_of_the_dataset(world: World) -> None:
    """A count has no source column and yet a source."""
    world.log.lineage(told(1, "COMPLETE", inputs=("x",), out={"columnLineage": by_column(n="")}))
    await world.project()
    assert [(edge.downstream, edge.upstream, edge.basis) for edge in world.edges("DERIVED_FROM")] == [(TARGET, dataset("x"), "inputsOutputs")]
    assert [*world.facts(TARGET)["sourceless"]] == ["n"]


@pytest.mark.parametrize("field", ["", "c" * 2_000])
async def test_a_column_that_no_urn_can_name_still_names_its_dataset(world: World, field: str) -> None:
    facet = {"fields": {"a": {"inputFields": [{"namespace": "db", "name": "x", "field": field}]}}}
    world.log.lineage(told(1, "COMPLETE", inputs=("x", "y"), out={"columnLineage": facet}))
    await world.project()
    assert [(edge.upstream, edge.basis) for edge in world.edges("DERIVED_FROM")] == [(dataset("x"), "columnLineage")]


async def test_lineage_without_inputs_shows_no_columns_either(world: World) -> None:
    world.log.lineage(told(1, "COMPLETE", inputs=("x",), out={"lineage": explicit(), "columnLineage": by_column(a="x")}))
    await world.project()
    assert (world.assets(), world.columns()) == (set(), set())


async def test_columns_beside_lineage_come_from_what_it_names(world: World) -> None:
    world.log.lineage(told(1, "COMPLETE", out={"lineage": explicit("x"), "columnLineage": by_column(a="x", b="y")}))
    await world.project()
    assert (world.assets(), world.columns()) == ({("t", "x")}, {("t.a", "x.id")})


async def test_a_leap_second_is_the_next_second(world: World) -> None:
    world.log.lineage({**told(1, "COMPLETE"), "eventTime": "2016-12-31T23:59:60.25Z"})
    await world.project()
    assert world.facts(RUN)["endedAt"] == "2017-01-01T00:00:00.250000Z"


@pytest.mark.parametrize("kind", ["STREAMING", "SERVICE", "service"])
async def test_a_job_that_never_ends_counts_while_it_runs(world: World, kind: str) -> None:
    world.log.lineage(told(1, "RUNNING", inputs=("x",), out={}, jobType={"processingType": kind, "integration": "FLINK"}))
    await world.project()
    assert world.facts(TARGET)["currentVersion"] == format_urn("dataset-version", "db", "t", f"run:{uid('r')}")


TWICE = [ds("t", schema=columns("a", "b"), columnLineage=by_column(a="x"), documentation={"description": "what it is"}),
         {**ds("t", columnLineage=by_column(b="y"), ownership={"owners": [{"name": "o"}]}), "outputFacets": {"outputStatistics": {"rowCount": 3}}}, ds("t")]


@pytest.mark.parametrize("kind", ["run", "job"])
@pytest.mark.parametrize("turn", [1, -1])
async def test_a_dataset_that_an_event_names_more_than_once_is_all_that_is_said(world: World, kind: str, turn: int) -> None:
    event = run_event("a", "r", inputs=["x", "y", "z"], outputs=TWICE[::turn])
    if kind == "job":
        event = {key: value for key, value in event.items() if key not in ("run", "eventType")}
    world.log.lineage(event)
    await world.project()
    facts = world.facts(TARGET)
    assert (facts["description"], facts["owners"], facts["schema"]) == ("what it is", [{"name": "o"}], columns("a", "b")["fields"])
    assert (world.assets(), world.columns()) == ({("t", "x"), ("t", "y")}, {("t.a", "x.id"), ("t.b", "y.id")})
    assert (world.facts(RUN)["outputFacets"][TARGET] if kind == "run" else {"outputStatistics": facts["facet:outputStatistics"]}) \
        == {"outputStatistics": {"rowCount": 3}}


async def test_an_input_named_twice_keeps_what_both_say(world: World) -> None:
    parts = [{**ds("x"), "inputFacets": {"inputStatistics": {"rowCount": 3}}}, {**ds("x"), "inputFacets": {"subset": {"inputCondition": {}}}}]
    world.log.lineage(run_event("a", "r", inputs=parts, outputs=["t"]))
    await world.project()
    assert world.facts(RUN)["inputFacets"] == {dataset("x"): {"inputStatistics": {"rowCount": 3}, "subset": {"inputCondition": {}}}}


async def test_a_dataset_that_is_made_again_has_its_other_names_again(world: World) -> None:
    linked = {"identifiers": [{"namespace": "db", "name": "link", "type": "TABLE"}]}
    for minutes, source in ((1, "x"), (3, "y")):
        world.log.lineage(run_event(f"make from {source}", source, minutes=minutes, inputs=[source], outputs=[ds("t", symlinks=linked)]))
        if source == "x":
            dropped = ds("t", symlinks=linked, lifecycleStateChange={"lifecycleStateChange": "DROP"})
            world.log.lineage(run_event("drop", "d", minutes=2, outputs=[dropped]))
            await world.project()
            assert world.assets() == set()
    await world.project()
    assert world.assets() == {("t", "y"), ("t", "link"), ("link", "t")}


# -- the life of a dataset, told by several runs

LINKED: Event = {"identifiers": [{"namespace": "db", "name": "link", "type": "TABLE"}]}


def lives(name: str, minutes: float, state: str, **more: Any) -> Event:
    """An event of a job of its own that changes the life of `name`."""
    return run_event(f"{state} {name} {minutes}", f"{state} {name} {minutes}", minutes=minutes,
                     outputs=[ds(name, lifecycleStateChange={"lifecycleStateChange": state, **more})])


def renamed(old: str, new: str, minutes: float) -> Event:
    return lives(new, minutes, "RENAME", previousIdentifier={"namespace": "db", "name": old})


def made(minutes: float, source: str = "x", name: str = "t", job: str = "a", code: str | None = None, **facets: Any) -> Event:
    return run_event(job, f"{job} {minutes}", minutes=minutes, inputs=[source], code=code,
                     outputs=[ds(name, schema=columns("a"), columnLineage=by_column(a=source), **facets)])


LIVES: dict[str, tuple[list[Event], set[tuple[str, str]], dict[str, str]]] = {
    "dropped": ([made(1, symlinks=LINKED), lives("t", 2, "DROP")], set(), {"t": "dropped"}),
    "dropped and made again": ([made(1, symlinks=LINKED), lives("t", 2, "DROP"), made(3, "y", symlinks=LINKED)],
                               {("t", "y"), ("t", "link"), ("link", "t")}, {"t": "exists"}),
    "dropped twice": ([made(1), lives("t", 2, "DROP"), made(3, "y", job="b"), lives("t", 4, "DROP")], set(), {"t": "dropped"}),
    "made from the same again": ([made(1), made(2, "y"), lives("t", 3, "DROP"), made(4)], {("t", "x")}, {"t": "exists"}),
    "made by newer code after its end": ([made(1, code="v1"), lives("t", 2, "DROP"), made(3, "y", code="v2")], {("t", "y")}, {"t": "exists"}),
    "about to be dropped by a run that fails": (
        [made(1), run_event("d", "d", state="START", minutes=2, outputs=[ds("t", lifecycleStateChange={"lifecycleStateChange": "DROP"})]),
         run_event("d", "d", state="FAIL", minutes=3, outputs=[ds("t", lifecycleStateChange={"lifecycleStateChange": "DROP"})])],
        {("t", "x")}, {"t": "exists"}),
    "told by the start of the run that drops": (
        [made(1), run_event("d", "d", state="START", minutes=2, outputs=[ds("t", lifecycleStateChange={"lifecycleStateChange": "DROP"})]),
         run_event("d", "d", minutes=4), made(3, "y", job="b")], {("t", "y")}, {"t": "exists"}),
    "told at both ends of the run that drops": (
        [made(1), run_event("d", "d", state="START", minutes=2, outputs=[ds("t", lifecycleStateChange={"lifecycleStateChange": "DROP"})]),
         run_event("d", "d", minutes=3, outputs=[ds("t", lifecycleStateChange={"lifecycleStateChange": "DROP"})])], set(), {"t": "dropped"}),
    "dropped and made again by one run": (
        [made(1), run_event("b", "b", state="START", minutes=2, outputs=[ds("t", lifecycleStateChange={"lifecycleStateChange": "DROP"})]),
         run_event("b", "b", minutes=3, inputs=["y"], outputs=[ds("t", lifecycleStateChange={"lifecycleStateChange": "CREATE"})])],
        {("t", "y")}, {"t": "exists"}),
    "emptied and filled again": ([made(1), lives("t", 2, "TRUNCATE"), made(3, "y"), lives("t", 4, "OVERWRITE")], {("t", "x"), ("t", "y")}, {"t": "exists"}),
    "a source that is dropped": ([made(1, "x"), made(2, "t", "u", "b"), lives("x", 3, "DROP")], {("u", "t")}, {"t": "exists", "x": "dropped"}),
    "renamed": ([made(1, symlinks=LINKED), renamed("t", "t2", 2)], {("t2", "x"), ("t2", "link"), ("link", "t2")}, {"t": "dropped", "t2": "exists"}),
    "renamed twice": ([made(1), renamed("t", "t2", 2), renamed("t2", "t3", 3)], {("t3", "x")}, {"t": "dropped", "t2": "dropped", "t3": "exists"}),
    "renamed and made again": ([made(1), renamed("t", "t2", 2), made(3, "y")], {("t2", "x"), ("t", "y")}, {"t": "exists", "t2": "exists"}),
    "renamed, and newer code writes the new name": (
        [made(1, code="v1"), renamed("t", "t2", 2), made(3, "y", "t2", code="v2")], {("t2", "y")}, {"t": "dropped", "t2": "exists"}),
    "two that change places": (
        [made(1), made(2, "y", "new", "b"), renamed("t", "old", 3), renamed("new", "t", 4)], {("old", "x"), ("t", "y")},
        {"t": "exists", "old": "exists", "new": "dropped"}),
    "a source that is renamed": ([made(1), renamed("x", "x2", 2)], {("t", "x2")}, {"t": "exists", "x": "dropped", "x2": "exists"}),
    "renamed to what was made of it": ([made(1), made(2, "t", "u", "b"), renamed("t", "u", 3)], {("u", "x")}, {"t": "dropped", "u": "exists"}),
    "renamed and then dropped": ([made(1), renamed("t", "t2", 2), lives("t2", 3, "DROP")], set(), {"t": "dropped", "t2": "dropped"}),
    "a view that is declared and dropped": ([declared(1, columnLineage=by_column(a="x")), lives("t", 2, "DROP")], set(), {"t": "dropped"}),
    "a view that is dropped and declared": ([declared(3, columnLineage=by_column(a="x")), lives("t", 2, "DROP")], {("t", "x")}, {"t": "exists"}),
}


@pytest.mark.parametrize("name", LIVES)
async def test_the_life_of_a_dataset_goes_by_what_is_claimed_and_not_by_what_comes_first(name: str) -> None:
    events, assets, existence = LIVES[name]
    for order in itertools.permutations(range(len(events))):
        world = await told_in(order, events)
        assert world.assets() == assets, order
        assert {urn: world.facts(dataset(urn)).get("existence") for urn in existence} == existence, order
        assert {(below.partition(".")[0], above.partition(".")[0]) for below, above in world.columns()} <= assets, order


async def told_in(order: Iterable[int], events: Sequence[Event]) -> World:
    world = World()
    for place in order:
        world.log.lineage(events[place])
    await world.project()
    return world


def lived(world: World) -> str:
    """What the life of datasets decides: edges, and what is known of each one's end."""
    edges = {(edge.downstream, edge.upstream, edge.basis, edge.subtype, edge.via) for family in ("DERIVED_FROM", "COLUMN_DERIVED_FROM")
             for edge in world.edges(family)}
    facts = [(urn, fact, value) for urn in world.graph.nodes for fact, value in world.facts(urn).items() if fact in ("existence", "lifecycle", "ended")]
    return json.dumps([sorted(edges, key=str), sorted(facts, key=str)], indent=1)


def life(seed: int) -> list[Event]:
    """Five things that happen to three datasets; a name that was given away or up is so no second time."""
    choose, events, ended = random.Random(seed), list[Event](), set[str]()
    for minutes in range(1, 6):
        name = choose.choice([each for each in ("t", "u", "v") if each not in ended] or ["w"])
        match choose.choice(["make", "make", "change", "drop", "rename"]):
            case "drop":
                events.append(lives(name, minutes, "DROP"))
                ended.add(name)
            case "rename":
                events.append(renamed(name, f"{name}{minutes}", minutes))
                ended.add(name)
            case "change":
                events.append(lives(choose.choice("tuv"), minutes, choose.choice(["TRUNCATE", "OVERWRITE", "ALTER", "CREATE"])))
            case _:
                events.append(made(minutes, choose.choice("xy"), choose.choice("tuv"), *choose.choice([("a", "v1"), ("b", None)]), symlinks=LINKED))
    return events


@pytest.mark.parametrize("seed", range(16))
async def test_lives_in_any_order_end_as_they_do_in_order(seed: int) -> None:
    events = life(seed)
    expected = lived(await told_in(range(5), events))
    for order in random.Random(seed).sample(list(itertools.permutations(range(5))), 30):
        assert lived(await told_in(order, events)) == expected, order


async def test_what_was_known_before_the_end_was_told_stays_as_it_was_known(world: World) -> None:
    """Claimed times order what is said; positions are ordered by entries."""
    world.log.lineage(made(3, "y", job="b"))
    world.log.lineage(made(1))
    before = world.log.size()
    world.log.lineage(lives("t", 2, "DROP"))
    await world.project()
    assert world.assets() == {("t", "y")}
    assert world.assets(at=before) == {("t", "x"), ("t", "y")}
    assert world.facts(TARGET)["existence"] == "exists"
    assert world.facts(TARGET)["ended"] == [{"at": "2026-01-01T00:02:00.000000Z"}]


async def test_an_edge_that_was_said_again_before_an_end_is_told_late_stays(world: World) -> None:
    """The usual run says what its set has taken in; that it did, only the counters of the set know."""
    for minutes in (1, 5, 9):
        world.log.lineage(made(minutes))
    await world.project()
    opened = len(world.graph.edges)
    world.log.lineage(lives("t", 4, "DROP"))
    await world.project()
    assert (world.assets(), len(world.graph.edges)) == ({("t", "x")}, opened)
    world.log.lineage(lives("t", 10, "DROP"))
    await world.project()
    assert world.assets() == set()


async def test_the_columns_of_a_renamed_dataset_are_entities(world: World) -> None:
    for event in (renamed("t", "t2", 2), made(1, ownership={"owners": [{"name": "ana"}]})):
        world.log.lineage(event)
    await world.project()
    assert world.facts(format_urn("column", "db", "t2", "a")) == {"dataType": "INT", "position": 1}
    assert world.facts(dataset("t2"))["owners"] == [{"name": "ana"}]
    assert ("t2", "principal:ana") in world.links("OWNED_BY")


async def test_facts_of_a_dataset_that_was_made_again_are_not_those_of_before_its_end(world: World) -> None:
    for event in (made(3, documentation={"description": "new"}), lives("t", 2, "DROP"), made(1, job="b", documentation={"description": "old"})):
        world.log.lineage(event)
    await world.project()
    assert world.facts(TARGET)["description"] == "new"


async def test_an_older_word_of_another_run_on_a_dataset_or_job_does_not_undo_a_newer_one(world: World) -> None:
    told_later: Event = {"ownership": {"owners": [{"name": "new"}]}, "tags": {"tags": [{"key": "new"}]}}
    told_first: Event = {"ownership": {"owners": [{"name": "old"}]}, "tags": {"tags": [{"key": "old"}]}, "documentation": {"description": "only here"}}
    world.log.lineage(run_event("b", "r2", minutes=5, outputs=[ds("t", schema=columns("a", "b"), **told_later)]))
    world.log.lineage(run_event("a", "r1", minutes=1, outputs=[ds("t", schema=columns("a"), **told_first)]))
    world.log.lineage(run_event("b", "r3", minutes=3, outputs=["u"], documentation={"description": "new"}))
    world.log.lineage(run_event("b", "r4", minutes=2, outputs=["v"], documentation={"description": "old"}))
    await world.project()
    facts = world.facts(TARGET)
    assert ([column["name"] for column in facts["schema"]], facts["tags"], facts["owners"]) == (["a", "b"], ["new"], [{"name": "new"}])
    assert facts["description"] == "only here"
    assert world.facts(format_urn("job", "jobs", "b"))["description"] == "new"


@pytest.mark.parametrize("inputs", [[], ["t"]])
async def test_a_run_that_renames_makes_the_dataset_from_no_other(world: World, inputs: list[str]) -> None:
    facet = {"lifecycleStateChange": "RENAME", "previousIdentifier": {"namespace": "db", "name": "t"}}
    world.log.lineage(made(1))
    for minutes, state in ((2, "START"), (3, "COMPLETE")):
        world.log.lineage(run_event("m", "m", minutes=minutes, state=state, inputs=inputs, outputs=[ds("t2", lifecycleStateChange=facet)]))
    await world.project()
    assert world.assets() == {("t2", "x")}


async def test_a_name_that_was_free_takes_on_what_is_known_of_what_gets_it(world: World) -> None:
    world.log.lineage(made(1, documentation={"description": "gone"}))
    world.log.lineage(run_event("b", "b", minutes=2, inputs=["y"], outputs=[ds("t_new", schema=columns("b"), symlinks=LINKED)]))
    world.log.lineage(lives("t", 3, "DROP"))
    world.log.lineage(renamed("t_new", "t", 4))
    await world.project()
    facts = world.facts(TARGET)
    assert [column["name"] for column in facts["schema"]] == ["b"]
    assert facts.get("description") is None
    assert world.facts(format_urn("column", "db", "t", "a"))["existence"] == "dropped"
    assert world.assets() == {("t", "y"), ("t", "link"), ("link", "t")}
    again = {"identifiers": [{"namespace": "db", "name": "other", "type": "TABLE"}]}
    world.log.lineage(run_event("b", "b2", minutes=5, inputs=["y"], outputs=[ds("t", symlinks=again)]))
    await world.project()
    assert world.assets() == {("t", "y"), ("t", "other"), ("other", "t")}


async def test_what_is_renamed_with_another_name_of_its_own_has_that_one_alone(world: World) -> None:
    own = {"identifiers": [{"namespace": "db", "name": "own", "type": "TABLE"}]}
    world.log.lineage(made(1, symlinks=LINKED))
    world.log.lineage(run_event("m", "m", minutes=2, outputs=[ds("t2", symlinks=own, lifecycleStateChange={
        "lifecycleStateChange": "RENAME", "previousIdentifier": {"namespace": "db", "name": "t"}})]))
    await world.project()
    assert world.assets() == {("t2", "x"), ("t2", "own"), ("own", "t2")}
