"""Which keys there were at a position, in what state, and under which policy: what the entries before it say, whatever came later."""
from __future__ import annotations

import time
from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from anyio import to_thread

from lineproof_audit.admin_bodies import policy_document
from lineproof_audit.bindings import Scope
from lineproof_audit.keyrecord import KeyRecord
from metadata_service.queries.context import QueryContext
from metadata_service.queries.shapes import Completeness, ComputedAt, Long, of_micros

__all__ = ["DisputedRange", "KeyEnrolment", "KeyHistory", "KeyRow", "Revocation", "key_history"]

_NO_SCOPE = Scope((), (), ())


@dataclass(frozen=True, slots=True)
class Revocation:
    """Entry `index` revoked the key: the last entry it may have signed is `last_valid`."""

    index: Long
    last_valid: Long


@dataclass(frozen=True, slots=True)
class DisputedRange:
    """Entries `first` to `last`: what the key signed there is disputed since entry `revoked_by`."""

    first: Long
    last: Long
    revoked_by: Long


@dataclass(frozen=True, slots=True)
class KeyEnrolment:
    """The identity token that a short-lived key was bound with, under a binding of the policy."""

    binding: str
    issuer: str
    claims: Any


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One key and its life, counted in entries. `namespaces`, `event_types`, `sources` are its scope (empty for the log's own keys).

    `state` is that for the next entry at the position: pending, valid, expired or revoked. `enrolment` is that of a short-lived key.
    """

    key_id: str
    purpose: str
    state: str
    label: str | None
    tenant: str | None
    registered_at: Long
    valid_from: Long
    last_valid: Long | None
    not_after: datetime | None
    replaces: str | None
    revocations: tuple[Revocation, ...]
    disputed: tuple[DisputedRange, ...]
    enrolment: KeyEnrolment | None
    namespaces: tuple[str, ...]
    event_types: tuple[str, ...]
    sources: tuple[str, ...]
    public_key: str


@dataclass(frozen=True, slots=True)
class KeyHistory:
    """Keys in the order of their registration, and the policy in force (as its entry `policy_index` says it), at the position."""

    computed_at: ComputedAt
    completeness: Completeness
    keys: tuple[KeyRow, ...]
    policy_index: Long | None
    policy: Any


async def key_history(context: QueryContext, key_id: str | None = None) -> KeyHistory:
    """All keys that the entries before the position know, or one of them with those of its rotations."""
    keyring = (await to_thread.run_sync(context.room.keyring)).as_of(context.size)
    now = int(time.time() * 1_000_000)
    if context.at is not None:
        now = (await to_thread.run_sync(context.room.reader.entry, context.size - 1)).fields.received if context.size else 0
    rows = tuple(_key(record, context.size, now) for record in keyring.history(key_id))
    if key_id is not None and not rows:
        context.notes.doubt("unknown-key", f"no key {key_id} was registered by then")
    policy = policy_document(keyring.policy) if keyring.policy is not None else None
    return KeyHistory(await context.computed_at(), context.notes.completeness(), rows, keyring.policy_index, policy)


def _key(record: KeyRecord, size: int, now: int) -> KeyRow:
    scope, enrolment = record.scope or _NO_SCOPE, record.enrolment
    return KeyRow(record.keyid, record.purpose, record.state_at(size, now), record.label, record.tenant, record.registered_at, record.valid_from,
                  record.last_valid, of_micros(record.not_after) if record.not_after is not None else None, record.replaces,
                  tuple(Revocation(at, last) for at, last in record.revocations), tuple(DisputedRange(*each) for each in record.disputed),
                  KeyEnrolment(enrolment.binding, enrolment.issuer, dict(enrolment.claims)) if enrolment is not None else None,
                  scope.namespaces, scope.event_types, scope.sources, b64encode(record.spki).decode())
