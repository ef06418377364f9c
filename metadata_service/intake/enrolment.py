"""Enrolling the short-lived key of a CI job: identity token in, key entry and bearer token out.

The policy's bindings say which jobs may. The notary signs the entry, which holds the claims it rests on, so that everybody can check it
against the policy again (`lineproof_audit.keyring`); whether it counts is the fold's verdict at its index, also for which of two uses
of one token came first.
"""
from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lineproof_audit.admin_bodies import scope_document
from lineproof_audit.append import Appender, NewEntry
from lineproof_audit.base64text import encode_base64
from lineproof_audit.batch import instant
from lineproof_audit.bindings import PROVIDERS, Binding, token_id
from lineproof_audit.envelope import PAYLOAD_CLOUDEVENT, sign_envelope
from lineproof_audit.keyrecord import KeyRecord
from lineproof_audit.keyring import KEY, Keyring
from lineproof_audit.keys import SigningKey, VerifyKey
from lineproof_audit.leaf import SYSTEM_TENANT
from lineproof_audit.possession import binding_statement, holds
from metadata_service.access.oidc import IdentityTokens, issuer_of
from metadata_service.access.tokens import IssuedToken, Tokens
from metadata_service.errors import AccessError
from metadata_service.intake.keys import KeyringFollower
from metadata_service.telemetry import logger

__all__ = ["Enrolled", "Enrolments"]

APPEND_SECONDS: Final = 30.0
_LOG = logger(__name__)


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A key that is valid from entry `record.valid_from` to `record.not_after`, and the bearer token to send its events with."""

    record: KeyRecord
    token: IssuedToken


class Enrolments:
    """Takes identity tokens. Blocking; call it in a worker thread."""

    def __init__(self, appender: Appender, keys: KeyringFollower, notary: SigningKey, identities: IdentityTokens, tokens: Tokens,
                 clock: Callable[[], float] = time.time) -> None:
        self._appender = appender
        self._keys = keys
        self._notary = notary
        self._identities = identities
        self._tokens = tokens
        self._clock = clock

    def enrol(self, token: str, key: VerifyKey, possession: bytes) -> Enrolled:
        """Register `key` for the job that `token` speaks for. A repeat with the same token and key gives the same key entry.

        Raises:
            AccessError: `unauthenticated` (the token, or not holding the key), `forbidden` (no binding allows the job; the token was used).
            LineproofError: `unreachable` (the issuer's keys), or as appending raises.
        """
        self._keys.refresh()
        keyring = self._keys.current
        origin, policy = keyring.origin or "", keyring.policy
        issuer = issuer_of(token)
        bindings = [item for item in policy.bindings if item.issuer == issuer] if policy is not None else []
        if issuer is None or not bindings:
            raise AccessError("no binding of the policy names the issuer of this token", code="unauthenticated")
        claims = _texts(self._identities.verify(token, issuer, origin))
        digest = hashlib.sha256(token.encode("ascii")).hexdigest()
        if not holds(key, possession, binding_statement(origin, key.keyid, digest)):
            raise AccessError("the signature does not show that the job holds the key", code="unauthenticated")
        binding, spent = _fitting(bindings, claims), token_id(issuer, claims["jti"])
        record = self._registered(keyring, key, spent)
        if record is None:
            record = self._register(origin, binding, key, possession, digest, spent, claims)
        assert record.not_after is not None
        namespaces = ["" if name == "*" else name for name in binding.scope.namespaces]
        bearer = self._tokens.bind(binding.id, claims["sub"], tenant=binding.tenant, prefixes=namespaces, expires=record.not_after)
        return Enrolled(record, bearer)

    def _register(self, origin: str, binding: Binding, key: VerifyKey, possession: bytes, digest: str, spent: str, claims: Mapping[str, str]) -> KeyRecord:
        now = int(self._clock() * 1_000_000)
        kept = {name: value for name, value in claims.items() if name in PROVIDERS[binding.provider].kept}
        data = {"action": "register", "keyId": key.keyid, "purpose": "producer", "publicKey": encode_base64(key.spki), "tenant": binding.tenant,
                "label": binding.id, "scope": scope_document(binding.scope), "notAfter": instant(now + binding.seconds * 1_000_000),
                "enrolment": {"binding": binding.id, "issuer": binding.issuer, "token": digest, "tokenId": spent, "claims": kept,
                              "possession": encode_base64(possession)}}
        entry = _entry(data, origin, now, self._notary)
        ack = self._appender.submit(entry).result(APPEND_SECONDS)
        self._keys.refresh()
        record = self._registered(self._keys.current, key, spent)
        if record is None:
            outcome = self._keys.outcome(ack.index)
            raise AccessError(f"entry {ack.index} was rejected: {outcome.reason if outcome is not None else 'not folded yet'}")
        return record

    def _registered(self, keyring: Keyring, key: VerifyKey, spent: str) -> KeyRecord | None:
        """The key, if it was enrolled with this token before."""
        record = keyring.key(key.keyid)
        if record is not None and record.enrolment is not None and record.enrolment.token_id == spent:
            return record
        if record is not None or keyring.is_used(spent):
            raise AccessError("the key is registered already" if record is not None else "the identity token was used for another key already")
        return None


def _fitting(bindings: list[Binding], claims: Mapping[str, str]) -> Binding:
    refused = {}
    for binding in bindings:
        reason = binding.refuses(claims)
        if reason is None:
            return binding
        refused[binding.id] = reason
    # Anybody in the world may have a token of a public issuer: what the policy wants is said to our own log only.
    _LOG.warning("an identity token fits no binding", bindings=refused)
    raise AccessError("no binding of the policy allows this job")


def _texts(claims: Mapping[str, Any]) -> dict[str, str]:
    """Claims as text, as the policy writes them: numbers in decimal, booleans as true and false; others are left out."""
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in claims.items() if isinstance(value, str | int)}


def _entry(data: Mapping[str, Any], origin: str, now: int, notary: SigningKey) -> NewEntry:
    import rfc8785

    event_id = str(uuid.uuid4())
    payload = rfc8785.dumps({"specversion": "1.0", "id": event_id, "source": origin, "type": KEY, "time": instant(now), "audience": origin,
                             "datacontenttype": "application/json", "data": dict(data)})
    return NewEntry(sign_envelope(PAYLOAD_CLOUDEVENT, payload, notary), PAYLOAD_CLOUDEVENT, KEY, SYSTEM_TENANT, notary.keyid, "SERVICE", None, origin, event_id)
