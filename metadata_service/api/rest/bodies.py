"""Reading request bodies: bounded while they stream in, bounded again while they are decompressed, split without re-serialising."""
from __future__ import annotations

import io
import json
import re
import zlib
from typing import Final

import anyio.to_thread
import zstandard
from starlette.requests import Request

from metadata_service.errors import BodyRefused

__all__ = ["is_array", "is_ndjson", "read_body", "split_array", "split_batch", "split_lines"]

NDJSON: Final = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})
INLINE_BYTES: Final = 64 * 1024  # compressed bodies below this are inflated at once; a thread hop would cost more
_SPACE: Final = re.compile(r"[ \t\n\r]*")
_DECODER: Final = json.JSONDecoder()


async def read_body(request: Request, limit: int) -> bytes:
    """The decompressed body, at most `limit` bytes of it and at most `limit` on the wire.

    Raises:
        BodyRefused: `unsupported-media-type`, `unsupported-encoding`, `too-large`, or `not-json` for damaged compression.
    """
    media_type = _media_type(request)
    if media_type and media_type not in NDJSON and media_type != "application/json" and not media_type.endswith("+json"):
        raise BodyRefused(f"content type {media_type[:100]!r}", code="unsupported-media-type")
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "", "gzip", "x-gzip", "zstd"):
        raise BodyRefused(f"content encoding {encoding[:100]!r}", code="unsupported-encoding")
    raw = await _wire_bytes(request, limit)
    if encoding in ("identity", ""):
        return raw
    inflate = _gunzip if encoding.endswith("gzip") else _unzstd
    if len(raw) <= INLINE_BYTES:
        return inflate(raw, limit)
    return await anyio.to_thread.run_sync(inflate, raw, limit)


def is_ndjson(request: Request) -> bool:
    """Whether the body is one JSON text per line."""
    return _media_type(request) in NDJSON


def is_array(body: bytes) -> bool:
    """Whether the body is a JSON array, judged by its first character."""
    return body.lstrip(b" \t\r\n")[:1] == b"["


def split_array(body: bytes, most: int) -> list[bytes]:
    """The items of a JSON array, each as the bytes it was sent in.

    Raises:
        BodyRefused: `not-json`, or `too-large` for more than `most` items.
    """
    text = _text(body)
    items, end = _items(text, _skip(text, 0), most)
    _nothing_after(text, end)
    return items


def split_batch(body: bytes, most: int) -> list[bytes]:
    """The events of a JSON array or of the array under `events` in an object, each as the bytes it was sent in.

    Raises:
        BodyRefused: `not-json`, `invalid-argument` for an object without `events`, `too-large` for more than `most` items.
    """
    if is_array(body):
        return split_array(body, most)
    text = _text(body)
    at = _skip(text, 0)
    if text[at:at + 1] != "{":
        raise BodyRefused("a batch is a JSON array or {\"events\": […]}", code="invalid-argument")
    at, found = _skip(text, at + 1), None
    while text[at:at + 1] != "}":
        key, at = _value(text, at)
        at = _skip(text, _expect(text, _skip(text, at), ":"))
        if key == "events" and text[at:at + 1] == "[":
            found, at = _items(text, at, most)
        else:
            _, at = _value(text, at)
        at = _skip(text, at)
        if text[at:at + 1] != "}":
            at = _skip(text, _expect(text, at, ","))
    _nothing_after(text, at + 1)
    if found is None:
        raise BodyRefused("the object has no array `events`", code="invalid-argument")
    return found


def split_lines(body: bytes, most: int) -> list[bytes]:
    """The lines of an NDJSON body that are not blank.

    Raises:
        BodyRefused: `too-large` for more than `most` lines.
    """
    lines = [line for line in (part.strip(b" \t\r") for part in body.split(b"\n")) if line]
    if len(lines) > most:
        raise BodyRefused(f"{len(lines)} events in one body, at most {most}", code="too-large", limit=most)
    return lines


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _wire_bytes(request: Request, limit: int) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    held = bytearray()
    async for chunk in request.stream():
        held += chunk
        if len(held) > limit:
            raise _too_large(limit)
    return bytes(held)


def _gunzip(raw: bytes, limit: int) -> bytes:
    out = bytearray()
    while raw:
        inflater = zlib.decompressobj(wbits=31)
        try:
            out += inflater.decompress(raw, limit + 1 - len(out))
        except zlib.error as error:
            raise BodyRefused(f"the gzip body is damaged: {error}") from error
        if len(out) > limit or inflater.unconsumed_tail:
            raise _too_large(limit)
        if not inflater.eof:
            raise BodyRefused("the gzip body is cut off")
        raw = inflater.unused_data
    return bytes(out)


def _unzstd(raw: bytes, limit: int) -> bytes:
    reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(io.BytesIO(raw), read_across_frames=True)
    out = bytearray()
    try:
        while chunk := reader.read(min(1 << 20, limit + 1 - len(out))):
            out += chunk
            if len(out) > limit:
                raise _too_large(limit)
    except zstandard.ZstdError as error:
        raise BodyRefused(f"the zstd body is damaged: {error}") from error
    return bytes(out)


def _too_large(limit: int) -> BodyRefused:
    return BodyRefused(f"a body may have {limit} bytes after decompression", code="too-large", limit=limit)


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BodyRefused(f"the body is not UTF-8: {error.reason} at byte {error.start}") from error


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    assert match is not None
    return match.end()


def _value(text: str, at: int) -> tuple[object, int]:
    try:
        return _DECODER.raw_decode(text, at)
    except json.JSONDecodeError as error:
        raise BodyRefused(f"the body is not JSON: {error.msg} at character {error.pos}") from error
    except (ValueError, RecursionError) as error:
        raise BodyRefused(f"the body is not JSON we can read: {error}") from error


def _expect(text: str, at: int, character: str) -> int:
    if text[at:at + 1] != character:
        raise BodyRefused(f"the body is not JSON: {character!r} expected at character {at}")
    return at + 1


def _items(text: str, at: int, most: int) -> tuple[list[bytes], int]:
    at = _skip(text, _expect(text, at, "["))
    items: list[bytes] = []
    if text[at:at + 1] == "]":
        return items, at + 1
    while True:
        _, end = _value(text, at)
        items.append(text[at:end].encode("utf-8"))
        if len(items) > most:
            raise BodyRefused(f"a body may have {most} events", code="too-large", limit=most)
        at = _skip(text, end)
        if text[at:at + 1] == "]":
            return items, at + 1
        at = _skip(text, _expect(text, at, ","))


def _nothing_after(text: str, at: int) -> None:
    if _skip(text, at) != len(text):
        raise BodyRefused(f"the body is not JSON: text after the end at character {at}")
