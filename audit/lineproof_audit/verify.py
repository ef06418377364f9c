"""Verifying an evidence bundle offline, with nothing but the trust file.

The key of the log comes only from the trust file. Every other key comes from key entries that the bundle proves to be in that
log. Imports no pydantic, HTTP client or database, so that an auditor can run it anywhere and read it in an hour.

Levels, each resting on the one before:
    included       the cited entries are in the log at this checkpoint, their bodies are those the leaves commit to, and each is
                   signed by a key that the log's (shown) key entries declare valid at its index
    keys-complete  the root was recomputed from all leaves and every genesis, key and policy entry was read: no revocation hides
    derived        the entries shown, projected again, give the answer
    complete       the whole log, checked and projected again, gives the answer: nothing that bears on it was left out

Projecting takes the service's rules, so the last two are tried by whoever has them (`lineproof log verify`) and told here as `replays`.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lineproof_audit.body_fields import BodyError
from lineproof_audit.bundle import Bundle, BundleEntry, parse_bundle
from lineproof_audit.checkpoint import Checkpoint
from lineproof_audit.envelope import Envelope, parse_envelope, verify_envelope
from lineproof_audit.erasures import ordered_erasure
from lineproof_audit.errors import AuditError, InvalidLeaf, InvalidProof
from lineproof_audit.facts import event_facts
from lineproof_audit.keyring import KEYRING_TYPES, Keyring
from lineproof_audit.leaf import body_commitment, parse_leaf
from lineproof_audit.store import UNERASABLE_TYPES
from lineproof_audit.tree import CompactRange, leaf_hash, verify_inclusion
from lineproof_audit.trust import Trust

__all__ = ["LEVELS", "NOT_TRIED", "Verdict", "verify_bundle"]

INCLUDED, KEYS_COMPLETE, DERIVED, COMPLETE = "included", "keys-complete", "derived", "complete"
LEVELS = (INCLUDED, KEYS_COMPLETE, DERIVED, COMPLETE)
NOT_TRIED = "not tried"

_NOT_SHOWN = {
    KEYS_COMPLETE: "Not shown: that the answer follows from these entries, that no other entry bears on the question, and that what producers said is true.",
    DERIVED: "Not shown: that no other entry bears on the question, and that what producers said is true.",
    COMPLETE: "Not shown: that what producers said is true.",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a bundle proves.

    Attributes:
        ok: the required level was reached and nothing in the bundle failed.
        code: `ok`, `unanchored`, `invalid-proof` or `below-required`.
        levels: the levels reached, in order.
        reasons: per level not reached, why; one text per finding.
        notes: findings that fail nothing (disputed or erased entries).
        statement: in plain words how far the proof reaches.
        checkpoint: the verified tree head, None if it did not verify.
    """

    ok: bool
    code: str
    levels: tuple[str, ...]
    reasons: dict[str, tuple[str, ...]]
    statement: str
    notes: tuple[str, ...] = ()
    checkpoint: Checkpoint | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON-able form for machines."""
        head = self.checkpoint
        return {"ok": self.ok, "code": self.code, "levels": list(self.levels), "reasons": {level: list(texts) for level, texts in self.reasons.items()},
                "notes": list(self.notes), "statement": self.statement,
                "checkpoint": None if head is None else {"origin": head.origin, "size": head.size, "rootHash": head.root.hex()}}


@dataclass(slots=True)
class _Findings:
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def verify_bundle(bundle: object, trust: Trust | None, require: str | None = None, replays: Mapping[str, Sequence[str]] | None = None,
                  notes: Sequence[str] = ()) -> Verdict:
    """Verify a decoded bundle (the JSON document) against a trust file. Bad evidence gives a verdict, never an exception.

    Args:
        bundle: the JSON document.
        trust: what the verifier was told out of band; None gives the verdict `unanchored`.
        require: the least level that is ok; None = `included`. A higher level passes for a lower one.
        replays: for `derived` and `complete`, if tried: why it was not reached, empty if it was.
        notes: what trying them left open, for `Verdict.notes`.

    Raises:
        AuditError: `invalid-argument`, `require` is no level of this verifier.
    """
    required = require or INCLUDED
    if required not in LEVELS:
        raise AuditError(f"level {required!r} is none of {', '.join(LEVELS)}", code="invalid-argument")
    if trust is None:
        return _failed("unanchored", "no trust file was given: whoever made this bundle could have made the log it speaks of")
    try:
        parsed = parse_bundle(bundle)
        checkpoint = _checkpoint(parsed, trust)
    except InvalidProof as error:
        return _failed("invalid-proof", error.detail)
    included = _Findings()
    keyring = _included(parsed, checkpoint, trust, included)
    reasons = {INCLUDED: tuple(included.failures)}
    complete = [] if parsed.leaves is None else _keys_complete(parsed, parsed.leaves, checkpoint)
    reasons[KEYS_COMPLETE] = tuple(complete) if parsed.leaves is not None else ("the bundle does not hold all leaves (make it with --with-leaves)",)
    if included.failures:
        reasons[KEYS_COMPLETE] += (f"level {INCLUDED} is not reached",)
    for level in (DERIVED, COMPLETE):
        tried = None if replays is None else replays.get(level)
        reasons[level] = (NOT_TRIED,) if tried is None else tuple(tried)
        below = [lower for lower in ((INCLUDED, KEYS_COMPLETE) if level == DERIVED else (INCLUDED,)) if reasons[lower]]
        if below:
            reasons[level] += (f"level {below[-1]} is not reached",)
    reached = tuple(level for level in LEVELS if not reasons[level])
    # A log that was replayed whole and says something else contradicts the answer; entries that do not suffice for it do not.
    failed = bool(included.failures or complete or (replays or {}).get(COMPLETE))
    enough = any(level in reached for level in LEVELS[LEVELS.index(required):])
    code = "invalid-proof" if failed else "ok" if enough else "below-required"
    return Verdict(code == "ok", code, reached, {level: texts for level, texts in reasons.items() if texts},
                   _statement(parsed, checkpoint, keyring, reached), (*included.notes, *notes), checkpoint)


def _failed(code: str, reason: str) -> Verdict:
    return Verdict(False, code, (), {level: (reason,) for level in LEVELS}, f"Nothing is shown: {reason}.")


def _checkpoint(bundle: Bundle, trust: Trust) -> Checkpoint:
    return trust.open(bundle.checkpoint, bundle.origin)


def _included(bundle: Bundle, checkpoint: Checkpoint, trust: Trust, findings: _Findings) -> Keyring:
    """Check every entry on its own, then its signature against the keyring that the shown key entries fold to."""
    entries: dict[int, BundleEntry] = {}
    envelopes: dict[int, Envelope | None] = {}
    for entry in (*bundle.key_entries, *bundle.entries):
        if entry.index in entries and entries[entry.index] != entry:
            findings.failures.append(f"entry {entry.index} stands twice with different content")
        try:
            envelopes[entry.index] = _entry(entry, bundle, checkpoint)
            entries[entry.index] = entry
        except AuditError as error:
            findings.failures.append(f"entry {entry.index}: {error.detail}")
    keyring = Keyring()
    for index in sorted(entries):
        outcome = keyring.apply(index, entries[index].leaf, envelopes[index])
        if outcome.status == "rejected":
            findings.notes.append(f"entry {index} changes no key or policy: {outcome.reason}")
    if keyring.origin != bundle.origin or not {key.keyid for key in keyring.keys_for("log")} & {key.key.keyid for key in trust.keys_of(bundle.origin)}:
        findings.failures.append("the bundle holds no genesis entry that names this origin and the trusted log key")
    erased = {named for index in sorted(entries) if (named := _erases(entries[index], envelopes[index], keyring)) is not None}
    for index in sorted({entry.index for entry in bundle.entries} & entries.keys()):  # of key entries the fold is the judge
        _signature(entries[index], envelopes[index], keyring, erased, findings)
    return keyring


def _entry(entry: BundleEntry, bundle: Bundle, checkpoint: Checkpoint) -> Envelope | None:
    """Inclusion, commitment, and agreement of leaf and body; gives the parsed envelope, None if erased."""
    if entry.proof.checkpoint != bundle.checkpoint or entry.proof.index != entry.index:
        raise InvalidProof("its proof is for another entry or checkpoint")
    verify_inclusion(leaf_hash(entry.raw_leaf), entry.index, checkpoint.size, entry.proof.hashes, checkpoint.root)
    if entry.envelope is None or entry.salt is None:
        return None
    if body_commitment(entry.salt, entry.envelope) != entry.leaf.body:
        raise InvalidProof("the body is not the one its leaf commits to")
    envelope = parse_envelope(entry.envelope)
    facts = event_facts(envelope.payload_type, envelope.payload)
    if envelope.payload_type != entry.leaf.media_type or not facts.agrees_with(entry.leaf.event_type):
        raise InvalidProof("the body is of another type than its leaf says")
    if facts.audience not in (None, bundle.origin):
        raise InvalidProof(f"the event is addressed to the log {facts.audience!r}")
    return envelope


def _erases(entry: BundleEntry, envelope: Envelope | None, keyring: Keyring) -> int | None:
    """The index whose body this entry declares erased, if an admin key that was valid at it signed it as an erasure."""
    try:
        erasure = None if envelope is None else ordered_erasure(entry.index, entry.leaf, envelope, keyring)
    except (BodyError, AuditError):
        return None  # it erases nothing; where it is cited itself, its signature is a finding of its own
    return erasure.entry if erasure is not None and erasure.entry < entry.index else None


def _signature(entry: BundleEntry, envelope: Envelope | None, keyring: Keyring, erased: set[int], findings: _Findings) -> None:
    index, leaf = entry.index, entry.leaf
    if envelope is None:
        if index in erased and leaf.event_type not in UNERASABLE_TYPES:
            findings.notes.append(f"entry {index}: its body was erased; that it was logged is shown, what it said is not")
        else:
            findings.failures.append(f"entry {index}: its body is missing and no erasure entry shown says so")
        return
    record = keyring.key(leaf.signer)
    if record is None:
        findings.failures.append(f"entry {index}: no key entry shown registers its signer {leaf.signer[:16]}…")
        return
    try:
        verify_envelope(envelope, record.verify_key)
    except AuditError as error:
        findings.failures.append(f"entry {index}: {error.detail}")
        return
    if leaf.signed_by != record.signs_as:
        findings.failures.append(f"entry {index}: its leaf says {leaf.signed_by}, a {record.purpose} key signed")
    verdict = keyring.validity(leaf.signer, index, leaf.received)
    if not verdict.ok:
        findings.failures.append(f"entry {index}: {verdict.reason}")
    elif verdict.disputed:
        findings.notes.append(f"entry {index} is disputed: its key was revoked later, back to before this entry")


def _keys_complete(bundle: Bundle, leaves: tuple[bytes, ...], checkpoint: Checkpoint) -> list[str]:
    """The root from all leaves, and no genesis, key or policy entry left unread."""
    if len(leaves) != checkpoint.size:
        return [f"{len(leaves)} leaves for a checkpoint of size {checkpoint.size}"]
    tree = CompactRange()
    shown = {entry.index for entry in bundle.key_entries if entry.envelope is not None}
    failures: list[str] = []
    for index, raw in enumerate(leaves):
        tree.append(leaf_hash(raw))
        try:
            leaf = parse_leaf(raw)
        except InvalidLeaf as error:
            failures.append(f"leaf {index}: {error.detail}")
            continue
        if leaf.event_type in KEYRING_TYPES and index not in shown:
            failures.append(f"entry {index} is a {leaf.event_type} and the bundle does not show it")
    if tree.root() != checkpoint.root:
        failures.append("the leaves do not hash to the root of the checkpoint")
    return failures


def _statement(bundle: Bundle, checkpoint: Checkpoint, keyring: Keyring, reached: tuple[str, ...]) -> str:
    if not reached:
        return "Nothing is shown: the evidence does not verify."
    signers = len({entry.leaf.signer for entry in bundle.entries})
    count = f"{len(bundle.entries)} cited {'entry is' if len(bundle.entries) == 1 else 'entries are'}"
    parts = [f"{count} in the log {checkpoint.origin} at size {checkpoint.size}, root {checkpoint.root.hex()}, as its log key signed it; each body is the "
             f"one its leaf commits to and is signed by a key that was registered before it ({signers} signing, {len(keyring.history())} known)."]
    if KEYS_COMPLETE in reached:
        parts.append(f"All {checkpoint.size} leaves were hashed again to that root and every key and policy entry was read: no revocation is hidden.")
    elif COMPLETE not in reached:
        parts.append("A revocation could be hidden: the other leaves were not looked at.")
    if DERIVED in reached:
        parts.append("Projected again, the entries shown give the answer.")
    if COMPLETE in reached:
        parts.append("The whole log was checked and projected again, and gives the answer.")
    return " ".join([*parts, _NOT_SHOWN[COMPLETE if COMPLETE in reached else DERIVED if DERIVED in reached else KEYS_COMPLETE]])
