"""fsck and evidence bundles over a log that the real appender and integrator wrote to SQLite."""
from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lineproof_audit.append import NewEntry
from lineproof_audit.bundle import build_bundle
from lineproof_audit.envelope import PAYLOAD_CLOUDEVENT, sign_envelope
from lineproof_audit.fsck import FsckReport, fsck
from lineproof_audit.fsck_store import StoreSource
from lineproof_audit.init import ROOT_ADMIN_KEY, register_key
from lineproof_audit.keyring import Keyring
from lineproof_audit.keys import SigningKey
from lineproof_audit.log import Log, open_store
from lineproof_audit.note import NoteVerifier
from lineproof_audit.trust import TrustedLog, format_trust, parse_trust

ENTRIES = 300  # more than one tile


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of a closed log with genesis, policy, one producer key and `ENTRIES` events of it."""
    base = tmp_path_factory.mktemp("log")
    with Log.open(base / "data", create=True, state_dir=base / "state") as log:
        admin = SigningKey.load(log.state_dir / f"{ROOT_ADMIN_KEY}.pem")
        policy = log.keyring.policy
        assert policy is not None
        tenant, producer = policy.tenants[0].id, SigningKey.generate()
        register_key(log.appender, admin, producer.verify_key, origin=log.origin, tenant=tenant)
        waiting = []
        for number in range(ENTRIES):
            payload = json.dumps({"specversion": "1.0", "id": str(number), "source": "ci", "type": "lineproof.quality.v1", "audience": log.origin,
                                  "time": "2026-11-20T10:00:00Z", "data": {"check": f"check {number}"}}).encode()
            waiting.append(log.appender.submit(NewEntry(sign_envelope(PAYLOAD_CLOUDEVENT, payload, producer), PAYLOAD_CLOUDEVENT, "lineproof.quality.v1",
                                                        tenant, producer.keyid, "PRODUCER", None, "ci", str(number))))
        for answer in waiting:
            answer.result(30)
        log.integrator.step()
        (base / "trust").write_text(format_trust([TrustedLog(NoteVerifier(log.origin, log.keyring.keys_for("log")[0]))]))
    return base / "data"


@pytest.fixture
def copy(data: Path, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A copy of the log that may be tampered with: the triggers are dropped, as whoever owns the file can."""
    shutil.copytree(data, tmp_path / "data")
    connection = sqlite3.connect(tmp_path / "data" / "log.db", isolation_level=None)
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    yield connection
    connection.close()


def checked(directory: Path) -> FsckReport:
    store = open_store(directory, readonly=True)
    try:
        return fsck(StoreSource(store), trust=parse_trust((directory.parent / "trust").read_bytes()) if (directory.parent / "trust").exists() else None)
    finally:
        store.close()


def test_the_log_is_sound(data: Path) -> None:
    report = checked(data)
    assert report.findings == ()
    assert (report.ok, report.entries, report.checkpoint_size) == (True, ENTRIES + 3, ENTRIES + 3)


@pytest.mark.parametrize(("table", "column"), [("entries", "leaf"), ("bodies", "envelope"), ("bodies", "salt")])
@pytest.mark.parametrize("index", [0, 2, 150, ENTRIES + 2])
def test_one_byte_changed_in_a_copy_names_the_entry(copy: sqlite3.Connection, tmp_path: Path, table: str, column: str, index: int) -> None:
    old: bytes = copy.execute(f"SELECT {column} FROM {table} WHERE idx = ?", (index,)).fetchone()[0]
    at = len(old) // 2
    copy.execute(f"UPDATE {table} SET {column} = ? WHERE idx = ?", (old[:at] + bytes([old[at] ^ 1]) + old[at + 1:], index))
    report = checked(tmp_path / "data")
    assert (report.ok, report.first_bad_index) == (False, index)


@pytest.mark.parametrize("change", [
    "UPDATE entries SET signed_by = 'SERVICE' WHERE idx = 77", "UPDATE entries SET event_type = 'lineproof.cost.v1' WHERE idx = 77",
    "UPDATE entries SET received = received + 1 WHERE idx = 77", "DELETE FROM bodies WHERE idx = 77", "DELETE FROM entries WHERE idx = 77",
    "UPDATE bodies SET envelope = (SELECT envelope FROM bodies WHERE idx = 78) WHERE idx = 77",
    "UPDATE entries SET leaf = (SELECT leaf FROM entries WHERE idx = 78) WHERE idx = 77",
])
def test_a_row_changed_in_a_copy_names_the_entry(copy: sqlite3.Connection, tmp_path: Path, change: str) -> None:
    assert copy.execute(change).rowcount == 1
    report = checked(tmp_path / "data")
    assert (report.ok, report.first_bad_index) == (False, 77)


def test_a_changed_tile_names_the_entry_whose_hash_it_is(copy: sqlite3.Connection, tmp_path: Path) -> None:
    hashes: bytes = copy.execute("SELECT hashes FROM tiles WHERE level = 0 AND number = 1").fetchone()[0]
    copy.execute("UPDATE tiles SET hashes = ? WHERE level = 0 AND number = 1", (bytes([hashes[0] ^ 1]) + hashes[1:],))
    assert checked(tmp_path / "data").first_bad_index == 256


def test_a_bundle_verifies_in_another_process_that_has_only_the_trust_file(data: Path, tmp_path: Path) -> None:
    with Log.open(data, readonly=True, state_dir=data.parent / "state") as log:
        keyring = Keyring()
        for entry in log.reader.control_entries():
            keyring.apply(entry.index, entry.fields, entry.envelope)
        bundle = build_bundle(log.reader, keyring, query="?", answer=[7, 260], cited=[7, 260], tool_version="0.1.0", with_leaves=True)
    (tmp_path / "bundle.json").write_text(json.dumps(bundle))
    shutil.copy(data.parent / "trust", tmp_path / "trust")
    script = ("import json, sys; from lineproof_audit.trust import load_trust; from lineproof_audit.verify import verify_bundle; "
              "verdict = verify_bundle(json.load(open('bundle.json')), load_trust('trust'), 'keys-complete'); "
              "print(json.dumps(verdict.to_json())); sys.exit(not verdict.ok)")
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["levels"] == ["included", "keys-complete"]
