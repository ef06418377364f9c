"""/api/v1/admin/…: tokens, quarantine and keys; what the command line does while the service runs."""
from __future__ import annotations

import base64
from dataclasses import asdict
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Query
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from lineproof_audit.keyrecord import KeyRecord
from lineproof_audit.witness import format_witnesses
from metadata_service.access import TokenRecord, Viewer, require
from metadata_service.access.tokens import DEFAULT_DAYS
from metadata_service.access.viewer import CLASSIFICATIONS
from metadata_service.api.rest.answers import json_response
from metadata_service.api.rest.auth import authenticate
from metadata_service.api.rest.bodies import read_body
from metadata_service.api.rest.events import answer_single
from metadata_service.api.rest.openapi import ACCEPTED, ENVELOPE_BODY, PROBLEMS, json_answer
from metadata_service.api.services import Services, services_of
from metadata_service.errors import AccessError
from metadata_service.intake import KeyringFollower, QuarantinedItem

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/admin", tags=["admin"], responses=PROBLEMS)
MAX_TOKEN_REQUEST_BYTES = 64 * 1024
_OBJECT = json_answer("See docs/operations.md", {"type": "object"})


class TokenRequest(BaseModel):
    """A token to issue. `namespaces` are prefixes; `tenant` defaults to the caller's."""

    model_config = ConfigDict(extra="forbid")

    subject: str = Field(min_length=1, max_length=200)
    roles: list[str] = Field(min_length=1)
    namespaces: list[str] = Field(default_factory=lambda: [""])
    ceiling: str = CLASSIFICATIONS[-1]
    days: int = DEFAULT_DAYS
    tenant: str | None = Field(default=None, pattern="^[0-9a-f]{32}$")


_TOKEN_BODY = {"required": True, "content": {"application/json": {"schema": TokenRequest.model_json_schema()}}}


@router.post("/tokens", summary="Issue a token", status_code=201, responses={201: _OBJECT}, openapi_extra={"requestBody": _TOKEN_BODY})
async def create_token(request: Request) -> Response:
    """The token's secret is in this answer and nowhere else, ever."""
    services, viewer = await _as(request, "admin")
    try:
        body = TokenRequest.model_validate_json(await read_body(request, MAX_TOKEN_REQUEST_BYTES))
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False)) from error
    tenant = body.tenant or viewer.tenant
    if tenant != viewer.tenant:
        raise AccessError("tokens are issued within one's own tenant")
    issued = await anyio.to_thread.run_sync(lambda: services.tokens.create(
        body.subject, tenant=tenant, roles=body.roles, prefixes=body.namespaces, ceiling=body.ceiling, days=body.days))
    return json_response({**_token_body(issued.record), "token": issued.secret}, 201)


@router.get("/tokens", summary="List tokens", responses={200: _OBJECT})
async def list_tokens(request: Request) -> Response:
    """All tokens of the caller's tenant, without their secrets."""
    services, viewer = await _as(request, "admin")
    records = await anyio.to_thread.run_sync(services.tokens.all)
    return json_response({"tokens": [_token_body(record) for record in records if record.tenant == viewer.tenant]})


@router.delete("/tokens/{token_id}", summary="Revoke a token", status_code=204)
async def revoke_token(request: Request, token_id: str) -> Response:
    """At once in this process, within two seconds in others."""
    services, viewer = await _as(request, "admin")
    await anyio.to_thread.run_sync(lambda: services.tokens.revoke(token_id, tenant=viewer.tenant))
    return Response(status_code=204)


@router.get("/quarantine", summary="List refused events", responses={200: _OBJECT})
async def list_quarantine(request: Request, code: str | None = None, before: Annotated[int | None, Query(ge=0)] = None,
                          limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> Response:
    """Refused events of the caller's tenant, last seen first; `before` is the `lastSeen` to continue after."""
    services, viewer = await _as(request, "operator")
    items = await anyio.to_thread.run_sync(lambda: services.quarantine.page(viewer.tenant, code=code, before=before, limit=limit))
    return json_response({"items": [_quarantine_body(item) for item in items]})


@router.get("/quarantine/{item}", summary="One refused event with its bytes", responses={200: _OBJECT})
async def show_quarantine(request: Request, item: str) -> Response:
    """The bytes are in `body`, standard base64."""
    services, viewer = await _as(request, "operator")
    found = await anyio.to_thread.run_sync(services.quarantine.get, viewer.tenant, item)
    return json_response({**_quarantine_body(found), "body": base64.b64encode(found.body or b"").decode("ascii")})


@router.post("/quarantine/{item}/replay", summary="Take a refused event in again", status_code=202, responses={202: ACCEPTED})
async def replay_quarantine(request: Request, item: str) -> Response:
    """Checked anew and appended at most once, in the name of whoever sent it first."""
    services, viewer = await _as(request, "operator")
    return await answer_single(services, await services.intake.replay(item, viewer), wait=False)


@router.get("/keys", summary="Keys, tenants and policy of this log", responses={200: _OBJECT})
async def list_keys(request: Request) -> Response:
    """The keyring as the log says it, public keys only; `witnesses` are the lines of the policy that the service asks witnesses by, null without one."""
    services, _ = await _as(request, "admin")
    await anyio.to_thread.run_sync(services.keys.refresh)
    return json_response({**_keyring_body(services.keys), "witnesses": None if services.quorum is None else format_witnesses(services.quorum)})


@router.post("/keys", summary="Append a key or policy event", status_code=202, openapi_extra={"requestBody": ENVELOPE_BODY}, responses={202: ACCEPTED})
async def post_keys(request: Request) -> Response:
    """An envelope signed with the root admin key; the answer says what the keyring made of it."""
    services, viewer = await _as(request, "admin")
    result = await services.intake.accept(await read_body(request, services.settings.max_event_bytes), viewer)
    if result.ack is None:
        return await answer_single(services, result, wait=False)
    outcome = services.keys.outcome(result.ack.index)
    return json_response({"index": result.ack.index, "duplicate": result.ack.duplicate, "status": outcome.status if outcome else "unknown",
                          "reason": outcome.reason if outcome else None}, 202)


def _token_body(record: TokenRecord) -> dict[str, Any]:
    """A token without its secret."""
    return {"id": record.id, "subject": record.subject, "tenant": record.tenant, "roles": list(record.roles), "namespaces": list(record.prefixes),
            "ceiling": record.ceiling, "created": record.created, "expires": record.expires, "revoked": record.revoked, "viewer": record.viewer}


def _keyring_body(keys: KeyringFollower) -> dict[str, Any]:
    """Origin, tenants and all keys with their validity."""
    keyring = keys.current
    tenants = [] if keyring.policy is None else [{"id": item.id, "name": item.name, "prefixes": list(item.prefixes)} for item in keyring.policy.tenants]
    return {"origin": keyring.origin, "size": keys.size, "policyIndex": keyring.policy_index, "tenants": tenants,
            "keys": [_key_body(record) for record in keyring.history()]}


def _key_body(record: KeyRecord) -> dict[str, Any]:
    scope = None if record.scope is None else {"namespaces": list(record.scope.namespaces), "eventTypes": list(record.scope.event_types),
                                               "sources": list(record.scope.sources)}
    return {"keyId": record.keyid, "purpose": record.purpose, "label": record.label, "tenant": record.tenant, "scope": scope, "validFrom": record.valid_from,
            "lastValid": record.last_valid, "notAfter": record.not_after, "replaces": record.replaces,
            "publicKey": base64.b64encode(record.spki).decode("ascii")}


def _quarantine_body(item: QuarantinedItem) -> dict[str, Any]:
    body = {key: value for key, value in asdict(item).items() if key not in ("body", "first_seen", "last_seen")}
    return {**body, "firstSeen": item.first_seen, "lastSeen": item.last_seen}


async def _as(request: Request, role: str) -> tuple[Services, Viewer]:
    viewer = await authenticate(request)
    require(viewer, role)
    return services_of(request), viewer
