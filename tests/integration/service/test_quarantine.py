"""Quarantine: refused bytes are kept, listed, and taken in again at most once."""
from __future__ import annotations

import base64
import json

import pytest

from lineproof_audit.keys import SigningKey
from tests.service_world import ServiceWorld, openlineage_run

pytestmark = pytest.mark.anyio


async def test_an_event_refused_for_a_missing_key_is_replayed_after_registration(world: ServiceWorld) -> None:
    late = SigningKey.generate()
    envelope = world.cloudevent(key=late)
    caller = world.as_("ingest", subject="pipeline")
    refused = await world.http.post("/api/v1/events", content=envelope, headers={**caller, "content-type": "application/json"})
    item = refused.json()["quarantine"]
    shown = (await world.http.get(f"/api/v1/admin/quarantine/{item}")).json()
    assert (base64.b64decode(shown["body"]), shown["code"], shown["appended"]) == (envelope, "unknown-key", None)

    still = await world.http.post(f"/api/v1/admin/quarantine/{item}/replay")
    assert (still.status_code, still.json()["code"]) == (403, "unknown-key")
    await world.register(late, "demo")
    first = await world.http.post(f"/api/v1/admin/quarantine/{item}/replay")
    assert (first.status_code, first.json()["duplicate"]) == (202, False)
    size = world.size()
    second = (await world.http.post(f"/api/v1/admin/quarantine/{item}/replay")).json()
    assert (second["index"], second["duplicate"], world.size()) == (first.json()["index"], True, size)
    assert (await world.http.get(f"/api/v1/admin/quarantine/{item}")).json()["appended"] == first.json()["index"]
    direct = (await world.http.post("/api/v1/events", content=envelope, headers={**caller, "content-type": "application/json"})).json()
    assert direct["index"] == first.json()["index"]


async def test_a_replayed_plain_event_keeps_its_first_caller(world: ServiceWorld) -> None:
    event = json.dumps(openlineage_run(namespace="finance")).encode()
    narrow = world.as_("ingest", prefixes=("demo",), subject="airflow")
    item = (await world.http.post("/api/v1/lineage", content=event, headers=narrow)).json()["quarantine"]
    answer = (await world.http.post(f"/api/v1/admin/quarantine/{item}/replay")).json()
    wide = world.as_("ingest", subject="airflow")
    again = (await world.http.post("/api/v1/lineage", content=event, headers=wide)).json()
    assert (again["index"], again["duplicate"]) == (answer["index"], True)


async def test_the_same_refusal_is_counted_and_not_kept_twice(world: ServiceWorld) -> None:
    for _ in range(3):
        await world.post(b"{broken")
    items = (await world.http.get("/api/v1/admin/quarantine")).json()["items"]
    assert [(item["code"], item["times"], item["size"]) for item in items] == [("not-json", 3, 7)]
    assert (await world.http.get("/api/v1/admin/quarantine?code=unknown-key")).json()["items"] == []


async def test_the_quota_bounds_what_is_kept_and_the_refusal_stands(world: ServiceWorld) -> None:
    world.app.state.services.quarantine._quota = 10
    assert "quarantine" in (await world.post(b"{broken1")).json()
    over = (await world.post(b"{broken2")).json()
    assert over["code"] == "not-json"
    assert "quarantine" not in over


async def test_what_was_not_seen_for_long_expires(world: ServiceWorld) -> None:
    quarantine = world.app.state.services.quarantine
    await world.post(b"{broken")
    now = quarantine._clock()
    quarantine._clock = lambda: now + 29 * 86_400
    assert quarantine.expire() == 0
    quarantine._clock = lambda: now + 31 * 86_400
    assert quarantine.expire() == 1


async def test_another_tenant_sees_nothing_of_it(world: ServiceWorld) -> None:
    item = (await world.post(b"{broken")).json()["quarantine"]
    other = world.rooms.tokens.create("other", tenant="f" * 32, roles=["operator"])
    headers = {"authorization": f"Bearer {other.secret}"}
    assert (await world.http.get("/api/v1/admin/quarantine", headers=headers)).json() == {"items": []}
    assert (await world.http.get(f"/api/v1/admin/quarantine/{item}", headers=headers)).status_code == 404
    assert (await world.http.post(f"/api/v1/admin/quarantine/{item}/replay", headers=headers)).status_code == 404
