"""Taking events in over HTTP: one, arrays, NDJSON, compression, plain OpenLineage, waiting for the projection."""
from __future__ import annotations

import base64
import gzip
import json
from typing import NoReturn

import pytest
import zstandard

from lineproof_audit.errors import NoSpace
from lineproof_audit.leaf import body_commitment, parse_leaf
from tests.service_world import ServiceWorld, openlineage_run

pytestmark = pytest.mark.anyio


async def test_an_acknowledgement_lets_the_producer_prove_its_own_event(world: ServiceWorld) -> None:
    envelope = world.cloudevent()
    answer = await world.post(envelope)
    assert answer.status_code == 202
    ack = answer.json()
    leaf = parse_leaf(base64.b64decode(ack["leaf"]))
    assert leaf.body == body_commitment(base64.b64decode(ack["salt"]), envelope)
    assert (leaf.signer, leaf.signed_by, leaf.event_type, leaf.tenant) == (world.key.keyid, "PRODUCER", "lineproof.dataset.v1", world.tenant)
    assert world.rooms.log.reader.entry(ack["index"]).envelope == envelope


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
async def test_compressed_bodies(world: ServiceWorld, coding: str) -> None:
    plain = world.cloudevent()
    body = gzip.compress(plain) if coding == "gzip" else zstandard.compress(plain)
    assert (await world.post(body, content_encoding=coding)).status_code == 202


async def test_gzip_of_several_members(world: ServiceWorld) -> None:
    plain = world.cloudevent()
    assert (await world.post(gzip.compress(plain[:100]) + gzip.compress(plain[100:]), content_encoding="gzip")).status_code == 202


async def test_an_array_is_answered_item_by_item_in_order(world: ServiceWorld) -> None:
    good, other = world.cloudevent(), world.cloudevent()
    body = b" [ " + good + b",\n" + b'{"not": "an envelope"}' + b" , " + other + b"," + good + b" ] "
    answer = await world.post(body)
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [result["status"] for result in results] == [202, 400, 202, 202]
    assert results[1]["problem"]["code"] == "invalid-envelope"
    assert results[1]["problem"]["quarantine"]
    assert (results[2]["index"], results[3]["index"], results[3]["duplicate"]) == (results[0]["index"] + 1, results[0]["index"], True)
    assert world.rooms.log.reader.entry(results[0]["index"]).envelope == good


async def test_an_empty_array_is_no_error(world: ServiceWorld) -> None:
    assert (await world.post(b"[]")).json() == {"results": []}


async def test_ndjson_is_answered_with_ndjson(world: ServiceWorld) -> None:
    body = world.cloudevent() + b"\n\n" + b"{broken\n" + world.cloudevent() + b"\r\n"
    answer = await world.post(body, content_type="application/x-ndjson")
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    results = [json.loads(line) for line in answer.text.splitlines()]
    assert [result["status"] for result in results] == [202, 400, 202]


async def test_a_batch_larger_than_the_queue_waits_for_itself(world: ServiceWorld) -> None:
    appender = world.rooms.log.appender
    appender._queue_size = 3
    body = b"[" + b",".join(world.cloudevent() for _ in range(50)) + b"]"
    results = (await world.post(body)).json()["results"]
    assert {result["status"] for result in results} == {202}
    assert len({result["index"] for result in results}) == 50


async def test_plain_openlineage_is_wrapped_and_names_its_caller(world: ServiceWorld) -> None:
    event = json.dumps(openlineage_run()).encode()
    answer = await world.post(event, "/api/v1/lineage")
    assert answer.status_code == 200
    entry = world.rooms.log.reader.entry(answer.json()["index"])
    assert (entry.fields.signed_by, entry.fields.signer) == ("SERVICE", world.rooms.log.notary.keyid)
    assert entry.fields.caller is not None
    assert entry.envelope is not None
    assert base64.b64decode(json.loads(entry.envelope)["payload"]) == event
    again = (await world.post(event, "/api/v1/lineage")).json()
    assert (again["index"], again["duplicate"]) == (answer.json()["index"], True)
    other = world.as_("ingest", subject="somebody else")
    by_other = (await world.http.post("/api/v1/lineage", content=event, headers=other)).json()
    assert by_other["duplicate"] is False


@pytest.mark.parametrize("wrapped", [False, True])
async def test_openlineage_batches_answer_the_2_0_2_summary(world: ServiceWorld, wrapped: bool) -> None:
    events = [openlineage_run("a"), {"eventTime": "2024-01-01T00:00:00Z"}, openlineage_run("b")]
    body = {"note": [1, {"events": 2}], "events": events} if wrapped else events
    answer = await world.post(json.dumps(body).encode(), "/api/v1/lineage/batch")
    assert answer.status_code == 200
    summary = answer.json()
    assert summary["status"] == "partial_success"
    assert summary["summary"] == {"received": 3, "successful": 2, "failed": 1, "retriable": 0, "non_retriable": 1}
    assert summary["failed_events"][0]["index"] == 1
    assert summary["failed_events"][0]["reason"].startswith("invalid-openlineage")


async def test_a_batch_that_is_no_batch(world: ServiceWorld) -> None:
    for body, code in ((b'{"event": []}', "invalid-argument"), (b"12", "invalid-argument"), (b'{"events": [1}', "not-json"), (b'{"events" 1}', "not-json")):
        answer = await world.post(body, "/api/v1/lineage/batch")
        assert (answer.status_code, answer.json()["code"]) == (400, code)


async def test_waiting_for_the_projection_returns_the_outcome(projected: ServiceWorld) -> None:
    answer = await projected.post(projected.cloudevent(), prefer="respond-async, wait=projected")
    assert answer.status_code == 200, answer.text
    assert answer.headers["preference-applied"] == "wait=projected"
    assert answer.json()["outcome"]["status"] == "applied"


async def test_a_rejected_claim_is_an_entry_and_answers_409_with_its_index(projected: ServiceWorld) -> None:
    move = {"kind": "feature", "namespace": "demo", "name": "nothing", "alias": "prod", "to": "1", "expected": None}
    event = projected.cloudevent("lineproof.alias.v1", move)
    answer = await projected.post(event, prefer="wait=projected")
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (409, "rejected"), answer.text
    assert problem["outcome"]["status"] == "rejected"
    assert projected.rooms.log.reader.entry(problem["index"]).envelope == event


async def test_waiting_ends_with_a_note_when_nobody_projects(world: ServiceWorld) -> None:
    impatient = world.app.state.services.settings.model_copy(update={"wait_seconds": 0.05})
    object.__setattr__(world.app.state.services, "settings", impatient)
    answer = await world.post(world.cloudevent(), prefer="wait=projected")
    assert answer.status_code == 202
    assert "not projected" in answer.json()["note"]


async def test_a_full_disk_answers_503_and_takes_events_again_afterwards(world: ServiceWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_self: object) -> NoReturn:
        raise NoSpace("no space left on device")

    event = world.cloudevent()
    with monkeypatch.context() as disk:
        disk.setattr(type(world.rooms.log.store), "append", full)
        answer = await world.post(event)
        assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "no-space", "2")
    assert (await world.post(event)).json()["duplicate"] is False


async def test_a_full_queue_answers_503_with_retry_after(world: ServiceWorld) -> None:
    world.rooms.log.appender._queue_size = 0
    for path, body in (("/api/v1/events", world.cloudevent()), ("/api/v1/lineage", json.dumps(openlineage_run()).encode())):
        answer = await world.post(body, path)
        assert (answer.status_code, answer.json()["code"]) == (503, "queue-full")
        assert int(answer.headers["retry-after"]) >= 1
        assert "quarantine" not in answer.json()
    world.rooms.log.appender._queue_size = 100
    assert (await world.post(world.cloudevent())).status_code == 202
