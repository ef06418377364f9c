"""One batch of entries: what is made of each beforehand, and what is decided under the lock: duplicates, equivocations, indices."""
from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from lineproof_audit import bodies
from lineproof_audit.base64text import encode_base64
from lineproof_audit.clock import Receiver
from lineproof_audit.envelope import MAX_ENVELOPE_BYTES, PAYLOAD_CLOUDEVENT, PAYLOAD_OPENLINEAGE, Envelope, parse_envelope, sign_envelope
from lineproof_audit.errors import CorruptLog, EnvelopeError, LogUnavailable
from lineproof_audit.identity import TenantSecrets
from lineproof_audit.keys import SigningKey
from lineproof_audit.leaf import SALT_BYTES, Leaf, body_commitment, encode_leaf
from lineproof_audit.store import AppendTransaction, Head, Known, LogStore, NewRow
from lineproof_audit.tree import leaf_hash

__all__ = ["MAX_EVIDENCE_BYTES", "Ack", "Answer", "Equivocation", "NewEntry", "Prepared", "append_batch", "instant", "prepare"]

EQUIVOCATION = "lineproof.equivocation.v1"
# The evidence of an equivocation embeds an envelope twice in base64 (x 16/9) and must itself be an envelope. OpenLineage events may be
# as large as envelopes go: their id is the hash of the payload, so there is no second one.
MAX_EVIDENCE_BYTES = MAX_ENVELOPE_BYTES * 9 // 16 - 4_096

_BODY_HOLE = "0" * 64
_TIME_HOLE = b',"received":0,"signedBy":"'  # cannot occur inside a JSON string, whose quotes are escaped


@dataclass(frozen=True, slots=True)
class NewEntry:
    """One verified envelope to append.

    Attributes:
        envelope: the DSSE bytes as received.
        media_type, event_type, tenant, signer, signed_by, caller: see `leaf.Leaf`.
        source, event_id: the rest of the event's identity; signed events are told apart by `signer`, wrapped ones by `caller`.
        parsed: `parse_envelope(envelope)` if the caller has it already.
    """

    envelope: bytes
    media_type: str
    event_type: str
    tenant: str
    signer: str
    signed_by: str
    caller: str | None
    source: str
    event_id: str
    parsed: Envelope | None = None


@dataclass(frozen=True, slots=True)
class Ack:
    """The entry is durable at `index`. `duplicate`: it was there before; `leaf` and `salt` are the first one's, `salt` empty if erased."""

    index: int
    leaf: bytes
    salt: bytes
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Equivocation:
    """The identity names entry `first_index`, which has other bytes; entry `evidence_index` embeds the second envelope."""

    first_index: int
    evidence_index: int


Answer = Ack | Equivocation | EnvelopeError


@dataclass(frozen=True, slots=True)
class Prepared:
    """An entry ready to be written but for its index and time. `fields` are those of its leaf that others share: all but body and time."""

    entry: NewEntry
    fields: Leaf
    before_time: bytes
    after_time: bytes
    salt: bytes
    body: bytes
    identity: bytes
    payload: bytes


def prepare(entry: NewEntry, secrets: TenantSecrets) -> Prepared:
    """Everything that needs no order.

    Raises:
        EnvelopeError: not an envelope, or larger than its kind may be.
        InvalidLeaf: a field is outside the leaf's grammar.
    """
    limit = MAX_ENVELOPE_BYTES if entry.media_type == PAYLOAD_OPENLINEAGE or entry.event_type == EQUIVOCATION else MAX_EVIDENCE_BYTES
    if len(entry.envelope) > limit:
        raise EnvelopeError(f"envelope of {len(entry.envelope)} bytes, at most {limit}", code="too-large", limit=limit)
    parsed = entry.parsed or parse_envelope(entry.envelope)
    fields, before_body, before_time, after_time = _frame(entry.media_type, entry.event_type, entry.tenant, entry.signer, entry.signed_by, entry.caller)
    salt = os.urandom(SALT_BYTES)
    commitment = body_commitment(salt, entry.envelope).encode("ascii")
    who = entry.caller if entry.signed_by == "SERVICE" and entry.caller is not None else entry.signer
    return Prepared(entry, fields, before_body + commitment + before_time, after_time, salt, bodies.pack(entry.envelope),
                    secrets.identity(entry.tenant, who, entry.source, entry.event_id), secrets.payload(entry.tenant, parsed.payload_type, parsed.payload))


@lru_cache(maxsize=1_024)
def _frame(media_type: str, event_type: str, tenant: str, signer: str, signed_by: str, caller: str | None) -> tuple[Leaf, bytes, bytes, bytes]:
    """What the leaves of one sender and type of event share, checked and written once: the fields, and the bytes before body and time and after.

    Raises:
        InvalidLeaf: a field is outside the leaf's grammar.
    """
    fields = Leaf(1, media_type, event_type, tenant, signer, signed_by, caller, 0, _BODY_HOLE)
    before, _, after = encode_leaf(fields).partition(_TIME_HOLE)
    before_body, _, before_time = before.partition(_BODY_HOLE.encode("ascii"))
    return fields, before_body, before_time + b',"received":', b',"signedBy":"' + after


class Batch:
    """Decides one batch against the log as it is under the lock; collects rows and answers."""

    def __init__(self, transaction: AppendTransaction, received: int, secrets: TenantSecrets, notary: SigningKey) -> None:
        self._transaction = transaction
        self._received = received
        self._time = b"%d" % received
        self._secrets = secrets
        self._notary = notary
        self._known: dict[bytes, Known] = {}
        self._rows: list[NewRow] = []
        self._tree = transaction.head.tree.copy()

    def answers(self, items: Sequence[Prepared]) -> list[Answer]:
        """Write what is new; one answer per item, in order."""
        self._known.update(self._transaction.known([item.identity for item in items]))
        first = {known.index for known in self._known.values()}
        stored = self._transaction.rows(sorted(first)) if first else {}
        answers: list[Answer] = []
        start = self._transaction.head.size
        for item in items:
            known = self._known.get(item.identity)
            if known is None:
                row = self._add(item)
                answers.append(Ack(row.index, row.leaf, row.salt, duplicate=False))
            elif known.payload != item.payload:
                answers.append(self._equivocation(item, known.index))
            elif known.index >= start:
                row = self._rows[known.index - start]
                answers.append(Ack(row.index, row.leaf, row.salt, duplicate=True))
            else:
                old = stored.get(known.index)
                if old is None:
                    raise CorruptLog(f"entry {known.index} is missing, though its identity is taken", index=known.index)
                answers.append(Ack(old.index, old.leaf, old.salt or b"", duplicate=True))
        if self._rows:
            self._transaction.insert(self._rows, Head(self._tree.size, self._received, self._tree))
        return answers

    def _add(self, item: Prepared) -> NewRow:
        leaf = item.before_time + self._time + item.after_time
        row = NewRow(self._tree.size, leaf, item.fields, self._received, item.salt, item.body, item.identity, item.payload)
        self._tree.append(leaf_hash(leaf))
        self._rows.append(row)
        self._known[item.identity] = Known(row.index, item.payload)
        return row

    def _equivocation(self, item: Prepared, first_index: int) -> Answer:
        """The evidence, appended once per distinct second payload: its own identity is the pair of hashes."""
        event_id = (item.identity + item.payload).hex()
        source = "lineproof:equivocation"
        evidence_identity = self._secrets.identity(item.entry.tenant, self._notary.keyid, source, event_id)
        if evidence_identity not in self._known:
            self._known.update(self._transaction.known([evidence_identity]))
        known = self._known.get(evidence_identity)
        if known is not None:
            return Equivocation(first_index, known.index)
        payload = json.dumps({
            "specversion": "1.0", "id": event_id, "source": source, "type": EQUIVOCATION, "time": instant(self._received),
            "datacontenttype": "application/json",
            "data": {"firstIndex": first_index, "keyId": item.entry.signer, "envelope": encode_base64(item.entry.envelope)},
        }, separators=(",", ":"), sort_keys=True).encode("ascii")
        try:
            envelope = sign_envelope(PAYLOAD_CLOUDEVENT, payload, self._notary)
        except EnvelopeError as error:  # only for a caller who gave an OpenLineage event an id that is not its hash
            return error
        entry = NewEntry(envelope, PAYLOAD_CLOUDEVENT, EQUIVOCATION, item.entry.tenant,
                         self._notary.keyid, "SERVICE", None, source, event_id)
        return Equivocation(first_index, self._add(prepare(entry, self._secrets)).index)


def append_batch(store: LogStore, items: Sequence[Prepared], receiver: Receiver, secrets: TenantSecrets, notary: SigningKey, *,
                 at_size: int | None = None) -> list[Answer]:
    """One transaction, durable when this returns. `at_size`: only if the log has exactly this size.

    Raises:
        ClockError, NoSpace, LogUnavailable, CorruptLog: nothing is acknowledged.
    """
    with store.append() as transaction:
        if at_size is not None and transaction.head.size != at_size:
            raise LogUnavailable(f"the log has {transaction.head.size} entries, {at_size} expected")
        return Batch(transaction, receiver.now(transaction.head.last_received), secrets, notary).answers(items)


def instant(microseconds: int) -> str:
    """RFC 3339 in UTC with microseconds."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)).isoformat(timespec="microseconds").replace("+00:00", "Z")
