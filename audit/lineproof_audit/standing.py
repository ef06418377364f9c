"""Who may say what at which entry: the questions that intake, projector, fsck and verifier put to the keyring.

`keyring.Keyring` is filled by folding entries; here nothing is changed.
"""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from lineproof_audit.admin_bodies import Policy
from lineproof_audit.keyrecord import KeyRecord
from lineproof_audit.keys import VerifyKey

__all__ = ["ADMIN_TYPES", "GENESIS", "KEY", "KEYRING_TYPES", "POLICY", "SERVICE_TYPES", "KeyVerdict", "Standing"]

GENESIS, KEY, POLICY = "lineproof.genesis.v1", "lineproof.key.v1", "lineproof.policy.v1"
KEYRING_TYPES = frozenset({GENESIS, KEY, POLICY})
ADMIN_TYPES = KEYRING_TYPES | {"lineproof.erasure.v1"}  # what an admin key may say
# What only the log's own keys may say, whatever a producer's scope allows with `*`.
SERVICE_TYPES = ADMIN_TYPES | {"lineproof.equivocation.v1", "lineproof.access.v1", "lineproof.derivation.v1"}


@dataclass(frozen=True, slots=True)
class KeyVerdict:
    """Whether a key was good for an entry. `code` is a stable error code if not; `disputed` if a later revocation reaches back over it."""

    ok: bool
    code: str | None = None
    reason: str | None = None
    disputed: bool = False


_VALID: Final = KeyVerdict(True)  # of almost every entry there is


class Standing:
    """Keys, policies and used identity tokens as the log has said them so far."""

    def __init__(self) -> None:
        self.origin: str | None = None
        self._keys: dict[str, KeyRecord] = {}
        self._policies: list[tuple[int, Policy]] = []
        self._tokens: set[str] = set()  # ids of identity tokens that a key was enrolled with

    def check(self, keyid: str, index: int, *, event_type: str, source: str, namespaces_written: Iterable[str], received: int, tenant: str) -> KeyVerdict:
        """Whether entry `index` may stand: the key valid there, and what the event says within the key's scope and tenant.

        Args:
            keyid: who signed.
            index: the entry's index (at intake: the log's size).
            event_type: as in the leaf.
            source: CloudEvents `source` or OpenLineage `producer`.
            namespaces_written: namespaces of jobs and outputs the event writes; reads need no scope.
            received: µs since the epoch, as in the leaf.
            tenant: the leaf's tenant.
        """
        verdict = self.validity(keyid, index, received)
        if not verdict.ok:
            return verdict
        reason = self._outside(self._keys[keyid], index, event_type, source, namespaces_written, tenant)
        return replace(verdict, ok=False, code="out-of-scope", reason=reason) if reason else verdict

    def validity(self, keyid: str, index: int, received: int) -> KeyVerdict:
        """Whether the key was registered and not revoked at entry `index`, whatever the entry says."""
        record = self._keys.get(keyid)
        if record is None:
            return KeyVerdict(False, "unknown-key", "the key is not registered")
        if index < record.valid_from:
            return KeyVerdict(False, "unknown-key", f"the key is valid from entry {record.valid_from}")
        last = record.last_valid_as_of(index) if record.revocations else None
        if last is not None and index > last:
            return KeyVerdict(False, "revoked-key", f"the key was valid up to entry {last}")
        if record.not_after is not None and received > record.not_after:
            return KeyVerdict(False, "revoked-key", "the key had expired (notAfter)")
        return KeyVerdict(True, disputed=record.is_disputed(index)) if record.revocations else _VALID

    def may_write(self, keyid: str, namespace: str, index: int, tenant: str) -> bool:
        """Whether the key's scope and tenant reach `namespace` at entry `index`: decides edge by edge what an entry may project."""
        record = self._keys.get(keyid)
        return record is not None and self._foreign(record, namespace, index, tenant) is None

    def _outside(self, record: KeyRecord, index: int, event_type: str, source: str, namespaces: Iterable[str], tenant: str) -> str | None:
        if record.purpose == "log":
            return "a log key signs checkpoints only"
        if record.purpose == "admin":
            return None if event_type in ADMIN_TYPES else f"an admin key says nothing of type {event_type}"
        if record.purpose == "notary" and event_type in ADMIN_TYPES:
            return f"the notary says nothing of type {event_type}"
        if record.purpose == "producer":
            if event_type in SERVICE_TYPES:
                return f"{event_type} is said by the log itself"
            if record.tenant != tenant:
                return "the key belongs to another tenant"
            if record.scope is None or not record.scope.allows_type(event_type):
                return f"event type {event_type} is outside the key's scope"
            if not record.scope.allows_source(source):
                return f"source {source!r} is outside the key's scope"
        return next((reason for namespace in namespaces if (reason := self._foreign(record, namespace, index, tenant))), None)

    def _foreign(self, record: KeyRecord, namespace: str, index: int, tenant: str) -> str | None:
        if record.purpose == "producer" and (record.tenant != tenant or record.scope is None or not record.scope.allows_namespace(namespace)):
            return f"namespace {namespace!r} is outside the key's scope"
        if self.tenant_of(namespace, index) != tenant:
            return f"namespace {namespace!r} does not belong to the tenant"
        return None

    def key(self, keyid: str) -> KeyRecord | None:
        """The record of a key, or None."""
        return self._keys.get(keyid)

    def history(self, keyid: str | None = None) -> list[KeyRecord]:
        """All keys in order of registration; with `keyid`, that key and those it replaced or was replaced by."""
        if keyid is None:
            return list(self._keys.values())
        line, before = {keyid}, 0
        while len(line) != before:
            before = len(line)
            line |= {key.keyid for key in self._keys.values() if key.replaces in line}
            line |= {key.replaces for key in self._keys.values() if key.keyid in line and key.replaces}
        return [key for key in self._keys.values() if key.keyid in line]

    def is_used(self, token_id: str) -> bool:
        """Whether a key was enrolled with this identity token."""
        return token_id in self._tokens

    def keys_for(self, purpose: str, size: int | None = None) -> list[VerifyKey]:
        """Public keys of a purpose, in order of registration: all there ever were, or those in force when the log has `size` entries.

        A checkpoint of `size` is signed by the log keys of `size`: what the entry after it would be held against.
        """
        return [key.verify_key for key in self._keys.values()
                if key.purpose == purpose and (size is None or (key.valid_from <= size and ((last := key.last_valid_as_of(size)) is None or size <= last)))]

    @property
    def policy(self) -> Policy | None:
        """The policy in force at the end of what was folded."""
        return self._policies[-1][1] if self._policies else None

    @property
    def policy_index(self) -> int | None:
        """The entry of `policy`: what the next one names as `previous`."""
        return self._policies[-1][0] if self._policies else None

    def policy_at(self, index: int) -> Policy | None:
        """The policy in force for entry `index`: the last one applied before it."""
        for at, policy in reversed(self._policies):
            if at < index:
                return policy
        return None

    def tenant_of(self, namespace: str, index: int | None = None) -> str | None:
        """The tenant that owns `namespace` (longest matching prefix), now or for entry `index`; None if nobody does."""
        policy = self.policy if index is None else self.policy_at(index)
        return policy.tenant_of(namespace) if policy else None

    def entries_about(self, keyids: Iterable[str]) -> list[int]:
        """Indices of the entries that decide about these keys: genesis, policies, registrations, rotations, revocations."""
        indices = {0, *(at for at, _ in self._policies)} if self.origin is not None else set()
        for record in (found for keyid in keyids for found in self.history(keyid)):
            indices |= {record.registered_at, *(at for at, _ in record.revocations)}
        for own in (key for key in self._keys.values() if key.purpose != "producer"):  # they said what is said about the others
            indices |= {own.registered_at, *(at for at, _ in own.revocations)}
        return sorted(indices)
