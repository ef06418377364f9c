"""The real service in a process of its own: `lineproof serve` on an empty data directory."""
from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests import forked
from tests.integration.hooks.receiver import free_port

START_SECONDS = 60.0


@dataclass
class Service:
    """A service that can be stopped and started again on the same data and port; `settings` are further variables of its environment."""

    home: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environ(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("LINEPROOF_")}
        return {**clean, "LINEPROOF_DATA": str(self.home / "data"), "LINEPROOF_STATE_DIR": str(self.home / "state"), "LINEPROOF_PORT": str(self.port),
                **self.settings}

    def start(self, *before: str) -> None:
        """Start it, by way of the command `before` if there is one."""
        with (self.home / "serve.log").open("ab") as out:
            self.process = subprocess.Popen([*before, *CLI, "serve"], env=self.environ, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/healthz", timeout=2).status_code == 200:
                    return
            time.sleep(0.1)
        raise AssertionError(f"the service did not start: {(self.home / 'serve.log').read_text()[-3000:]}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None:
            if how is signal.SIGKILL:
                with contextlib.suppress(ProcessLookupError):  # it may have died by itself
                    os.killpg(self.process.pid, how)  # the projector, too
            else:
                self.process.send_signal(how)
            self.process.wait(30)
            self.process = None

    def kill(self) -> None:
        """At once, with its projector."""
        self.stop(signal.SIGKILL)

    def wait_projected(self, seconds: float = 60.0) -> None:
        """Until the graph has reached the log."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            state = httpx.get(f"{self.url}/readyz", timeout=5).json()
            if state["graph"] == state["log"]:
                return
            time.sleep(0.1)
        raise AssertionError(f"the projection did not catch up: {state}")

    def command(self, *arguments: str) -> Any:
        done = forked.run([*arguments, "--json"], cwd=self.home, env=self.environ, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)


CLI = [sys.executable, "-c", "from metadata_service.cli import main; main()"]


@contextlib.contextmanager
def running(home: Path) -> Iterator[Service]:
    service = Service(home, free_port())
    service.start()
    try:
        yield service
    finally:
        service.stop()
