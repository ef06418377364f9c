"""The checks between bytes and the append queue: pure functions of bytes, caller, keyring and clock.

The order is that of ARCHITECTURE, "the life of an event", 3: size and JSON, envelope, payload type, signature, schema, audience,
scope, clock. The keyring's verdict here is advisory, since the entry's index is not known yet; the projector's is final.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lineproof_audit.append import NewEntry
from lineproof_audit.envelope import DSSE_TYPES, PAYLOAD_CLOUDEVENT, PAYLOAD_OPENLINEAGE, Envelope, parse_envelope, sign_envelope, verify_envelope
from lineproof_audit.facts import load_object
from lineproof_audit.keyring import Keyring
from lineproof_audit.keys import SigningKey
from metadata_service.access import Viewer, require
from metadata_service.access.viewer import SYSTEM_TENANT
from metadata_service.errors import AccessError, IntakeRefused
from metadata_service.intake.event import EventFacts, read_event

__all__ = ["ADMIN_TYPES", "Ground", "check_envelope", "check_notarised", "check_openlineage"]

FUTURE_TOLERANCE_US: Final = 5 * 60 * 1_000_000  # clocks of CI runners are seconds off, not minutes
ADMIN_TYPES: Final = frozenset({"lineproof.key.v1", "lineproof.policy.v1", "lineproof.erasure.v1"})
NOTARY_TYPES: Final = frozenset({"lineproof.equivocation.v1", "lineproof.access.v1", "lineproof.derivation.v1"})
NOTARISED_TYPES: Final = frozenset({"lineproof.alias.v1"})  # what callers may have the notary say in their name
GENESIS: Final = "lineproof.genesis.v1"
KEY: Final = "lineproof.key.v1"
ERASURE: Final = "lineproof.erasure.v1"


@dataclass(frozen=True, slots=True)
class Ground:
    """What events are checked against: the keyring so far, the index the next entry gets, the time (µs), the notary key.

    `erasing`: an order to erase was checked before (`api.erasures`); on other ways in there is none.
    """

    keyring: Keyring
    next_index: int
    now: int
    notary: SigningKey
    erasing: bool = False


def check_envelope(raw: bytes, caller: Viewer, ground: Ground) -> NewEntry:
    """Check one signed envelope.

    Raises:
        LineproofError: with the code of the first check that fails.
    """
    envelope = parse_envelope(raw)
    if envelope.payload_type not in DSSE_TYPES:
        raise IntakeRefused(f"payloadType {envelope.payload_type!r} is none of {', '.join(sorted(DSSE_TYPES))}", code="unknown-payload-type")
    admin = _verify(envelope, ground.keyring)
    if admin:
        require(caller, "admin")
    facts = read_event(envelope.payload_type, envelope.payload)
    _audience(facts, ground.keyring)
    _reserved(facts, envelope, ground, admin)
    tenant = SYSTEM_TENANT if admin else _tenant_of_key(envelope.keyid, caller, ground.keyring)
    verdict = ground.keyring.check(envelope.keyid, ground.next_index, event_type=facts.event_type, source=facts.source, namespaces_written=facts.namespaces,
                                   received=ground.now, tenant=tenant)
    if not verdict.ok:
        raise IntakeRefused(verdict.reason or f"key {envelope.keyid} may not say this", code=verdict.code or "out-of-scope", keyid=envelope.keyid)
    _clock(facts, ground.now)
    return NewEntry(envelope=raw, media_type=envelope.payload_type, event_type=facts.event_type, tenant=tenant, signer=envelope.keyid,
                    signed_by="ADMIN" if admin else "PRODUCER", caller=caller.id, source=facts.source, event_id=facts.event_id, parsed=envelope)


def check_openlineage(raw: bytes, caller: Viewer, ground: Ground) -> NewEntry:
    """Check one plain OpenLineage event and wrap it with the notary key; the authenticated caller answers for it.

    Raises:
        LineproofError: with the code of the first check that fails.
    """
    facts = read_event(PAYLOAD_OPENLINEAGE, raw)
    if facts.audience is not None:
        _audience(facts, ground.keyring)
    _within(facts, caller, ground.keyring)
    _clock(facts, ground.now)
    envelope = sign_envelope(PAYLOAD_OPENLINEAGE, raw, ground.notary)
    return NewEntry(envelope=envelope, media_type=PAYLOAD_OPENLINEAGE, event_type=facts.event_type, tenant=caller.tenant, signer=ground.notary.keyid,
                    signed_by="SERVICE", caller=caller.id, source=facts.source, event_id=facts.event_id)


def check_notarised(raw: bytes, caller: Viewer, ground: Ground) -> NewEntry:
    """Check an unsigned CloudEvent of a type that callers may have the notary sign; the authenticated caller answers for it.

    Raises:
        LineproofError: with the code of the first check that fails.
    """
    facts = read_event(PAYLOAD_CLOUDEVENT, raw)
    if facts.event_type not in NOTARISED_TYPES:
        raise IntakeRefused(f"{facts.event_type} needs a producer's own signature", code="unsigned-envelope")
    _audience(facts, ground.keyring)
    _within(facts, caller, ground.keyring)
    _clock(facts, ground.now)
    return NewEntry(envelope=sign_envelope(PAYLOAD_CLOUDEVENT, raw, ground.notary), media_type=PAYLOAD_CLOUDEVENT, event_type=facts.event_type,
                    tenant=caller.tenant, signer=ground.notary.keyid, signed_by="SERVICE", caller=caller.id, source=facts.source, event_id=facts.event_id)


def _within(facts: EventFacts, caller: Viewer, keyring: Keyring) -> None:
    """All that the event writes lies in the caller's namespaces and tenant."""
    for namespace in facts.namespaces:
        if not caller.may_write(namespace):
            raise IntakeRefused(f"the credentials do not cover the namespace {namespace!r}", code="out-of-scope", namespace=namespace)
        if keyring.tenant_of(namespace) != caller.tenant:
            raise IntakeRefused(f"the namespace {namespace!r} belongs to another tenant", code="out-of-scope", namespace=namespace)


def _verify(envelope: Envelope, keyring: Keyring) -> bool:
    """Verify under the key the envelope names; True if it is the root admin key."""
    record = keyring.key(envelope.keyid)
    if record is None:
        raise IntakeRefused(f"no key {envelope.keyid[:64]!r} is registered", code="unknown-key", keyid=envelope.keyid[:64])
    verify_envelope(envelope, record.verify_key)
    return record.purpose == "admin"


def _reserved(facts: EventFacts, envelope: Envelope, ground: Ground, admin: bool) -> None:
    """Only the root admin key speaks of keys, policy and erasures; only the service's notary of what the log itself saw."""
    if facts.event_type == GENESIS or facts.event_type in NOTARY_TYPES:
        raise IntakeRefused(f"{facts.event_type} is written by the log itself", code="out-of-scope", keyid=envelope.keyid)
    if facts.event_type in ADMIN_TYPES and not admin:
        raise IntakeRefused(f"{facts.event_type} needs the root admin key", code="out-of-scope", keyid=envelope.keyid)
    if facts.event_type == ERASURE and not ground.erasing:
        raise IntakeRefused("an erasure is ordered at /api/v1/admin/erasures, where it is checked against what rests on the entry", code="invalid-argument")
    if facts.event_type == KEY and _ends(envelope, ground.notary.keyid):
        raise IntakeRefused("the service still signs with this notary key: restart it, so that it takes the one that replaces it, then revoke this one",
                            code="invalid-argument", keyid=ground.notary.keyid)
    if envelope.keyid == ground.notary.keyid:
        raise IntakeRefused("the notary key signs inside the service only", code="out-of-scope", keyid=envelope.keyid)


def _ends(envelope: Envelope, keyid: str) -> bool:
    """Whether a key entry ends key `keyid`."""
    data = (load_object(envelope.payload) or {}).get("data")
    if not isinstance(data, dict) or data.get("lastValid") is None:
        return False
    return bool(keyid == (data.get("keyId") if data.get("action") == "revoke" else data.get("replaces")))


def _tenant_of_key(keyid: str, caller: Viewer, keyring: Keyring) -> str:
    record = keyring.key(keyid)
    tenant = record.tenant if record is not None else None
    if tenant is None or tenant != caller.tenant:
        raise AccessError("the signing key belongs to another tenant than the credentials")
    return tenant


def _audience(facts: EventFacts, keyring: Keyring) -> None:
    if facts.audience != keyring.origin:
        stated = "no audience" if facts.audience is None else f"the audience {facts.audience[:200]!r}"
        raise IntakeRefused(f"the event has {stated}; this log is {keyring.origin!r}", code="wrong-audience", audience=facts.audience)


def _clock(facts: EventFacts, now: int) -> None:
    if facts.time is not None and facts.time > now + FUTURE_TOLERANCE_US:
        raise IntakeRefused(f"the event's time is {(facts.time - now) / 1_000_000:.0f} s ahead of the service's clock", code="future-time")
