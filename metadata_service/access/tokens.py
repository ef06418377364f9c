"""Bearer tokens: random, hashed at rest, scoped, expiring, shown once."""
from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from lineproof_audit.admin_bodies import Policy
from metadata_service.access.grants import BOUND, binding_of, granted
from metadata_service.access.roles import ROLES
from metadata_service.access.store import TokenStore
from metadata_service.access.viewer import CLASSIFICATIONS, Viewer, caller_hash
from metadata_service.database import Database
from metadata_service.errors import AccessError, NotFound, SettingError

__all__ = ["DEFAULT_DAYS", "ISSUER", "IssuedToken", "TokenRecord", "Tokens"]

ISSUER: Final = "lineproof-token"  # the issuer part of a caller's keyed hash
DEFAULT_DAYS: Final = 90
MAX_DAYS: Final = 3660
CACHE_SECONDS: Final = 2.0  # how long another process may still honour a token revoked elsewhere
CACHE_ENTRIES: Final = 4096
_DAY_US: Final = 86_400_000_000


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """What is known of a token; times in µs since the epoch. `viewer` is the keyed hash that names its subject, also in the policy's grants."""

    id: str
    subject: str
    tenant: str
    roles: tuple[str, ...]
    prefixes: tuple[str, ...]
    ceiling: str
    created: int
    expires: int
    revoked: int | None
    viewer: str


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new token: `secret` exists only here and in the hands of whoever asked for it."""

    record: TokenRecord
    secret: str


class Tokens:
    """Issues, checks and revokes tokens. Thread-safe.

    `tenant_secret(tenant)` keys the hashes that name callers; `policy()` is the policy in force.
    """

    def __init__(self, database: Database, tenant_secret: Callable[[str], bytes], policy: Callable[[], Policy | None],
                 clock: Callable[[], float] = time.time) -> None:
        self._store = TokenStore(database)
        self._tenant_secret = tenant_secret
        self._policy = policy
        self._clock = clock
        self._cache: dict[str, tuple[float, Viewer, int]] = {}

    def create(self, subject: str, *, tenant: str, roles: Sequence[str], prefixes: Sequence[str] = ("",), ceiling: str = CLASSIFICATIONS[-1],
               days: int = DEFAULT_DAYS, keep: Callable[[str], None] | None = None) -> IssuedToken:
        """Issue a token for `subject`; several tokens of one subject name the same caller, so a rotation keeps event identities.

        `keep` is given the secret before the token exists, so that no crash in between leaves a token that nobody holds.

        Raises:
            SettingError: an unknown role or classification, no role, no subject, or a lifetime outside 1..3660 days.
        """
        unknown = sorted(set(roles) - set(ROLES))
        if unknown or not roles:
            raise SettingError(f"unknown role {', '.join(unknown)}" if unknown else "a token needs at least one role", roles=sorted(ROLES))
        if not subject.strip() or len(subject) > 200 or subject.startswith(BOUND):
            raise SettingError(f"a token's subject has 1 to 200 characters and does not begin with {BOUND}")
        if ceiling not in CLASSIFICATIONS:
            raise SettingError(f"a ceiling is one of {', '.join(CLASSIFICATIONS)}")
        if not 1 <= days <= MAX_DAYS:
            raise SettingError(f"a token lives 1 to {MAX_DAYS} days")
        return self._issue(subject, tenant, sorted(set(roles)), list(dict.fromkeys(prefixes)) or [""], ceiling, self._now() + days * _DAY_US, keep)

    def bind(self, binding: str, subject: str, *, tenant: str, prefixes: Sequence[str], expires: int) -> IssuedToken:
        """Issue a token to send events with, for a job whose short-lived key ends at `expires` (µs since the epoch), under a binding of the policy."""
        return self._issue(f"{BOUND}{binding} {subject}"[:400], tenant, ["ingest"], list(dict.fromkeys(prefixes)), CLASSIFICATIONS[0], expires)

    def _issue(self, subject: str, tenant: str, roles: list[str], prefixes: list[str], ceiling: str, expires: int,
               keep: Callable[[str], None] | None = None) -> IssuedToken:
        token_id = secrets.token_hex(4)
        secret = f"lp_{token_id}_{secrets.token_urlsafe(32)}"
        row = {"id": token_id, "subject": subject, "tenant": tenant, "roles": roles, "prefixes": prefixes, "ceiling": ceiling, "created": self._now(),
               "expires": expires, "revoked": None}
        if keep is not None:
            keep(secret)
        self._store.add({**row, "hash": _hash(secret)})
        return IssuedToken(self._record(row), secret)

    def viewer(self, secret: str) -> Viewer:
        """The viewer that presents `secret`.

        Raises:
            AccessError: `unauthenticated`; unknown, expired and revoked read the same.
        """
        cached = self.cached(secret)
        if cached is not None:
            return cached
        digest, now = _hash(secret), self._clock()
        row = self._store.by_hash(digest)
        if row is None or row["revoked"] is not None or row["expires"] <= self._now():
            raise _unauthenticated()
        viewer = self._within_policy(Viewer(id=self._viewer_id(row), tenant=row["tenant"], roles=frozenset(row["roles"]), prefixes=tuple(row["prefixes"]),
                                            label=row["subject"], ceiling=row["ceiling"]))
        if len(self._cache) >= CACHE_ENTRIES:
            self._cache.clear()
        self._cache[digest] = (now + CACHE_SECONDS, viewer, row["expires"])
        return viewer

    def _within_policy(self, viewer: Viewer) -> Viewer:
        policy = self._policy()
        owners = () if policy is None else tuple((prefix, tenant.id) for tenant in policy.tenants for prefix in tenant.prefixes)
        binding = binding_of(viewer.label)
        if binding is None:
            return replace(granted(viewer, policy), owners=owners)
        if policy is None or (found := policy.binding(binding)) is None or found.tenant != viewer.tenant:
            raise _unauthenticated()
        return replace(viewer, owners=owners)

    def _viewer_id(self, row: dict[str, Any]) -> str:
        return caller_hash(self._tenant_secret(row["tenant"]), ISSUER, row["subject"])

    def cached(self, secret: str) -> Viewer | None:
        """The viewer that presents `secret`, if that was looked up within two seconds; touches no database."""
        known = self._cache.get(_hash(secret))
        return known[1] if known is not None and self._clock() < known[0] and self._now() < known[2] else None

    def lend(self, viewer: Viewer) -> str:
        """A token for `viewer` that lives in the memory of this process only: for the owner of a data directory at work in it."""
        secret = secrets.token_urlsafe(32)
        self._cache[_hash(secret)] = (float("inf"), viewer, self._now() + _DAY_US)
        return secret

    def revoke(self, token_id: str, *, tenant: str) -> None:
        """Revoke a token of `tenant`; at once here, within two seconds in other processes.

        Raises:
            NotFound: the tenant has no such token.
        """
        if not self._store.revoke(token_id, tenant, self._now()):
            raise NotFound(f"no token {token_id!r}")
        self._cache.clear()

    def all(self) -> list[TokenRecord]:
        """All tokens ever issued, oldest first."""
        return [self._record(row) for row in self._store.all()]

    def _record(self, row: dict[str, Any]) -> TokenRecord:
        return TokenRecord(row["id"], row["subject"], row["tenant"], tuple(row["roles"]), tuple(row["prefixes"]), row["ceiling"],
                           row["created"], row["expires"], row["revoked"], self._viewer_id(row))

    def _now(self) -> int:
        return int(self._clock() * 1_000_000)


def _unauthenticated() -> AccessError:
    return AccessError("the token is unknown, expired or revoked", code="unauthenticated")


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
