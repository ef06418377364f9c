"""POST /api/v1/lineage and /lineage/batch: plain OpenLineage from any standard client (OpenLineage API 2-0-2)."""
from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from lineproof_schema.errors import CODES
from metadata_service.access import require
from metadata_service.api.rest.answers import ack_body, json_response
from metadata_service.api.rest.auth import authenticate
from metadata_service.api.rest.bodies import is_array, read_body, split_array, split_batch
from metadata_service.api.rest.lean import LeanRoute
from metadata_service.api.rest.openapi import BATCH_SUMMARY, OPENLINEAGE_BATCH, OPENLINEAGE_BODY, PROBLEMS, RECEIVED
from metadata_service.api.rest.problems import problem_response
from metadata_service.api.services import services_of
from metadata_service.intake import ItemResult

__all__ = ["router"]

router = APIRouter(tags=["openlineage"], route_class=LeanRoute)


@router.post("/api/v1/lineage", summary="Take in an OpenLineage event", openapi_extra={"requestBody": OPENLINEAGE_BODY}, responses={200: RECEIVED, **PROBLEMS})
async def post_lineage(request: Request) -> Response:
    """One OpenLineage run, job or dataset event: 200. An array is answered like a batch."""
    services = services_of(request)
    caller = await authenticate(request)
    require(caller, "ingest")
    body = await read_body(request, services.settings.max_body_bytes)
    if is_array(body):
        events = split_array(body, services.settings.max_batch_events)
        return json_response(batch_summary(await services.intake.accept_many(events, caller, "openlineage")))
    result = await services.intake.accept(body, caller, "openlineage")
    if result.ack is None:
        problem = result.problem()
        assert problem is not None
        return problem_response(problem)
    return json_response(ack_body(result.ack))


@router.post("/api/v1/lineage/batch", summary="Take in a batch of OpenLineage events", openapi_extra={"requestBody": OPENLINEAGE_BATCH},
             responses={200: BATCH_SUMMARY, **PROBLEMS})
async def post_lineage_batch(request: Request) -> Response:
    """A JSON array of events, or `{"events": […]}`; answers with the summary of OpenLineage API 2-0-2."""
    services = services_of(request)
    caller = await authenticate(request)
    require(caller, "ingest")
    body = await read_body(request, services.settings.max_body_bytes)
    events = split_batch(body, services.settings.max_batch_events)
    return json_response(batch_summary(await services.intake.accept_many(events, caller, "openlineage")))


def batch_summary(results: list[ItemResult]) -> dict[str, Any]:
    """The 2-0-2 body: `success` if nothing failed, else `partial_success` with each failed event and whether a retry can help."""
    failed = [{"index": index, "reason": f"{result.error.code}: {result.error.detail}", "retriable": CODES[result.error.code].retriable}
              for index, result in enumerate(results) if result.error is not None]
    again = sum(1 for item in failed if item["retriable"])
    return {"status": "partial_success" if failed else "success",
            "summary": {"received": len(results), "successful": len(results) - len(failed), "failed": len(failed), "retriable": again,
                        "non_retriable": len(failed) - again},
            "failed_events": failed}
