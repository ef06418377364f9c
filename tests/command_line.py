"""`lineproof` as a person types it, on a home with the directories `data` and `state`."""
from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from metadata_service.graph.open import open_graph
from metadata_service.graph.port import GraphStore
from tests import serve_process
from tests.flights_world import World


def told_home(home: Path, tell: Callable[[Path, GraphStore], Awaitable[World]]) -> Path:
    """`home` with the directories `data` and `state`, in which `tell` opened a world; nobody serves it."""

    async def build() -> None:
        (home / "data").mkdir()
        graph = open_graph(f"sqlite:///{home / 'data' / 'graph.db'}")
        await graph.setup()
        (await tell(home, graph)).close()
        await graph.close()

    asyncio.run(build())
    return home


def environment(home: Path, **more: str) -> dict[str, str]:
    """This environment without settings of ours, on that home."""
    return serve_process.environment(home, {"LINEPROOF_DATA": str(home / "data"), **more})


def lineproof(home: Path, *arguments: str, code: int = 0, **more: str) -> str:
    """What a command printed: on stdout if all is well (or a gate refused), else on stderr."""
    done = serve_process.lineproof(home, *arguments, env={"LINEPROOF_DATA": str(home / "data"), **more}, timeout=90)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code in (0, 1) else done.stderr


def as_json(home: Path, *arguments: str, code: int = 0) -> Any:
    """The JSON document a command printed."""
    return json.loads(lineproof(home, *arguments, "--json", code=code))
