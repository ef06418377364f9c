"""Shapes of bodies and answers for the OpenAPI document; the routes themselves read and write bytes."""
from __future__ import annotations

from typing import Any, Final

__all__ = ["ACCEPTED", "BATCH_SUMMARY", "BINARY", "ENVELOPE_BODY", "EVENTS_ANSWER", "OPENLINEAGE_BATCH", "OPENLINEAGE_BODY", "PROBLEMS",
           "RECEIVED", "RESOLVE_ANSWER", "RESOLVE_BODY", "TEXT", "json_answer"]

Schema = dict[str, Any]


def _object(required: str, **properties: Schema) -> Schema:
    return {"type": "object", "required": required.split(), "properties": properties}


def json_answer(description: str, schema: Schema) -> Schema:
    """A JSON answer of this shape."""
    return {"description": description, "content": {"application/json": {"schema": schema}}}


_TEXT: Final[Schema] = {"type": "string"}
_INT: Final[Schema] = {"type": "integer"}
_BASE64: Final[Schema] = {"type": "string", "contentEncoding": "base64"}
_ANY_OBJECT: Final[Schema] = {"type": "object"}
_ENVELOPE: Final = _object("payloadType payload signatures", payloadType=_TEXT, payload=_BASE64, signatures={
    "type": "array", "minItems": 1, "maxItems": 1, "items": _object("sig", keyid=_TEXT, sig=_BASE64)})
_ACK_FIELDS: Final[dict[str, Schema]] = {"index": _INT, "leaf": _BASE64, "salt": _BASE64, "duplicate": {"type": "boolean"}}
_ACK: Final = _object("index leaf salt duplicate", **_ACK_FIELDS)
_OUTCOME: Final = _object("status", status={"enum": ["applied", "ignored", "partial", "rejected"]}, reason={"type": ["string", "null"]},
                          detail={"type": ["object", "null"]})
_PROBLEM: Final = _object("type title status code detail", type=_TEXT, title=_TEXT, status=_INT, code=_TEXT, detail=_TEXT, fix=_TEXT)
_RESULTS: Final = _object("results", results={"type": "array", "items": {
    "type": "object", "required": ["status"], "properties": {"status": _INT, **_ACK_FIELDS, "problem": _PROBLEM}}})
_ITEM: Final = _RESULTS["properties"]["results"]["items"]

ENVELOPE_BODY: Final[Schema] = {"required": True, "content": {
    "application/json": {"schema": {"oneOf": [_ENVELOPE, {"type": "array", "items": _ENVELOPE}]}}, "application/x-ndjson": {"schema": _ENVELOPE}}}
OPENLINEAGE_BODY: Final[Schema] = {"required": True, "content": {"application/json": {"schema": _ANY_OBJECT}}}
OPENLINEAGE_BATCH: Final[Schema] = {"required": True, "content": {"application/json": {"schema": {
    "oneOf": [{"type": "array", "items": _ANY_OBJECT}, _object("events", events={"type": "array", "items": _ANY_OBJECT})]}}}}

ACCEPTED: Final = json_answer("The event is durable in the log", _ACK)
RECEIVED: Final = json_answer("The event is durable in the log", _ACK)
EVENTS_ANSWER: Final[Schema] = {
    "description": "An array: one result per item, as NDJSON for NDJSON. With `Prefer: wait=projected`: the outcome of the single event.",
    "content": {"application/json": {"schema": {"oneOf": [_RESULTS, _object("index leaf salt duplicate outcome", **_ACK_FIELDS, outcome=_OUTCOME)]}},
                "application/x-ndjson": {"schema": _ITEM}}}
BATCH_SUMMARY: Final = json_answer("What became of the batch", _object(
    "status summary failed_events", status={"enum": ["success", "partial_success"]},
    summary=_object("received successful failed", received=_INT, successful=_INT, failed=_INT, retriable=_INT, non_retriable=_INT),
    failed_events={"type": "array", "items": _object("index reason retriable", index=_INT, reason=_TEXT, retriable={"type": "boolean"})}))
PROBLEMS: Final[dict[int | str, Schema]] = {"default": {"description": "RFC 9457 problem details; `code` is stable (docs/errors.md)",
                                                        "content": {"application/problem+json": {"schema": _PROBLEM}}}}
TEXT: Final[Schema] = {"description": "Text", "content": {"text/plain": {"schema": _TEXT}}}
BINARY: Final[Schema] = {"description": "Bytes", "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}

_MAYBE: Final[Schema] = {"type": ["string", "null"]}
_MAYBE_INT: Final[Schema] = {"type": ["integer", "null"]}
_STORAGE: Final[Schema] = {"type": ["object", "null"], "properties": {"uri": _TEXT, "columns": {"type": "array", "items": _ANY_OBJECT}}}
RESOLVE_BODY: Final[Schema] = {"required": True, "content": {"application/json": {"schema": {"type": "object", "additionalProperties": False, "properties": {
    "references": {"type": "array", "maxItems": 1000, "items": _TEXT, "description": "<ns>:<name>@<version|alias>; with a model also <ns>:<name>"},
    "model": {**_MAYBE, "description": "A model version (URN or <ns>:<name>@<version|alias>) or a deployment (URN)"}}}}}}
RESOLVE_ANSWER: Final = json_answer("One row per reference, in the order asked", _object(
    "computedAt subject resolutions", computedAt=_object("size rootHash", size=_INT, rootHash=_TEXT),
    subject={"type": ["object", "null"], "properties": {"modelVersion": _TEXT, "binding": _TEXT, "manifest": _MAYBE, "manifestIndex": _MAYBE_INT,
                                                        "deployment": _MAYBE, "liveIn": {"type": "array", "items": _TEXT}}},
    resolutions={"type": "array", "items": _object(
        "reference urn version via ttlSeconds why problem", reference=_TEXT, urn=_MAYBE, feature=_MAYBE, version=_MAYBE,
        via={"enum": ["pin", "alias", "version", None]}, alias=_MAYBE, aliasIndex=_MAYBE_INT, ttlSeconds=_MAYBE_INT, why=_MAYBE, dataHash=_MAYBE, dtype=_MAYBE,
        column=_MAYBE, offline=_STORAGE, online=_STORAGE, classification=_MAYBE,
        problem={"type": ["object", "null"], "properties": {"code": _TEXT, "detail": _TEXT}})}))
