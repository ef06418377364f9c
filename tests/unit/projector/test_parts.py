"""JSON whose parts come again is read as it always was, kept within a bound, and means what it meant."""
from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metadata_service.projector import parts
from metadata_service.projector.parts import Known, Parts, made_of
from metadata_service.projector.rebuild import rebuild
from tests.replay.event_streams import Stream
from tests.unit.projector.memory_graph import MemoryGraph

LEAVES = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=12)
EVENTS = st.dictionaries(st.sampled_from(["job", "dataset", "inputs", "outputs", "run", "other"]), VALUES, max_size=5)
BROKEN = st.sampled_from([b"\xff", b'"', b"{", b"]", b",", b"01", b"\\ud800", b"NaN", b"\x01", b"\xef\xbb\xbf", b" "])


def parsed(payload: bytes) -> Any:
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError:
        return "not JSON"


def read(by: Parts, payload: bytes) -> Any:
    try:
        return by.read(payload)
    except orjson.JSONDecodeError:
        return "not JSON"


@given(EVENTS, st.integers(0, 200), BROKEN | st.just(b""))
def test_an_event_is_read_as_the_parser_reads_it_whether_it_is_whole_or_broken_and_however_often_it_comes(event: Any, place: int, broken: bytes) -> None:
    text = orjson.dumps(event) if parsed_fits(event) else b'{"job": {"name": "a name that is long enough to be looked up, and then some"}}'
    place %= len(text) + 1
    payload = text[:place] + broken + text[place:]
    by = Parts()
    assert [repr(read(by, payload)) for _ in range(4)] == [repr(parsed(payload))] * 4


def parsed_fits(event: Any) -> bool:
    try:
        orjson.dumps(event)
    except orjson.JSONEncodeError:
        return False
    return True


@pytest.mark.parametrize("payload", [b"[]", b"1", b"", b'{"job": []}', b'{"inputs": 1, "inputs": [{}]}', b'{"job"' + b" " * 99 + b': {"name":1}}',
                                     b'{"job":' + b"[" * 3000 + b"]" * 3000 + b"}", b'{"outputs": [{"name": "' + b"a" * 90 + b'", "name": 2}]}'])
def test_odd_payloads_are_read_as_the_parser_reads_them(payload: bytes) -> None:
    by = Parts()
    assert [repr(read(by, payload)) for _ in range(3)] == [repr(parsed(payload))] * 3


def test_what_came_twice_is_one_object_from_then_on_also_beside_what_changes() -> None:
    def event(rows: int) -> bytes:
        schema = {"fields": [{"name": f"column_{each}", "type": "DOUBLE"} for each in range(9)]}
        output = {"namespace": "db", "name": "t", "facets": {"schema": schema}, "outputFacets": {"outputStatistics": {"rowCount": rows}}}
        return orjson.dumps({"outputs": [output]})

    def make(said: Any) -> int:
        made.append(said)
        return len(made)

    by, made = Parts(), list[Any]()
    facets = [by.read(event(rows))["outputs"][0]["facets"] for rows in range(4)]
    assert facets[2] is facets[3]
    assert [made_of(each, "said", make) for each in facets[2:]] == [1, 1]


def test_what_is_kept_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "GENERATION_BYTES", 2_000)
    monkeypatch.setattr(parts, "MET_KEPT", 100)
    by = Parts()
    for each in range(300):
        payload = orjson.dumps({"job": {"namespace": "db", "name": f"a job with a name that is long enough {each}"}})
        for _ in range(3):
            by.read(payload)
        assert sum(map(len, (*by._new, *by._old))) <= 2 * (2_000 + 200)
        assert len(by._met) <= 100


@pytest.mark.anyio
@pytest.mark.parametrize("seed", [1, 2])
async def test_a_log_whose_parts_are_recognised_at_once_projects_to_what_it_does_when_none_ever_is(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream(seed)
    recognised = 0

    def keep(self: Parts, raw: bytes, value: Any) -> None:
        nonlocal recognised
        recognised += isinstance(value, Known)
        self._new[raw] = value

    monkeypatch.setattr(parts, "LEAST_BYTES", 0)
    monkeypatch.setattr(Parts, "_keep", keep)
    with_parts: Any = MemoryGraph()
    await rebuild(stream.log, with_parts)
    monkeypatch.setattr(parts, "LEAST_BYTES", 1 << 40)
    without: Any = MemoryGraph()
    await rebuild(stream.log, without)
    assert recognised > 50
    assert await with_parts.digest() == await without.digest()
    assert with_parts.states == without.states
    assert with_parts.batches == without.batches
