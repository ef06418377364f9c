"""The application: rooms, routes and what runs beside them."""
from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from metadata_service.api.application import create_api
from metadata_service.api.rest.edge import Edge
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

    app = create_api(lifespan=lifespan)
    app.add_middleware(Edge, metrics=metrics)
    return app
