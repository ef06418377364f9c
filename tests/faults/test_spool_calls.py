"""Each system call with which the hooks' spool writes to the disk fails, or is the last one, while a real service takes the events."""
from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lineproof_audit.log import Log
from tests.faults.injection import Fault, hits, most_calls, prefix
from tests.faults.stand import Stand, stand
from tests.faults.tally import FULL, SEED, TALLY
from tests.faults.verdict import events_of, judge

ROOT = Path(__file__).parents[2]
EVENTS = 40
SAMPLE = 40 if FULL else 1  # of each pair of call and fault
PAIRS = [*((call, what) for call in ("fdatasync", "fsync", "pwrite64", "rename", "unlink") for what in ("EIO", "ENOSPC", "SIGKILL")),
         ("write", "SIGKILL")]  # writes are also those of the pipeline's own output, so they do not fail here


@dataclass
class Pipeline:
    """Pipelines that emit to one service, and the events whose receipt said that they are safe."""

    stand: Stand
    key: Path
    token: str
    promised: list[str] = field(default_factory=list)

    def run(self, spool: Path, *before: str, events: int = EVENTS) -> tuple[int, Counter[str], str]:
        """One run: exit code, how many receipts said what, complaints."""
        command = [*before, sys.executable, "-m", "tests.faults.spool_process", str(self.key), str(spool), self.stand.service.url, self.token, str(events)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
        said: Counter[str] = Counter()
        for line in done.stdout.splitlines(keepends=True):
            if line.endswith("\n"):  # the last one may be cut
                event, status = line.split()
                said["pending" if event == "pending" else status] += int(status) if event == "pending" else 1
                if status == "spooled":
                    self.promised.append(event)
        return done.returncode, said, done.stderr


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    home = tmp_path_factory.mktemp("spools")
    with stand(home, LINEPROOF_PROJECTOR="inline") as one:
        token = next((home / "state").glob("*/admin-token")).read_text().strip()
        yield Pipeline(one, one.key.save(home / "producer", "producer", one.origin), token)
        one.judge()


@pytest.fixture(scope="module")
def calls(strace: str, pipeline: Pipeline) -> Counter[str]:
    """How many calls there are to hit: those of the busiest thread in a run without faults."""
    log = pipeline.stand.home / "calls.strace"
    code, said, complaints = pipeline.run(pipeline.stand.home / "calls" / "spool", *prefix(strace, log, []))
    assert (code, said["spooled"], said["pending"]) == (0, EVENTS, 0), complaints
    return most_calls(log)


@pytest.mark.parametrize(("call", "what"), PAIRS if FULL else sorted(random.Random(f"{SEED} spool").sample(PAIRS, 6)))
def test_what_a_receipt_says_is_spooled_arrives_once(strace: str, pipeline: Pipeline, calls: Counter[str], tmp_path: Path, call: str, what: str) -> None:
    assert calls[call], f"the hooks never call {call}"
    points, hit = range(1, calls[call] + 1), 0
    for point in sorted(random.Random(f"{SEED} spool {call} {what}").sample(points, min(SAMPLE, len(points)))):
        faults, spool, log = [Fault(call, what, str(point))], tmp_path / str(point) / "spool", tmp_path / f"{point}.strace"
        code, said, complaints = pipeline.run(spool, *prefix(strace, log, faults))
        fired = hits(log, faults)
        TALLY.take(faults, fired)
        hit += bool(fired)
        assert "Traceback" not in complaints, (point, complaints)
        assert code == (-9 if what == "SIGKILL" and fired else 0), (point, code, complaints)

        code, more, complaints = pipeline.run(spool, events=1)  # the next process on the same spool sends what is left
        assert (code, more["pending"]) == (0, 0), (point, fired, complaints)
        pipeline.stand.gaps += said["dropped"] + more["dropped"] > 0
        held(pipeline)
    assert hit


def held(pipeline: Pipeline) -> None:
    """Every event that was promised is in the log, once; the log is sound."""
    judge(pipeline.stand.log_target, pipeline.stand.home / "state", {}, gaps=pipeline.stand.gaps)
    with Log.open(pipeline.stand.log_target, readonly=True, state_dir=pipeline.stand.home / "state") as log:
        there = Counter(events_of(log))
    lost = [event for event in pipeline.promised if there[event] != 1]
    TALLY.acknowledged += len(pipeline.promised)
    TALLY.lost += len(lost)
    assert not lost, f"{len(lost)} events were promised and are not in the log once: {lost[:5]}"
    pipeline.promised.clear()
