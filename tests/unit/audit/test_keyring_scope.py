"""What a key may say: event types, sources, namespaces, tenants."""
from __future__ import annotations

from typing import Any

import pytest

from lineproof_audit.keyring import ADMIN_TYPES, KEYRING_TYPES, SERVICE_TYPES, KeyVerdict
from tests.unit.audit.memory_log import ADMIN, LOG, NOTARY, OTHER_TENANT, PRODUCER, SOURCE, TENANT, MemoryLog, key

NEW = key("new")


def check(log: MemoryLog, keyid: str, **changes: Any) -> KeyVerdict:
    facts: dict[str, Any] = {"event_type": "lineproof.quality.v1", "source": SOURCE, "namespaces_written": ["warehouse"], "received": 0, "tenant": TENANT}
    return log.keyring.check(keyid, len(log.stored), **{**facts, **changes})


def scoped(**scope: Any) -> MemoryLog:
    log = MemoryLog()
    log.register(NEW, scope=scope)
    return log


def test_within_its_scope_a_key_is_good() -> None:
    assert check(MemoryLog(), PRODUCER.keyid) == KeyVerdict(True)


@pytest.mark.parametrize(("namespaces", "namespace", "allowed"), [
    ([], "warehouse", False), (["*"], "anything", True), (["ware"], "warehouse", True), (["warehouse"], "ware", False), (["a", "b"], "b/c", True),
    (["*", "a"], "b", False), ([""], "anything", True),
])
def test_namespaces_are_prefixes_and_a_lone_star_is_all(namespaces: list[str], namespace: str, allowed: bool) -> None:
    log = scoped(namespaces=namespaces)
    verdict = check(log, NEW.keyid, namespaces_written=[namespace])
    assert (verdict.ok, verdict.code) == ((True, None) if allowed else (False, "out-of-scope"))
    assert log.keyring.may_write(NEW.keyid, namespace, len(log.stored), TENANT) is allowed


def test_every_namespace_written_must_be_allowed() -> None:
    assert check(MemoryLog(), PRODUCER.keyid, namespaces_written=["warehouse", "payroll"]).code == "out-of-scope"


@pytest.mark.parametrize(("event_types", "event_type", "allowed"), [
    (["lineproof.quality.v1"], "lineproof.quality.v1", True), (["lineproof.quality.v1"], "lineproof.quality.v12", False),
    (["lineproof.*"], "lineproof.cost.v1", True), (["openlineage.*"], "lineproof.cost.v1", False), ([], "lineproof.cost.v1", False),
    (["*"], "openlineage.run", True),
])
def test_event_types_are_exact_or_end_in_a_star(event_types: list[str], event_type: str, allowed: bool) -> None:
    assert check(scoped(namespaces=["*"], eventTypes=event_types), NEW.keyid, event_type=event_type).ok is allowed


@pytest.mark.parametrize(("sources", "allowed"), [(["https://ci.example/"], True), (["*"], True), (["https://other"], False), ([], False)])
def test_sources_are_prefixes(sources: list[str], allowed: bool) -> None:
    assert check(scoped(namespaces=["*"], sources=sources), NEW.keyid).ok is allowed


@pytest.mark.parametrize("event_type", sorted(SERVICE_TYPES))
def test_what_the_log_says_of_itself_no_producer_may_say(event_type: str) -> None:
    assert check(scoped(namespaces=["*"], eventTypes=["*"]), NEW.keyid, event_type=event_type).code == "out-of-scope"


def test_a_key_speaks_for_its_own_tenant_only() -> None:
    assert check(MemoryLog(), PRODUCER.keyid, tenant=OTHER_TENANT).code == "out-of-scope"


def test_a_namespace_of_another_tenant_is_out_of_scope_whatever_the_key_allows() -> None:
    log = scoped(namespaces=["*"])
    log.policy(tenants=[{"id": TENANT, "name": "one", "prefixes": [""]}, {"id": OTHER_TENANT, "name": "two", "prefixes": ["payroll"]}])
    assert check(log, NEW.keyid, namespaces_written=["payroll.salaries"]).code == "out-of-scope"
    assert check(log, NEW.keyid, namespaces_written=["pay"]).ok
    assert check(log, NOTARY.keyid, namespaces_written=["payroll.salaries"]).code == "out-of-scope"
    assert check(log, NOTARY.keyid, namespaces_written=["payroll.salaries"], tenant=OTHER_TENANT).ok


def test_the_owner_of_a_namespace_is_the_one_at_that_index() -> None:
    log = scoped(namespaces=["*"])
    before = log.say("lineproof.quality.v1", {}, NEW)
    log.policy(tenants=[{"id": OTHER_TENANT, "name": "two", "prefixes": [""]}])
    assert log.keyring.may_write(NEW.keyid, "warehouse", before, TENANT)
    assert not log.keyring.may_write(NEW.keyid, "warehouse", len(log.stored), TENANT)


def test_an_admin_key_speaks_of_keys_policy_and_erasures_only() -> None:
    log = MemoryLog()
    assert all(check(log, ADMIN.keyid, event_type=item, namespaces_written=[]).ok for item in ADMIN_TYPES)
    assert check(log, ADMIN.keyid).code == "out-of-scope"


def test_the_notary_speaks_of_anything_but_keys_and_policy() -> None:
    log = MemoryLog()
    assert check(log, NOTARY.keyid, event_type="openlineage.run").ok
    assert all(check(log, NOTARY.keyid, event_type=item).code == "out-of-scope" for item in KEYRING_TYPES)


def test_a_log_key_signs_no_entries() -> None:
    assert check(MemoryLog(), LOG.keyid).code == "out-of-scope"


def test_validity_comes_before_scope() -> None:
    log = MemoryLog()
    log.revoke(PRODUCER.keyid, 1)
    assert check(log, PRODUCER.keyid, namespaces_written=["payroll"]).code == "revoked-key"
    assert check(log, NEW.keyid).code == "unknown-key"
    assert not log.keyring.may_write(key("nobody").keyid, "warehouse", 9, TENANT)
