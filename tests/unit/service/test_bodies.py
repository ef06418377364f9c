"""Bodies are split into the bytes they were sent in."""
from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metadata_service.api.rest.bodies import split_array, split_batch, split_lines
from metadata_service.errors import BodyRefused

SCALARS = st.none() | st.booleans() | st.integers() | st.text()
JSON_VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12)
SPACE = st.text(alphabet=" \t\n\r", max_size=3)


@given(st.lists(st.tuples(SPACE, JSON_VALUES, SPACE), max_size=6), st.booleans(), st.data())
def test_items_are_exactly_the_bytes_between_the_commas(parts: list[tuple[str, object, str]], ascii_only: bool, data: st.DataObject) -> None:
    texts = [json.dumps(value, ensure_ascii=ascii_only, indent=data.draw(st.sampled_from([None, 2]))) for _, value, _ in parts]
    body = "[" + ",".join(before + text + after for (before, _, after), text in zip(parts, texts, strict=True)) + "]"
    try:
        raw = body.encode()
    except UnicodeEncodeError:
        return  # a lone surrogate cannot be sent
    assert split_array(raw, 10) == [text.encode() for text in texts]
    assert split_batch(b'{"other": [1, {"events": []}], "events": ' + raw + b', "more": {}}', 10) == [text.encode() for text in texts]


@given(st.binary(max_size=40))
def test_any_bytes_are_split_or_refused(body: bytes) -> None:
    for split in (split_array, split_batch):
        refusal = None
        try:
            items = split(body, 10)
        except BodyRefused as error:
            refusal = error.code
        if refusal is None:
            assert [json.loads(item) for item in items] == json.loads(body)
        else:
            assert refusal in ("not-json", "invalid-argument", "too-large")


@pytest.mark.parametrize("body", [b"[1,]", b"[,1]", b"[1", b"[1]]", b"[1] [2]", b"", b"[1e", b'["a]'])
def test_broken_arrays_are_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(BodyRefused) as refused:
        split_array(body, 10)
    assert refused.value.code == "not-json"


def test_more_items_than_allowed() -> None:
    for split, body in ((split_array, b"[1,2,3]"), (split_batch, b'{"events":[1,2,3]}'), (split_lines, b"1\n2\n3\n")):
        assert len(split(body, 3)) == 3
        with pytest.raises(BodyRefused) as refused:
            split(body, 2)
        assert refused.value.code == "too-large"


def test_lines_lose_blanks_and_carriage_returns() -> None:
    assert split_lines(b'{"a":1}\r\n\n  \n{"b":2}', 5) == [b'{"a":1}', b'{"b":2}']
