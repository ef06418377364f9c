"""Checking a CloudEvent against the model of its type, with the same codes wherever it is done."""
from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

from lineproof_schema.errors import LineproofError
from lineproof_schema.models import EVENT_TYPES, CloudEvent, EventData

__all__ = ["InvalidEvent", "parse_cloudevent"]

MAX_REPORTED_ERRORS = 20  # enough to fix an event, small enough for an answer


class InvalidEvent(LineproofError):
    """The event does not match its schema; `extra["errors"]` lists the fields."""

    code = "invalid-event"


def parse_cloudevent(payload: bytes | dict[str, Any]) -> tuple[CloudEvent, EventData]:
    """Validate the envelope attributes and the body of a CloudEvent.

    Raises:
        InvalidEvent: `not-json`, `unknown-event-type`, `invalid-event` (with `errors`) or `invalid-urn`.
    """
    if isinstance(payload, bytes):
        try:
            payload = json.loads(payload)
        except (ValueError, RecursionError) as error:
            raise InvalidEvent(f"the payload is not JSON: {error}", code="not-json") from error
    if not isinstance(payload, dict):
        raise InvalidEvent(f"an event is a JSON object, not {type(payload).__name__}", code="not-json")
    try:
        event = CloudEvent.model_validate(payload)
    except ValidationError as error:
        raise _invalid("the CloudEvent attributes", error) from error
    model = EVENT_TYPES.get(event.type)
    if model is None:
        raise InvalidEvent(f"no event type {event.type!r}", code="unknown-event-type")
    try:
        data = model.model_validate(event.data)
    except ValidationError as error:
        raise _invalid(f"the data of {event.type}", error) from error
    return event, data


def _invalid(where: str, error: ValidationError) -> InvalidEvent:
    found = [{"field": ".".join(str(part) for part in item["loc"]), "message": item["msg"]} for item in error.errors(include_url=False, include_input=False)]
    shown = found[:MAX_REPORTED_ERRORS]
    code = "invalid-urn" if all(item["type"] == "invalid-urn" for item in error.errors()) else None
    return InvalidEvent(f"{where}: {shown[0]['field'] or 'object'}: {shown[0]['message']}" + (f" (and {len(found) - 1} more)" if len(found) > 1 else ""),
                        code=code, errors=shown)

