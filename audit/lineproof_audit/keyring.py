"""Keys and policy as a fold over the log: which key was good at which index, for what, and which tenant owned which namespace.

Pure: the same entries in the same order give the same keyring in intake (advisory), the projector (final), fsck and the
offline verifier. Validity is counted in entry indices, never in time, so that a stolen key cannot choose when it was used; only
`notAfter` of short-lived keys is compared with the leaf's `received`. A genesis, key or policy entry that is not signed by a
valid admin key changes nothing; its outcome says why.

A revocation undoes nothing: entries between its `lastValid` and itself stay valid and are marked `disputed`.
"""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from lineproof_audit.admin_bodies import BodyError, KeyChange, Policy, policy_document, read_genesis, read_key, read_policy
from lineproof_audit.envelope import PAYLOAD_CLOUDEVENT, Envelope, parse_envelope, verify_envelope
from lineproof_audit.errors import BadSignature, EnvelopeError
from lineproof_audit.facts import load_object
from lineproof_audit.keyrecord import KeyRecord, record_from_state, record_to_state
from lineproof_audit.keys import VerifyKey
from lineproof_audit.leaf import Leaf

__all__ = ["ADMIN_TYPES", "GENESIS", "KEY", "KEYRING_TYPES", "POLICY", "SERVICE_TYPES", "KeyVerdict", "Keyring", "Outcome"]

GENESIS, KEY, POLICY = "lineproof.genesis.v1", "lineproof.key.v1", "lineproof.policy.v1"
KEYRING_TYPES = frozenset({GENESIS, KEY, POLICY})
ADMIN_TYPES = KEYRING_TYPES | {"lineproof.erasure.v1"}  # what an admin key may say
# What only the log's own keys may say, whatever a producer's scope allows with `*`.
SERVICE_TYPES = ADMIN_TYPES | {"lineproof.equivocation.v1", "lineproof.access.v1", "lineproof.derivation.v1"}

_STATE_VERSION = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an entry did to the keyring: `applied`, `ignored` (not an entry of ours) or `rejected` with a reason."""

    status: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class KeyVerdict:
    """Whether a key was good for an entry. `code` is a stable error code if not; `disputed` if a later revocation reaches back over it."""

    ok: bool
    code: str | None = None
    reason: str | None = None
    disputed: bool = False


class _Rejected(Exception):
    """Carries the reason from a rule to `apply`."""


class Keyring:
    """The fold. Apply every entry in index order (others than genesis, key and policy are ignored), or at least all of those."""

    def __init__(self) -> None:
        self.origin: str | None = None
        self._keys: dict[str, KeyRecord] = {}
        self._policies: list[tuple[int, Policy]] = []

    # -- the fold

    def apply(self, index: int, leaf: Leaf, envelope: bytes | Envelope | None) -> Outcome:
        """Fold in one entry; `envelope` is the body as received, parsed or not. Never raises on what an entry says."""
        if leaf.event_type not in KEYRING_TYPES:
            return Outcome("ignored", "no-key-or-policy")
        try:
            data = self._admitted(index, leaf, envelope)
            if leaf.event_type == GENESIS:
                self._genesis(data, leaf)
            elif leaf.event_type == KEY:
                self._key_change(index, read_key(data))
            else:
                self._policy_change(index, read_policy(data))
        except BodyError as error:
            return Outcome("rejected", f"invalid-body: {error}")
        except _Rejected as error:
            return Outcome("rejected", str(error))
        return Outcome("applied")

    def _admitted(self, index: int, leaf: Leaf, envelope: bytes | Envelope | None) -> dict[str, Any]:
        """The body's `data`, once signature, type and audience are found good."""
        if envelope is None:
            raise _Rejected("body-missing")
        try:
            parsed = envelope if isinstance(envelope, Envelope) else parse_envelope(envelope)
        except EnvelopeError as error:
            raise _Rejected(f"invalid-envelope: {error.detail}") from error
        event = load_object(parsed.payload) if parsed.payload_type == PAYLOAD_CLOUDEVENT else None
        if event is None or event.get("type") != leaf.event_type or not isinstance(event.get("data"), dict):
            raise _Rejected("type-mismatch")
        data: dict[str, Any] = event["data"]
        if (leaf.event_type == GENESIS) != (index == 0):
            raise _Rejected("genesis-not-first" if leaf.event_type == GENESIS else "no-genesis")
        if leaf.event_type == GENESIS:
            if self.origin is not None:
                raise _Rejected("genesis-repeated")
            signer, origin = read_genesis(data).root_admin_key, data["origin"]
        else:
            if self.origin is None:
                raise _Rejected("no-genesis")
            record = self._keys.get(leaf.signer)
            if record is None or record.purpose != "admin" or not self.validity(leaf.signer, index, leaf.received).ok:
                raise _Rejected("not-signed-by-root-admin")
            signer, origin = record.verify_key, self.origin
        if leaf.signer != signer.keyid:
            raise _Rejected("not-signed-by-root-admin")
        if event.get("audience") not in (None, origin):
            raise _Rejected("wrong-audience")
        try:
            verify_envelope(parsed, signer)
        except BadSignature as error:
            raise _Rejected("bad-signature") from error
        return data

    def _genesis(self, data: dict[str, Any], leaf: Leaf) -> None:
        genesis = read_genesis(data)
        keys = {"log": genesis.log_key, "notary": genesis.notary_key, "admin": genesis.root_admin_key}
        if len({key.keyid for key in keys.values()}) != len(keys):
            raise _Rejected("keys-not-separate")
        self.origin = genesis.origin
        for purpose, key in keys.items():
            self._keys[key.keyid] = KeyRecord(key.keyid, key.spki, purpose, registered_at=0, valid_from=0, label=purpose)

    def _key_change(self, index: int, change: KeyChange) -> None:
        if change.action == "revoke":
            self._revoke(index, change.key_id, change.last_valid)
            return
        if change.public_key is None or change.public_key.keyid != change.key_id:
            raise _Rejected("key-id-mismatch")
        if change.key_id in self._keys:
            raise _Rejected("key-exists")
        purpose, tenant, scope = change.purpose, change.tenant, change.scope
        if change.action == "rotate":
            old = self._keys.get(change.replaces or "")
            if old is None:
                raise _Rejected("unknown-key")
            if purpose != old.purpose or tenant not in (None, old.tenant):
                raise _Rejected("rotation-changes-purpose-or-tenant")
            tenant, scope = old.tenant, scope or old.scope
        record = KeyRecord(change.key_id, change.public_key.spki, purpose, registered_at=index, valid_from=index + 1, tenant=tenant, scope=scope,
                           label=change.label, not_after=change.not_after, replaces=change.replaces)
        self._keys[record.keyid] = record
        if change.action == "rotate" and change.last_valid is not None and change.replaces is not None:
            try:
                self._revoke(index, change.replaces, change.last_valid)  # else both sign: an overlap
            except _Rejected:
                del self._keys[record.keyid]
                raise

    def _revoke(self, index: int, keyid: str, last_valid: int | None) -> None:
        record = self._keys.get(keyid)
        if record is None or last_valid is None:
            raise _Rejected("unknown-key")
        if record.last_valid is not None and record.last_valid <= last_valid:
            raise _Rejected("already-revoked")
        revoked = replace(record, revocations=(*record.revocations, (index, last_valid)))
        if record.purpose == "admin" and not any(key.purpose == "admin" and key.last_valid is None and key.not_after is None
                                                 for key in self._keys.values() if key.keyid != keyid):
            raise _Rejected("last-admin-key")
        self._keys[keyid] = revoked

    def _policy_change(self, index: int, policy: Policy) -> None:
        current = self._policies[-1][0] if self._policies else None
        if policy.previous != current:
            raise _Rejected(f"previous-mismatch: the policy in force is entry {current}")
        self._policies.append((index, policy))

    # -- questions

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
        last = record.last_valid_as_of(index)
        if last is not None and index > last:
            return KeyVerdict(False, "revoked-key", f"the key was valid up to entry {last}")
        if record.not_after is not None and received > record.not_after:
            return KeyVerdict(False, "revoked-key", "the key had expired (notAfter)")
        return KeyVerdict(True, disputed=record.is_disputed(index))

    def may_write(self, keyid: str, namespace: str, index: int, tenant: str) -> bool:
        """Whether the key's scope and tenant reach `namespace` at entry `index`: decides edge by edge what an entry may project."""
        record = self._keys.get(keyid)
        return record is not None and self._foreign(record, namespace, index, tenant) is None

    def _outside(self, record: KeyRecord, index: int, event_type: str, source: str, namespaces: Iterable[str], tenant: str) -> str | None:
        if record.purpose == "log":
            return "a log key signs checkpoints only"
        if record.purpose == "admin":
            return None if event_type in ADMIN_TYPES else f"an admin key says nothing of type {event_type}"
        if record.purpose == "notary" and event_type in KEYRING_TYPES:
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

    def is_log_own(self, keyid: str) -> bool:
        """Whether the key is one of the log's own (log, notary, admin) and no producer's."""
        record = self._keys.get(keyid)
        return record is not None and record.purpose != "producer"

    def keys_for(self, purpose: str) -> list[VerifyKey]:
        """Public keys of a purpose, in order of registration, revoked ones too."""
        return [key.verify_key for key in self._keys.values() if key.purpose == purpose]

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
        return next((policy for at, policy in reversed(self._policies) if at < index), None)

    def tenant_of(self, namespace: str, index: int | None = None) -> str | None:
        """The tenant that owns `namespace` (longest matching prefix), now or for entry `index`; None if nobody does."""
        policy = self.policy if index is None else self.policy_at(index)
        return policy.tenant_of(namespace) if policy else None

    def entries_about(self, keyids: Iterable[str]) -> list[int]:
        """Indices of the entries that decide about these keys: genesis, policies, registrations, rotations, revocations."""
        indices = {0, *(at for at, _ in self._policies)} if self.origin is not None else set()
        for record in (found for keyid in keyids for found in self.history(keyid)):
            indices |= {record.registered_at, *(at for at, _ in record.revocations)}
        for admin in (key for key in self._keys.values() if key.purpose == "admin"):
            indices |= {admin.registered_at, *(at for at, _ in admin.revocations)}
        return sorted(indices)

    # -- persistence

    def to_state(self) -> dict[str, Any]:
        """The keyring as JSON-able data; `from_state` gives an equal one."""
        return {"v": _STATE_VERSION, "origin": self.origin, "keys": [record_to_state(key) for key in self._keys.values()],
                "policies": [[index, policy_document(policy)] for index, policy in self._policies]}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Keyring:
        """Raises ValueError for a state of another version."""
        if state.get("v") != _STATE_VERSION:
            raise ValueError(f"keyring state of version {state.get('v')!r}, {_STATE_VERSION} expected")
        keyring = cls()
        keyring.origin = state["origin"]
        keyring._keys = {record.keyid: record for record in map(record_from_state, state["keys"])}
        keyring._policies = [(index, read_policy(document)) for index, document in state["policies"]]
        return keyring
