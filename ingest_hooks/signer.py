"""Making signed envelopes that chain: each one names its log, its stream, its place in it and the hash of the one before.

So an envelope for staging is refused in production, and an event that was withheld shows as a gap (EVENTS, "Envelope").
"""
from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ingest_hooks.errors import EventError
from ingest_hooks.segment import StreamHead
from lineproof_audit.envelope import PAYLOAD_CLOUDEVENT, PAYLOAD_OPENLINEAGE, sign_envelope

if TYPE_CHECKING:
    from lineproof_audit.keys import SigningKey

__all__ = ["Draft", "Signed", "Signer", "cloudevent_draft", "openlineage_draft"]

PRODUCER = "https://lineproof.dev/ingest_hooks"
FACET_SCHEMA = "https://lineproof.dev/facets/v1"


@dataclass(frozen=True, slots=True)
class Draft:
    """An event that was checked and only lacks its place in the stream. `id` is the event's identity, "" where the payload's hash is."""

    payload_type: str
    body: dict[str, Any]
    id: str


@dataclass(frozen=True, slots=True)
class Signed:
    """An envelope and the head of the stream behind it."""

    envelope: bytes
    head: StreamHead
    id: str


def cloudevent_draft(kind: str, data: Mapping[str, Any], *, source: str, event_id: str | None, time: datetime | None) -> Draft:
    """CloudEvents 1.0 structured JSON around `data`; a fresh id unless one is given."""
    moment = (time or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    name = event_id or uuid.uuid4().hex
    return Draft(PAYLOAD_CLOUDEVENT, {"specversion": "1.0", "id": name, "source": source, "type": kind, "time": moment,
                                      "datacontenttype": "application/json", "data": data}, name)


def openlineage_draft(event: Mapping[str, Any]) -> Draft:
    """An OpenLineage event as the producer wrote it; its identity is the hash of the payload."""
    return Draft(PAYLOAD_OPENLINEAGE, dict(event), "")


class Signer:
    """Signs drafts for one log (`audience`) with one key."""

    def __init__(self, key: SigningKey, audience: str) -> None:
        self.key = key
        self.audience = audience

    def sign(self, draft: Draft, before: StreamHead, *, closes: bool = False) -> Signed:
        """The envelope of `draft` as the event after `before`.

        Raises:
            EventError: the event cannot be written as JSON.
            EnvelopeError: it is larger than the log takes.
        """
        place: dict[str, Any] = {"audience": self.audience, "stream": str(before.stream), "sequence": str(before.sequence + 1)}
        if before.sequence:
            place["previoushash"] = before.previous.hex()
        if closes:
            place["streamclosed"] = True
        body = {**draft.body, **place} if draft.payload_type == PAYLOAD_CLOUDEVENT else _with_producer_facet(draft.body, place)
        payload = _encode_json(body)
        digest = hashlib.sha256(payload)
        envelope = sign_envelope(draft.payload_type, payload, self.key)
        return Signed(envelope, StreamHead(before.stream, before.sequence + 1, digest.digest()), draft.id or digest.hexdigest())


def _encode_json(value: object) -> bytes:
    """Compact UTF-8 JSON.

    Raises:
        EventError: a value that JSON has no word for (NaN, an object, a lone surrogate, a circle).
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise EventError(f"the event cannot be written as JSON: {error}") from error


def _with_producer_facet(event: dict[str, Any], place: Mapping[str, Any]) -> dict[str, Any]:
    """The event with facet `lineproof_producer` on its run, else job, else dataset; the caller's objects stay untouched."""
    for part in ("run", "job", "dataset"):
        holder = event.get(part)
        if isinstance(holder, Mapping):
            facets = {**(holder.get("facets") or {}), "lineproof_producer": {"_producer": PRODUCER, "_schemaURL": FACET_SCHEMA, **place}}
            return {**event, part: {**holder, "facets": facets}}
    raise EventError("an OpenLineage event has a run, a job or a dataset", code="invalid-openlineage")
