"""The GraphQL endpoint as a FastAPI router: POST only, one question per request.

Strawberry's own router resolves dependencies and knows pages, sockets, uploads and streams. None of that is served here, and it costs as much as a small
question.
"""
from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError

from lineproof_schema.errors import LineproofError
from metadata_service.api.alias_change import Mover
from metadata_service.api.graphql.schema import Caller, execute
from metadata_service.api.min_size import MIN_SIZE_HEADER, min_size_of
from metadata_service.api.rest.lean import LeanRoute
from metadata_service.queries.context import Room, Viewer

__all__ = ["MIN_SIZE_HEADER", "GraphQLDependencies", "create_graphql_router"]

PARTS = (("query", str), ("variables", dict), ("operationName", str))  # of a request; each may be left out or null


@dataclass(frozen=True, slots=True)
class GraphQLDependencies:
    """What the endpoint needs of the service: who sent a request (raises AccessError: unauthenticated), what is asked, who writes, and who is
    told every question."""

    viewer: Callable[[Request], Awaitable[Viewer]]
    room: Callable[[Request, Viewer], Room]
    mover: Callable[[Request, Viewer, Room], Mover] | None = None
    noted: Callable[[Request, Viewer, str], None] | None = None


def create_graphql_router(dependencies: GraphQLDependencies) -> APIRouter:
    """The router of `/graphql`. Errors of authentication and of the header are HTTP problems, others stand in the GraphQL answer."""
    router = APIRouter(route_class=LeanRoute)

    @router.post("/graphql", summary="Ask in GraphQL")
    async def graphql(request: Request) -> Response:
        viewer = await dependencies.viewer(request)
        room = dependencies.room(request, viewer)
        mover = dependencies.mover(request, viewer, room) if dependencies.mover is not None else None
        noted = partial(dependencies.noted, request, viewer) if dependencies.noted is not None else None
        caller = Caller(room, viewer, min_size_of(request.headers.get(MIN_SIZE_HEADER)), mover, noted)
        asked = _request(request.headers.get("content-type", ""), await request.body())
        try:
            answer = await execute(caller, asked.get("query"), asked.get("variables"), asked.get("operationName"))
        except (MissingQueryError, CannotGetOperationTypeError, InvalidOperationTypeError) as error:
            raise LineproofError("this is no GraphQL request: it has no query, or none of the name it gives", code="invalid-query") from error
        return Response(_encoded(answer), media_type="application/json")

    return router


def _request(content_type: str, body: bytes) -> Mapping[str, Any]:
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise LineproofError("this is no GraphQL request: its content type is not application/json", code="unsupported-media-type")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise LineproofError(f"the body is not JSON: {error}", code="not-json") from error
    if not isinstance(document, dict):
        raise LineproofError("a GraphQL request is an object with `query` and `variables`", code="invalid-query")
    for name, kind in PARTS:
        if not isinstance(document.get(name), kind | None):
            raise LineproofError(f"`{name}` of a GraphQL request is {'an object' if kind is dict else 'text'} or null", code="invalid-query")
    return document


def _encoded(answer: object) -> bytes:
    try:
        return orjson.dumps(answer)
    except orjson.JSONEncodeError:  # a logged payload may hold half surrogate pairs or integers beyond 64 bits: they go out as they came, escaped
        return json.dumps(answer).encode()
