"""What the routes are given: the rooms of the service, opened by `app` and closed by it."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import HTTPConnection

from lineproof_audit.accounting import Streams
from lineproof_audit.log import LogReader
from lineproof_audit.witness import Group, Witness
from metadata_service.access import Tokens
from metadata_service.api.erasures import Erasing
from metadata_service.artifacts import Artifacts
from metadata_service.graph.port import GraphStore
from metadata_service.intake import Enrolments, Intake, KeyringFollower, Quarantine, ReadLog
from metadata_service.registry.cache import ResolutionCache
from metadata_service.settings import Settings
from metadata_service.telemetry import Metrics

__all__ = ["Services", "services_of"]


@dataclass(frozen=True, slots=True)
class Services:
    """The opened rooms. Routes compose them and hold no rule of their own."""

    settings: Settings
    origin: str
    reader: LogReader
    keys: KeyringFollower
    intake: Intake
    quarantine: Quarantine
    tokens: Tokens
    enrolments: Enrolments
    reads: ReadLog
    artifacts: Artifacts
    erasing: Erasing
    graph: GraphStore
    metrics: Metrics
    checkpoint_problem: Callable[[], str | None]  # why no checkpoints are signed, as a code
    witnesses: Callable[[], dict[str, str | None] | None]  # the last outcome of each witness by name; None without a policy
    quorum: Witness | Group | None  # whose cosignatures checkpoints are to have
    scrub: Callable[[], dict[str, Any] | None]  # what the scrubber knows to be wrong with the log
    resolutions: ResolutionCache
    streams: Streams  # the numbers that producers gave their events, read once
    cursor_secret: bytes  # signs page cursors; the same in every API process of this log
    notarise: Callable[[str, bytes], bytes]  # the DSSE envelope of a payload, signed with the notary key
    covered: dict[int, int] = field(default_factory=dict)  # see `Room`


def services_of(connection: HTTPConnection) -> Services:
    """The services of the application that serves this request."""
    services = connection.app.state.services
    assert isinstance(services, Services)
    return services
