"""Who calls: the viewer behind the bearer token of a request."""
from __future__ import annotations

import asyncio

import anyio.to_thread
from starlette.requests import HTTPConnection

from metadata_service.access import Tokens, Viewer
from metadata_service.api.services import services_of
from metadata_service.errors import AccessError

__all__ = ["authenticate", "authenticate_if_given"]

MAX_TOKEN_LENGTH = 512  # characters; ours have 54
_pending: dict[tuple[int, str], asyncio.Future[Viewer]] = {}  # look-ups under way


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
    return viewer if viewer is not None else await _look_up(tokens, token)


async def authenticate_if_given(connection: HTTPConnection) -> Viewer | None:
    """The viewer if credentials were sent, else None; wrong credentials are never taken for none.

    Raises:
        AccessError: `unauthenticated`.
    """
    return await authenticate(connection) if "authorization" in connection.headers else None


async def _look_up(tokens: Tokens, token: str) -> Viewer:
    """Ask the database; requests with the same token that come meanwhile share the answer, else a busy caller would start a thread for each."""
    key = (id(tokens), token)
    pending = _pending.get(key)
    if pending is None:
        pending = _pending[key] = asyncio.ensure_future(anyio.to_thread.run_sync(tokens.viewer, token))
        pending.add_done_callback(lambda done: (_pending.pop(key, None), done.cancelled() or done.exception()))
    return await asyncio.shield(pending)
