"""Who calls: the viewer behind the bearer token of a request."""
from __future__ import annotations

import anyio.to_thread
from starlette.requests import HTTPConnection

from metadata_service.access import Viewer
from metadata_service.api.services import services_of
from metadata_service.errors import AccessError

__all__ = ["MAX_TOKEN_LENGTH", "authenticate", "authenticate_if_given"]

MAX_TOKEN_LENGTH = 512  # characters; ours have 54


async def authenticate(connection: HTTPConnection) -> Viewer:
    """The viewer of `Authorization: Bearer <token>`.

    Raises:
        AccessError: `unauthenticated`.
    """
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or len(token) > MAX_TOKEN_LENGTH:
        raise AccessError("no bearer token was sent", code="unauthenticated")
    tokens = services_of(connection).tokens
    viewer = tokens.cached(token)
    return viewer if viewer is not None else await anyio.to_thread.run_sync(tokens.viewer, token)


async def authenticate_if_given(connection: HTTPConnection) -> Viewer | None:
    """The viewer if credentials were sent, else None; wrong credentials are never taken for none.

    Raises:
        AccessError: `unauthenticated`.
    """
    return await authenticate(connection) if "authorization" in connection.headers else None
