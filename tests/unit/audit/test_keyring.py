"""The fold: what registers, rotates and revokes, and what changes nothing."""
from __future__ import annotations

import json
from typing import Any

import pytest

from lineproof_audit.base64text import encode_base64
from lineproof_audit.envelope import PAYLOAD_CLOUDEVENT, sign_envelope
from lineproof_audit.keyring import GENESIS, KEY, Keyring
from lineproof_audit.leaf import SYSTEM_TENANT, parse_leaf
from lineproof_audit.possession import rotation_signatures
from tests.unit.audit.memory_log import ADMIN, LOG, NOTARY, ORIGIN, PRODUCER, TENANT, MemoryLog, genesis_data, key

NEW = key("new")


SIGNED = {"oldSignature": encode_base64(bytes(64)), "newSignature": encode_base64(bytes(64))}


def reason(log: MemoryLog, index: int) -> str | None:
    assert log.outcomes[index].status == "rejected"
    return log.outcomes[index].reason


def public(of: Any) -> dict[str, Any]:
    return {"keyId": of.keyid, "publicKey": encode_base64(of.verify_key.spki)}


def test_genesis_names_origin_and_the_three_keys_of_the_log() -> None:
    keyring = MemoryLog().keyring
    assert keyring.origin == ORIGIN
    assert [(record.purpose, record.keyid) for record in keyring.history()][:3] == [("log", LOG.keyid), ("notary", NOTARY.keyid), ("admin", ADMIN.keyid)]


def test_a_key_is_valid_from_the_entry_after_its_registration() -> None:
    log = MemoryLog()
    registered = log.keyring.history()[-1].registered_at
    assert log.keyring.validity(PRODUCER.keyid, registered, 0).code == "unknown-key"
    assert log.keyring.validity(PRODUCER.keyid, registered + 1, 0).ok
    assert log.keyring.validity(NEW.keyid, registered + 1, 0).code == "unknown-key"


def test_a_revocation_ends_validity_and_disputes_what_it_reaches_back_over() -> None:
    log = MemoryLog()
    entries = [log.say("lineproof.quality.v1", {}) for _ in range(4)]
    revoked_at = log.revoke(PRODUCER.keyid, entries[1])
    verdicts = {index: log.keyring.validity(PRODUCER.keyid, index, 0) for index in (*entries, revoked_at + 1)}
    assert [verdicts[index].ok for index in entries] == [True] * 4
    assert [verdicts[index].disputed for index in entries] == [False, False, True, True]
    assert verdicts[revoked_at + 1].code == "revoked-key"
    record = log.keyring.key(PRODUCER.keyid)
    assert record is not None
    assert record.disputed == [(entries[2], entries[3], revoked_at)]


def test_the_verdict_for_an_index_is_the_same_before_and_after_later_entries() -> None:
    """The projector asks as it goes, the verifier afterwards: both must hear the same."""
    log = MemoryLog()
    as_it_went: dict[int, bool] = {}
    for step in range(12):
        index = len(log.stored)
        as_it_went[index] = log.keyring.validity(PRODUCER.keyid, index, 0).ok
        if step == 4:
            log.revoke(PRODUCER.keyid, index + 3)  # still good for three entries
        elif step == 9:
            log.revoke(PRODUCER.keyid, index - 6)
        else:
            log.say("lineproof.quality.v1", {})
    assert {index: log.keyring.validity(PRODUCER.keyid, index, 0).ok for index in as_it_went} == as_it_went
    assert not all(as_it_went.values())


def test_a_second_revocation_only_counts_if_it_reaches_further_back() -> None:
    log = MemoryLog()
    index = log.say("lineproof.quality.v1", {})
    log.revoke(PRODUCER.keyid, index)
    assert reason(log, log.revoke(PRODUCER.keyid, index)) == "already-revoked"
    assert reason(log, log.revoke(PRODUCER.keyid, index + 5)) == "already-revoked"
    assert log.outcomes[log.revoke(PRODUCER.keyid, index - 1)].status == "applied"


def test_rotation_overlaps_until_the_old_key_is_revoked() -> None:
    log = MemoryLog()
    at = log.rotate(PRODUCER, NEW)
    assert log.outcomes[at].status == "applied"
    assert log.keyring.validity(PRODUCER.keyid, at + 1, 0).ok
    assert log.keyring.validity(NEW.keyid, at + 1, 0).ok
    new, old = log.keyring.key(NEW.keyid), log.keyring.key(PRODUCER.keyid)
    assert new is not None
    assert old is not None
    assert (new.tenant, new.scope) == (old.tenant, old.scope)
    assert log.keyring.history(PRODUCER.keyid) == [old, new] == log.keyring.history(NEW.keyid)


def test_rotation_with_last_valid_revokes_the_old_key_in_one_entry() -> None:
    log = MemoryLog()
    at = log.rotate(PRODUCER, NEW, lastValid=2)
    assert log.keyring.validity(PRODUCER.keyid, at + 1, 0).code == "revoked-key"
    assert log.keyring.validity(NEW.keyid, at + 1, 0).ok


def test_a_short_lived_key_is_held_against_the_time_of_receipt() -> None:
    log = MemoryLog()
    log.register(NEW, notAfter="2026-11-20T10:00:00+00:00")
    end = 1_795_168_800_000_000
    assert log.keyring.validity(NEW.keyid, 10, end).ok
    assert log.keyring.validity(NEW.keyid, 10, end + 1).code == "revoked-key"


@pytest.mark.parametrize("signer", [PRODUCER, NOTARY, LOG, NEW], ids=["producer", "notary", "log", "unregistered"])
def test_a_key_entry_not_signed_by_root_admin_changes_nothing(signer: Any) -> None:
    log = MemoryLog()
    before = log.keyring.to_state()
    assert reason(log, log.register(NEW, admin=signer)) == "not-signed-by-root-admin"
    assert reason(log, log.revoke(PRODUCER.keyid, 0, admin=signer)) == "not-signed-by-root-admin"
    assert log.keyring.to_state() == before


def test_a_leaf_that_names_the_admin_does_not_stand_in_for_his_signature() -> None:
    log = MemoryLog()
    forged = json.loads(log.stored[2].envelope or b"")
    event = {"type": KEY, "data": {"action": "revoke", "keyId": PRODUCER.keyid, "lastValid": 0}}
    signed_by_producer = sign_envelope(PAYLOAD_CLOUDEVENT, json.dumps(event).encode(), PRODUCER)
    assert forged["signatures"][0]["keyid"] == ADMIN.keyid
    at = log.log(signed_by_producer, KEY, ADMIN, "ADMIN", SYSTEM_TENANT)
    assert reason(log, at) == "bad-signature"


def test_a_second_admin_may_act_once_registered_and_until_revoked() -> None:
    log = MemoryLog()
    log.register(NEW, purpose="admin")
    assert log.outcomes[log.register(key("third"), admin=NEW)].status == "applied"
    log.revoke(NEW.keyid, len(log.stored))
    assert reason(log, log.register(key("fourth"), admin=NEW)) == "not-signed-by-root-admin"


@pytest.mark.parametrize(("own", "purpose"), [(ADMIN, "admin"), (LOG, "log"), (NOTARY, "notary")])
def test_the_last_key_of_a_purpose_of_the_log_cannot_be_revoked(own: Any, purpose: str) -> None:
    log = MemoryLog()
    assert reason(log, log.revoke(own.keyid, 99)) == f"last-{purpose}-key"
    log.rotate(own, NEW, purpose=purpose)
    assert log.outcomes[log.revoke(own.keyid, 99)].status == "applied"


@pytest.mark.parametrize("own", [ADMIN, LOG, NOTARY], ids=["admin", "log", "notary"])
def test_the_logs_own_keys_rotate_with_the_signature_of_both(own: Any) -> None:
    log = MemoryLog()
    purpose = log.keyring.key(own.keyid).purpose  # type: ignore[union-attr]
    signatures = [encode_base64(item) for item in rotation_signatures(ORIGIN, own, NEW)]
    stolen = {"oldSignature": signatures[1], "newSignature": signatures[1]}
    assert reason(log, log.rotate(own, NEW, purpose=purpose, **stolen)) == "rotation-not-signed-by-both"
    elsewhere = [encode_base64(item) for item in rotation_signatures("log.example/other", own, NEW)]
    assert reason(log, log.rotate(own, NEW, purpose=purpose, oldSignature=elsewhere[0], newSignature=elsewhere[1])) == "rotation-not-signed-by-both"
    at = log.rotate(own, NEW, purpose=purpose)
    assert [item.keyid for item in log.keyring.keys_for(purpose, at)] == [own.keyid]
    assert [item.keyid for item in log.keyring.keys_for(purpose, at + 1)] == [own.keyid, NEW.keyid]
    end = log.revoke(own.keyid, at + 1)
    assert [item.keyid for item in log.keyring.keys_for(purpose, end + 1)] == [NEW.keyid]
    assert [item.keyid for item in log.keyring.keys_for(purpose)] == [own.keyid, NEW.keyid]


def test_the_keyring_of_an_earlier_size_is_the_one_that_was_folded_then() -> None:
    log, then = MemoryLog(), []
    for step in (lambda: log.rotate(PRODUCER, NEW), lambda: log.revoke(PRODUCER.keyid, 1), lambda: log.policy(logRead="restricted"),
                 lambda: log.say("lineproof.quality.v1", {}), lambda: log.register(key("other"))):
        then.append((len(log.stored), log.keyring.to_state()))
        step()
    for size, state in then:
        assert log.keyring.as_of(size).to_state() == state
    assert log.keyring.as_of(0).to_state() == Keyring().to_state()
    assert log.keyring.as_of(len(log.stored)).to_state() == log.keyring.to_state()


@pytest.mark.parametrize(("data", "expected"), [
    ({"action": "register", **public(PRODUCER), "tenant": TENANT, "scope": {}}, "key-exists"),
    ({"action": "register", **public(NEW), "keyId": "0" * 64, "tenant": TENANT, "scope": {}}, "key-id-mismatch"),
    ({"action": "register", **public(NEW), "scope": {}}, "invalid-body: a producer key needs tenant and scope"),
    ({"action": "register", "keyId": NEW.keyid}, "invalid-body: register and rotate need publicKey"),
    ({"action": "revoke", "keyId": NEW.keyid, "lastValid": 1}, "unknown-key"),
    ({"action": "revoke", "keyId": PRODUCER.keyid}, "invalid-body: revoke needs lastValid"),
    ({"action": "rotate", **public(NEW), **SIGNED, "replaces": "0" * 64}, "unknown-key"),
    ({"action": "rotate", **public(NEW), **SIGNED, "replaces": LOG.keyid}, "rotation-changes-purpose-or-tenant"),
    ({"action": "rotate", **public(NEW), **SIGNED, "replaces": PRODUCER.keyid}, "rotation-not-signed-by-both"),
    ({"action": "rotate", **public(NEW), "replaces": PRODUCER.keyid}, "invalid-body: rotate needs oldSignature and newSignature: both keys sign"),
    ({"action": "grant", **public(NEW)}, "invalid-body: action: not one of register, revoke, rotate"),
])
def test_a_key_entry_that_cannot_be_applied_says_why_and_changes_nothing(data: dict[str, Any], expected: str) -> None:
    log = MemoryLog()
    before = log.keyring.to_state()
    assert reason(log, log.say(KEY, data, ADMIN, "ADMIN", SYSTEM_TENANT)) == expected
    assert log.keyring.to_state() == before


def test_a_rotation_whose_revocation_fails_changes_nothing() -> None:
    log = MemoryLog()
    log.revoke(PRODUCER.keyid, 1)
    before = log.keyring.to_state()
    at = log.rotate(PRODUCER, NEW, lastValid=5)
    assert reason(log, at) == "already-revoked"
    assert log.keyring.to_state() == before


def test_an_entry_addressed_to_another_log_changes_nothing() -> None:
    log = MemoryLog()
    data = {"action": "revoke", "keyId": PRODUCER.keyid, "lastValid": 1}
    assert reason(log, log.say(KEY, data, ADMIN, "ADMIN", SYSTEM_TENANT, audience="other.example/log")) == "wrong-audience"
    assert log.outcomes[log.say(KEY, data, ADMIN, "ADMIN", SYSTEM_TENANT, audience=ORIGIN)].status == "applied"


def test_genesis_stands_only_at_index_0_and_is_signed_by_the_key_it_names() -> None:
    later = MemoryLog()
    assert reason(later, later.say(GENESIS, genesis_data(), ADMIN, "ADMIN", SYSTEM_TENANT)) == "genesis-not-first"
    forged = MemoryLog(genesis=False)
    assert reason(forged, forged.say(GENESIS, genesis_data(), NOTARY, "ADMIN", SYSTEM_TENANT)) == "not-signed-by-root-admin"
    assert reason(forged, forged.register(NEW)) == "no-genesis"
    shared = MemoryLog(genesis=False)
    same = {**genesis_data(), "notaryKey": genesis_data()["logKey"]}
    assert reason(shared, shared.say(GENESIS, same, ADMIN, "ADMIN", SYSTEM_TENANT)) == "keys-not-separate"


def test_a_body_of_another_type_or_with_a_repeated_key_changes_nothing() -> None:
    log = MemoryLog()
    other = sign_envelope(PAYLOAD_CLOUDEVENT, json.dumps({"type": "lineproof.policy.v1", "data": {"tenants": []}}).encode(), ADMIN)
    assert reason(log, log.log(other, KEY, ADMIN, "ADMIN", SYSTEM_TENANT)) == "type-mismatch"
    twice = sign_envelope(PAYLOAD_CLOUDEVENT, b'{"type":"lineproof.key.v1","data":{},"data":{}}', ADMIN)
    assert reason(log, log.log(twice, KEY, ADMIN, "ADMIN", SYSTEM_TENANT)) == "type-mismatch"
    assert reason(log, log.log(b"nonsense", KEY, ADMIN, "ADMIN", SYSTEM_TENANT)).startswith("invalid-envelope")  # type: ignore[union-attr]
    assert Keyring().apply(3, log.stored[2].fields, None).reason == "body-missing"


def test_other_entries_are_none_of_its_business() -> None:
    log = MemoryLog()
    assert log.outcomes[log.say("lineproof.quality.v1", {})].status == "ignored"


def test_the_state_survives_json_and_goes_on_as_if_never_stored() -> None:
    log = MemoryLog()
    log.register(NEW, notAfter="2030-01-01T00:00:00Z", label="ci")
    log.revoke(PRODUCER.keyid, 3)
    log.policy(grants=[{"viewer": "x", "role": "reader"}], logRead="restricted", protectedAliases=["champion"])
    restored = Keyring.from_state(json.loads(json.dumps(log.keyring.to_state())))
    assert restored.to_state() == log.keyring.to_state()
    assert restored.policy == log.keyring.policy
    more = log.register(key("later"))
    entry = log.stored[more]
    assert restored.apply(more, parse_leaf(entry.leaf), entry.envelope) == log.outcomes[more]
    assert restored.to_state() == log.keyring.to_state()
    with pytest.raises(ValueError, match="version"):
        Keyring.from_state({"v": 0})
