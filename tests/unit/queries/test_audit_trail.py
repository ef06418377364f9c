"""Audit trail: who changed what, before and after, rejected tries too, in pages that stand at one size."""
from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from lineproof_schema.urn import format_urn
from metadata_service.graph.port import GraphStore
from metadata_service.queries.audit_edges import EdgeAction
from metadata_service.queries.audit_trail import AuditTrail, audit_trail
from metadata_service.queries.context import EVERYTHING, Asked, answer
from metadata_service.queries.cursors import MAX_PAGE
from metadata_service.queries.errors import InvalidArgument, InvalidCursor, InvalidPosition
from tests.flights_world import JOINED, NS, PRODUCER, RAW, World, column, commit, dataset, features, job, joined, training
from tests.log_entries import revoke_key
from tests.unit.queries.asking import Counted, ask, reader_of

pytestmark = pytest.mark.anyio


async def test_each_entry_says_what_it_changed_and_who_says_so(shared_world: World) -> None:
    found = await ask(shared_world, audit_trail, dataset("training_set"), columns=False)
    owners = next(row for row in found.rows if row.event_type == "lineproof.dataset.v1")
    assert [(change.fact, change.before, change.after) for change in owners.changes] == [("owners", None, [{"name": "ml-team"}])]
    assert (owners.status, owners.signer, owners.signed_by) == ("applied", PRODUCER.keyid, "PRODUCER")
    assert (owners.key.state, owners.key.label) == ("valid", "pipeline")
    assert owners.claimed_at is not None
    assert owners.claimed_at.isoformat() == "2026-03-01T09:25:00+00:00"
    assert owners.proof.index == owners.index
    assert owners.proof.path == f"/api/v1/log/proof?index={owners.index}&size={owners.proof.size}"
    runs = [row for row in found.rows if row.event_type == "openlineage.run" and row.changes]
    assert [(change.before is not None, change.fact) for change in runs[-1].changes] == [(True, "currentVersion")]
    assert runs[-1].actor == "ada@example.org"
    assert runs[-1].commit is not None
    assert runs[-1].commit.urn == commit("a" * 40)


async def test_a_rejected_try_is_a_row_and_changes_nothing(world: World) -> None:
    alias = {"kind": "model", "namespace": NS, "name": "delay", "alias": "champion", "to": "1", "reason": "first"}
    world.say("lineproof.alias.v1", alias)
    refused = world.say("lineproof.alias.v1", {**alias, "to": "7", "expected": 1})
    await world.settle()
    found = await ask(world, audit_trail, format_urn("model", NS, "delay"))
    row = next(row for row in found.rows if row.index == refused)
    assert (row.status, row.changes) == ("rejected", ())
    assert row.reason


async def test_a_window_is_half_open_over_indices(shared_world: World) -> None:
    everything = await ask(shared_world, audit_trail, dataset("training_set"), columns=False)
    indices = [row.index for row in everything.rows]
    part = await ask(shared_world, audit_trail, dataset("training_set"), start=indices[1], end=indices[3], columns=False)
    assert [row.index for row in part.rows] == indices[1:3]
    with pytest.raises(InvalidPosition):
        await ask(shared_world, audit_trail, dataset("training_set"), start=9, end=3)


async def test_upstream_includes_all_it_is_made_of(shared_world: World) -> None:
    found = await ask(shared_world, audit_trail, dataset("training_set"), upstream=True, first=MAX_PAGE)
    subjects = {row.urn for row in found.rows}
    assert {dataset("weather", RAW), dataset("feat_weather"), job("feat_weather")} <= subjects
    assert dataset("export") not in subjects
    bobs = await ask(shared_world, audit_trail, dataset("training_set"), upstream=True, actor="Bob@Example.org")
    assert {row.commit.author for row in bobs.rows if row.commit} == {"Bob Berg"}
    by_commit = await ask(shared_world, audit_trail, dataset("training_set"), upstream=True, commit="bbbb")
    assert [row.index for row in by_commit.rows] == [row.index for row in bobs.rows] != []


async def pages(world: World, **arguments: Any) -> list[AuditTrail]:
    found = [await ask(world, audit_trail, dataset("training_set"), upstream=True, question=["q"], **arguments)]
    while found[-1].after is not None:
        size = found[0].computed_at.size
        found.append(await ask(world, audit_trail, dataset("training_set"), upstream=True, question=["q"], after=found[-1].after, size=size, **arguments))
    return found


async def test_pages_put_together_are_the_whole_without_repeats(shared_world: World) -> None:
    whole = (await pages(shared_world, first=MAX_PAGE))[0].rows
    for first in (1, 2, 7, 30):
        found = await pages(shared_world, first=first)
        assert [row for page in found for row in page.rows] == list(whole)
        assert len(found) > 1


async def test_all_pages_stand_at_the_size_of_the_first(world: World) -> None:
    first = await ask(world, audit_trail, dataset("training_set"), first=2, question=["q"])
    training(world, "train 3", "2026-03-03T00:00:00Z")
    await world.settle()
    assert first.after is not None
    with pytest.raises(InvalidCursor):
        await ask(world, audit_trail, dataset("training_set"), first=2, question=["q"], after=first.after)
    second = await ask(world, audit_trail, dataset("training_set"), first=MAX_PAGE, question=["q"], after=first.after, size=first.computed_at.size)
    assert max(row.index for row in second.rows) < first.computed_at.size


async def test_a_cursor_belongs_to_its_question_and_cannot_be_altered(shared_world: World) -> None:
    page = await ask(shared_world, audit_trail, dataset("training_set"), first=1, question=["q"])
    assert page.after is not None
    altered = ("B" if page.after[30] == "A" else "A").join((page.after[:30], page.after[31:]))
    for question, after in ((["other"], page.after), (["q"], altered), (["q"], "?"), (["q"], "")):
        with pytest.raises(InvalidCursor):
            await ask(shared_world, audit_trail, dataset("training_set"), first=1, question=question, after=after)
    for first in (0, MAX_PAGE + 1):
        with pytest.raises(InvalidArgument):
            await ask(shared_world, audit_trail, dataset("training_set"), first=first)


async def test_a_later_revocation_marks_rows_as_disputed(world: World) -> None:
    last_good = next(row.index for row in (await ask(world, audit_trail, dataset("feat_weather"), columns=False)).rows)
    disputed = features(world, "feat 3", "2026-03-03T09:10:00Z")
    revoke_key(world.log.appender, world.admin, PRODUCER.keyid, origin=world.log.origin, last_valid=last_good)
    await world.settle()
    found = await ask(world, audit_trail, dataset("feat_weather"), columns=False, first=MAX_PAGE)
    states = {row.index: row.key.state for row in found.rows}
    assert states[last_good] == "valid"
    assert states[disputed] == "disputed"


async def test_what_is_restricted_is_not_in_the_trail(shared_world: World) -> None:
    found = await ask(shared_world, audit_trail, dataset("training_set"), upstream=True, viewer=reader_of(shared_world, NS), first=MAX_PAGE)
    assert found.rows
    assert all(RAW not in row.urn for row in found.rows)
    assert found.completeness.restricted > 0
    nothing = await ask(shared_world, audit_trail, dataset("weather", RAW), viewer=reader_of(shared_world, NS))
    assert (nothing.rows, [reason.code for reason in nothing.completeness.reasons]) == ((), ["unknown-urn"])


async def test_an_entry_says_what_it_changed_in_the_lineage(world: World) -> None:
    first = joined(world, "joined 1", "2026-03-02T09:30:00Z", [("feat_weather", "origin")])
    again = joined(world, "joined 2", "2026-03-03T09:30:00Z", [("feat_weather", "origin")])
    other = joined(world, "joined 3", "2026-03-04T09:30:00Z", [("feat_weather", "observed_at")], JOINED.replace("(origin)", "(observed_at)"), "b" * 40)
    await world.settle()
    found = await ask(world, audit_trail, column("wind", "joined"))
    edges = {row.index: {(edge.action, edge.urn, edge.subtype) for edge in row.edges} for row in found.rows}
    wind, origin, observed = (column(name, "feat_weather") for name in ("wind_ms", "origin", "observed_at"))
    assert edges[first] == {(EdgeAction.OPENED, wind, "TRANSFORMATION"), (EdgeAction.OPENED, origin, "JOIN")}
    assert not edges.get(again)
    assert edges[other] == {(EdgeAction.CLOSED, origin, "JOIN"), (EdgeAction.OPENED, observed, "JOIN")}, "what is said again is no change"


async def test_runs_that_say_what_was_said_cost_no_look_at_their_edges(world: World) -> None:
    for day in range(2, 10):
        joined(world, f"joined {day}", f"2026-03-0{day}T09:30:00Z", [("feat_weather", "origin")])
    await world.settle()
    graph = Counted(world.graph)
    found = await answer(replace(world.room, graph=cast("GraphStore", graph)), EVERYTHING, Asked(), lambda context: audit_trail(context, dataset("joined")))
    assert len([row for row in found.rows if row.event_type == "openlineage.run"]) >= 8
    assert (graph.asked.count("edge_history"), graph.asked.count("neighbours")) == (1, 2), "before and after the one entry that opened edges"


async def test_a_new_expression_is_a_change_of_lineage(shared_world: World) -> None:
    found = await ask(shared_world, audit_trail, column("wind_ms", "feat_weather"))
    changed = [row for row in found.rows if any(edge.action is EdgeAction.CLOSED for edge in row.edges)]
    assert [[(edge.action, edge.expression) for edge in row.edges] for row in changed] == [
        [(EdgeAction.CLOSED, "round(wind_speed_mph * 0.44704, 1)"), (EdgeAction.OPENED, "round(wind_speed_mph * 0.27778, 1)")]]


async def test_restricted_inputs_in_a_change_are_placeholders(shared_world: World) -> None:
    found = await ask(shared_world, audit_trail, column("late", "training_set"), viewer=reader_of(shared_world, NS))
    edges = [edge for row in found.rows for edge in row.edges]
    assert edges
    assert all((edge.restricted, edge.urn, edge.expression) == (True, None, None) for edge in edges)
