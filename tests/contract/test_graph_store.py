"""The GraphStore contract, held by every adapter: SQLite, PostgreSQL, Neo4j."""
from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from lineproof_schema.urn import format_urn
from metadata_service.graph import reference
from metadata_service.graph.errors import DanglingReference, GraphUnavailable, ProjectionConflict, WalkTooLarge
from metadata_service.graph.open import open_graph
from metadata_service.graph.ops import OPEN, CloseEdge, Edge, EntryRecord, Family, GraphOp, Link, OpenEdge, PutState, Revise, SetStat, Touch, UpsertNode
from metadata_service.graph.port import Claim, Claims, Direction, GraphStore, Limits, NodeRow, Reach, RevisionRow, Walk
from metadata_service.graph.rows import EMPTY_ROOT
from tests.contract.graph_world import TENANT, Feeder, Model, column, dataset, edge, random_history, record, root_of

pytestmark = pytest.mark.anyio

A, B, C, D, E, F = (dataset(name) for name in "abcdef")
ASSETS: tuple[Family, ...] = ("DERIVED_FROM",)
BOTH: tuple[Family, ...] = ("DERIVED_FROM", "COLUMN_DERIVED_FROM")
ENOUGH = Limits()
WAYS: tuple[Direction, Direction] = ("UPSTREAM", "DOWNSTREAM")


@pytest.fixture(params=["sqlite", "postgresql", "neo4j"])
def graph_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where each adapter's graph lies."""
    match request.param:
        case "sqlite":
            return f"sqlite:///{tmp_path / 'graph.db'}"
        case "postgresql":
            return str(request.getfixturevalue("postgres_database"))
        case _:
            return str(request.getfixturevalue("neo4j_server").url)


@pytest.fixture
async def graph(graph_url: str) -> AsyncIterator[GraphStore]:
    """An empty graph."""
    store = open_graph(graph_url)
    await store.setup()
    await store.wipe()
    yield store
    await store.close()


@pytest.fixture
def feeder(graph: GraphStore) -> Feeder:
    """Plays batches into the graph."""
    return Feeder(graph)


def urns(reach: Reach) -> list[tuple[str, int]]:
    return [(node.urn, node.distance) for node in reach.nodes]


# --- position, idempotence, conflict ---------------------------------------------------------------------------------------------------------------


async def test_an_empty_graph_stands_at_the_empty_tree(graph: GraphStore) -> None:
    position = await graph.position()
    assert (position.size, position.root, position.digest) == (0, EMPTY_ROOT, "0" * 64)
    assert await graph.digest() == "0" * 64


async def test_setup_twice_keeps_everything(feeder: Feeder) -> None:
    await feeder.nodes(A)
    await feeder.store.setup()
    assert (await feeder.store.position()).size == 1
    assert list(await feeder.store.get([A])) == [A]


async def test_a_batch_moves_the_position_with_it(feeder: Feeder) -> None:
    await feeder.feed(UpsertNode(A, TENANT, 1), entries=3)
    position = await feeder.store.position()
    assert (position.size, position.root, position.digest) == (3, root_of(3), feeder.model.digest())


async def test_a_batch_for_another_size_is_refused_and_leaves_nothing(feeder: Feeder) -> None:
    await feeder.nodes(A)
    before = await feeder.store.position()
    with pytest.raises(ProjectionConflict) as caught:
        await feeder.store.apply([UpsertNode(B, TENANT, 1)], expected_size=0, size=1, root="00", digest_delta=5)
    assert caught.value.extra["size"] == 1
    assert await feeder.store.position() == before
    assert await feeder.store.get([B]) == {}


async def test_the_same_operations_again_change_nothing(feeder: Feeder) -> None:
    ops: list[GraphOp] = [
        UpsertNode(A, TENANT, 1), UpsertNode(B, TENANT, 1), OpenEdge(edge(A, B, 1)), Revise(A, "owners", ["x"], 1), Link("SAME_AS", A, B, 1, {"n": 1}),
        SetStat("set", 5, 1), Touch(A, 0), record(0), PutState("k", {"v": 1})]
    await feeder.feed(*ops)
    more: list[GraphOp] = [CloseEdge(edge(A, B, 1), 2), Revise(A, "owners", ["y"], 2, ["x"], 1), OpenEdge(edge(B, A, 2))]
    await feeder.feed(*more)
    counts, position = await feeder.store.counts(), await feeder.store.position()
    await feeder.repeat(*ops, *more)
    await feeder.repeat(*more, *more)
    await feeder.repeat(*ops)
    assert await feeder.store.counts() == counts
    assert await feeder.store.position() == position
    assert await feeder.store.digest() == position.digest == feeder.model.digest()


async def test_what_does_not_exist_cannot_be_referred_to(feeder: Feeder) -> None:
    await feeder.nodes(A)
    for op in (OpenEdge(edge(A, B, 2)), Link("SAME_AS", B, A, 2), Revise(B, "owners", [], 2)):
        with pytest.raises(DanglingReference, match="warehouse:b"):
            await feeder.feed(op)
    assert (await feeder.store.position()).size == 1
    await feeder.feed(OpenEdge(edge(A, B, 2)), UpsertNode(B, TENANT, 2))  # the order inside a batch does not matter
    assert (await feeder.store.counts())["edges"] == 1


async def test_wiping_leaves_an_empty_graph_that_can_be_filled_again(feeder: Feeder) -> None:
    await feeder.chain((A, B), (B, C))
    await feeder.feed(record(1), Touch(A, 1), PutState("k", 1), SetStat("set", 1, 1), Revise(A, "owners", 1, 2), Link("SAME_AS", A, B, 2))
    await feeder.store.wipe()
    assert (await feeder.store.position()).size == 0
    assert set((await feeder.store.counts()).values()) == {0}
    assert await feeder.store.digest() == "0" * 64
    loaded = await feeder.store.load([A], ["k"])
    assert (loaded.nodes, loaded.states) == ({}, {})
    assert await feeder.store.touches([A], 0, 10) == []
    again = Feeder(feeder.store)
    await again.chain((A, C))
    assert await feeder.store.digest() == again.model.digest()


async def test_counts_by_kind(feeder: Feeder) -> None:
    await feeder.chain((A, B), (B, C))
    await feeder.feed(CloseEdge(edge(A, B, 1), 2), record(1), Touch(D, 1), Revise(A, "owners", 1, 2), Link("SAME_AS", A, B, 2), Link("VERSION_OF", A, B, 2))
    assert await feeder.store.counts() == {"nodes": 3, "edges": 1, "past_edges": 1, "revisions": 1, "links": 2, "entries": 1}


# --- nodes, facts, states --------------------------------------------------------------------------------------------------------------------------


async def test_a_node_exists_from_its_first_upsert_on(feeder: Feeder) -> None:
    await feeder.nodes(A)
    await feeder.nodes(B)
    assert await feeder.store.get([A, B], at=0) == {}
    assert list(await feeder.store.get([B, A], at=1)) == [A]
    row = (await feeder.store.get([A, C]))[A]
    assert (row.urn, row.kind, row.namespace, row.name, row.tenant, row.from_) == (A, "dataset", "warehouse", "a", TENANT, 1)
    await feeder.repeat(UpsertNode(A, "another", 2))
    assert (await feeder.store.get([A]))[A] == row


async def test_names_come_back_as_they_were_sent(feeder: Feeder) -> None:
    names = ["räum:lich/% ", "with\x00nul", "\ue000\ue001", "😀", 'quote"\\']
    nodes = [dataset(name, "näme\x00space") for name in names]
    await feeder.nodes(*nodes)
    rows = await feeder.store.get(nodes)
    assert [(rows[urn].name, rows[urn].namespace) for urn in nodes] == [(name, "näme\x00space") for name in names]


async def test_facts_are_those_visible_at_the_position(feeder: Feeder) -> None:
    await feeder.feed(UpsertNode(A, TENANT, 1), Revise(A, "owners", ["ann"], 1), Revise(A, "schema", {"fields": [{"name": "x", "n": 1.5}]}, 1))
    await feeder.feed(Revise(A, "owners", ["bob"], 2, ["ann"], 1))
    await feeder.feed(Revise(A, "owners", None, 3, ["bob"], 2))
    await feeder.feed(Revise(A, "owners", ["eve"], 4))
    seen = [(await feeder.store.get([A], at))[A] for at in (1, 2, 3, 4, None)]
    assert [row.facts.get("owners") for row in seen] == [["ann"], ["bob"], None, ["eve"], ["eve"]]
    assert [row.since.get("owners") for row in seen] == [1, 2, None, 4, 4]
    assert all(row.facts["schema"] == {"fields": [{"name": "x", "n": 1.5}]} for row in seen)
    assert await feeder.store.digest() == feeder.model.digest()


async def test_revisions_are_listed_as_they_stood(feeder: Feeder) -> None:
    await feeder.feed(UpsertNode(A, TENANT, 1), Revise(A, "owners", ["ann"], 1), Revise(A, "description", "d", 1))
    await feeder.feed(Revise(A, "owners", ["bob"], 2, ["ann"], 1))
    assert await feeder.store.revisions(A) == [RevisionRow(A, "description", "d", 1, OPEN), RevisionRow(A, "owners", ["ann"], 1, 2),
                                               RevisionRow(A, "owners", ["bob"], 2, OPEN)]
    assert await feeder.store.revisions(A, at=1) == [RevisionRow(A, "description", "d", 1, OPEN), RevisionRow(A, "owners", ["ann"], 1, OPEN)]
    assert await feeder.store.revisions(A, at=0) == []
    assert await feeder.store.revisions(B) == []


async def test_a_fact_set_twice_by_one_entry_leaves_one_revision(feeder: Feeder) -> None:
    await feeder.feed(UpsertNode(A, TENANT, 1), Revise(A, "owners", 1, 1), Revise(A, "owners", 2, 1, 1, 1))
    assert [(row.value, row.from_) for row in await feeder.store.revisions(A)] == [(2, 1)]
    await feeder.feed(Revise(A, "owners", 3, 2, 2, 1))
    await feeder.feed(Revise(A, "owners", 4, 2, 3, 2))  # the same entry's second half, in another batch
    assert [(row.value, row.from_, row.to) for row in await feeder.store.revisions(A)] == [(2, 1, 2), (4, 2, OPEN)]
    assert await feeder.store.digest() == (await feeder.store.position()).digest == feeder.model.digest()


async def test_load_gives_nodes_and_states_and_leaves_out_unknown_ones(feeder: Feeder) -> None:
    await feeder.feed(UpsertNode(A, TENANT, 1), Revise(A, "owners", ["ann"], 1), PutState("keyring", {"keys": [1, None]}), PutState("gone", 1))
    await feeder.feed(PutState("gone", None), PutState("other", "x"))
    loaded = await feeder.store.load([A, B], ["keyring", "gone", "never", "other"])
    assert dict(loaded.states) == {"keyring": {"keys": [1, None]}, "other": "x"}
    assert list(loaded.nodes) == [A]
    assert loaded.nodes[A].facts == {"owners": ["ann"]}
    assert (await feeder.store.load([], [])).nodes == {}


async def test_a_glance_gives_position_nodes_and_states_at_once(feeder: Feeder) -> None:
    store = feeder.store
    nothing = await store.glance([A], ["keyring"])
    assert (nothing.position, dict(nothing.nodes), dict(nothing.states)) == (await store.position(), {}, {})
    await feeder.feed(UpsertNode(A, TENANT, 1), Revise(A, "owners", ["ann"], 1), PutState("keyring", {"keys": [1, None]}))
    await feeder.feed(UpsertNode(B, TENANT, 2), Revise(A, "owners", ["bob"], 2, ["ann"], 1), PutState("other", "x"))
    for at in (None, 2, 1, 0):
        found = await store.glance([B, A, A, C], ["keyring", "never"], at)
        assert found.position == await store.position()
        assert found.nodes == await store.get([A, B, C], at)
        assert found.states == {"keyring": {"keys": [1, None]}}
    bare = await store.glance([], [])
    assert (bare.position.size, dict(bare.nodes), dict(bare.states)) == (2, {}, {})


@pytest.mark.parametrize("way", WAYS)
async def test_a_glance_brings_what_a_walk_reaches(feeder: Feeder, way: Direction) -> None:
    store = feeder.store
    await feeder.chain((A, B), (B, C), (C, D), (A, C))
    await feeder.feed(Revise(A, "owners", ["ann"], 2), CloseEdge(edge(A, C, 1), 2))
    for roots, depth, at in [((B,), None, None), ((B,), 0, None), ((A, D), 1, None), ((A, D), 1, 1), ((B,), None, 1), ((B,), None, 0), ((F,), None, None)]:
        found = await store.glance([A], ["keyring"], at, Walk(roots, way, depth, ASSETS, ENOUGH))
        assert (found.position, dict(found.nodes)) == (await store.position(), await store.get([A], at))
        assert found.reach is not None
        assert (found.reach, found.reach.size) == (await store.reachable(roots, way, depth, ASSETS, at, ENOUGH), found.position.size)
    for roots, families in ((tuple(dataset(f"n{n}") for n in range(20)), ASSETS), ((A,), ())):  # a store may leave these to a walk of their own
        found = await store.glance([A], [], None, Walk(roots, way, None, families, ENOUGH))
        assert list(found.nodes) == [A]
        assert found.reach in (None, await store.reachable(roots, way, None, families, None, ENOUGH))
    late = await store.glance([A], [], None, Walk((A,), way, None, ASSETS, Limits(seconds=-1.0)))
    assert (late.position, list(late.nodes)) == (await store.position(), [A])
    assert late.reach is not None
    assert late.reach.reasons == ("seconds",)


async def test_states_are_no_part_of_the_digest(feeder: Feeder) -> None:
    await feeder.feed(PutState("k", 1), SetStat("s", 1, 1), Touch(A, 0), record(0))
    assert await feeder.store.digest() == "0" * 64


# --- edges -----------------------------------------------------------------------------------------------------------------------------------------


async def test_an_edge_says_what_it_was_opened_with(feeder: Feeder) -> None:
    full = Edge("COLUMN_DERIVED_FROM", column("a", "x"), column("b", "y"), "set\x00id", "via", "transformation", "commit", "columnLineage", TENANT, 1, 0, OPEN,
                "DIRECT", "TRANSFORMATION", 'a + "ü"\x00', "models/a.sql", 12, 7, "sqlglot", "partial", "v1")
    bare = Edge("DERIVED_FROM", A, A, "s", None, None, None, "declared", TENANT, 1, 0)
    await feeder.feed(*(UpsertNode(urn, TENANT, 1) for urn in (full.downstream, full.upstream, A)), OpenEdge(full), OpenEdge(bare))
    for at in (None, 1):
        assert await feeder.store.neighbours([full.downstream, A], "UPSTREAM", BOTH, at, 10) == sorted([full, bare], key=lambda one: one.key)
        assert await feeder.store.neighbours([full.upstream], "DOWNSTREAM", BOTH, at, 10) == [full]
        assert await feeder.store.neighbours([full.upstream], "UPSTREAM", BOTH, at, 10) == []
        assert await feeder.store.neighbours([full.downstream, A], "UPSTREAM", ASSETS, at, 10) == [bare]


async def test_a_revert_opens_the_same_edge_again(feeder: Feeder) -> None:
    await feeder.chain((A, B))
    first = edge(A, B, 1)
    await feeder.feed(CloseEdge(first, 2), UpsertNode(C, TENANT, 2), OpenEdge(edge(A, C, 2)))
    again = edge(A, B, 3, commit="urn:lineproof:commit:r:3")
    assert again.key == first.key
    await feeder.feed(CloseEdge(edge(A, C, 2), 3), OpenEdge(again))
    seen = [[one.upstream for one in await feeder.store.neighbours([A], "UPSTREAM", ASSETS, at, 10)] for at in (0, 1, 2, 3, None)]
    assert seen == [[], [B], [C], [B], [B]]
    now = (await feeder.store.neighbours([A], "UPSTREAM", ASSETS, None, 10))[0]
    assert (now.from_, now.commit) == (3, "urn:lineproof:commit:r:3")
    assert (await feeder.store.neighbours([A], "UPSTREAM", ASSETS, 1, 10))[0].to == OPEN  # it was open then
    assert await feeder.store.digest() == feeder.model.digest()


async def test_a_revert_within_one_batch_is_the_same_as_in_three(feeder: Feeder) -> None:
    first, second, third = edge(A, B, 1), edge(A, C, 2), edge(A, B, 3)
    await feeder.feed(UpsertNode(A, TENANT, 1), UpsertNode(B, TENANT, 1), OpenEdge(first), UpsertNode(C, TENANT, 2), CloseEdge(first, 2), OpenEdge(second),
                      CloseEdge(second, 3), OpenEdge(third), entries=3)
    seen = [[one.upstream for one in await feeder.store.neighbours([A], "UPSTREAM", ASSETS, at, 10)] for at in (1, 2, 3, None)]
    assert seen == [[B], [C], [B], [B]]
    assert await feeder.store.counts() == {"nodes": 3, "edges": 1, "past_edges": 2, "revisions": 0, "links": 0, "entries": 0}
    assert await feeder.store.digest() == (await feeder.store.position()).digest == feeder.model.digest()


async def test_an_edge_opened_and_closed_by_one_entry_is_nowhere(feeder: Feeder) -> None:
    await feeder.nodes(A, B)
    await feeder.feed(OpenEdge(edge(A, B, 2)), CloseEdge(edge(A, B, 2), 2))
    await feeder.feed(OpenEdge(edge(A, B, 3)))
    await feeder.feed(CloseEdge(edge(A, B, 3), 3))
    assert (await feeder.store.counts())["edges"] == (await feeder.store.counts())["past_edges"] == 0
    assert await feeder.store.digest() == feeder.model.digest()


async def test_neighbours_are_counted_once_however_many_edges_there_are(feeder: Feeder) -> None:
    async def below(families: tuple[Family, ...] = ASSETS, at: int | None = None) -> list[int]:
        found = [await feeder.store.reachable([root], "UPSTREAM", 0, families, at, ENOUGH) for root in (A, B)]
        return [reach.nodes[0].hidden_downstream for reach in found]

    await feeder.nodes(A, B, C, D)
    first, second = edge(C, A, 2), edge(C, B, 2)
    await feeder.feed(OpenEdge(first), OpenEdge(second), OpenEdge(edge(D, B, 2)), OpenEdge(edge(A, A, 2)))
    assert await below() == [1, 2]  # a node that is made of itself does not hide itself
    await feeder.feed(CloseEdge(first, 3), OpenEdge(edge(C, A, 3, set_id="again")))
    assert await below() == await below(BOTH) == [1, 2]
    await feeder.feed(OpenEdge(edge(C, B, 4, set_id="other")), OpenEdge(edge(C, A, 4, family="COLUMN_DERIVED_FROM")))
    assert await below() == await below(BOTH) == [1, 2]
    await feeder.feed(CloseEdge(second, 5), OpenEdge(edge(B, B, 5)), OpenEdge(edge(B, B, 5, set_id="other")))
    assert await below() == await below(BOTH) == [1, 2]
    await feeder.feed(CloseEdge(edge(C, B, 4, set_id="other"), 6))
    assert await below() == await below(BOTH) == [1, 1]
    assert [await below(BOTH, at) for at in (2, 3, 4, 5, 6)] == [[1, 2], [1, 2], [1, 2], [1, 2], [1, 1]]


@pytest.mark.parametrize("entries_per_batch", [1, 3, 10])
async def test_readers_are_counted_at_every_position_in_whatever_order_edges_come_and_go(feeder: Feeder, entries_per_batch: int) -> None:
    """Short lives of many hubs: whoever counts edges for readers, or takes those of now for those of then, is wrong about one of them."""
    rng, hubs, readers, last = random.Random(7), [dataset(f"hub{n:02}") for n in range(64)], [dataset("one"), dataset("two")], 10
    history: list[list[GraphOp]] = [[] for _ in range(last + 1)]
    history[1] += [UpsertNode(urn, TENANT, 1) for urn in (*hubs, *readers)]
    edges: list[Edge] = []
    for hub in hubs:
        for reader, said in rng.sample([(reader, said) for reader in readers for said in ("once", "again")], rng.randint(1, 3)):
            start = 1
            for _ in range(rng.randint(1, 2)):  # one edge, or one that is opened again later
                start, end = sorted(rng.sample(range(start, last + 2), 2)) if start < last else (last, last + 1)
                family = rng.choice(BOTH) if hub in hubs[:8] else "DERIVED_FROM"
                edges.append(edge(reader, hub, start, set_id=said, family=family))
                history[start].append(OpenEdge(edges[-1]))
                if end <= last:
                    history[end].append(CloseEdge(edges[-1], end))
                    edges[-1] = replace(edges[-1], to=end)
                start = end
                if end >= last:
                    break
    for start_ in range(1, last + 1, entries_per_batch):
        group = history[start_:start_ + entries_per_batch]
        await feeder.feed(*(op for ops in group for op in sorted(ops, key=lambda op: isinstance(op, OpenEdge))), entries=len(group))
    for at in (*range(1, last + 1), None):
        for families in (ASSETS, BOTH):
            visible = [one for one in edges if one.family in families and one.from_ <= (at or last) < one.to]
            wanted = {hub: len({one.downstream for one in visible if one.upstream == hub}) for hub in hubs}
            counted = [await feeder.store.reachable(hubs[n:n + 8], "UPSTREAM", 0, families, at, ENOUGH) for n in range(0, len(hubs), 8)]
            assert {node.urn: node.hidden_downstream for reach in counted for node in reach.nodes} == wanted, at


async def test_claims_are_what_edges_say_besides_their_other_ends(feeder: Feeder) -> None:
    await feeder.nodes(A, B, C, column("a", "x"))
    first = edge(A, B, 2)
    other = replace(edge(A, C, 2, set_id="other", expression="x"), via=None, basis="declared", status="partial", subtype="SAME_AS")
    await feeder.feed(OpenEdge(first), OpenEdge(edge(A, C, 2)), OpenEdge(edge(A, C, 2, set_id="again")), OpenEdge(other),
                      OpenEdge(edge(column("a", "x"), B, 2, family="COLUMN_DERIVED_FROM")))
    await feeder.feed(CloseEdge(first, 3), CloseEdge(edge(A, C, 2), 3), CloseEdge(edge(A, C, 2, set_id="again"), 3))
    shown, declared = Claim(A, first.via, "lineage", None, None), Claim(A, None, "declared", "partial", "SAME_AS")
    for at, wanted in ((1, ()), (2, (declared, shown)), (3, (declared,)), (None, (declared,))):
        assert await feeder.store.claims([A, B, A, F, column("a", "x")], "UPSTREAM", at, 10) == Claims(wanted, 3)
    assert (await feeder.store.claims([C, B], "DOWNSTREAM", 2, 10)).rows == (
        replace(shown, urn=B), replace(declared, urn=C), replace(shown, urn=C))
    some = await feeder.store.claims([A, B, C], "DOWNSTREAM", 2, 1)
    assert (len(some.rows), some.cut) == (1, True)
    assert await feeder.store.claims([], "UPSTREAM", None, 10) == Claims((), 3)


async def test_the_history_of_edges_has_all_that_began_or_ended_in_a_window(feeder: Feeder) -> None:
    await feeder.chain((A, B))
    first, second = edge(A, B, 1), edge(A, C, 2)
    await feeder.feed(CloseEdge(first, 2), UpsertNode(C, TENANT, 2), OpenEdge(second))
    again = edge(A, B, 3)
    await feeder.feed(CloseEdge(second, 3), OpenEdge(again))

    async def history(start: int, end: int, *urns: str) -> list[tuple[str, int, int]]:
        found = await feeder.store.edge_history(urns or [A], BOTH, start, end, 10)
        assert [one.key for one in found] == sorted(one.key for one in found)
        return sorted((one.upstream, one.from_, one.to) for one in found)

    assert await history(0, 3) == [(B, 1, 2), (B, 3, OPEN), (C, 2, 3)]
    assert await history(1, 2) == [(B, 1, 2), (C, 2, OPEN)]  # as it stood at 2
    assert await history(2, 3) == [(B, 3, OPEN), (C, 2, 3)]
    assert await history(0, 1) == [(B, 1, OPEN)]
    assert await history(3, 3) == await history(0, 3, B) == []
    for far, wanted in ((B, [(A, 1, 2), (A, 3, OPEN)]), (C, [(A, 2, 3)]), (A, [])):
        downwards = await feeder.store.edge_history([far], BOTH, 0, 3, 10, "DOWNSTREAM")
        assert sorted((one.downstream, one.from_, one.to) for one in downwards) == wanted
    assert await feeder.store.edge_history([A], ("COLUMN_DERIVED_FROM",), 0, 3, 10) == []
    assert len(await feeder.store.edge_history([A, B], ASSETS, 0, 3, 2)) == 2
    assert await feeder.store.edge_history([], ASSETS, 0, 3, 2) == await feeder.store.edge_history([A], (), 0, 3, 2) == []


async def test_neighbours_come_by_key_and_stop_at_the_limit(feeder: Feeder) -> None:
    await feeder.chain((A, B), (A, C), (A, D), (B, D))
    everything = await feeder.store.neighbours([A, B, A], "UPSTREAM", ASSETS, None, 10)
    assert [one.key for one in everything] == sorted(one.key for one in everything)
    assert len(everything) == 4
    assert await feeder.store.neighbours([A, B], "UPSTREAM", ASSETS, None, 3) == everything[:3]
    assert await feeder.store.neighbours([], "UPSTREAM", ASSETS, None, 3) == []
    assert await feeder.store.neighbours([A], "UPSTREAM", (), None, 3) == []


# --- walks -----------------------------------------------------------------------------------------------------------------------------------------


async def test_depth_counts_hops(feeder: Feeder) -> None:
    await feeder.chain((A, B), (B, C), (C, D), (A, D))
    walks = [urns(await feeder.store.reachable([A], "UPSTREAM", depth, ASSETS, None, ENOUGH)) for depth in (0, 1, 2, None)]
    assert walks == [[(A, 0)], [(A, 0), (B, 1), (D, 1)], [(A, 0), (B, 1), (D, 1), (C, 2)], [(A, 0), (B, 1), (D, 1), (C, 2)]]


async def test_diamonds_cycles_and_self_loops_are_seen_once(feeder: Feeder) -> None:
    await feeder.chain((A, B), (A, C), (B, D), (C, D), (D, A), (D, D))
    reach = await feeder.store.reachable([A], "UPSTREAM", None, ASSETS, None, ENOUGH)
    assert urns(reach) == [(A, 0), (B, 1), (C, 1), (D, 2)]
    assert len(reach.edges) == 6
    assert (reach.truncated, reach.reasons) == (False, ())
    assert all((node.hidden_upstream, node.hidden_downstream) == (0, 0) for node in reach.nodes)


async def test_a_ladder_of_diamonds_is_no_explosion(feeder: Feeder) -> None:
    rungs = 30  # 2^30 paths
    pairs = [(dataset(f"r{n}{side}"), dataset(f"r{n + 1}{other}")) for n in range(rungs) for side in "xy" for other in "xy"]
    await feeder.chain(*pairs)
    for at in (None, feeder.size):
        reach = await feeder.store.reachable([dataset("r0x")], "UPSTREAM", None, ASSETS, at, ENOUGH)
        assert len(reach.nodes) == 1 + 2 * rungs
        assert (await feeder.store.paths(dataset("r0x"), dataset(f"r{rungs}y"), "UPSTREAM", ASSETS, at, ENOUGH))[0].edges[-1].upstream == dataset(f"r{rungs}y")


async def test_hidden_counts_are_distinct_neighbours_outside_the_answer(feeder: Feeder) -> None:
    await feeder.chain((A, B), (B, C), (B, D), (E, B), (F, B), (E, C))
    await feeder.feed(OpenEdge(edge(B, C, 2, set_id="second")), OpenEdge(edge(E, B, 2, set_id="second")))
    reach = await feeder.store.reachable([A], "UPSTREAM", 1, ASSETS, None, ENOUGH)
    assert {node.urn: (node.hidden_upstream, node.hidden_downstream) for node in reach.nodes} == {A: (0, 0), B: (2, 2)}


async def test_several_roots_count_from_the_nearest(feeder: Feeder) -> None:
    await feeder.chain((A, B), (B, C), (C, D), (E, D))
    reach = await feeder.store.reachable([E, A, A], "UPSTREAM", None, ASSETS, None, ENOUGH)
    assert urns(reach) == [(A, 0), (E, 0), (B, 1), (D, 1), (C, 2)]


async def test_many_roots_are_walked_like_few(feeder: Feeder) -> None:
    leaves = [dataset(f"leaf{n:02}") for n in range(30)]
    await feeder.chain(*((leaf, A) for leaf in leaves), (A, B))
    reach = await feeder.store.reachable(leaves, "UPSTREAM", None, ASSETS, None, ENOUGH)
    assert urns(reach) == [*((leaf, 0) for leaf in leaves), (A, 1), (B, 2)]
    assert len(reach.edges) == 31


async def test_a_walk_says_where_the_graph_stood(feeder: Feeder) -> None:
    await feeder.chain((A, B), (B, C))
    for size in (1, 2):
        assert (await feeder.store.reachable([A], "UPSTREAM", None, ASSETS, None, ENOUGH)).size == size == (await feeder.store.position()).size
        await feeder.chain((C, D))


async def test_unknown_roots_give_an_empty_answer(feeder: Feeder) -> None:
    await feeder.chain((A, B))
    for at in (None, 0, 1):
        empty = await feeder.store.reachable([dataset("nobody")], "UPSTREAM", None, BOTH, at, ENOUGH)
        assert (empty.nodes, empty.edges, empty.truncated) == ((), (), False)
    assert (await feeder.store.reachable([A], "UPSTREAM", None, ASSETS, 0, ENOUGH)).nodes == ()  # before it existed
    assert (await feeder.store.reachable([], "UPSTREAM", None, ASSETS, None, ENOUGH)).nodes == ()
    assert urns(await feeder.store.reachable([A, dataset("nobody")], "UPSTREAM", None, ASSETS, None, ENOUGH)) == [(A, 0), (B, 1)]


async def test_a_walk_without_families_stays_at_its_roots(feeder: Feeder) -> None:
    await feeder.chain((A, B))
    assert urns(await feeder.store.reachable([A], "UPSTREAM", None, (), None, ENOUGH)) == [(A, 0)]
    assert await feeder.store.paths(A, B, "UPSTREAM", (), None, ENOUGH) == []


async def test_families_are_walked_apart_or_together(feeder: Feeder) -> None:
    x, y = column("a", "x"), column("b", "y")
    await feeder.chain((A, B))
    await feeder.chain((x, y), (y, A), family="COLUMN_DERIVED_FROM")
    assert urns(await feeder.store.reachable([x], "UPSTREAM", None, ("COLUMN_DERIVED_FROM",), None, ENOUGH)) == [(x, 0), (y, 1), (A, 2)]
    assert urns(await feeder.store.reachable([x], "UPSTREAM", None, BOTH, None, ENOUGH)) == [(x, 0), (y, 1), (A, 2), (B, 3)]


async def test_a_node_limit_keeps_the_nearest_and_says_so(feeder: Feeder) -> None:
    await feeder.chain((A, D), (A, C), (A, B), (B, E))
    reach = await feeder.store.reachable([A], "UPSTREAM", None, ASSETS, None, Limits(nodes=3))
    assert urns(reach) == [(A, 0), (B, 1), (C, 1)]
    assert (reach.truncated, reach.reasons) == (True, ("nodes",))
    assert {node.urn: node.hidden_upstream for node in reach.nodes} == {A: 1, B: 1, C: 0}
    exact = await feeder.store.reachable([A], "UPSTREAM", None, ASSETS, None, Limits(nodes=5))
    assert (len(exact.nodes), exact.truncated) == (5, False)


async def test_an_edge_limit_keeps_the_smallest_and_says_so(feeder: Feeder) -> None:
    await feeder.chain((A, D), (A, C), (A, B), (B, E))
    full = await feeder.store.reachable([A], "UPSTREAM", None, ASSETS, None, ENOUGH)
    cut = await feeder.store.reachable([A], "UPSTREAM", None, ASSETS, None, Limits(edges=2))
    assert cut.edges == full.edges[:2]
    assert (cut.nodes, cut.truncated, cut.reasons) == (full.nodes, True, ("edges",))
    assert (await feeder.store.reachable([A], "UPSTREAM", None, ASSETS, None, Limits(edges=4))).truncated is False


async def test_a_time_limit_ends_the_walk_and_says_so(feeder: Feeder) -> None:
    await feeder.chain(*((dataset(f"n{n}"), dataset(f"n{n + 1}")) for n in range(50)))
    reach = await feeder.store.reachable([dataset("n0")], "UPSTREAM", None, ASSETS, None, Limits(seconds=-1.0))
    assert (reach.truncated, reach.reasons) == (True, ("seconds",))
    assert reach.nodes[0].urn == dataset("n0")


async def test_paths_are_shortest_and_in_walking_order(feeder: Feeder) -> None:
    await feeder.chain((A, B), (B, C), (C, D), (A, C), (D, A), (E, A))
    (path,) = await feeder.store.paths(A, D, "UPSTREAM", ASSETS, None, ENOUGH)
    assert [(one.downstream, one.upstream) for one in path.edges] == [(A, C), (C, D)]
    (back,) = await feeder.store.paths(D, E, "DOWNSTREAM", ASSETS, None, ENOUGH)
    assert [(one.downstream, one.upstream) for one in back.edges] == [(C, D), (A, C), (E, A)]
    assert await feeder.store.paths(A, E, "UPSTREAM", ASSETS, None, ENOUGH) == []
    assert await feeder.store.paths(A, dataset("nobody"), "UPSTREAM", ASSETS, None, ENOUGH) == []
    (same,) = await feeder.store.paths(A, A, "UPSTREAM", ASSETS, None, ENOUGH)
    assert same.edges == ()


async def test_a_path_at_a_position_runs_over_the_edges_of_then(feeder: Feeder) -> None:
    await feeder.chain((A, B), (B, C))
    await feeder.feed(CloseEdge(edge(B, C, 1), 2))
    assert await feeder.store.paths(A, C, "UPSTREAM", ASSETS, None, ENOUGH) == []
    (path,) = await feeder.store.paths(A, C, "UPSTREAM", ASSETS, 1, ENOUGH)
    assert [one.upstream for one in path.edges] == [B, C]
    assert await feeder.store.paths(A, C, "UPSTREAM", ASSETS, 0, ENOUGH) == []


async def test_a_path_that_limits_hide_is_not_denied(feeder: Feeder) -> None:
    await feeder.chain(*((dataset(f"n{n}"), dataset(f"n{n + 1}")) for n in range(30)))
    with pytest.raises(WalkTooLarge):
        await feeder.store.paths(dataset("n0"), dataset("n30"), "UPSTREAM", ASSETS, None, Limits(nodes=10))


@pytest.mark.parametrize("seed", range(4))
async def test_every_walk_equals_the_reference_on_the_model(feeder: Feeder, seed: int) -> None:
    history = random_history(seed)
    for ops in history:
        await feeder.feed(*ops)
    model: Model = feeder.model
    assert len([one for one in model.edges.values() if one.to != OPEN]) >= 10  # the history has a past
    assert any(one.downstream == one.upstream for one in model.edges.values())
    everything = sorted(model.nodes)
    for at in (None, 5, len(history) // 2, len(history)):
        assert await feeder.store.get(everything, at) == await model.get(everything, at)
        for way in WAYS:
            assert await feeder.store.neighbours(everything, way, BOTH, at, 10_000) == await model.neighbours(everything, way, BOTH, at, 10_000)
            for some in (everything, everything[::3], [F], []):
                edges = await model.neighbours(some, way, ASSETS, at, 10_000)
                claimed = await feeder.store.claims([*some, *some], way, at, 10_000)
                assert list(claimed.rows) == sorted({Claim(reference.ends(one, way)[0], one.via, one.basis, one.status, one.subtype) for one in edges},
                                                    key=lambda one: one.urn)
                assert claimed.size == (await feeder.store.position()).size
            for root in everything[::5]:
                for depth, limits in ((None, ENOUGH), (2, ENOUGH), (None, Limits(nodes=5)), (None, Limits(edges=3))):
                    expected = await reference.reachable(model, [root], way, depth, BOTH, at, limits)
                    assert await feeder.store.reachable([root], way, depth, BOTH, at, limits) == expected
                    assert await reference.reachable(feeder.store, [root], way, depth, BOTH, at, limits) == expected
                other = everything[-1 - everything.index(root)]
                assert await feeder.store.paths(root, other, way, BOTH, at, ENOUGH) == await reference.paths(model, root, other, way, BOTH, at, ENOUGH)
    for urn in everything:
        assert await feeder.store.revisions(urn, 20) == model.history(urn, 20)


@pytest.mark.parametrize("seed", range(4, 7))
async def test_as_of_equals_a_rebuild_of_that_size(feeder: Feeder, seed: int) -> None:
    history = random_history(seed, entries=24)
    for ops in history:
        await feeder.feed(*ops)
    everything = sorted(feeder.model.nodes)
    rebuilt = Model()
    for size, ops in enumerate(history, start=1):
        rebuilt.play(ops)
        assert await feeder.store.get(everything, size) == await rebuilt.get(everything)
        assert await feeder.store.neighbours(everything, "UPSTREAM", BOTH, size, 10_000) == await rebuilt.neighbours(everything, "UPSTREAM", BOTH, None, 10_000)


# --- digest ----------------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entries_per_batch", [1, 7, 40])
async def test_the_digest_is_the_same_on_every_adapter_and_for_every_batch_size(feeder: Feeder, entries_per_batch: int) -> None:
    history = random_history(11)
    for start in range(0, len(history), entries_per_batch):
        group = history[start:start + entries_per_batch]
        await feeder.feed(*(op for ops in group for op in ops), entries=len(group))
    assert (await feeder.store.position()).digest == await feeder.store.digest() == feeder.model.digest()


# --- provenance ------------------------------------------------------------------------------------------------------------------------------------


async def test_links_are_seen_from_both_ends_oldest_first(feeder: Feeder) -> None:
    run, version = format_urn("run", "r1"), format_urn("dataset-version", "warehouse", "a", "run:r1")
    await feeder.feed(*(UpsertNode(urn, TENANT, 1) for urn in (run, version, A)), Link("GENERATED", run, version, 1, {"inferred": False, "n": None}))
    await feeder.feed(Link("VERSION_OF", version, A, 2))
    seen = await feeder.store.provenance([version, run, dataset("nobody")], None, None)
    assert sorted(seen) == sorted([version, run])
    assert seen[version].out == (Link("VERSION_OF", version, A, 2),)
    assert seen[version].into == (Link("GENERATED", run, version, 1, {"inferred": False, "n": None}),)
    assert (seen[run].out, seen[run].into) == (seen[version].into, ())
    assert (await feeder.store.provenance([version], ["VERSION_OF"], None))[version].into == ()
    assert (await feeder.store.provenance([version], [], None))[version].out == ()
    assert (await feeder.store.provenance([version], None, 1))[version].out == ()
    assert await feeder.store.provenance([version], None, 0) == {}
    assert await feeder.store.provenance([], None, None) == {}


async def test_edges_are_no_links(feeder: Feeder) -> None:
    await feeder.chain((A, B))
    assert (await feeder.store.provenance([A], None, None))[A].out == ()


async def test_a_limit_keeps_the_newest_links_of_each_type(feeder: Feeder) -> None:
    versions = [format_urn("dataset-version", "warehouse", "a", str(n)) for n in range(6)]
    await feeder.nodes(A, B, *versions)
    await feeder.feed(Link("SAME_AS", B, A, 2))
    for n, version in enumerate(versions[:4]):
        await feeder.feed(Link("VERSION_OF", version, A, 3 + n))
    at = feeder.size + 1
    await feeder.feed(*(Link("VERSION_OF", version, A, at) for version in versions[4:]))
    into = (await feeder.store.provenance([A], None, None, limit=3))[A].into
    assert [(link.type, link.src) for link in into] == [("SAME_AS", B), ("VERSION_OF", versions[3]), ("VERSION_OF", versions[4]), ("VERSION_OF", versions[5])]
    assert [link.src for link in (await feeder.store.provenance([A], ["VERSION_OF"], 4, limit=1))[A].into] == [versions[1]]
    assert [link.src for link in (await feeder.store.provenance([A], ["VERSION_OF"], None, limit=1))[A].into] == [versions[4]]  # of equal ones the smaller


async def test_the_first_link_wins_and_is_known(feeder: Feeder) -> None:
    await feeder.nodes(A, B)
    await feeder.feed(Link("SAME_AS", A, B, 2, {"n": 1}))
    await feeder.repeat(Link("SAME_AS", A, B, 3, {"n": 2}))
    assert (await feeder.store.provenance([A], None, None))[A].out == (Link("SAME_AS", A, B, 2, {"n": 1}),)
    asked = [("SAME_AS", A, B), ("SAME_AS", B, A), ("USES", A, B), ("SAME_AS", A, C)]
    assert await feeder.store.known_links(asked) == {("SAME_AS", A, B)}
    assert await feeder.store.known_links([]) == set()


async def test_a_link_type_is_a_name_and_no_edge_family(feeder: Feeder) -> None:
    await feeder.nodes(A, B)
    for kind in ("DERIVED_FROM", "x]->() DELETE n //", ""):
        with pytest.raises(ValueError, match="no link type"):
            await feeder.store.apply([Link(kind, A, B, 2)], expected_size=1, size=2, root="00", digest_delta=0)


# --- entries, touches, statistics ------------------------------------------------------------------------------------------------------------------


async def test_outcomes_come_back_whole(feeder: Feeder) -> None:
    full = EntryRecord(0, 5, "type\x00", TENANT, "aa", "NOTARY", "rejected", "reason ü", {"a": [1, None]}, "caller", "actor\x00",
                       "urn:lineproof:commit:r:1", 7, "id\x00")
    await feeder.feed(full, record(1), entries=2)
    assert await feeder.store.outcome(0) == full
    assert await feeder.store.outcome(1) == record(1)
    assert await feeder.store.outcome(2) is None


async def test_entries_are_filtered_and_paged_by_index(feeder: Feeder) -> None:
    rows = [record(n, actor="ann" if n % 2 else None, commit="urn:lineproof:commit:r:1" if n < 3 else None, event_type="a" if n < 4 else "b") for n in range(6)]
    await feeder.feed(*rows, entries=6)
    assert await feeder.store.entries(0, 10) == rows
    assert await feeder.store.entries(1, 3) == rows[1:3]
    assert await feeder.store.entries(0, 10, limit=2) == rows[:2]
    assert await feeder.store.entries(0, 10, actor="ann", event_types=["a"]) == [rows[1], rows[3]]
    assert await feeder.store.entries(0, 10, commit="urn:lineproof:commit:r:1") == rows[:3]
    assert await feeder.store.entries(0, 10, event_types=["b", "c"]) == rows[4:]
    assert await feeder.store.entries(0, 10, event_types=[]) == []


async def test_touches_page_by_entry_and_never_split_one(feeder: Feeder) -> None:
    for n in range(5):
        await feeder.feed(record(n, event_type="odd" if n % 2 else "even"), Touch(A, n), Touch(B, n, "mention"), Touch(C, n))
    first = await feeder.store.touches([B, A], 0, 10, limit=2)
    assert [(row.entry.index, row.urn, row.role) for row in first] == [(0, A, "subject"), (0, B, "mention"), (1, A, "subject"), (1, B, "mention")]
    rest = await feeder.store.touches([A, B], 0, 10, after=1, limit=100)
    assert [row.entry.index for row in rest] == [2, 2, 3, 3, 4, 4]
    assert [row.entry.index for row in await feeder.store.touches([A], 1, 3)] == [1, 2]
    assert [row.entry.index for row in await feeder.store.touches([A], 0, 10, event_types=["odd"])] == [1, 3]
    assert await feeder.store.touches([A], 0, 10, event_types=[]) == []
    assert await feeder.store.touches([], 0, 10) == []
    assert (await feeder.store.touches([A], 0, 10))[0].entry == record(0, event_type="even")


async def test_what_entries_concerned_comes_back_by_entry_and_urn(feeder: Feeder) -> None:
    for n in range(3):
        await feeder.feed(record(n), Touch(B, n, "mention"), Touch(A, n), *([Touch(C, n)] if n == 2 else []))
    found = await feeder.store.concerned([2, 0, 2, 7])
    assert [(row.entry.index, row.urn, row.role) for row in found] == [(0, A, "subject"), (0, B, "mention"), (2, A, "subject"), (2, B, "mention"),
                                                                       (2, C, "subject")]
    assert found[0].entry == record(0)
    assert await feeder.store.concerned([]) == []


async def test_a_touch_of_something_that_never_existed_is_kept(feeder: Feeder) -> None:
    await feeder.feed(record(0, status="rejected", reason="unknown"), Touch(A, 0, "mention"))
    await feeder.repeat(Touch(A, 0, "subject"))
    await feeder.repeat(Touch(A, 0, "mention"))
    (row,) = await feeder.store.touches([A], 0, 1)
    assert (row.role, row.entry.status) == ("subject", "rejected")
    assert await feeder.store.get([A]) == {}
    assert (await feeder.store.reachable([A], "UPSTREAM", None, BOTH, None, ENOUGH)).nodes == ()
    await feeder.nodes(A)
    assert (await feeder.store.get([A]))[A].from_ == 2
    assert len(await feeder.store.touches([A], 0, 1)) == 1


async def test_size_at_counts_the_entries_received_by_then(feeder: Feeder) -> None:
    await feeder.feed(record(0), record(1, received=1_000_000), record(2, received=1_000_000), record(3), entries=4)
    assert [await feeder.store.size_at(time) for time in (-1, 0, 999_999, 1_000_000, 3_000_000, 10**15)] == [0, 1, 1, 3, 4, 4]


async def test_set_statistics_are_absolute(feeder: Feeder) -> None:
    await feeder.feed(SetStat("s1", 10, 1), SetStat("s1", 20, 2), SetStat("s2", 5, 1))
    await feeder.repeat(SetStat("s1", 30, 3))
    assert await feeder.store.set_stats(["s1", "s2", "none"]) == {"s1": SetStat("s1", 30, 3), "s2": SetStat("s2", 5, 1)}
    assert await feeder.store.set_stats([]) == {}


# --- search ----------------------------------------------------------------------------------------------------------------------------------------


async def test_search_finds_names_and_namespaces_in_any_case(feeder: Feeder) -> None:
    await feeder.nodes(dataset("Weather_Hourly", "s3://raw"), dataset("weather100%", "wh"), column("weather", "Straße"), dataset("flights", "Weather"),
                       format_urn("run", "weather"))

    async def names(text: str) -> list[str]:
        return [row.name for row in (await feeder.store.search(text, None, None, None, 50)).rows]
    assert await names("WEATHER") == ["Weather_Hourly", "flights", "weather", "weather100%"]
    assert await names("r_h") == ["Weather_Hourly"]
    assert await names("0%") == ["weather100%"]
    assert await names("STRASSE") == ["Straße"]
    assert await names("\\") == []
    assert len(await names("")) == 5


async def test_entities_of_a_kind_are_listed_in_the_order_of_their_urns(feeder: Feeder) -> None:
    names = sorted(dataset(f"n{number}") for number in range(7))
    other = [format_urn("dataset-version", "warehouse", "n1", "1"), format_urn("job", "jobs", "n1"), format_urn("column", "warehouse", "n1", "a")]
    early = await feeder.feed(*(UpsertNode(urn, TENANT, feeder.size + 1) for urn in [*names[:4], *other]))
    await feeder.feed(Touch(dataset("never-came-to-be"), feeder.size), *(UpsertNode(urn, TENANT, feeder.size + 1) for urn in names[4:]))
    pages, after = list[list[str]](), None
    while found := await feeder.store.listed("dataset", None, after, 3):
        pages.append(found)
        after = found[-1]
    assert pages == [names[:3], names[3:6], names[6:]]
    assert await feeder.store.listed("dataset", early, None, 50) == names[:4]
    assert await feeder.store.listed("column", None, None, 50) == other[2:]
    assert await feeder.store.listed("principal", None, None, 50) == []


async def test_search_is_narrowed_by_kind_and_prefix(feeder: Feeder) -> None:
    await feeder.nodes(dataset("x", "team_a/raw"), dataset("x", "team_b"), dataset("x", "teamXa"), format_urn("job", "team_a/etl", "x"), format_urn("run", "x"))

    async def found(kinds: list[str] | None, prefixes: list[str] | None) -> list[tuple[str, str | None]]:
        return [(row.kind, row.namespace) for row in (await feeder.store.search("x", kinds, prefixes, None, 50)).rows]
    assert await found(["dataset"], ["team_a"]) == [("dataset", "team_a/raw")]
    assert await found(None, ["team_a", "team_b"]) == [("dataset", "team_a/raw"), ("dataset", "team_b"), ("job", "team_a/etl")]
    assert len(await found(None, [""])) == len(await found(None, None)) == 5
    assert await found([], None) == await found(None, []) == []


async def test_search_pages_by_name_and_urn(feeder: Feeder) -> None:
    names = ["b", "B", "a", "é", "\uffff", "😀", "z\x00", "z"]
    await feeder.feed(*(UpsertNode(dataset(name, ns), TENANT, 1) for name in names for ns in ("n1", "n2")), Revise(dataset("a", "n1"), "owners", ["ann"], 1))
    seen: list[NodeRow] = []
    after = None
    for _ in range(20):
        page = await feeder.store.search("n", ["dataset"], None, after, 3)
        seen += page.rows
        after = page.after
        if after is None:
            break
    assert [(row.name, row.namespace) for row in seen] == [(name, ns) for name in sorted(names) for ns in ("n1", "n2")]  # by code points
    assert next(row for row in seen if row.name == "a").facts == {"owners": ["ann"]}
    assert (await feeder.store.search("nothing like it", None, None, None, 3)).rows == ()


# --- failure ---------------------------------------------------------------------------------------------------------------------------------------


async def test_two_projectors_cannot_both_win(graph: GraphStore, graph_url: str) -> None:
    import asyncio

    other = open_graph(graph_url)
    try:
        async def attempt(store: GraphStore, urn: str) -> bool:
            try:
                await store.apply([UpsertNode(urn, TENANT, 1)], expected_size=0, size=1, root=root_of(1), digest_delta=1)
            except (ProjectionConflict, GraphUnavailable):
                return False
            return True
        won = await asyncio.gather(*(attempt(store, urn) for store, urn in ((graph, A), (other, B), (graph, C), (other, D))))
        assert won.count(True) == 1
        assert (await graph.counts())["nodes"] == 1
    finally:
        await other.close()


async def test_many_walks_at_once_while_the_graph_moves(feeder: Feeder) -> None:
    import asyncio

    await feeder.chain((A, B), (B, C))

    async def move() -> None:
        for _ in range(10):
            at = feeder.size + 1
            old = [one for one in feeder.model.open_edges() if one.downstream == A]
            other = D if old[0].upstream == B else B
            new = [UpsertNode(D, TENANT, at)] if D not in feeder.model.nodes else []
            await feeder.feed(*new, CloseEdge(old[0], at), OpenEdge(edge(A, other, at)), OpenEdge(edge(other, E, at, set_id=str(at))) if E in feeder.model.nodes
                              else UpsertNode(E, TENANT, at))

    async def walk() -> int:
        whole = 0
        for _ in range(10):
            reach = await feeder.store.reachable([A], "UPSTREAM", 1, ASSETS, None, ENOUGH)
            if reference.MOVED in reach.reasons:  # where there are no snapshots a walk may have to say that it could not see one state
                assert reach.truncated
                continue
            whole += 1
            assert len(reach.nodes) == 2  # A reads exactly one table at any time: never none, never both
            assert [one.upstream for one in reach.edges if one.downstream == A] == [reach.nodes[1].urn]
        return whole

    _, walks = await asyncio.gather(move(), asyncio.gather(*(walk() for _ in range(3))))
    assert sum(walks) > 0
    assert len((await feeder.store.reachable([A], "UPSTREAM", 1, ASSETS, None, ENOUGH)).nodes) == 2
