"""What the log says about itself: genesis, keys, policy, erasure, equivocation, access."""
from __future__ import annotations

import re
from typing import Annotated, Final, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from lineproof_schema.models.common import EventData, EventIndex, Instant, Name, Sha256, Tenant

__all__ = ["AccessData", "EquivocationData", "ErasureData", "GenesisData", "Grant", "KeyBinding", "KeyData", "KeyEnrolment", "KeyScope", "PolicyData",
           "TenantData"]

Base64 = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]+={0,2}$")]

Signature = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{85}[AQgw]==$")]
# https without query or fragment; http only on this machine, for tests
Issuer = Annotated[str, StringConstraints(max_length=1024, pattern=r"^(https://[a-zA-Z0-9.\-]+|http://(127\.0\.0\.1|localhost|\[::1\]))(:[0-9]{1,5})?"
                                                                   r"(/[A-Za-z0-9._~/\-]*)?$")]
_IDENTITY: Final = {"github": "repository_id", "gitlab": "project_id"}  # the claim that names a repository by number
_NUMBER: Final = re.compile(r"[0-9]{1,20}")


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


class KeyEnrolment(EventData):
    """The identity token that a short-lived key was bound with: never the token, but its SHA-256 and the claims it rests on.

    `binding` is the policy's; `token_id` a hash of issuer and `jti`, good for one key; `possession` the key's signature on the binding.
    """

    binding: Name
    issuer: Name
    token: Sha256
    token_id: Sha256
    claims: dict[str, str]
    possession: Signature


class KeyData(EventData):
    """`lineproof.key.v1`: a key is registered, rotated or revoked; validity is counted in entry indices.

    A key is valid for entries `valid_from..last_valid`. `register` makes it valid from the entry after this one. `rotate` is also signed by
    the old and the new key (`old_signature`, `new_signature`). `revoke` sets `last_valid`; below this entry's index it marks the entries between
    as disputed. With an `enrolment` the notary signs in place of the root admin, and the policy's binding must allow it.
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
    old_signature: Signature | None = None
    new_signature: Signature | None = None
    enrolment: KeyEnrolment | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.action in ("register", "rotate") and self.public_key is None:
            raise ValueError("register and rotate need publicKey")
        if self.action == "revoke" and self.last_valid is None:
            raise ValueError("revoke needs lastValid")
        if self.purpose == "producer" and self.action == "register" and (self.tenant is None or self.scope is None):
            raise ValueError("a producer key needs tenant and scope")
        if self.action == "rotate" and (self.old_signature is None or self.new_signature is None):
            raise ValueError("rotate needs oldSignature and newSignature: both keys sign")
        if self.enrolment is not None and (self.action != "register" or self.purpose != "producer" or self.not_after is None):
            raise ValueError("an enrolment registers a producer key with notAfter")
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


class KeyBinding(EventData):
    """Which CI jobs may enrol a short-lived key: those whose identity token comes from `issuer` and says `claims`.

    `claims` maps a claim to the values it may have; a value ending in `*` is a prefix. Repositories stand there by number
    (`repository_id`, `project_id`). Jobs that pull or merge requests start are refused unless `event_name` or `pipeline_source` names them.
    """

    id: Name
    provider: Literal["github", "gitlab"]
    issuer: Issuer
    tenant: Tenant
    scope: KeyScope
    claims: dict[str, tuple[str, ...]]
    seconds: int = Field(default=3_600, ge=60, le=86_400)

    @model_validator(mode="after")
    def _by_number(self) -> Self:
        numbers = self.claims.get(_IDENTITY[self.provider], ())
        if not numbers or not all(_NUMBER.fullmatch(number) for number in numbers):
            raise ValueError(f"a binding of {self.provider} lists repositories by number, in claims.{_IDENTITY[self.provider]}")
        return self


class PolicyData(EventData):
    """`lineproof.policy.v1`: who owns which namespaces and who may do what; compare-and-set on the last policy entry."""

    previous: EventIndex | None = None
    tenants: tuple[TenantData, ...]
    grants: tuple[Grant, ...] = ()
    log_read: Literal["public", "restricted"] = "public"
    protected_aliases: tuple[str, ...] = ()
    bindings: tuple[KeyBinding, ...] = ()


class ErasureData(EventData):
    """`lineproof.erasure.v1`: salt and body of an entry were deleted; `replacement` is the index of the entry that stands in.

    `artifacts` (SHA-256) held what had to go, too, and were deleted with it.
    """

    entry: EventIndex
    replacement: EventIndex | None = None
    legal_basis: str | None = None
    reason: Name
    artifacts: tuple[Sha256, ...] = ()


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
