"""The GraphQL endpoint of the running service: its rooms, and its way to authenticate."""
from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from lineproof_audit.keyring import Keyring
from metadata_service.api.alias_moves import AliasMover
from metadata_service.api.graphql.router import GraphQLDependencies, create_graphql_router
from metadata_service.api.rest.auth import authenticate
from metadata_service.api.services import Services, services_of
from metadata_service.errors import ArtifactError
from metadata_service.queries.context import Room, Viewer

__all__ = ["graphql_router"]

MAX_SOURCE_BYTES = 1_000_000  # a source file longer than this is not quoted


def graphql_router() -> APIRouter:
    """`POST /graphql` over the services of the application."""

    async def viewer(request: Request) -> Viewer:
        return await authenticate(request)

    def mover(request: Request, caller: Any, room: Room) -> AliasMover:
        return AliasMover(services_of(request), caller, room)

    return create_graphql_router(GraphQLDependencies(viewer, lambda request, caller: room_of(services_of(request), caller), mover))


def room_of(services: Services, viewer: Any) -> Room:
    """The sources of answers; source text is read as the viewer's tenant."""

    def keyring() -> Keyring:
        services.keys.refresh()
        return services.keys.current

    async def source(digest: str) -> bytes | None:
        try:
            size, chunks = await services.artifacts.get(viewer.tenant, digest.removeprefix("sha256:"))
        except ArtifactError:
            return None
        parts = [chunk async for chunk in chunks]
        return b"".join(parts) if size <= MAX_SOURCE_BYTES else None

    async def held(digest: str) -> int | None:
        return await services.artifacts.size(viewer.tenant, digest.removeprefix("sha256:"))

    return Room(services.graph, services.reader, keyring, services.cursor_secret, source, held, services.notarise)
