"""The demo's own Lineproof service: started as a user would start it, stopped by its process id."""
from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

__all__ = ["Service", "free_port"]


def free_port() -> int:
    """A loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Service:
    """`lineproof serve` on a loopback port."""

    def __init__(self, env: Mapping[str, str], log: Path, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._log = log
        program = str(Path(sys.executable).with_name("lineproof"))
        with log.open("wb") as output:
            self._process = subprocess.Popen([program, "serve", "--port", str(port)], env=dict(env), stdin=subprocess.DEVNULL, stdout=output,
                                             stderr=subprocess.STDOUT)

    def wait_ready(self, seconds: float = 60) -> None:
        """Wait until it answers `/readyz`.

        Raises:
            RuntimeError: it ended, or did not answer in time; with the end of its log.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        raise RuntimeError(f"the service did not become ready; the end of {self._log}:\n" + self._log.read_text()[-4000:])

    def ask(self, query: str, token: str, variables: Mapping[str, object] | None = None) -> dict[str, object]:
        """One GraphQL query."""
        request = urllib.request.Request(f"{self.url}/graphql", json.dumps({"query": query, "variables": variables or {}}).encode(),
                                         {"Content-Type": "application/json", "Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            found: dict[str, object] = json.loads(answer.read())
            return found

    def wait(self) -> None:
        """Until it ends by itself or by Ctrl-C."""
        try:
            self._process.wait()
        except KeyboardInterrupt:
            self.stop()

    def stop(self, seconds: float = 20) -> None:
        """SIGTERM, and SIGKILL if it does not end in time."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
