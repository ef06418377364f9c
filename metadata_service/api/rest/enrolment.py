"""POST /api/v1/keys/enrol: a CI job exchanges its identity token for a short-lived key and a bearer token."""
from __future__ import annotations

import anyio.to_thread
from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from lineproof_audit.base64text import decode_base64
from lineproof_audit.errors import InvalidKey
from lineproof_audit.keys import VerifyKey
from metadata_service.access.oidc import MAX_TOKEN_CHARACTERS
from metadata_service.api.rest.answers import json_response
from metadata_service.api.rest.bodies import read_body
from metadata_service.api.rest.openapi import PROBLEMS, json_answer
from metadata_service.api.services import services_of
from metadata_service.errors import BodyRefused

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/keys", tags=["keys"], responses=PROBLEMS)
MAX_REQUEST_BYTES = 32 * 1024


class EnrolmentRequest(BaseModel):
    """`token`: the identity token, whose audience is this log's origin. `publicKey`: base64 SubjectPublicKeyInfo (DER) of an Ed25519 key.
    `possession`: the key's signature (base64) over DSSE PAE("application/vnd.lineproof.key-binding", "<origin>\\n<key id>\\n<SHA-256 of token>\\n")."""

    model_config = ConfigDict(extra="forbid")

    token: str = Field(min_length=1, max_length=MAX_TOKEN_CHARACTERS, pattern=r"^[A-Za-z0-9._-]+$")
    publicKey: str = Field(max_length=128)
    possession: str = Field(max_length=128)


_BODY = {"required": True, "content": {"application/json": {"schema": EnrolmentRequest.model_json_schema()}}}
_ANSWER = json_answer("The key, and a bearer token that ends with it", {"type": "object", "properties": {
    "origin": {"type": "string"}, "keyId": {"type": "string"}, "tenant": {"type": "string"}, "binding": {"type": "string"}, "index": {"type": "integer"},
    "validFrom": {"type": "integer"}, "notAfter": {"type": "integer", "description": "µs since the epoch"}, "token": {"type": "string"}}})


@router.post("/enrol", summary="Enrol the short-lived key of a CI job", status_code=201, responses={201: _ANSWER}, openapi_extra={"requestBody": _BODY})
async def enrol(request: Request) -> Response:
    """The identity token is the only credential. Each is good for one key; a repeat with the same key gives the same key entry."""
    services = services_of(request)
    try:
        body = EnrolmentRequest.model_validate_json(await read_body(request, MAX_REQUEST_BYTES))
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False, include_input=False)) from error
    try:
        key, possession = VerifyKey(decode_base64(body.publicKey)), decode_base64(body.possession)
    except (ValueError, InvalidKey) as error:
        raise BodyRefused(f"publicKey or possession: {error}", code="invalid-argument") from error
    enrolled = await anyio.to_thread.run_sync(services.enrolments.enrol, body.token, key, possession)
    record = enrolled.record
    return json_response({"origin": services.origin, "keyId": record.keyid, "tenant": record.tenant, "binding": record.label, "index": record.registered_at,
                          "validFrom": record.valid_from, "notAfter": record.not_after, "token": enrolled.token.secret}, 201)
