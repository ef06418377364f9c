"""What a monitor takes and what it raises an alarm over, on a whole log made of the real parts."""
from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lineproof_audit.checkpoint import peek_checkpoint
from lineproof_audit.errors import AuditError, DataDirectoryLocked, LogUnavailable
from lineproof_audit.promises import Promise, read_promises
from lineproof_audit.trust import parse_trust
from lineproof_audit.watch import Behind, Expectations, Look, Monitor
from lineproof_audit.watch_state import Kept, WatchState, read_note
from tests.unit.audit.memory_log import DATA, NOTARY, PRODUCER, MemoryLog, key, trust
from tests.unit.audit.test_witness import LOG_LINE, line, vkey

ROOT = DATA.parents[2]
NOW = 1_800_000_100_000_000  # 100 s after the first entry
STREAM = "0198c0de-0000-7000-8000-000000000001"


def log_of(size: int, *, other_from: int | None = None) -> MemoryLog:
    """A signed log; from `other_from` on its entries are others."""
    log = MemoryLog()
    while len(log.stored) < size:
        at = len(log.stored)
        log.say("lineproof.dataset.v1", {"n": at, "other": other_from is not None and at >= other_from})
    return log.sign()


@pytest.fixture
def state(tmp_path: Path) -> Iterator[WatchState]:
    with WatchState(tmp_path / "watch.json") as opened:
        yield opened


def monitor(state: WatchState, now: int = NOW, **expected: float | None) -> Monitor:
    return Monitor(trust(), state, Expectations(**expected), lambda: now)  # type: ignore[arg-type]


def kinds(look: Look) -> list[str]:
    return [alarm.kind for alarm in look.alarms]


def test_a_log_that_grows_is_followed_and_the_last_checkpoint_is_kept(state: WatchState, tmp_path: Path) -> None:
    for before, size in ((None, 5), (5, 5), (5, 8), (8, 300)):
        look = monitor(state).look(log_of(size))
        assert (look.alarms, look.before, look.checkpoint and look.checkpoint.size) == ((), before, size)
    state.close()
    with WatchState(tmp_path / "watch.json") as again:
        assert again.kept is not None
        assert again.kept.note == log_of(300).note


@pytest.mark.parametrize("size", [3, 4, 7, 8, 9, 17])
@pytest.mark.parametrize("seen", [3, 4, 6, 7, 8, 16])
def test_any_change_before_the_seen_size_is_a_fork_and_any_after_it_growth(tmp_path: Path, seen: int, size: int) -> None:
    honest = log_of(seen)
    for changed in {3, seen - 1, seen, size - 1} & set(range(3, size)):
        with WatchState(tmp_path / f"{changed}.json") as state:
            monitor(state).look(honest)
            look = monitor(state).look(log_of(size, other_from=changed))
            wanted = "rollback" if size < seen else "fork" if changed < seen else None
            assert kinds(look) == ([] if wanted is None else [wanted])
            assert state.kept is not None
            assert (state.kept.note == honest.note) == (wanted is not None or (size == seen and changed >= seen))
            for alarm in look.alarms:
                assert alarm.kept is not None
                assert alarm.shown is not None
                assert peek_checkpoint(alarm.kept).size == seen
                assert peek_checkpoint(alarm.shown).size == size


def test_every_damaged_node_of_the_way_is_no_proof_and_not_called_a_fork(state: WatchState) -> None:
    monitor(state).look(log_of(270))
    damaged = log_of(600)
    sound, met = damaged.nodes, set()
    for at in [node for node in sound if node[0] == 8 or (node[0] == 0 and node[1] % 3 == 0)]:
        damaged.nodes = {**sound, at: bytes(32)}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(state, "keep", lambda kept: None)
            met.add(tuple(kinds(monitor(state).look(damaged))))
    assert met == {(), ("unproven",)}


def test_a_checkpoint_of_another_key_another_log_or_no_checkpoint_is_an_alarm(state: WatchState) -> None:
    log = log_of(5)
    monitor(state).look(log)
    assert kinds(monitor(state).look(log_of(6).sign(key("stolen")))) == ["signature"]
    foreign = log_of(6)
    foreign.note = "a page of a captive portal"
    assert kinds(monitor(state).look(foreign)) == ["signature"]
    foreign.note = None
    assert kinds(monitor(state).look(foreign)) == ["rollback"]
    assert state.kept is not None
    assert state.kept.note == log.note


def test_a_log_without_a_checkpoint_at_the_first_look_is_not_reached(state: WatchState) -> None:
    with pytest.raises(LogUnavailable):
        monitor(state).look(MemoryLog())


def test_age_is_that_of_the_newest_entry_and_an_entry_of_the_future_makes_no_log_fresh(state: WatchState) -> None:
    log = log_of(5)
    assert kinds(monitor(state, max_age=101).look(log)) == []
    assert kinds(monitor(state, max_age=99).look(log)) == ["stale"]
    log.say("lineproof.dataset.v1", {}, received=NOW + 10**12)
    assert kinds(monitor(state, max_age=99).look(log.sign())) == []
    assert kinds(monitor(state, NOW + 100_000_000, max_age=99).look(log)) == ["stale"]


def test_an_outgrown_checkpoint_is_excused_for_the_lag_that_is_allowed_and_no_longer(tmp_path: Path) -> None:
    def look(size: int, seconds: int, **lag: float) -> Look:
        with WatchState(tmp_path / "watch.json") as state:  # anew each time: how long it lasts is remembered, as --once needs it
            return monitor(state, NOW + seconds * 1_000_000, **lag).look(log_of(size))

    assert look(9, 0).checkpoint is not None
    excused = look(7, 100, lag=60)
    assert (kinds(excused), excused.behind) == ([], Behind(7, 60.0))
    assert look(6, 150, lag=60).behind == Behind(6, 10.0)
    late = look(7, 161, lag=60)
    assert kinds(late) == ["rollback"]
    assert "for longer than 60 s" in late.alarms[0].detail
    assert kinds(look(7, 162)) == ["rollback"]  # and at once where none is allowed
    assert (kinds(look(9, 163, lag=60)), look(9, 164, lag=60).behind) == ([], None)
    assert look(7, 300, lag=60).behind == Behind(7, 60.0)  # the time begins anew
    grown = look(12, 310, lag=60)
    assert (grown.before, grown.checkpoint and grown.checkpoint.size, grown.alarms) == (9, 12, ())


def test_a_cache_excuses_no_fork(state: WatchState) -> None:
    follower = monitor(state, lag=60)
    honest = log_of(9)
    follower.look(honest)
    other = log_of(12, other_from=4)
    other.note = log_of(7, other_from=4).note  # signed, smaller, and not the beginning of what was seen
    assert kinds(follower.look(other)) == []  # its tiles show nothing about the tree that was kept
    assert kinds(follower.look(log_of(12, other_from=4))) == ["fork"]
    mixed = log_of(9)
    mixed.note = log_of(7, other_from=4).note
    assert kinds(follower.look(mixed)) == ["fork"]  # here they do
    assert state.kept is not None
    assert state.kept.note == honest.note


def test_a_cosignature_says_that_an_idle_log_is_fresh_and_one_of_the_future_does_not(state: WatchState) -> None:
    believed = parse_trust(f"{LOG_LINE}\nwitness w1 {vkey('w1')}\nquorum w1\n".encode())
    log = log_of(5)
    bare = log.note or ""

    def look(cosigned: int, now: int) -> list[str]:
        log.note = bare + line("w1", bare, time=cosigned)
        return kinds(Monitor(believed, state, Expectations(max_age=1_000), lambda: now * 1_000_000).look(log))

    start = NOW // 1_000_000
    assert look(start, start) == []
    assert look(start, start + 1_001) == ["stale"]
    assert look(start + 1_000, start + 1_001) == []
    assert look(start + 1_000, start + 2_001) == ["stale"]
    assert look(start + 500, start + 2_002) == ["stale"]  # an older line of the same checkpoint takes nothing back
    assert state.kept is not None
    assert f"— w1 {line('w1', bare, time=start + 1_000).split()[2]}" in state.kept.note
    assert look(start + 9_000, start + 2_002) == ["stale"]


def numbered(*numbers: int) -> MemoryLog:
    log = MemoryLog()
    for number in numbers:
        log.say("lineproof.dataset.v1", {"n": number}, stream=STREAM, sequence=str(number))
    return log.sign()


def test_a_number_that_never_arrived_is_an_alarm_until_it_does(state: WatchState) -> None:
    follower = monitor(state, producer_gaps=True)
    log = numbered(1, 3)
    look = follower.look(log)
    assert [(alarm.kind, alarm.index) for alarm in look.alarms] == [("gap", 4)]
    assert "2 never arrived" in look.alarms[0].detail
    log.say("lineproof.dataset.v1", {"n": 2}, stream=STREAM, sequence="2")
    assert kinds(follower.look(log.sign())) == []
    assert kinds(monitor(state).look(numbered(1, 3))) == ["rollback"]


def test_a_number_filled_by_anybody_but_its_producer_is_an_alarm(state: WatchState) -> None:
    log = numbered(1, 3)
    log.say("lineproof.dataset.v1", {"n": 2}, NOTARY, stream=STREAM, sequence="2")
    log.stored[-1] = replace(log.stored[-1], fields=replace(log.stored[-1].fields, signer=PRODUCER.keyid))
    forged = MemoryLog()
    forged.stored = [*log.stored[:-1]]
    forged.log(log.stored[-1].envelope or b"", "lineproof.dataset.v1", PRODUCER, "PRODUCER")
    assert kinds(monitor(state, producer_gaps=True).look(forged.sign())) == ["corrupt"]


def test_an_erased_number_is_said_and_a_body_that_just_vanished_is_an_alarm(state: WatchState) -> None:
    log = numbered(1, 2, 3)
    log.drop_body(4)
    assert kinds(monitor(state, producer_gaps=True).look(log)) == ["corrupt"]
    log.erase(4)
    look = monitor(state, producer_gaps=True).look(log.sign())
    assert look.alarms == ()
    assert any("2 never arrived, or arrived without a body" in note for note in look.notes)


def test_leaves_that_are_not_those_of_the_checkpoint_are_an_alarm(state: WatchState) -> None:
    log = numbered(1, 2)
    log.stored[-1] = numbered(1, 7).stored[-1]
    assert kinds(monitor(state, producer_gaps=True).look(log)) == ["corrupt"]


def test_promised_entries_are_proven_once_and_another_leaf_or_none_is_an_alarm(state: WatchState) -> None:
    log = log_of(9)
    promises = [Promise(index, entry.leaf) for index, entry in enumerate(log.stored)]
    follower = monitor(state, merge_delay=60)
    assert (follower.look(log, [*promises, Promise(8)]).proven, follower.look(log, promises).proven) == (10, 0)
    look = monitor(state).look(log, [Promise(7, log_of(9, other_from=7).stored[7].leaf)])
    assert [(alarm.kind, alarm.index) for alarm in look.alarms] == [("promise", 7)]
    later = log_of(12).stored[11]
    assert kinds(monitor(state).look(log, [Promise(11, later.leaf)])) == ["promise"]
    assert kinds(monitor(state, later.fields.received + 1).look(log, [Promise(11, later.leaf)])) == []
    assert kinds(monitor(state).look(log, [Promise(11)])) == ["promise"]


def test_a_promised_entry_that_is_not_shown_is_not_called_another(state: WatchState) -> None:
    log, leaf = log_of(9), log_of(9).stored[7].leaf
    log.nodes[0, 6] = bytes(32)
    assert kinds(monitor(state).look(log, [Promise(7, leaf)])) == ["unproven"]


def test_two_monitors_that_were_shown_two_logs_find_it_out(tmp_path: Path) -> None:
    one, two = log_of(9), log_of(12, other_from=6)
    with WatchState(tmp_path / "one.json") as first, WatchState(tmp_path / "two.json") as second:
        assert kinds(monitor(first).look(one)) == kinds(monitor(second).look(two)) == []
        behind = monitor(first).look(one, others=[read_note(tmp_path / "two.json")])
        assert (behind.alarms, len(behind.notes)) == ((), 1)
        look = monitor(second).look(two, others=[read_note(tmp_path / "one.json")])
    assert kinds(look) == ["fork"]
    assert (look.alarms[0].kept, look.alarms[0].shown) == (one.note, two.note)


def test_two_monitors_on_one_state_file_are_refused(state: WatchState, tmp_path: Path) -> None:
    with pytest.raises(DataDirectoryLocked):
        WatchState(tmp_path / "watch.json")


@pytest.mark.parametrize("at", ["before", "after"])
def test_a_kill_while_the_state_is_written_leaves_the_old_or_the_new_one(tmp_path: Path, at: str) -> None:
    path = tmp_path / "watch.json"
    with WatchState(path) as state:
        monitor(state).look(log_of(5))
    script = f"""
import os, signal
from pathlib import Path
from lineproof_audit.watch_state import WatchState
from tests.unit.audit.test_watch import log_of, monitor
rename = os.replace
def replace(old, new):
    if {at == 'after'}:
        rename(old, new)
    os.kill(os.getpid(), signal.SIGKILL)
os.replace = replace
monitor(WatchState(Path({str(path)!r}))).look(log_of(9))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    with WatchState(path) as state:
        assert state.kept is not None
        assert state.kept.checkpoint.size == (5 if at == "before" else 9)
        assert kinds(monitor(state).look(log_of(9))) == []
        assert state.kept.checkpoint.size == 9


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"version": 1, "note": 3, "since": 1}', '{"version": 2, "note": "", "since": 1}', "no note"])
def test_a_file_that_is_no_state_is_refused_and_not_overwritten(tmp_path: Path, text: str) -> None:
    path = tmp_path / "watch.json"
    path.write_text(text)
    for opening in (WatchState, read_note):
        with pytest.raises(AuditError) as caught:
            opening(path)
        assert caught.value.code == "invalid-setting"
    assert path.read_text() == text


def test_a_checkpoint_file_can_be_compared_with(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").write_text(log_of(5).note or "")
    assert read_note(tmp_path / "checkpoint") == log_of(5).note
    with WatchState(tmp_path / "watch.json") as state:
        state.keep(Kept(log_of(6).note or "", 1))
    assert read_note(tmp_path / "watch.json") == log_of(6).note


def test_acknowledgements_are_read_as_the_service_writes_them(tmp_path: Path) -> None:
    acks = [{"index": 3, "leaf": "AAEC", "salt": "AA==", "duplicate": False}, {"index": 4, "leaf": None}]
    wanted = [Promise(3, b"\x00\x01\x02"), Promise(4)]
    path = tmp_path / "acks"
    for text in (json.dumps(acks), "\n".join(map(json.dumps, acks)), json.dumps({"summary": {}, "results": acks}), json.dumps(acks, indent=2)):
        path.write_text(text)
        assert read_promises(path) == wanted
    path.write_text(json.dumps(acks[0]))
    assert read_promises(path) == wanted[:1]
    for text in ("", "3", "[3]", '{"index": -1}', '{"index": true}', '{"index": 1, "leaf": "?"}'):
        path.write_text(text)
        if text:
            with pytest.raises(AuditError):
                read_promises(path)
