from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from lineproof_audit.errors import BadSignature, InvalidKey, KeyFileError
from lineproof_audit.keys import KeyInfo, SigningKey, VerifyKey
from tests.unit.audit.memory_log import DATA, PRODUCER, TENANT, key

RFC8032 = json.loads((DATA / "rfc8032.json").read_text())


@pytest.mark.parametrize("vector", RFC8032, ids=lambda vector: vector["source"])
def test_rfc_8032(vector: dict[str, str]) -> None:
    signing = SigningKey.from_seed(bytes.fromhex(vector["seed"]))
    message, signature = bytes.fromhex(vector["message"]), bytes.fromhex(vector["signature"])
    assert signing.verify_key.raw.hex() == vector["public"]
    assert signing.sign(message) == signature
    VerifyKey.from_raw(bytes.fromhex(vector["public"])).verify(signature, message)
    with pytest.raises(BadSignature):
        signing.verify_key.verify(signature, message + b"x")


def test_the_key_id_is_the_hash_of_the_der_that_cryptography_writes() -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    der = Ed25519PublicKey.from_public_bytes(PRODUCER.verify_key.raw).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert PRODUCER.verify_key.spki == der
    assert PRODUCER.keyid == hashlib.sha256(der).hexdigest()


def test_only_ed25519_public_keys_are_taken() -> None:
    p256 = generate_private_key(SECP256R1()).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for spki in (b"", p256, PRODUCER.verify_key.spki + b"\x00", PRODUCER.verify_key.spki[:-1]):
        with pytest.raises(InvalidKey):
            VerifyKey(spki)


def test_a_saved_key_loads_and_says_which_log_it_signs_for(tmp_path: Path) -> None:
    pem = PRODUCER.save(tmp_path / "keys", "etl", "log.example/1", "http://127.0.0.1:8642", TENANT)
    assert pem == tmp_path / "keys" / "etl.pem"
    assert pem.stat().st_mode & 0o777 == 0o600
    assert SigningKey.load(pem).keyid == PRODUCER.keyid
    assert KeyInfo.beside(pem) == KeyInfo("log.example/1", "http://127.0.0.1:8642", PRODUCER.keyid, TENANT)


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    pem = PRODUCER.save(tmp_path, "etl", "log.example/1")
    with pytest.raises(KeyFileError, match="never overwritten"):
        key("other").save(tmp_path, "etl", "log.example/1")
    assert SigningKey.load(pem).keyid == PRODUCER.keyid


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_a_key_whose_saving_was_cut_short_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    calls = iter(range(1, at + 1))

    def crash(_: int) -> None:
        if next(calls) == at:
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(KeyboardInterrupt):
        PRODUCER.save(tmp_path, "etl", "log.example/1")
    monkeypatch.undo()
    pem = tmp_path / "etl.pem"
    if not pem.exists():
        PRODUCER.save(tmp_path, "etl", "log.example/1")
    assert SigningKey.load(pem).keyid == KeyInfo.beside(pem).keyid == PRODUCER.keyid


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    pem = PRODUCER.save(tmp_path, "etl", "log.example/1")
    pem.chmod(mode)
    with pytest.raises(KeyFileError, match="chmod 600"):
        SigningKey.load(pem)


def test_a_file_that_is_no_ed25519_key_is_refused(tmp_path: Path) -> None:
    other = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for body in (b"", b"nonsense", other):
        path = tmp_path / "x.pem"
        path.write_bytes(body)
        path.chmod(0o600)
        with pytest.raises(KeyFileError):
            SigningKey.load(path)
    with pytest.raises(KeyFileError, match="cannot read"):
        SigningKey.load(tmp_path / "missing.pem")


def test_a_key_beside_the_facts_of_another_is_refused(tmp_path: Path) -> None:
    pem = PRODUCER.save(tmp_path, "etl", "log.example/1")
    facts = json.loads(pem.with_suffix(".json").read_text())
    pem.with_suffix(".json").write_text(json.dumps({**facts, "keyid": key("other").keyid}))
    with pytest.raises(KeyFileError, match="another key"):
        SigningKey.load(pem)


def test_the_private_key_does_not_show_in_its_repr() -> None:
    assert repr(PRODUCER) == f"SigningKey(keyid={PRODUCER.keyid!r})"
