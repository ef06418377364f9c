"""Child processes of the tests: started under `guard.py`, stopped by pid."""
from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

GUARD = Path(__file__).with_name("guard.py")


class Missing(Exception):
    """A service cannot run here; the text says what is missing and the one command that installs it."""


def free_port() -> int:
    """A port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start(command: list[str], *, console: Path, death_signal: signal.Signals, user: str | None = None, env: dict[str, str] | None = None,
          cwd: Path | None = None) -> subprocess.Popen[bytes]:
    """Start `command`, both output streams into the file `console`."""
    guard = [sys.executable, "-I", "-S", str(GUARD), "--signal", str(int(death_signal)), "--parent", str(os.getpid())]
    if user is not None:
        guard += ["--user", user]
    with console.open("wb") as sink:
        return subprocess.Popen([*guard, "--", *command], stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT, env=env, cwd=cwd)


def stop(process: subprocess.Popen[bytes], sig: signal.Signals, *, seconds: float) -> None:
    """Ask `process` to end with `sig`; kill it after `seconds`."""
    if process.poll() is None:
        process.send_signal(sig)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def tail(path: Path, lines: int = 40) -> str:
    """The last lines of a console file, for a failure message."""
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else "(no output)"
