from __future__ import annotations

import hashlib

from lineproof_audit.envelope import PAYLOAD_CLOUDEVENT, PAYLOAD_INTOTO, PAYLOAD_OPENLINEAGE
from lineproof_audit.facts import EventFacts, event_facts
from lineproof_audit.streams import StreamFinding, StreamTracker

SIGNER, STREAM = "1" * 64, "6f2c1e0a-5b7d-4c3e-9a8f-0b1c2d3e4f50"


def hash_of(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()


def fed(*numbers: int, closed: int | None = None) -> StreamTracker:
    tracker = StreamTracker()
    for index, number in enumerate(numbers):
        tracker.see(index, SIGNER, EventFacts("x", stream=STREAM, sequence=number, closed=number == closed), hash_of(b"%d" % number))
    return tracker


def gaps(tracker: StreamTracker) -> list[tuple[int, int, int]]:
    return [(finding.index, finding.first, finding.last) for finding in tracker.gaps()]


def test_numbers_in_order_leave_no_gap() -> None:
    assert gaps(fed(1, 2, 3)) == []


def test_a_gap_stands_at_the_entry_where_it_showed() -> None:
    assert gaps(fed(2, 3, 7)) == [(0, 1, 1), (2, 4, 6)]


def test_what_arrives_late_fills_its_gap() -> None:
    assert gaps(fed(1, 4, 2)) == [(1, 3, 3)]
    assert gaps(fed(1, 4, 2, 3)) == []


def test_streams_of_different_signers_are_different_streams() -> None:
    tracker = fed(1)
    tracker.see(1, "2" * 64, EventFacts("x", stream=STREAM, sequence=1), hash_of(b""))
    assert gaps(tracker) == []


def test_a_closed_stream_is_forgotten_unless_something_is_missing() -> None:
    whole = fed(1, 2, closed=2)
    assert not whole._streams
    assert gaps(fed(1, 3, closed=3)) == [(1, 2, 2)]


def test_another_payload_than_the_successor_names_is_found() -> None:
    tracker = StreamTracker()
    tracker.see(0, SIGNER, EventFacts("x", stream=STREAM, sequence=1), hash_of(b"one"))
    good = EventFacts("x", stream=STREAM, sequence=2, previous_hash=hashlib.sha256(b"one").hexdigest())
    assert tracker.see(1, SIGNER, good, hash_of(b"two")) is None
    bad = EventFacts("x", stream=STREAM, sequence=3, previous_hash=hashlib.sha256(b"other").hexdigest())
    assert tracker.see(2, SIGNER, bad, hash_of(b"three")) == StreamFinding("chain", 2, SIGNER, STREAM, 2, 2)


def test_a_number_beyond_reason_costs_bounded_memory() -> None:
    assert gaps(fed(1, 10**18)) == [(1, 10**18 - 10_000, 10**18 - 1)]


def test_what_looks_missing_may_have_been_erased() -> None:
    tracker = fed(1, 3)
    tracker.erased(SIGNER)
    assert [finding.maybe_erased for finding in tracker.gaps()] == [True]


def test_the_producers_attributes_are_found_in_every_kind_of_event() -> None:
    facet = b'{"audience":"log.example","stream":"s","sequence":"12","previoushash":"ab","streamclosed":true}'
    expected = {
        (PAYLOAD_CLOUDEVENT, b'{"type":"t",' + facet[1:]): "t",
        (PAYLOAD_OPENLINEAGE, b'{"run":{"facets":{"lineproof_producer":' + facet + b'}},"job":{}}'): "openlineage.run",
        (PAYLOAD_OPENLINEAGE, b'{"run":{},"job":{"facets":{"lineproof_producer":' + facet + b"}}}"): "openlineage.run",
        (PAYLOAD_OPENLINEAGE, b'{"job":{"facets":{"lineproof_producer":' + facet + b"}}}"): "openlineage.job",
        (PAYLOAD_OPENLINEAGE, b'{"dataset":{"facets":{"lineproof_producer":' + facet + b"}}}"): "openlineage.dataset",
        (PAYLOAD_INTOTO, b'{"predicateType":"p","predicate":{"lineproof_producer":' + facet + b"}}"): "p",
    }
    for (payload_type, payload), event_type in expected.items():
        assert event_facts(payload_type, payload) == EventFacts(event_type, "log.example", "s", 12, "ab", True)


def test_malformed_attributes_are_no_facts() -> None:
    for sequence in ('"0"', '"01"', '"x"', '"٧"', "7", '"-1"', '"99999999999999999999"'):
        assert event_facts(PAYLOAD_CLOUDEVENT, b'{"type":"t","sequence":' + sequence.encode() + b"}").sequence is None
    for payload in (b"", b"[]", b"[" * 100_000, b"\xff", b'{"type":7}'):
        assert event_facts(PAYLOAD_CLOUDEVENT, payload) == EventFacts(None)
    assert event_facts("text/plain", b'{"type":"t"}') == EventFacts(None)
