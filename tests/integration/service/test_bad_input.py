"""Bad input over HTTP: a stable code, nothing appended, nothing lost."""
from __future__ import annotations

import base64
import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import zstandard

from lineproof_audit.envelope import PAYLOAD_CLOUDEVENT, PAYLOAD_INTOTO, sign_envelope
from lineproof_audit.init import admin_entry
from lineproof_audit.keys import SigningKey
from tests.service_world import ServiceWorld, openlineage_run

pytestmark = pytest.mark.anyio


async def refused(world: ServiceWorld, content: bytes, status: int, code: str, path: str = "/api/v1/events", **headers: str) -> dict[str, Any]:
    """Assert the refusal and that the log did not grow; the problem."""
    before = world.size()
    answer = await world.post(content, path, **headers)
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert world.size() == before
    problem = answer.json()
    assert problem["type"] == f"urn:lineproof:error:{code}"
    assert problem["fix"]
    return problem


async def test_body_that_is_not_json(world: ServiceWorld) -> None:
    problem = await refused(world, b"{nope", 400, "not-json")
    assert problem["quarantine"]


async def test_json_that_is_no_envelope(world: ServiceWorld) -> None:
    await refused(world, b'{"hello": 1}', 400, "invalid-envelope")


async def test_unsigned_envelope(world: ServiceWorld) -> None:
    envelope = json.loads(world.cloudevent())
    await refused(world, json.dumps({**envelope, "signatures": []}).encode(), 400, "unsigned-envelope")


async def test_signature_over_other_bytes(world: ServiceWorld) -> None:
    envelope, other = json.loads(world.cloudevent()), json.loads(world.cloudevent())
    await refused(world, json.dumps({**envelope, "payload": other["payload"]}).encode(), 422, "bad-signature")


async def test_key_nobody_registered(world: ServiceWorld) -> None:
    stranger = SigningKey.generate()
    problem = await refused(world, world.cloudevent(key=stranger), 403, "unknown-key")
    assert problem["keyid"] == stranger.keyid


async def test_revoked_key(world: ServiceWorld) -> None:
    assert (await world.post(world.cloudevent())).status_code == 202
    await world.admin("lineproof.key.v1", {"action": "revoke", "keyId": world.key.keyid, "lastValid": world.size() - 1})
    await refused(world, world.cloudevent(), 403, "revoked-key")


async def test_namespace_outside_the_scope_of_the_key(world: ServiceWorld) -> None:
    await refused(world, world.cloudevent(data={"namespace": "finance", "name": "ledger"}), 403, "out-of-scope")


async def test_output_outside_the_scope_of_the_key(world: ServiceWorld) -> None:
    event = openlineage_run(outputs=("orders",))
    event["run"]["facets"] = {"lineproof_producer": world.producer_facet()}
    event["outputs"].append({"namespace": "finance", "name": "ledger"})
    await refused(world, world.signed_openlineage(event), 403, "out-of-scope")


async def test_reading_outside_the_scope_of_the_key_is_allowed(world: ServiceWorld) -> None:
    event = openlineage_run(outputs=("orders",))
    event["run"]["facets"] = {"lineproof_producer": world.producer_facet()}
    event["inputs"].append({"namespace": "finance", "name": "ledger"})
    assert (await world.post(world.signed_openlineage(event))).status_code == 202


async def test_event_type_outside_the_scope_of_the_key(world: ServiceWorld) -> None:
    narrow = SigningKey.generate()
    await world.register(narrow, "demo", event_types=("openlineage.*",))
    await refused(world, world.cloudevent(key=narrow), 403, "out-of-scope")


@pytest.mark.parametrize("audience", ["lineproof.local/another", None])
async def test_event_for_another_log_or_for_none(world: ServiceWorld, audience: str | None) -> None:
    await refused(world, world.cloudevent(audience=audience), 422, "wrong-audience")


async def test_event_from_the_future(world: ServiceWorld) -> None:
    later = datetime.now(UTC) + timedelta(minutes=6)
    await refused(world, world.cloudevent(time=later.isoformat()), 422, "future-time")
    await refused(world, json.dumps(openlineage_run(eventTime=later.isoformat())).encode(), 422, "future-time", "/api/v1/lineage")


async def test_a_clock_four_minutes_ahead_is_forgiven(world: ServiceWorld) -> None:
    assert (await world.post(world.cloudevent(time=(datetime.now(UTC) + timedelta(minutes=4)).isoformat()))).status_code == 202


async def test_oversized_event_is_refused_and_not_kept(world: ServiceWorld) -> None:
    big = world.cloudevent(data={"namespace": "demo", "name": "orders", "description": "x" * 70_000})
    problem = await refused(world, big, 413, "too-large")
    assert problem["limit"] == 65_536
    assert "quarantine" not in problem


async def test_oversized_body(world: ServiceWorld) -> None:
    await refused(world, b"[" + b" " * 262_144 + b"]", 413, "too-large")


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
async def test_decompression_bomb(world: ServiceWorld, coding: str) -> None:
    plain = b" " * (64 * 2**20)
    bomb = gzip.compress(plain) if coding == "gzip" else zstandard.compress(plain)
    assert len(bomb) < 262_144
    await refused(world, bomb, 413, "too-large", content_encoding=coding)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
async def test_damaged_or_cut_compression(world: ServiceWorld, coding: str) -> None:
    plain = world.cloudevent()
    whole = gzip.compress(plain) if coding == "gzip" else zstandard.compress(plain)
    await refused(world, b"not compressed at all", 400, "not-json", content_encoding=coding)
    await refused(world, whole[:-12], 400, "not-json", content_encoding=coding)


async def test_unknown_encoding_and_media_type(world: ServiceWorld) -> None:
    await refused(world, world.cloudevent(), 415, "unsupported-encoding", content_encoding="br")
    await refused(world, world.cloudevent(), 415, "unsupported-media-type", content_type="text/plain")


async def test_unknown_payload_type(world: ServiceWorld) -> None:
    await refused(world, sign_envelope("text/plain", b"hello", world.key), 422, "unknown-payload-type")


async def test_unknown_event_type(world: ServiceWorld) -> None:
    await refused(world, world.cloudevent("lineproof.rumour.v1"), 422, "unknown-event-type")


async def test_event_that_does_not_match_its_model(world: ServiceWorld) -> None:
    problem = await refused(world, world.cloudevent(data={"namespace": "demo"}), 422, "invalid-event")
    assert problem["errors"][0]["field"] == "name"


async def test_statement_without_subject(world: ServiceWorld) -> None:
    statement = {"_type": "https://in-toto.io/Statement/v1", "predicateType": "https://slsa.dev/provenance/v1", "predicate": {}, "subject": []}
    await refused(world, sign_envelope(PAYLOAD_INTOTO, json.dumps(statement).encode(), world.key), 422, "invalid-event")


async def test_unknown_urn(world: ServiceWorld) -> None:
    data = {"subject": "urn:lineproof:unicorn:demo:orders", "check": "rows", "success": True}
    await refused(world, world.cloudevent("lineproof.quality.v1", data), 422, "invalid-urn")


@pytest.mark.parametrize("event", [{"eventTime": "2024-01-01T00:00:00Z", "producer": "https://x", "job": {"namespace": "demo"}},
                                   {"producer": "https://x", "job": {"namespace": "demo", "name": "job"}}, {},
                                   {"eventTime": "0001-01-01T00:00:00Z", "producer": "https://x", "job": {"namespace": "demo", "name": "job"}},
                                   {"eventTime": "2024-01-01T00:00:61Z", "producer": "https://x", "job": {"namespace": "demo", "name": "job"}},
                                   {"eventTime": "2024-01-01T00:00:00Z", "producer": "https://x", "job": {"namespace": "demo", "name": "表" * 140}}])
async def test_openlineage_that_cannot_be_placed(world: ServiceWorld, event: dict[str, Any]) -> None:
    await refused(world, json.dumps(event).encode(), 422, "invalid-openlineage", "/api/v1/lineage")


async def test_same_id_with_other_bytes_is_kept_as_evidence(world: ServiceWorld) -> None:
    first = await world.post(world.cloudevent(id="one", data={"namespace": "demo", "name": "a"}))
    second = world.cloudevent(id="one", data={"namespace": "demo", "name": "b"})
    answer = await world.post(second)
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["firstIndex"]) == (409, "equivocation", first.json()["index"])
    evidence = world.rooms.log.reader.entry(problem["evidenceIndex"])
    assert evidence.fields.event_type == "lineproof.equivocation.v1"
    again = (await world.post(second)).json()
    assert again["evidenceIndex"] == problem["evidenceIndex"]


async def test_a_retry_returns_the_first_index(world: ServiceWorld) -> None:
    event = world.cloudevent()
    first, second = (await world.post(event)).json(), (await world.post(event)).json()
    assert (second["index"], second["leaf"], second["salt"], second["duplicate"]) == (first["index"], first["leaf"], first["salt"], True)


async def test_only_the_root_admin_key_speaks_of_keys(world: ServiceWorld) -> None:
    data = {"action": "revoke", "keyId": world.key.keyid, "lastValid": 3}
    await refused(world, world.cloudevent("lineproof.key.v1", data), 403, "out-of-scope")


@pytest.mark.parametrize(("kind", "data"), [
    ("lineproof.derivation.v1", {"job": {"namespace": "demo", "name": "j"}, "sql": "0" * 64, "parser": "p", "status": "complete"}),
    ("lineproof.equivocation.v1", {"firstIndex": 1, "keyId": "k", "envelope": "AAAA"}),
    ("lineproof.genesis.v1", {"origin": "x", "logKey": "AAAA", "notaryKey": "AAAA", "rootAdminKey": "AAAA"})])
async def test_producers_cannot_speak_for_the_log(world: ServiceWorld, kind: str, data: dict[str, Any]) -> None:
    await refused(world, world.cloudevent(kind, data), 403, "out-of-scope")


async def test_an_admin_signed_event_needs_an_admin_token_too(world: ServiceWorld) -> None:
    body = {"action": "revoke", "keyId": world.key.keyid, "lastValid": 3}
    now = int(datetime.now(UTC).timestamp() * 1_000_000)
    envelope = admin_entry("lineproof.key.v1", body, world.admin_key, origin=world.origin, now=now).envelope
    answer = await world.http.post("/api/v1/events", content=envelope, headers={**world.as_("ingest"), "content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_a_stolen_notary_key_cannot_be_used_from_outside(world: ServiceWorld) -> None:
    await refused(world, world.cloudevent(key=world.rooms.log.notary), 403, "out-of-scope")


@pytest.mark.parametrize("event", [openlineage_run(inputs=("orders",), outputs=("orders",)), openlineage_run("other", inputs=("b",), outputs=("a",))])
async def test_self_and_cyclic_lineage_are_legal(projected: ServiceWorld, event: dict[str, Any]) -> None:
    await projected.post(json.dumps(openlineage_run("first", inputs=("a",), outputs=("b",))).encode(), "/api/v1/lineage")
    answer = await projected.post(json.dumps(event).encode(), "/api/v1/lineage")
    assert answer.status_code == 200
    again = await projected.post(projected.cloudevent(), prefer="wait=projected")
    assert again.status_code == 200, again.text  # the projection went past it


async def test_oversized_question(world: ServiceWorld) -> None:
    await refused(world, b'{"query": "' + b" " * (1 << 20) + b'"}', 413, "too-large", "/graphql")


async def test_array_with_too_many_events(world: ServiceWorld) -> None:
    await refused(world, b"[" + b",".join([b"{}"] * 51) + b"]", 413, "too-large")


@pytest.mark.parametrize("body", [b"[1,", b"[1 2]", b"[] x", b"\xff\xfe", b"[" * 5000])
async def test_broken_arrays(world: ServiceWorld, body: bytes) -> None:
    answer = await world.post(body)
    assert (answer.status_code, answer.json()["code"]) == (400, "not-json")


async def test_problems_of_the_framework_are_problems_too(world: ServiceWorld) -> None:
    for method, path, status, code in (("GET", "/nowhere", 404, "not-found"), ("DELETE", "/api/v1/events", 405, "method-not-allowed"),
                                       ("GET", "/api/v1/log/proof?index=x", 400, "invalid-argument"), ("GET", "/api/v1/log/proof", 400, "invalid-argument"),
                                       ("GET", "/api/v1/log/entries/999999", 404, "not-found"),
                                       ("GET", "/api/v1/log/proof?index=0&size=999999", 400, "position-beyond-log")):
        answer = await world.http.request(method, path)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        if status == 405:
            assert answer.headers["allow"] == "POST"


async def test_unexpected_errors_are_masked_with_a_reference(world: ServiceWorld, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> int:
        raise RuntimeError("the secret is swordfish")

    monkeypatch.setattr(world.rooms.log.reader, "size", broken)  # the integrator's own reader is another one
    answer = await world.http.get("/readyz")
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (500, "internal")
    assert "swordfish" not in answer.text
    assert problem["reference"] == answer.headers["x-request-id"]


async def test_thousands_of_levels_of_json_are_refused(world: ServiceWorld) -> None:
    deep = b'{"a":' * 6_000 + b"1" + b"}" * 6_000
    payload = sign_envelope(PAYLOAD_CLOUDEVENT, deep, world.key)
    answer = await world.post(payload)
    assert answer.status_code in (400, 422)
    assert answer.json()["code"] in ("not-json", "invalid-event", "invalid-envelope")


async def test_base64_of_another_alphabet_is_no_envelope(world: ServiceWorld) -> None:
    envelope = json.loads(world.cloudevent(data={"namespace": "demo", "name": "orders", "description": "\u00ff\u00fe?>"}))
    urlsafe = base64.urlsafe_b64encode(base64.b64decode(envelope["payload"]) + b"\xfb\xff").decode()
    await refused(world, json.dumps({**envelope, "payload": urlsafe}).encode(), 400, "invalid-envelope")
