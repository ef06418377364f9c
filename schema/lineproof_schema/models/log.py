"""What the log says about itself: genesis, keys, policy, erasure, equivocation, access."""
from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from lineproof_schema.models.common import EventData, EventIndex, Instant, Name, Sha256, Tenant

__all__ = ["AccessData", "EquivocationData", "ErasureData", "GenesisData", "Grant", "KeyData", "KeyScope", "PolicyData", "TenantData"]

Base64 = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]+={0,2}$")]


class GenesisData(EventData):
    """`lineproof.genesis.v1`: entry 0, signed by the root admin key. Keys are base64 SubjectPublicKeyInfo (DER)."""

    origin: Name
    log_key: Base64
    notary_key: Base64
    root_admin_key: Base64


class KeyScope(EventData):
    """What a producer key may say. Empty lists allow nothing; `*` as the only item allows everything.

    `namespaces` are prefixes; `event_types` are exact types or end in `*`; `sources` are prefixes of the event's source.
    """

    namespaces: tuple[str, ...] = ()
    event_types: tuple[str, ...] = ("*",)
    sources: tuple[str, ...] = ("*",)


class KeyData(EventData):
    """`lineproof.key.v1`: a key is registered, rotated or revoked; validity is counted in entry indices.

    A key is valid for entries `valid_from..last_valid`. `register` makes it valid from the entry after this one.
    `revoke` sets `last_valid`; below this entry's index it marks the entries between as disputed.
    """

    action: Literal["register", "rotate", "revoke"]
    key_id: Sha256
    purpose: Literal["producer", "notary", "log", "admin"] = "producer"
    public_key: Base64 | None = None
    tenant: Tenant | None = None
    label: str | None = None
    scope: KeyScope | None = None
    last_valid: EventIndex | None = None
    replaces: Sha256 | None = None
    not_after: Instant | None = None
    reason: str | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.action in ("register", "rotate") and self.public_key is None:
            raise ValueError("register and rotate need publicKey")
        if self.action == "revoke" and self.last_valid is None:
            raise ValueError("revoke needs lastValid")
        if self.purpose == "producer" and self.action == "register" and (self.tenant is None or self.scope is None):
            raise ValueError("a producer key needs tenant and scope")
        return self


class TenantData(EventData):
    """A tenant owns namespace prefixes; a namespace belongs to the tenant with the longest matching prefix."""

    id: Tenant
    name: Name
    prefixes: tuple[str, ...] = ()


class Grant(EventData):
    """role x namespace prefix x classification ceiling, for a viewer (keyed hash) or an OIDC claim."""

    viewer: str
    role: Literal["admin", "ingest", "reader", "auditor", "operator"]
    prefixes: tuple[str, ...] = ("",)
    ceiling: str | None = None


class PolicyData(EventData):
    """`lineproof.policy.v1`: who owns which namespaces and who may do what; compare-and-set on the last policy entry."""

    previous: EventIndex | None = None
    tenants: tuple[TenantData, ...]
    grants: tuple[Grant, ...] = ()
    log_read: Literal["public", "restricted"] = "public"
    protected_aliases: tuple[str, ...] = ()


class ErasureData(EventData):
    """`lineproof.erasure.v1`: salt and body of an entry were deleted; `replacement` is the index of the entry that stands in."""

    entry: EventIndex
    replacement: EventIndex | None = None
    legal_basis: str | None = None
    reason: Name


class EquivocationData(EventData):
    """`lineproof.equivocation.v1`: a second envelope under an identity that was already used; the envelope is embedded."""

    first_index: EventIndex
    key_id: str
    envelope: Base64


class AccessData(EventData):
    """`lineproof.access.v1`: a viewer (keyed hash) read classified data or audited."""

    viewer: str
    reads: int = Field(ge=1)
    since: Instant
    until: Instant
    what: tuple[str, ...] = ()
