"""Entities, friendly names, entries of the log, and evidence."""
from __future__ import annotations

from itertools import chain

import pytest

from lineproof_audit.checkpoint import parse_tlog_proof, peek_checkpoint
from lineproof_audit.leaf import encode_leaf
from lineproof_audit.tree import leaf_hash, verify_inclusion
from lineproof_schema.urn import format_urn
from metadata_service.queries.context import QueryContext
from metadata_service.queries.entity import SEARCH_RANKS, entity, resolve_name, search
from metadata_service.queries.errors import AmbiguousName, Forbidden, InvalidArgument
from metadata_service.queries.key_history import key_history
from metadata_service.queries.logged import checkpoint, event, evidence
from metadata_service.queries.shapes import Kind
from tests.flights_world import NS, PRODUCER, RAW, World, column, commit, dataset, model, run_id
from tests.unit.queries.asking import ask, reader_of

pytestmark = pytest.mark.anyio


async def test_an_entity_has_facts_with_since_and_links(shared_world: World) -> None:
    found = (await ask(shared_world, entity, dataset("training_set"))).entity
    assert found is not None
    facts = {fact.name: fact for fact in found.facts}
    assert facts["owners"].value == [{"name": "ml-team"}]
    assert facts["owners"].since > found.since
    assert any(link.type == "WRITES" and not link.outgoing for link in found.links)


@pytest.mark.parametrize(("name", "urn"), [
    ("training_set", dataset("training_set")), (f"{NS}/training_set.wind_ms", column("wind_ms", "training_set")),
    ("weather.wind_speed", column("wind_speed", "weather", RAW)), (f"{RAW}:weather", dataset("weather", RAW)), ("delay@1", model("1")),
    ("wind_speed_mph", column("wind_speed_mph", "stg_weather")), ("weather", dataset("weather", RAW)), ("delay", format_urn("model", NS, "delay")),
])
async def test_people_name_things_shortly(shared_world: World, name: str, urn: str) -> None:
    assert await ask(shared_world, resolve_name, name) == urn


async def test_a_name_in_another_case_is_found_unless_one_is_written_so(world: World) -> None:
    assert await ask(world, resolve_name, "RAW/Weather.WIND_SPEED") is None
    assert await ask(world, resolve_name, "Weather.WIND_SPEED") == column("wind_speed", "weather", RAW)
    assert await ask(world, resolve_name, "TRAINING_SET") == dataset("training_set")
    world.say("lineproof.dataset.v1", {"namespace": NS, "name": "main.TRAINING_SET"}, "2026-03-03T00:00:00Z")
    await world.settle()
    assert await ask(world, resolve_name, "TRAINING_SET") == dataset("main.TRAINING_SET")
    assert await ask(world, resolve_name, "training_set") == dataset("training_set")


async def test_a_name_that_fits_several_lists_them(shared_world: World) -> None:
    with pytest.raises(AmbiguousName) as refused:
        await ask(shared_world, resolve_name, "origin")
    candidates = refused.value.extra["candidates"]
    assert isinstance(candidates, list)
    assert column("origin", "weather", RAW) in candidates
    assert await ask(shared_world, resolve_name, "orig") is None


async def test_search_shows_and_hints_only_what_is_visible(shared_world: World) -> None:
    viewer = reader_of(shared_world, RAW)
    found = await ask(shared_world, search, "weather", viewer=viewer)
    assert {row.namespace for row in found.rows} == {RAW}
    assert found.completeness.restricted == 0
    assert await ask(shared_world, resolve_name, "stg_weather", viewer=viewer) is None
    assert {row.kind for row in (await ask(shared_world, search, "weather", [Kind.DATASET])).rows} == {Kind.DATASET}


async def test_search_names_a_dataset_before_its_versions_and_exact_names_first(shared_world: World) -> None:
    rows = (await ask(shared_world, search, "weather", None, 500)).rows
    kinds = [row.kind for row in rows]
    assert kinds.index(Kind.DATASET) < kinds.index(Kind.DATASET_VERSION) < kinds.index(Kind.TRANSFORMATION)
    assert set(chain.from_iterable(SEARCH_RANKS)) == set(Kind), "a kind without a rank is never found"
    exact = [row.name.rpartition(".")[2] == "weather" for row in rows if row.kind in SEARCH_RANKS[0]]
    assert exact == sorted(exact, reverse=True)
    assert any(exact)
    assert not all(exact)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
async def test_pages_of_a_search_hold_each_hit_once(shared_world: World, size: int) -> None:
    whole = (await ask(shared_world, search, "weather", None, 500)).rows
    seen, after = [], None
    for _ in range(len(whole) + 1):
        page = await ask(shared_world, search, "weather", None, size, after)
        seen += [row.urn for row in page.rows]
        after = page.after
        assert len(page.rows) == size or after is None
        if after is None:
            break
    assert len(seen) == len(set(seen))
    assert sorted(seen) == sorted(row.urn for row in whole)


async def test_a_run_is_visible_iff_something_visible_links_it(shared_world: World) -> None:
    run, sha = format_urn("run", run_id("feat 1")), commit("b" * 40)
    for urn in (run, sha):
        assert (await ask(shared_world, entity, urn, viewer=reader_of(shared_world, NS))).entity is not None
        assert (await ask(shared_world, entity, urn, viewer=reader_of(shared_world, "elsewhere"))).entity is None


async def test_an_event_comes_with_a_proof_that_verifies(shared_world: World) -> None:
    answer = await ask(shared_world, event, 6)
    found = answer.event
    assert found is not None
    assert found.proof is not None
    stored = shared_world.log.reader.entry(6)
    proof = parse_tlog_proof(found.proof.text)
    head = peek_checkpoint(proof.checkpoint)
    verify_inclusion(leaf_hash(encode_leaf(stored.fields)), 6, head.size, list(proof.hashes), head.root)
    assert found.payload["type"] == found.event_type
    assert (found.status, found.key.state, found.erased, found.restricted) == ("applied", "valid", False, False)
    assert stored.envelope is not None
    assert found.envelope == stored.envelope.decode()


async def test_a_body_outside_the_grants_is_withheld_and_its_proof_is_not(shared_world: World) -> None:
    index = next(entry.index for entry in await shared_world.graph.entries(0, 99) if entry.event_type == "openlineage.run")
    found = (await ask(shared_world, event, index, viewer=reader_of(shared_world, RAW))).event  # reads RAW, writes NS
    assert found is not None
    assert (found.restricted, found.envelope, found.salt, found.payload) == (True, None, None, None)
    assert found.proof is not None
    assert (await ask(shared_world, event, index, viewer=reader_of(shared_world, RAW, NS))).event.payload  # type: ignore[union-attr]


async def test_no_such_entry_is_an_empty_answer(shared_world: World) -> None:
    answer = await ask(shared_world, event, 10_000)
    assert answer.event is None
    assert [reason.code for reason in answer.completeness.reasons] == ["no-such-entry"]
    with pytest.raises(InvalidArgument):
        await ask(shared_world, event, -1)


async def test_checkpoint_and_keys(shared_world: World) -> None:
    head = await ask(shared_world, checkpoint)
    assert (head.origin, head.size, head.log_size) == (shared_world.log.origin, shared_world.log.reader.size(), shared_world.log.reader.size())
    keys = (await ask(shared_world, key_history)).keys
    assert [key.purpose for key in keys] == ["log", "notary", "admin", "producer"]
    assert (await ask(shared_world, key_history, PRODUCER.keyid)).keys == keys[3:]


async def test_evidence_needs_the_grants_of_every_body_in_it(shared_world: World) -> None:
    index = next(entry.index for entry in await shared_world.graph.entries(0, 99) if entry.event_type == "openlineage.run")
    bundle = (await ask(shared_world, evidence, [index], {"asked": 1}, {"answer": 2})).bundle
    assert [entry["index"] for entry in bundle["entries"]] == [index]
    with pytest.raises(Forbidden):
        await ask(shared_world, evidence, [index], None, None, viewer=reader_of(shared_world, RAW))


async def test_a_context_is_asked_with_now_only_when_it_is_now(shared_world: World) -> None:
    async def seen(context: QueryContext) -> int | None:
        return context.at

    assert await ask(shared_world, seen) is None
    assert await ask(shared_world, seen, size=shared_world.log.reader.size()) is None
    assert await ask(shared_world, seen, size=4) == 4


async def test_a_text_that_no_name_can_hold_is_refused_before_the_database_does(shared_world: World) -> None:
    for question in (search, resolve_name):
        with pytest.raises(InvalidArgument, match="at most"):
            await ask(shared_world, question, "a" * 60_000)
