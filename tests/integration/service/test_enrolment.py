"""CI jobs enrol short-lived keys with identity tokens of a real issuer, over HTTP."""
from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from lineproof_audit.keys import SigningKey
from lineproof_audit.possession import binding_statement
from metadata_service.access import IdentityTokens
from metadata_service.errors import AccessError
from tests.oidc_issuer import GITHUB, GITLAB, Issuer, running_issuer
from tests.service_world import JSON, ServiceWorld

pytestmark = pytest.mark.anyio
SCOPE = {"namespaces": ["demo"], "eventTypes": ["lineproof.dataset.v1"], "sources": ["*"]}


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running_issuer() as served:
        yield served


async def bind(world: ServiceWorld, issuer: Issuer, *, provider: str = "github", **change: Any) -> int:
    policy = world.rooms.keys.current
    claims = {"repository_id": ["4711"], "ref": ["refs/heads/main"]} if provider == "github" else {"project_id": ["22"], "ref_protected": ["true"]}
    binding = {"id": "etl", "provider": provider, "issuer": issuer.url, "tenant": world.tenant, "scope": SCOPE, "claims": claims, "seconds": 600, **change}
    return await world.admin("lineproof.policy.v1", {"previous": policy.policy_index, "tenants": [{"id": world.tenant, "name": "default", "prefixes": [""]}],
                                                     "bindings": [binding]})


async def enrol(world: ServiceWorld, token: str, key: SigningKey, possession: bytes | None = None) -> httpx.Response:
    digest = hashlib.sha256(token.encode()).hexdigest()
    proof = possession if possession is not None else key.sign(binding_statement(world.origin, key.keyid, digest))
    body = {"token": token, "publicKey": base64.b64encode(key.verify_key.spki).decode(), "possession": base64.b64encode(proof).decode()}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(world.app), base_url="http://service") as nobody:  # no bearer token: the job has none
        return await nobody.post("/api/v1/keys/enrol", json=body)


@pytest.mark.parametrize(("provider", "claims"), [("github", GITHUB), ("gitlab", GITLAB)])
async def test_a_job_enrols_a_key_and_sends_with_it(projected: ServiceWorld, issuer: Issuer, provider: str, claims: dict[str, Any]) -> None:
    world, key = projected, SigningKey.generate()
    await bind(world, issuer, provider=provider)
    token = issuer.token(world.origin, claims)
    answer = await enrol(world, token, key)
    assert answer.status_code == 201, answer.text
    enrolled = answer.json()
    assert (enrolled["keyId"], enrolled["origin"], enrolled["binding"], enrolled["tenant"]) == (key.keyid, world.origin, "etl", world.tenant)
    job = {"Authorization": f"Bearer {enrolled['token']}", "Prefer": "wait=projected"}
    said = await world.post(world.cloudevent(key=key), **job)
    assert said.status_code == 200, said.text
    assert said.json()["outcome"]["status"] == "applied"
    outside = await world.post(world.cloudevent(data={"namespace": "shared", "name": "x", "description": "d"}, key=key), **job)
    assert outside.json()["code"] == "out-of-scope"
    entry = world.rooms.log.reader.entry(enrolled["index"])
    body = json.loads(json.loads(entry.envelope or b"{}")["payload"] and base64.b64decode(json.loads(entry.envelope or b"{}")["payload"]))
    logged = body["data"]["enrolment"]
    assert logged["claims"].items() <= {name: str(value) for name, value in claims.items()}.items()
    assert not {"actor", "actor_id", "user_login", "user_email", "sub"} & logged["claims"].keys()  # key entries cannot be erased: they name nobody
    assert token not in json.dumps(body)
    assert logged["token"] == hashlib.sha256(token.encode()).hexdigest()


async def test_a_repeat_gives_the_same_entry_and_another_key_none(world: ServiceWorld, issuer: Issuer) -> None:
    await bind(world, issuer)
    key, token = SigningKey.generate(), issuer.token(world.origin, GITHUB)
    first, size = (await enrol(world, token, key)).json(), world.size()
    again = (await enrol(world, token, key)).json()
    assert (again["index"], again["notAfter"], world.size()) == (first["index"], first["notAfter"], size)
    other = await enrol(world, token, SigningKey.generate())
    assert (other.status_code, other.json()["code"], world.size()) == (403, "forbidden", size)
    reused = await enrol(world, issuer.token(world.origin, GITHUB), key)
    assert (reused.status_code, world.size()) == (403, size)


@pytest.mark.parametrize("change", [{"repository_id": "4712"}, {"ref": "refs/heads/feature"}, {"event_name": "pull_request_target"}, {"event_name": None},
                                    {"repository_id": None, "repository": "acme/etl"}])
async def test_forks_other_branches_and_pull_requests_get_no_key(world: ServiceWorld, issuer: Issuer, change: dict[str, Any]) -> None:
    await bind(world, issuer)
    size = world.size()
    refused = await enrol(world, issuer.token(world.origin, {**GITHUB, **change}), SigningKey.generate())
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    told = {name: value for name, value in refused.json().items() if name != "reference"}  # the reference is random
    assert "4711" not in str(told)  # whoever holds a token of a public issuer learns nothing of the policy
    assert world.size() == size


@pytest.mark.parametrize("change", [{"aud": "another.example/log"}, {"aud": ["LOG", "another.example/log"]}, {"exp": 1}, {"nbf": 4_000_000_000}, {"jti": None},
                                    {"sub": None}, {"iat": None}, {"aud": None}, {"iss": "https://token.actions.githubusercontent.com"}])
async def test_a_token_for_another_use_is_refused(world: ServiceWorld, issuer: Issuer, change: dict[str, Any]) -> None:
    await bind(world, issuer)
    size = world.size()
    change = {name: [world.origin if each == "LOG" else each for each in value] if isinstance(value, list) else value for name, value in change.items()}
    refused = await enrol(world, issuer.token(world.origin, {**GITHUB, **change}), SigningKey.generate())
    assert (refused.status_code, refused.json()["code"], world.size()) == (401, "unauthenticated", size), refused.text


async def test_a_token_the_issuer_did_not_sign_is_refused(world: ServiceWorld, issuer: Issuer) -> None:
    await bind(world, issuer)
    key = SigningKey.generate()
    public = issuer.document("/keys")["keys"][0]  # type: ignore[index]
    forged = {
        "other key": issuer.token(world.origin, GITHUB, key=Issuer("http://127.0.0.1:9").keys["key-1"]),
        "no signature": issuer.token(world.origin, GITHUB, algorithm="none", key=""),
        "shared secret": issuer.token(world.origin, GITHUB, algorithm="HS256", key=public["n"]),
        "unknown kid": jwt.encode({**jwt.decode(issuer.token(world.origin, GITHUB), options={"verify_signature": False})}, issuer.keys["key-1"],
                                  algorithm="RS256", headers={"kid": "key-9"}),
    }
    for what, token in forged.items():
        assert (await enrol(world, token, key)).status_code == 401, what
    whole = issuer.token(world.origin, GITHUB)
    head, body, signature = whole.split(".")
    changed = base64.urlsafe_b64encode(base64.urlsafe_b64decode(body + "==").replace(b"4711", b"4712")).decode().rstrip("=")
    assert (await enrol(world, f"{head}.{changed}.{signature}", key)).status_code == 401


async def test_whoever_does_not_hold_the_key_cannot_enrol_it(world: ServiceWorld, issuer: Issuer) -> None:
    await bind(world, issuer)
    key, token = SigningKey.generate(), issuer.token(world.origin, GITHUB)
    digest = hashlib.sha256(token.encode()).hexdigest()
    for possession in (SigningKey.generate().sign(binding_statement(world.origin, key.keyid, digest)), key.sign(token.encode()),
                       key.sign(binding_statement("another.example/log", key.keyid, digest)), b"short"):
        assert (await enrol(world, token, key, possession)).status_code == 401
    assert (await enrol(world, token, key)).status_code == 201


async def test_without_a_binding_nobody_is_asked_for_keys(world: ServiceWorld, issuer: Issuer) -> None:
    refused = await enrol(world, issuer.token(world.origin, GITHUB), SigningKey.generate())
    assert refused.status_code == 401
    assert issuer.asked == 0


async def test_a_binding_that_is_withdrawn_ends_its_tokens(world: ServiceWorld, issuer: Issuer) -> None:
    await bind(world, issuer)
    key = SigningKey.generate()
    secret = (await enrol(world, issuer.token(world.origin, GITHUB), key)).json()["token"]
    await bind(world, issuer, id="another")
    world.rooms.tokens._cache.clear()  # what two seconds do
    gone = await world.post(world.cloudevent(key=key), Authorization=f"Bearer {secret}")
    assert gone.status_code == 401


async def test_the_keys_of_the_issuer_are_kept_and_asked_for_again_only_now_and_then(issuer: Issuer) -> None:
    now = [0.0]
    tokens = IdentityTokens(lambda: now[0])
    for _ in range(3):
        tokens.verify(issuer.token("log", GITHUB), issuer.url, "log")
    assert issuer.asked == 1
    issuer.rotate()
    with pytest.raises(AccessError, match="no such key"):
        tokens.verify(issuer.token("log", GITHUB), issuer.url, "log")
    assert issuer.asked == 1
    now[0] = 11
    tokens.verify(issuer.token("log", GITHUB), issuer.url, "log")
    assert issuer.asked == 2
    del issuer.keys["key-1"]
    now[0] = 320
    tokens.verify(issuer.token("log", GITHUB), issuer.url, "log")
    assert issuer.asked == 3


async def test_a_weak_key_and_keys_on_another_host_are_not_used(issuer: Issuer) -> None:
    weak = issuer.rotate(bits=1024)
    with pytest.warns(jwt.warnings.InsecureKeyLengthWarning), pytest.raises(AccessError, match="no such key"):
        IdentityTokens().verify(issuer.token("log", GITHUB, kid=weak), issuer.url, "log")
    issuer.discovery = {**issuer.discovery, "jwks_uri": issuer.url.replace("127.0.0.1", "localhost") + "/keys"}
    with pytest.raises(Exception, match="another host"):
        IdentityTokens().verify(issuer.token("log", GITHUB, kid="key-1"), issuer.url, "log")
    issuer.discovery = {**issuer.discovery, "issuer": "https://issuer.example", "jwks_uri": issuer.url + "/keys"}
    with pytest.raises(Exception, match="another issuer"):
        IdentityTokens().verify(issuer.token("log", GITHUB, kid="key-1"), issuer.url, "log")


async def test_an_issuer_that_is_away_is_said_to_be(world: ServiceWorld, issuer: Issuer) -> None:
    await bind(world, issuer)
    issuer.discovery = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/nothing"}
    answer = await enrol(world, issuer.token(world.origin, GITHUB), SigningKey.generate())
    assert (answer.status_code, answer.json()["code"]) == (503, "unreachable")


async def test_what_is_no_request_is_refused(world: ServiceWorld, tmp_path: Path) -> None:
    for body in (b"", b"[]", b"{}", b'{"token": "a.b.c", "publicKey": "x", "possession": "y"}', b'{"token": "\\u0000", "publicKey": "", "possession": ""}',
                 b'{"token": "' + b"a" * 40_000 + b'"}'):
        answer = await world.http.post("/api/v1/keys/enrol", content=body, headers=JSON)
        assert answer.status_code in (400, 413), (body[:40], answer.text)
