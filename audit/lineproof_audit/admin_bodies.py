"""What genesis, key and policy entries say, read by hand.

The verifier must run without pydantic, so the fold does not use the event models; a test holds this reading equal to theirs.
Unknown fields are ignored, so that later versions may add some.
"""
from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from lineproof_audit.base64text import decode_base64
from lineproof_audit.errors import InvalidKey
from lineproof_audit.keys import VerifyKey
from lineproof_audit.leaf import SYSTEM_TENANT

__all__ = ["ROLES", "BodyError", "Genesis", "Grant", "KeyChange", "Policy", "Scope", "Tenant", "policy_document",
           "read_genesis", "read_key", "read_policy", "scope_document"]

ROLES = frozenset({"admin", "ingest", "reader", "auditor", "operator"})
_PURPOSES = frozenset({"producer", "notary", "log", "admin"})
_ACTIONS = frozenset({"register", "rotate", "revoke"})
_HEX64 = re.compile(r"[0-9a-f]{64}")
_HEX32 = re.compile(r"[0-9a-f]{32}")
_LARGEST_INDEX = 2**53 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_T = TypeVar("_T")


class BodyError(ValueError):
    """The body does not say what its type requires; the text says why."""


@dataclass(frozen=True, slots=True)
class Genesis:
    """Entry 0."""

    origin: str
    log_key: VerifyKey
    notary_key: VerifyKey
    root_admin_key: VerifyKey


@dataclass(frozen=True, slots=True)
class Scope:
    """What a producer key may say: namespace prefixes, event types (exact or ending in `*`), source prefixes; `*` alone = all."""

    namespaces: tuple[str, ...] = ()
    event_types: tuple[str, ...] = ("*",)
    sources: tuple[str, ...] = ("*",)

    def allows_namespace(self, namespace: str) -> bool:
        """Whether jobs and outputs in `namespace` may be written."""
        return _any_prefix(self.namespaces, namespace)

    def allows_type(self, event_type: str) -> bool:
        """Whether events of this type may be said."""
        return any(event_type.startswith(item[:-1]) if item.endswith("*") else event_type == item for item in self.event_types)

    def allows_source(self, source: str) -> bool:
        """Whether events from this source may be said."""
        return _any_prefix(self.sources, source)


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A key is registered, rotated or revoked. `not_after` is in µs since the epoch, `last_valid` an entry index."""

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

    def tenant_of(self, namespace: str) -> str | None:
        """The tenant that owns `namespace`: the one with the longest matching prefix."""
        owned = [(len(prefix), tenant.id) for tenant in self.tenants for prefix in tenant.prefixes if namespace.startswith(prefix)]
        return max(owned)[1] if owned else None


def read_genesis(data: dict[str, Any]) -> Genesis:
    """Raises BodyError."""
    return Genesis(_field(data, "origin", _name), _field(data, "logKey", _public_key), _field(data, "notaryKey", _public_key),
                   _field(data, "rootAdminKey", _public_key))


def read_key(data: dict[str, Any]) -> KeyChange:
    """Raises BodyError."""
    change = KeyChange(
        action=_field(data, "action", _one_of(_ACTIONS)), key_id=_field(data, "keyId", _hex64), purpose=_given(data, "purpose", _one_of(_PURPOSES), "producer"),
        public_key=_optional(data, "publicKey", _public_key), tenant=_optional(data, "tenant", _hex32), label=_optional(data, "label", _string),
        scope=_optional(data, "scope", _scope), last_valid=_optional(data, "lastValid", _index), replaces=_optional(data, "replaces", _hex64),
        not_after=_optional(data, "notAfter", _instant), reason=_optional(data, "reason", _string))
    if change.action in ("register", "rotate") and change.public_key is None:
        raise BodyError("register and rotate need publicKey")
    if change.action == "revoke" and change.last_valid is None:
        raise BodyError("revoke needs lastValid")
    if change.purpose == "producer" and change.action == "register" and (change.tenant is None or change.scope is None):
        raise BodyError("a producer key needs tenant and scope")
    return change


def read_policy(data: dict[str, Any]) -> Policy:
    """Raises BodyError, also for what no policy may say: a prefix of two tenants, one tenant twice, the system's tenant."""
    policy = Policy(
        previous=_optional(data, "previous", _index), tenants=_field(data, "tenants", _list_of(_tenant)),
        grants=_given(data, "grants", _list_of(_grant), ()), log_read=_given(data, "logRead", _one_of(frozenset({"public", "restricted"})), "public"),
        protected_aliases=_given(data, "protectedAliases", _strings, ()))
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
            "logRead": policy.log_read, "protectedAliases": list(policy.protected_aliases)}


def scope_document(scope: Scope) -> dict[str, Any]:
    """A scope as it stands in a key entry."""
    return {"namespaces": list(scope.namespaces), "eventTypes": list(scope.event_types), "sources": list(scope.sources)}


def _any_prefix(prefixes: tuple[str, ...], text: str) -> bool:
    return prefixes == ("*",) or any(text.startswith(prefix) for prefix in prefixes)


def _field(data: dict[str, Any], name: str, read: Callable[[object], _T]) -> _T:
    if name not in data:
        raise BodyError(f"{name} is missing")
    try:
        return read(data[name])
    except BodyError as error:
        raise BodyError(f"{name}: {error}") from error


def _given(data: dict[str, Any], name: str, read: Callable[[object], _T], default: _T) -> _T:
    return _field(data, name, read) if name in data else default


def _optional(data: dict[str, Any], name: str, read: Callable[[object], _T]) -> _T | None:
    return None if data.get(name) is None else _field(data, name, read)


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise BodyError("not a string")
    return value


def _name(value: object) -> str:
    text = _string(value)
    if not 1 <= len(text) <= 1024:
        raise BodyError("not 1 to 1024 characters")
    return text


def _matching(pattern: re.Pattern[str]) -> Callable[[object], str]:
    def read(value: object) -> str:
        text = _string(value)
        if not pattern.fullmatch(text):
            raise BodyError(f"does not match {pattern.pattern}")
        return text
    return read


_hex64 = _matching(_HEX64)
_hex32 = _matching(_HEX32)


def _one_of(allowed: frozenset[str]) -> Callable[[object], str]:
    def read(value: object) -> str:
        text = _string(value)
        if text not in allowed:
            raise BodyError(f"not one of {', '.join(sorted(allowed))}")
        return text
    return read


def _list_of(read: Callable[[object], _T]) -> Callable[[object], tuple[_T, ...]]:
    def read_all(value: object) -> tuple[_T, ...]:
        if not isinstance(value, list):
            raise BodyError("not a list")
        return tuple(read(item) for item in value)
    return read_all


_strings = _list_of(_string)


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BodyError("not an object")
    return value


def _index(value: object) -> int:
    if type(value) is not int or not 0 <= value <= _LARGEST_INDEX:
        raise BodyError("not an entry index")
    return value


def _instant(value: object) -> int:
    try:
        when = datetime.fromisoformat(_string(value))
    except ValueError as error:
        raise BodyError("not an RFC 3339 time") from error
    if when.tzinfo is None:
        raise BodyError("a time without a zone")
    return (when - _EPOCH) // timedelta(microseconds=1)


def _public_key(value: object) -> VerifyKey:
    try:
        return VerifyKey(decode_base64(_string(value)))
    except (ValueError, InvalidKey) as error:
        raise BodyError("not the base64 SubjectPublicKeyInfo of an Ed25519 key") from error


def _scope(value: object) -> Scope:
    data = _object(value)
    return Scope(_given(data, "namespaces", _strings, ()), _given(data, "eventTypes", _strings, ("*",)), _given(data, "sources", _strings, ("*",)))


def _tenant(value: object) -> Tenant:
    data = _object(value)
    return Tenant(_field(data, "id", _hex32), _field(data, "name", _name), _given(data, "prefixes", _strings, ()))


def _grant(value: object) -> Grant:
    data = _object(value)
    return Grant(_field(data, "viewer", _string), _field(data, "role", _one_of(ROLES)), _given(data, "prefixes", _strings, ("",)),
                 _optional(data, "ceiling", _string))
