"""System calls of the running service fail, or are its last: log, graph, tiles, checkpoint, lock record."""
from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator

import pytest

from tests.faults.injection import Fault, attached, hits
from tests.faults.stand import Stand, stand
from tests.faults.tally import FULL, SEED, TALLY

pytestmark = pytest.mark.slow

EVENTS = 12  # per case, one after the other: each has a commit of its own, and a checkpoint or two fall into the time they take
REACH = {"fdatasync": 8, "fsync": 8, "pwrite64": 24, "rename": 4, "unlink": 1}  # the last call of a thread that surely comes in that time
ROUNDS = 12 if FULL else 1
DEATHS = [(call, point) for call, last in REACH.items() for point in range(1, last + 1)]
SAMPLE = DEATHS if FULL else sorted(random.Random(f"{SEED} deaths").sample(DEATHS, 3))


def just_before_a_full_tile(one: Stand) -> None:
    """The next events fill a tile, so that its partial ones are removed."""
    with one.http() as http:
        missing = 256 - http.get("/readyz").json()["log"] % 256
    one.send((missing - EVENTS // 2) % 256, batch=50)
    one.settle()


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with stand(tmp_path_factory.mktemp("service"), LINEPROOF_PROJECTOR="inline") as one:
        yield one


@pytest.mark.parametrize("number", range(ROUNDS))
def test_failing_calls_are_503_and_a_second_try(strace: str, serving: Stand, number: int) -> None:
    chance = random.Random(f"{SEED} service {number}")
    faults = [Fault(call, chance.choice(["EIO", "ENOSPC"]), str(chance.randint(1, last))) for call, last in REACH.items()]
    log = serving.home / f"{number}.strace"
    just_before_a_full_tile(serving)
    with attached(strace, serving.pid, log, faults):
        serving.send(EVENTS)
        serving.settle()
    fired = hits(log, faults)
    TALLY.take(faults, fired)
    assert {one.call for one in fired} >= {"fdatasync", "pwrite64"}, fired
    serving.judge()
    assert serving.service.process is not None
    assert serving.service.process.poll() is None


@pytest.mark.parametrize(("call", "point"), SAMPLE)
def test_a_service_that_dies_in_a_call_goes_on_where_it_was(strace: str, serving: Stand, call: str, point: int) -> None:
    faults, log = [Fault(call, "SIGKILL", str(point))], serving.home / f"{call}-{point}.strace"
    if call == "unlink":
        just_before_a_full_tile(serving)
    made, process = serving.events(EVENTS), serving.service.process
    assert process is not None
    with attached(strace, serving.pid, log, faults), serving.http() as http:
        for event in made:
            if serving.post(http, [event]):
                break
        try:
            process.wait(10)  # if not in our events, then in the checkpoint after them
        except subprocess.TimeoutExpired:
            process.kill()
            raise AssertionError(f"{faults[0]} was not reached") from None
    fired = hits(log, faults)
    assert (process.poll(), len(fired)) == (-9, 1)
    TALLY.take(faults, fired)
    serving.service.kill()
    serving.service.start()
    with serving.http() as http:
        serving.until_acknowledged(http, made)
    serving.judge()
