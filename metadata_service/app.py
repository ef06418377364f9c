"""The application: rooms, routes and what runs beside them."""
from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from metadata_service.api.graphql.service import graphql_router
from metadata_service.api.rest import routers
from metadata_service.api.rest.edge import Edge
from metadata_service.api.rest.problems import register_problems
from metadata_service.rooms import Rooms, open_rooms, running
from metadata_service.settings import Settings
from metadata_service.telemetry import Metrics

__all__ = ["create_app"]


def create_app(settings: Settings, rooms: Rooms | None = None) -> FastAPI:
    """The service as an ASGI application.

    Its lifespan opens `rooms` if they are not given, runs integrator and projector, and closes all of it at the end.
    """
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        opened = rooms or open_rooms(settings)
        try:
            async with running(opened, metrics) as services:
                app.state.services = services
                yield
        finally:
            opened.close()

    app = FastAPI(title="Lineproof", version=version("lineproof"), summary="Lineage you can prove.", lifespan=lifespan, docs_url=None, redoc_url=None,
                  openapi_url="/api/v1/openapi.json", redirect_slashes=False)
    app.add_middleware(Edge, metrics=metrics)
    register_problems(app)
    for router in routers():
        app.include_router(router)
    app.include_router(graphql_router())
    return app
