"""RFC 9457 problem details for every error, the framework's own and unexpected ones included."""
from __future__ import annotations

from typing import Any, Final

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from lineproof_schema.errors import CODES, LineproofError

__all__ = ["problem_response", "register_problems", "unexpected_problem"]

PROBLEM_JSON: Final = "application/problem+json"
RETRY_AFTER_SECONDS: Final = 2  # a full queue drains in less; a failing disk makes clients come back at a calm pace
_FRAMEWORK: Final = {404: "not-found", 405: "method-not-allowed", 413: "too-large", 415: "unsupported-media-type", 401: "unauthenticated", 403: "forbidden"}


def problem_response(problem: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    """The HTTP answer of a problem; retriable ones say when, `unauthenticated` says how."""
    entry = CODES[problem["code"]]
    extra = dict(headers or {})
    if entry.status == 503:
        extra.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
    if entry.status == 401:
        extra.setdefault("WWW-Authenticate", 'Bearer realm="lineproof"')
    return Response(orjson.dumps(problem), status_code=int(problem["status"]), media_type=PROBLEM_JSON, headers=extra)


def unexpected_problem(reference: str) -> dict[str, Any]:
    """What a caller learns of an error we did not expect: nothing but a reference that the service's log holds as well."""
    return {**LineproofError("an unexpected error was logged under the reference").problem(), "reference": reference}


def register_problems(app: FastAPI) -> None:
    """Answer errors of ours and of the framework with problem details."""
    app.add_exception_handler(LineproofError, _ours)
    app.add_exception_handler(HTTPException, _framework)
    app.add_exception_handler(RequestValidationError, _validation)


async def _ours(_request: Request, error: Exception) -> Response:
    assert isinstance(error, LineproofError)
    return problem_response(error.problem())


async def _framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _FRAMEWORK.get(error.status_code, "invalid-argument" if error.status_code < 500 else "internal")
    detail = {404: f"no such address: {request.url.path}", 405: f"{request.method} is not possible here"}.get(error.status_code, str(error.detail))
    return problem_response(LineproofError(detail, code=code).problem(), dict(error.headers or {}))


async def _validation(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = [{"field": ".".join(str(part) for part in item["loc"]), "message": item["msg"]} for item in error.errors()][:20]
    detail = f"{found[0]['field']}: {found[0]['message']}" if found else "the request is not valid"
    return problem_response(LineproofError(detail, code="invalid-argument", errors=found).problem())
