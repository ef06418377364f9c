"""A key for one CI job: made here, enrolled with the job's identity token, gone with the job. No secret is stored anywhere.

GitHub gives the token where the job has `permissions: id-token: write`; GitLab where the job says
`id_tokens: {LINEPROOF_ID_TOKEN: {aud: <origin of the log>}}`. The token is addressed to the log's origin and good for one key.
"""
from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from ingest_hooks.errors import SettingError
from lineproof_audit.keys import SigningKey
from lineproof_audit.possession import binding_statement
from lineproof_schema.errors import CODES, LineproofError

__all__ = ["Enrolled", "enrol"]

TOKEN_VARIABLE = "LINEPROOF_ID_TOKEN"  # noqa: S105 (the name of a variable)
TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What the job sends with: its key's file, its bearer token, where to, and until when (µs since the epoch)."""

    key: Path
    token: str
    url: str
    key_id: str
    binding: str
    not_after: int


def _identity_token(audience: str, environ: Mapping[str, str]) -> str:
    """The job's identity token for `audience`.

    Raises:
        SettingError: this is no job that gets one.
        LineproofError: `unreachable`: the CI system does not give it.
    """
    if environ.get(TOKEN_VARIABLE):
        return environ[TOKEN_VARIABLE]
    url, bearer = environ.get("ACTIONS_ID_TOKEN_REQUEST_URL"), environ.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
    if not url or not bearer:
        raise SettingError(f"this job has no identity token: on GitHub give it `permissions: id-token: write`, on GitLab `id_tokens: {TOKEN_VARIABLE}`")
    with httpx.Client(timeout=TIMEOUT_SECONDS) as http:
        answer = _ask(http, "GET", str(httpx.URL(url).copy_merge_params({"audience": audience})), headers={"Authorization": f"Bearer {bearer}"})
    return str(answer["value"])


def enrol(url: str, folder: Path, *, origin: str | None = None, environ: Mapping[str, str] = os.environ) -> Enrolled:
    """Make a key in `folder` and enrol it at the service.

    Args:
        url: address of the service.
        folder: gets `job.pem` (0600) and `job.json`.
        origin: the log's origin, if it is known; else the service is believed, as it is with the events.

    Raises:
        SettingError, LineproofError: no identity token; not reached; refused (`unauthenticated`, `forbidden`).
        KeyFileError: there is a key in the folder already.
    """
    with httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS) as http:
        audience = origin or str(_ask(http, "GET", "/readyz")["origin"])
        token, key = _identity_token(audience, environ), SigningKey.generate()
        possession = key.sign(binding_statement(audience, key.keyid, hashlib.sha256(token.encode("ascii")).hexdigest()))
        answer = _ask(http, "POST", "/api/v1/keys/enrol", json={"token": token, "publicKey": base64.b64encode(key.verify_key.spki).decode("ascii"),
                                                                 "possession": base64.b64encode(possession).decode("ascii")})
    if answer["origin"] != audience:
        raise LineproofError(f"the service enrolled the key in {answer['origin']}, not in {audience}", code="wrong-audience")
    pem = key.save(folder, "job", audience, url, answer["tenant"])
    return Enrolled(pem, answer["token"], url, key.keyid, answer["binding"], answer["notAfter"])


def _ask(http: httpx.Client, method: str, url: str, **request: Any) -> dict[str, Any]:
    try:
        response = http.request(method, url, **request)
        body = response.json()
    except (httpx.HTTPError, ValueError) as error:
        raise LineproofError(f"{httpx.URL(url).host or http.base_url} cannot be reached: {type(error).__name__}", code="unreachable") from error
    if response.status_code >= 400 or not isinstance(body, dict):
        code = body.get("code") if isinstance(body, dict) else None
        raise LineproofError(str(body.get("detail") if isinstance(body, dict) else response.status_code), code=code if code in CODES else "unreachable")
    return body
