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


@contextmanager
def run_postgres(*, durable: bool = False) -> Iterator[str]:
    """Start PostgreSQL and yield its URL (`postgresql+psycopg://…/postgres`, superuser `test`, no password).

    Raises:
        Missing: PostgreSQL is not installed.
        RuntimeError: it did not start; the text carries its output.
    """
    binaries = find_binaries()
    user = _account()
    base = Path(tempfile.mkdtemp(prefix="lineproof-pg-"))
    try:
        if user is not None:
            shutil.chown(base, user)
        console = base.with_suffix(".log")
        initdb = start([str(binaries / "initdb"), "-D", str(base / "data"), "-U", "test", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"],
                       console=console, death_signal=signal.SIGKILL, user=user, cwd=Path("/"))
        if initdb.wait(120) != 0:
            raise RuntimeError(f"initdb failed:\n{tail(console)}")
        port = free_port()
        careless = [] if durable else ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
        server = start([str(binaries / "postgres"), "-D", str(base / "data"), "-h", "127.0.0.1", "-p", str(port), "-k", str(base), "-c", "max_connections=200",
                        *careless], console=console, death_signal=signal.SIGQUIT, user=user, cwd=Path("/"))
        try:
            deadline = time.monotonic() + START_SECONDS
            ready = [str(binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port), "-U", "test", "-d", "postgres"]
            while subprocess.run(ready, check=False).returncode != 0:
                if server.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"PostgreSQL did not start:\n{tail(console)}")
                time.sleep(0.05)
            yield f"postgresql+psycopg://test@127.0.0.1:{port}/postgres"
        finally:
            stop(server, signal.SIGINT, seconds=20)
            console.unlink(missing_ok=True)
    finally:
        shutil.rmtree(base, ignore_errors=True)


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
