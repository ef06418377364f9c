"""Policy: compare-and-set, tenants by longest prefix, by index."""
from __future__ import annotations

from typing import Any

import pytest

from lineproof_audit.keyring import POLICY
from lineproof_audit.leaf import SYSTEM_TENANT
from tests.unit.audit.memory_log import NOTARY, OTHER_TENANT, TENANT, MemoryLog


def tenants(**prefixes: list[str]) -> list[dict[str, Any]]:
    return [{"id": {"one": TENANT, "two": OTHER_TENANT}[name], "name": name, "prefixes": owned} for name, owned in prefixes.items()]


def test_the_longest_matching_prefix_owns_a_namespace() -> None:
    log = MemoryLog()
    log.policy(tenants=tenants(one=["", "payroll/public"], two=["payroll"]))
    owners = {namespace: log.keyring.tenant_of(namespace) for namespace in ("x", "payroll", "payroll/x", "payroll/public/y")}
    assert owners == {"x": TENANT, "payroll": OTHER_TENANT, "payroll/x": OTHER_TENANT, "payroll/public/y": TENANT}


def test_a_namespace_nobody_owns_has_no_tenant() -> None:
    log = MemoryLog()
    log.policy(tenants=tenants(two=["payroll"]))
    assert log.keyring.tenant_of("warehouse") is None
    assert MemoryLog(genesis=False).keyring.tenant_of("warehouse") is None


def test_a_policy_replaces_the_one_it_names_and_no_other() -> None:
    log = MemoryLog()
    first = log.keyring.policy_index
    second = log.policy(logRead="restricted")
    stale = log.policy(previous=first, logRead="public")
    assert log.outcomes[stale].status == "rejected"
    assert log.outcomes[stale].reason == f"previous-mismatch: the policy in force is entry {second}"
    assert log.outcomes[log.policy(previous=None)].status == "rejected"
    assert log.keyring.policy_index == second
    assert log.keyring.policy is not None
    assert log.keyring.policy.log_read == "restricted"


def test_the_policy_of_an_entry_is_the_last_one_before_it() -> None:
    log = MemoryLog()
    first = log.keyring.policy_index
    assert first is not None
    second = log.policy(tenants=tenants(two=[""]))
    assert log.keyring.policy_at(first) is None
    assert log.keyring.tenant_of("x", second) == TENANT
    assert log.keyring.tenant_of("x", second + 1) == OTHER_TENANT


@pytest.mark.parametrize("body", [
    {"tenants": [*tenants(one=["a"]), *tenants(two=["a"])]}, {"tenants": [*tenants(one=["a"]), *tenants(one=["b"])]},
    {"tenants": [{"id": SYSTEM_TENANT, "name": "system"}]}, {"tenants": [{"id": "x", "name": "n"}]}, {"tenants": [{"id": TENANT, "name": ""}]},
    {"tenants": None}, {"grants": [{"viewer": "v", "role": "emperor"}]}, {"grants": [{"role": "reader"}]}, {"logRead": "everybody"},
    {"protectedAliases": "champion"}, {"previous": "1"}, {"previous": True}, {"previous": -1},
])
def test_a_policy_that_makes_no_sense_is_rejected(body: dict[str, Any]) -> None:
    log = MemoryLog()
    before = log.keyring.to_state()
    outcome = log.outcomes[log.policy(**body)]
    assert (outcome.status, (outcome.reason or "").split(":")[0]) == ("rejected", "invalid-body")
    assert log.keyring.to_state() == before


def test_only_an_admin_sets_policy() -> None:
    log = MemoryLog()
    at = log.say(POLICY, {"previous": log.keyring.policy_index, "tenants": tenants(two=[""])}, NOTARY, "SERVICE", SYSTEM_TENANT)
    assert log.outcomes[at].reason == "not-signed-by-root-admin"


def test_grants_and_protected_aliases_are_read() -> None:
    log = MemoryLog()
    log.policy(grants=[{"viewer": "v", "role": "auditor", "prefixes": ["warehouse"], "ceiling": "internal"}, {"viewer": "w", "role": "reader"}],
               protectedAliases=["champion"])
    policy = log.keyring.policy
    assert policy is not None
    assert [(grant.viewer, grant.role, grant.prefixes, grant.ceiling) for grant in policy.grants] == [
        ("v", "auditor", ("warehouse",), "internal"), ("w", "reader", ("",), None)]
    assert policy.protected_aliases == ("champion",)
