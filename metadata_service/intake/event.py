"""Reading a payload by its type: what intake has to know of an event before it may be appended."""
from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
from pydantic import ValidationError

from lineproof_audit.envelope import PAYLOAD_CLOUDEVENT, PAYLOAD_INTOTO, PAYLOAD_OPENLINEAGE, parse_envelope
from lineproof_audit.hashing import sha256
from lineproof_schema.errors import LineproofError
from lineproof_schema.models.lifecycle import StatementData
from lineproof_schema.openlineage import parse_openlineage, producer_facet
from lineproof_schema.validate import parse_cloudevent
from metadata_service.errors import IntakeRefused
from metadata_service.intake.placement import namespaces_of_cloudevent, namespaces_of_openlineage, namespaces_read

__all__ = ["EventFacts", "namespaces_of_body", "read_event"]

# Predicate types that stand in leaves by name; any other is `in-toto.other`, since a leaf is public and a predicate type may say too much.
PREDICATE_TYPES: Final = frozenset({"https://slsa.dev/provenance/v1", "https://slsa.dev/provenance/v0.2", "https://in-toto.io/attestation/test-result/v0.1",
                                    "https://in-toto.io/attestation/vulns/v0.1", "https://spdx.dev/Document", "https://cyclonedx.org/bom",
                                    "https://model_signing/signature/v1.0"})
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class EventFacts:
    """What intake knows of an event. `time` in µs since the epoch or None; `source` and `event_id` make its identity."""

    event_type: str
    source: str
    event_id: str
    time: int | None
    audience: str | None
    namespaces: tuple[str, ...]
    reads: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def read_event(payload_type: str, payload: bytes) -> EventFacts:
    """Parse and validate a payload.

    Raises:
        LineproofError: `unknown-payload-type`, `not-json`, `unknown-event-type`, `invalid-event`, `invalid-openlineage`, `invalid-urn`.
    """
    match payload_type:
        case "application/vnd.openlineage+json":
            return _openlineage(payload)
        case "application/cloudevents+json":
            return _cloudevent(payload)
        case "application/vnd.in-toto+json":
            return _statement(payload)
    known = ", ".join((PAYLOAD_OPENLINEAGE, PAYLOAD_CLOUDEVENT, PAYLOAD_INTOTO))
    raise IntakeRefused(f"payloadType {payload_type!r} is none of {known}", code="unknown-payload-type")


def _openlineage(payload: bytes) -> EventFacts:
    event = parse_openlineage(_loads(payload))
    audience = (producer_facet(event) or {}).get("audience")
    return EventFacts(event_type=f"openlineage.{event.kind}", source=event.producer, event_id=sha256(payload).hexdigest(), time=event.event_time_us,
                      audience=audience if isinstance(audience, str) else None, namespaces=namespaces_of_openlineage(event),
                      reads=namespaces_read(event), warnings=event.warnings)


def _loads(payload: bytes) -> bytes | dict[str, Any]:
    """The object, or the bytes again where the standard parser has to decide: it takes NaN and half surrogate pairs, as producers write them."""
    try:
        document = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return payload
    return document if isinstance(document, dict) else payload


def _cloudevent(payload: bytes) -> EventFacts:
    event, data = parse_cloudevent(payload)
    return EventFacts(event_type=event.type, source=event.source, event_id=event.id, time=(event.time - _EPOCH) // timedelta(microseconds=1),
                      audience=event.audience, namespaces=namespaces_of_cloudevent(data))


def _statement(payload: bytes) -> EventFacts:
    try:
        document: Any = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise IntakeRefused(f"the payload is not JSON: {error}", code="not-json") from error
    try:
        statement = StatementData.model_validate(document)
    except ValidationError as error:
        items = error.errors(include_url=False, include_input=False)
        found = [{"field": ".".join(str(part) for part in item["loc"]), "message": item["msg"]} for item in items]
        raise IntakeRefused(f"the in-toto statement: {found[0]['field'] or 'object'}: {found[0]['message']}", errors=found[:20]) from error
    facet = statement.predicate.get("lineproof_producer")
    audience = facet.get("audience") if isinstance(facet, dict) else None
    kind = statement.predicate_type if statement.predicate_type in PREDICATE_TYPES else "in-toto.other"
    return EventFacts(event_type=kind, source=statement.predicate_type, event_id=sha256(payload).hexdigest(), time=None,
                      audience=audience if isinstance(audience, str) else None, namespaces=())


def namespaces_of_body(envelope: bytes) -> tuple[str, ...]:
    """All namespaces a logged envelope names, written and read, for whoever asks to see its body.

    An envelope that means nothing to us (a type of a newer version) names none; its tenant then decides alone.
    """
    try:
        parsed = parse_envelope(envelope)
        facts = read_event(parsed.payload_type, parsed.payload)
    except LineproofError:
        return ()
    return (*facts.namespaces, *facts.reads)
