"""Where a rebuild runs: a folder of its own, with an environment from the lock file and nothing of the caller's.

A step sees PATH of its own environment, a home in the folder, UTC, and no variable of the caller: no credentials, no settings. It is not
kept from the network or from the disk by force; who rebuilds someone else's code runs this in a container.
"""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

__all__ = ["Failed", "Sandbox"]

ENVIRONMENT_SECONDS: Final = 1_800  # hundreds of packages over a slow line
STEP_SECONDS: Final = 24 * 3_600
LOG_TAIL: Final = 4_000  # characters of a failed command's output that are shown
# what uv needs to reach an index and its cache; nothing of it reaches a step
_FOR_UV: Final = ("PATH", "HOME", "LANG", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY",
                  "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy", "PYENV_ROOT")


class Failed(Exception):
    """A command in the sandbox failed; the text is the end of what it printed."""


@dataclass(slots=True)
class Sandbox:
    """The folder of one rebuild."""

    folder: Path
    environments: dict[tuple[str, str], Path] = field(default_factory=dict)

    def make(self) -> None:
        """Make the folder; it must be missing or empty.

        Raises:
            FileExistsError: it holds something.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if any(self.folder.iterdir()):
            raise FileExistsError(f"{self.folder} is not empty")
        for name in ("artifacts", "db", "tables", "code", "inputs", "home", "tmp", "logs"):
            (self.folder / name).mkdir()

    def artifact(self, digest: str) -> Path:
        return self.folder / "artifacts" / digest

    def database(self, name: str) -> Path:
        """The DuckDB file of a database name."""
        return self.folder / "db" / f"{Path(name).name}.duckdb"

    def environment(self, lockfile: str, name: str, python: str) -> Path:
        """The folder of a virtual environment with exactly the locked packages (hashes required), made once.

        Raises:
            Failed: no uv, no such Python, a package that is gone or has another hash.
        """
        made = self.environments.get((lockfile, python))
        if made is not None:
            return made
        target = self.folder / f"env{len(self.environments)}"
        lock = self.folder / f"env{len(self.environments)}.{'pylock.toml' if name.endswith('.toml') else 'requirements.txt'}"
        shutil.copyfile(self.artifact(lockfile), lock)
        uv = _uv()
        minor = ".".join(python.split(".")[:2])
        try:
            self._uv([uv, "venv", "--quiet", "--no-python-downloads", "--python", python, str(target)], "environment")
        except Failed:  # the same minor version is what wheels are built for; the patch level is said in the statement
            self._uv([uv, "venv", "--quiet", "--no-python-downloads", "--clear", "--python", minor, str(target)], "environment")
        self._uv([uv, "pip", "sync", "--quiet", "--require-hashes", "--python", str(target / "bin" / "python"), str(lock)], "environment")
        self.environments[lockfile, python] = target
        return target

    def run(self, environment: Path, command: Sequence[str], *, cwd: Path, log: str) -> None:
        """Run a program of an environment with nothing else in its environment.

        Raises:
            Failed: it could not be started, ran too long, or ended with another code than 0.
        """
        empty = {"PATH": f"{environment / 'bin'}:/usr/bin:/bin", "HOME": str(self.folder / "home"), "TMPDIR": str(self.folder / "tmp"), "LANG": "C.UTF-8",
                 "LC_ALL": "C.UTF-8", "TZ": "UTC", "PYTHONHASHSEED": "0", "PYTHONNOUSERSITE": "1", "PYTHONDONTWRITEBYTECODE": "1", "DO_NOT_TRACK": "1",
                 "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "VIRTUAL_ENV": str(environment)}
        self._command([str(environment / "bin" / command[0]), *command[1:]], empty, cwd, log, STEP_SECONDS)

    def _uv(self, command: Sequence[str], log: str) -> None:
        kept = {name: value for name, value in os.environ.items() if name in _FOR_UV or name.startswith("UV_")}
        self._command(command, kept, self.folder, log, ENVIRONMENT_SECONDS)

    def _command(self, command: Sequence[str], environment: Mapping[str, str], cwd: Path, log: str, seconds: float) -> None:
        path = self.folder / "logs" / f"{log}.log"
        with path.open("ab") as output:
            start = output.tell()
            try:
                done = subprocess.run(  # noqa: S603 - running recorded code is what this is for
                    list(command), env=dict(environment), cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                      timeout=seconds, check=False)
            except (OSError, subprocess.TimeoutExpired) as error:
                raise Failed(f"{Path(command[0]).name}: {error}") from error
        if done.returncode:
            with path.open("rb") as output:
                output.seek(start)
                said = output.read().decode("utf-8", "replace")[-LOG_TAIL:].strip()
            raise Failed(f"{Path(command[0]).name} {command[1]} ended with {done.returncode}: {said}")


def _uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise Failed("uv is not installed: pip install uv")
    return found
