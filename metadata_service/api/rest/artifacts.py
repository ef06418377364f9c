"""PUT and GET /api/v1/artifacts/sha256:{digest}."""
from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from metadata_service.access import require, require_any
from metadata_service.api.rest.answers import json_response
from metadata_service.api.rest.auth import authenticate
from metadata_service.api.rest.openapi import BINARY, PROBLEMS, json_answer
from metadata_service.api.services import services_of
from metadata_service.errors import BodyRefused

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/artifacts", tags=["artifacts"])
Digest = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]
_STORED = json_answer("The tenant holds the artifact", {"type": "object", "required": ["digest", "size"], "properties": {
    "digest": {"type": "string"}, "size": {"type": "integer"}}})
_BODY = {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}


@router.put("/sha256:{digest}", summary="Store an artifact", responses={200: _STORED, 201: _STORED, **PROBLEMS}, openapi_extra={"requestBody": _BODY})
async def put_artifact(request: Request, digest: Digest) -> Response:
    """Store raw bytes under their SHA-256: 201 if they are new to the tenant, else 200."""
    viewer = await authenticate(request)
    require(viewer, "ingest")
    if request.headers.get("content-encoding", "identity").lower() not in ("identity", ""):
        raise BodyRefused("artifacts are sent as they are", code="unsupported-encoding")
    stored = await services_of(request).artifacts.put(viewer.tenant, digest, request.stream())
    return json_response({"digest": f"sha256:{stored.digest}", "size": stored.size}, 201 if stored.created else 200)


@router.get("/sha256:{digest}", summary="Read an artifact", responses={200: BINARY, **PROBLEMS})
async def get_artifact(request: Request, digest: Digest) -> Response:
    """The bytes, always as a download: what a producer stored is never rendered in our origin."""
    viewer = await authenticate(request)
    require_any(viewer, "reader", "auditor", "ingest")
    services = services_of(request)
    services.reads.asked(viewer, "artifact")
    size, chunks = await services.artifacts.get(viewer.tenant, digest)
    return StreamingResponse(chunks, media_type="application/octet-stream", headers={
        "Content-Length": str(size), "Content-Disposition": f'attachment; filename="{digest}"', "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox", "Cache-Control": "private, max-age=31536000, immutable"})
