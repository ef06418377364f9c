"""`lineproof serve` as a process of its own, as a user starts it."""
from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests import forked

ENTRY = "from metadata_service.cli import main; main()"
START_SECONDS = 60


def lineproof(folder: Path, *arguments: str, env: Mapping[str, str] | None = None, timeout: int = 60) -> subprocess.CompletedProcess[str]:
    """Run one command in `folder`, with its own state directory."""
    return forked.run(arguments, cwd=folder, env=environment(folder, env), timeout=timeout)


def environment(folder: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """This environment without settings of ours, and with a state directory in `folder`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LINEPROOF_")}
    return {**clean, "LINEPROOF_STATE_DIR": str(folder / "state"), "COLUMNS": "200", **(more or {})}


@dataclass
class Serving:
    """A running service and how to reach it as its first admin."""

    process: forked.Process
    folder: Path
    url: str

    @property
    def token(self) -> str:
        return next((self.folder / "state").glob("*/admin-token")).read_text().strip()

    @property
    def log_text(self) -> str:
        return (self.folder / "serve.log").read_text()

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers={"authorization": f"Bearer {self.token}"}, timeout=30)

    def stop(self, number: int = signal.SIGTERM, seconds: float = 30) -> int:
        """Send a signal and wait for the end; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(seconds)


@contextmanager
def serving(folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> Iterator[Serving]:
    """`lineproof serve` on a free port with its data in `folder`/.lineproof, until the block ends."""
    address = folder / ".lineproof" / "address"
    address.unlink(missing_ok=True)
    log = folder / "serve.log"
    process = forked.start(["serve", "--port", "0", *arguments], cwd=folder, env=environment(folder, env), out=log, err=log)
    try:
        yield Serving(process, folder, _wait(process, address, log))
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)


def _wait(process: forked.Process, address: Path, log: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if address.exists() and (url := address.read_text().strip()):
            return url
        time.sleep(0.05)
    raise AssertionError(f"the service did not start:\n{log.read_text()}")
