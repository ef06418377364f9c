"""GET /api/v1/lineage/export: lineage that is larger than an answer, as a stream of lines."""
from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from metadata_service.access import require_any
from metadata_service.api.graphql.caller import QUERY_ROLES
from metadata_service.api.lineage_stream import ExportForm, chunks
from metadata_service.api.min_size import MIN_SIZE_HEADER, min_size_of
from metadata_service.api.rest.auth import authenticate
from metadata_service.api.rest.openapi import PROBLEMS
from metadata_service.api.room import room_of
from metadata_service.api.services import services_of
from metadata_service.queries.context import Asked
from metadata_service.queries.export import Selection, open_stream
from metadata_service.queries.shapes import Direction

__all__ = ["router"]

router = APIRouter(tags=["lineage"])
_LINES = {"description": "One JSON document a line; the last one says that the stream is whole (docs/lineage.md)",
          "content": {"application/x-ndjson": {"schema": {"type": "object"}}}}


@router.get("/api/v1/lineage/export", summary="Lineage of an entity, or all of it, as a stream", response_class=Response, responses={200: _LINES, **PROBLEMS})
async def export(request: Request, urn: str | None = None, direction: Direction = Direction.UPSTREAM, depth: int | None = None, columns: bool = True,
                 size: Annotated[int | None, Query(ge=0, le=2**53 - 1)] = None, time: datetime | None = None,
                 form: Annotated[ExportForm, Query(alias="format")] = ExportForm.ndjson, after: str | None = None) -> Response:
    """NDJSON of our own, or OpenLineage events. Without `urn` everything that may be seen, else its lineage in a direction, `depth` hops far (default: all).

    It stands at one position: `size`, `time`, or now. `after` is a cursor of a stream that broke off. What can be refused is refused before the first
    line; a stream without its last line is not whole.
    """
    services, viewer = services_of(request), await authenticate(request)
    require_any(viewer, *sorted(QUERY_ROLES))
    services.reads.asked(viewer, "export")
    asked = Asked(size, time, min_size_of(request.headers.get(MIN_SIZE_HEADER)))
    stream = await open_stream(room_of(services, viewer), viewer, asked, Selection(urn, direction, depth, columns), form.value, after)
    return StreamingResponse(chunks(stream, form), media_type="application/x-ndjson")
