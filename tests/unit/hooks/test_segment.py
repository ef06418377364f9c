from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from ingest_hooks.segment import HEADER_BYTES, Kind, StreamHead, encode_header, encode_record, parse_header, scan

STREAM = uuid.UUID("5b56693d-8151-47a8-82a4-8e127712dcc1")
contents = st.lists(st.binary(max_size=60), max_size=6)


def segment(parts: list[bytes]) -> tuple[bytes, list[int]]:
    data = encode_header(1, StreamHead(STREAM, 0, bytes(32)))
    ends = []
    for number, content in enumerate(parts, 1):
        data += encode_record(Kind.EVENT, STREAM, number, bytes([number]) * 32, content)
        ends.append(len(data))
    return data, ends


@given(contents)
def test_records_come_back_as_they_were(parts):
    data, ends = segment(parts)
    found = list(scan(data, HEADER_BYTES, 1))
    assert [(record.ordinal, record.sequence, record.stream, record.content) for record, _ in found] == [
        (number, number, STREAM, content) for number, content in enumerate(parts, 1)]
    assert [end for _, end in found] == ends


@given(contents, st.data())
def test_any_truncation_leaves_exactly_the_whole_records(parts, data):
    raw, ends = segment(parts)
    cut = data.draw(st.integers(HEADER_BYTES, len(raw)))
    found = list(scan(raw[:cut], HEADER_BYTES, 1))
    assert [end for _, end in found] == [end for end in ends if end <= cut]


@given(st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=6), st.data())
def test_any_flipped_bit_ends_the_readable_part_before_it(parts, data):
    raw, ends = segment(parts)
    position = data.draw(st.integers(HEADER_BYTES, len(raw) - 1))
    damaged = bytearray(raw)
    damaged[position] ^= 1 << data.draw(st.integers(0, 7))
    found = [record.content for record, _ in scan(bytes(damaged), HEADER_BYTES, 1)]
    whole = sum(1 for end in ends if end <= position)
    assert found == parts[:whole]


@given(st.integers(0, HEADER_BYTES - 1), st.integers(0, 7))
def test_damaged_header_is_no_header(position, bit):
    header = encode_header(7, StreamHead(STREAM, 3, b"\x01" * 32))
    assert parse_header(header) == (7, StreamHead(STREAM, 3, b"\x01" * 32))
    damaged = bytearray(header)
    damaged[position] ^= 1 << bit
    assert parse_header(bytes(damaged)) is None
    assert parse_header(header[:position]) is None
