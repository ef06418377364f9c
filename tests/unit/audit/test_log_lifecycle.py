"""Beginning, opening and reading a log."""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lineproof_audit.envelope import parse_envelope
from lineproof_audit.errors import AuditError, CheckpointLockError, CorruptLog, KeyFileError, LogUnavailable, NoSuchEntry
from lineproof_audit.init import choose_origin, initialise, register_key
from lineproof_audit.keyring import Keyring
from lineproof_audit.keys import SigningKey
from lineproof_audit.leaf import SYSTEM_TENANT
from lineproof_audit.lock import FileCheckpointLock
from lineproof_audit.log import Log, open_store
from lineproof_audit.store_sqlite import SqliteStore
from tests.log_entries import PRODUCER, SetClock, new_entry, revoke_key


def open_log(home: Path, clock: SetClock | None = None) -> Log:
    return Log.open(home / "data", create=True, state_dir=home / "state", clock=clock)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with open_log(tmp_path) as opened:
        yield opened


def admin_of(log: Log) -> SigningKey:
    return SigningKey.load(log.state_dir / "root-admin.pem")


def folded(log: Log) -> Keyring:
    keyring = Keyring()
    for entry in log.reader.control_entries():
        assert keyring.apply(entry.index, entry.fields, entry.envelope).status == "applied"
    return keyring


def test_a_log_begins_with_genesis_and_policy_signed_by_the_root_admin(log: Log) -> None:
    genesis, policy = list(log.reader.entries())
    admin = admin_of(log)
    assert [(e.fields.event_type, e.fields.signer, e.fields.signed_by, e.fields.tenant) for e in (genesis, policy)] == [
        (f"lineproof.{name}.v1", admin.keyid, "ADMIN", SYSTEM_TENANT) for name in ("genesis", "policy")]
    keyring = folded(log)
    assert keyring.origin == log.origin
    assert keyring.policy is not None
    assert [(tenant.name, tenant.prefixes) for tenant in keyring.policy.tenants] == [("default", ("",))]
    assert keyring.tenant_of("anything") == keyring.policy.tenants[0].id
    assert len(keyring.policy.tenants[0].id) == 32
    assert log.origin.startswith("lineproof.local/")


def test_the_events_of_the_log_itself_match_their_models(log: Log) -> None:
    from lineproof_schema.models import EVENT_TYPES
    from lineproof_schema.models.cloudevent import CloudEvent

    register_key(log.appender, admin_of(log), PRODUCER.verify_key, origin=log.origin, tenant="ab" * 16, label="ci")
    revoke_key(log.appender, admin_of(log), PRODUCER.keyid, origin=log.origin, last_valid=2)
    log.appender.submit(new_entry("1", "one")).result(30)
    log.appender.submit(new_entry("1", "two")).exception(30)
    checked = set()
    for entry in log.reader.entries():
        assert entry.envelope is not None
        event = CloudEvent.model_validate_json(parse_envelope(entry.envelope).payload)
        if entry.fields.signer != PRODUCER.keyid:
            EVENT_TYPES[event.type].model_validate(event.data)
            checked.add(event.type)
    assert checked == {f"lineproof.{name}.v1" for name in ("genesis", "policy", "key", "equivocation")}


def test_keys_and_state_are_for_their_owner_only_and_the_admin_key_lies_outside(log: Log, tmp_path: Path) -> None:
    assert sorted(path.name for path in (tmp_path / "data" / "keys").iterdir()) == ["dedupe.secret", "log.json", "log.pem", "notary.json", "notary.pem"]
    private = [*(tmp_path / "data" / "keys").glob("*.pem"), tmp_path / "data" / "keys" / "dedupe.secret", log.state_dir / "root-admin.pem"]
    assert {path.stat().st_mode & 0o777 for path in private} == {0o600}
    assert not list((tmp_path / "data").rglob("root-admin*"))
    assert json.loads((tmp_path / "data" / "keys" / "log.json").read_text())["origin"] == log.origin


def test_registered_and_revoked_keys_are_what_the_keyring_says(log: Log) -> None:
    ack = register_key(log.appender, admin_of(log), PRODUCER.verify_key, origin=log.origin, tenant="ab" * 16, namespaces=["warehouse/"])
    record = folded(log).key(PRODUCER.keyid)
    assert record is not None
    assert (record.valid_from, record.tenant) == (ack.index + 1, "ab" * 16)
    revoke_key(log.appender, admin_of(log), PRODUCER.keyid, origin=log.origin, last_valid=10)
    record = folded(log).key(PRODUCER.keyid)
    assert record is not None
    assert record.last_valid == 10


def test_opening_again_continues_the_log(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        origin = log.origin
        log.appender.submit(new_entry("1")).result(30)
    with open_log(tmp_path) as log:
        assert log.origin == origin
        assert log.appender.submit(new_entry("1")).result(30).duplicate
        assert log.appender.submit(new_entry("2")).result(30).index == 3


def test_a_crash_before_genesis_is_taken_up_with_the_same_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("lineproof_audit.init.append_batch", lambda *a, **k: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            open_log(tmp_path)
    keys = (tmp_path / "data" / "keys" / "log.pem").read_bytes()
    with open_log(tmp_path) as log:
        assert log.reader.size() == 2
        assert (tmp_path / "data" / "keys" / "log.pem").read_bytes() == keys
        assert log.integrator.step() is not None


def test_a_log_that_was_lost_does_not_begin_again_under_its_name(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log.integrator.step()
    for path in (tmp_path / "data").glob("log.db*"):
        path.unlink()
    with pytest.raises(CheckpointLockError, match="but the log is empty"):
        open_log(tmp_path)


def test_a_log_begins_once(log: Log, tmp_path: Path) -> None:
    record = FileCheckpointLock(tmp_path / "fresh-record")
    with pytest.raises(LogUnavailable, match="2 entries, 0 expected"):
        initialise(log.store, keys_dir=tmp_path / "data" / "keys", admin_key=admin_of(log), lock=record, origin=log.origin)


def test_the_origin_given_is_kept_by_the_keys(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "data")
    founded = initialise(store, keys_dir=tmp_path / "data" / "keys", admin_key=SigningKey.generate(), lock=FileCheckpointLock(tmp_path / "record"),
                         origin="log.example/prod", tenant_name="acme")
    assert founded.origin == choose_origin(tmp_path / "data" / "keys") == "log.example/prod"
    store.close()
    with Log.open(tmp_path / "data", checkpoint_lock=tmp_path / "record") as log:
        assert log.keyring.policy is not None
        assert log.keyring.policy.tenants[0].name == "acme"
        assert log.integrator.step() is not None


def test_there_is_nothing_to_open_without_create(tmp_path: Path) -> None:
    for readonly in (True, False):
        with pytest.raises(LogUnavailable):
            Log.open(tmp_path / "data", readonly=readonly)
    with pytest.raises(LogUnavailable):
        open_store("mysql://localhost/log")


def test_keys_of_another_log_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        open_log(tmp_path / name).close()
    shutil.rmtree(tmp_path / "a" / "data" / "keys")
    shutil.copytree(tmp_path / "b" / "data" / "keys", tmp_path / "a" / "data" / "keys")
    with pytest.raises(KeyFileError, match="is not a notary key of the log"):
        open_log(tmp_path / "a")


def test_another_dedupe_secret_is_refused(tmp_path: Path) -> None:
    open_log(tmp_path).close()
    secret = tmp_path / "data" / "keys" / "dedupe.secret"
    secret.write_bytes(os.urandom(32))
    with pytest.raises(LogUnavailable, match="dedupe secret"):
        open_log(tmp_path)
    secret.chmod(0o644)
    with pytest.raises(KeyFileError, match="0600"):
        open_log(tmp_path)


def test_another_process_reads_while_this_one_writes(log: Log, tmp_path: Path) -> None:
    script = ("import sys; from lineproof_audit.log import Log\n"
              "log = Log.open(sys.argv[1], readonly=True)\n"
              "print(log.reader.wait_for(3, 60), [e.index for e in log.reader.entries()], log.origin, flush=True)")
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "data")], stdout=subprocess.PIPE, text=True)
    log.appender.submit(new_entry("1")).result(30)
    out, _ = process.communicate(timeout=60)
    assert out.strip() == f"3 [0, 1, 2] {log.origin}"


def test_a_reading_log_has_no_writing_parts(log: Log, tmp_path: Path) -> None:
    with Log.open(tmp_path / "data", readonly=True, state_dir=tmp_path / "state") as reading:
        for part in ("appender", "integrator", "notary", "secrets"):
            with pytest.raises(LogUnavailable):
                getattr(reading, part)
        with pytest.raises(LogUnavailable):
            reading.store.create()
        assert reading.store.elect() is None


def test_a_copy_where_nothing_can_be_written_is_read(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log.appender.submit(new_entry("1")).result(30)
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(tmp_path / "data" / "log.db", copy / "log.db")
    (copy / "log.db-shm").mkdir()  # SQLite cannot make its WAL index here, as on read-only media (root would pass a file mode)
    with Log.open(copy, readonly=True) as reading:
        assert reading.reader.size() == 3


def test_a_time_is_the_number_of_entries_received_by_then(tmp_path: Path) -> None:
    clock = SetClock()
    with open_log(tmp_path, clock) as log:
        start = clock.wall_us
        for n in range(5):
            clock.pass_time(1_000_000)
            log.appender.submit(new_entry(str(n))).result(30)
        assert [log.reader.size_at(start + at) for at in (-1, 0, 999_999, 1_000_000, 3_500_000, 10**9)] == [0, 2, 2, 3, 5, 7]


def test_reading_a_range_ends_where_the_log_does(log: Log) -> None:
    for future in log.appender.submit_many(new_entry(str(n)) for n in range(10)):
        future.result(30)
    assert [e.index for e in log.reader.entries(3, 8, batch=2)] == [3, 4, 5, 6, 7]
    assert [e.index for e in log.reader.entries(10, 99)] == [10, 11]
    assert list(log.reader.entries(12)) == []
    for index in (-1, 12):
        with pytest.raises(NoSuchEntry):
            log.reader.entry(index)


@pytest.mark.parametrize("index", [0, 5, 6, 11])
@pytest.mark.parametrize("batch", [1, 3, 6, 100])
def test_a_missing_entry_is_named(log: Log, index: int, batch: int) -> None:
    for future in log.appender.submit_many(new_entry(str(n)) for n in range(10)):
        future.result(30)
    writer = log.store._writer  # type: ignore[attr-defined]
    writer.execute("DROP TRIGGER entries_delete")
    writer.execute("DELETE FROM entries WHERE idx = ?", (index,))
    with pytest.raises(CorruptLog) as raised:
        list(log.reader.rows(batch=batch))
    assert raised.value.extra["index"] == index


def test_a_damaged_body_names_its_entry(log: Log) -> None:
    log.appender.submit(new_entry("1")).result(30)
    writer = log.store._writer  # type: ignore[attr-defined]
    writer.execute("DROP TRIGGER bodies_update")
    writer.execute("UPDATE bodies SET envelope = x'00112233' WHERE idx = 2")
    with pytest.raises(CorruptLog, match="entry 2"):
        log.reader.entry(2)


def test_a_damaged_database_file_is_a_corrupt_log(tmp_path: Path) -> None:
    open_log(tmp_path).close()
    (tmp_path / "data" / "log.db").write_bytes(b"not a database at all" * 1_000)
    with pytest.raises(AuditError) as raised:
        Log.open(tmp_path / "data", readonly=True)
    assert raised.value.code == "corrupt-log"
