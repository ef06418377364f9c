"""What the log knows of one key, by index."""
from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from lineproof_audit.admin_bodies import enrolment_document, scope_document
from lineproof_audit.base64text import decode_base64, encode_base64
from lineproof_audit.bindings import Enrolment, Scope
from lineproof_audit.keys import VerifyKey

__all__ = ["KeyRecord", "record_from_state", "record_to_state"]

_SIGNS_AS = {"producer": "PRODUCER", "notary": "SERVICE", "admin": "ADMIN"}


@lru_cache(maxsize=1_024)  # one key signs thousands of entries, and OpenSSL takes a while to read it
def _verify_key(spki: bytes) -> VerifyKey:
    return VerifyKey(spki)


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One key and its life, counted in entry indices.

    Attributes:
        keyid: 64 hex characters.
        spki: SubjectPublicKeyInfo (DER).
        purpose: producer, notary, log or admin.
        registered_at: the entry that registered it.
        valid_from: the first entry it may sign.
        tenant, scope: what a producer key may say; None for the log's own keys.
        not_after: µs since the epoch, compared with `received`; None = until revoked.
        replaces: the key it rotated away from.
        enrolment: of a short-lived key, the identity token it is bound to.
        revocations: (entry that revokes, last valid entry it sets), in order.
    """

    keyid: str
    spki: bytes
    purpose: str
    registered_at: int
    valid_from: int
    tenant: str | None = None
    scope: Scope | None = None
    label: str | None = None
    not_after: int | None = None
    replaces: str | None = None
    revocations: tuple[tuple[int, int], ...] = ()
    enrolment: Enrolment | None = None

    @property
    def verify_key(self) -> VerifyKey:
        """The public key."""
        return _verify_key(self.spki)

    @property
    def signs_as(self) -> str | None:
        """What a leaf's `signedBy` says of entries by this key; None for a log key, which signs checkpoints only."""
        return _SIGNS_AS.get(self.purpose)

    @property
    def last_valid(self) -> int | None:
        """The last entry the key may sign as far as is known now; None while it is not revoked."""
        return min((last for _, last in self.revocations), default=None)

    def last_valid_as_of(self, index: int) -> int | None:
        """The last valid entry as the entries before `index` said it: later revocations undo nothing."""
        return min((last for at, last in self.revocations if at < index), default=None)

    def is_disputed(self, index: int) -> bool:
        """Whether a later revocation reaches back over entry `index`."""
        return any(last < index < at for at, last in self.revocations)

    def as_of(self, size: int) -> KeyRecord | None:
        """The record as the first `size` entries say it; None if they do not know the key."""
        if self.registered_at >= size:
            return None
        return replace(self, revocations=tuple(item for item in self.revocations if item[0] < size))

    def state_at(self, size: int, time: int) -> str:
        """What the next entry of a log of `size` entries, received at `time` (µs), would find: `pending`, `valid`, `expired` or `revoked`."""
        last = self.last_valid_as_of(size)
        if last is not None and size > last:
            return "revoked"
        if self.not_after is not None and time > self.not_after:
            return "expired"
        return "valid" if size >= self.valid_from else "pending"

    @property
    def disputed(self) -> list[tuple[int, int, int]]:
        """(first, last, revoking entry): indices whose entries by this key are disputed."""
        return [(max(last + 1, self.valid_from), at - 1, at) for at, last in self.revocations if max(last + 1, self.valid_from) <= at - 1]


def record_to_state(record: KeyRecord) -> dict[str, Any]:
    """JSON-able form."""
    return {"keyid": record.keyid, "spki": encode_base64(record.spki), "purpose": record.purpose, "registeredAt": record.registered_at,
            "validFrom": record.valid_from, "tenant": record.tenant, "scope": scope_document(record.scope) if record.scope else None,
            "label": record.label, "notAfter": record.not_after, "replaces": record.replaces, "revocations": [list(item) for item in record.revocations],
            "enrolment": enrolment_document(record.enrolment) if record.enrolment else None}


def record_from_state(state: dict[str, Any]) -> KeyRecord:
    """The inverse of `record_to_state`."""
    scope, enrolment = state["scope"], state.get("enrolment")
    return KeyRecord(state["keyid"], decode_base64(state["spki"]), state["purpose"], state["registeredAt"], state["validFrom"], state["tenant"],
                     Scope(tuple(scope["namespaces"]), tuple(scope["eventTypes"]), tuple(scope["sources"])) if scope else None,
                     state["label"], state["notAfter"], state["replaces"], tuple((at, last) for at, last in state["revocations"]),
                     Enrolment(enrolment["binding"], enrolment["issuer"], enrolment["token"], enrolment["tokenId"], enrolment["claims"],
                               decode_base64(enrolment["possession"])) if enrolment else None)
