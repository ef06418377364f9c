"""`lineproof doctor`: what on this machine could hurt a log."""
from __future__ import annotations

import os
import socket
import sqlite3
import stat
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from metadata_service.cli.output import Json, print_json, print_table

if TYPE_CHECKING:
    from metadata_service.settings import Settings

__all__ = ["Check", "checks", "doctor"]

WAL_RESET_FIXED: Final = (3, 51, 3)  # SQLite below it can lose committed frames when two connections checkpoint at once
SLOW_FSYNC_SECONDS: Final = 0.05  # at one group commit per flush, single events then wait longer than people notice
FSYNCS: Final = 5
LEAST_FREE_BYTES: Final = 2**30


@dataclass(frozen=True, slots=True)
class Check:
    """One finding: `ok`, `warning` (works, with a risk that `detail` names) or `error` (will not work)."""

    name: str
    status: Literal["ok", "warning", "error"]
    detail: str


def doctor(data: Annotated[Path | None, typer.Option(help="Data directory.")] = None, as_json: Json = False) -> None:
    """Check SQLite, disk, clock, key files and port. Exit 1 on an error."""
    from metadata_service.settings import load_settings

    found = list(checks(load_settings(data=data)))
    if as_json:
        print_json([asdict(check) for check in found])
    else:
        print_table(("check", "status", "detail"), [(check.name, check.status, check.detail) for check in found], "")
    if any(check.status == "error" for check in found):
        raise typer.Exit(1)


def checks(settings: Settings) -> Iterator[Check]:
    """All checks; nothing is changed but a temporary file in the data directory."""
    yield _sqlite()
    yield from _disk(settings.data)
    yield _clock()
    yield from _keys(settings)
    yield _port(settings)


def _sqlite() -> Check:
    if sqlite3.sqlite_version_info < WAL_RESET_FIXED:
        return Check("sqlite", "warning", f"{sqlite3.sqlite_version} has the WAL-reset bug (fixed in 3.51.3); the service therefore checkpoints on one "
                                          "connection only: let no other tool write log.db")
    return Check("sqlite", "ok", sqlite3.sqlite_version)


def _disk(data: Path) -> Iterator[Check]:
    folder = next(path for path in (data.absolute(), *data.absolute().parents) if path.is_dir())
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-") as file:
            began = time.perf_counter()
            for _ in range(FSYNCS):
                file.write(b"x" * 4096)
                file.flush()
                os.fsync(file.fileno())
            seconds = (time.perf_counter() - began) / FSYNCS
    except OSError as error:
        yield Check("disk", "error", f"{folder} cannot be written: {error.strerror}")
        return
    slow = seconds > SLOW_FSYNC_SECONDS
    yield Check("fsync", "warning" if slow else "ok", f"{seconds * 1000:.1f} ms in {folder}{': every append waits for one' if slow else ''}")
    free = os.statvfs(folder)
    room = free.f_bavail * free.f_frsize
    yield Check("space", "warning" if room < LEAST_FREE_BYTES else "ok", f"{room / 2**30:.1f} GiB free in {folder}")


def _clock() -> Check:
    now = time.time()
    if now < 1_700_000_000:
        return Check("clock", "error", "the clock says it is before 2023; entries would be dated wrongly for ever")
    synchronised = Path("/run/systemd/timesync/synchronized").exists()
    return Check("clock", "ok", "synchronised" if synchronised else "plausible; whether it is synchronised cannot be seen from here")


def _keys(settings: Settings) -> Iterator[Check]:
    folder = settings.data / "keys"
    if not folder.is_dir():
        yield Check("keys", "ok", f"no log in {settings.data} yet")
        return
    open_files = [path.name for path in sorted(folder.iterdir()) if path.suffix in (".pem", ".secret") and stat.S_IMODE(path.stat().st_mode) & 0o077]
    yield Check("keys", "error", f"readable by others: {', '.join(open_files)} (chmod 600)") if open_files else Check("keys", "ok", f"private in {folder}")
    strays = [path.name for path in folder.glob("root-admin.pem")]
    if strays:
        yield Check("root admin key", "error", f"{folder / strays[0]} lies inside the data directory; move it out")


def _port(settings: Settings) -> Check:
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
        probe.settimeout(1)
        try:
            taken = probe.connect_ex((settings.host, settings.port)) == 0
        except OSError:
            taken = False
    return Check("port", "ok", f"{settings.host}:{settings.port} {'answers: a service runs there' if taken else 'is free'}")
