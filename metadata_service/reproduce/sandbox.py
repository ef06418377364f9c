"""Where a rebuild runs: a folder of its own, with an environment from the lock file and nothing of the caller's.

A step sees PATH of its own environment, a home in the folder, UTC, and no variable of the caller: no credentials, no settings. It is not
kept from the network or from the disk by force; who rebuilds someone else's code runs this in a container.
"""
from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from metadata_service.reproduce.shape import safe_name

__all__ = ["Environment", "Failed", "Sandbox"]

ENVIRONMENT_SECONDS: Final = 1_800  # hundreds of packages over a slow line
STEP_SECONDS: Final = 24 * 3_600
LOG_TAIL: Final = 4_000  # characters of a failed command's output that are shown
# what uv needs to reach an index and its cache; nothing of it reaches a step
_FOR_UV: Final = ("PATH", "HOME", "LANG", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY",
                  "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy", "PYENV_ROOT")
# what is left of that when a package has to be built, for that runs the package's own code
_FOR_BUILDS: Final = ("PATH", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy",
                      "all_proxy", "no_proxy", "UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_OFFLINE")


class Failed(Exception):
    """A command in the sandbox failed; the text is the end of what it printed."""


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment made from a lock file: what is really in it. `packages` are versions by normalised name."""

    folder: Path
    lockfile: str
    python: str
    packages: Mapping[str, str]


@dataclass(slots=True)
class Sandbox:
    """The folder of one rebuild."""

    folder: Path
    environments: dict[tuple[str, str], Environment] = field(default_factory=dict)
    _was_there: bool = False

    def make(self) -> None:
        """Make the folder; it must be missing or empty.

        Raises:
            FileExistsError: it holds something.
        """
        self._was_there = self.folder.is_dir()
        self.folder.mkdir(parents=True, exist_ok=True)
        if any(self.folder.iterdir()):
            raise FileExistsError(f"{self.folder} is not empty")
        for name in ("artifacts", "db", "tables", "code", "inputs", "home", "tmp", "logs"):
            (self.folder / name).mkdir()

    def remove(self) -> None:
        """Leave no trace of a rebuild that did not begin."""
        for path in self.folder.iterdir():
            shutil.rmtree(path)
        if not self._was_there:
            self.folder.rmdir()

    def artifact(self, digest: str) -> Path:
        return self.folder / "artifacts" / digest

    def database(self, name: str) -> Path:
        """The DuckDB file of a database name. Raises ValueError for a name that is a path."""
        return self.folder / "db" / f"{safe_name(name)}.duckdb"

    def environment(self, lockfile: str, name: str, python: str) -> Environment:
        """A virtual environment with exactly the locked packages (hashes required), made once.

        A package that comes as source only runs its own code when it is built, so that happens without the caller's variables and home.

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
        inside = ["--python", str(target / "bin" / "python")]
        sync = [uv, "pip", "sync", "--quiet", "--require-hashes", *inside, str(lock)]
        try:
            self._uv([*sync, "--no-build"], "environment")
        except Failed as error:
            if "--no-build" not in str(error):
                raise
            self._command(sync, self._bare(uv), self.folder, "environment", ENVIRONMENT_SECONDS)
        self._uv([uv, "pip", "list", "--quiet", "--format", "json", *inside], "packages")
        listed = json.loads((self.folder / "logs" / "packages.log").read_text(encoding="utf-8").splitlines()[-1])
        made = Environment(target, lockfile, _python_of(target), {str(package["name"]): str(package["version"]) for package in listed})
        self.environments[lockfile, python] = made
        return made

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

    def _bare(self, uv: str) -> dict[str, str]:
        """What uv gets when packages are built: its cache, and where packages are, unless credentials stand in the address."""
        self._uv([uv, "cache", "dir"], "cache")
        cache = (self.folder / "logs" / "cache.log").read_text(encoding="utf-8").splitlines()[-1]
        kept = {name: value for name, value in os.environ.items() if name in _FOR_BUILDS and "@" not in value}
        return {**kept, "HOME": str(self.folder / "home"), "TMPDIR": str(self.folder / "tmp"), "UV_CACHE_DIR": cache}

    def _command(self, command: Sequence[str], environment: Mapping[str, str], cwd: Path, log: str, seconds: float) -> None:
        path = self.folder / "logs" / f"{log}.log"
        with path.open("ab") as output:
            start = output.tell()
            try:
                process = subprocess.Popen(  # noqa: S603 - running recorded code is what this is for
                    list(command), env=dict(environment), cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                    start_new_session=True)
            except (OSError, ValueError) as error:
                raise Failed(f"{Path(command[0]).name}: {error}") from error
            try:
                code = process.wait(seconds)
            except subprocess.TimeoutExpired as error:
                raise Failed(f"{Path(command[0]).name}: {error}") from error
            finally:  # also on Ctrl-C: what the step has started goes with it
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if code:
            with path.open("rb") as output:
                output.seek(start)
                said = output.read().decode("utf-8", "replace")[-LOG_TAIL:].strip()
            raise Failed(f"{Path(command[0]).name} {command[1]} ended with {code}: {said}")


def _python_of(target: Path) -> str:
    """The full version of the interpreter, as uv noted it; which one it is a manifest cannot force, only its minor version."""
    lines = dict(line.split(" = ", 1) for line in (target / "pyvenv.cfg").read_text(encoding="utf-8").splitlines() if " = " in line)
    return lines.get("version_info", "")


def _uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise Failed("uv is not installed: pip install uv")
    return found
