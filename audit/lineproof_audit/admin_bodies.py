"""What genesis, key and policy entries say, read by hand.

The verifier must run without pydantic, so the fold does not use the event models; a test holds this reading equal to theirs.
Unknown fields are ignored, so that later versions may add some.
"""
from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from lineproof_audit.base64text import decode_base64, encode_base64
from lineproof_audit.bindings import MAX_SECONDS, PROVIDERS, Binding, Enrolment, Scope
from lineproof_audit.body_fields import (
    BodyError,
    an_object,
    entry_index,
    field,
    given,
    hex32,
    hex64,
    instant,
    list_of,
    map_of,
    name,
    one_of,
    optional,
    string,
    strings,
)
from lineproof_audit.errors import InvalidKey
from lineproof_audit.keys import VerifyKey
from lineproof_audit.leaf import SYSTEM_TENANT

__all__ = ["ROLES", "BodyError", "Genesis", "Grant", "KeyChange", "Policy", "Scope", "Tenant", "enrolment_document",
           "policy_document", "read_genesis", "read_key", "read_policy", "scope_document"]

ROLES = frozenset({"admin", "ingest", "reader", "auditor", "operator"})
_PURPOSES = frozenset({"producer", "notary", "log", "admin"})
_ACTIONS = frozenset({"register", "rotate", "revoke"})
_NUMBER = re.compile(r"[0-9]{1,20}")
_SIGNATURE_BYTES = 64
_ISSUER = re.compile(r"(?:https://[a-zA-Z0-9.-]+|http://(?:127\.0\.0\.1|localhost|\[::1\]))(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~/-]*)?")


@dataclass(frozen=True, slots=True)
class Genesis:
    """Entry 0."""

    origin: str
    log_key: VerifyKey
    notary_key: VerifyKey
    root_admin_key: VerifyKey


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A key is registered, rotated or revoked. `not_after` is in µs since the epoch, `last_valid` an entry index.

    `old_signature` and `new_signature` are those of a rotation (see `possession`), `enrolment` that of a short-lived key.
    """

    action: str
    key_id: str
    purpose: str
    public_key: VerifyKey | None
    tenant: str | None
    label: str | None
    scope: Scope | None
    last_valid: int | None
    replaces: str | None
    not_after: int | None
    reason: str | None
    old_signature: bytes | None = None
    new_signature: bytes | None = None
    enrolment: Enrolment | None = None


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant and the namespace prefixes it owns."""

    id: str
    name: str
    prefixes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Grant:
    """role x namespace prefixes x classification ceiling, for a viewer (keyed hash) or an OIDC claim."""

    viewer: str
    role: str
    prefixes: tuple[str, ...] = ("",)
    ceiling: str | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """Who owns which namespaces and who may do what. `previous` is the index of the policy entry it replaces."""

    previous: int | None
    tenants: tuple[Tenant, ...]
    grants: tuple[Grant, ...] = ()
    log_read: str = "public"
    protected_aliases: tuple[str, ...] = ()
    bindings: tuple[Binding, ...] = ()

    def binding(self, name: str) -> Binding | None:
        """The binding with this id."""
        return next((item for item in self.bindings if item.id == name), None)

    def tenant_of(self, namespace: str) -> str | None:
        """The tenant that owns `namespace`: the one with the longest matching prefix."""
        owned = [(len(prefix), tenant.id) for tenant in self.tenants for prefix in tenant.prefixes if namespace.startswith(prefix)]
        return max(owned)[1] if owned else None


def read_genesis(data: dict[str, Any]) -> Genesis:
    """Raises BodyError."""
    return Genesis(field(data, "origin", name), field(data, "logKey", _public_key), field(data, "notaryKey", _public_key),
                   field(data, "rootAdminKey", _public_key))


def read_key(data: dict[str, Any]) -> KeyChange:
    """Raises BodyError."""
    change = KeyChange(
        action=field(data, "action", one_of(_ACTIONS)), key_id=field(data, "keyId", hex64), purpose=given(data, "purpose", one_of(_PURPOSES), "producer"),
        public_key=optional(data, "publicKey", _public_key), tenant=optional(data, "tenant", hex32), label=optional(data, "label", string),
        scope=optional(data, "scope", _scope), last_valid=optional(data, "lastValid", entry_index), replaces=optional(data, "replaces", hex64),
        not_after=optional(data, "notAfter", instant), reason=optional(data, "reason", string),
        old_signature=optional(data, "oldSignature", _signature), new_signature=optional(data, "newSignature", _signature),
        enrolment=optional(data, "enrolment", _enrolment))
    if change.action in ("register", "rotate") and change.public_key is None:
        raise BodyError("register and rotate need publicKey")
    if change.action == "revoke" and change.last_valid is None:
        raise BodyError("revoke needs lastValid")
    if change.purpose == "producer" and change.action == "register" and (change.tenant is None or change.scope is None):
        raise BodyError("a producer key needs tenant and scope")
    if change.action == "rotate" and (change.old_signature is None or change.new_signature is None):
        raise BodyError("rotate needs oldSignature and newSignature: both keys sign")
    if change.enrolment is not None and (change.action != "register" or change.purpose != "producer" or change.not_after is None):
        raise BodyError("an enrolment registers a producer key with notAfter")
    return change


def read_policy(data: dict[str, Any]) -> Policy:
    """Raises BodyError, also for what no policy may say: a prefix of two tenants, one tenant twice, the system's tenant."""
    policy = Policy(
        previous=optional(data, "previous", entry_index), tenants=field(data, "tenants", list_of(_tenant)),
        grants=given(data, "grants", list_of(_grant), ()), log_read=given(data, "logRead", one_of(frozenset({"public", "restricted"})), "public"),
        protected_aliases=given(data, "protectedAliases", strings, ()), bindings=given(data, "bindings", list_of(_binding), ()))
    if len({item.id for item in policy.bindings}) != len(policy.bindings):
        raise BodyError("a binding's id stands twice")
    ids = [tenant.id for tenant in policy.tenants]
    prefixes = [prefix for tenant in policy.tenants for prefix in tenant.prefixes]
    if len(set(ids)) != len(ids) or SYSTEM_TENANT in ids:
        raise BodyError("a tenant stands twice, or is the system's")
    if len(set(prefixes)) != len(prefixes):
        raise BodyError("a namespace prefix belongs to two tenants")
    return policy


def policy_document(policy: Policy) -> dict[str, Any]:
    """A policy as it stands in the `data` of its entry."""
    return {"previous": policy.previous, "tenants": [{"id": item.id, "name": item.name, "prefixes": list(item.prefixes)} for item in policy.tenants],
            "grants": [{"viewer": item.viewer, "role": item.role, "prefixes": list(item.prefixes), "ceiling": item.ceiling} for item in policy.grants],
            "logRead": policy.log_read, "protectedAliases": list(policy.protected_aliases),
            "bindings": [{"id": item.id, "provider": item.provider, "issuer": item.issuer, "tenant": item.tenant, "scope": scope_document(item.scope),
                          "claims": {name: list(values) for name, values in item.claims.items()}, "seconds": item.seconds} for item in policy.bindings]}


def scope_document(scope: Scope) -> dict[str, Any]:
    """A scope as it stands in a key entry."""
    return {"namespaces": list(scope.namespaces), "eventTypes": list(scope.event_types), "sources": list(scope.sources)}


def enrolment_document(enrolment: Enrolment) -> dict[str, Any]:
    """An enrolment as it stands in a key entry."""
    return {"binding": enrolment.binding, "issuer": enrolment.issuer, "token": enrolment.token, "tokenId": enrolment.token_id,
            "claims": dict(enrolment.claims), "possession": encode_base64(enrolment.possession)}


def _public_key(value: object) -> VerifyKey:
    try:
        return VerifyKey(decode_base64(string(value)))
    except (ValueError, InvalidKey) as error:
        raise BodyError("not the base64 SubjectPublicKeyInfo of an Ed25519 key") from error


def _scope(value: object) -> Scope:
    data = an_object(value)
    return Scope(given(data, "namespaces", strings, ()), given(data, "eventTypes", strings, ("*",)), given(data, "sources", strings, ("*",)))


def _tenant(value: object) -> Tenant:
    data = an_object(value)
    return Tenant(field(data, "id", hex32), field(data, "name", name), given(data, "prefixes", strings, ()))


def _grant(value: object) -> Grant:
    data = an_object(value)
    return Grant(field(data, "viewer", string), field(data, "role", one_of(ROLES)), given(data, "prefixes", strings, ("",)),
                 optional(data, "ceiling", string))


def _signature(value: object) -> bytes:
    try:
        signature = decode_base64(string(value))
    except ValueError as error:
        raise BodyError("not base64") from error
    if len(signature) != _SIGNATURE_BYTES:
        raise BodyError(f"not a signature of {_SIGNATURE_BYTES} bytes")
    return signature


def _enrolment(value: object) -> Enrolment:
    data = an_object(value)
    return Enrolment(field(data, "binding", name), field(data, "issuer", name), field(data, "token", hex64), field(data, "tokenId", hex64),
                     field(data, "claims", map_of(string)), field(data, "possession", _signature))


def _binding(value: object) -> Binding:
    data = an_object(value)
    binding = Binding(field(data, "id", name), field(data, "provider", one_of(frozenset(PROVIDERS))), field(data, "issuer", _issuer),
                      field(data, "tenant", hex32), field(data, "scope", _scope), field(data, "claims", map_of(strings)),
                      given(data, "seconds", _seconds, 3_600))
    numbers = binding.claims.get(PROVIDERS[binding.provider].identity, ())
    if not numbers or not all(_NUMBER.fullmatch(number) for number in numbers):
        raise BodyError(f"a binding of {binding.provider} lists repositories by number, in claims.{PROVIDERS[binding.provider].identity}")
    return binding


def _issuer(value: object) -> str:
    text = name(value)
    if not _ISSUER.fullmatch(text):
        raise BodyError("not an https address without query (http on this machine only)")
    return text


def _seconds(value: object) -> int:
    if type(value) is not int or not 60 <= value <= MAX_SECONDS:
        raise BodyError(f"not 60 to {MAX_SECONDS} seconds")
    return value
