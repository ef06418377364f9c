"""A whole log written to files and read again: nothing is lost, an interruption costs nothing, and a damaged export is refused."""
from __future__ import annotations

import shutil
import sqlite3
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from lineproof_audit import export
from lineproof_audit.errors import AuditError, CorruptLog, LogUnavailable
from lineproof_audit.export import ExportSource, export_log, import_log
from lineproof_audit.folder import Folder, open_folder
from lineproof_audit.fsck import fsck
from lineproof_audit.fsck_store import StoreSource
from lineproof_audit.log import Log, open_store
from lineproof_audit.store import LogStore
from tests.big_log import reference_tiles
from tests.serve_process import lineproof, serving
from tests.service_world import openlineage_run
from tests.whole_log import WholeLog, event, make_log

ENTRIES = 700


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> WholeLog:
    return make_log(tmp_path_factory.mktemp("whole"), ENTRIES)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return open_folder(tmp_path / "export")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LogStore]:
    store = open_store(request.getfixturevalue("postgres_database") if request.param == "postgres" else tmp_path / "moved")
    yield store
    store.close()


def exported(whole: WholeLog, folder: Folder) -> None:
    with Log.open(whole.data, readonly=True, state_dir=whole.state) as log:
        export_log(log.store, folder, origin=log.origin, tool_version="tests")


def files(folder: Folder) -> dict[str, bytes]:
    return {name: folder.read(name) or b"" for name in folder.names()}


def contents(store: LogStore) -> dict[str, Any]:
    """Everything of a log that is not made anew."""
    head = store.head()
    return {"head": head, "rows": store.rows(0, head.size), "derived": store.derived_between(0, head.size), "identities": store.identities(0, head.size),
            "secret": store.secret_check(), "checkpoints": store.checkpoints_after(-1, 1_000)}


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Bodies are packed again, so they may differ in zstd's bytes and not in what they hold; `fsck` compares that with the leaves."""
    rows = [[(row.index, row.leaf, row.salt, row.body is None) for row in contents["rows"]] for contents in (one, other)]
    return rows[0] == rows[1] and all(one[name] == other[name] for name in one.keys() - {"rows"})


@pytest.mark.parametrize("where", ["file", "memory"])
def test_an_export_is_a_sound_log_and_plain_tiles(whole: WholeLog, tmp_path: Path, where: str) -> None:
    folder = open_folder(str(tmp_path / "export") if where == "file" else f"memory://{uuid.uuid4()}")
    exported(whole, folder)
    report = fsck(ExportSource(folder), trust=whole.trust)
    assert (report.findings, report.entries, report.checkpoint_size, report.bodies) == ((), ENTRIES, ENTRIES - 5, "all")
    store = open_store(whole.data, readonly=True)
    wanted = reference_tiles(store.leaves(0, ENTRIES)) | reference_tiles(store.leaves(0, ENTRIES - 5))
    store.close()
    assert {name: data for name, data in files(folder).items() if name.startswith("tile/")} == wanted


def test_what_is_imported_is_what_was_exported(whole: WholeLog, folder: Folder, target: LogStore) -> None:
    exported(whole, folder)
    assert import_log(folder, target, trust=whole.trust).ok
    source = open_store(whole.data, readonly=True)
    assert same(contents(source), contents(target))
    source.close()
    report = fsck(StoreSource(target), trust=whole.trust)
    assert (report.findings, report.entries) == ((), ENTRIES)
    assert target.rows(whole.erased, whole.erased + 1)[0].body is None
    with pytest.raises(AuditError):
        target.bind_secret(b"another")


def test_an_export_made_again_adds_what_came_since_and_leaves_nothing_behind(whole: WholeLog, folder: Folder, tmp_path: Path) -> None:
    shutil.copytree(whole.data, tmp_path / "growing")
    shutil.copytree(whole.state, tmp_path / "state")
    for count in (0, 3, 400):
        with Log.open(tmp_path / "growing", state_dir=tmp_path / "state") as log:
            for number in range(count):
                log.appender.submit(event(log, log.notary, 10_000 + number, tenant="0" * 32, signed_by="SERVICE")).result(60)
            log.integrator.step()
            export_log(log.store, folder, origin=log.origin, tool_version="tests")
            fresh = open_folder(tmp_path / f"fresh {count}")
            export_log(log.store, fresh, origin=log.origin, tool_version="tests")
        made, anew = files(folder), files(fresh)
        assert {name: made[name] for name in anew} == anew
        assert all(".p/" in name for name in made.keys() - anew.keys())
        assert fsck(ExportSource(folder), trust=whole.trust).findings == ()


class Stops(Exception):
    """The process ends here."""


@pytest.mark.parametrize("after", [1, 2, 4, 6, 9])
def test_an_interrupted_export_goes_on_to_the_same_files(whole: WholeLog, folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    monkeypatch.setattr(export, "STEP_ENTRIES", 256)
    whole_one = open_folder(tmp_path / "at once")
    exported(whole, whole_one)
    write, calls = folder.write, []

    def stopping(named: Mapping[str, bytes]) -> None:
        calls.append(named)
        if len(calls) > after:
            raise Stops
        write(named)

    with monkeypatch.context() as patch:
        patch.setattr(folder, "write", stopping)
        with pytest.raises(Stops):
            exported(whole, folder)
    assert fsck(ExportSource(folder)).entries == 0
    with pytest.raises(CorruptLog, match="no finished export"):
        import_log(folder, open_store(tmp_path / "early"))
    exported(whole, folder)
    assert files(folder) == files(whole_one)


@pytest.mark.parametrize("batches", [0, 1, 3])
def test_an_interrupted_import_goes_on(whole: WholeLog, folder: Folder, target: LogStore, monkeypatch: pytest.MonkeyPatch, batches: int) -> None:
    exported(whole, folder)
    monkeypatch.setattr(export, "IMPORT_BATCH", 100)
    seen = []

    def progress(entries: int) -> None:
        seen.append(entries)
        if len(seen) > batches:
            raise Stops

    with pytest.raises(Stops):
        import_log(folder, target, progress=progress)
    assert 0 < target.head().size < ENTRIES
    begun = seen[-1]
    import_log(folder, target, progress=seen.append)
    assert seen[seen.index(begun) + 1] == begun + 100
    assert fsck(StoreSource(target), trust=whole.trust).findings == ()
    import_log(folder, target)  # and once more, for nothing
    assert target.head().size == ENTRIES


def test_another_log_is_neither_overwritten_nor_mixed(whole: WholeLog, folder: Folder, tmp_path: Path) -> None:
    exported(whole, folder)
    before = files(folder)
    other = make_log(tmp_path / "other", 20)
    with pytest.raises(CorruptLog, match="another log"):
        exported(other, folder)
    assert files(folder) == before
    store = open_store(other.data)
    with pytest.raises(CorruptLog, match="another log"):
        import_log(folder, store)
    assert store.head().size == 20
    store.close()


def test_a_damaged_export_is_refused_whole(whole: WholeLog, folder: Folder, tmp_path: Path) -> None:
    exported(whole, folder)
    name = "lineproof/bodies/001"
    data = folder.read(name) or b""
    folder.write({name: data[:5_000] + bytes([data[5_000] ^ 1]) + data[5_001:]})
    store = open_store(tmp_path / "moved")
    with pytest.raises(CorruptLog, match="not sound"):
        import_log(folder, store)
    with pytest.raises(LogUnavailable):
        store.head()
    store.close()


def test_a_log_is_moved_by_commands_and_goes_on_elsewhere(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for home in (old, new):
        home.mkdir()
    with serving(old, env={"LINEPROOF_PROJECTOR": "off"}) as service:
        with service.client() as client:
            client.post("/api/v1/lineage/batch", json=[openlineage_run(f"job {number}") for number in range(5)])
            retry = client.post("/api/v1/lineage", json=(event_ := openlineage_run("retried"))).json()
        assert service.stop() == 0
    trust = lineproof(old, "keys", "trust", "--out", str(tmp_path / "trust"))
    assert trust.returncode == 0, trust.stderr
    for arguments in (("log", "export", str(tmp_path / "export")), ("log", "fsck", str(tmp_path / "export"), "--trust", str(tmp_path / "trust"))):
        done = lineproof(old, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "export: 8 entries, checkpoint 8: ok" in done.stdout
    done = lineproof(new, "log", "import", str(tmp_path / "export"), "--trust", str(tmp_path / "trust"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "log adopt" in done.stdout
    shutil.copytree(old / ".lineproof" / "keys", new / ".lineproof" / "keys", dirs_exist_ok=True)
    assert lineproof(new, "log", "adopt", "--checkpoint", str(tmp_path / "export" / "checkpoint")).returncode == 0
    with serving(new, env={"LINEPROOF_PROJECTOR": "off"}) as service, service.client() as client:
        assert client.post("/api/v1/lineage", json=event_).json()["index"] == retry["index"]
        assert client.post("/api/v1/lineage", json=openlineage_run("after")).json()["index"] == 8
        url = f"{service.url}/api/v1/log"
        over_http = lineproof(new, "log", "fsck", url, "--trust", str(tmp_path / "trust"))
        assert over_http.returncode == 0, over_http.stdout + over_http.stderr
        assert "bodies were not checked but those of keys and policy" in over_http.stdout
        assert service.stop() == 0
    done = lineproof(new, "log", "fsck")
    assert done.returncode == 0
    assert "log: 9 entries, checkpoint 9: ok" in done.stdout
    assert "tiles: 9 entries, checkpoint 9: ok\n" in done.stdout  # without bodies nothing is known of the keys, which is no warning about the log
    assert lineproof(new, "log", "fsck", str(tmp_path / "nowhere")).returncode != 0


CHANGES = {
    "UPDATE checkpoints SET root = zeroblob(32) WHERE size = 107": "of size 107",
    "UPDATE checkpoints SET note = replace(note, '107', '106') WHERE size = 107": "of size 107",
    "UPDATE checkpoints SET note = (SELECT note FROM checkpoints WHERE size = 207), root = (SELECT root FROM checkpoints WHERE size = 207) "
    "WHERE size = 107": "of size 107",
    "UPDATE checkpoints SET note = 'nonsense' WHERE size = 107": "malformed",
    "UPDATE log_head SET last_received = last_received + 1": "appending",
    "UPDATE log_head SET last_received = 0": "appending",
    "UPDATE checkpoints SET root = zeroblob(32) WHERE size = 695": "of size 695",
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_a_database_keeps_beside_the_entries_is_checked(whole: WholeLog, tmp_path: Path, change: str) -> None:
    shutil.copytree(whole.data, tmp_path / "data")
    connection = sqlite3.connect(tmp_path / "data" / "log.db", isolation_level=None)
    assert [row[0] for row in connection.execute("SELECT size FROM checkpoints ORDER BY size")] == [107, 207, 307, 407, 507, 607, 695]
    assert connection.execute(change.replace("104", "107").replace("105", "106").replace("207", "207")).rowcount == 1
    connection.close()
    store = open_store(tmp_path / "data", readonly=True)
    report = fsck(StoreSource(store), trust=whole.trust)
    store.close()
    assert not report.ok
    assert report.first_bad_index is None
    assert CHANGES[change] in report.findings[0].detail


def test_the_published_checkpoint_must_be_one_of_this_log(whole: WholeLog, tmp_path: Path) -> None:
    other = make_log(tmp_path / "other", 300)
    store = open_store(whole.data, readonly=True)
    for at, sound in ((whole.data / "tiles", True), (other.data / "tiles", False)):
        report = fsck(StoreSource(store, open_folder(at)), trust=whole.trust)
        assert report.ok == sound
    assert "the checkpoint in" in report.findings[0].detail
    store.close()
