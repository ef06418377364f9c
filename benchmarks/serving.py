"""`lineproof serve` as a user starts it: a process of its own on loopback."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from metadata_service.rooms import ADMIN_TOKEN_FILE
from tests.services.process import start, stop, tail

__all__ = ["Service", "serving"]

START_SECONDS = 60.0
STOP_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Service:
    """Where it listens, and a token that may do everything."""

    host: str
    port: int
    token: str


@contextmanager
def serving(directory: Path, *, projector: str, database_url: str | None = None, graph_url: str | None = None, data: str = "data") -> Iterator[Service]:
    """Serve the log in `directory` (as `logs.open_log` left it) until the body ends. Each of several processes has a `data` of its own with the same keys."""
    command = [sys.executable, "-c", "from metadata_service.cli import main; main()", "serve", "--data", str(directory / data), "--port", "0",
               "--projector", projector, "--log-level", "warning"]
    for option, value in (("--database-url", database_url), ("--graph-url", graph_url)):
        command += [option, value] if value else []
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LINEPROOF_")}
    console = directory / f"{data}.console.log"
    process = start(command, console=console, death_signal=signal.SIGKILL, env={**environment, "LINEPROOF_STATE_DIR": str(directory / "state")})
    try:
        host, port = _address(directory / data / "address", process, console)
        yield Service(host, port, next((directory / "state").rglob(ADMIN_TOKEN_FILE)).read_text().strip())
    finally:
        stop(process, signal.SIGTERM, seconds=STOP_SECONDS)


def _address(file: Path, process: subprocess.Popen[bytes], console: Path) -> tuple[str, int]:
    deadline = time.monotonic() + START_SECONDS
    while not file.is_file() or not file.read_text().strip():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the service did not start:\n{tail(console)}")
        time.sleep(0.05)
    host, _, port = file.read_text().strip().removeprefix("http://").rpartition(":")
    return host, int(port)
