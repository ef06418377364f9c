"""The disk under log, graph, tiles and the service's own output is full, and is given room again."""
from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.stand import stand
from tests.faults.tally import TALLY

pytestmark = pytest.mark.slow

SIZE = "24m"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with little room."""
    mount = tmp_path / "small"
    mount.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(mount)], capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root and a sandbox that allows it; ENOSPC from system calls is tested without")
    try:
        yield mount
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)


def fill(path: Path) -> None:
    """Take all the room there is."""
    with path.open("wb", buffering=0) as file:
        for piece in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(b"x" * piece)
            except OSError:
                continue


def test_a_full_disk_refuses_events_serves_reads_and_recovers(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    with stand(small_disk, LINEPROOF_PROJECTOR="inline") as one:
        one.send(20)
        one.settle()
        fill(ballast)
        TALLY.injected["disk full"] += 1
        waiting = one.events(400)  # more than fits into what SQLite holds already
        with one.http() as http:
            left = [event for start in range(0, 400, 20) for event in one.post(http, waiting[start:start + 20])]
            assert left
            assert set(one.ledger.refused) == {"no-space"}
            assert http.get("/readyz").status_code == 200
            assert http.get("/api/v1/log/entries/3").status_code == 200
            ballast.unlink()
            one.until_acknowledged(http, left)
        one.judge()
        fill(ballast)
        TALLY.injected["disk full"] += 1
        one.service.stop(signal.SIGTERM)
        one.service.start()  # for reading
        with one.http() as http:
            assert http.get("/api/v1/log/entries/3").status_code == 200
        ballast.unlink()
        one.send(5)
        one.judge()
