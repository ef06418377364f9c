"""The outermost layer of every request: request id, metrics, security headers, and errors nobody expected."""
from __future__ import annotations

import secrets
import time
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from metadata_service.api.rest.problems import problem_response, unexpected_problem
from metadata_service.errors import BodyRefused
from metadata_service.telemetry import REQUEST, Metrics, logger

__all__ = ["Edge"]

_LOG = logger(__name__)
_HEADERS: Final = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"), (b"cache-control", b"no-store"))
_BOUND_THEMSELVES: Final = "/api/v1/"  # these routes read their bodies as they come and have limits in the settings
MAX_QUESTION_BYTES: Final = 1 << 20  # a GraphQL document with its variables has a few KB; an evidence request may carry a whole answer
CLIENT_LEFT: Final = 499  # in metrics only: the connection ended before the request did
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


class Edge:
    """ASGI middleware. The one place of the service that catches `Exception`: the text stays in our log, the caller gets a reference."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        reference, status, began = secrets.token_hex(8), 500, time.perf_counter()
        method = scope["method"] if scope["method"] in _METHODS else "other"

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = list(message.get("headers", []))
                present = {name.lower() for name, _ in headers}
                headers += [item for item in _HEADERS if item[0] not in present]
                message = {**message, "headers": [*headers, (b"x-request-id", reference.encode())]}
            await send(message)

        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await sending(message)

        before = REQUEST.set(reference)
        try:
            await self._app(scope, receive if scope["path"].startswith(_BOUND_THEMSELVES) else _bounded(receive), watched)
        except ClientDisconnect:  # nobody is there to be answered, and nothing of ours went wrong
            status = CLIENT_LEFT
        except Exception as error:
            _LOG.error("unexpected", reference=reference, method=method, route=_route(scope), exc_info=error)
            if started:
                raise
            await problem_response(unexpected_problem(reference))(scope, receive, sending)
        finally:
            REQUEST.reset(before)
            self._metrics.requests.labels(method, str(status)).inc()
            self._metrics.seconds.labels(method).observe(time.perf_counter() - began)


def _bounded(receive: Receive) -> Receive:
    """A body that ends with `too-large` as soon as more than `MAX_QUESTION_BYTES` of it came."""
    came = 0

    async def receiving() -> Message:
        nonlocal came
        message = await receive()
        came += len(message.get("body", b""))
        if came > MAX_QUESTION_BYTES:
            raise BodyRefused(f"a question may have {MAX_QUESTION_BYTES} bytes", code="too-large", limit=MAX_QUESTION_BYTES)
        return message

    return receiving


def _route(scope: Scope) -> str:
    """The route's pattern, not the path: paths and queries may hold what does not belong into logs."""
    return str(getattr(scope.get("route"), "path", "unmatched"))
