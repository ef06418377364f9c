"""The policy's grants over what a token was issued for."""
from __future__ import annotations

import pytest

from lineproof_audit.admin_bodies import Grant, Policy, Tenant
from metadata_service.access import Viewer
from metadata_service.access.grants import binding_of, granted

OURS, ME = "a" * 32, "1" * 64


def viewer(*roles: str, prefixes: tuple[str, ...] = ("",), ceiling: str = "restricted") -> Viewer:
    return Viewer(ME, OURS, frozenset(roles), prefixes, ceiling=ceiling, owners=(("", OURS),))


def policy(*grants: Grant) -> Policy:
    return Policy(None, (Tenant(OURS, "default", ("",)),), grants)


def test_without_grants_the_token_decides_alone() -> None:
    assert granted(viewer("reader"), policy()) == viewer("reader")
    assert granted(viewer("reader"), None) == viewer("reader")


def test_with_grants_nobody_holds_what_is_granted_to_others() -> None:
    nothing = granted(viewer("admin"), policy(Grant("2" * 64, "admin")))
    assert nothing.roles == frozenset()
    assert not nothing.sees_all
    assert not nothing.can_see("demo")
    assert not nothing.may_write("demo")


@pytest.mark.parametrize(("token", "grants", "roles"), [
    (("admin",), ("reader", "operator"), {"reader", "operator"}), (("reader", "ingest"), ("reader",), {"reader"}), (("reader",), ("admin",), {"reader"}),
    (("admin",), ("admin",), {"admin"}), (("reader",), ("auditor",), set()), (("ingest", "auditor"), ("admin", "reader"), {"ingest", "auditor"}),
])
def test_a_token_gives_the_roles_that_both_name(token: tuple[str, ...], grants: tuple[str, ...], roles: set[str]) -> None:
    assert granted(viewer(*token), policy(*(Grant(ME, role) for role in grants))).roles == roles


def test_reading_and_writing_have_their_own_namespaces() -> None:
    both = granted(viewer("reader", "ingest", prefixes=("sales", "hr.public")), policy(Grant(ME, "reader", ("",)), Grant(ME, "ingest", ("sales.eu", "hr"))))
    assert both.can_see("sales.us")
    assert both.can_see("hr.public")
    assert not both.can_see("hr.private")
    assert both.may_write("sales.eu.orders")
    assert both.may_write("hr.public")
    assert not both.may_write("sales.us")
    assert not both.may_write("hr.private")


def test_each_namespace_has_the_ceiling_it_was_granted_with() -> None:
    some = granted(viewer("reader", ceiling="confidential"), policy(Grant(ME, "reader", ("",), "public"), Grant(ME, "auditor", ("hr",), "restricted"),
                                                                   Grant(ME, "reader", ("sales",), "restricted")))
    assert some.can_see("any", "public")
    assert not some.can_see("any", "internal")
    assert some.can_see("sales", "confidential")
    assert not some.can_see("sales", "restricted")  # the token's own ceiling stays
    assert not some.sees_all
    assert granted(viewer("reader"), policy(Grant(ME, "reader"))).sees_all


def test_a_role_that_is_not_held_opens_no_namespace() -> None:
    ingester = granted(viewer("ingest"), policy(Grant(ME, "ingest", ("sales",)), Grant(ME, "reader", ("hr",), "public")))
    assert ingester.roles == {"ingest"}
    assert not ingester.can_see("hr", "public")


def test_tokens_of_short_lived_keys_name_their_binding() -> None:
    assert binding_of("oidc:etl repo:acme/etl") == "etl"
    assert binding_of("ada@example.org") is None
