"""Logs and metrics. One `Metrics` per application, so that two in one process (tests) never share a counter."""
from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final, Literal

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["REQUEST", "Metrics", "configure_logging", "logger"]

REQUEST: Final[ContextVar[str | None]] = ContextVar("request", default=None)
"""The id of the request that is served here, for whatever is logged meanwhile."""

Level = Literal["debug", "info", "warning", "error"]


def configure_logging(level: Level, style: Literal["auto", "json", "text"]) -> None:
    """Send structlog and the standard library's loggers to stderr, as text or as one JSON object per line."""
    as_text = style == "text" or (style == "auto" and sys.stderr.isatty())
    shared: list[Callable[..., Any]] = [_with_request, structlog.stdlib.add_log_level,
                                        structlog.processors.TimeStamper(fmt="iso", utc=True), structlog.processors.format_exc_info]
    renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()) if as_text else structlog.processors.JSONRenderer()
    structlog.configure(processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
                        logger_factory=structlog.stdlib.LoggerFactory(), cache_logger_on_first_use=False)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("httpx").setLevel(logging.WARNING)


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module."""
    bound: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return bound


def _with_request(_logger: object, _name: str, event: dict[str, Any]) -> dict[str, Any]:
    """`structlog.contextvars` would do it for any number of names, at the price of a walk over all of them for each request, logged or not."""
    request = REQUEST.get()
    if request is not None:
        event.setdefault("request", request)
    return event


class Metrics:
    """The service's own metrics; `exposition()` is what `/metrics` answers."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.accepted = Counter("lineproof_events_accepted_total", "Events acknowledged, by how they were signed",
                                ["signed_by", "duplicate"], registry=self.registry)
        self.refused = Counter("lineproof_events_refused_total", "Events refused, by code", ["code"], registry=self.registry)
        self.quarantined = Counter("lineproof_quarantined_total", "Refused events, by whether their bytes were kept", ["kept"], registry=self.registry)
        self.requests = Counter("lineproof_http_requests_total", "HTTP answers, by method and status", ["method", "status"], registry=self.registry)
        self.seconds = Histogram("lineproof_http_request_seconds", "Time to answer", ["method"], registry=self.registry,
                                 buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10))
        self.log_size = Gauge("lineproof_log_size", "Entries in the log", registry=self.registry)
        self.graph_size = Gauge("lineproof_graph_size", "Entries projected into the graph", registry=self.registry)
        self.projector_restarts = Counter("lineproof_projector_restarts_total", "Times the projector process was started again", registry=self.registry)
        self.queue_waiting = Gauge("lineproof_queue_waiting", "Events waiting to be appended", registry=self.registry)
        self.checkpoints_blocked = Gauge("lineproof_checkpoints_blocked", "1 while no checkpoints are signed; readyz says why", registry=self.registry)
        self.witness_answers = Counter("lineproof_witness_answers_total", "Answers of witnesses, by outcome (docs/operations.md)", ["witness", "outcome"],
                                       registry=self.registry)
        self.cosigned_size = Gauge("lineproof_cosigned_size", "Entries under the largest checkpoint with a quorum of witnesses", registry=self.registry)
        self.scrub_position = Gauge("lineproof_scrub_position", "Entries that the scrubber has checked in the pass that runs", registry=self.registry)
        self.scrub_passes = Gauge("lineproof_scrub_passes", "Whole passes of the scrubber, counted over restarts", registry=self.registry)
        self.scrub_completed = Gauge("lineproof_scrub_completed_timestamp_seconds", "When the last whole pass ended; 0 before", registry=self.registry)
        self.scrub_errors = Gauge("lineproof_scrub_errors", "Errors the scrubber knows of; 0 again after a whole pass without one", registry=self.registry)
        self.scrub_first_bad = Gauge("lineproof_scrub_first_bad_index", "The lowest entry with an error; -1 for none", registry=self.registry)

    def exposition(self) -> bytes:
        """All metrics in the Prometheus text format."""
        return generate_latest(self.registry)
