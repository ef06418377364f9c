"""GET /healthz, /readyz and /metrics."""
from __future__ import annotations

import anyio.to_thread
from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from lineproof_schema.errors import LineproofError
from metadata_service.api.rest.answers import json_response
from metadata_service.api.rest.openapi import PROBLEMS, TEXT, json_answer
from metadata_service.api.services import Services, services_of

__all__ = ["router"]

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="The process is up", responses={200: json_answer("Up", {"type": "object"})})
async def healthz() -> Response:
    """Says only that the process answers."""
    return json_response({"status": "ok"})


@router.get("/readyz", summary="The service can take events", responses={200: json_answer("Ready", {"type": "object"}), **PROBLEMS})
async def readyz(request: Request) -> Response:
    """`{status, origin, log, graph, checkpoints, witnesses, scrub}`: sizes of log and graph, why no checkpoints are signed (a code, null while they are),
    the last outcome of each witness (null without a policy), and what the scrubber found wrong with the log (`{code, errors, firstBadIndex, kind}`, null
    while it knows of nothing).

    503 when the log cannot be read. A graph that is behind does not stop intake, nor does what the scrubber found.
    """
    services = services_of(request)
    log, graph = await _sizes(services)
    return json_response({"status": "ok", "origin": services.origin, "log": log, "graph": graph, "checkpoints": services.checkpoint_problem(),
                          "witnesses": services.witnesses(), "scrub": services.scrub()})


@router.get("/metrics", summary="Prometheus metrics", responses={200: TEXT})
async def metrics(request: Request) -> Response:
    """All metrics of this process."""
    services = services_of(request)
    try:
        log, graph = await _sizes(services)
    except LineproofError as error:  # metrics must be readable above all when the log is not
        services.metrics.refused.labels(error.code).inc()
    else:
        services.metrics.log_size.set(log)
        services.metrics.graph_size.set(graph if graph is not None else 0)
    return Response(services.metrics.exposition(), media_type=CONTENT_TYPE_LATEST)


async def _sizes(services: Services) -> tuple[int, int | None]:
    log = await anyio.to_thread.run_sync(services.reader.size)
    try:
        return log, (await services.graph.position()).size
    except LineproofError:
        return log, None  # said as null: intake works without the graph
