"""The log as a folder of tlog-tiles: the same bytes however they came there, on disk and on any fsspec file system."""
from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from lineproof_audit.checkpoint import peek_checkpoint
from lineproof_audit.errors import CorruptLog, LogUnavailable
from lineproof_audit.folder import Folder, open_folder
from lineproof_audit.held_keys import OneSigner
from lineproof_audit.integrate import Integrator
from lineproof_audit.keys import SigningKey
from lineproof_audit.lock import FileCheckpointLock
from lineproof_audit.publish import Publication, write_tiles
from lineproof_audit.reader import LogReader
from lineproof_audit.store_sqlite import SqliteStore
from lineproof_audit.tlog_tiles import parse_tile_path, read_tile, tiles_of
from tests.big_log import grow, reference_tiles

ORIGIN = "log.example/tiles"
KEY = SigningKey.from_seed(b"\x05" * 32)
SIZES = [0, 1, 255, 256, 257, 65_536, 70_000]


class Growing:
    """A log in SQLite whose integrator publishes to `folder`."""

    def __init__(self, home: Path, folder: Folder) -> None:
        self.store = SqliteStore(home / "data")
        self.store.create()
        self.reader = LogReader(self.store)
        self.folder = folder
        lock = FileCheckpointLock(home / "lock")
        lock.found(ORIGIN)
        self.integrator = Integrator(self.store, ORIGIN, OneSigner(KEY), lock, publication=Publication(folder, self.reader))

    def to(self, size: int) -> None:
        grow(self.store, size)
        self.integrator.step()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def growing(home: Path) -> Iterator[Growing]:
    log = Growing(home, open_folder(home / "tiles"))
    yield log
    log.store.close()


def files(folder: Folder) -> dict[str, bytes]:
    return {name: folder.read(name) or b"" for name in folder.names()}


def tiles(folder: Folder) -> dict[str, bytes]:
    return {name: data for name, data in files(folder).items() if name != "checkpoint"}


def test_at_every_size_where_tiles_begin_and_end_the_folder_is_what_the_specification_says(growing: Growing) -> None:
    for size in SIZES:
        growing.to(size)
        if size == 0:
            assert files(growing.folder) == {}
            continue
        wanted = reference_tiles(growing.reader._store.leaves(0, size))
        lying = files(growing.folder)
        note = lying.pop("checkpoint").decode()
        assert (peek_checkpoint(note).size, note) == (size, growing.reader.checkpoint())
        assert {name: lying.get(name) for name in wanted} == wanted
        assert {name for name in lying.keys() - wanted.keys() if ".p/" not in name} == set()
        source = growing.reader.tile_source()
        assert {address.path: read_tile(address, source) for address in tiles_of(size)} == wanted
        assert read_tile(parse_tile_path(f"tile/entries/{'x001/' * (size > 256_000)}999"), source) is None

    # Written at once, elsewhere, from the entries: not a byte differs, and nothing that was partial on the way is left over.
    memory = open_folder(f"memory://{uuid.uuid4()}/log")
    note = growing.reader.checkpoint()
    assert note is not None
    Publication(memory, growing.reader).publish(note)
    assert files(memory) == files(growing.folder)
    assert tiles(memory) == wanted


def test_partial_tiles_stay_until_the_full_one_is_there(growing: Growing) -> None:
    for size in (100, 200, 300):
        growing.to(size)
        assert {name for name in files(growing.folder) if ".p/" in name and name.startswith("tile/0/000")} == {
            100: {"tile/0/000.p/100"}, 200: {"tile/0/000.p/100", "tile/0/000.p/200"}, 300: set()}[size]
    assert "tile/0/000" in files(growing.folder)
    assert not (Path(growing.folder.location) / "tile/0/000.p").exists()


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_a_folder_that_was_away_catches_up(growing: Growing, home: Path, kind: str) -> None:
    copy = open_folder(f"file://{home}/copy" if kind == "file" else f"memory://{uuid.uuid4()}")
    growing.to(300)
    Publication(copy, growing.reader).publish(growing.reader.checkpoint() or "")
    growing.to(700)
    Publication(copy, growing.reader).publish(growing.reader.checkpoint() or "")
    assert {name: data for name, data in files(copy).items() if name in files(growing.folder)} == files(growing.folder)


def test_what_a_crash_left_is_written_again_and_a_checkpoint_without_tiles_is_not_believed(growing: Growing) -> None:
    growing.to(300)
    before = files(growing.folder)
    growing.folder.write({"tile/0/000": b"torn"})
    growing.folder.remove([name for name in before if name.startswith("tile/entries/")])
    Publication(growing.folder, growing.reader).publish(growing.reader.checkpoint() or "")
    assert files(growing.folder) == before


def test_a_folder_of_another_log_is_left_alone(growing: Growing) -> None:
    growing.to(300)
    before = files(growing.folder)
    growing.folder.write({"checkpoint": before["checkpoint"].replace(ORIGIN.encode(), b"log.example/other")})
    with pytest.raises(CorruptLog, match="another log"):
        growing.to(301)
    lying = files(growing.folder)
    assert {**lying, "checkpoint": before["checkpoint"]} == before
    assert lying != before


def test_a_checkpoint_never_goes_back(growing: Growing) -> None:
    growing.to(300)
    old = growing.reader.checkpoint() or ""
    growing.to(400)
    before = files(growing.folder)
    Publication(growing.folder, growing.reader).publish(old)
    assert files(growing.folder) == before


def test_a_folder_that_cannot_be_written_stops_no_signature_and_is_caught_up(home: Path) -> None:
    (home / "tiles").write_text("in the way")
    log = Growing(home, open_folder(home / "tiles"))
    grow(log.store, 10)
    with pytest.raises(LogUnavailable):
        log.integrator.step()
    assert peek_checkpoint(log.reader.checkpoint() or "").size == 10
    (home / "tiles").unlink()
    assert log.integrator.step() is None
    assert log.folder.read("checkpoint") == (log.reader.checkpoint() or "").encode()
    log.store.close()


def test_an_unknown_kind_of_storage_is_refused() -> None:
    with pytest.raises(LogUnavailable):
        open_folder("nonsense://x")


def test_readers_of_the_folder_never_see_a_checkpoint_without_its_tiles(growing: Growing) -> None:
    stop, missing = threading.Event(), []

    def follow() -> None:
        while not stop.is_set():
            note = growing.folder.read("checkpoint")
            if note is None:
                continue
            for address in tiles_of(peek_checkpoint(note.decode()).size):
                if growing.folder.read(address.path) is None and growing.folder.read(address.widest.path) is None:
                    missing.append(address.path)

    reader = threading.Thread(target=follow)
    reader.start()
    for size in range(50, 1_200, 50):
        growing.to(size)
    stop.set()
    reader.join()
    assert missing == []


def test_tiles_missing_in_the_store_are_an_error_and_no_short_file(growing: Growing, home: Path) -> None:
    growing.to(300)
    with pytest.raises(CorruptLog):
        write_tiles(open_folder(home / "elsewhere"), growing.reader.tile_source(), 301)
