"""A transport for openlineage-python that signs: every tool with an OpenLineage integration becomes a signed producer.

    transport:
      type: ingest_hooks.transport.SignedTransport
      url: https://lineproof.example.org
      key: /etc/lineproof/airflow.pem
      token: …
      spool: /var/lib/lineproof/spool

What is left out comes from LINEPROOF_* (see `ingest_hooks.connection`). Like every hook it never raises into the pipeline.
"""
from __future__ import annotations

from typing import Any, Self

import attr
from openlineage.client.transport.transport import Config, Transport

from ingest_hooks.emitter import Emitter
from ingest_hooks.receipt import Receipt

__all__ = ["SignedConfig", "SignedTransport"]

FOREVER_SECONDS = 24 * 3600.0  # the client's "wait until everything is sent", bounded all the same


@attr.define
class SignedConfig(Config):  # type: ignore[misc]  # the client ships no types we follow
    """Arguments of `Emitter`; None takes the environment's."""

    url: str | None = None
    key: str | None = None
    token: str | None = None
    spool: str | None = None
    source: str | None = None
    audience: str | None = None
    max_spool_bytes: int | None = None

    @classmethod
    def from_dict(cls, params: dict[str, Any]) -> Self:
        """From the `transport` section. Raises ValueError for keys it does not know: a mistyped setting must not go unnoticed."""
        names = {field.name for field in attr.fields(cls)}
        unknown = sorted(set(params) - names - {"type"})
        if unknown:
            raise ValueError(f"unknown settings of SignedTransport: {', '.join(unknown)}; known: {', '.join(sorted(names))}")
        given = {name: params[name] for name in names if params.get(name) is not None}
        if "max_spool_bytes" in given:
            given["max_spool_bytes"] = int(given["max_spool_bytes"])
        return cls(**given)


class SignedTransport(Transport):  # type: ignore[misc]  # as above
    """Signs, spools and sends the client's events."""

    kind = "lineproof"
    config_class = SignedConfig

    def __init__(self, config: SignedConfig) -> None:
        self.config = config
        self.emitter = Emitter.from_env(**{field.name: getattr(config, field.name) for field in attr.fields(SignedConfig)})

    def emit(self, event: Any) -> Receipt:
        """Spool one Run, Job or Dataset event."""
        return self.emitter.openlineage(event)

    def close(self, timeout: float = -1) -> bool:
        """Send what is spooled, for at most `timeout` seconds (negative: until it is sent). False if something is left on disk."""
        return self.emitter.close(FOREVER_SECONDS if timeout < 0 else timeout)
