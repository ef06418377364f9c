"""The file format of the spool: append-only segments of framed records.

    segment = header record*          header = "LPSPOOL1" first:u64 stream:16 sequence:u64 previous:32 crc32:u32
    record  = length:u32 crc32:u32 body      body = kind:u8 sequence:u64 stream:16 digest:32 content     (big-endian)

The header carries the head of the stream as it stood when the segment was begun, so that the chain goes on after every older
segment was deleted. `digest` is the SHA-256 of the signed payload (for an artifact: of its bytes). A record whose length or
checksum does not fit ends the readable part: a torn write at the end is cut off, and nothing behind it was ever acknowledged.
"""
from __future__ import annotations

import struct
import uuid
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

__all__ = ["HEADER_BYTES", "MAX_CONTENT_BYTES", "Kind", "Record", "StreamHead", "encode_header", "encode_record", "parse_header", "scan"]

MAGIC = b"LPSPOOL1"
MAX_CONTENT_BYTES = 8 * 1024 * 1024  # twice the largest envelope the service takes; a larger length is damage, not data
_HEADER = struct.Struct(">8sQ16sQ32sI")
_FRAME = struct.Struct(">II")
_BODY = struct.Struct(">BQ16s32s")
HEADER_BYTES = _HEADER.size
NO_DIGEST = bytes(32)


class Kind(IntEnum):
    """What a record holds."""

    EVENT = 1
    ARTIFACT = 2
    CLOSING_EVENT = 3  # the last event of its stream


@dataclass(frozen=True, slots=True)
class StreamHead:
    """Where the stream stands: `sequence` of its last event (0 = none yet) and the SHA-256 of that event's payload."""

    stream: uuid.UUID
    sequence: int
    previous: bytes

    @classmethod
    def fresh(cls) -> StreamHead:
        return cls(uuid.uuid4(), 0, NO_DIGEST)


@dataclass(frozen=True, slots=True)
class Record:
    """One record; `ordinal` counts all records of a spool from 1 and is the position that gets acknowledged."""

    ordinal: int
    kind: Kind
    stream: uuid.UUID
    sequence: int
    digest: bytes
    content: bytes

    @property
    def is_event(self) -> bool:
        return self.kind is not Kind.ARTIFACT

    def head_after(self, head: StreamHead) -> StreamHead:
        """The stream's head once this record stands."""
        if self.kind is Kind.ARTIFACT:
            return head
        return StreamHead.fresh() if self.kind is Kind.CLOSING_EVENT else StreamHead(self.stream, self.sequence, self.digest)


def encode_header(first: int, head: StreamHead) -> bytes:
    """The header of a segment whose first record will be number `first`."""
    plain = _HEADER.pack(MAGIC, first, head.stream.bytes, head.sequence, head.previous, 0)[:-4]
    return plain + struct.pack(">I", zlib.crc32(plain))


def parse_header(raw: bytes) -> tuple[int, StreamHead] | None:
    """(first ordinal, head) or None when the header is torn or damaged."""
    if len(raw) < HEADER_BYTES:
        return None
    magic, first, stream, sequence, previous, crc = _HEADER.unpack_from(raw)
    if magic != MAGIC or zlib.crc32(raw[: HEADER_BYTES - 4]) != crc:
        return None
    return first, StreamHead(uuid.UUID(bytes=stream), sequence, previous)


def encode_record(kind: Kind, stream: uuid.UUID, sequence: int, digest: bytes, content: bytes) -> bytes:
    """The framed bytes of one record."""
    body = _BODY.pack(kind, sequence, stream.bytes, digest) + content
    return _FRAME.pack(len(body), zlib.crc32(body)) + body


def scan(data: bytes, start: int, ordinal: int) -> Iterator[tuple[Record, int]]:
    """The whole records of `data` from byte `start` on, numbered from `ordinal`, each with the offset behind it.

    Stops without an error where bytes are missing or a checksum fails; the caller compares the last offset with the end.
    """
    offset = start
    while offset + _FRAME.size <= len(data):
        length, crc = _FRAME.unpack_from(data, offset)
        begin = offset + _FRAME.size
        end = begin + length
        if length < _BODY.size or length > MAX_CONTENT_BYTES + _BODY.size or end > len(data):
            return
        body = data[begin:end]
        if zlib.crc32(body) != crc:
            return
        kind, sequence, stream, digest = _BODY.unpack_from(body)
        if kind not in Kind._value2member_map_:
            return
        yield Record(ordinal, Kind(kind), uuid.UUID(bytes=stream), sequence, digest, body[_BODY.size:]), end
        offset = end
        ordinal += 1
