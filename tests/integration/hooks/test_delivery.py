from __future__ import annotations

import hashlib
import json
import logging
import time
from pathlib import Path

import pytest
from fastapi import Response

from ingest_hooks.segment import Kind
from ingest_hooks.spool import Spool
from lineproof_audit.envelope import parse_envelope, verify_envelope
from lineproof_audit.keys import SigningKey
from tests.integration.hooks.conftest import ORIGIN
from tests.integration.hooks.receiver import Receiver, free_port, problem, serving


def emit_many(emitter, count, start=0):
    return [emitter.dataset(namespace="warehouse", name=f"table_{number}") for number in range(start, start + count)]


def names(receiver):
    return [event["data"]["name"] for event in receiver.events if "data" in event]


def assert_chain(receiver: Receiver) -> None:
    previous = None
    for number, envelope in enumerate(receiver.parsed(), 1):
        body = json.loads(envelope.payload)
        assert body["sequence"] == str(number)
        assert body.get("previoushash") == previous
        previous = hashlib.sha256(envelope.payload).hexdigest()


def test_events_arrive_in_order_signed_and_chained(emitter, receiver, key):
    producer = emitter(url=receiver.url)
    receipts = emit_many(producer, 40)
    assert producer.flush(10)
    assert names(receiver) == [f"table_{number}" for number in range(40)]
    assert_chain(receiver)
    assert {event["stream"] for event in receiver.events} == {receipts[0].stream}
    assert {event["audience"] for event in receiver.events} == {ORIGIN}
    verify_key = SigningKey.load(key).verify_key
    for envelope in receiver.parsed():
        verify_envelope(envelope, verify_key)
    assert [receipt.id for receipt in receipts] == [event["id"] for event in receiver.events]
    assert set(receiver.tokens) == {"Bearer secret"}
    stats = producer.stats()
    assert (stats.emitted, stats.spooled, stats.acknowledged, stats.pending, stats.dead, stats.dropped) == (40, 40, 40, 0, 0, 0)


def test_acknowledgements_are_kept_with_leaf_and_salt(emitter, receiver):
    producer = emitter(url=receiver.url)
    receipts = emit_many(producer, 3)
    assert producer.flush(10)
    acks = producer.acknowledgements()
    assert [(ack.stream, ack.sequence) for ack in acks] == [(receipt.stream, receipt.sequence) for receipt in receipts]
    assert [ack.index for ack in acks] == [0, 1, 2]
    assert all(ack.leaf and ack.salt for ack in acks)
    assert [ack.envelope for ack in acks] == [hashlib.sha256(raw).hexdigest() for raw in receiver.envelopes]


def test_service_down_while_emitting_then_the_spool_drains(emitter):
    port = free_port()
    producer = emitter(url=f"http://127.0.0.1:{port}")
    emit_many(producer, 10)
    assert not producer.flush(0.5)
    assert producer.stats().pending == 10
    assert producer.stats().retries > 0
    with serving(Receiver(), port) as receiver:
        assert producer.flush(20)
        assert names(receiver) == [f"table_{number}" for number in range(10)]
        assert_chain(receiver)


def test_next_process_continues_the_stream_and_sends_what_waits(emitter, receiver):
    first = emitter()
    emit_many(first, 3)
    first.close(0.1)
    second = emitter(url=receiver.url)
    emit_many(second, 2, start=3)
    assert second.flush(10)
    assert names(receiver) == [f"table_{number}" for number in range(5)]
    assert len({event["stream"] for event in receiver.events}) == 1
    assert_chain(receiver)


def test_a_retried_batch_is_found_to_be_duplicates(emitter, receiver):
    answered = []

    def lose_the_first_answer(what: str, body: bytes) -> Response | None:
        if answered:
            return None
        answered.append(True)
        for item in json.loads(body):
            receiver.take(json.dumps(item, separators=(",", ":")).encode())
        return Response(status_code=502)

    receiver.fault = lose_the_first_answer
    producer = emitter(url=receiver.url)
    producer.dataset(namespace="warehouse", name="table_0")
    assert producer.flush(10)
    assert len(receiver.events) == 1
    stats = producer.stats()
    assert (stats.acknowledged, stats.duplicates, stats.retries, stats.sent) == (1, 1, 1, 2)


def test_retry_after_is_honoured(emitter, receiver):
    times = []

    def overloaded(what: str, body: bytes) -> Response | None:
        times.append(time.monotonic())
        return Response(status_code=503, headers={"Retry-After": "1"}) if len(times) == 1 else None

    receiver.fault = overloaded
    producer = emitter(url=receiver.url)
    producer.dataset(namespace="warehouse", name="table_0")
    assert producer.flush(10)
    assert len(times) == 2
    assert times[1] - times[0] >= 0.99  # not a timing of ours: the service asked for a second


def test_event_that_is_busy_is_sent_again_and_others_are_not(emitter, receiver):
    busy = iter([problem(503, "queue-full"), problem(503, "queue-full")])
    receiver.item_fault = lambda body: next(busy, None) if body["data"]["name"] == "table_1" else None
    waiting = emitter()
    emit_many(waiting, 4)
    waiting.close(0.1)
    producer = emitter(url=receiver.url)
    emit_many(producer, 1, start=4)
    assert producer.flush(10)
    assert sorted(names(receiver)) == [f"table_{number}" for number in range(5)]
    assert producer.stats().duplicates == 0


def test_rejected_is_acknowledged_and_equivocation_is_dead_and_the_queue_goes_on(emitter, receiver, tmp_path, caplog):
    answers = {"table_1": problem(409, "rejected", index=77), "table_2": problem(409, "equivocation", firstIndex=3, evidenceIndex=9),
               "table_3": problem(403, "out-of-scope"), "table_4": problem(403, "out-of-scope")}
    receiver.item_fault = lambda body: answers.get(body["data"]["name"])
    producer = emitter(url=receiver.url)
    with caplog.at_level(logging.WARNING, logger="ingest_hooks"):
        emit_many(producer, 6)
        assert producer.flush(10)
    assert names(receiver) == ["table_0", "table_5"]
    stats = producer.stats()
    assert (stats.acknowledged, stats.dead, stats.dropped) == (3, 3, 0)
    assert 77 in [ack.index for ack in producer.acknowledgements()]
    dead = [json.loads(path.read_text()) for path in sorted((tmp_path / "spool" / "dead").glob("*.json"))]
    assert [(one["problem"]["code"], one["sequence"]) for one in dead] == [("equivocation", 3), ("out-of-scope", 4), ("out-of-scope", 5)]
    assert dead[0]["problem"]["firstIndex"] == 3
    assert json.loads(parse_envelope(json.dumps(dead[0]["envelope"]).encode()).payload)["data"]["name"] == "table_2"
    said = [entry.getMessage() for entry in caplog.records if "refused an event" in entry.getMessage()]
    assert len(said) == 2  # once per kind, not once per event


def test_batch_that_is_refused_whole_is_halved_until_the_culprit_stands_alone(emitter, receiver, tmp_path):
    receiver.fault = lambda what, body: Response(status_code=413, content='{"code": "too-large"}') if b"culprit" in _payloads(body) else None
    waiting = emitter()
    for name in ("a", "b", "culprit", "c", "d"):
        waiting.dataset(namespace="warehouse", name=name)
    waiting.close(0.1)
    producer = emitter(url=receiver.url)
    producer.dataset(namespace="warehouse", name="e")
    assert producer.flush(10)
    assert names(receiver) == ["a", "b", "c", "d", "e"]
    (dead,) = (tmp_path / "spool" / "dead").glob("*.json")
    assert json.loads(dead.read_text())["problem"]["code"] == "too-large"


def _payloads(body: bytes) -> bytes:
    return b"".join(parse_envelope(json.dumps(item).encode()).payload for item in json.loads(body))


@pytest.mark.parametrize("status", [401, 403, 404, 302])
def test_wrong_token_or_address_keeps_the_events(emitter, receiver, tmp_path, status):
    receiver.fault = lambda what, body: Response(status_code=status)
    producer = emitter(url=receiver.url)
    emit_many(producer, 3)
    assert not producer.flush(0.3)
    assert producer.stats().pending == 3
    assert not list((tmp_path / "spool").glob("dead/*.json"))
    receiver.fault = None
    assert producer.flush(10)
    assert len(receiver.events) == 3


@pytest.mark.parametrize("answer", ["<html>hello</html>", '{"results": []}', '{"results": [1]}', '[]', '{"results": [{"index": 1}]}'])
def test_answer_of_something_else_is_not_an_acknowledgement(emitter, receiver, answer):
    receiver.fault = lambda what, body: Response(answer)
    producer = emitter(url=receiver.url)
    emit_many(producer, 1)
    assert not producer.flush(0.3)
    assert producer.stats().acknowledged == 0
    receiver.fault = None
    assert producer.flush(10)
    assert producer.stats().acknowledged == 1


def test_leaf_that_commits_to_other_bytes_is_found_out(emitter, receiver, tmp_path):
    receiver.lie = True
    producer = emitter(url=receiver.url)
    emit_many(producer, 1)
    assert producer.flush(10)
    assert (producer.stats().acknowledged, producer.stats().dead) == (0, 1)
    (dead,) = (tmp_path / "spool" / "dead").glob("*.json")
    assert json.loads(dead.read_text())["problem"]["code"] == "invalid-proof"
    assert producer.acknowledgements() == []


def test_artifacts_are_uploaded_before_the_events_that_follow(emitter, receiver, tmp_path):
    producer = emitter()
    producer.dataset(namespace="warehouse", name="before")
    digest = producer.artifact(b"select 1")
    assert digest == hashlib.sha256(b"select 1").hexdigest()
    producer.dataset(namespace="warehouse", name="after")
    assert producer.artifact(b"select 1") == digest
    file = tmp_path / "lock.txt"
    file.write_bytes(b"lock")
    producer.artifact(file)
    producer.close(0.1)
    assert (tmp_path / "spool" / "artifacts" / digest).read_bytes() == b"select 1"
    again = emitter(url=receiver.url)
    again.dataset(namespace="warehouse", name="last")
    assert again.flush(10)
    assert receiver.arrivals == ["event", "artifact", "event", "artifact", "event"]
    assert receiver.artifacts == {f"sha256:{digest}": b"select 1", f"sha256:{hashlib.sha256(b'lock').hexdigest()}": b"lock"}
    assert list((tmp_path / "spool" / "artifacts").iterdir()) == []


def test_refused_artifact_is_kept_and_the_queue_goes_on(emitter, receiver, tmp_path):
    receiver.fault = lambda what, body: Response(status_code=413) if what == "artifacts" else None
    producer = emitter(url=receiver.url)
    digest = producer.artifact(b"too much")
    producer.dataset(namespace="warehouse", name="after")
    assert producer.flush(10)
    assert names(receiver) == ["after"]
    assert (tmp_path / "spool" / "dead" / f"{digest}.artifact").read_bytes() == b"too much"
    assert producer.stats().dead == 1


def test_large_batches_are_compressed_and_arrive_whole(emitter, receiver):
    waiting = emitter()
    for number in range(700):
        waiting.dataset(namespace="warehouse", name=f"table_{number}", description="d" * 500)
    waiting.close(0.1)
    producer = emitter(url=receiver.url)
    emit_many(producer, 1, start=700)
    assert producer.flush(30)
    assert names(receiver) == [f"table_{number}" for number in range(701)]
    assert "gzip" in receiver.encodings
    assert receiver.requests < 20
    assert_chain(receiver)


def test_acknowledged_segments_are_deleted(emitter, receiver, tmp_path):
    producer = emitter(url=receiver.url, max_spool_bytes=1_000_000)
    for number in range(300):
        producer.dataset(namespace="warehouse", name=f"table_{number}", description="d" * 2000)
        if number % 100 == 99:
            assert producer.flush(10)
    assert producer.stats().dropped == 0
    assert sum(path.stat().st_size for path in (tmp_path / "spool" / "segments").iterdir()) < 150_000


def test_openlineage_event_carries_its_place_in_a_facet(emitter, receiver):
    producer = emitter(url=receiver.url)
    event = {"eventType": "START", "eventTime": "2026-11-22T10:00:00Z", "producer": "https://example.org/x", "run": {"runId": "r-1"},
             "job": {"namespace": "n", "name": "j"}}
    kept = json.loads(json.dumps(event))
    first = producer.openlineage(event)
    producer.openlineage({"eventTime": "2026-11-22T10:00:00Z", "producer": "https://example.org/x", "dataset": {"namespace": "n", "name": "d"}},
                         closes_stream=True)
    after = producer.dataset(namespace="n", name="d")
    assert event == kept
    assert producer.flush(10)
    run, dataset, last = receiver.events
    facet = run["run"]["facets"]["lineproof_producer"]
    assert (facet["audience"], facet["stream"], facet["sequence"]) == (ORIGIN, first.stream, "1")
    assert "previoushash" not in facet
    payloads = [envelope.payload for envelope in receiver.parsed()]
    assert first.id == hashlib.sha256(payloads[0]).hexdigest()
    closing = dataset["dataset"]["facets"]["lineproof_producer"]
    assert closing["previoushash"] == first.id
    assert closing["streamclosed"] is True
    assert last["sequence"] == "1"
    assert after.stream != first.stream


def test_position_that_was_lost_only_repeats(emitter, receiver, tmp_path):
    producer = emitter(url=receiver.url)
    emit_many(producer, 5)
    assert producer.flush(10)
    producer.close(1)
    (tmp_path / "spool" / "position").write_text("")
    again = emitter(url=receiver.url)
    emit_many(again, 1, start=5)
    assert again.flush(10)
    assert len(receiver.events) == 6
    assert again.stats().duplicates == 5


def test_damage_in_the_middle_loses_only_its_own_segment_and_is_counted(emitter, receiver, tmp_path):
    producer = emitter(max_spool_bytes=600_000)
    for number in range(60):
        producer.dataset(namespace="warehouse", name=f"table_{number}", description="d" * 2000)
    producer.close(0.1)
    segments = sorted((tmp_path / "spool" / "segments").iterdir())
    assert len(segments) > 3
    damaged = segments[1]
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    again = emitter(url=receiver.url)
    emit_many(again, 1, start=60)
    assert again.flush(20)
    stats = again.stats()
    assert stats.dropped > 0
    assert len(receiver.events) + stats.dropped == 61
    assert (tmp_path / "spool" / "dead" / damaged.name).exists()


def test_orphaned_stream_is_adopted(emitter, receiver, tmp_path):
    blocker = Spool.open(tmp_path / "spool")
    lonely = emitter()
    emit_many(lonely, 3)
    assert (tmp_path / "spool" / "streams" / "1" / "segments").exists()
    lonely.close(0.1)
    blocker.close()
    producer = emitter(url=receiver.url)
    emit_many(producer, 2, start=3)
    assert producer.flush(10)
    for _ in range(200):
        if len(receiver.events) == 5:
            break
        time.sleep(0.05)
    assert sorted(names(receiver)) == [f"table_{number}" for number in range(5)]
    assert len({event["stream"] for event in receiver.events}) == 2


def test_dropped_event_leaves_a_gap_that_survives_the_process(emitter, receiver, tmp_path):
    producer = emitter(max_spool_bytes=40_000)
    receipts = [producer.dataset(namespace="w", name=f"t{number}", description="d" * 5000) for number in range(9)]
    dropped = [receipt for receipt in receipts if receipt.status == "dropped"]
    assert dropped
    assert producer.stats().dropped == len(dropped)
    producer.close(0.1)
    again = emitter(url=receiver.url)
    after = again.dataset(namespace="w", name="after")
    assert again.flush(10)
    assert after.stream == receipts[0].stream
    assert after.sequence == len(receipts) + 1
    assert [int(event["sequence"]) for event in receiver.events] == [receipt.sequence for receipt in receipts if receipt.ok] + [after.sequence]


def test_records_of_a_closed_spool_are_not_acknowledged_into_a_new_owner(tmp_path):
    first = Spool.open(tmp_path / "spool")
    number = first.append(Kind.EVENT, first.head, b"{}")
    first.sync(number)
    first.close()
    first.acknowledge(number)
    assert not (tmp_path / "spool" / "position").exists()
    assert Path(first.directory) == tmp_path / "spool"
