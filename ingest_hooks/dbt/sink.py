"""What the dbt hook needs of an emitter. `ingest_hooks.Emitter` has it; tests may record instead of sign."""
from __future__ import annotations

from typing import Any, Protocol

__all__ = ["EventSink"]


class EventSink(Protocol):
    """Takes events and artifacts; never raises."""

    def emit(self, kind: str, data: Any) -> Any:
        """An event of type `lineproof.<noun>.v1`."""

    def openlineage(self, event: Any) -> Any:
        """An OpenLineage event as a dictionary."""

    def artifact(self, content: bytes) -> str | None:
        """Keep bytes by their SHA-256 (hex), or None if they cannot be kept."""
