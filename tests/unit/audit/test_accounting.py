"""What became of the numbers that producers gave their events, window by window."""
from __future__ import annotations

import hashlib
import random

import pytest

from lineproof_audit.accounting import Streams, WindowAccount
from tests.unit.audit.memory_log import PRODUCER, MemoryLog, key

STREAM, OTHER_STREAM = "6f2c1e0a-5b7d-4c3e-9a8f-0b1c2d3e4f50", "11111111-5b7d-4c3e-9a8f-0b1c2d3e4f50"
BEFORE = 3  # genesis, policy, the producer's key


def numbered(*numbers: int | None, closed: bool = False) -> MemoryLog:
    """A log of the producer's events with these numbers; None is one without."""
    log = MemoryLog()
    for at, number in enumerate(numbers):
        stands = {} if number is None else {"stream": STREAM, "sequence": str(number)}
        last = {"streamclosed": True} if closed and at == len(numbers) - 1 else {}
        log.say("lineproof.dataset.v1", {"namespace": "warehouse", "name": f"t{at}"}, **stands, **last)
    return log


def account(log: MemoryLog, start: int = 0, end: int | None = None, size: int | None = None) -> WindowAccount:
    streams = Streams(log)
    assert streams.read_to(log.size(), 10**6) == log.size()
    return streams.account(start, log.size() if end is None else end, log.size() if size is None else size)


def gaps(found: WindowAccount) -> list[tuple[int, int, int]]:
    return [(gap.first, gap.last, gap.shown_at) for stream in found.streams for gap in stream.missing]


def test_a_whole_stream_has_no_gap_and_says_whether_it_is_closed() -> None:
    (stream,) = account(numbered(1, 2, 3)).streams
    assert (stream.signer, stream.stream, stream.events, stream.first, stream.last) == (PRODUCER.keyid, STREAM, 3, 1, 3)
    assert (stream.closed, stream.missing) == (False, ())
    assert account(numbered(1, 2, 3, closed=True)).streams[0].closed


def test_a_gap_belongs_to_the_window_in_which_it_showed() -> None:
    log = numbered(1, 2, 5, 6)
    assert gaps(account(log)) == [(3, 4, BEFORE + 2)]
    assert gaps(account(log, 0, BEFORE + 2)) == []
    assert gaps(account(log, BEFORE + 2, BEFORE + 3)) == [(3, 4, BEFORE + 2)]
    assert gaps(account(log, BEFORE + 3)) == []


def test_what_arrived_outside_the_window_is_not_missing() -> None:
    log = numbered(1, 4, 2, 3)
    assert gaps(account(log, BEFORE, BEFORE + 2)) == []
    assert gaps(account(log, BEFORE, BEFORE + 2, size=BEFORE + 3)) == [(3, 3, BEFORE + 1)]  # as it looked before 3 arrived


def test_entries_that_nobody_numbered_are_counted() -> None:
    found = account(numbered(1, None, 2))
    assert (found.unnumbered, [stream.events for stream in found.streams]) == (BEFORE + 1, [2])


def test_an_event_that_follows_another_payload_is_told() -> None:
    log = numbered(1)
    log.say("lineproof.dataset.v1", {}, stream=STREAM, sequence="2", previoushash=hashlib.sha256(b"another").hexdigest())
    assert account(log).streams[0].broken == (BEFORE + 1,)
    assert account(log, 0, BEFORE + 1).streams[0].broken == ()


def test_streams_of_one_number_and_different_signers_stand_apart() -> None:
    log = numbered(1, 2)
    second = key("second")
    log.register(second)
    log.say("lineproof.dataset.v1", {}, second, stream=STREAM, sequence="2")
    assert {(stream.signer, gap.first) for stream in account(log).streams for gap in stream.missing} == {(second.keyid, 1)}


@pytest.mark.parametrize("read_before", [False, True])
def test_an_erased_entry_is_told_from_a_lost_one_and_its_number_may_be_what_is_missing(read_before: bool) -> None:
    log = numbered(1, 2, 3)
    streams = Streams(log)
    if read_before:
        streams.read_to(log.size(), 10**6)
    log.erase(BEFORE + 1)
    log.drop_body(BEFORE)
    streams = streams if read_before else Streams(log)
    streams.read_to(log.size(), 10**6)
    found = streams.account(0, log.size(), log.size())
    assert found.erased == (BEFORE + 1,)
    assert [(gap.first, gap.last, gap.maybe_erased) for gap in found.streams[0].missing] == [(2, 2, True)] if read_before else [(1, 2, True)]
    assert found.bodiless == (() if read_before else (BEFORE,))  # a body that is lost after it was read is fsck's to find


def test_reading_piece_by_piece_says_what_reading_at_once_says() -> None:
    chance = random.Random(7)
    log = MemoryLog()
    numbers = {STREAM: list(range(1, 60)), OTHER_STREAM: list(range(1, 40))}
    for stream in numbers:
        numbers[stream] = [number for number in numbers[stream] if chance.random() < 0.8]
    for _ in range(70):
        stream = chance.choice([name for name, left in numbers.items() if left])
        number = numbers[stream].pop(chance.choice([0, 0, 0, min(2, len(numbers[stream]) - 1)]))
        log.say("lineproof.dataset.v1", {}, stream=stream, sequence=str(number))
    piecemeal = Streams(log)
    while piecemeal.read_to(log.size(), 7) < log.size():
        pass
    whole = account(log)
    assert piecemeal.account(0, log.size(), log.size()) == whole
    windows = [account(log, start, min(start + 10, log.size())) for start in range(0, log.size(), 10)]
    assert sorted(gap for window in windows for gap in gaps(window)) == sorted(gaps(whole)) != []
    assert sum(stream.events for window in windows for stream in window.streams) == 70
