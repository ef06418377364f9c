"""Who may do what over HTTP."""
from __future__ import annotations

import hashlib
import json

import pytest

from tests.service_world import JSON, ServiceWorld, openlineage_run

pytestmark = pytest.mark.anyio

PROTECTED = [("POST", "/api/v1/events"), ("POST", "/api/v1/lineage"), ("POST", "/api/v1/lineage/batch"), ("PUT", f"/api/v1/artifacts/sha256:{'0' * 64}"),
             ("GET", f"/api/v1/artifacts/sha256:{'0' * 64}"), ("GET", "/api/v1/admin/tokens"), ("POST", "/api/v1/admin/tokens"),
             ("DELETE", "/api/v1/admin/tokens/x"), ("GET", "/api/v1/admin/quarantine"), ("GET", "/api/v1/admin/quarantine/x"),
             ("POST", "/api/v1/admin/quarantine/x/replay"), ("GET", "/api/v1/admin/keys"), ("POST", "/api/v1/admin/keys")]
VALID_TOKEN_REQUEST = {"subject": "x", "roles": ["reader"]}


@pytest.mark.parametrize(("method", "path"), PROTECTED)
@pytest.mark.parametrize("header", ["", "Bearer nonsense", "Basic YTpi", "Bearer " + "x" * 2000])
async def test_without_valid_credentials_nothing_opens(world: ServiceWorld, method: str, path: str, header: str) -> None:
    answer = await world.http.request(method, path, headers={"authorization": header, **JSON}, json=VALID_TOKEN_REQUEST if method == "POST" else None)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("method", "path"), PROTECTED)
async def test_every_protected_address_asks_for_its_role(world: ServiceWorld, method: str, path: str) -> None:
    wrong = "ingest" if "admin" in path else "operator"
    answer = await world.http.request(method, path, headers=world.as_(wrong), json=VALID_TOKEN_REQUEST if method == "POST" else None)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_a_revoked_token_stops_at_once(world: ServiceWorld) -> None:
    made = (await world.http.post("/api/v1/admin/tokens", json={"subject": "ci", "roles": ["ingest"], "namespaces": ["demo"]})).json()
    headers = {"authorization": f"Bearer {made['token']}"}
    assert (await world.http.post("/api/v1/lineage", json=openlineage_run(), headers=headers)).status_code == 200
    assert (await world.http.delete(f"/api/v1/admin/tokens/{made['id']}")).status_code == 204
    assert (await world.http.post("/api/v1/lineage", json=openlineage_run(), headers=headers)).status_code == 401


async def test_token_secrets_are_never_listed(world: ServiceWorld) -> None:
    made = (await world.http.post("/api/v1/admin/tokens", json={"subject": "ci", "roles": ["ingest"]})).json()
    assert made["token"] not in (await world.http.get("/api/v1/admin/tokens")).text
    with world.rooms.database.read() as connection:
        assert made["token"] not in str(connection.exec_driver_sql("SELECT * FROM access_tokens").all())


@pytest.mark.parametrize("body", [{"subject": "x", "roles": ["emperor"]}, {"subject": "x", "roles": []}, {"subject": "", "roles": ["reader"]},
                                  {"subject": "x", "roles": ["reader"], "days": 0}, {"subject": "x", "roles": ["reader"], "ceiling": "galactic"},
                                  {"subject": "x", "roles": ["reader"], "colour": "red"}])
async def test_impossible_tokens(world: ServiceWorld, body: dict[str, object]) -> None:
    assert (await world.http.post("/api/v1/admin/tokens", json=body)).status_code == 400


async def test_a_token_writes_only_in_its_namespaces(world: ServiceWorld) -> None:
    headers = world.as_("ingest", prefixes=("finance",))
    answer = await world.http.post("/api/v1/lineage", json=openlineage_run(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "out-of-scope")
    elsewhere = openlineage_run(namespace="finance.daily")
    elsewhere["outputs"] = [{"namespace": "demo", "name": "orders"}]
    assert (await world.http.post("/api/v1/lineage", json=elsewhere, headers=headers)).status_code == 403
    elsewhere["inputs"], elsewhere["outputs"] = elsewhere["outputs"], []
    assert (await world.http.post("/api/v1/lineage", json=elsewhere, headers=headers)).status_code == 200


async def test_bodies_need_a_grant_and_leaves_do_not(world: ServiceWorld) -> None:
    index = (await world.post(world.cloudevent())).json()["index"]
    path = f"/api/v1/log/entries/{index}"
    anonymous = (await world.http.get(path, headers={"authorization": ""})).status_code
    assert anonymous == 401  # wrong credentials are never taken for none
    del world.http.headers["authorization"]
    public = (await world.http.get(path)).json()
    assert (public["restricted"], "envelope" in public, "salt" in public) == (True, False, False)
    stranger = (await world.http.get(path, headers=world.as_("reader", prefixes=("finance",)))).json()
    assert stranger["restricted"] is True
    reader = (await world.http.get(path, headers=world.as_("reader", prefixes=("de",)))).json()
    assert reader["restricted"] is False
    assert reader["envelope"]
    keys = (await world.http.get("/api/v1/log/entries/0")).json()
    assert keys["envelope"]  # genesis, keys and policy are readable with log:read
    assert (await world.http.get("/api/v1/log/proof?index=0")).status_code == 200


async def test_a_restricted_log_shows_nothing_to_strangers(world: ServiceWorld) -> None:
    keyring = (await world.http.get("/api/v1/admin/keys")).json()
    await world.admin("lineproof.policy.v1", {"previous": keyring["policyIndex"], "logRead": "restricted", "grants": [], "protectedAliases": [],
                                              "tenants": [{"id": world.tenant, "name": "default", "prefixes": [""]}]})
    readers = world.as_("reader")
    del world.http.headers["authorization"]
    for path in ("/api/v1/log/checkpoint", "/api/v1/log/proof?index=0", "/api/v1/log/entries/0"):
        assert (await world.http.get(path)).status_code == 401
        assert (await world.http.get(path, headers=readers)).status_code in (200, 404)


async def test_artifacts_are_hashed_before_they_are_visible(world: ServiceWorld) -> None:
    data = b"select 1" * 1000
    path = f"/api/v1/artifacts/sha256:{hashlib.sha256(data).hexdigest()}"
    wrong = await world.http.put(path, content=data + b"!")
    assert (wrong.status_code, wrong.json()["code"]) == (400, "invalid-argument")
    assert (await world.http.get(path)).status_code == 404
    assert (await world.http.put(path, content=data)).status_code == 201
    assert (await world.http.put(path, content=data)).status_code == 200
    found = await world.http.get(path)
    assert found.content == data
    assert found.headers["x-content-type-options"] == "nosniff"
    assert found.headers["content-disposition"].startswith("attachment")
    assert not list((world.rooms.settings.data / "artifacts" / "incoming").iterdir())
    assert (await world.http.put("/api/v1/artifacts/sha256:XYZ", content=b"")).status_code == 400


async def test_another_tenant_does_not_learn_what_one_holds(world: ServiceWorld) -> None:
    data = b"secret recipe"
    path = f"/api/v1/artifacts/sha256:{hashlib.sha256(data).hexdigest()}"
    await world.http.put(path, content=data)
    other = world.rooms.tokens.create("other", tenant="f" * 32, roles=["reader", "ingest"])
    headers = {"authorization": f"Bearer {other.secret}"}
    assert (await world.http.get(path, headers=headers)).status_code == 404
    assert (await world.http.put(path, content=data, headers=headers)).status_code == 201


async def test_another_tenant_cannot_send_what_our_keys_signed(world: ServiceWorld) -> None:
    other = world.rooms.tokens.create("other", tenant="f" * 32, roles=["ingest"])
    answer = await world.http.post("/api/v1/events", content=world.cloudevent(), headers={"authorization": f"Bearer {other.secret}", **JSON})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    plain = await world.http.post("/api/v1/lineage", json=openlineage_run(), headers={"authorization": f"Bearer {other.secret}"})
    assert (plain.status_code, plain.json()["code"]) == (403, "out-of-scope")


async def test_artifact_quota(world: ServiceWorld) -> None:
    artifacts = world.app.state.services.artifacts
    artifacts._quota_bytes = 10
    for data, status in ((b"12345678", 201), (b"abc", 413), (b"ab", 201)):
        assert (await world.http.put(f"/api/v1/artifacts/sha256:{hashlib.sha256(data).hexdigest()}", content=data)).status_code == status


async def test_metrics_count_what_happened(world: ServiceWorld) -> None:
    await world.post(world.cloudevent())
    await world.post(b"{")
    text = (await world.http.get("/metrics")).text
    assert 'lineproof_events_accepted_total{duplicate="false",signed_by="PRODUCER"} 1.0' in text
    assert "lineproof_checkpoints_blocked 0.0" in text
    assert "lineproof_queue_waiting 0.0" in text
    assert 'lineproof_events_refused_total{code="not-json"} 1.0' in text
    assert json.loads((await world.http.get("/readyz")).text)["log"] == world.size()
