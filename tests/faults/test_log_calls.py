"""Each system call with which the embedded log writes to the disk fails, or is the last one: from the first key file to the last checkpoint."""
from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.injection import Fault, hits, most_calls, prefix
from tests.faults.tally import FULL, SEED, TALLY
from tests.faults.verdict import Told, judge

ROOT = Path(__file__).parents[2]
EVENTS = 320  # one full tile and a partial one, which is removed on the way
SAMPLE = 60 if FULL else 2  # of each pair of call and fault
COMMITS = 8  # of the appending thread: the key and seven batches; most other calls are the main thread's
SECONDS = 120


def run(folder: Path, *before: str) -> tuple[int, dict[str, Told], str]:
    """One run of the process: exit code, acknowledgements it had printed by then, complaints."""
    done = subprocess.run([*before, sys.executable, "-m", "tests.faults.log_process", str(folder / "data"), str(folder / "state"), str(EVENTS)], cwd=ROOT,
                          capture_output=True, text=True, timeout=SECONDS, check=False)
    told = {}
    for line in done.stdout.splitlines(keepends=True):
        if line.endswith("\n"):  # the last one may be cut
            event, index, leaf = line.split()
            told[event] = Told(int(index), leaf)
    return done.returncode, told, done.stderr


@pytest.fixture(scope="module")
def calls(strace: str, tmp_path_factory: pytest.TempPathFactory) -> Counter[str]:
    """How many calls there are to hit: those of the busiest thread in a run without faults."""
    folder = tmp_path_factory.mktemp("calls")
    code, told, complaints = run(folder, *prefix(strace, folder / "strace.log", []))
    assert (code, len(told)) == (0, EVENTS), complaints
    judge(folder / "data", folder / "state", told)
    return most_calls(folder / "strace.log")


def points(call: str, what: str, last: int) -> list[int]:
    """Which calls are hit: every second one among the first, where each thread has some."""
    chance = random.Random(f"{SEED} {call} {what}")
    early = chance.sample(range(1, min(last, COMMITS) + 1), min(SAMPLE // 2, last, COMMITS))
    return sorted({*early, *chance.sample(range(1, last + 1), min(SAMPLE - len(early), last))})


@pytest.mark.parametrize("what", ["EIO", "ENOSPC", "SIGKILL"])
@pytest.mark.parametrize("call", ["fdatasync", "fsync", "pwrite64", "rename", "unlink"])
def test_a_call_that_fails_or_is_the_last_one_loses_nothing(strace: str, calls: Counter[str], tmp_path: Path, call: str, what: str) -> None:
    assert calls[call], f"the log never calls {call}"
    hit = 0
    for point in points(call, what, calls[call]):
        folder = tmp_path / str(point)
        folder.mkdir()
        faults = [Fault(call, what, str(point))]
        code, told, complaints = run(folder, *prefix(strace, folder / "strace.log", faults))
        fired = hits(folder / "strace.log", faults)
        TALLY.take(faults, fired)
        if not fired:
            assert (code, len(told)) == (0, EVENTS), (point, complaints)
        assert (code == -9) == (what == "SIGKILL" and bool(fired)), (point, code, complaints)
        hit += bool(fired)

        code, again, complaints = run(folder)
        assert code == 0, (point, fired, complaints)
        assert len(again) == EVENTS
        TALLY.sent_again += len(told)
        TALLY.other_answers += sum(again[event] != ack for event, ack in told.items())
        judge(folder / "data", folder / "state", {**again, **told})
        assert {event: again[event] for event in told} == told, (point, fired)
    assert hit
