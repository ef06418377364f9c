"""Keys and policy as a fold over the log: which key was good at which index, for what, and which tenant owned which namespace.

Pure: the same entries in the same order give the same keyring in intake (advisory), the projector (final), fsck and the
offline verifier. Validity is counted in entry indices, never in time, so that a stolen key cannot choose when it was used; only
`notAfter` of short-lived keys is compared with the leaf's `received`. A genesis, key or policy entry that is not signed by a
valid admin key changes nothing; its outcome says why. The notary may register one kind of key: those that a binding of the policy allows.

A revocation undoes nothing: entries between its `lastValid` and itself stay valid and are marked `disputed`.
"""
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from lineproof_audit.admin_bodies import BodyError, KeyChange, Policy, policy_document, read_genesis, read_key, read_policy
from lineproof_audit.envelope import PAYLOAD_CLOUDEVENT, Envelope, parse_envelope, verify_envelope
from lineproof_audit.errors import BadSignature, EnvelopeError
from lineproof_audit.facts import load_object
from lineproof_audit.keyrecord import KeyRecord, record_from_state, record_to_state
from lineproof_audit.keys import VerifyKey
from lineproof_audit.leaf import Leaf
from lineproof_audit.possession import binding_statement, holds, rotation_statement
from lineproof_audit.standing import ADMIN_TYPES, GENESIS, KEY, KEYRING_TYPES, POLICY, SERVICE_TYPES, KeyVerdict, Standing

__all__ = ["ADMIN_TYPES", "GENESIS", "KEY", "KEYRING_TYPES", "POLICY", "SERVICE_TYPES", "KeyVerdict", "Keyring", "Outcome"]

_STATE_VERSION = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an entry did to the keyring: `applied`, `ignored` (not an entry of ours) or `rejected` with a reason."""

    status: str
    reason: str | None = None


class _Rejected(Exception):
    """Carries the reason from a rule to `apply`."""


class Keyring(Standing):
    """The fold. Apply every entry in index order (others than genesis, key and policy are ignored), or at least all of those."""

    # -- the fold

    def apply(self, index: int, leaf: Leaf, envelope: bytes | Envelope | None) -> Outcome:
        """Fold in one entry; `envelope` is the body as received, parsed or not. Never raises on what an entry says."""
        if leaf.event_type not in KEYRING_TYPES:
            return Outcome("ignored", "no-key-or-policy")
        try:
            data, by_notary = self._admitted(index, leaf, envelope)
            if leaf.event_type == GENESIS:
                self._genesis(data)
            elif leaf.event_type == KEY:
                self._key_change(index, read_key(data), leaf, by_notary)
            else:
                self._policy_change(index, read_policy(data))
        except BodyError as error:
            return Outcome("rejected", f"invalid-body: {error}")
        except _Rejected as error:
            return Outcome("rejected", str(error))
        return Outcome("applied")

    def _admitted(self, index: int, leaf: Leaf, envelope: bytes | Envelope | None) -> tuple[dict[str, Any], bool]:
        """The body's `data` and whether the notary said it, once signature, type and audience are found good."""
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
        by_notary = False
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
            by_notary = record is not None and record.purpose == "notary" and leaf.event_type == KEY and data.get("enrolment") is not None
            if record is None or not (record.purpose == "admin" or by_notary) or not self.validity(leaf.signer, index, leaf.received).ok:
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
        return data, by_notary

    def _genesis(self, data: dict[str, Any]) -> None:
        genesis = read_genesis(data)
        keys = {"log": genesis.log_key, "notary": genesis.notary_key, "admin": genesis.root_admin_key}
        if len({key.keyid for key in keys.values()}) != len(keys):
            raise _Rejected("keys-not-separate")
        self.origin = genesis.origin
        for purpose, key in keys.items():
            self._keys[key.keyid] = KeyRecord(key.keyid, key.spki, purpose, registered_at=0, valid_from=0, label=purpose)

    def _key_change(self, index: int, change: KeyChange, leaf: Leaf, by_notary: bool) -> None:
        if change.action == "revoke":
            self._revoke(index, change.key_id, change.last_valid)
            return
        if change.public_key is None or change.public_key.keyid != change.key_id:
            raise _Rejected("key-id-mismatch")
        if change.key_id in self._keys:
            raise _Rejected("key-exists")
        if change.enrolment is not None:
            self._enrolled(index, change, change.public_key, leaf, by_notary)
        old = self._rotated(change, change.public_key) if change.action == "rotate" else None
        record = KeyRecord(change.key_id, change.public_key.spki, change.purpose, registered_at=index, valid_from=index + 1,
                           tenant=old.tenant if old else change.tenant, scope=change.scope or (old.scope if old else None), label=change.label,
                           not_after=change.not_after, replaces=change.replaces, enrolment=change.enrolment)
        self._keys[record.keyid] = record
        if old is not None and change.last_valid is not None:
            try:
                self._revoke(index, old.keyid, change.last_valid)  # else both sign: an overlap
            except _Rejected:
                del self._keys[record.keyid]
                raise
        if change.enrolment is not None:
            self._tokens.add(change.enrolment.token_id)

    def _rotated(self, change: KeyChange, key: VerifyKey) -> KeyRecord:
        """The key that is replaced, once it and the new one are found to have signed."""
        old = self._keys.get(change.replaces or "")
        if old is None:
            raise _Rejected("unknown-key")
        if change.purpose != old.purpose or change.tenant not in (None, old.tenant):
            raise _Rejected("rotation-changes-purpose-or-tenant")
        if old.enrolment is not None:
            raise _Rejected("short-lived-key: it is not rotated, the next job enrols its own")
        statement = rotation_statement(self.origin or "", old.keyid, key.keyid)
        if not holds(old.verify_key, change.old_signature or b"", statement) or not holds(key, change.new_signature or b"", statement):
            raise _Rejected("rotation-not-signed-by-both")
        return old

    def _enrolled(self, index: int, change: KeyChange, key: VerifyKey, leaf: Leaf, by_notary: bool) -> None:
        """The policy before this entry allows the key; the token is fresh; whoever enrols holds the key."""
        enrolment, policy = change.enrolment, self.policy_at(index)
        binding = policy.binding(enrolment.binding) if policy is not None and enrolment is not None else None
        if enrolment is None or binding is None or not by_notary:
            raise _Rejected("no-binding" if by_notary else "enrolment-not-by-notary")
        if (enrolment.issuer, change.tenant, change.scope) != (binding.issuer, binding.tenant, binding.scope):
            raise _Rejected("outside-binding: issuer, tenant or scope are not the binding's")
        if refused := binding.refuses(enrolment.claims):
            raise _Rejected(f"outside-binding: {refused}")
        if change.not_after is None or change.not_after > leaf.received + binding.seconds * 1_000_000:
            raise _Rejected("outside-binding: notAfter is beyond the binding's seconds")
        if enrolment.token_id in self._tokens:
            raise _Rejected("token-used")
        if not holds(key, enrolment.possession, binding_statement(self.origin or "", key.keyid, enrolment.token)):
            raise _Rejected("no-possession")

    def _revoke(self, index: int, keyid: str, last_valid: int | None) -> None:
        record = self._keys.get(keyid)
        if record is None or last_valid is None:
            raise _Rejected("unknown-key")
        if record.last_valid is not None and record.last_valid <= last_valid:
            raise _Rejected("already-revoked")
        revoked = replace(record, revocations=(*record.revocations, (index, last_valid)))
        # Without an admin key nothing can be said any more, without log and notary key nothing signed: another one comes first.
        if record.purpose != "producer" and not any(key.purpose == record.purpose and key.last_valid is None and key.not_after is None
                                                    for key in self._keys.values() if key.keyid != keyid):
            raise _Rejected(f"last-{record.purpose}-key")
        self._keys[keyid] = revoked

    def _policy_change(self, index: int, policy: Policy) -> None:
        current = self._policies[-1][0] if self._policies else None
        if policy.previous != current:
            raise _Rejected(f"previous-mismatch: the policy in force is entry {current}")
        self._policies.append((index, policy))

    def as_of(self, size: int) -> Keyring:
        """The keyring as the first `size` entries gave it."""
        then = Keyring()
        then.origin = self.origin if size > 0 else None
        then._keys = {keyid: known for keyid, record in self._keys.items() if (known := record.as_of(size)) is not None}
        then._policies = [item for item in self._policies if item[0] < size]
        then._tokens = {record.enrolment.token_id for record in then._keys.values() if record.enrolment is not None}
        return then

    # -- persistence

    def copy(self) -> Keyring:
        """An independent keyring that knows the same."""
        other = Keyring()
        other.origin, other._keys, other._policies, other._tokens = self.origin, dict(self._keys), list(self._policies), set(self._tokens)
        return other

    def know(self, record: KeyRecord) -> None:
        """Take a short-lived key that `to_state` left out: one key per CI job would make the state grow without end."""
        self._keys[record.keyid] = record

    def know_token(self, token_id: str) -> None:
        """Take an identity token as used that `to_state` left out."""
        self._tokens.add(token_id)

    def to_state(self) -> dict[str, Any]:
        """The keyring without short-lived keys as JSON-able data; `from_state` gives it back. Those are kept one by one, see `know`."""
        return {"v": _STATE_VERSION, "origin": self.origin, "keys": [record_to_state(key) for key in self._keys.values() if key.enrolment is None],
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
