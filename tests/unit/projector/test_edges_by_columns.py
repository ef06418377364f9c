"""What a producer says of all columns of an output holds for the columns that the output has, whenever and by whomever these are told."""
from __future__ import annotations

import itertools
from typing import Any

import pytest

from metadata_service.graph.ops import COLUMN_DERIVED_FROM, DERIVED_FROM
from tests.unit.projector.recorded import columns, ds, run_event
from tests.unit.projector.test_openlineage_disorder import declared, explicit, told
from tests.unit.projector.world import World

pytestmark = pytest.mark.anyio

Event = dict[str, Any]


def for_all(*sources: tuple[str, str], **fields: tuple[str, str]) -> Event:
    """A columnLineage facet: dataset and field that every column depends on, and column -> dataset and field."""
    return {"fields": {column: {"inputFields": [{"namespace": "db", "name": name, "field": field}]} for column, (name, field) in fields.items()},
            "dataset": [{"namespace": "db", "name": name, "field": field} for name, field in sources]}


STORIES: dict[str, tuple[list[Event], set[tuple[str, str]]]] = {
    "columns told by the same run, before or after": (
        [told(1, "START", out={"columnLineage": for_all(("x", "k"), a=("y", "b"))}), told(2, "COMPLETE", out={"schema": columns("a", "c")})],
        {("t.a", "y.b"), ("t.a", "x.k"), ("t.c", "x.k")}),
    "columns told by a declaration of the dataset": (
        [told(1, "COMPLETE", out={"columnLineage": for_all(("x", "k"))}), declared(2, schema=columns("a", "b"))],
        {("t.a", "x.k"), ("t.b", "x.k")}),
    "columns told by who reads the dataset": (
        [told(1, "COMPLETE", out={"columnLineage": for_all(("x", "k"))}), run_event("reader", "r2", inputs=[ds("t", schema=columns("a", "b"))], minutes=2)],
        {("t.a", "x.k"), ("t.b", "x.k")}),
    "a declared view": (
        [declared(1, columnLineage=for_all(("x", "k"), v=("y", "b"))), declared(2, schema=columns("c"))],
        {("t.v", "y.b"), ("t.c", "x.k")}),
    "other columns later": (
        [told(1, "START", out={"schema": columns("a", "b")}), told(2, "RUNNING", out={"columnLineage": for_all(("x", "k"))}),
         told(3, "COMPLETE", out={"schema": columns("b", "c")})],
        {("t.b", "x.k"), ("t.c", "x.k")}),
    "nested columns": (
        [told(1, "START", out={"columnLineage": for_all(("x", "k"))}),
         told(2, "COMPLETE", out={"schema": {"fields": [{"name": "s", "fields": [{"name": "in"}]}]}})],
        {("t.s", "x.k"), ("t.s.in", "x.k")}),
    "lineage whose inputs name a field": (
        [told(1, "START", out={"lineage": {"inputs": [{**explicit("x")["inputs"][0], "field": "k"}]}}), told(2, "COMPLETE", out={"schema": columns("a")})],
        {("t.a", "x.k")}),
    "said of one column and of all": (
        [told(1, "START", out={"columnLineage": {"fields": {"a": {"inputFields": [{"namespace": "db", "name": "x", "field": "k", "transformations": [
            {"type": "INDIRECT", "description": "own"}]}]}}}}), told(2, "RUNNING", out={"columnLineage": for_all(("x", "k"))}),
         told(3, "COMPLETE", out={"schema": columns("a", "b")})],
        {("t.a", "x.k"), ("t.b", "x.k")}),
}


@pytest.mark.parametrize("name", STORIES)
async def test_every_order_covers_the_same_columns(name: str) -> None:
    events, expected = STORIES[name]
    found = {}
    for order in itertools.permutations(range(len(events))):
        world = World()
        for place in order:
            world.log.lineage(events[place], signer="producer")
        await world.project()
        assert world.columns() == expected, order
        named = {end for edge in world.edges(COLUMN_DERIVED_FROM) for end in (edge.downstream, edge.upstream)}
        assert not [urn for urn in named if urn not in world.graph.nodes]
        found[order] = sorted(str((edge.downstream, edge.upstream, edge.basis, edge.type, edge.expression, edge.status))
                              for family in (DERIVED_FROM, COLUMN_DERIVED_FROM) for edge in world.edges(family))
    assert all(edges == found[tuple(range(len(events)))] for edges in found.values()), found


async def test_without_a_schema_the_named_columns_are_all_columns(world: World) -> None:
    world.log.lineage(told(1, "COMPLETE", out={"columnLineage": for_all(("x", "k"), a=("y", "b"))}))
    await world.project()
    assert world.columns() == {("t.a", "y.b"), ("t.a", "x.k")}
    seen = world.log.size()
    world.log.lineage(declared(2, schema=columns("c")))
    await world.project()
    assert world.columns() == {("t.a", "y.b"), ("t.c", "x.k")}
    assert world.columns(seen) == {("t.a", "y.b"), ("t.a", "x.k")}


async def test_a_schema_that_comes_later_tells_whether_all_columns_were_explained(world: World) -> None:
    world.log.lineage(told(1, "COMPLETE", out={"columnLineage": for_all(a=("y", "b"))}))
    await world.project()
    assert [edge.status for edge in world.edges(DERIVED_FROM)] == [None]
    world.log.lineage(declared(2, schema=columns("a", "c")))
    await world.project()
    assert [edge.status for edge in world.edges(DERIVED_FROM)] == ["partial"]
    world.log.lineage(declared(3, schema=columns("a")))
    await world.project()
    assert [edge.status for edge in world.edges(DERIVED_FROM)] == [None]


async def test_a_schema_does_not_bring_back_what_has_ended(world: World) -> None:
    world.log.lineage(told(1, "COMPLETE", out={"schema": columns("a"), "columnLineage": for_all(("x", "k"), ("y", "k"))}))
    world.log.lineage(run_event("drop", "d", outputs=[ds("x", lifecycleStateChange={"lifecycleStateChange": "DROP"})], minutes=2))
    world.log.lineage(declared(3, schema=columns("a", "b")))
    await world.project()
    assert world.columns() == {("t.a", "y.k"), ("t.b", "y.k")}
    world.log.lineage(told(4, "OTHER", out={"columnLineage": {"_deleted": True}}))
    world.log.lineage(declared(5, schema=columns("c")))
    await world.project()
    assert world.columns() == set()


async def test_what_holds_for_all_columns_moves_with_the_dataset(world: World) -> None:
    world.log.lineage(told(1, "COMPLETE", out={"schema": columns("a"), "columnLineage": for_all(("x", "k"))}))
    renamed = {"lifecycleStateChange": "RENAME", "previousIdentifier": {"namespace": "db", "name": "t"}}
    world.log.lineage(run_event("rename", "n", outputs=[ds("t2", lifecycleStateChange=renamed)], minutes=2))
    await world.project()
    assert world.columns() == {("t2.a", "x.k")}
    world.log.lineage({**declared(3), "dataset": ds("t2", schema=columns("a", "b"))})
    await world.project()
    assert world.columns() == {("t2.a", "x.k"), ("t2.b", "x.k")}


async def test_taking_an_entry_back_takes_back_what_followed_from_it(world: World) -> None:
    index = world.log.lineage(told(1, "COMPLETE", out={"columnLineage": for_all(("x", "k"))}))
    world.log.lineage(declared(2, schema=columns("a")))
    await world.project()
    assert world.columns() == {("t.a", "x.k")}
    world.log.cloud("lineproof.tombstone.v1", {"entry": index, "reason": "wrong"})
    await world.project()
    assert world.columns() == set()


async def test_a_repeated_run_says_nothing_new(world: World) -> None:
    for number in range(3):
        facets: Event = {"schema": columns("a", "b"), "columnLineage": for_all(("x", "k"))}
        world.log.lineage(run_event("a", f"r{number}", outputs=[ds("t", **facets)], minutes=number))
    await world.project()
    assert world.columns() == {("t.a", "x.k"), ("t.b", "x.k")}
    assert len({edge.from_ for edge in world.graph.edges.values()}) == 1
