"""`lineproof serve`: the API process, with integrator and projector."""
from __future__ import annotations

import ipaddress
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from metadata_service.cli.output import note

if TYPE_CHECKING:
    from metadata_service.rooms import Rooms
    from metadata_service.settings import Settings

__all__ = ["ADDRESS_FILE", "serve"]

ADDRESS_FILE = "address"  # in the data directory while the service runs: where commands on this machine find it
GRACE_SECONDS = 15  # for requests under way at a shutdown; their events are committed either way


def serve(data: Annotated[Path | None, typer.Option(help="Data directory.")] = None,
          host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
          port: Annotated[int | None, typer.Option(help="Port; 0 picks a free one.")] = None,
          database_url: Annotated[str | None, typer.Option(help="PostgreSQL URL of the log.")] = None,
          graph_url: Annotated[str | None, typer.Option(help="Neo4j or PostgreSQL URL of the graph.")] = None,
          behind_proxy: Annotated[bool | None, typer.Option("--behind-proxy", help="A proxy in front ends TLS.")] = None,
          tls_certificate: Annotated[Path | None, typer.Option(help="PEM certificate chain.")] = None,
          tls_key: Annotated[Path | None, typer.Option(help="PEM key of the certificate.")] = None,
          projector: Annotated[str | None, typer.Option(help="process, inline or off.")] = None,
          log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None) -> None:
    """Serve the API; the first start makes the log, its keys and an admin token."""
    from metadata_service.rooms import open_rooms
    from metadata_service.settings import load_settings
    from metadata_service.telemetry import configure_logging

    settings = load_settings(data=data, host=host, port=port, database_url=database_url, graph_url=graph_url, behind_proxy=behind_proxy,
                             tls_certificate=tls_certificate, tls_key=tls_key, projector=projector, log_level=log_level)
    _check_exposure(settings)
    configure_logging(settings.log_level, settings.log_format)
    rooms = open_rooms(settings)
    try:
        _run(settings, rooms)
    finally:
        rooms.close()


def _run(settings: Settings, rooms: Rooms) -> None:
    import uvicorn

    from metadata_service.app import create_app
    from metadata_service.errors import SettingError
    from metadata_service.garbage import relax

    class Server(uvicorn.Server):
        """Says where it listens once it does."""

        async def startup(self, sockets: list[Any] | None = None) -> None:
            await super().startup(sockets)
            if self.started and sockets:
                _announce(settings, rooms, sockets[0].getsockname()[1])

    config = uvicorn.Config(create_app(settings, rooms), host=settings.host, port=settings.port, log_config=None, access_log=False, server_header=False,
                            proxy_headers=settings.behind_proxy, forwarded_allow_ips="*" if settings.behind_proxy else None,
                            ssl_certfile=settings.tls_certificate, ssl_keyfile=settings.tls_key, timeout_graceful_shutdown=GRACE_SECONDS)
    try:
        bound = _bind(settings)
    except OSError as error:
        raise SettingError(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}") from error
    address = settings.data / ADDRESS_FILE
    server = Server(config)
    relax()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: None)  # uvicorn shuts down in order, then raises the signal again for whoever was there before
    try:
        server.run(sockets=[bound])
    finally:
        bound.close()
        address.unlink(missing_ok=True)
    if not server.started:
        raise SettingError("the service did not start; see its log above")


def _bind(settings: Settings) -> Any:
    import socket

    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError:
        listening.close()
        raise
    return listening


def _announce(settings: Settings, rooms: Rooms, port: int) -> None:
    import sys

    from metadata_service.rooms import ADMIN_TOKEN_FILE

    scheme = "https" if settings.tls_certificate else "http"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"{scheme}://{host}:{port}"
    address = settings.data / ADDRESS_FILE
    try:
        address.write_text(url + "\n", encoding="utf-8")
    except OSError as error:  # a full disk must not keep anybody from reading
        address.unlink(missing_ok=True)
        note(f"{address} cannot be written ({error.strerror}): commands on this machine need LINEPROOF_URL={url}")
    note(f"Lineproof serves {rooms.log.origin} at {url}")
    if rooms.admin_token is not None:
        if sys.stderr.isatty():
            note(f"Admin token (shown once): {rooms.admin_token}")
        note(f"The admin token lies in {rooms.log.state_dir / ADMIN_TOKEN_FILE}")
        note(f"The root admin key lies in {rooms.log.state_dir}: move it to a safe place")


def _check_exposure(settings: Settings) -> None:
    """Beyond loopback only with TLS, ours or that of a proxy: tokens must not travel in the clear."""
    from metadata_service.errors import SettingError

    if (settings.tls_certificate is None) != (settings.tls_key is None):
        raise SettingError("tls_certificate and tls_key go together")
    if settings.tls_certificate is None and not settings.behind_proxy and not _is_loopback(settings.host):
        raise SettingError(f"{settings.host} can be reached from other machines: give --tls-certificate and --tls-key, or --behind-proxy")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
