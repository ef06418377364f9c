from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineproof_audit.envelope import PAYLOAD_CLOUDEVENT, PAYLOAD_INTOTO, PAYLOAD_OPENLINEAGE
from lineproof_audit.facts import EventFacts, event_facts

PLACE = st.fixed_dictionaries({}, optional={"audience": st.text(max_size=3), "stream": st.sampled_from(["s", 7, None]),
                                            "sequence": st.sampled_from(["1", "01", "x", 3, "9" * 19]), "previoushash": st.just("ab"),
                                            "streamclosed": st.sampled_from([True, 1, None]), "odd": st.sampled_from([float("nan"), "\ud800", 10**30, -0.0])})
PART = st.fixed_dictionaries({}, optional={"facets": st.one_of(st.none(), st.fixed_dictionaries({}, optional={"lineproof_producer": PLACE}))})
OPENLINEAGE = st.fixed_dictionaries({}, optional={"run": PART, "job": st.one_of(st.just(3), PART), "dataset": PART})
STATEMENT = st.fixed_dictionaries({}, optional={"predicateType": st.text(max_size=3), "predicate": st.fixed_dictionaries({}, optional={
    "lineproof_producer": PLACE})})
CLOUDEVENT = st.builds(lambda place, kind: {**place, "type": kind}, PLACE, st.one_of(st.none(), st.text(max_size=3)))


@given(st.one_of(st.tuples(st.just(PAYLOAD_OPENLINEAGE), OPENLINEAGE), st.tuples(st.just(PAYLOAD_INTOTO), STATEMENT),
                 st.tuples(st.just(PAYLOAD_CLOUDEVENT), CLOUDEVENT)), st.booleans())
def test_the_facts_are_the_same_whichever_parser_reads_the_payload(event: tuple[str, object], escaped: bool) -> None:
    payload = json.dumps(event[1], ensure_ascii=escaped).encode("utf-8", "surrogatepass")
    assert event_facts(event[0], payload, orjson.loads) == event_facts(event[0], payload)


@pytest.mark.parametrize("payload", [b"", b"{", b"\xff", b"[" * 100_000, b'{"type": 1}', b"[]"])
def test_of_what_is_no_event_nothing_is_known(payload: bytes) -> None:
    assert event_facts(PAYLOAD_CLOUDEVENT, payload, orjson.loads) == event_facts(PAYLOAD_CLOUDEVENT, payload) == EventFacts(None)


def test_of_a_repeated_key_the_last_one_counts_for_both_parsers() -> None:
    payload = b'{"type": "a", "sequence": "1", "stream": "s", "type": "b", "sequence": "2"}'
    expected = EventFacts("b", stream="s", sequence=2)
    assert event_facts(PAYLOAD_CLOUDEVENT, payload, orjson.loads) == event_facts(PAYLOAD_CLOUDEVENT, payload) == expected
