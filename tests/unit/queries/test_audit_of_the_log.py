"""Audit questions about no entity in particular: by actor, commit and window; whether a window is whole; and as files for other programs."""
from __future__ import annotations

import csv
import json
from io import StringIO
from typing import Any

import jsonschema
import pytest
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from lineproof_audit.accounting import Streams
from metadata_service.api.graphql.schema import Caller, execute
from metadata_service.cli import documents
from metadata_service.cli.audit_formats import CSV_COLUMNS, OCSF_VERSION, csv_lines, ocsf_lines
from metadata_service.queries.accounting import MAX_WINDOW, accounting
from metadata_service.queries.audit_trail import AuditTrail, audit_trail
from metadata_service.queries.context import EVERYTHING
from metadata_service.queries.cursors import MAX_PAGE
from metadata_service.queries.errors import InvalidArgument, InvalidPosition
from tests.flights_world import NS, World, commit, dataset
from tests.unit.queries.asking import ask, reader_of

pytestmark = pytest.mark.anyio


async def whole(world: World, first: int = MAX_PAGE, **arguments: Any) -> list[Any]:
    viewer = {"viewer": arguments.pop("viewer")} if "viewer" in arguments else {}
    found: AuditTrail = await ask(world, audit_trail, None, first=first, question=["q"], **arguments, **viewer)
    rows = list(found.rows)
    while found.after is not None:
        found = await ask(world, audit_trail, None, first=first, question=["q"], after=found.after, size=found.computed_at.size, **arguments, **viewer)
        rows += found.rows
    return rows


async def test_without_an_entity_every_entry_of_the_window_is_there(shared_world: World) -> None:
    size = (await ask(shared_world, accounting)).entries
    rows = await whole(shared_world)
    assert sorted({row.index for row in rows}) == list(range(size))
    assert {row.index for row in await whole(shared_world, start=4, end=7)} == {4, 5, 6}
    about_none = [row for row in rows if row.urn is None]
    assert {(row.event_type, row.role) for row in about_none} >= {("lineproof.genesis.v1", "log"), ("lineproof.policy.v1", "log"), ("lineproof.key.v1", "log")}
    changed = next(row for row in rows if row.urn == dataset("training_set") and row.event_type == "lineproof.dataset.v1")
    (same,) = [row for row in (await ask(shared_world, audit_trail, dataset("training_set"), columns=False)).rows if row.index == changed.index]
    assert changed == same


async def test_pages_of_the_whole_log_put_together_are_the_whole(shared_world: World) -> None:
    rows = await whole(shared_world)
    for first in (1, 7, 60):
        assert await whole(shared_world, first=first) == rows


async def test_by_actor_by_commit_and_by_type(shared_world: World) -> None:
    rows = await whole(shared_world)
    bobs = await whole(shared_world, actor="Bob@Example.org")
    assert bobs == [row for row in rows if row.actor == "bob@example.org"] != []
    of_commit = await whole(shared_world, commit="bbbb")
    assert of_commit == [row for row in rows if row.commit is not None and row.commit.sha.startswith("bbbb")] != []
    assert await whole(shared_world, commit=commit("b" * 40)) == of_commit
    assert await whole(shared_world, actor="bob@example.org", commit="aaaa") == []
    keys = await whole(shared_world, event_types=["lineproof.key.v1"])
    assert keys == [row for row in rows if row.event_type == "lineproof.key.v1"] != []
    unknown = await ask(shared_world, audit_trail, None, commit="dddd")
    assert ([reason.code for reason in unknown.completeness.reasons], unknown.rows) == (["unknown-commit"], ())


async def test_a_narrow_viewer_gets_what_concerns_what_it_may_see_and_is_told_of_the_rest(shared_world: World) -> None:
    rows = await whole(shared_world, viewer=reader_of(shared_world, NS))
    namespaced = {row.urn for row in rows if row.urn is not None and ":dataset:" in row.urn}
    assert dataset("training_set") in namespaced
    assert not any("file%3A%2F%2Fraw" in urn for urn in namespaced)
    assert {row.event_type for row in rows if row.urn is None} <= {"lineproof.genesis.v1", "lineproof.policy.v1", "lineproof.key.v1"}
    nothing = await ask(shared_world, audit_trail, None, viewer=reader_of(shared_world, "elsewhere://"))
    assert {row.event_type for row in nothing.rows} <= {"lineproof.genesis.v1", "lineproof.policy.v1", "lineproof.key.v1"}
    assert nothing.completeness.restricted > 0


async def test_upstream_needs_an_entity(shared_world: World) -> None:
    with pytest.raises(InvalidArgument):
        await ask(shared_world, audit_trail, None, upstream=True)


async def test_a_whole_window_is_accounted_for(shared_world: World) -> None:
    found = await ask(shared_world, accounting)
    assert (found.from_, found.to, found.accounted, found.unaccounted) == (0, found.entries, found.entries, ())
    assert sum(each.count for each in found.outcomes) == found.entries
    assert found.statement.startswith(f"Entries 0..{found.entries - 1}: {found.entries} of {found.entries} accounted for (")
    part = await ask(shared_world, accounting, start=2, end=5)
    assert (part.from_, part.to, part.accounted) == (2, 5, 3)
    assert (await ask(shared_world, accounting, start=4, end=4)).statement == "No entries: the window [4, 4) is empty."
    with pytest.raises(InvalidPosition):
        await ask(shared_world, accounting, start=5, end=4)


async def test_the_past_is_accounted_for_as_it_was(shared_world: World) -> None:
    assert (await ask(shared_world, accounting, size=6)).entries == 6


async def test_a_missing_number_is_told_with_its_producer(world: World) -> None:
    stands = {"stream": "6f2c1e0a-5b7d-4c3e-9a8f-0b1c2d3e4f50"}
    entries = [world.say("lineproof.dataset.v1", {"namespace": NS, "name": "t", "description": str(number)}, sequence=str(number), **stands)
               for number in (1, 2, 5)]
    await world.settle()
    found = await ask(world, accounting, start=entries[0])
    (producer,) = found.producers
    assert (producer.label, producer.events, producer.first, producer.last, producer.closed) == ("pipeline", 3, 1, 5, False)
    assert [(gap.first, gap.last, gap.shown_at) for gap in producer.missing] == [(3, 4, entries[2])]
    assert f"pipeline (stream 6f2c1e0a) never delivered numbers 3 to 4, as entry {entries[2]} shows." in found.statement
    assert found.accounted == found.entries == 3  # the log holds what it acknowledged; what never came is the producer's gap
    assert (await ask(world, accounting, end=entries[2])).producers[0].missing == ()


async def test_what_was_not_read_yet_is_no_part_of_the_account(shared_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metadata_service.queries.accounting.MAX_READ", 5)
    found = await ask(shared_world, accounting)
    assert [reason.code for reason in found.completeness.reasons] == ["streams-not-read"]
    assert found.unaccounted == tuple(range(5, found.entries))
    monkeypatch.setattr("metadata_service.queries.accounting.MAX_WINDOW", 3)
    with pytest.raises(InvalidArgument, match="at most 3 at once"):
        await ask(shared_world, accounting)
    assert MAX_WINDOW > 3


async def test_a_service_reads_the_log_once(shared_world: World) -> None:
    streams = Streams(shared_world.log.reader)
    size = shared_world.log.reader.size()
    assert streams.read_to(size, 5) == 5
    assert streams.read_to(size, 10**6) == size
    assert streams.account(0, size, size) == streams.account(0, size, size)


async def trail(world: World) -> list[dict[str, Any]]:
    body = await execute(Caller(world.room, EVERYTHING), documents.AUDIT, {"first": 400})
    assert "errors" not in body, body
    assert body["data"]["auditTrail"]["after"] is None
    rows: list[dict[str, Any]] = body["data"]["auditTrail"]["rows"]
    return rows


async def test_csv_has_a_line_per_change_and_runs_nothing_in_a_spreadsheet(shared_world: World) -> None:
    rows = await trail(shared_world)
    rows[0]["reason"] = '=cmd|"/C calc"!A1, "quoted"\nand a second line'
    text = "".join(csv_lines(rows))
    read = list(csv.DictReader(StringIO(text, newline="")))
    assert tuple(read[0]) == CSV_COLUMNS
    assert read[0]["reason"] == f"'{rows[0]['reason']}"
    assert len(read) == sum(max(1, len(row["changes"]) + len(row["edges"])) for row in rows)
    (owners,) = [line for line in read if line["urn"] == dataset("training_set") and line["change"] == "owners"]
    assert (owners["before"], json.loads(owners["after"])) == ("", [{"name": "ml-team"}])
    assert any(line["change"] == f"derivedFrom {dataset('feat_weather')}" for line in read if line["urn"] == dataset("training_set"))


async def test_ocsf_events_are_what_the_schema_of_ocsf_says(shared_world: World) -> None:
    rows = await trail(shared_world)
    refused = {**rows[-1], "status": "rejected", "reason": "version-conflict", "changes": [], "edges": [], "actor": None}
    validator = jsonschema.Draft202012Validator(OcsfJsonSchemaEmbedded(get_ocsf_schema(version=OCSF_VERSION)).get_class_schema("entity_management"))
    events = [json.loads(line) for line in ocsf_lines([*rows, refused], shared_world.log.origin)]
    assert [error.message for event in events for error in validator.iter_errors(event)] == []
    assert not validator.is_valid({**events[0], "class_uid": 6003})
    assert len(events) == len(rows) + 1
    assert (events[-1]["status_id"], events[-1]["status_detail"], events[-1]["type_uid"]) == (2, "version-conflict", 300403)
    owners = next(event for event in events if "owners" in event["entity_result"].get("data", {}) and event["entity"]["uid"] == dataset("training_set"))
    assert (owners["activity_id"], owners["entity"].get("data"), owners["entity_result"]["data"]["owners"]) == (3, None, [{"name": "ml-team"}])
    assert owners["metadata"]["sequence"] == owners["unmapped"]["proof"]["index"]
    assert owners["metadata"]["log_name"] == shared_world.log.origin
    assert len({event["metadata"]["uid"] for event in events[:-1]}) == len(rows)
