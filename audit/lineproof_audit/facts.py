"""What the log itself needs to know of a body: its type, and where it stands in its producer's stream.

Sources: EVENTS (envelope and producer attributes). Nothing is validated here beyond its shape; the event models do that at
intake. A fact that is absent or malformed is None.
"""
from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lineproof_audit.envelope import PAYLOAD_CLOUDEVENT, PAYLOAD_INTOTO, PAYLOAD_OPENLINEAGE

__all__ = ["EventFacts", "event_facts", "load_object"]

IN_TOTO_OTHER = "in-toto.other"


@dataclass(frozen=True, slots=True)
class EventFacts:
    """Facts of one event.

    Attributes:
        event_type: CloudEvents `type`, `openlineage.run|job|dataset`, or the statement's predicateType; None if there is none.
        audience: origin of the log the event is addressed to.
        stream, sequence, previous_hash, closed: the place in the producer's spool (stream UUID, number from 1, hex SHA-256 of the
            payload before, whether it is the last one).
    """

    event_type: str | None
    audience: str | None = None
    stream: str | None = None
    sequence: int | None = None
    previous_hash: str | None = None
    closed: bool = False

    def agrees_with(self, leaf_type: str) -> bool:
        """Whether a leaf may name this event's type `leaf_type`; unlisted predicate types stand as `in-toto.other` in leaves."""
        return self.event_type == leaf_type or (leaf_type == IN_TOTO_OTHER and self.event_type is not None)


def event_facts(payload_type: str, payload: bytes, quick: Callable[[bytes], object] | None = None) -> EventFacts:
    """The facts of a payload; never raises on bad content, it then knows nothing.

    Args:
        payload_type, payload: of the envelope.
        quick: a JSON parser to try first; what it refuses with a ValueError is read with the standard one.
    """
    document = _document(payload, quick)
    if not isinstance(document, dict):
        return EventFacts(None)
    if payload_type == PAYLOAD_CLOUDEVENT:
        return _facts(_text(document.get("type")), document)
    if payload_type == PAYLOAD_OPENLINEAGE:
        parts = [(kind, document[kind]) for kind in ("run", "job", "dataset") if isinstance(document.get(kind), dict)]
        if not parts:
            return EventFacts(None)
        return _facts(f"openlineage.{parts[0][0]}", _producer_facet([part for _, part in parts]))
    if payload_type == PAYLOAD_INTOTO:
        predicate = document.get("predicate")
        facet = predicate.get("lineproof_producer") if isinstance(predicate, dict) else None
        return _facts(_text(document.get("predicateType")), facet if isinstance(facet, dict) else {})
    return EventFacts(None)


def _document(payload: bytes, quick: Callable[[bytes], object] | None) -> object:
    """As lenient as intake: of a repeated key the last one counts."""
    if quick is not None:
        try:
            return quick(payload)
        except ValueError:
            pass  # NaN, half a surrogate pair: no JSON, but Python takes it
    try:
        return json.loads(payload)
    except (ValueError, RecursionError):
        return None


def load_object(payload: bytes) -> dict[str, Any] | None:
    """The JSON object in `payload`, strictly: None if it is no JSON object in UTF-8 or repeats a key at any depth."""
    try:
        document = json.loads(payload.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a JSON key is repeated")
    return document


def _producer_facet(parts: list[dict[str, Any]]) -> dict[str, Any]:
    for part in parts:
        facets = part.get("facets")
        facet = facets.get("lineproof_producer") if isinstance(facets, dict) else None
        if isinstance(facet, dict):
            return facet
    return {}


def _facts(event_type: str | None, attributes: dict[str, Any]) -> EventFacts:
    sequence = _text(attributes.get("sequence"))
    number = int(sequence) if sequence and len(sequence) < 20 and sequence.isascii() and sequence.isdigit() and sequence[0] != "0" else None
    return EventFacts(event_type, _text(attributes.get("audience")), _text(attributes.get("stream")), number,
                      _text(attributes.get("previoushash")), attributes.get("streamclosed") is True)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
