"""Short-lived keys of CI jobs: what the fold lets the notary register, and nothing beyond the policy."""
from __future__ import annotations

import json
from typing import Any

import pytest

from lineproof_audit.base64text import encode_base64
from lineproof_audit.bindings import token_id
from lineproof_audit.keyrecord import record_from_state, record_to_state
from lineproof_audit.keyring import KEY, Keyring
from lineproof_audit.leaf import SYSTEM_TENANT
from lineproof_audit.possession import binding_statement
from lineproof_audit.verify import verify_bundle
from tests.unit.audit.memory_log import ADMIN, NOTARY, ORIGIN, OTHER_TENANT, PRODUCER, TENANT, MemoryLog, key, trust

ISSUER = "https://token.actions.githubusercontent.com"
JOB, LATER = key("job"), key("later job")
SCOPE = {"namespaces": ["warehouse"], "eventTypes": ["openlineage.*", "lineproof.quality.v1"], "sources": ["*"]}
BINDING = {"id": "etl", "provider": "github", "issuer": ISSUER, "tenant": TENANT, "scope": SCOPE, "seconds": 3600,
           "claims": {"repository_id": ["4711"], "ref": ["refs/heads/main", "refs/tags/*"]}}
CLAIMS = {"repository_id": "4711", "ref": "refs/heads/main", "event_name": "push", "run_id": "99"}
RECEIVED = 1_795_168_800_000_000  # 2026-11-20T10:00:00Z
NOT_AFTER = "2026-11-20T11:00:00Z"


def bound_log(**binding: Any) -> MemoryLog:
    log = MemoryLog()
    log.policy(bindings=[{**BINDING, **binding}])
    return log


def enrol(log: MemoryLog, job: Any = JOB, *, jti: str = "one", signer: Any = NOTARY, possession: bytes | None = None, enrolment: dict[str, Any] | None = None,
          **fields: Any) -> int:
    token = "5" * 64
    proof = possession if possession is not None else job.sign(binding_statement(ORIGIN, job.keyid, token))
    rests_on = {"binding": "etl", "issuer": ISSUER, "token": token, "tokenId": token_id(ISSUER, jti), "claims": CLAIMS, "possession": encode_base64(proof),
                **(enrolment or {})}
    data = {"action": "register", "keyId": job.keyid, "publicKey": encode_base64(job.verify_key.spki), "tenant": TENANT, "scope": SCOPE, "notAfter": NOT_AFTER,
            "enrolment": rests_on, **fields}
    return log.say(KEY, data, signer, "SERVICE" if signer is NOTARY else "ADMIN", SYSTEM_TENANT, RECEIVED)


def test_a_job_inside_the_policy_gets_a_key_that_expires() -> None:
    log = bound_log()
    at = enrol(log)
    assert log.outcomes[at].status == "applied"
    assert log.keyring.validity(JOB.keyid, at + 1, RECEIVED).ok
    assert log.keyring.validity(JOB.keyid, at + 1, RECEIVED + 3_600_000_001).code == "revoked-key"
    said = {"source": "x", "namespaces_written": ["warehouse/a"], "received": RECEIVED, "tenant": TENANT}
    assert log.keyring.check(JOB.keyid, at + 1, event_type="openlineage.run", **said).ok
    assert log.keyring.check(JOB.keyid, at + 1, event_type="lineproof.alias.v1", **said).code == "out-of-scope"
    record = log.keyring.key(JOB.keyid)
    assert record is not None
    assert record.state_at(at + 1, RECEIVED) == "valid"
    assert record.state_at(at + 1, RECEIVED + 3_600_000_001) == "expired"
    assert record_from_state(json.loads(json.dumps(record_to_state(record)))) == record


@pytest.mark.parametrize(("change", "reason"), [
    ({"enrolment": {"claims": {**CLAIMS, "repository_id": "4712"}}}, "outside-binding: repository_id '4712' is not one of the binding's"),  # a fork
    ({"enrolment": {"claims": {name: value for name, value in CLAIMS.items() if name != "repository_id"}}}, "outside-binding: repository_id None"),
    ({"enrolment": {"claims": {**CLAIMS, "ref": "refs/heads/feature"}}}, "outside-binding: ref is 'refs/heads/feature'"),
    ({"enrolment": {"claims": {**CLAIMS, "ref": "refs/tags"}}}, "outside-binding: ref is 'refs/tags'"),
    ({"enrolment": {"claims": {**CLAIMS, "event_name": "pull_request_target"}}}, "outside-binding: event_name is 'pull_request_target'"),
    ({"enrolment": {"claims": {**CLAIMS, "event_name": "pull_request"}}}, "outside-binding: event_name is 'pull_request'"),
    ({"enrolment": {"claims": {"repository_id": "4711", "ref": "refs/heads/main"}}}, "outside-binding: event_name is None"),
    ({"enrolment": {"issuer": "https://issuer.example"}}, "outside-binding: issuer, tenant or scope"),
    ({"enrolment": {"binding": "other"}}, "no-binding"),
    ({"tenant": OTHER_TENANT}, "outside-binding: issuer, tenant or scope"),
    ({"scope": {**SCOPE, "namespaces": ["*"]}}, "outside-binding: issuer, tenant or scope"),
    ({"notAfter": "2026-11-20T11:00:01Z"}, "outside-binding: notAfter"),
    ({"notAfter": None}, "invalid-body: an enrolment registers a producer key with notAfter"),
    ({"purpose": "admin"}, "invalid-body: an enrolment registers"),
    ({"possession": LATER.sign(b"anything")}, "no-possession"),
    ({"possession": JOB.sign(binding_statement("log.example/other", JOB.keyid, "5" * 64))}, "no-possession"),
    ({"possession": JOB.sign(binding_statement(ORIGIN, JOB.keyid, "6" * 64))}, "no-possession"),
    ({"signer": PRODUCER}, "not-signed-by-root-admin"),
    ({"signer": ADMIN}, "enrolment-not-by-notary"),
])
def test_the_notary_registers_nothing_beyond_the_policy(change: dict[str, Any], reason: str) -> None:
    log = bound_log()
    at = enrol(log, **change)
    assert log.outcomes[at].status == "rejected"
    assert (log.outcomes[at].reason or "").startswith(reason)
    assert log.keyring.key(JOB.keyid) is None
    assert not log.keyring.is_used(token_id(ISSUER, "one"))


def test_a_token_is_good_for_one_key_and_a_rejected_use_does_not_spend_it() -> None:
    log = bound_log()
    enrol(log, possession=b"\0" * 64)
    assert log.outcomes[enrol(log)].status == "applied"
    assert log.outcomes[enrol(log, LATER)].reason == "token-used"
    assert log.outcomes[enrol(log, LATER, jti="two")].status == "applied"


def test_the_policy_in_force_at_the_entry_decides() -> None:
    log = MemoryLog()
    assert log.outcomes[enrol(log)].reason == "no-binding"
    log.policy(bindings=[BINDING])
    assert log.outcomes[enrol(log)].status == "applied"
    log.policy(bindings=[])
    assert log.outcomes[enrol(log, LATER, jti="two")].reason == "no-binding"


def test_an_event_from_outside_is_let_in_only_when_the_policy_names_it() -> None:
    claims = {**CLAIMS, "event_name": "pull_request"}
    log = bound_log(claims={**BINDING["claims"], "event_name": ["push", "pull_request"]})  # type: ignore[dict-item]
    assert log.outcomes[enrol(log, enrolment={"claims": claims})].status == "applied"
    assert log.outcomes[enrol(log, LATER, jti="two", enrolment={"claims": {**CLAIMS, "event_name": "schedule"}})].status == "rejected"


def test_gitlab_jobs_are_matched_by_project_number_and_merge_requests_refused() -> None:
    issuer = "https://gitlab.example"
    log = bound_log(provider="gitlab", issuer=issuer, claims={"project_id": ["22"], "ref_protected": ["true"]})
    good = {"project_id": "22", "ref_protected": "true", "pipeline_source": "push"}
    for number, (claims, status) in enumerate([(good, "applied"), ({**good, "project_id": "23"}, "rejected"), ({**good, "ref_protected": "false"}, "rejected"),
                                               ({**good, "pipeline_source": "merge_request_event"}, "rejected")]):
        at = enrol(log, key(f"gitlab {number}"), jti=str(number), enrolment={"issuer": issuer, "claims": claims})
        assert log.outcomes[at].status == status, claims


def test_a_short_lived_key_can_be_revoked_and_is_not_rotated() -> None:
    log = bound_log()
    at = enrol(log)
    assert (log.outcomes[log.rotate(JOB, LATER)].reason or "").startswith("short-lived-key")
    log.revoke(JOB.keyid, at)
    assert log.keyring.validity(JOB.keyid, len(log.stored), RECEIVED).code == "revoked-key"


def test_the_state_leaves_short_lived_keys_out_and_takes_them_back_one_by_one() -> None:
    log = bound_log()
    enrol(log)
    record = log.keyring.key(JOB.keyid)
    assert record is not None
    state = json.dumps(log.keyring.to_state())
    assert JOB.keyid not in state
    restored = Keyring.from_state(json.loads(state))
    restored.know(record)
    restored.know_token(token_id(ISSUER, "one"))
    assert restored.key(JOB.keyid) == record
    assert restored.is_used(token_id(ISSUER, "one"))
    copied = log.keyring.copy()
    assert copied.key(JOB.keyid) == record
    assert copied.is_used(token_id(ISSUER, "one"))


def test_a_bundle_shows_on_what_a_short_lived_key_rests() -> None:
    log = bound_log()
    registered = enrol(log)
    said = log.say("lineproof.quality.v1", {}, JOB, received=RECEIVED)
    bundle = log.sign().bundle(said)
    assert verify_bundle(bundle, trust()).ok
    bundle["keyEntries"] = [entry for entry in bundle["keyEntries"] if entry["index"] != registered]
    verdict = verify_bundle(bundle, trust())
    assert not verdict.ok
    assert "no key entry shown registers its signer" in verdict.reasons["included"][0]
