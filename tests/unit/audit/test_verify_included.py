"""Level `included`: what a bundle proves, and everything that must break it."""
from __future__ import annotations

import json
from typing import Any

import pytest

from lineproof_audit.envelope import PAYLOAD_CLOUDEVENT, sign_envelope
from lineproof_audit.errors import AuditError, PositionBeyondLog
from lineproof_audit.keyring import KEY
from lineproof_audit.leaf import SYSTEM_TENANT
from lineproof_audit.verify import LEVELS, Verdict, verify_bundle
from tests.unit.audit.memory_log import ADMIN, LOG, NOTARY, ORIGIN, PRODUCER, MemoryLog, genesis_data, key, trust

NEW = key("new")


def log_with(count: int = 5) -> tuple[MemoryLog, list[int]]:
    log = MemoryLog()
    return log, [log.say("lineproof.quality.v1", {"check": str(number)}) for number in range(count)]


def failures(verdict: Verdict) -> str:
    assert not verdict.ok
    assert verdict.code == "invalid-proof"
    return " | ".join(verdict.reasons["included"])


def test_cited_entries_are_shown_to_be_in_the_log() -> None:
    log, entries = log_with()
    verdict = verify_bundle(log.sign().bundle(entries[1], entries[3]), trust())
    assert (verdict.ok, verdict.code, verdict.levels, verdict.notes) == (True, "ok", ("included",), ())
    assert verdict.checkpoint is not None
    assert verdict.checkpoint.size == len(log.stored)
    assert "2 cited entries are in the log log.example/unit" in verdict.statement


def test_the_statement_says_what_is_not_shown() -> None:
    log, entries = log_with()
    verdict = verify_bundle(log.sign().bundle(entries[0]), trust())
    assert "A revocation could be hidden" in verdict.statement
    assert "Not shown: that the answer follows from these entries" in verdict.statement


def test_a_changed_answer_is_not_noticed_at_this_level_and_the_statement_does_not_claim_it() -> None:
    log, entries = log_with()
    bundle = {**log.sign().bundle(entries[0]), "answer": "somebody else did it"}
    verdict = verify_bundle(bundle, trust())
    assert verdict.ok
    assert "that the answer follows" in verdict.statement.split("Not shown")[1]


def test_without_a_trust_file_nothing_is_anchored() -> None:
    log, entries = log_with()
    verdict = verify_bundle(log.sign().bundle(entries[0]), None)
    assert (verdict.ok, verdict.code, verdict.levels) == (False, "unanchored", ())
    assert "could have made the log" in verdict.statement


def test_the_log_key_comes_from_the_trust_file_and_never_from_the_bundle() -> None:
    log, entries = log_with()
    forged = log.sign(key("forger")).bundle(entries[0])
    assert "no known key signed" in failures(verify_bundle(forged, trust()))
    assert "names no log" in failures(verify_bundle(log.sign().bundle(entries[0]), trust(origin="other.example/log")))


def test_the_genesis_entry_must_name_the_trusted_key_and_the_origin() -> None:
    log = MemoryLog(genesis=False)
    log.say("lineproof.genesis.v1", {**genesis_data(), "origin": "other.example/log"}, ADMIN, "ADMIN", SYSTEM_TENANT)
    log.register(PRODUCER)
    entry = log.say("lineproof.quality.v1", {})
    assert "no genesis entry that names this origin" in failures(verify_bundle(log.sign().bundle(entry), trust()))


def test_a_signer_whose_registration_is_not_shown_is_unknown() -> None:
    log, entries = log_with()
    bundle = log.sign().bundle(entries[0])
    bundle["keyEntries"] = [entry for entry in bundle["keyEntries"] if entry["index"] != log.keyring.history()[-1].registered_at]
    assert "no key entry shown registers its signer" in failures(verify_bundle(bundle, trust()))


def test_an_entry_of_a_revoked_key_is_not_good() -> None:
    log, _ = log_with()
    log.revoke(PRODUCER.keyid, len(log.stored))
    late = log.say("lineproof.quality.v1", {})
    assert "valid up to entry" in failures(verify_bundle(log.sign().bundle(late), trust()))


def test_a_disputed_entry_is_good_and_said_to_be_disputed() -> None:
    log, entries = log_with()
    log.revoke(PRODUCER.keyid, entries[0])
    verdict = verify_bundle(log.sign().bundle(entries[2]), trust())
    assert verdict.ok
    assert verdict.notes == (f"entry {entries[2]} is disputed: its key was revoked later, back to before this entry",)


def test_an_erased_body_needs_the_erasure_entry() -> None:
    log, entries = log_with()
    erasure = log.erase(entries[1])
    log.sign()
    assert "its body is missing" in failures(verify_bundle(log.bundle(entries[1]), trust()))
    verdict = verify_bundle(log.bundle(entries[1], erasure), trust())
    assert verdict.ok
    assert verdict.notes == (f"entry {entries[1]}: its body was erased; that it was logged is shown, what it said is not",)


def test_a_producer_cannot_declare_a_body_erased() -> None:
    log, entries = log_with()
    log.drop_body(entries[1])
    claim = log.say("lineproof.erasure.v1", {"entry": entries[1], "reason": "inconvenient"})
    assert "its body is missing" in failures(verify_bundle(log.sign().bundle(entries[1], claim), trust()))


def test_a_body_the_named_signer_did_not_sign_is_not_good_whatever_the_log_commits_to() -> None:
    """What a dishonest log could do: log words of its own under a producer's key id."""
    log = MemoryLog()
    event = json.dumps({"type": "lineproof.quality.v1", "data": {}}).encode()
    entry = log.log(sign_envelope(PAYLOAD_CLOUDEVENT, event, NOTARY), "lineproof.quality.v1", PRODUCER, "PRODUCER")
    assert "does not verify under key" in failures(verify_bundle(log.sign().bundle(entry, with_leaves=True), trust()))


def test_a_leaf_that_misattributes_its_signer_is_not_good() -> None:
    log = MemoryLog()
    entry = log.say("lineproof.quality.v1", {}, NOTARY, "PRODUCER")
    assert "a notary key signed" in failures(verify_bundle(log.sign().bundle(entry), trust()))


def test_an_event_addressed_to_another_log_is_not_good() -> None:
    log = MemoryLog()
    here = log.say("lineproof.quality.v1", {}, audience=ORIGIN)
    elsewhere = log.say("lineproof.quality.v1", {}, audience="staging.example/log")
    log.sign()
    assert verify_bundle(log.bundle(here), trust()).ok
    assert "addressed to the log" in failures(verify_bundle(log.bundle(elsewhere), trust()))


def test_a_leaf_of_another_type_than_its_body_is_not_good() -> None:
    log = MemoryLog()
    entry = log.log(log.stored[2].envelope or b"", "lineproof.quality.v1", ADMIN, "ADMIN")
    assert "of another type" in failures(verify_bundle(log.sign().bundle(entry), trust()))


def test_a_key_entry_without_effect_is_noted_and_fails_nothing() -> None:
    log, entries = log_with()
    refused = log.register(NEW, admin=PRODUCER)
    verdict = verify_bundle(log.sign().bundle(entries[0], with_leaves=True), trust())
    assert verdict.ok
    assert verdict.notes == (f"entry {refused} changes no key or policy: not-signed-by-root-admin",)


def test_entries_of_admin_and_notary_verify_too() -> None:
    log = MemoryLog()
    wrapped = log.say("lineproof.derivation.v1", {}, NOTARY, "SERVICE")
    assert verify_bundle(log.sign().bundle(2, wrapped), trust()).ok
    assert log.stored[2].fields.event_type == KEY


def test_two_contents_for_one_index_are_refused() -> None:
    log, entries = log_with()
    bundle = log.sign().bundle(entries[0])
    other = {**bundle["entries"][0], "salt": None, "envelope": None}
    assert "stands twice" in failures(verify_bundle({**bundle, "entries": [*bundle["entries"], other]}, trust()))


def test_an_entry_beyond_the_checkpoint_cannot_be_bundled() -> None:
    log, _ = log_with()
    with pytest.raises(PositionBeyondLog, match="no checkpoint"):
        log.bundle(1)
    log.sign()
    late = log.say("lineproof.quality.v1", {})
    with pytest.raises(PositionBeyondLog, match="not covered"):
        log.bundle(late)


def test_a_level_this_verifier_does_not_know_is_a_usage_error() -> None:
    with pytest.raises(AuditError) as caught:
        verify_bundle({}, trust(), "certain")
    assert caught.value.code == "invalid-argument"


@pytest.mark.parametrize("bundle", [
    None, [], {}, {"format": "lineproof-bundle@v1"}, {"format": "lineproof-bundle@v2"},
    {"format": "lineproof-bundle@v1", "origin": ORIGIN, "toolVersion": "", "checkpoint": "", "entries": 1, "keyEntries": []},
    {"format": "lineproof-bundle@v1", "origin": ORIGIN, "toolVersion": "", "checkpoint": "", "entries": [{"index": "0"}], "keyEntries": []},
])
def test_a_malformed_bundle_gives_a_verdict_and_no_exception(bundle: object) -> None:
    verdict = verify_bundle(bundle, trust())
    assert (verdict.ok, verdict.code, set(verdict.reasons)) == (False, "invalid-proof", set(LEVELS))


def test_the_verdict_is_json() -> None:
    log, entries = log_with()
    document: dict[str, Any] = json.loads(json.dumps(verify_bundle(log.sign().bundle(entries[0]), trust()).to_json()))
    assert document["checkpoint"]["origin"] == ORIGIN
    assert document["levels"] == ["included"]
    assert LOG.keyid not in json.dumps(document)
