"""fsck of a log behind a URL: several requests on the way at a time, none too many, the same findings as of the folder that is served."""
from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lineproof_audit.base64text import encode_base64
from lineproof_audit.errors import LogUnavailable
from lineproof_audit.folder import LocalFolder
from lineproof_audit.fsck import fsck
from lineproof_audit.fsck_tiles import FolderTiles
from lineproof_audit.log import Log
from lineproof_audit.log_url import AT_ONCE, url_source
from lineproof_audit.tlog_tiles import tiles_of
from tests.whole_log import WholeLog, make_log

SIZE = 3_000


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> WholeLog:
    return make_log(tmp_path_factory.mktemp("whole"), SIZE, every=1_000, uncovered=0)


@pytest.fixture
def folder(whole: WholeLog, tmp_path: Path) -> Path:
    shutil.copytree(whole.data / "tiles", tmp_path / "tiles")
    return tmp_path / "tiles"


class Served:
    """What was asked, and how much of it at the same time. Of the paths `together` none is answered before all of them were asked for."""

    def __init__(self, together: frozenset[str] | set[str] = frozenset()) -> None:
        self._together = together
        self.asked: list[str] = []
        self.most = 0
        self._running = 0
        self._lock = threading.Lock()
        self._gathered = threading.Barrier(max(1, len(together)))

    @contextmanager
    def request(self, path: str) -> Iterator[None]:
        with self._lock:
            self.asked.append(path)
            self._running += 1
            self.most = max(self.most, self._running)
        try:
            if path in self._together:
                self._gathered.wait(60)
            yield
        finally:
            with self._lock:
                self._running -= 1


@contextmanager
def serving(folder: Path, served: Served) -> Iterator[str]:
    class Handler(SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(folder))

        def do_GET(self) -> None:
            with served.request(self.path):
                super().do_GET()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def test_tiles_are_asked_for_before_they_are_read_several_at_a_time_and_each_once(whole: WholeLog, folder: Path) -> None:
    served = Served({f"/tile/entries/{number:03d}" for number in range(1, 5)})  # read one by one, the second would never be asked for
    with serving(folder, served) as url, url_source(url) as source:
        report = fsck(source, trust=whole.trust)
    assert (report.ok, report.entries, report.bodies) == (True, SIZE, "none")
    assert sorted(path for path in served.asked if path.startswith("/tile/")) == sorted(f"/{address.path}" for address in tiles_of(SIZE))
    assert 4 <= served.most <= AT_ONCE + 1


@pytest.mark.parametrize(("name", "at"), [("tile/entries/005", 9_000), ("tile/entries/007", 1), ("tile/0/003", 700), ("tile/1/000.p/11", 40)])
def test_what_is_damaged_behind_a_url_is_named_like_in_its_folder(whole: WholeLog, folder: Path, name: str, at: int) -> None:
    raw = bytearray((folder / name).read_bytes())
    raw[at] ^= 1
    (folder / name).write_bytes(raw)
    local = fsck(FolderTiles(LocalFolder(folder)), trust=whole.trust)
    with serving(folder, Served()) as url, url_source(url) as source:
        remote = fsck(source, trust=whole.trust)
    assert not local.ok
    assert remote.first_bad_index == local.first_bad_index
    assert remote.findings == tuple(finding for finding in local.findings if finding.kind != "file")  # files left of smaller trees are seen in a folder only


def test_a_tile_that_is_missing_is_named_and_a_server_that_fails_is_no_finding(whole: WholeLog, folder: Path) -> None:
    (folder / "tile/entries/006").unlink()
    with serving(folder, Served()) as url, url_source(url) as source:
        assert fsck(source, trust=whole.trust).first_bad_index == 6 * 256
    with serving(folder, Served()) as url:
        gone = url
    with url_source(gone) as source, pytest.raises(LogUnavailable):
        fsck(source, trust=whole.trust)


def test_bodies_are_asked_for_several_at_a_time_once_one_was_shown(whole: WholeLog, folder: Path) -> None:
    (folder / "entries").mkdir()
    with Log.open(whole.data, readonly=True, state_dir=whole.state) as log:
        entries = list(log.reader.entries(0, 512))
    for entry in entries:
        body = None if entry.envelope is None or entry.salt is None else {"envelope": encode_base64(entry.envelope), "salt": encode_base64(entry.salt)}
        (folder / "entries" / str(entry.index)).write_text(json.dumps(body or {"erased": True}))
    served = Served({f"/entries/{index}" for index in range(300, 304)})
    with serving(folder, served) as url, url_source(url, all_bodies=True) as source:
        source.checkpoint()
        read = [(entry.leaf, entry.envelope, entry.salt) for entry in source.raw_entries(0, 512)]
    assert read == [(entry.leaf, entry.envelope, entry.salt) for entry in entries]
    asked = [path for path in served.asked if path.startswith("/entries/")]
    assert sorted(asked) == sorted(f"/entries/{index}" for index in range(512))
