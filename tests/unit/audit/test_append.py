"""Appending to a real log: acknowledgements, duplicates, equivocations."""
from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lineproof_audit.base64text import decode_base64
from lineproof_audit.batch import MAX_EVIDENCE_BYTES, Ack
from lineproof_audit.envelope import PAYLOAD_OPENLINEAGE, parse_envelope, sign_envelope, verify_envelope
from lineproof_audit.errors import EnvelopeError, EquivocationError, InvalidLeaf, LogUnavailable
from lineproof_audit.keys import SigningKey
from lineproof_audit.leaf import body_commitment, encode_leaf
from lineproof_audit.log import Log
from lineproof_audit.tree import CompactRange, leaf_hash
from tests.log_entries import PRODUCER, TENANT, new_entry


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with Log.open(tmp_path / "data", create=True, state_dir=tmp_path / "state") as opened:
        yield opened


def test_an_acknowledged_entry_is_in_the_log_with_leaf_and_salt(log: Log) -> None:
    entry = new_entry("1")
    ack = log.appender.submit(entry).result(30)
    stored = log.reader.entry(ack.index)
    assert (ack.index, ack.duplicate) == (2, False)  # after genesis and policy
    assert (stored.leaf, stored.salt, stored.envelope) == (ack.leaf, ack.salt, entry.envelope)
    assert stored.fields.body == body_commitment(ack.salt, entry.envelope)
    assert stored.fields.signer == PRODUCER.keyid
    assert stored.fields.tenant == TENANT


def test_the_leaf_made_around_its_time_is_the_canonical_one(log: Log) -> None:
    odd = replace(new_entry("1"), event_type='x",\\"received":0,"signedBy":"', caller="c" * 64, signed_by="SERVICE")
    stored = log.reader.entry(log.appender.submit(odd).result(30).index)
    assert encode_leaf(stored.fields) == stored.leaf
    assert stored.fields.received > 0


def test_the_head_commits_to_every_leaf(log: Log) -> None:
    for future in log.appender.submit_many(new_entry(str(n)) for n in range(700)):
        future.result(30)
    tree = CompactRange()
    for entry in log.reader.entries():
        tree.append(leaf_hash(entry.leaf))
    assert log.store.head().tree == tree
    assert tree.size == 702


def test_retry_returns_the_first_index_leaf_and_salt(log: Log) -> None:
    first = log.appender.submit(new_entry("1")).result(30)
    again = log.appender.submit(new_entry("1")).result(30)
    assert again == replace(first, duplicate=True)
    assert log.reader.size() == 3


def test_equal_events_in_one_batch_become_one_entry(log: Log) -> None:
    acks = [future.result(30) for future in log.appender.submit_many([new_entry("1"), new_entry("2"), new_entry("1")])]
    assert [(ack.index, ack.duplicate) for ack in acks] == [(2, False), (3, False), (2, True)]
    assert acks[2].leaf == acks[0].leaf
    assert acks[2].salt == acks[0].salt


def test_the_same_payload_signed_anew_is_a_retry(log: Log) -> None:
    """Equality is payloadType and payload bytes, not the envelope's."""
    entry = new_entry("1")
    spaced = replace(entry, envelope=json.dumps(json.loads(entry.envelope), indent=1).encode())
    assert log.appender.submit(entry).result(30).index == log.appender.submit(spaced).result(30).index


@pytest.mark.parametrize("other", [
    new_entry("1", source="elsewhere"), new_entry("1", tenant="cd" * 16), new_entry("1", key=SigningKey.from_seed(b"\x08" * 32)),
    new_entry("1", caller="c" * 64, signed_by="SERVICE"), new_entry("1", caller="d" * 64, signed_by="SERVICE"),
], ids=["source", "tenant", "signer", "caller", "another caller"])
def test_another_identity_is_another_event(log: Log, other: object) -> None:
    log.appender.submit(new_entry("1")).result(30)
    log.appender.submit(new_entry("1", caller="c" * 63 + "0", signed_by="SERVICE")).result(30)
    ack = log.appender.submit(other).result(30)  # type: ignore[arg-type]
    assert (ack.index, ack.duplicate) == (4, False)


def test_a_signed_event_keeps_its_identity_whoever_delivers_it(log: Log) -> None:
    log.appender.submit(new_entry("1", caller="c" * 64)).result(30)
    assert log.appender.submit(new_entry("1", caller="d" * 64)).result(30).duplicate


def test_identity_parts_do_not_run_into_one_another(log: Log) -> None:
    acks = [log.appender.submit(new_entry(event_id, source=source)).result(30) for source, event_id in (("a", "bc"), ("ab", "c"), ("a1:b", "c"))]
    assert not any(ack.duplicate for ack in acks)


def test_other_bytes_under_one_identity_are_an_equivocation_with_evidence(log: Log) -> None:
    first = log.appender.submit(new_entry("1", "one")).result(30)
    second = new_entry("1", "two")
    with pytest.raises(EquivocationError) as raised:
        log.appender.submit(second).result(30)
    assert raised.value.first_index == first.index
    evidence = log.reader.entry(raised.value.evidence_index)
    assert evidence.fields.event_type == "lineproof.equivocation.v1"
    assert (evidence.fields.signer, evidence.fields.signed_by, evidence.fields.tenant) == (log.notary.keyid, "SERVICE", TENANT)
    assert evidence.envelope is not None
    envelope = parse_envelope(evidence.envelope)
    verify_envelope(envelope, log.notary.verify_key)
    event = json.loads(envelope.payload)
    assert event["data"]["firstIndex"] == first.index
    assert event["data"]["keyId"] == PRODUCER.keyid
    assert decode_base64(event["data"]["envelope"]) == second.envelope
    assert log.reader.size() == 4


def test_each_second_envelope_is_evidenced_once(log: Log) -> None:
    def evidence_of(says: str) -> int:
        with pytest.raises(EquivocationError) as raised:
            log.appender.submit(new_entry("1", says)).result(30)
        assert raised.value.first_index == 2
        return raised.value.evidence_index

    log.appender.submit(new_entry("1", "one")).result(30)
    assert [evidence_of("two"), evidence_of("three"), evidence_of("two"), evidence_of("three")] == [3, 4, 3, 4]
    assert log.reader.size() == 5


def test_equivocation_within_one_batch(log: Log) -> None:
    futures = log.appender.submit_many([new_entry("1", "one"), new_entry("1", "two"), new_entry("1", "two"), new_entry("2"), new_entry("1", "one")])
    assert futures[0].result(30).index == 2
    errors = [futures[n].exception(30) for n in (1, 2)]
    assert [(error.first_index, error.evidence_index) for error in errors if isinstance(error, EquivocationError)] == [(2, 3), (2, 3)]
    assert futures[3].result(30).index == 4
    assert (futures[4].result(30).index, futures[4].result(30).duplicate) == (2, True)


def test_entries_submitted_together_get_one_answer_each_in_order(log: Log) -> None:
    wanted = [new_entry("1", "one"), new_entry("1", "two"), new_entry("2"), new_entry("1", "one")]
    first, other, second, again = log.appender.submit_together([log.appender.prepare(entry) for entry in wanted]).result(30)
    assert isinstance(other, EquivocationError)
    assert other.first_index == 2
    assert [(ack.index, ack.duplicate) for ack in (first, second, again) if isinstance(ack, Ack)] == [(2, False), (4, False), (2, True)]
    assert log.appender.submit_together([]).result(0) == []


def test_equivocation_evidence_fits_an_envelope_at_the_size_limit(log: Log) -> None:
    def large(says: str) -> object:
        entry = new_entry("1", says)
        return replace(entry, envelope=entry.envelope + b" " * (MAX_EVIDENCE_BYTES - len(entry.envelope)))

    log.appender.submit(large("one")).result(30)  # type: ignore[arg-type]
    with pytest.raises(EquivocationError) as raised:
        log.appender.submit(large("two")).result(30)  # type: ignore[arg-type]
    stored = log.reader.entry(raised.value.evidence_index).envelope
    assert stored is not None
    parse_envelope(stored)
    too_large = replace(new_entry("2"), envelope=new_entry("2").envelope + b" " * MAX_EVIDENCE_BYTES)
    with pytest.raises(EnvelopeError) as refused:
        log.appender.submit(too_large).result(30)
    assert refused.value.code == "too-large"


def test_an_openlineage_event_may_be_as_large_as_envelopes_go(log: Log) -> None:
    payload = b"x" * (MAX_EVIDENCE_BYTES * 5 // 4)
    entry = replace(new_entry("1"), envelope=sign_envelope(PAYLOAD_OPENLINEAGE, payload, PRODUCER), media_type=PAYLOAD_OPENLINEAGE)
    assert log.reader.entry(log.appender.submit(entry).result(30).index).envelope == entry.envelope


def test_a_bad_entry_fails_alone(log: Log) -> None:
    good, bad, unsigned = new_entry("1"), replace(new_entry("2"), tenant="not hex"), replace(new_entry("3"), envelope=b"{}")
    futures = log.appender.submit_many([bad, good, unsigned])
    assert isinstance(futures[0].exception(30), InvalidLeaf)
    assert futures[1].result(30).index == 2
    assert isinstance(futures[2].exception(30), EnvelopeError)


def test_retry_after_an_erasure_returns_the_first_index(log: Log) -> None:
    first = log.appender.submit(new_entry("1")).result(30)
    log.store.erase_body(first.index, log.appender.submit(new_entry("e", event_type="lineproof.erasure.v1")).result(30).index)
    again = log.appender.submit(new_entry("1")).result(30)
    assert (again.index, again.leaf, again.salt, again.duplicate) == (first.index, first.leaf, b"", True)
    assert log.reader.entry(first.index).envelope is None


def test_an_erased_body_leaves_no_bytes_in_the_database(log: Log, tmp_path: Path) -> None:
    secret = replace(new_entry("1"), envelope=sign_envelope("application/x", b"somebody's telephone number", PRODUCER))
    ack = log.appender.submit(secret).result(30)
    kept = log.store.rows(ack.index, ack.index + 1)[0].body
    log.store.erase_body(ack.index, log.appender.submit(new_entry("e", event_type="lineproof.erasure.v1")).result(30).index)
    log.close()
    assert kept is not None
    assert kept[20:] not in (tmp_path / "data" / "log.db").read_bytes()


def test_what_is_queued_is_committed_on_close_and_nothing_after(log: Log) -> None:
    futures = log.appender.submit_many(new_entry(str(n)) for n in range(300))
    log.appender.close()
    assert [future.result(0).index for future in futures] == list(range(2, 302))
    with pytest.raises(LogUnavailable):
        log.appender.submit(new_entry("late")).result(0)


def test_a_cancelled_submission_is_not_logged_once_it_is_taken_back(log: Log) -> None:
    """Either it is in the log and acknowledged, or it is neither."""
    futures = log.appender.submit_many(new_entry(str(n)) for n in range(600))
    cancelled = [future.cancel() for future in futures]
    log.appender.close()
    logged = {json.loads(parse_envelope(entry.envelope).payload)["id"] for entry in log.reader.entries(2) if entry.envelope}
    assert logged == {str(n) for n, gone in enumerate(cancelled) if not gone}
