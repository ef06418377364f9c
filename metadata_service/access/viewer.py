"""A viewer: the authenticated caller, named by a keyed hash, with what it may see."""
from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

from lineproof_schema.urn import parse_urn

__all__ = ["CLASSIFICATIONS", "SYSTEM_TENANT", "Viewer", "caller_hash", "can_see"]

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
    """

    id: str
    tenant: str
    roles: frozenset[str]
    prefixes: tuple[str, ...]
    label: str = ""
    ceiling: str = CLASSIFICATIONS[-1]
    owners: tuple[tuple[str, str], ...] = ()

    def may(self, *roles: str) -> bool:
        """Whether the viewer holds one of `roles`; an admin holds all of them."""
        return "admin" in self.roles or not self.roles.isdisjoint(roles)

    @property
    def sees_all(self) -> bool:
        """Whether nothing at all is hidden from it, so that masking can be skipped."""
        return "" in self.prefixes and self.ceiling == CLASSIFICATIONS[-1] and all(tenant == self.tenant for _, tenant in self.owners)

    def can_see(self, namespace: str | None, classification: str | None = None) -> bool:
        """Whether it may see `namespace` with this classification. None asks for what belongs to no namespace."""
        if classification is not None and _rank(classification) > _rank(self.ceiling):
            return False
        if namespace is None:
            return True
        owned = max(((len(prefix), tenant) for prefix, tenant in self.owners if namespace.startswith(prefix)), default=(0, self.tenant))
        return owned[1] == self.tenant and any(namespace.startswith(prefix) for prefix in self.prefixes)


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
    return viewer.can_see(parse_urn(what).namespace if what.startswith("urn:lineproof:") else what)


def _rank(classification: str) -> int:
    name = classification.lower()
    return CLASSIFICATIONS.index(name) if name in CLASSIFICATIONS else len(CLASSIFICATIONS) - 1
