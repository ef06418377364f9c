"""What is logged while a request is served bears the id that its answer bears."""
from __future__ import annotations

import logging
from collections.abc import Iterator

import httpx
import pytest
import structlog
from fastapi import FastAPI

from metadata_service.api.rest.edge import Edge
from metadata_service.telemetry import Metrics, configure_logging, logger


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    configure_logging("info", "json")
    root.handlers[:] = handlers  # the processors stay ours
    yield caplog
    root.level = level
    structlog.reset_defaults()


@pytest.mark.anyio
async def test_a_line_logged_while_a_request_is_served_names_that_request(logged: pytest.LogCaptureFixture) -> None:
    app = FastAPI()

    @app.get("/")
    async def root() -> None:
        logger("test").warning("inside")

    app.add_middleware(Edge, metrics=Metrics())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
        answers = [await client.get("/") for _ in range(2)]
    logger("test").warning("outside")
    ids = [answer.headers["x-request-id"] for answer in answers]
    lines = [record.msg for record in logged.records if isinstance(record.msg, dict)]
    assert len(set(ids)) == 2
    assert [(line["event"], line.get("request")) for line in lines] == [("inside", ids[0]), ("inside", ids[1]), ("outside", None)]
