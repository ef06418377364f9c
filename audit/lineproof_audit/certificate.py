"""A certificate of erasure: one signed file that shows, offline, that an entry was in the log and what it said is no longer kept.

It is a DSSE envelope by the log's notary over a statement and an evidence bundle. What the bundle proves: the erased entry and the erasure
entry are in the log at a signed checkpoint, and the erasure is the root admin's. What the statement says, on the service's word alone: that
body and salt were deleted, and that the graph was projected without them. Nobody can prove that bytes are nowhere; copies outside (backups,
exports, producers' spools) are not covered, and the certificate says so.
"""
from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from lineproof_audit.bundle import parse_bundle
from lineproof_audit.envelope import parse_envelope, sign_envelope, verify_envelope
from lineproof_audit.erasures import ERASURE, Erasures
from lineproof_audit.errors import AuditError, InvalidProof
from lineproof_audit.facts import load_object
from lineproof_audit.keyring import Keyring
from lineproof_audit.keys import SigningKey
from lineproof_audit.store import StoredEntry
from lineproof_audit.tree import leaf_hash
from lineproof_audit.trust import Trust
from lineproof_audit.verify import verify_bundle

__all__ = ["FORMAT", "Certified", "sign_certificate", "verify_certificate"]

FORMAT = "lineproof-erasure-certificate@v1"
CERTIFICATE_TYPE = "application/vnd.lineproof.erasure-certificate+json"


@dataclass(frozen=True, slots=True)
class Certified:
    """What a certificate shows: `ok`, why not, and in plain words how far it reaches."""

    ok: bool
    code: str
    problems: tuple[str, ...]
    statement: str
    entry: int | None = None
    erasure: int | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON-able form."""
        return {"ok": self.ok, "code": self.code, "problems": list(self.problems), "statement": self.statement, "entry": self.entry, "erasure": self.erasure}


def sign_certificate(statement: dict[str, Any], bundle: dict[str, Any], notary: SigningKey) -> bytes:
    """The certificate's bytes. `statement` has at least `entry`, `erasure`, `leafHash` (hex) and `issued`; the bundle cites both entries."""
    payload = json.dumps({"format": FORMAT, **statement, "bundle": bundle}, sort_keys=True, separators=(",", ":")).encode()
    return sign_envelope(CERTIFICATE_TYPE, payload, notary)


def verify_certificate(raw: bytes, trust: Trust | None) -> Certified:
    """Verify a certificate offline, believing only the trust file. Bad evidence gives a verdict, never an exception."""
    try:
        envelope = parse_envelope(raw)
        document = load_object(envelope.payload) if envelope.payload_type == CERTIFICATE_TYPE else None
        if document is None or document.get("format") != FORMAT:
            raise InvalidProof(f"not a {FORMAT}")
        verdict = verify_bundle(document.get("bundle"), trust)
        if not verdict.ok:
            reasons = [text for texts in verdict.reasons.values() for text in texts if "--with-leaves" not in text]
            return Certified(False, verdict.code, tuple(reasons), verdict.statement)
        entry, erasure, keyring = _agreement(document)
        record = keyring.key(envelope.keyid)
        if record is None or record.purpose != "notary":
            raise InvalidProof("it is not signed by a notary key of this log")
        verify_envelope(envelope, record.verify_key)
    except AuditError as error:
        return Certified(False, "invalid-proof", (error.detail,), f"Nothing is shown: {error.detail}.")
    head = verdict.checkpoint
    assert head is not None
    said = (f"Entry {entry} is in the log {head.origin} at size {head.size}; entry {erasure}, signed by the log's root admin, says that its body and salt "
            "are erased, and the log's notary certifies that they were deleted and that the graph was projected without them. Not shown: that no copy lies "
            "elsewhere (backups, exports, producers' own files).")
    return Certified(True, "ok", (), said, entry, erasure)


def _agreement(document: dict[str, Any]) -> tuple[int, int, Keyring]:
    """That statement and bundle speak of one erasure, which an admin key ordered."""
    bundle = parse_bundle(document["bundle"])
    entries = {item.index: item for item in (*bundle.key_entries, *bundle.entries)}
    erasures, keyring = Erasures(), Keyring()
    for index in sorted(entries):
        item = entries[index]
        stored = StoredEntry(index, item.raw_leaf, item.leaf, item.envelope, item.salt)
        keyring.apply(index, item.leaf, item.envelope)
        if item.leaf.event_type == ERASURE or item in bundle.key_entries:
            erasures.apply(stored)
    entry, by = document.get("entry"), document.get("erasure")
    named = erasures.admitted.get(entry) if isinstance(entry, int) else None
    if not isinstance(entry, int) or not isinstance(by, int) or named is None or named.index != by:
        raise InvalidProof("no entry that the root admin signed erases the one the certificate names")
    erased = entries.get(entry)
    if erased is None or erased.envelope is not None or leaf_hash(erased.raw_leaf).hex() != document.get("leafHash"):
        raise InvalidProof("the erased entry is not the one the certificate names, or its body is shown")
    return entry, by, keyring
