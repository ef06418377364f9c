"""The log as a folder of tlog-tiles: the same bytes however they came there, on disk and on any fsspec file system."""
from __future__ import annotations

import ftplib
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from lineproof_audit.checkpoint import peek_checkpoint
from lineproof_audit.errors import CorruptLog, LogUnavailable
from lineproof_audit.folder import Folder, open_folder
from lineproof_audit.integrate import Integrator
from lineproof_audit.keys import SigningKey
from lineproof_audit.lock import FileCheckpointLock
from lineproof_audit.publish import Publication, write_tiles
from lineproof_audit.reader import LogReader
from lineproof_audit.store_sqlite import SqliteStore
from lineproof_audit.tlog_tiles import parse_tile_path, read_tile, tiles_of
from tests.big_log import grow, reference_tiles
from tests.log_entries import OneSigner

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


class Unreliable(MemoryFileSystem):  # type: ignore[misc]
    """A storage whose driver raises what is no OSError, as ftplib, gcsfs and Azure's do."""

    protocol = "unreliable"
    store: ClassVar[dict[str, object]] = {}
    down = False

    def pipe_file(self, path: str, value: bytes, **more: object) -> None:
        if Unreliable.down:
            raise ftplib.error_temp("421 timed out")
        super().pipe_file(path, value, **more)


def test_a_driver_with_errors_of_its_own_stops_neither_signing_nor_the_thread_that_signs(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsspec.register_implementation("unreliable", Unreliable, clobber=True)
    log = Growing(home, open_folder(f"unreliable://{uuid.uuid4().hex}"))
    monkeypatch.setattr("lineproof_audit.integrate.RETRY_SECONDS", 0.01)
    monkeypatch.setattr(Unreliable, "down", True)
    grow(log.store, 10)
    stop, pause = threading.Event(), threading.Event()
    thread = threading.Thread(target=log.integrator.run, args=(stop, 0.01))
    thread.start()
    try:
        while log.integrator.problem is None:
            assert thread.is_alive()
            pause.wait(0.01)
        assert isinstance(log.integrator.problem, LogUnavailable)
        assert "error_temp: 421 timed out" in log.integrator.problem.detail
        assert peek_checkpoint(log.reader.checkpoint() or "").size == 10
        monkeypatch.setattr(Unreliable, "down", False)
        while log.folder.read("checkpoint") is None or log.integrator.problem is not None:
            assert thread.is_alive()
            pause.wait(0.01)
    finally:
        stop.set()
        thread.join(30)
    assert log.folder.read("checkpoint") == (log.reader.checkpoint() or "").encode()
    log.store.close()


KILLED = """
import os, signal, sys
from pathlib import Path
from lineproof_audit.folder import LocalFolder
os.replace = lambda *names: os.kill(os.getpid(), signal.SIGKILL)
LocalFolder(Path(sys.argv[1])).write({sys.argv[2]: b"half of it"})
"""


def test_what_a_kill_left_half_written_goes_and_nothing_else(growing: Growing, home: Path) -> None:
    growing.to(300)
    whole = files(growing.folder)
    for name in ("checkpoint", "tile/0/001.p/44", "tile/entries/000"):
        done = subprocess.run([sys.executable, "-c", KILLED, str(home / "tiles"), name], check=False)
        assert done.returncode == -signal.SIGKILL
    left = [path for path in (home / "tiles").rglob(".*") if path.is_file()]
    assert len(left) == 3
    others = [home / "tiles" / name for name in (".htaccess", ".config.abcdefgh", ".checkpoint.swp", "tile/0/.gitkeep", "tile/.000.toolongforit")]
    for path in others:
        path.touch()
    for path in [*left[:2], *others]:
        os.utime(path, (1, 1))
    Publication(growing.folder, growing.reader).publish(growing.reader.checkpoint() or "")
    assert [path for path in left if path.exists()] == left[2:]  # its writer may be at work still
    assert all(path.exists() for path in others)
    assert files(growing.folder) == whole


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
