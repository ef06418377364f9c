"""Bodies that only somebody hostile, or a broken client, sends: a stable code each, nothing appended, and a projector that goes on."""
from __future__ import annotations

import json
from typing import Any

import pytest

from tests.service_world import JSON, ServiceWorld, openlineage_run

HALF = "\ud800"  # half a surrogate pair: JSON can escape it, no UTF-8 can hold it


@pytest.mark.anyio
@pytest.mark.parametrize(("body", "code"), [
    (b"", "not-json"), (b"{", "not-json"), (b"\0", "not-json"),
    (b'{"query": NaN}', "not-json"), (b"[" * 10_000, "not-json"), ("{}".encode("utf-16"), "not-json"),
    (b"5", "invalid-query"), (b"null", "invalid-query"), (b'"{checkpoint{size}}"', "invalid-query"), (b"[]", "invalid-query"), (b"{}", "invalid-query"),
    (b'{"query": 5}', "invalid-query"), (b'{"query": null}', "invalid-query"), (b'{"query": "{checkpoint{size}}", "variables": 5}', "invalid-query"),
    (b'{"query": "{checkpoint{size}}", "operationName": []}', "invalid-query"),
])
async def test_what_is_no_graphql_request_is_a_problem_with_a_code(world: ServiceWorld, body: bytes, code: str) -> None:
    answer = await world.post(body, "/graphql")
    found = answer.json()
    if answer.headers["content-type"] == "application/json":  # the request was one, its query was not
        assert found["errors"][0]["extensions"]["code"] == code
    else:
        assert answer.headers["content-type"] == "application/problem+json"
        assert (answer.status_code, found["code"]) == (400, code)


@pytest.mark.anyio
@pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"])
async def test_graphql_refuses_other_content_types(world: ServiceWorld, content_type: str) -> None:
    answer = await world.post(b'{"query": "{checkpoint{size}}"}', "/graphql", content_type=content_type)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media-type")


@pytest.mark.anyio
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_graphql_takes_post_only(world: ServiceWorld, method: str) -> None:
    answer = await world.http.request(method, "/graphql")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert method == "HEAD" or answer.json()["code"] == "method-not-allowed"


@pytest.mark.anyio
@pytest.mark.parametrize("change", [
    {"job": {"namespace": "demo", "name": "a\0b"}}, {"outputs": [{"namespace": "a\0b", "name": "t"}]}, {"inputs": [{"namespace": "demo", "name": "x" * 9_000}]},
    {"job": {"namespace": "demo", "name": "é" * 2_000}},
    {"run": {"runId": HALF}}, {"run": {"runId": "x" * 35 + HALF}}, {"job": {"namespace": "demo", "name": HALF}}, {"job": {"namespace": HALF, "name": "j"}},
    {"outputs": [{"namespace": "demo", "name": HALF}]}, {"eventType": HALF}, {"eventTime": HALF},
])
async def test_a_name_that_no_urn_can_hold_is_refused(world: ServiceWorld, change: dict[str, Any]) -> None:
    before = world.size()
    answer = await world.post(json.dumps({**openlineage_run(), **change}).encode(), "/api/v1/lineage")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-openlineage")
    assert world.size() == before


@pytest.mark.anyio
@pytest.mark.parametrize("odd", [
    {"payloadType": HALF, "payload": "e30=", "signatures": [{"keyid": "k", "sig": "AAAA"}]},
    {"payloadType": "application/cloudevents+json", "payload": "e30=", "signatures": [{"keyid": HALF, "sig": "AAAA"}]},
    {"payloadType": "application/cloudevents+json", "payload": "e30=", "signatures": [{"keyid": "\0", "sig": "AAAA"}]},
    {HALF: HALF},
])
async def test_half_a_surrogate_pair_in_an_envelope_is_refused_and_kept(world: ServiceWorld, odd: dict[str, Any]) -> None:
    answer = await world.post(json.dumps(odd).encode())
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] in ("invalid-envelope", "unsigned-envelope", "unknown-payload-type", "unknown-key")
    assert answer.json()["quarantine"]


@pytest.mark.anyio
@pytest.mark.parametrize("attributes", [{"audience": HALF}, {"source": HALF}, {"id": HALF}, {"data": {"namespace": "demo", "name": HALF}},
                                        {"data": {"namespace": "demo", HALF: 1}}])
async def test_half_a_surrogate_pair_in_a_signed_event_is_refused(world: ServiceWorld, attributes: dict[str, Any]) -> None:
    answer = await world.post(world.cloudevent(**attributes))
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] in ("invalid-event", "wrong-audience")


@pytest.mark.anyio
@pytest.mark.parametrize("facets", [
    {f"x{HALF}": {f"a{HALF}": HALF}}, {"x\0": {"a\0": "\0"}}, {"big": {"n": 10**400, "f": 1e308, "neg": -(2**70)}}, {"x": "text", "y": 5, "z": [1], "w": None},
    {"sql": {"query": HALF, "dialect": "\0"}}, {"ownership": {"owners": [{"name": HALF, "type": HALF}]}}, {"pair": {"smile": "\U0001f600", "text": "\\ud800"}},
])
async def test_odd_facets_are_logged_and_never_stop_the_projector(projected: ServiceWorld, facets: dict[str, Any]) -> None:
    event = {**openlineage_run(), "job": {"namespace": "demo", "name": "odd", "facets": facets}}
    answer = await projected.post(json.dumps(event).encode(), "/api/v1/lineage")
    assert answer.status_code == 200, answer.text
    after = await projected.post(projected.cloudevent(), Prefer="wait=projected")
    assert after.json()["outcome"]["status"] == "applied"
    query = "query($i: Long!) {event(index: $i) {event {status payload}}}"
    shown = await projected.http.post("/graphql", json={"query": query, "variables": {"i": answer.json()["index"]}}, headers=JSON)
    assert shown.json()["data"]["event"]["event"] == {"status": "applied", "payload": event}


@pytest.mark.anyio
async def test_a_client_that_leaves_in_the_middle_of_its_body_is_no_error_of_ours(world: ServiceWorld, caplog: pytest.LogCaptureFixture) -> None:
    messages: list[dict[str, Any]] = [{"type": "http.request", "body": b'{"a":', "more_body": True}, {"type": "http.disconnect"}]
    came = iter(messages)

    async def receive() -> dict[str, Any]:
        return next(came)

    async def send(message: Any) -> None:
        raise AssertionError(f"nobody is there to read {message}")

    token = world.http.headers["authorization"].encode()
    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "path": "/api/v1/lineage", "raw_path": b"/api/v1/lineage",
             "root_path": "", "scheme": "http", "query_string": b"", "client": ("127.0.0.1", 1), "server": ("service", 80),
             "headers": [(b"authorization", token), (b"content-type", b"application/json"), (b"content-length", b"5000")]}
    before = world.size()
    await world.app(scope, receive, send)
    assert world.size() == before
    assert 'status="499"' in (await world.http.get("/metrics")).text
    assert "unexpected" not in caplog.text
