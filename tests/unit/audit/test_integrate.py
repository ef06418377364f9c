"""Integrating and signing: what is signed, what is refused, and what a crash in between leaves."""
from __future__ import annotations

import errno
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lineproof_audit.checkpoint import Checkpoint, open_checkpoint
from lineproof_audit.errors import CheckpointLockError, CorruptLog, InvalidProof, LogContradicted, PositionBeyondLog
from lineproof_audit.integrate import Integrator
from lineproof_audit.keys import SigningKey
from lineproof_audit.lock import FileCheckpointLock, state_directory
from lineproof_audit.log import Log
from lineproof_audit.note import NoteVerifier
from lineproof_audit.tree import EMPTY_ROOT, CompactRange, leaf_hash, verify_consistency, verify_inclusion
from tests.log_entries import OneSigner, new_entry


def open_log(home: Path) -> Log:
    return Log.open(home / "data", create=True, state_dir=home / "state")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with open_log(tmp_path) as opened:
        yield opened


def fill(log: Log, count: int, prefix: str = "e") -> None:
    for future in log.appender.submit_many(new_entry(f"{prefix}{n}") for n in range(count)):
        future.result(60)


def record_of(log: Log) -> FileCheckpointLock:
    return FileCheckpointLock(log.state_dir / "checkpoint-lock")


def signed(log: Log) -> Checkpoint:
    note = log.reader.checkpoint()
    assert note is not None
    return open_checkpoint(note, NoteVerifier(log.origin, SigningKey.load(log.keys_dir / "log.pem").verify_key))  # type: ignore[operator]


def test_the_record_is_written_before_genesis_and_before_each_signature(log: Log) -> None:
    assert record_of(log).read() == Checkpoint(log.origin, 0, EMPTY_ROOT)
    published = log.integrator.step()
    assert published == record_of(log).read() == signed(log)
    assert published is not None
    assert published.size == 2
    assert log.integrator.step() is None


def test_the_published_file_is_the_latest_note(log: Log, tmp_path: Path) -> None:
    log.integrator.step()
    fill(log, 3)
    log.integrator.step()
    assert (tmp_path / "data" / "tiles" / "checkpoint").read_text() == log.reader.checkpoint()
    assert signed(log).size == 5


def test_proofs_from_tiles_and_from_the_tail_agree_with_a_tree_of_all_leaves(log: Log) -> None:
    """Sizes around tile edges; the tiles end at 259 while the log goes on to 530."""
    fill(log, 257)
    assert log.integrator.step() is not None
    fill(log, 271, "f")
    leaves = [leaf_hash(entry.leaf) for entry in log.reader.entries()]
    tree, roots = CompactRange(), [EMPTY_ROOT]
    for digest in leaves:
        tree.append(digest)
        roots.append(tree.root())
    sizes = [1, 2, 255, 256, 257, 258, 259, 260, 511, 512, 513, 530]
    for reached in (259, 530):
        assert log.reader.integrated_size() == reached
        for size in sizes:
            assert log.reader.root_at(size) == roots[size]
            for index in {0, size // 2, size - 1}:
                verify_inclusion(leaves[index], index, size, log.reader.inclusion_proof(index, size), roots[size])
            for first in (s for s in sizes if s <= size):
                verify_consistency(first, size, roots[first], roots[size], log.reader.consistency_proof(first, size))
        log.integrator.step()
    with pytest.raises(PositionBeyondLog):
        log.reader.root_at(531)
    with pytest.raises(PositionBeyondLog):
        log.reader.inclusion_proof(5, 5)
    with pytest.raises(PositionBeyondLog):
        log.reader.consistency_proof(0, 5)


def test_a_large_backlog_is_integrated_in_chunks(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lineproof_audit.integrate.CHUNK_ENTRIES", 100)
    fill(log, 1_234)
    published = log.integrator.step()
    assert published is not None
    assert (published.size, published.root) == (1_236, log.store.head().tree.root())


@pytest.mark.parametrize("where", ["swap", "publish", "extend_tree"])
def test_a_crash_between_two_steps_is_made_good_by_the_next(log: Log, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """Tiles written but nothing recorded; recorded but not signed; before anything."""
    fill(log, 10)

    def crash(*_: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(FileCheckpointLock if where == "swap" else type(log.store), where, crash)
        with pytest.raises(KeyboardInterrupt):
            log.integrator.step()
    assert log.reader.checkpoint() is None
    fill(log, 5, "later")
    published = log.integrator.step()
    assert published == signed(log) == record_of(log).read()
    assert published is not None
    assert (published.size, published.root) == (17, log.store.head().tree.root())


def test_nothing_is_signed_while_the_record_of_it_may_not_last(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record was replaced and its directory could not be synced: it says the right thing, but a crash of the machine may undo that."""
    fill(log, 3)

    def refuse(path: Path) -> None:
        raise OSError(errno.EIO, "Input/output error", str(path))

    with monkeypatch.context() as patch:
        patch.setattr("lineproof_audit.durable.fsync_directory", refuse)
        for _ in range(2):
            with pytest.raises(CheckpointLockError):
                log.integrator.step()
            assert record_of(log).read() == Checkpoint(log.origin, 5, log.store.head().tree.root())
            assert log.reader.checkpoint() is None
    assert log.integrator.step() == signed(log)


def test_integrating_again_from_nothing_gives_the_same_tiles(log: Log) -> None:
    fill(log, 700)
    log.integrator.step()
    keys = [(0, 0), (0, 1), (0, 2), (1, 0)]
    before = dict(log.store.tiles(keys))
    assert [len(before[key]) // 32 for key in keys] == [256, 256, 190, 2]
    writer = log.store._writer  # type: ignore[attr-defined]
    writer.execute("DELETE FROM tiles")
    writer.execute("UPDATE tree SET size = 0, compact_range = ?", (CompactRange().to_bytes(),))
    log.integrator.step()
    assert dict(log.store.tiles(keys)) == before


def test_a_restored_backup_is_read_but_not_signed(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        fill(log, 5)
        log.integrator.step()
    shutil.copytree(tmp_path / "data", tmp_path / "backup")
    with open_log(tmp_path) as log:
        fill(log, 5, "lost")
        log.integrator.step()
    shutil.rmtree(tmp_path / "data")
    (tmp_path / "backup").rename(tmp_path / "data")
    with open_log(tmp_path) as log:
        with pytest.raises(CheckpointLockError, match="has 7 entries, but has signed a tree of 12") as raised:
            log.integrator.step()
        assert raised.value.code == "checkpoint-lock"
        assert log.reader.size() == 7
        with pytest.raises(LogContradicted):
            fill(log, 1, "other")  # its index was given to another entry, and acknowledged
        log.appender.stopped = None  # as by a process that did not look
        fill(log, 20, "other")  # longer than what was signed, and not the same
        with pytest.raises(CheckpointLockError, match="is not the one that was signed"):
            log.integrator.step()
        assert signed(log).size == 7


def test_a_lost_record_stops_signing_until_a_checkpoint_is_adopted(log: Log) -> None:
    fill(log, 5)
    log.integrator.step()
    note = log.reader.checkpoint()
    assert note is not None
    fill(log, 5, "f")
    record_of(log).path.unlink()
    with pytest.raises(CheckpointLockError, match="adopt"):
        log.integrator.step()
    assert log.integrator.adopt(note).size == 7
    published = log.integrator.step()
    assert published is not None
    assert published.size == 12


def test_only_a_checkpoint_of_this_very_log_is_adopted(log: Log, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with open_log(tmp_path / "other") as other:
        other.integrator.step()
        foreign = other.reader.checkpoint()
    fill(log, 5)
    log.integrator.step()
    early = log.reader.checkpoint()
    fill(log, 5, "f")
    log.integrator.step()
    assert foreign is not None
    assert early is not None
    with pytest.raises(InvalidProof):
        log.integrator.adopt(foreign)
    with pytest.raises(CheckpointLockError, match="cannot replace"):
        log.integrator.adopt(early)


def test_a_record_that_somebody_else_moved_stops_signing(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    record = record_of(log)
    before = record.read()
    assert before is not None
    moved = Checkpoint(log.origin, 1, leaf_hash(log.reader.entry(0).leaf))
    read = FileCheckpointLock.read
    answers = iter([before])

    def stale(self: FileCheckpointLock) -> Checkpoint | None:
        return next(answers, None) or read(self)

    record.swap(before, moved)
    monkeypatch.setattr(FileCheckpointLock, "read", stale)
    with pytest.raises(CheckpointLockError, match="another service"):
        log.integrator.step()
    assert log.reader.checkpoint() is None


def test_an_unreadable_record_stops_signing(log: Log) -> None:
    record_of(log).path.write_text("garbage")
    with pytest.raises(CheckpointLockError, match="cannot read"):
        log.integrator.step()


def test_a_changed_leaf_is_found_before_it_reaches_a_tile(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lineproof_audit.integrate.CHUNK_ENTRIES", 100)
    fill(log, 250)
    writer = log.store._writer  # type: ignore[attr-defined]
    writer.execute("DROP TRIGGER entries_update")
    writer.execute("UPDATE entries SET leaf = CAST(leaf || ' ' AS BLOB) WHERE idx = 4")
    with pytest.raises(CorruptLog, match="do not hash"):
        log.integrator.step()
    assert log.reader.checkpoint() is None
    assert log.store.tiles([(0, 0)]) == {}


def test_run_keeps_the_problem_and_recovers(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lineproof_audit.integrate.RETRY_SECONDS", 0.01)
    content = record_of(log).path.read_bytes()
    record_of(log).path.unlink()
    stop = threading.Event()
    thread = threading.Thread(target=log.integrator.run, args=(stop, 0.01))
    thread.start()
    try:
        pause = threading.Event()
        for _ in range(1_000):
            if log.integrator.problem is not None:
                break
            pause.wait(0.01)
        assert isinstance(log.integrator.problem, CheckpointLockError)
        record_of(log).path.write_bytes(content)
        for _ in range(1_000):
            if log.reader.checkpoint() is not None and log.integrator.problem is None:
                break
            pause.wait(0.01)
        assert log.integrator.problem is None
        assert signed(log).size == 2
    finally:
        stop.set()
        thread.join(30)


def test_a_disk_that_fails_under_a_key_is_a_problem_and_no_end(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of a log's own storage is in between: the error comes as the operating system raises it."""
    stop = threading.Event()
    steps: list[str | None] = []

    def step() -> None:
        steps.append(log.integrator.problem and log.integrator.problem.code)
        if len(steps) == 3:
            stop.set()
            return
        (log.keys_dir / "missing" if len(steps) == 1 else log.keys_dir / ("x" * 300)).stat()  # type: ignore[operator]

    monkeypatch.setattr("lineproof_audit.integrate.RETRY_SECONDS", 0.01)
    monkeypatch.setattr(log.integrator, "step", step)
    log.integrator.run(stop, 0.01)
    assert steps == [None, "log-unavailable", "log-unavailable"]
    assert log.integrator.problem is None


def test_a_defect_ends_signing_and_says_so(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    def step() -> None:
        raise ZeroDivisionError("one by none")

    monkeypatch.setattr(log.integrator, "step", step)
    with pytest.raises(ZeroDivisionError):
        log.integrator.run(threading.Event())
    assert log.integrator.problem is not None
    assert log.integrator.problem.code == "internal"
    assert "one by none" in log.integrator.problem.detail


def test_a_leader_that_was_replaced_writes_nothing(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    epoch = log.store.elect()
    assert epoch is not None
    writer = log.store._writer  # type: ignore[attr-defined]
    writer.execute("UPDATE tree SET epoch = epoch + 1")  # as another process being elected does
    assert log.integrator.step() is None
    assert log.reader.integrated_size() == 0
    published = log.integrator.step()  # it asked again and leads again
    assert published is not None


def test_two_logs_share_a_state_directory_without_meeting(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    with Log.open(tmp_path / "a", create=True, state_dir=tmp_path / "state") as one, Log.open(tmp_path / "b", create=True, state_dir=tmp_path / "state") as two:
        assert one.state_dir != two.state_dir
        assert one.integrator.step() is not None
        assert two.integrator.step() is not None
        assert one.state_dir == state_directory(one.origin, tmp_path / "state")


def test_an_integrator_with_another_logs_record_refuses(log: Log, tmp_path: Path) -> None:
    lock = FileCheckpointLock(tmp_path / "elsewhere")
    lock.found("another.example/log")
    with pytest.raises(CheckpointLockError, match=r"another\.example/log"):
        Integrator(log.store, log.origin, OneSigner(SigningKey.load(log.keys_dir / "log.pem")), lock).step()  # type: ignore[operator]
