"""strace, which injects faults into system calls: is it here, and may it trace?"""
from __future__ import annotations

import shutil
import subprocess
import sys

from tests.services.process import Missing

FIX = "run as root: python -m tests.services.install"
PROBE_SECONDS = 30


class Forbidden(Exception):
    """strace is here, but the sandbox does not let one process trace another; no package mends that."""


def find_strace() -> str:
    """The path of a strace that can attach to a process of ours and inject an error.

    Raises:
        Missing: it is not installed.
        Forbidden: it may not trace here.
    """
    strace = shutil.which("strace")
    if strace is None:
        raise Missing(f"strace is not installed; {FIX}")
    waiting = subprocess.Popen([sys.executable, "-I", "-S", "-c", "input()"], stdin=subprocess.PIPE)
    try:
        tracer = subprocess.Popen([strace, "-p", str(waiting.pid), "-e", "trace=fsync", "-e", "inject=fsync:error=EIO"], stderr=subprocess.PIPE, text=True)
        assert tracer.stderr is not None
        said = tracer.stderr.readline()
        waiting.kill()
        said += tracer.stderr.read()
        tracer.stderr.close()
        tracer.wait(PROBE_SECONDS)
    finally:
        waiting.kill()
        waiting.wait(PROBE_SECONDS)
        assert waiting.stdin is not None
        waiting.stdin.close()
    if "attached" not in said:
        raise Forbidden(f"this sandbox forbids ptrace ({said.strip() or 'no reason given'})")
    return strace
