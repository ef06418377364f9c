"""Talking to the service from the command line.

Commands always speak the HTTP API. Where no service runs on the data directory, the same application is opened inside the
command for as long as it takes, under the same lock: one way to write, with or without a server.
"""
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx

from lineproof_audit.errors import DataDirectoryLocked
from lineproof_audit.lock import state_directory
from lineproof_schema.errors import CODES, LineproofError
from metadata_service.cli.serve import ADDRESS_FILE
from metadata_service.settings import ADMIN_TOKEN_FILE, Settings, load_settings

__all__ = ["ServiceClient", "ask", "origin_at", "remote", "state_dir_of"]

TIMEOUT_SECONDS = 30.0
PROBE_SECONDS = 2.0  # a service on this machine answers at once, or is not there
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ServiceClient:
    """The HTTP API with credentials of an admin of this machine."""

    http: httpx.AsyncClient
    settings: Settings

    async def call(self, method: str, path: str, **request: Any) -> Any:
        """The JSON answer of one request.

        Raises:
            LineproofError: the problem that the service answered, or `unreachable`.
        """
        try:
            response = await self.http.request(method, path, **request)
        except httpx.HTTPError as error:
            raise LineproofError(f"{self.http.base_url} cannot be reached: {error or type(error).__name__}", code="unreachable") from error
        if response.status_code < 400:
            return response.json() if response.content else None
        raise _problem(response)

    @asynccontextmanager
    async def stream(self, path: str, query: dict[str, Any], seconds: float) -> AsyncIterator[AsyncIterator[bytes]]:
        """The body of an answer as it comes; `seconds` may pass without a byte.

        Raises:
            LineproofError: as `call`; `unreachable` also when the connection breaks in the middle.
        """
        try:
            async with self.http.stream("GET", path, params=query, timeout=httpx.Timeout(TIMEOUT_SECONDS, read=seconds)) as response:
                if response.status_code >= 400:
                    await response.aread()
                    raise _problem(response)
                yield response.aiter_bytes()
        except httpx.HTTPError as error:
            raise LineproofError(f"{self.http.base_url} cannot be reached any more: {error or type(error).__name__}", code="unreachable") from error


def ask(work: Callable[[ServiceClient], Awaitable[_T]], *, data: Path | None = None, url: str | None = None, token: str | None = None) -> _T:
    """Run `work` against the service: at `url` (or LINEPROOF_URL) if given, else the one on the data directory, else opened here."""
    settings = load_settings(data=data, url=url, token=token)

    async def run() -> _T:
        async with _connected(settings) as client:
            return await work(client)

    return asyncio.run(run())


def state_dir_of(settings: Settings, origin: str) -> Path:
    """Where root admin key and first admin token of a log lie on this machine."""
    return state_directory(origin, settings.state_dir)


@asynccontextmanager
async def _connected(settings: Settings) -> AsyncIterator[ServiceClient]:
    if settings.url is not None:
        async with remote(settings, settings.url) as client:
            yield client
        return
    address = settings.data / ADDRESS_FILE
    if settings.database_url is None and not (settings.data / "log.db").exists():
        raise LineproofError(f"there is no log in {settings.data}: start one with lineproof serve, or set LINEPROOF_URL", code="unreachable")
    try:
        async with _here(settings) as client:
            yield client
    except DataDirectoryLocked:
        if not address.exists():
            raise
        async with remote(settings, address.read_text(encoding="utf-8").strip()) as client:
            yield client


async def origin_at(url: str) -> str | None:
    """The origin of the log that is served there; None if nobody answers."""
    try:
        async with httpx.AsyncClient(base_url=url, timeout=PROBE_SECONDS) as http:
            answer = await http.get("/readyz")
            return str(answer.json()["origin"]) if answer.status_code == 200 else None
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return None


@asynccontextmanager
async def remote(settings: Settings, url: str) -> AsyncIterator[ServiceClient]:
    """A client of the service at `url`, with the token given or that of this machine's admin."""
    async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT_SECONDS) as http:
        client = ServiceClient(http, settings)
        token = settings.token.get_secret_value() if settings.token else await _token_of_this_machine(client)
        http.headers["Authorization"] = f"Bearer {token}"
        yield client


@asynccontextmanager
async def _here(settings: Settings) -> AsyncIterator[ServiceClient]:
    from metadata_service.access import Viewer, caller_hash
    from metadata_service.app import create_app
    from metadata_service.errors import SettingError
    from metadata_service.rooms import open_rooms
    from metadata_service.telemetry import configure_logging

    configure_logging("error", "text")
    quiet = settings.model_copy(update={"projector": "off"})
    rooms = open_rooms(quiet)
    policy = rooms.keys.current.policy
    if policy is None:
        rooms.close()
        raise SettingError("the log has no policy")
    tenant = policy.tenants[0].id
    owner = Viewer(id=caller_hash(rooms.log.secrets.of(tenant), "lineproof-local", "owner"), tenant=tenant, roles=frozenset({"admin"}),
                   prefixes=("",), label="owner", owners=rooms.keys.owners())
    app = create_app(quiet, rooms)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as http:
        http.headers["Authorization"] = f"Bearer {rooms.tokens.lend(owner)}"
        yield ServiceClient(http, settings)


async def _token_of_this_machine(client: ServiceClient) -> str:
    origin = str((await client.call("GET", "/readyz"))["origin"])
    path = state_dir_of(client.settings, origin) / ADMIN_TOKEN_FILE
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        why = "is not there" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
        raise LineproofError(f"no token for {client.http.base_url}: set LINEPROOF_TOKEN, or LINEPROOF_STATE_DIR to the state directory that the service was "
                             f"started with, where its admin token lies; {path} {why}", code="unauthenticated") from error


def _problem(response: httpx.Response) -> LineproofError:
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    code = problem.get("code")
    known = isinstance(code, str) and code in CODES
    extra = {key: value for key, value in problem.items() if key not in ("type", "title", "status", "code", "detail", "fix")}
    detail = str(problem.get("detail") or f"{response.request.url} answered {response.status_code}")
    return LineproofError(detail, code=code if known else "unreachable", **extra)
