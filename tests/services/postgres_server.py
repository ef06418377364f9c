"""A real PostgreSQL for the tests: the system's binaries, a throw-away cluster, loopback only.

`fsync` is off: contract tests are about behaviour. Benchmarks start it with `durable=True`.
"""
from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services.process import Missing, free_port, start, stop, tail

START_SECONDS = 60.0
FIX = "run as root: python -m tests.services.install"


def find_binaries() -> Path:
    """The directory with `initdb` and `postgres`: on PATH, else the newest under Debian's /usr/lib/postgresql.

    Raises:
        Missing: there is none.
    """
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).resolve().parent
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3].split(".")[0]))
    if not found:
        raise Missing(f"PostgreSQL is not installed; {FIX}")
    return found[-1].parent


def _account() -> str | None:
    """PostgreSQL refuses to run as root: the account to drop to, None when we are not root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


class PostgresServer:
    """A throw-away cluster whose server can be stopped, killed and started again on the same data and port. `own_postgres` makes one."""

    def __init__(self, binaries: Path, base: Path, *, durable: bool) -> None:
        self._binaries, self._base, self._user = binaries, base, _account()
        self._console = base.with_suffix(".log")
        self._port = free_port()
        self._careless = [] if durable else ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
        self._process: subprocess.Popen[bytes] | None = None
        if self._user is not None:
            shutil.chown(base, self._user)
        initdb = start([str(binaries / "initdb"), "-D", str(base / "data"), "-U", "test", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"],
                       console=self._console, death_signal=signal.SIGKILL, user=self._user, cwd=Path("/"))
        if initdb.wait(120) != 0:
            raise RuntimeError(f"initdb failed:\n{tail(self._console)}")

    @property
    def url(self) -> str:
        """Of the maintenance database: superuser `test`, no password."""
        return f"postgresql+psycopg://test@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            RuntimeError: it did not start; the text carries its output.
        """
        server = start([str(self._binaries / "postgres"), "-D", str(self._base / "data"), "-h", "127.0.0.1", "-p", str(self._port), "-k", str(self._base),
                        "-c", "max_connections=200", *self._careless], console=self._console, death_signal=signal.SIGQUIT, user=self._user, cwd=Path("/"))
        self._process = server
        deadline = time.monotonic() + START_SECONDS
        ready = [str(self._binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self._port), "-U", "test", "-d", "postgres"]
        while subprocess.run(ready, check=False).returncode != 0:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{tail(self._console)}")
            time.sleep(0.05)

    def stop(self) -> None:
        """In order: clients are cut off, nothing is lost. Idempotent."""
        if self._process is not None:
            stop(self._process, signal.SIGINT, seconds=20)
            self._process = None

    def backends(self) -> list[int]:
        """The pids of the server's children: backends and its own workers."""
        assert self._process is not None
        pid = self._process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def kill(self) -> None:
        """Kill -9 of all of it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)  # it starts no child while we count them
        children = self.backends()
        for pid in (*children, self._process.pid):
            os.kill(pid, signal.SIGKILL)
        self._process.wait(20)
        self._process = None
        deadline = time.monotonic() + START_SECONDS
        while any(_runs(pid) for pid in children) and time.monotonic() < deadline:
            time.sleep(0.01)

    def close(self) -> None:
        """Stop it and leave nothing behind."""
        self.stop()
        self._console.unlink(missing_ok=True)


@contextmanager
def own_postgres(*, durable: bool = False) -> Iterator[PostgresServer]:
    """Start a PostgreSQL that its user may stop and kill.

    Raises:
        Missing: PostgreSQL is not installed.
        RuntimeError: it did not start; the text carries its output.
    """
    binaries = find_binaries()
    base = Path(tempfile.mkdtemp(prefix="lineproof-pg-"))
    try:
        server = PostgresServer(binaries, base, durable=durable)
        try:
            server.start()
            yield server
        finally:
            server.close()
    finally:
        shutil.rmtree(base, ignore_errors=True)


@contextmanager
def run_postgres(*, durable: bool = False) -> Iterator[str]:
    """Start PostgreSQL and yield its URL (`postgresql+psycopg://…/postgres`, superuser `test`, no password). Raises as `own_postgres`."""
    with own_postgres(durable=durable) as server:
        yield server.url


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@contextmanager
def fresh_database(server_url: str) -> Iterator[str]:
    """Create a database on the server at `server_url`, yield its URL, drop it (with whoever is still connected)."""
    import psycopg
    from sqlalchemy import make_url

    url = make_url(server_url).set(drivername="postgresql+psycopg")
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    name = f"lineproof_{uuid.uuid4().hex[:16]}"
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
    try:
        yield url.set(database=name).render_as_string(hide_password=False)
    finally:
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
