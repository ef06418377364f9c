"""The host's clock is moved back under a running service, and found moved back at a start."""
from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from lineproof_audit.log import Log
from tests.faults.stand import Stand, stand
from tests.faults.tally import TALLY
from tests.integration.hooks import service as real

HOUR = 3_600 * 10**9
# The service as it is, in a process whose wall clock is off by the nanoseconds that a file says.
MOVED = """
import pathlib, sys, time
off, time_ns = pathlib.Path(sys.argv.pop(1)), time.time_ns
time.time_ns = lambda: time_ns() + int(off.read_text())
time.time = lambda: time.time_ns() / 1e9
from metadata_service.cli import main
main()
"""


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file to write the offset to."""
    off = tmp_path / "clock"
    off.write_text("0")
    monkeypatch.setattr(real, "CLI", [real.CLI[0], "-c", MOVED, str(off)])
    return off


@pytest.fixture
def serving(clock: Path, tmp_path: Path) -> Iterator[Stand]:
    with stand(tmp_path, LINEPROOF_PROJECTOR="inline") as one:
        yield one


def test_a_clock_moved_back_stops_the_intake_and_nothing_else_until_it_is_right(serving: Stand, clock: Path) -> None:
    serving.send(5)
    clock.write_text(str(-30 * 10**9))  # what a time server may do
    serving.send(5)
    assert serving.ledger.refused == {}

    clock.write_text(str(-HOUR))
    TALLY.injected["clock moved back"] += 1
    waiting = serving.events(3)
    with serving.http() as http:
        assert serving.post(http, waiting) == waiting
        assert http.get("/readyz").status_code == 200
    assert serving.ledger.refused == {"clock": 3}
    serving.service.stop(signal.SIGTERM)
    serving.service.start()  # a start does not make it believe the clock
    with serving.http() as http:
        assert serving.post(http, waiting) == waiting
        assert serving.ledger.refused == {"clock": 6}
        clock.write_text("0")
        serving.until_acknowledged(http, waiting)
    serving.judge()
    with Log.open(serving.log_target, readonly=True, state_dir=serving.home / "state") as log:
        received = [entry.fields.received for entry in log.reader.entries()]
        assert received[8:13] == [received[7]] * 5  # time stood still while the clock was a little behind
