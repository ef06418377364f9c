"""Commands of `lineproof`, each in a process of its own that has loaded everything before it starts: a fork of one that waits.

What a command does, prints and leaves is what it does for a person; only the second or two of loading the program, which hundreds of
commands of the tests would wait for, are spent once.
"""
from __future__ import annotations

import atexit
import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOADED = ("anyio._backends._asyncio", "ingest_hooks.cli", "metadata_service.app", "metadata_service.cli.directory", "metadata_service.cli.views",
          "metadata_service.graph.sql")


def run(arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout: int) -> subprocess.CompletedProcess[str]:
    """`lineproof` with these arguments, as `subprocess.run` would run it, without a stdin."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = start(arguments, cwd=cwd, env=env, out=out, err=err)
        code = process.wait(timeout)
        return subprocess.CompletedProcess(["lineproof", *arguments], code, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8"))


def start(arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], out: Path, err: Path) -> Process:
    """`lineproof` with these arguments; what it prints is added to the files."""
    return Process(_ask({"arguments": list(arguments), "cwd": str(cwd), "env": dict(env), "out": str(out), "err": str(err)}))


@dataclass(slots=True)
class Process:
    """A command that runs, with what tests need of `subprocess.Popen`."""

    pid: int
    returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = _ask({"pid": self.pid, "wait": 0})
        return self.returncode

    def wait(self, seconds: float) -> int:
        """The exit code; as that of `Popen`, minus the number of the signal that ended it. It is killed, which is an error, when it takes longer."""
        if self.returncode is None:
            self.returncode = _ask({"pid": self.pid, "wait": seconds})
        if self.returncode is None:
            self.kill()
            self.wait(seconds)
            raise subprocess.TimeoutExpired("lineproof", seconds)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _ask(question: dict[str, Any]) -> Any:
    waiting = _waiting()
    assert waiting.stdin is not None
    assert waiting.stdout is not None
    waiting.stdin.write(json.dumps(question) + "\n")
    waiting.stdin.flush()
    return json.loads(waiting.stdout.readline())


@lru_cache(1)
def _waiting() -> subprocess.Popen[str]:
    """The process that forks, for as long as the tests run."""
    process = subprocess.Popen([sys.executable, "-m", "tests.forked"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def end() -> None:
        process.communicate(timeout=30)

    atexit.register(end)
    return process


def _main() -> None:
    for module in LOADED:
        import_module(module)
    gc.freeze()  # nobody looks at it again, which would copy it
    for line in sys.stdin:
        asked = json.loads(line)
        if "pid" in asked:
            answer = _ended(asked["pid"], asked["wait"])
        else:
            answer = os.fork()
            if answer == 0:
                return _become(asked)
        print(json.dumps(answer), flush=True)


def _ended(pid: int, seconds: float) -> int | None:
    """The exit code of a child that ends within so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= deadline:
            return None
        time.sleep(0.005)


def _become(asked: dict[str, Any]) -> None:
    from metadata_service.cli import main

    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    for number, (name, flags) in enumerate(((os.devnull, os.O_RDONLY), *((asked[name], os.O_WRONLY | os.O_CREAT | os.O_APPEND) for name in ("out", "err")))):
        opened = os.open(name, flags)
        os.dup2(opened, number)
        os.close(opened)
    sys.argv = ["lineproof", *asked["arguments"]]
    main()


if __name__ == "__main__":
    _main()
