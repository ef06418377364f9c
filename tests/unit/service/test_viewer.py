"""What a viewer may see."""
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metadata_service.access import Viewer, caller_hash, can_see, require
from metadata_service.errors import AccessError

OURS, THEIRS = "a" * 32, "b" * 32


def viewer(*prefixes: str, roles: tuple[str, ...] = ("reader",), owners: tuple[tuple[str, str], ...] = (("", OURS),), ceiling: str = "restricted") -> Viewer:
    return Viewer("0" * 64, OURS, frozenset(roles), prefixes, ceiling=ceiling, owners=owners)


def test_prefixes_bound_namespaces_and_urns() -> None:
    some = viewer("finance")
    assert some.can_see("finance.daily")
    assert not some.can_see("marketing")
    assert can_see(some, "urn:lineproof:column:finance:ledger:amount")
    assert not can_see(some, "urn:lineproof:dataset:marketing:clicks")
    assert can_see(some, "urn:lineproof:run:0f9b8a6e-1111-4222-8333-444455556666")
    assert not can_see(some, "urn:lineproof:run:0f9b8a6e-1111-4222-8333-444455556666", tenant=THEIRS)


def test_the_longest_prefix_owns_a_namespace_and_other_tenants_are_invisible() -> None:
    everything = viewer("", owners=(("", OURS), ("partner", THEIRS), ("partner.shared", OURS)))
    assert everything.can_see("anything")
    assert not everything.can_see("partner.secret")
    assert everything.can_see("partner.shared.prices")
    assert not everything.sees_all
    assert viewer("").sees_all
    assert not viewer("", owners=(("x", THEIRS),)).can_see("x.y")


def test_classification_above_the_ceiling_is_hidden_and_an_unknown_one_counts_as_the_most_closed() -> None:
    some = viewer("", ceiling="internal")
    assert some.can_see("n", "public")
    assert some.can_see("n", "Internal")
    assert not some.can_see("n", "confidential")
    assert not some.can_see("n", "eyes-only")
    assert viewer("").can_see("n", "eyes-only")
    assert not some.sees_all


def test_admin_holds_every_role_and_others_only_their_own() -> None:
    require(viewer("", roles=("admin",)), "operator")
    with pytest.raises(AccessError) as refused:
        require(viewer("", roles=("reader", "ingest")), "operator")
    assert refused.value.code == "forbidden"
    assert "operator" in refused.value.detail


@given(st.tuples(st.text(max_size=8), st.text(max_size=8)), st.tuples(st.text(max_size=8), st.text(max_size=8)))
def test_two_callers_never_share_a_hash(one: tuple[str, str], other: tuple[str, str]) -> None:
    same = caller_hash(b"k", *one) == caller_hash(b"k", *other)
    assert same == (one == other)


def test_the_hash_depends_on_the_tenants_secret() -> None:
    assert caller_hash(b"k", "i", "s") != caller_hash(b"l", "i", "s")
