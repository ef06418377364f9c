"""GET /features|models/{name}/versions/{v} and /aliases/{alias}, and POST /resolve: what serving asks.

Names are read from the raw path, so that a namespace like `s3://bucket` can stand in a segment: every component is percent-encoded
once, and the colon between namespace and name is not.
"""
from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import unquote_to_bytes

import orjson
from fastapi import APIRouter, Query
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from lineproof_schema.errors import LineproofError
from metadata_service.access import Viewer, require_any
from metadata_service.api.min_size import MIN_SIZE_HEADER, min_size_of
from metadata_service.api.rest.answers import json_response
from metadata_service.api.rest.auth import authenticate
from metadata_service.api.rest.bodies import read_body
from metadata_service.api.rest.lean import LeanRoute
from metadata_service.api.rest.openapi import PROBLEMS, RESOLVE_ANSWER, RESOLVE_BODY, json_answer
from metadata_service.api.room import room_of
from metadata_service.api.services import Services, services_of
from metadata_service.api.watched import is_classified
from metadata_service.errors import BodyRefused, NotFound
from metadata_service.intake import CLASSIFIED
from metadata_service.queries.context import Asked, QueryContext, answer
from metadata_service.queries.feature_shapes import Feature, FeatureAnswer, Model, ModelAnswer
from metadata_service.queries.features import aliases, feature, mask_resolved, model, refuse_hidden
from metadata_service.queries.shapes import as_time
from metadata_service.queries.wire import as_json
from metadata_service.registry.cache import Snapshot
from metadata_service.registry.names import Kind
from metadata_service.registry.resolution import MAX_REFERENCES, Resolved

__all__ = ["READERS", "router"]

READERS: Final = ("reader", "auditor", "operator")
MAX_RESOLVE_BYTES: Final = 1 << 20
T = TypeVar("T")


class RawPathRoute(APIRoute):
    """A route whose parameters are segments of the path as it was sent; an encoded slash or colon divides nothing."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        raw = scope.get("raw_path")
        return super().matches({**scope, "path": raw.decode("latin-1")} if scope["type"] == "http" and raw else scope)


router = APIRouter(tags=["registry"])
_named = APIRouter(tags=["registry"], route_class=RawPathRoute)
_lean = APIRouter(tags=["registry"], route_class=LeanRoute)
At = Annotated[str | None, Query(description="A position: a tree size, or an RFC 3339 time")]


@_named.get("/features/{name}/versions/{version}", summary="A feature version",
            responses={200: json_answer("The version, with storage and schema, compatibility and adapters", {"type": "object"}), **PROBLEMS})
async def get_version(request: Request, name: str, version: str, at: At = None) -> Response:
    """`{computedAt, completeness, version}`. `name` is `<namespace>:<name>`, or a bare name if it is unique (else 409 with `candidates`)."""
    wanted = _segment(version)
    found = await _answer(request, at, "feature", lambda context: feature(context, name, wanted))
    return _version("feature", name, wanted, found, found.feature)


@_named.get("/features/{name}/aliases/{alias}", summary="An alias of a feature, with its history",
            responses={200: json_answer("Where it points, who moved it there, and every attempt before", {"type": "object"}), **PROBLEMS})
async def get_alias(request: Request, name: str, alias: str, at: At = None) -> Response:
    """`{computedAt, completeness, feature, alias, history}`; with `at`: where it pointed then, and who had moved it there."""
    return await _alias(request, "feature", name, alias, at)


@_named.get("/models/{name}/versions/{version}", summary="A model version",
            responses={200: json_answer("The version, with its pins and deployments", {"type": "object"}), **PROBLEMS})
async def get_model_version(request: Request, name: str, version: str, at: At = None) -> Response:
    """`{computedAt, completeness, version}`. `name` is `<namespace>:<name>`, or a bare name if it is unique (else 409 with `candidates`)."""
    wanted = _segment(version)
    found = await _answer(request, at, "model", lambda context: model(context, name, wanted))
    return _version("model", name, wanted, found, found.model)


@_named.get("/models/{name}/aliases/{alias}", summary="An alias of a model, with its history",
            responses={200: json_answer("Where it points, who moved it there, and every attempt before", {"type": "object"}), **PROBLEMS})
async def get_model_alias(request: Request, name: str, alias: str, at: At = None) -> Response:
    """`{computedAt, completeness, model, alias, history}`; with `at`: where it pointed then, and who had moved it there."""
    return await _alias(request, "model", name, alias, at)


@_lean.post("/resolve", summary="Resolve feature references for serving", responses={200: RESOLVE_ANSWER, **PROBLEMS},
            openapi_extra={"requestBody": RESOLVE_BODY})
async def post_resolve(request: Request) -> Response:
    """One row per reference: the concrete version, where it lies, how long that holds and why; or what is wrong with it.

    With `model` (a model version or a deployment) what it is bound to: a stable binding answers its pins, whatever aliases do since.
    Answered from memory, at most 250 ms behind the graph; `Lineproof-Min-Size` waits for one's own writes.
    """
    services = services_of(request)
    viewer = await authenticate(request)
    require_any(viewer, *READERS)
    cache = services.resolutions
    least = min_size_of(request.headers.get(MIN_SIZE_HEADER)) or 0
    body = await read_body(request, MAX_RESOLVE_BYTES)
    snapshot = await cache.current(least)
    if snapshot.position.size < least:
        raise LineproofError(f"the graph stands at {snapshot.position.size}, position {least} was asked for", code="not-projected",
                             projected=snapshot.position.size)
    known = snapshot.rendered.get(body) if viewer.sees_all else None
    rendered, classified = known if known is not None else await _render(services, snapshot, viewer, body)
    services.reads.asked(viewer, "resolve")
    if classified:
        services.reads.note(viewer, CLASSIFIED)
    head = b'{"computedAt":{"size":%d,"rootHash":"%s"},' % (snapshot.position.size, snapshot.position.root.encode())
    return Response(head + rendered, media_type="application/json")


async def _render(services: Services, snapshot: Snapshot, viewer: Viewer, body: bytes) -> tuple[bytes, bool]:
    """The answer written out, and whether it shows something classified."""
    references, subject = _question(body)
    refuse_hidden(viewer, subject)
    resolved: Resolved = mask_resolved(viewer, await services.resolutions.resolve(snapshot, references, subject), references)
    rendered = orjson.dumps({"subject": as_json(resolved.subject), "resolutions": as_json(resolved.rows)})[1:]
    answered = rendered, any(is_classified(row.classification) for row in resolved.rows)
    if viewer.sees_all:
        snapshot.rendered.put(body, answered, len(body) + len(rendered))
    return answered


def _question(body: bytes) -> tuple[tuple[str, ...], str | None]:
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BodyRefused(f"the body is not JSON: {error}") from error
    if not isinstance(asked, Mapping) or not asked.keys() <= {"references", "model"}:
        raise BodyRefused("the body is {references: […], model: …}", code="invalid-argument")
    references, subject = asked.get("references", []), asked.get("model")
    if not isinstance(references, list) or not all(isinstance(each, str) for each in references) or not (subject is None or isinstance(subject, str)):
        raise BodyRefused("references is a list of texts, model a text", code="invalid-argument")
    if len(references) > MAX_REFERENCES:
        raise BodyRefused(f"{len(references)} references at once, at most {MAX_REFERENCES}", code="invalid-argument", limit=MAX_REFERENCES)
    if not references and subject is None:
        raise BodyRefused("give references, or a model", code="invalid-argument")
    return tuple(references), subject


async def _answer(request: Request, at: str | None, name: str, question: Callable[[QueryContext], Awaitable[T]]) -> T:
    """`name` is that of the question in GraphQL."""
    viewer = await authenticate(request)
    require_any(viewer, *READERS)
    services = services_of(request)
    services.reads.asked(viewer, name)
    return await answer(room_of(services, viewer), viewer, _asked(request, at), question)


def _version(kind: Kind, name: str, wanted: str, found: FeatureAnswer | ModelAnswer, head: Feature | Model | None) -> Response:
    detail = head.version if head is not None else None
    if detail is None or detail.version != wanted:
        raise NotFound(f"there is no version {wanted!r} of {kind} {name[:200]!r} at size {found.computed_at.size}{_hint(name)}")
    return json_response({"computedAt": as_json(found.computed_at), "completeness": as_json(found.completeness), "version": as_json(detail)})


async def _alias(request: Request, kind: Kind, name: str, alias: str, at: str | None) -> Response:
    wanted = _segment(alias)
    found = await _answer(request, at, "aliases", lambda context: aliases(context, name, kind, wanted))
    if not found.aliases:
        raise NotFound(f"there is no alias {wanted!r} of {kind} {name[:200]!r} at size {found.computed_at.size}{_hint(name)}", history=as_json(found.history))
    return json_response({"computedAt": as_json(found.computed_at), "completeness": as_json(found.completeness), kind: found.urn,
                          "alias": as_json(found.aliases[0]), "history": as_json(found.history)})


def _hint(name: str) -> str:
    """What clients that encode the whole segment get wrong."""
    return "; the colon between namespace and name is not encoded" if ":" not in name and "%3a" in name.lower() else ""


def _asked(request: Request, at: str | None) -> Asked:
    least = min_size_of(request.headers.get(MIN_SIZE_HEADER))
    if at is None:
        return Asked(min_size=least)
    if at.isascii() and at.isdigit() and len(at) <= 16:
        return Asked(size=int(at), min_size=least)
    time: Any = as_time(at)
    if time is None:
        raise LineproofError(f"{at[:60]!r} is neither a tree size nor an RFC 3339 time", code="invalid-position")
    return Asked(time=time, min_size=least)


def _segment(text: str) -> str:
    try:
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError as error:
        raise LineproofError(f"{text[:80]!r} is not UTF-8", code="invalid-urn") from error


router.include_router(_named)
router.include_router(_lean)
