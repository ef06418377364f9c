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
from collections.abc import Mapping, Sequence
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
        asked = {"arguments": list(arguments), "cwd": str(cwd), "env": dict(env), "timeout": timeout, "out": str(out), "err": str(err)}
        waiting = _waiting()
        assert waiting.stdin is not None
        assert waiting.stdout is not None
        waiting.stdin.write(json.dumps(asked) + "\n")
        waiting.stdin.flush()
        code = int(waiting.stdout.readline())
        done = subprocess.CompletedProcess(["lineproof", *arguments], code, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8"))
    if code == -signal.SIGALRM:
        raise subprocess.TimeoutExpired(done.args, timeout, done.stdout, done.stderr)
    return done


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
        child = os.fork()
        if child == 0:
            return _become(asked)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _become(asked: dict[str, Any]) -> None:
    from metadata_service.cli import main

    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    for number, (name, flags) in enumerate(((os.devnull, os.O_RDONLY), (asked["out"], os.O_WRONLY | os.O_CREAT), (asked["err"], os.O_WRONLY | os.O_CREAT))):
        opened = os.open(name, flags)
        os.dup2(opened, number)
        os.close(opened)
    signal.alarm(asked["timeout"])
    sys.argv = ["lineproof", *asked["arguments"]]
    main()


if __name__ == "__main__":
    _main()
