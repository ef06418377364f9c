"""Logs with everything that decides whether evidence is good: keys that come, go, rotate and expire, erasures, policies, and attempts at each."""
from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from lineproof_audit.base64text import encode_base64
from lineproof_audit.bindings import token_id
from lineproof_audit.envelope import PAYLOAD_CLOUDEVENT, PAYLOAD_INTOTO, PAYLOAD_OPENLINEAGE, sign_envelope
from lineproof_audit.keyring import KEY
from lineproof_audit.keys import SigningKey
from lineproof_audit.leaf import SYSTEM_TENANT
from lineproof_audit.possession import binding_statement
from lineproof_audit.trust import format_trust
from tests.unit.audit.memory_log import ADMIN, LOG, NOTARY, ORIGIN, OTHER_TENANT, PRODUCER, TENANT, MemoryLog, key, trust

__all__ = ["TRUST", "erased", "plain", "worlds"]

QUALITY = "lineproof.quality.v1"
NEW, JOB, LATER = key("new"), key("job"), key("later job")
ISSUER = "https://token.actions.githubusercontent.com"
SCOPE = {"namespaces": ["warehouse"], "eventTypes": ["*"], "sources": ["*"]}
CLAIMS = {"repository_id": "4711", "ref": "refs/heads/main", "event_name": "push"}
BINDING = {"id": "etl", "provider": "github", "issuer": ISSUER, "tenant": TENANT, "scope": SCOPE, "seconds": 3600,
           "claims": {"repository_id": ["4711"], "ref": ["refs/heads/main", "refs/tags/*"]}}
RECEIVED = 1_795_168_800_000_000  # 2026-11-20T10:00:00Z
NOT_AFTER = "2026-11-20T11:00:00Z"
TRUST = format_trust(trust().logs)


def worlds() -> Iterator[tuple[str, MemoryLog, list[int], str]]:
    """(name, signed log, entries to cite, trust file) of each."""
    for build in (plain, _rotations, _disputed, _revoked, erased, _withheld, _erased_by_a_producer, _own_entries, _openlineage_and_statements,
                  _a_payload_that_is_no_json, _addressed_elsewhere, _misattributed, _another_type, _unregistered, _unsigned_by_the_named, _expiring,
                  _second_admin, _repeated_key_in_body, _token_used_twice, _erased_by_the_notary):
        log, cited = build()
        yield build.__name__.strip("_").replace("_", " "), log.sign(), cited, TRUST
    log, cited = plain()
    log.rotate(LOG, NEW, purpose="log")
    yield "rotated log key", log.sign(NEW), cited, format_trust(trust(NEW).logs)
    yield "signed by a key that is not trusted", plain()[0].sign(key("other")), cited, TRUST
    yield "trust in a key the log does not name", plain()[0].sign(key("other")), cited, format_trust(trust(key("other")).logs)
    for number, data in enumerate(_strange_key_entries()):
        log = MemoryLog()
        log.say(KEY, data, ADMIN, "ADMIN", SYSTEM_TENANT)
        yield f"strange key entry {number}", log_signed(log, event := log.say(QUALITY, {}, NEW)), [event], TRUST
        if data["action"] == "register":
            continue
        log = MemoryLog()
        log.say(KEY, data, ADMIN, "ADMIN", SYSTEM_TENANT)
        yield f"the producer after strange key entry {number}", log_signed(log, event := log.say(QUALITY, {})), [event], TRUST
    for number, enrolment in enumerate(_enrolments()):
        log = MemoryLog()
        log.policy(bindings=[BINDING])
        _enrol(log, **enrolment)
        yield f"enrolment {number}", log_signed(log, event := log.say(QUALITY, {}, JOB, received=RECEIVED + 1)), [event], TRUST
    for number, policy in enumerate(_policies()):
        log = MemoryLog()
        log.policy(**{"bindings": [BINDING], **policy})
        _enrol(log)
        yield f"policy {number}", log_signed(log, event := log.say(QUALITY, {}, JOB, received=RECEIVED + 1)), [event], TRUST


def log_signed(log: MemoryLog, event: int) -> MemoryLog:
    """The log with a checkpoint over that event."""
    assert event == len(log.stored) - 1
    return log.sign()


def plain() -> tuple[MemoryLog, list[int]]:
    """A log and the entries to cite: three good ones."""
    log = MemoryLog()
    said = [log.say(QUALITY, {"check": "“é” \U0001f600", "share": 0.5, "rows": 10**18}) for _ in range(6)]
    return log, [said[0], said[2], said[5]]


def _rotations() -> tuple[MemoryLog, list[int]]:
    log = MemoryLog()
    cited = [log.say(QUALITY, {})]
    log.rotate(PRODUCER, NEW)
    cited += [log.say(QUALITY, {}), log.say(QUALITY, {}, NEW)]
    log.rotate(NEW, LATER, lastValid=len(log.stored) - 1)
    cited.append(log.say(QUALITY, {}, LATER))
    log.rotate(NOTARY, key("notary two"), purpose="notary")
    cited.append(log.say("lineproof.derivation.v1", {}, key("notary two"), "SERVICE"))
    return log, cited


def _disputed() -> tuple[MemoryLog, list[int]]:
    log = MemoryLog()
    cited = [log.say(QUALITY, {}), log.say(QUALITY, {})]
    log.revoke(PRODUCER.keyid, cited[0])
    return log, cited


def _revoked() -> tuple[MemoryLog, list[int]]:
    log = MemoryLog()
    log.revoke(PRODUCER.keyid, len(log.stored))
    return log, [log.say(QUALITY, {})]


def erased() -> tuple[MemoryLog, list[int]]:
    """One of the entries to cite has lost its body, and another says so."""
    log = MemoryLog()
    gone = log.say(QUALITY, {})
    return log, [gone, log.erase(gone), log.say(QUALITY, {})]


def _withheld() -> tuple[MemoryLog, list[int]]:
    log = MemoryLog()
    gone = log.say(QUALITY, {})
    log.erase(gone)
    return log, [gone]


def _erased_by_a_producer() -> tuple[MemoryLog, list[int]]:
    log = MemoryLog()
    gone = log.say(QUALITY, {})
    log.drop_body(gone)
    return log, [gone, log.say("lineproof.erasure.v1", {"entry": gone})]


def _erased_by_the_notary() -> tuple[MemoryLog, list[int]]:
    log = MemoryLog()
    gone = log.say(QUALITY, {})
    log.drop_body(gone)
    return log, [gone, log.say("lineproof.erasure.v1", {"entry": gone, "reason": "asked for"}, NOTARY, "SERVICE", SYSTEM_TENANT)]


def _own_entries() -> tuple[MemoryLog, list[int]]:
    log = MemoryLog()
    return log, [0, 1, 2, log.say("lineproof.access.v1", {}, NOTARY, "SERVICE", SYSTEM_TENANT), log.say(QUALITY, {}, LOG, "SERVICE")]


def _openlineage_and_statements() -> tuple[MemoryLog, list[int]]:
    log = MemoryLog()
    facet = {"lineproof_producer": {"audience": ORIGIN}}
    events = [(PAYLOAD_OPENLINEAGE, "openlineage.run", {"run": {"facets": facet}, "job": {"name": "x"}}), (PAYLOAD_OPENLINEAGE, "openlineage.job", {"job": {}}),
              (PAYLOAD_OPENLINEAGE, "openlineage.dataset", {"dataset": {"facets": facet}, "n": 1e300}),
              (PAYLOAD_INTOTO, "in-toto.other", {"predicateType": "https://x.example/v1"}), (PAYLOAD_INTOTO, "https://slsa.dev/provenance/v1", {
                  "predicateType": "https://slsa.dev/provenance/v1", "predicate": {"lineproof_producer": {"audience": ORIGIN}}})]
    cited = [log.log(sign_envelope(kind, json.dumps(body).encode(), PRODUCER), event, PRODUCER, "PRODUCER", media_type=kind) for kind, event, body in events]
    twice = sign_envelope(PAYLOAD_OPENLINEAGE, b'{"job": {}, "job": {"a": 1}}', PRODUCER)
    return log, [*cited, log.log(twice, "openlineage.job", PRODUCER, "PRODUCER", media_type=PAYLOAD_OPENLINEAGE)]


def _a_payload_that_is_no_json() -> tuple[MemoryLog, list[int]]:
    log = MemoryLog()
    body = sign_envelope(PAYLOAD_OPENLINEAGE, b'{"job": {}, "x": [NaN, -Infinity]}', PRODUCER)
    return log, [log.log(body, "openlineage.job", PRODUCER, "PRODUCER", media_type=PAYLOAD_OPENLINEAGE)]


def _addressed_elsewhere() -> tuple[MemoryLog, list[int]]:
    log = MemoryLog()
    return log, [log.say(QUALITY, {}, audience=ORIGIN), log.say(QUALITY, {}, audience="log.example/other")]


def _misattributed() -> tuple[MemoryLog, list[int]]:
    log = MemoryLog()
    return log, [log.say(QUALITY, {}, PRODUCER, "SERVICE")]


def _another_type() -> tuple[MemoryLog, list[int]]:
    log = MemoryLog()
    body = sign_envelope(PAYLOAD_CLOUDEVENT, json.dumps({"type": "lineproof.cost.v1", "data": {}}).encode(), PRODUCER)
    return log, [log.log(body, QUALITY, PRODUCER, "PRODUCER")]


def _unregistered() -> tuple[MemoryLog, list[int]]:
    log = MemoryLog()
    return log, [log.say(QUALITY, {}, NEW)]


def _unsigned_by_the_named() -> tuple[MemoryLog, list[int]]:
    log = MemoryLog()
    body = sign_envelope(PAYLOAD_CLOUDEVENT, json.dumps({"type": QUALITY, "data": {}}).encode(), NEW)
    return log, [log.log(body, QUALITY, PRODUCER, "PRODUCER")]


def _expiring() -> tuple[MemoryLog, list[int]]:
    log = MemoryLog()
    log.register(NEW, notAfter="2026-11-20T10:00:00.5+00:00")
    return log, [log.say(QUALITY, {}, NEW, received=RECEIVED + 500_000), log.say(QUALITY, {}, NEW, received=RECEIVED + 500_001)]


def _second_admin() -> tuple[MemoryLog, list[int]]:
    log = MemoryLog()
    other = key("second admin")
    log.register(other, purpose="admin")
    log.register(NEW, admin=other)
    cited = [log.say(QUALITY, {}, NEW)]
    log.revoke(ADMIN.keyid, len(log.stored) - 1, admin=other)
    log.register(LATER)
    return log, [*cited, log.say(QUALITY, {}, LATER)]


def _repeated_key_in_body() -> tuple[MemoryLog, list[int]]:
    log = MemoryLog()
    data = json.dumps({"action": "register", "keyId": NEW.keyid, "publicKey": encode_base64(NEW.verify_key.spki), "tenant": TENANT, "scope": SCOPE})
    twice = sign_envelope(PAYLOAD_CLOUDEVENT, f'{{"type":"{KEY}","data":{{}},"data":{data}}}'.encode(), ADMIN)
    log.log(twice, KEY, ADMIN, "ADMIN", SYSTEM_TENANT)
    return log, [log.say(QUALITY, {}, NEW)]


def _strange_key_entries() -> Iterator[dict[str, Any]]:
    public = {"keyId": NEW.keyid, "publicKey": encode_base64(NEW.verify_key.spki)}
    good = {"action": "register", **public, "tenant": TENANT, "scope": SCOPE}
    yield good
    yield from ({**good, **change} for change in (
        {"keyId": "0" * 64}, {"keyId": NEW.keyid.upper()}, {"publicKey": None}, {"publicKey": "AAAA"}, {"tenant": None}, {"tenant": "A" * 32}, {"scope": None},
        {"scope": {"namespaces": "warehouse"}}, {"scope": {}}, {"scope": {"eventTypes": [1]}}, {"purpose": "owner"}, {"purpose": None}, {"purpose": "log"},
        {"purpose": "notary"}, {"label": 7}, {"label": "ü"}, {"reason": []}, {"notAfter": "tomorrow"}, {"notAfter": "2099-01-01T00:00:00"},
        {"notAfter": "2099-01-01T00:00:00Z"}, {"notAfter": "2099-02-30T00:00:00Z"}, {"lastValid": 1.0}, {"lastValid": True}, {"lastValid": 2**60},
        {"replaces": "x"}, {"oldSignature": "AA=="}, {"action": "grant"}, {"action": "rotate"}, {"enrolment": {}}, {"unknown": "field"}))
    yield {"action": "revoke", "keyId": PRODUCER.keyid, "lastValid": 3}
    yield {"action": "revoke", "keyId": PRODUCER.keyid, "lastValid": 1000}
    yield {"action": "revoke", "keyId": PRODUCER.keyid, "lastValid": "3"}
    yield {"action": "revoke", "keyId": PRODUCER.keyid, "lastValid": 3.0}
    yield {"action": "revoke", "keyId": ADMIN.keyid, "lastValid": 3}


def _enrolments() -> Iterator[dict[str, Any]]:
    yield {}
    for change in ({"repository_id": "4712"}, {"ref": "refs/heads/x"}, {"ref": "refs/tags/v1"}, {"ref": "refs/tags"}, {"event_name": "pull_request"},
                   {"event_name": "workflow_dispatch"}):
        yield {"claims": {**CLAIMS, **change}}
    yield {"claims": {"ref": "refs/heads/main", "event_name": "push"}}
    yield {"claims": {"repository_id": "4711", "ref": "refs/heads/main"}}
    yield {"enrolment": {"issuer": "https://issuer.example"}}
    yield {"enrolment": {"binding": "other"}}
    yield {"enrolment": {"token": "6" * 64}}
    yield {"tenant": OTHER_TENANT}
    yield {"scope": {**SCOPE, "namespaces": ["*"]}}
    yield {"scope": {"namespaces": ["warehouse"]}}
    yield {"notAfter": "2026-11-20T11:00:01Z"}
    yield {"notAfter": "2026-11-20T12:00:00.000000+01:00"}
    yield {"notAfter": "2026-11-20T10:00:00.000000Z"}
    yield {"notAfter": None}
    yield {"purpose": "admin"}
    yield {"signer": ADMIN}
    yield {"signer": PRODUCER}


def _policies() -> Iterator[dict[str, Any]]:
    tenants = [{"id": TENANT, "name": "default", "prefixes": [""]}]
    other = {"id": OTHER_TENANT, "name": "o", "prefixes": ["x"]}
    yield {"tenants": [*tenants, other], "grants": [{"viewer": "v", "role": "auditor", "prefixes": ["x"], "ceiling": "internal"}],
           "protectedAliases": ["champion"]}
    for tenant in ([{**other, "prefixes": [""]}], [{**other, "id": TENANT}], [{**other, "id": SYSTEM_TENANT}], [{**other, "name": ""}], [{**other, "id": "x"}]):
        yield {"tenants": [*tenants, *tenant]}
    yield from ({"tenants": None}, {"grants": [{"viewer": "v", "role": "emperor"}]}, {"grants": [{"role": "reader"}]}, {"logRead": "everybody"},
                {"logRead": "restricted"}, {"protectedAliases": "champion"}, {"previous": "1"}, {"previous": True}, {"previous": None}, {"previous": 0})
    for change in ({"provider": "gitea"}, {"issuer": "http://issuer.example"}, {"issuer": f"{ISSUER}?x"}, {"claims": {"ref": ["refs/heads/main"]}},
                   {"seconds": 59}, {"claims": {"repository_id": ["47*"]}}, {"seconds": 3599}, {"seconds": 86_401}, {"scope": None}, {"tenant": None}):
        yield {"bindings": [{**BINDING, **change}]}
    yield {"bindings": [BINDING, BINDING]}
    yield {"bindings": [{**BINDING, "id": "first"}, BINDING]}


def _token_used_twice() -> tuple[MemoryLog, list[int]]:
    log = MemoryLog()
    log.policy(bindings=[BINDING])
    _enrol(log)
    _enrol(log, LATER)
    return log, [log.say(QUALITY, {}, JOB, received=RECEIVED), log.say(QUALITY, {}, LATER, received=RECEIVED)]


def _enrol(log: MemoryLog, job: SigningKey = JOB, *, claims: dict[str, str] | None = None, enrolment: dict[str, Any] | None = None, signer: SigningKey = NOTARY,
           **fields: Any) -> None:
    token = "5" * 64
    rests_on = {"binding": "etl", "issuer": ISSUER, "token": token, "tokenId": token_id(ISSUER, "one"), "claims": claims or CLAIMS,
                "possession": encode_base64(job.sign(binding_statement(ORIGIN, job.keyid, token))), **(enrolment or {})}
    data = {"action": "register", "keyId": job.keyid, "publicKey": encode_base64(job.verify_key.spki), "tenant": TENANT, "scope": SCOPE, "notAfter": NOT_AFTER,
            "enrolment": rests_on, **fields}
    log.say(KEY, data, signer, "SERVICE" if signer is NOTARY else "ADMIN", SYSTEM_TENANT, RECEIVED)
