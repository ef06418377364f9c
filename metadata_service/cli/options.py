"""Where a command finds the log and the service, and how it reaches the service."""
from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["Data", "Url", "ask"]

Data = Annotated[Path | None, typer.Option(help="Data directory.")]
Url = Annotated[str | None, typer.Option(help="Address of the service.")]


def ask(work: Any, data: Path | None, url: str | None) -> Any:
    """Run `work` with a client of the service."""
    from metadata_service.cli import service  # httpx and the server, which `lineproof ci` never needs

    return service.ask(work, data=data, url=url)
