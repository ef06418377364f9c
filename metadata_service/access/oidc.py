"""Identity tokens of CI systems (OpenID Connect): whether one was issued by the issuer the policy names, to this log, and is still good.

Only issuers that the policy names are ever asked for keys, at the address their own discovery document gives under the same host.
The algorithm comes from our list and the issuer's key, never from the token alone. Sources: RFC 7519, RFC 8725 (best practice),
OpenID Connect Discovery 1.0.
"""
from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import jwt

from lineproof_schema.errors import LineproofError
from metadata_service.errors import AccessError

__all__ = ["MAX_TOKEN_CHARACTERS", "IdentityTokens", "issuer_of"]

MAX_TOKEN_CHARACTERS: Final = 16_384  # GitHub's have some 1,500, GitLab's some 2,500
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA")  # signatures with public keys only: no `none`, no shared secrets
REQUIRED: Final = ("iss", "aud", "sub", "exp", "iat", "jti")
LEEWAY_SECONDS: Final = 30  # between the issuer's clock and ours
LEAST_RSA_BITS: Final = 2_048
FETCH_SECONDS: Final = 5.0
MAX_DOCUMENT_BYTES: Final = 262_144
KEPT_SECONDS: Final = 300.0  # how long a key that the issuer withdrew may still be honoured
LOOK_AGAIN_SECONDS: Final = 10.0  # how often an unknown key may make us ask: unknown keys cost the caller nothing


@dataclass(slots=True)
class _Issuer:
    """Keys of one issuer by `kid`, and when they were fetched."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    keys: dict[str, jwt.PyJWK] = field(default_factory=dict)
    fetched: float = float("-inf")


class IdentityTokens:
    """Verifies tokens and keeps the issuers' keys for a while. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._issuers: dict[str, _Issuer] = {}

    def verify(self, token: str, issuer: str, audience: str) -> dict[str, Any]:
        """The claims of a token that `issuer` signed for `audience` alone.

        Raises:
            AccessError: `unauthenticated`: not such a token, expired, or without one of the claims that every use here needs.
            LineproofError: `unreachable`: the issuer's keys cannot be fetched; retry.
        """
        try:
            kid = jwt.get_unverified_header(token).get("kid")
        except jwt.PyJWTError as error:
            raise _refused("it is no signed JWT") from error
        if not isinstance(kid, str):
            raise _refused("it names no key")
        key = self._key(issuer, kid)
        try:
            claims: dict[str, Any] = jwt.decode(token, key, algorithms=ALGORITHMS, audience=audience, issuer=issuer, leeway=LEEWAY_SECONDS,
                                                options={"require": list(REQUIRED), "strict_aud": True})
        except jwt.PyJWTError as error:
            raise _refused(str(error) or type(error).__name__) from error
        return claims

    def _key(self, issuer: str, kid: str) -> jwt.PyJWK:
        with self._lock:
            known = self._issuers.setdefault(issuer, _Issuer())
        with known.lock:
            age = self._clock() - known.fetched
            if age > KEPT_SECONDS or (kid not in known.keys and age > LOOK_AGAIN_SECONDS):
                known.keys = _fetch_keys(issuer)
                known.fetched = self._clock()
            if kid not in known.keys:
                raise _refused("the issuer has no such key")
            return known.keys[kid]


def issuer_of(token: str) -> str | None:
    """What an unverified token says its issuer is: to choose whom to ask, never to believe."""
    try:
        issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
    except jwt.PyJWTError:
        return None
    return issuer if isinstance(issuer, str) else None


def _fetch_keys(issuer: str) -> dict[str, jwt.PyJWK]:
    with httpx.Client(timeout=FETCH_SECONDS, follow_redirects=False) as http:
        discovered = _fetch(http, issuer.rstrip("/") + "/.well-known/openid-configuration")
        where = discovered.get("jwks_uri")
        if discovered.get("issuer") != issuer or not isinstance(where, str) or urlsplit(where)[:2] != urlsplit(issuer)[:2]:
            raise LineproofError(f"the discovery document of {issuer} is of another issuer, or its keys lie on another host", code="unreachable")
        listed = _fetch(http, where).get("keys")
    found = {}
    for item in listed if isinstance(listed, list) else []:
        key = _usable(item)
        if key is not None:
            found[str(key.key_id)] = key
    return found


def _usable(item: Any) -> jwt.PyJWK | None:
    """A key that signs, of a kind and size we take; an issuer may publish others beside it."""
    if not isinstance(item, Mapping) or not isinstance(item.get("kid"), str) or item.get("use", "sig") != "sig" or item.get("kty") not in ("RSA", "EC", "OKP"):
        return None
    try:
        key = jwt.PyJWK(dict(item))
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    if key.algorithm_name not in ALGORITHMS or (item["kty"] == "RSA" and getattr(key.key, "key_size", 0) < LEAST_RSA_BITS):
        return None
    return key


def _fetch(http: httpx.Client, url: str) -> dict[str, Any]:
    try:
        with http.stream("GET", url, headers={"accept": "application/json"}) as answer:
            if answer.status_code != 200:
                raise LineproofError(f"{url} answered {answer.status_code}", code="unreachable")
            body = b""
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > MAX_DOCUMENT_BYTES:
                    raise LineproofError(f"{url} answered more than {MAX_DOCUMENT_BYTES} bytes", code="unreachable")
        document = json.loads(body)
    except (httpx.HTTPError, ValueError, RecursionError) as error:
        raise LineproofError(f"the issuer's keys cannot be fetched from {url}: {type(error).__name__}", code="unreachable") from error
    if not isinstance(document, dict):
        raise LineproofError(f"{url} did not answer a JSON object", code="unreachable")
    return document


def _refused(why: str) -> AccessError:
    return AccessError(f"the identity token is not good here: {why}", code="unauthenticated")
