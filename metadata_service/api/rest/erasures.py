"""/api/v1/admin/erasures: replacements, orders, what was erased, certificates."""
from __future__ import annotations

import anyio.to_thread
from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from lineproof_audit.base64text import decode_base64
from metadata_service.access import require
from metadata_service.api.rest.answers import json_response
from metadata_service.api.rest.auth import authenticate
from metadata_service.api.rest.bodies import read_body
from metadata_service.api.rest.events import answer_single
from metadata_service.api.rest.log import Index
from metadata_service.api.rest.openapi import ACCEPTED, ENVELOPE_BODY, PROBLEMS, json_answer
from metadata_service.api.services import Services, services_of
from metadata_service.errors import BodyRefused

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/admin/erasures", tags=["admin"], responses=PROBLEMS)
_OBJECT = json_answer("See docs/operations.md", {"type": "object"})


class ReplacementRequest(BaseModel):
    """`payload`: the event as it may stay, in standard base64; of the same type as entry `entry`, which it is to stand in for."""

    model_config = ConfigDict(extra="forbid")

    entry: int = Field(ge=0, le=2**53 - 1)
    payload: str


_REPLACEMENT = {"required": True, "content": {"application/json": {"schema": ReplacementRequest.model_json_schema()}}}


@router.post("/replacements", summary="Append what is to stand in for an entry", status_code=201, responses={201: _OBJECT},
             openapi_extra={"requestBody": _REPLACEMENT})
async def replacement(request: Request) -> Response:
    """Refused if any later outcome or edge would differ. The answer's index goes into the order."""
    services = await _as_admin(request)
    try:
        body = ReplacementRequest.model_validate_json(await read_body(request, 2 * services.settings.max_event_bytes))
        payload = decode_base64(body.payload)
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False, include_input=False)) from error
    except ValueError as error:
        raise BodyRefused(f"payload: {error}", code="invalid-argument") from error
    return json_response({"index": await anyio.to_thread.run_sync(services.erasing.replace, body.entry, payload)}, 201)


@router.post("", summary="Order an erasure", status_code=202, openapi_extra={"requestBody": ENVELOPE_BODY}, responses={202: ACCEPTED})
async def order(request: Request) -> Response:
    """An envelope signed with the root admin key. Carried out when this answers; the graph follows."""
    services = await _as_admin(request)
    viewer = await authenticate(request)
    raw = await read_body(request, services.settings.max_event_bytes)
    erasure = await anyio.to_thread.run_sync(services.erasing.check_order, raw)
    result = await services.intake.accept(raw, viewer, "erasure")
    if result.ack is None:
        return await answer_single(services, result, wait=False)
    reason = await anyio.to_thread.run_sync(services.erasing.outcome, result.ack.index, erasure)
    await anyio.to_thread.run_sync(services.erasing.sweep)
    status = "applied" if reason is None else "rejected"
    return json_response({"index": result.ack.index, "duplicate": result.ack.duplicate, "status": status, "reason": reason}, 202)


@router.get("", summary="What was erased", responses={200: _OBJECT})
async def listed(request: Request) -> Response:
    """All orders that count, with whether they are carried out here."""
    services = await _as_admin(request)
    return json_response({"erasures": await anyio.to_thread.run_sync(services.erasing.all)})


@router.get("/{index}/certificate", summary="Certificate of an erasure", responses={200: _OBJECT})
async def certificate(request: Request, index: Index) -> Response:
    """A signed file that is verified offline. 503 `not-projected` until graph and checkpoint have caught up."""
    services = await _as_admin(request)
    return Response(await services.erasing.certificate(index), media_type="application/json")


async def _as_admin(request: Request) -> Services:
    require(await authenticate(request), "admin")
    return services_of(request)
