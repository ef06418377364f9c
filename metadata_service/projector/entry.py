"""An entry of the log, opened: leaf fields, the exact bytes, and the parsed body or why there is none."""
from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson
from pydantic import ValidationError

from lineproof_audit.envelope import PAYLOAD_CLOUDEVENT, PAYLOAD_INTOTO, PAYLOAD_OPENLINEAGE, parse_envelope
from lineproof_schema.errors import LineproofError
from lineproof_schema.models import EVENT_TYPES, CloudEvent, EventData
from lineproof_schema.models.lifecycle import StatementData
from lineproof_schema.openlineage import OpenLineageEvent, parse_openlineage, producer_facet
from lineproof_schema.validate import parse_cloudevent
from metadata_service.projector.parts import Parts
from metadata_service.projector.plain import exact, micros

if TYPE_CHECKING:
    from lineproof_audit.leaf import Leaf
    from lineproof_audit.store import StoredEntry

__all__ = ["Body", "CloudBody", "Erased", "ProjectableEntry", "StandsIn", "StatementBody", "Unreadable", "open_entry"]


# Escaped half surrogate pairs (group 1); JSON allows them, but no store and no digest can hold the text they make. Other escapes are passed over whole.
_HALF_PAIR: Final = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class CloudBody:
    """A CloudEvent whose data is valid."""

    event: CloudEvent
    data: EventData


@dataclass(frozen=True, slots=True)
class StatementBody:
    """A bare in-toto statement."""

    statement: StatementData


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The bytes are in the log and mean nothing to us: `code` says why."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Erased:
    """Salt and body were erased and nothing stands in."""


@dataclass(frozen=True, slots=True)
class StandsIn:
    """This entry replaces the erased entry `index` and says nothing at its own place."""

    index: int


Body = OpenLineageEvent | CloudBody | StatementBody | Unreadable | Erased | StandsIn


@dataclass(frozen=True, slots=True)
class ProjectableEntry:
    """What the rules see of an entry. `envelope` is None once erased; `payload` are the signed bytes."""

    index: int
    leaf: Leaf
    envelope: bytes | None
    payload: bytes
    body: Body

    @property
    def tenant(self) -> str:
        """The tenant whose words these are."""
        return self.leaf.tenant

    @property
    def visible_from(self) -> int:
        """The first size at which what this entry says can be seen."""
        return self.index + 1

    @property
    def source(self) -> str:
        """CloudEvents `source`, or the producer of an OpenLineage event."""
        if isinstance(self.body, CloudBody):
            return self.body.event.source
        return self.body.producer if isinstance(self.body, OpenLineageEvent) else ""

    @property
    def event_id(self) -> str | None:
        """CloudEvents `id`; for OpenLineage and statements the SHA-256 of the payload."""
        if isinstance(self.body, CloudBody):
            return self.body.event.id
        return hashlib.sha256(self.payload).hexdigest() if self.payload else None

    @property
    def claimed(self) -> int | None:
        """When the producer says it happened (µs since the epoch)."""
        if isinstance(self.body, OpenLineageEvent):
            return exact(self.body.event_time_us)
        return exact(micros(self.body.event.time)) if isinstance(self.body, CloudBody) else None

    @property
    def audience(self) -> str | None:
        """The log origin the producer addressed, if it said so."""
        if isinstance(self.body, CloudBody):
            return self.body.event.audience
        facet: dict[str, Any] | None = None
        if isinstance(self.body, OpenLineageEvent):
            facet = producer_facet(self.body)
        elif isinstance(self.body, StatementBody):
            found = self.body.statement.predicate.get("lineproof_producer")
            facet = found if isinstance(found, dict) else None
        audience = facet.get("audience") if facet else None
        return audience if isinstance(audience, str) else None


def open_entry(stored: StoredEntry, parts: Parts, *, replacement: StoredEntry | None = None, stands_in_for: int | None = None) -> ProjectableEntry:
    """Open an entry; never fails.

    Args:
        stored: The entry as the log has it.
        parts: What was read before.
        replacement: The entry whose body an erasure put in the place of this one's.
        stands_in_for: The erased entry that this entry's body is shown for.
    """
    envelope = stored.envelope if stored.envelope is not None else replacement.envelope if replacement is not None else None
    payload, body = _body(envelope, stands_in_for, parts)
    return ProjectableEntry(stored.index, stored.fields, envelope, payload, body)


def _body(envelope: bytes | None, stands_in_for: int | None, parts: Parts) -> tuple[bytes, Body]:
    if stands_in_for is not None:
        return b"", StandsIn(stands_in_for)
    return _read(envelope, parts) if envelope is not None else (b"", Erased())


def _read(raw: bytes, parts: Parts) -> tuple[bytes, Body]:
    try:
        envelope = parse_envelope(raw)
    except LineproofError as error:
        return b"", Unreadable(error.code, error.detail)
    payload = envelope.payload
    try:
        return payload, _parse(envelope.payload_type, payload, parts)
    except LineproofError as error:
        return payload, Unreadable(error.code, error.detail)


def _parse(payload_type: str, payload: bytes, parts: Parts) -> Body:
    if payload_type == PAYLOAD_OPENLINEAGE:
        return parse_openlineage(_loads(payload, parts.read))
    document = _loads(payload, orjson.loads)
    if payload_type == PAYLOAD_CLOUDEVENT:
        return CloudBody(*parse_cloudevent(document))
    if payload_type == PAYLOAD_INTOTO:
        try:
            statement = EVENT_TYPES["lineproof.statement.v1"].model_validate(document if isinstance(document, dict) else {})
        except ValidationError as error:
            return Unreadable("invalid-event", f"not an in-toto Statement v1: {error.error_count()} errors")
        if isinstance(statement, StatementData):
            return StatementBody(statement)
    return Unreadable("unknown-payload-type", f"payloadType {payload_type[:100]!r}")


def _loads(payload: bytes, read: Callable[[bytes], Any]) -> Any:
    try:
        return read(payload)  # eight times faster than json; what it refuses json may still take (NaN, half surrogate pairs)
    except orjson.JSONDecodeError:
        payload = _HALF_PAIR.sub(lambda found: found[0] if found[1] is None else rb"\ufffd", payload)
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError:
        return payload
