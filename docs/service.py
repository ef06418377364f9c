"""Generated files that need the service: GraphQL SDL, OpenAPI and the settings table."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

__all__ = ["service_files"]


def service_files(root: Path) -> Iterator[tuple[Path, str]]:
    """Each file with the content that today's code gives it."""
    yield from ()
