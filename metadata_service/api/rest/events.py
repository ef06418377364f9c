"""POST /api/v1/events: signed envelopes, one, an array or NDJSON."""
from __future__ import annotations

from typing import Any, Final

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from lineproof_schema.errors import LineproofError
from metadata_service.access import require
from metadata_service.api.outcome import outcome_of
from metadata_service.api.rest.answers import ack_body, item_body, json_response, outcome_body
from metadata_service.api.rest.auth import authenticate
from metadata_service.api.rest.bodies import is_array, is_ndjson, read_body, split_array, split_lines
from metadata_service.api.rest.lean import LeanRoute
from metadata_service.api.rest.openapi import ACCEPTED, ENVELOPE_BODY, EVENTS_ANSWER, PROBLEMS
from metadata_service.api.rest.problems import problem_response
from metadata_service.api.services import Services, services_of
from metadata_service.intake import ItemResult

__all__ = ["answer_single", "router"]

NDJSON_ANSWER: Final = "application/x-ndjson"

router = APIRouter(tags=["events"], route_class=LeanRoute)


@router.post("/api/v1/events", summary="Append signed events", status_code=202, openapi_extra={"requestBody": ENVELOPE_BODY},
             responses={200: EVENTS_ANSWER, 202: ACCEPTED, **PROBLEMS})
async def post_events(request: Request) -> Response:
    """One DSSE envelope: 202, or with `Prefer: wait=projected` 200 and the outcome. An array: 200 with one result per item. NDJSON: NDJSON."""
    services = services_of(request)
    caller = await authenticate(request)
    require(caller, "ingest")
    settings = services.settings
    body = await read_body(request, settings.max_body_bytes)
    if is_ndjson(request):
        results = await services.intake.accept_many(split_lines(body, settings.max_batch_events), caller)
        return Response(b"".join(orjson.dumps(item_body(result)) + b"\n" for result in results), media_type=NDJSON_ANSWER)
    if is_array(body):
        results = await services.intake.accept_many(split_array(body, settings.max_batch_events), caller)
        return json_response({"results": [item_body(result) for result in results]})
    return await answer_single(services, await services.intake.accept(body, caller), wait=_waits(request))


async def answer_single(services: Services, result: ItemResult, *, wait: bool) -> Response:
    """The answer for one event: 202 at once, or after the projection 200, or 409 with the index of the rejected entry."""
    problem = result.problem()
    if result.ack is None:
        assert problem is not None
        return problem_response(problem)
    body: dict[str, Any] = ack_body(result.ack)
    if not wait:
        return json_response(body, 202)
    applied = {"Preference-Applied": "wait=projected"}
    record = await outcome_of(services, result.ack.index)
    if record is None:
        return json_response({**body, "note": f"not projected within {services.settings.wait_seconds:g} s; ask again"}, 202)
    outcome = outcome_body(record)
    if record.status == "rejected":
        rejected = LineproofError(f"entry {result.ack.index} was rejected: {record.reason or 'no reason given'}", code="rejected", outcome=outcome, **body)
        return problem_response(rejected.problem(), applied)
    return json_response({**body, "outcome": outcome}, 200, applied)


def _waits(request: Request) -> bool:
    preferences = ",".join(request.headers.getlist("prefer"))
    return any(part.strip().replace('"', "").lower() == "wait=projected" for part in preferences.split(","))
