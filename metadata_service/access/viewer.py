"""A viewer: the authenticated caller, named by a keyed hash, with what it may see."""
from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

from lineproof_schema.urn import kind_of, parse_urn

__all__ = ["CLASSIFICATIONS", "SYSTEM_TENANT", "Viewer", "caller_hash", "can_see", "least"]

SYSTEM_TENANT: Final = "0" * 32


# From open to closed. A classification that is none of these counts as the most closed one: unknown is not clean.
CLASSIFICATIONS: Final = ("public", "internal", "confidential", "restricted")


@dataclass(frozen=True, slots=True)
class Viewer:
    """An authenticated caller.

    Attributes:
        id: `HMAC-SHA-256(tenant secret, issuer | subject)`, 64 hex digits: all that leaves and service-made records say of the caller.
        tenant: 32 hex digits.
        roles: see `roles.ROLES`.
        prefixes: namespace prefixes it may see and, as an ingester of plain OpenLineage, write; `""` is every namespace of its tenant.
        label: its readable name; stays inside this database.
        ceiling: the most closed classification it may see.
        owners: (prefix, tenant) of the policy in force; a namespace belongs to the tenant with the longest matching prefix.
        writes: namespace prefixes it may write as an ingester, where they differ from `prefixes`.
        ceilings: (prefix, most closed classification) as the policy grants them; without any, `ceiling` counts everywhere.
    """

    id: str
    tenant: str
    roles: frozenset[str]
    prefixes: tuple[str, ...]
    label: str = ""
    ceiling: str = CLASSIFICATIONS[-1]
    owners: tuple[tuple[str, str], ...] = ()
    writes: tuple[str, ...] | None = None
    ceilings: tuple[tuple[str, str], ...] = ()

    def may(self, *roles: str) -> bool:
        """Whether the viewer holds one of `roles`; an admin holds all of them."""
        return "admin" in self.roles or not self.roles.isdisjoint(roles)

    @property
    def sees_all(self) -> bool:
        """Whether nothing at all is hidden from it, so that masking can be skipped."""
        return ("" in self.prefixes and self.ceiling == CLASSIFICATIONS[-1] and all(tenant == self.tenant for _, tenant in self.owners)
                and (not self.ceilings or ("", CLASSIFICATIONS[-1]) in self.ceilings))

    def may_write(self, namespace: str) -> bool:
        """Whether it may write `namespace` as an ingester; whose tenant that is, is another question."""
        return any(namespace.startswith(prefix) for prefix in (self.prefixes if self.writes is None else self.writes))

    def can_see(self, namespace: str | None, classification: str | None = None) -> bool:
        """Whether it may see `namespace` with this classification. None asks for what belongs to no namespace."""
        if classification is not None and _rank(classification) > self._ceiling_in(namespace or ""):
            return False
        if namespace is None:
            return True
        owned = max(((len(prefix), tenant) for prefix, tenant in self.owners if namespace.startswith(prefix)), default=(0, self.tenant))
        return owned[1] == self.tenant and any(namespace.startswith(prefix) for prefix in self.prefixes)

    def _ceiling_in(self, namespace: str) -> int:
        """The most closed rank it may see in `namespace`; below that of everything if nothing is granted there."""
        if not self.ceilings:
            return _rank(self.ceiling)
        return max((_rank(ceiling) for prefix, ceiling in self.ceilings if namespace.startswith(prefix)), default=-1)


def least(one: str, other: str) -> str:
    """The more open of two classifications."""
    return min(one, other, key=_rank)


def caller_hash(tenant_secret: bytes, issuer: str, subject: str) -> str:
    """The keyed hash that stands for a caller. The issuer's length is part of the input, so no two pairs share one."""
    message = f"lineproof/caller/v1\0{len(issuer)}\0{issuer}|{subject}".encode()
    return hmac.new(tenant_secret, message, hashlib.sha256).hexdigest()


def can_see(viewer: Viewer, what: str, tenant: str | None = None) -> bool:
    """Whether `viewer` may see a namespace or an entity.

    `what` is a namespace or a URN of ours. Kinds without a namespace (run, commit, repository, image, artifact, principal) are
    visible iff a visible node links them, which only the graph knows; here their `tenant` alone decides, where it is given.
    """
    if tenant is not None and tenant not in (viewer.tenant, SYSTEM_TENANT):
        return False
    return viewer.can_see(parse_urn(what).namespace if kind_of(what) is not None else what)


def _rank(classification: str) -> int:
    name = classification.lower()
    return CLASSIFICATIONS.index(name) if name in CLASSIFICATIONS else len(CLASSIFICATIONS) - 1
