"""Rotating the log's own keys in a real log: two lines while it overlaps, then the new key alone."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lineproof_audit.base64text import encode_base64
from lineproof_audit.checkpoint import open_checkpoint
from lineproof_audit.errors import InvalidProof, KeyFileError
from lineproof_audit.fsck import fsck
from lineproof_audit.fsck_store import StoreSource
from lineproof_audit.held_keys import rotated_name
from lineproof_audit.init import admin_entry
from lineproof_audit.keyring import KEY
from lineproof_audit.keys import SigningKey
from lineproof_audit.log import Log
from lineproof_audit.note import NoteVerifier, split_note
from lineproof_audit.possession import rotation_signatures
from tests.log_entries import new_entry


def open_log(home: Path) -> Log:
    return Log.open(home / "data", create=True, state_dir=home / "state")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with open_log(tmp_path) as opened:
        yield opened


def own(log: Log, name: str) -> SigningKey:
    folder = log.state_dir if name == "root-admin" else log.keys_dir
    assert folder is not None
    return SigningKey.load(folder / f"{name}.pem")


def say(log: Log, data: dict[str, object]) -> int:
    entry = admin_entry(KEY, data, own(log, "root-admin"), origin=log.origin, now=1)
    return log.appender.submit(entry).result(30).index


def rotate(log: Log, name: str, *, keep: bool = True) -> SigningKey:
    old, new = own(log, name), SigningKey.generate()
    assert log.keys_dir is not None
    if keep:
        new.save(log.keys_dir, rotated_name(name, new), log.origin)
    signatures = [encode_base64(item) for item in rotation_signatures(log.origin, old, new)]
    say(log, {"action": "rotate", "purpose": name, "replaces": old.keyid, "keyId": new.keyid, "publicKey": encode_base64(new.verify_key.spki),
              "oldSignature": signatures[0], "newSignature": signatures[1]})
    return new


def sign(log: Log) -> str:
    log.appender.submit(new_entry(f"e{log.reader.size()}")).result(30)
    assert log.integrator.step() is not None
    note = log.reader.checkpoint()
    assert note is not None
    return note


def believed(note: str, log: Log, key: SigningKey) -> bool:
    try:
        return open_checkpoint(note, NoteVerifier(log.origin, key.verify_key)).size == log.reader.size()
    except InvalidProof:
        return False


def test_checkpoints_carry_both_lines_while_the_log_key_rotates(log: Log) -> None:
    old = own(log, "log")
    assert len(split_note(sign(log))[1]) == 1
    new = rotate(log, "log")
    overlapping = sign(log)
    assert len(split_note(overlapping)[1]) == 2
    assert believed(overlapping, log, old)
    assert believed(overlapping, log, new)
    say(log, {"action": "revoke", "keyId": old.keyid, "lastValid": log.reader.size() - 1})
    after = sign(log)
    assert len(split_note(after)[1]) == 1
    assert believed(after, log, new)
    assert not believed(after, log, old)
    assert {finding.kind for finding in fsck(StoreSource(log.store)).findings if finding.severity == "error"} == {"unknown-key"}  # of `new_entry`


def test_after_a_restart_the_log_signs_with_the_keys_in_force(log: Log, tmp_path: Path) -> None:
    old, new = own(log, "log"), rotate(log, "log")
    say(log, {"action": "revoke", "keyId": old.keyid, "lastValid": log.reader.size() - 1})
    log.close()
    with open_log(tmp_path) as again:
        note = sign(again)
        assert believed(note, again, new)
        assert again.integrator.adopt(note).size == again.reader.size()


def test_a_key_in_force_that_lies_elsewhere_does_not_stop_the_overlap_but_its_end(log: Log, tmp_path: Path) -> None:
    old = own(log, "log")
    rotate(log, "log", keep=False)
    assert believed(sign(log), log, old)
    say(log, {"action": "revoke", "keyId": old.keyid, "lastValid": log.reader.size() - 1})
    log.appender.submit(new_entry("last")).result(30)
    before = log.reader.checkpoint()
    with pytest.raises(KeyFileError, match="last rotation"):
        log.integrator.step()
    assert log.reader.checkpoint() == before
    log.close()
    with pytest.raises(KeyFileError, match="not a log key of the log"):
        open_log(tmp_path)


def test_the_notary_that_took_over_signs_after_a_restart(log: Log, tmp_path: Path) -> None:
    old, new = own(log, "notary"), rotate(log, "notary")
    assert log.notary.keyid == old.keyid
    log.close()
    with open_log(tmp_path) as again:
        assert again.notary.keyid == new.keyid
