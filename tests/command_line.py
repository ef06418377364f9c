"""`lineproof` as a person types it, on a home with the directories `data` and `state`."""
from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from metadata_service.graph.open import open_graph
from metadata_service.graph.port import GraphStore
from tests import serve_process
from tests.flights_world import World

LINEPROOF = [sys.executable, "-c", serve_process.ENTRY]


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


class Shell:
    """Commands on a home, one after another in one process that has loaded everything already: for tests of many commands."""

    _LOOP = """
import json, sys
from typer.testing import CliRunner
from lineproof_schema.errors import LineproofError
from metadata_service import cli
cli._hooks()
for line in sys.stdin:
    done = CliRunner().invoke(cli.app, json.loads(line))
    error = done.exception
    code = cli._exit_code(error) if isinstance(error, LineproofError) else done.exit_code
    said = f"{error.detail} [{error.code}]" if isinstance(error, LineproofError) else done.output if isinstance(error, SystemExit | None) else repr(error)
    print(json.dumps([code, done.stdout, said]), flush=True)
"""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """What a command printed; with another `code`, what it said of its failure."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(arguments) + "\n")
        self._process.stdin.flush()
        found, out, said = json.loads(self._process.stdout.readline())
        assert found == code, said
        return out if code == 0 else said

    def json(self, *arguments: str) -> Any:
        """The JSON document a command printed."""
        return json.loads(self(*arguments, "--json"))


@contextmanager
def shell(home: Path) -> Iterator[Shell]:
    """A `Shell` until the block ends."""
    process = subprocess.Popen([sys.executable, "-c", Shell._LOOP], cwd=home, env=environment(home), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Shell(process)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        process.wait(30)
        if process.stdout is not None:
            process.stdout.close()
