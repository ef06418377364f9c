from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest_hooks.errors import SpoolFullError
from ingest_hooks.segment import HEADER_BYTES, Kind, StreamHead
from ingest_hooks.spool import Spool


def write(spool: Spool, count: int, size: int = 10) -> list[int]:
    numbers = []
    for _ in range(count):
        before = spool.head
        head = StreamHead(before.stream, before.sequence + 1, bytes([before.sequence % 256]) * 32)
        numbers.append(spool.append(Kind.EVENT, head, b"x" * size))
    if numbers:
        spool.sync(numbers[-1])
    return numbers


def read(spool: Spool, after: int = 0) -> list[int]:
    return [record.sequence for record in spool.read(after, max_records=10_000, max_bytes=10**9)]


def reopened(spool: Spool, **given) -> Spool:
    spool.close()
    return Spool.open(spool.root, **given)


def test_records_survive_reopening_and_the_stream_goes_on(tmp_path):
    spool = Spool.open(tmp_path)
    write(spool, 3)
    again = reopened(spool)
    assert again.head == spool.head
    assert write(again, 2) == [4, 5]
    assert read(again) == [1, 2, 3, 4, 5]
    again.close()


def test_unsynced_records_are_not_handed_out(tmp_path):
    spool = Spool.open(tmp_path)
    write(spool, 1)
    number = spool.append(Kind.EVENT, StreamHead(spool.head.stream, 2, bytes(32)), b"y")
    assert read(spool) == [1]
    spool.sync(number)
    assert read(spool) == [1, 2]
    spool.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(cut=st.integers(0, 400), junk=st.binary(max_size=30))
def test_torn_tail_is_cut_off_and_writing_goes_on(tmp_path_factory, cut, junk):
    spool = Spool.open(tmp_path_factory.mktemp("spool"))
    write(spool, 4, size=20)
    stream = spool.head.stream
    spool.close()
    (segment,) = (spool.directory / "segments").iterdir()
    whole = segment.read_bytes()
    record = (len(whole) - HEADER_BYTES) // 4
    keep = max(HEADER_BYTES, len(whole) - cut)
    segment.write_bytes(whole[:keep] + junk)
    again = Spool.open(spool.root)
    survivors = (keep - HEADER_BYTES) // record
    assert again.head.sequence in (survivors, survivors + 1)  # junk may by chance complete the cut record
    survivors = again.head.sequence
    assert again.head.stream == stream
    write(again, 1)
    assert read(again) == list(range(1, survivors + 2))
    again.close()


def test_position_lost_or_damaged_means_everything_again(tmp_path):
    spool = Spool.open(tmp_path)
    write(spool, 3)
    spool.acknowledge(2)
    again = reopened(spool)
    assert (again.done, again.pending, read(again, again.done)) == (2, 1, [3])
    (tmp_path / "position").write_text("\0\0\0")
    third = reopened(again)
    assert (third.done, read(third, third.done)) == (0, [1, 2, 3])
    third.close()


def test_segment_without_a_header_is_a_crash_at_its_birth(tmp_path):
    spool = Spool.open(tmp_path)
    write(spool, 3)
    spool.close()
    (tmp_path / "segments" / f"{4:020d}.seg").write_bytes(b"LPSP")
    again = Spool.open(tmp_path)
    assert write(again, 1) == [4]
    assert read(again) == [1, 2, 3, 4]
    again.close()


def test_stream_goes_on_after_all_older_segments_are_gone(tmp_path):
    spool = Spool.open(tmp_path, max_bytes=200_000)
    for _ in range(30):
        write(spool, 10, size=1000)
        spool.acknowledge(spool.last)
    assert len(list((tmp_path / "segments").iterdir())) == 1
    stream = spool.head.stream
    again = reopened(spool, max_bytes=200_000)
    assert (again.head.stream, again.head.sequence, again.last, again.pending) == (stream, 300, 300, 0)
    again.close()


def test_closing_event_begins_a_new_stream_also_after_reopening(tmp_path):
    spool = Spool.open(tmp_path)
    first = spool.head.stream
    spool.append(Kind.CLOSING_EVENT, StreamHead(first, 1, bytes(32)), b"last")
    assert (spool.head.sequence, spool.head.stream != first) == (0, True)
    again = reopened(spool)
    assert (again.head.sequence, again.head.stream != first) == (0, True)
    again.close()


def test_cap_is_held_and_acknowledging_makes_room(tmp_path):
    spool = Spool.open(tmp_path, max_bytes=100_000)
    with pytest.raises(SpoolFullError) as caught:
        write(spool, 200, size=1000)
    assert caught.value.code == "spool-full"
    assert spool.size <= 100_000
    assert sum(path.stat().st_size for path in (tmp_path / "segments").iterdir()) == spool.size
    assert read(spool, 0) == []  # nothing was synced by the loop that failed
    spool.sync(spool.last)
    assert read(spool) == list(range(1, spool.last + 1))
    spool.acknowledge(spool.last)
    assert write(spool, 1) == [spool.last]
    spool.close()


def test_artifacts_count_into_the_cap(tmp_path):
    spool = Spool.open(tmp_path, max_bytes=100_000)
    spool.put_artifact("a" * 64, b"x" * 90_000)
    with pytest.raises(SpoolFullError):
        spool.put_artifact("b" * 64, b"x" * 20_000)
    spool.drop_artifact("a" * 64)
    spool.put_artifact("b" * 64, b"x" * 20_000)
    again = reopened(spool, max_bytes=100_000)
    assert again.size >= 20_000
    again.close()


def test_second_opener_gets_a_stream_folder_of_its_own(tmp_path):
    first, second, third = Spool.open(tmp_path), Spool.open(tmp_path), Spool.open(tmp_path)
    assert [spool.directory for spool in (first, second, third)] == [tmp_path, tmp_path / "streams" / "1", tmp_path / "streams" / "2"]
    assert len({spool.head.stream for spool in (first, second, third)}) == 3
    write(second, 2)
    second.close()
    (orphan,) = list(first.orphans())
    assert orphan.directory == tmp_path / "streams" / "1"
    assert read(orphan) == [1, 2]
    orphan.acknowledge(2)
    orphan.close()
    assert list(first.orphans()) == []
    third.close()
    first.close()


def test_concurrent_writers_share_syncs_and_lose_nothing(tmp_path, monkeypatch):
    spool = Spool.open(tmp_path)
    lock, syncs = threading.Lock(), []
    real = os.fdatasync
    monkeypatch.setattr("ingest_hooks.spool.os.fdatasync", lambda fd: (syncs.append(fd), real(fd))[1])

    def work() -> None:
        for _ in range(50):
            with lock:
                head = StreamHead(spool.head.stream, spool.head.sequence + 1, bytes(32))
                number = spool.append(Kind.EVENT, head, b"z" * 100)
            spool.sync(number)
            assert spool.readable >= number

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read(spool) == list(range(1, 301))
    assert len(syncs) <= 301
    spool.close()


def test_failed_write_leaves_the_spool_as_it_was(tmp_path, monkeypatch):
    spool = Spool.open(tmp_path)
    write(spool, 2)
    real, left = os.pwrite, [3]

    def torn(fd: int, data: bytes, offset: int) -> int:
        if left[0] > 0:
            left[0] -= 1
            return real(fd, bytes(data[:7]), offset)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ingest_hooks.spool.os.pwrite", torn)
    with pytest.raises(SpoolFullError):
        write(spool, 1)
    monkeypatch.undo()
    (segment,) = (tmp_path / "segments").iterdir()
    assert segment.stat().st_size == spool.size
    assert write(spool, 1) == [3]
    assert read(spool) == [1, 2, 3]
    again = reopened(spool)
    assert read(again) == [1, 2, 3]
    again.close()


def test_segment_that_somebody_deleted_is_counted_not_waited_for(tmp_path):
    spool = Spool.open(tmp_path)
    write(spool, 3)
    for path in Path(tmp_path / "segments").iterdir():
        path.unlink()
    assert read(spool) == []
    assert (spool.damaged, spool.unreadable_through) == (3, 3)
    spool.close()


def damage(segment: Path, record: int, of: int) -> None:
    data = bytearray(segment.read_bytes())
    size = (len(data) - HEADER_BYTES) // of
    data[HEADER_BYTES + record * size - 1] ^= 1
    segment.write_bytes(data)


def test_what_stands_behind_a_damaged_record_never_comes_back(tmp_path):
    spool = Spool.open(tmp_path)
    write(spool, 4)
    spool.close()
    (segment,) = (tmp_path / "segments").iterdir()
    damage(segment, 2, of=4)
    again = Spool.open(tmp_path)
    assert write(again, 1) == [2]
    third = reopened(again)
    assert read(third) == [1, 2]
    assert list((tmp_path / "dead").glob("*.torn"))
    third.close()


def test_damage_to_what_was_sent_begins_a_new_stream(tmp_path):
    spool = Spool.open(tmp_path)
    write(spool, 4)
    spool.acknowledge(4)
    stream = spool.head.stream
    spool.close()
    (segment,) = (tmp_path / "segments").iterdir()
    damage(segment, 2, of=4)
    again = Spool.open(tmp_path)
    assert (again.head.stream != stream, again.head.sequence) == (True, 0)
    assert write(again, 1) == [5]
    third = reopened(again)
    assert (third.done, read(third, third.done)) == (4, [1])
    third.close()


def test_spool_that_cannot_be_recovered_gives_its_lock_back(tmp_path, monkeypatch):
    def broken(self: Spool) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(Spool, "_recover", broken)
        with pytest.raises(OSError, match="Input/output"):
            Spool.open(tmp_path)
    spool = Spool.open(tmp_path)
    assert spool.directory == tmp_path
    spool.close()
