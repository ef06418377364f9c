"""An export as bytes: the forms it can have, and its lines, some at a time."""
from __future__ import annotations

import json
from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Final

import orjson

from metadata_service.queries.export import Line, Stream
from metadata_service.queries.export_ndjson import ndjson_lines
from metadata_service.queries.export_openlineage import openlineage_lines

__all__ = ["ExportForm", "chunks"]

CHUNK_BYTES: Final = 1 << 16


class ExportForm(StrEnum):
    """What the lines of an export are."""

    ndjson = "ndjson"
    openlineage = "openlineage"


async def chunks(stream: Stream, form: ExportForm) -> AsyncIterator[bytes]:
    """The lines of an opened stream as NDJSON, each ended by a newline."""
    waiting = bytearray()
    async for line in ndjson_lines(stream) if form is ExportForm.ndjson else openlineage_lines(stream):
        waiting += _encoded(line)
        if len(waiting) >= CHUNK_BYTES:
            yield bytes(waiting)
            waiting.clear()
    yield bytes(waiting)


def _encoded(line: Line) -> bytes:
    try:
        return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError:  # a producer's text may hold half surrogate pairs: it goes out as it came, escaped
        return json.dumps(line, separators=(",", ":")).encode() + b"\n"
