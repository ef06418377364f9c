"""The GraphQL endpoint of the running service: its rooms, and its way to authenticate."""
from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from metadata_service.api.alias_moves import AliasMover
from metadata_service.api.graphql.router import GraphQLDependencies, create_graphql_router
from metadata_service.api.rest.auth import authenticate
from metadata_service.api.room import room_of
from metadata_service.api.services import services_of
from metadata_service.queries.context import Room, Viewer

__all__ = ["graphql_router"]


def graphql_router() -> APIRouter:
    """`POST /graphql` over the services of the application."""

    async def viewer(request: Request) -> Viewer:
        return await authenticate(request)

    def mover(request: Request, caller: Any, room: Room) -> AliasMover:
        return AliasMover(services_of(request), caller, room)

    def noted(request: Request, caller: Any, question: str) -> None:
        services_of(request).reads.asked(caller, question)

    return create_graphql_router(GraphQLDependencies(viewer, lambda request, caller: room_of(services_of(request), caller), mover, noted))
