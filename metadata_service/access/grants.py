"""What the policy grants, laid over what a token was issued for.

While the policy holds no grants, tokens decide alone. As soon as it holds some, they are the whole list: a token gives no role, namespace
or classification that the policy does not grant its subject, so "who could see this then" is answered by the log. Tokens of short-lived
keys stand on their binding instead, and fall with it.
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from lineproof_audit.admin_bodies import Grant, Policy
from metadata_service.access.viewer import CLASSIFICATIONS, Viewer, least

__all__ = ["BOUND", "binding_of", "granted"]

BOUND: Final = "oidc:"  # begins the subject of a token that was issued with a short-lived key; nobody else's may begin so
READING: Final = frozenset({"admin", "auditor", "reader", "operator"})
WRITING: Final = frozenset({"admin", "ingest", "operator"})


def binding_of(subject: str) -> str | None:
    """The id of the binding a token stands on; None for tokens that an admin issued."""
    return subject[len(BOUND):].partition(" ")[0] if subject.startswith(BOUND) else None


def granted(viewer: Viewer, policy: Policy | None) -> Viewer:
    """`viewer`, as its token says, within the policy's grants."""
    if policy is None or not policy.grants:
        return viewer
    own = [grant for grant in policy.grants if grant.viewer == viewer.id and (grant.role == "admin" or viewer.may(grant.role))]
    roles = {grant.role for grant in own}
    if "admin" in roles:  # all roles: the token's own are the bound
        roles = set(viewer.roles)
    reading = [grant for grant in own if grant.role in READING]
    return replace(viewer, roles=frozenset(roles), prefixes=_within(viewer.prefixes, reading),
                   writes=_within(viewer.prefixes, [grant for grant in own if grant.role in WRITING]),
                   ceilings=tuple((prefix, least(viewer.ceiling, grant.ceiling or CLASSIFICATIONS[-1])) for grant in reading for prefix in grant.prefixes))


def _within(prefixes: Sequence[str], grants: Iterable[Grant]) -> tuple[str, ...]:
    """The prefixes that lie in both."""
    found = [own if own.startswith(given) else given for own in prefixes for grant in grants for given in grant.prefixes
             if own.startswith(given) or given.startswith(own)]
    return tuple(dict.fromkeys(found))
