"""The GraphQL endpoint as a FastAPI router: POST only, one context per request."""
from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
from cross_web import HTTPException
from fastapi import Request
from strawberry.fastapi import BaseContext, GraphQLRouter

from lineproof_schema.errors import LineproofError
from metadata_service.api.alias_change import Mover
from metadata_service.api.graphql.schema import Caller, schema
from metadata_service.api.min_size import MIN_SIZE_HEADER, min_size_of
from metadata_service.queries.context import Room, Viewer

__all__ = ["MIN_SIZE_HEADER", "GraphQLDependencies", "create_graphql_router"]

UNSUPPORTED = "Unsupported content type"  # the words of the framework for it


@dataclass(frozen=True, slots=True)
class GraphQLDependencies:
    """What the endpoint needs of the service: who sent a request (raises AccessError: unauthenticated), what is asked, who writes, and who is
    told every question."""

    viewer: Callable[[Request], Awaitable[Viewer]]
    room: Callable[[Request, Viewer], Room]
    mover: Callable[[Request, Viewer, Room], Mover] | None = None
    noted: Callable[[Request, Viewer, str], None] | None = None


class RequestContext(BaseContext):
    """Strawberry's per-request context around ours."""

    def __init__(self, caller: Caller) -> None:
        super().__init__()
        self.caller = caller


class _Router(GraphQLRouter[RequestContext, None]):
    """Answers what is no GraphQL request with problem details; the framework would send plain text, or fail on a body like `5`."""

    async def run(self, *arguments: Any, **named: Any) -> Any:
        try:
            return await super().run(*arguments, **named)
        except HTTPException as error:
            code = "unsupported-media-type" if error.reason == UNSUPPORTED else "invalid-query"
            raise LineproofError(f"this is no GraphQL request: {error.reason}", code=code) from error

    def parse_json(self, data: str | bytes) -> Any:
        try:
            document = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise LineproofError(f"the body is not JSON: {error}", code="not-json") from error
        if not isinstance(document, dict):
            raise LineproofError("a GraphQL request is an object with `query` and `variables`", code="invalid-query")
        return document

    def encode_json(self, data: object) -> bytes:
        try:
            return orjson.dumps(data)
        except orjson.JSONEncodeError:  # a logged payload may hold half surrogate pairs or integers beyond 64 bits: they go out as they came, escaped
            return json.dumps(data).encode()


def create_graphql_router(dependencies: GraphQLDependencies, path: str = "/graphql") -> GraphQLRouter[Any, Any]:
    """The router of `/graphql`. Errors of authentication and of the header are HTTP problems, others stand in the GraphQL answer."""

    async def context(request: Request) -> RequestContext:
        viewer = await dependencies.viewer(request)
        room = dependencies.room(request, viewer)
        mover = dependencies.mover(request, viewer, room) if dependencies.mover is not None else None
        noted = partial(dependencies.noted, request, viewer) if dependencies.noted is not None else None
        return RequestContext(Caller(room, viewer, min_size_of(request.headers.get(MIN_SIZE_HEADER)), mover, noted))

    router = _Router(schema, path=path, graphql_ide=None, allow_queries_via_get=False, subscription_protocols=(), context_getter=context)
    router.routes[:] = [route for route in router.routes if "POST" in getattr(route, "methods", ())]  # no page and no socket, so `Allow` says POST
    return router
