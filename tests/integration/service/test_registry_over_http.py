"""Features, aliases and bindings over the real application: what serving asks, who may move what, and what the past says."""
from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.service_world import JSON, ServiceWorld

pytestmark = pytest.mark.anyio
WAIT = {"prefer": "wait=projected"}
ODD = 's3://bucket/"a"?b=ü#c'  # a namespace that needs every kind of encoding


def feature(version: str, name: str = "delay", namespace: str = "demo", **more: Any) -> dict[str, Any]:
    return {"namespace": namespace, "name": name, "version": version, "column": {"namespace": "demo", "name": "features", "column": name},
            "definition": {"entities": ["flight"], "dtype": "double", "sql": f"select {version}", "sources": [{"namespace": "demo", "name": "raw"}]},
            "online": {"uri": f"redis://online/{name}/{version}", "schema": [{"name": "flight", "type": "string"}, {"name": name, "type": "double"}]}, **more}


def model(version: str, features: list[str], binding: str = "stable", **more: Any) -> dict[str, Any]:
    return {"namespace": "demo", "name": "late", "version": version, "artifact": version.rjust(64, "a"), "features": features, "binding": binding, **more}


def alias(to: str | None, expected: int | None, name: str = "prod", **more: Any) -> dict[str, Any]:
    return {"kind": "feature", "namespace": "demo", "name": "delay", "alias": name, "to": to, "expected": expected, "actor": "ana@example.org", **more}


async def say(service: ServiceWorld, kind: str, data: dict[str, Any], status: int = 200) -> Any:
    answer = await service.post(service.cloudevent(f"lineproof.{kind}.v1", data), **WAIT)
    assert answer.status_code == status, answer.text
    return answer.json()


async def resolve(service: ServiceWorld, *references: str, status: int = 200, headers: dict[str, str] | None = None, **more: Any) -> Any:
    answer = await service.http.post("/resolve", json={"references": list(references), **more}, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


async def ask(service: ServiceWorld, document: str, headers: dict[str, str] | None = None, **variables: Any) -> Any:
    answer = await service.http.post("/graphql", json={"query": document, "variables": variables}, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def rows(answer: Any) -> list[tuple[str | None, str | None]]:
    return [(row["version"], (row["problem"] or {}).get("code")) for row in answer["resolutions"]]


async def versions(service: ServiceWorld, *names: str) -> None:
    for name in names:
        await say(service, "feature-version", feature(name))


async def test_a_stable_binding_serves_its_pins_whatever_aliases_do(projected: ServiceWorld) -> None:
    await versions(projected, "1", "2")
    first = (await say(projected, "alias", alias("1", None)))["index"]
    registered = await say(projected, "model-version", model("1", ["demo:delay@prod"]))
    await say(projected, "model-version", model("2", ["demo:delay@prod"], "flexible", ttlSeconds=30))
    before = await resolve(projected, model="demo:late@1")
    assert before["subject"]["manifestIndex"] == registered["index"]
    moved = (await say(projected, "alias", alias("2", first)))["index"]
    after = await resolve(projected, model="demo:late@1")
    assert (rows(before), rows(after)) == ([("1", None)], [("1", None)])
    pinned = after["resolutions"][0]
    assert (pinned["via"], pinned["alias"], pinned["aliasIndex"], pinned["ttlSeconds"]) == ("pin", "prod", first, None)
    assert pinned["online"]["uri"] == "redis://online/delay/1"
    flexible = (await resolve(projected, model="demo:late@2"))["resolutions"][0]
    assert (flexible["version"], flexible["aliasIndex"], flexible["ttlSeconds"]) == ("2", moved, 30)
    assert flexible["why"] == f"flexible binding: alias prod stands on 2 since entry {moved}"
    again = await say(projected, "model-version", model("1", ["demo:delay@prod"], description="told again"))
    assert again["outcome"]["status"] == "applied"
    assert rows(await resolve(projected, model="demo:late@1")) == [("1", None)]
    assert (await resolve(projected, model="demo:late@1"))["subject"] == before["subject"]


async def test_a_model_gets_only_what_it_is_bound_to(projected: ServiceWorld) -> None:
    await versions(projected, "1", "2")
    await say(projected, "feature-version", feature("1", "wind"))
    await say(projected, "alias", alias("1", None))
    await say(projected, "model-version", model("1", ["demo:delay@prod", "demo:wind@1"]))
    await say(projected, "model-version", model("2", ["demo:delay@prod"], "flexible"))
    asked = await resolve(projected, "demo:delay", "demo:delay@prod", "demo:delay@1", "demo:delay@2", "demo:wind", "nonsense", model="demo:late@1")
    assert rows(asked) == [("1", None), ("1", None), ("1", None), (None, "not-pinned"), ("1", None), (None, "not-pinned")]
    assert rows(await resolve(projected, "demo:delay@prod", "demo:wind@1", model="demo:late@2")) == [("1", None), (None, "not-pinned")]


async def test_references_without_a_model_are_resolved_now(projected: ServiceWorld) -> None:
    await versions(projected, "1")
    await say(projected, "alias", alias("1", None))
    asked = await resolve(projected, "demo:delay@1", "demo:delay@prod", "demo:delay@9", "demo:delay", "a:b:c@1", "other:delay@1")
    assert rows(asked) == [("1", None), ("1", None), (None, "not-found"), (None, "invalid-urn"), (None, "invalid-urn"), (None, "not-found")]
    assert [row["ttlSeconds"] for row in asked["resolutions"][:2]] == [None, 60]
    assert asked["computedAt"]["size"] == projected.size()


async def test_a_stable_binding_with_an_unknown_feature_serves_nothing_until_it_is_whole(projected: ServiceWorld) -> None:
    await versions(projected, "1")
    told = await say(projected, "model-version", model("1", ["demo:delay@1", "demo:wind@7"]))
    assert (told["outcome"]["status"], told["outcome"]["reason"]) == ("partial", "unknown-version")
    assert told["outcome"]["detail"]["unpinned"] == ["demo:wind@7"]
    refused = await resolve(projected, model="demo:late@1", status=409)
    assert (refused["code"], refused["missing"]) == ("no-manifest", ["demo:wind@7"])
    await say(projected, "feature-version", feature("7", "wind"))
    assert (await resolve(projected, model="demo:late@1", status=409))["code"] == "no-manifest"
    await say(projected, "model-version", model("1", ["demo:delay@1", "demo:wind@7"]))
    assert rows(await resolve(projected, model="demo:late@1")) == [("1", None), ("7", None)]


async def test_deploy_and_retire_decide_what_is_live(projected: ServiceWorld) -> None:
    await versions(projected, "1", "2")
    await say(projected, "model-version", model("1", ["demo:delay@1"]))
    base = {"namespace": "demo", "name": "late", "modelVersion": "1", "environment": "production"}
    await say(projected, "deployment", {**base, "id": "d1", "action": "deploy"})
    one = "urn:lineproof:deployment:demo:late:d1"
    served = await resolve(projected, model=one)
    assert (rows(served), served["subject"]["liveIn"], served["resolutions"][0]["ttlSeconds"]) == ([("1", None)], ["production"], 60)
    wrong = await say(projected, "deployment", {**base, "id": "d9", "action": "deploy", "features": ["demo:delay@2"]}, 409)
    assert wrong["outcome"]["reason"] == "manifest-mismatch"
    other = await say(projected, "deployment", {**base, "id": "d1", "action": "deploy", "environment": "staging"}, 409)
    assert other["outcome"]["reason"] == "deployment-conflict"
    nobody = await say(projected, "deployment", {**base, "id": "d8", "action": "retire"}, 409)
    assert nobody["outcome"]["reason"] == "unknown-deployment"
    await say(projected, "deployment", {**base, "id": "d2", "action": "deploy", "previous": "d1"})
    assert (await resolve(projected, model=one, status=409))["code"] == "retired"
    await say(projected, "deployment", {**base, "id": "d2", "action": "retire"})
    assert (await resolve(projected, model="urn:lineproof:deployment:demo:late:d2", status=409))["code"] == "retired"
    found = (await ask(projected, "query($id: ID!) { deployment(id: $id) { deployment { live action features environment } } }", id="demo:late@d2"))
    assert found["data"]["deployment"]["deployment"] == {"live": False, "action": "retire", "environment": "production",
                                                         "features": ["urn:lineproof:feature-version:demo:delay:1"]}
    assert (await resolve(projected, model="demo:late@1"))["subject"]["liveIn"] == []


async def test_a_feature_version_over_rest_says_whether_it_fits_the_one_before(projected: ServiceWorld) -> None:
    await versions(projected, "1")
    adapter = "f" * 64
    lied = feature("2", compatibility={"with": "1", "kind": "additive", "adapterDigest": adapter})
    lied["definition"]["dtype"] = "text"
    told = await say(projected, "feature-version", lied)
    assert told["outcome"]["detail"]["compatibility"] == {"with": "1", "declared": "additive", "found": "breaking"}
    answer = await projected.http.get("/features/demo:delay/versions/2")
    assert answer.status_code == 200, answer.text
    version = answer.json()["version"]
    found = version["compatibility"]
    assert (found["with"], found["declared"], found["checked"], found["agrees"], found["adapter"]) == ("1", "additive", "breaking", False, adapter)
    assert version["adapters"] == [{"from": "1", "to": "2", "digest": adapter}]
    assert version["online"]["columns"][0] == {"name": "flight", "type": "string", "nullable": None, "description": None}
    assert {len(version["dataHash"]), len(version["metadataHash"])} == {64}
    conflict = await say(projected, "feature-version", {**feature("1"), "definition": {"entities": ["flight"], "dtype": "int"}}, 409)
    assert conflict["outcome"]["reason"] == "version-conflict"
    trail = await ask(projected, "query($urn: ID!) { auditTrail(urn: $urn) { rows { index status reason } } }",
                      urn="urn:lineproof:feature-version:demo:delay:1")
    assert {"index": conflict["index"], "status": "rejected", "reason": "version-conflict"} in trail["data"]["auditTrail"]["rows"]


async def test_names_over_rest_are_encoded_or_unique(projected: ServiceWorld) -> None:
    await projected.register(key := type(projected.key).generate(), "*")
    for namespace, name in ((ODD, "x/ü y"), ("demo", "delay"), ("shared", "delay")):
        answer = await projected.post(projected.cloudevent("lineproof.feature-version.v1", feature("v/1", name, namespace), key=key), **WAIT)
        assert answer.status_code == 200, answer.text
    odd = f"{quote(ODD, safe='')}:{quote('x/ü y', safe='')}"
    answer = await projected.http.get(f"/features/{odd}/versions/v%2F1")
    assert answer.status_code == 200, answer.text
    assert (answer.json()["version"]["namespace"], answer.json()["version"]["name"]) == (ODD, "x/ü y")
    bare = await projected.http.get(f"/features/{quote('x/ü y', safe='')}/versions/v%2F1")
    assert bare.json()["version"]["urn"] == answer.json()["version"]["urn"]
    ambiguous = await projected.http.get("/features/delay/versions/v%2F1")
    assert (ambiguous.status_code, ambiguous.json()["code"], ambiguous.json()["candidates"]) == (409, "ambiguous-name", ["demo:delay", "shared:delay"])
    narrow = projected.as_("reader", prefixes=("shared",))
    assert (await projected.http.get("/features/delay/versions/v%2F1", headers=narrow)).json()["version"]["namespace"] == "shared"
    assert (await projected.http.get("/features/demo:delay/versions/v%2F1", headers=narrow)).status_code == 404
    for path in ("/features/demo:nothing/versions/1", "/features/demo:delay/versions/9", "/features/demo:delay/aliases/prod", "/features/demo:delay"):
        refused = await projected.http.get(path)
        assert (refused.status_code, refused.json()["code"]) == (404, "not-found"), path
    assert rows(await resolve(projected, f"{odd}@v%2F1")) == [("v/1", None)]


async def test_who_was_the_alias_at_a_time(projected: ServiceWorld) -> None:
    await versions(projected, "1", "2")
    first = (await say(projected, "alias", alias("1", None, reason="first")))["index"]
    stale = (await say(projected, "alias", alias("2", None), 409))
    assert stale["outcome"]["reason"] == "alias-moved"
    second = (await say(projected, "alias", alias("2", first, approval="CHG-7")))["index"]
    now = (await projected.http.get("/features/demo:delay/aliases/prod")).json()
    assert (now["alias"]["version"], now["alias"]["index"], now["alias"]["approval"], now["alias"]["actor"]) == ("2", second, "CHG-7", "ana@example.org")
    assert [(move["to"], move["status"], move["outcome"]) for move in now["history"]] == [
        ("1", "applied", None), ("2", "rejected", "alias-moved"), ("2", "applied", None)]
    then = (await projected.http.get("/features/demo:delay/aliases/prod", params={"at": str(second)})).json()
    assert (then["alias"]["version"], then["alias"]["reason"]) == ("1", "first")
    assert [move["index"] for move in then["history"]] == [first, stale["index"]]
    at_time = (await projected.http.get("/features/demo:delay/aliases/prod", params={"at": then["alias"]["movedAt"]})).json()
    assert at_time["alias"]["version"] == "1"
    before = await projected.http.get("/features/demo:delay/aliases/prod", params={"at": str(first)})
    assert before.status_code == 404


MOVE = """mutation($name: String!, $alias: String!, $to: String, $expected: Long, $approval: String) {
  moveAlias(name: $name, alias: $alias, to: $to, expected: $expected, approval: $approval) { index urn was to status reason } }"""
BACK = """mutation($name: String!, $alias: String!, $to: String) {
  rollback(name: $name, alias: $alias, to: $to) { index was to restores status } }"""


async def test_mutations_are_signed_by_the_notary_in_the_name_of_the_caller(projected: ServiceWorld) -> None:
    await versions(projected, "1", "2", "3")
    first = (await ask(projected, MOVE, name="demo:delay", alias="prod", to="1", expected=None))["data"]["moveAlias"]
    assert (first["status"], first["was"]) == ("applied", None)
    stale = await ask(projected, MOVE, name="demo:delay", alias="prod", to="2", expected=None)
    assert stale["errors"][0]["extensions"]["code"] == "rejected"
    assert stale["errors"][0]["extensions"]["reason"] == "alias-moved"
    second = (await ask(projected, MOVE, name="delay", alias="prod", to="2", expected=first["index"]))["data"]["moveAlias"]
    third = (await ask(projected, MOVE, name="demo:delay", alias="prod", to="3", expected=second["index"]))["data"]["moveAlias"]
    steps = [(await ask(projected, BACK, name="demo:delay", alias="prod"))["data"]["rollback"] for _ in range(2)]
    assert [(step["was"], step["to"], step["restores"]) for step in steps] == [("3", "2", second["index"]), ("2", "1", first["index"])]
    refused = await ask(projected, BACK, name="demo:delay", alias="prod")
    assert refused["errors"][0]["extensions"]["code"] == "not-found"
    forward = (await ask(projected, BACK, name="demo:delay", alias="prod", to="3"))["data"]["rollback"]
    assert (forward["to"], forward["restores"]) == ("3", third["index"])
    entry = projected.rooms.log.reader.entry(forward["index"])
    assert entry.fields.signed_by == "SERVICE"
    assert entry.fields.signer == projected.rooms.log.notary.keyid
    now = (await projected.http.get("/features/demo:delay/aliases/prod")).json()["alias"]
    assert (now["caller"], now["signedBy"]) == (entry.fields.caller, "SERVICE")
    assert now["actor"] == now["caller"] != ""


@pytest.mark.parametrize(("roles", "prefixes", "code"), [
    (("reader",), ("",), "forbidden"), (("ingest",), ("shared",), "not-found"), (("ingest",), ("demo",), None), (("admin",), ("",), None)])
async def test_who_may_move_an_alias(projected: ServiceWorld, roles: tuple[str, ...], prefixes: tuple[str, ...], code: str | None) -> None:
    await versions(projected, "1")
    answer = await ask(projected, MOVE, headers=projected.as_(*roles, prefixes=prefixes), name="demo:delay", alias="prod", to="1", expected=None)
    assert [error["extensions"]["code"] for error in answer.get("errors", [])] == ([code] if code else [])


async def test_a_protected_alias_needs_an_approval(projected: ServiceWorld) -> None:
    await versions(projected, "1")
    policy = {"previous": projected.rooms.keys.current.policy_index, "protectedAliases": ["champion"], "logRead": "public", "grants": [],
              "tenants": [{"id": projected.tenant, "name": "default", "prefixes": [""]}]}
    await projected.admin("lineproof.policy.v1", policy)
    refused = await ask(projected, MOVE, name="demo:delay", alias="champion", to="1", expected=None)
    assert refused["errors"][0]["extensions"]["reason"] == "approval-required"
    blank = await ask(projected, MOVE, name="demo:delay", alias="champion", to="1", expected=None, approval="  ")
    assert blank["errors"][0]["extensions"]["reason"] == "approval-required"
    moved = await ask(projected, MOVE, name="demo:delay", alias="champion", to="1", expected=None, approval="CHG-9")
    assert moved["data"]["moveAlias"]["status"] == "applied"


async def test_what_a_viewer_may_not_see_is_not_resolved_from_the_cache_of_another(projected: ServiceWorld) -> None:
    await versions(projected, "1")
    assert rows(await resolve(projected, "demo:delay@1")) == [("1", None)]
    assert rows(await resolve(projected, "demo:delay@1", headers=projected.as_("reader", prefixes=("shared",)))) == [(None, "not-found")]
    assert (await resolve(projected, "demo:delay@1", headers=projected.as_("ingest"), status=403))["code"] == "forbidden"
    assert (await resolve(projected, "demo:delay@1", headers={"Authorization": "Bearer x"}, status=401))["code"] == "unauthenticated"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"references": "x"}', b'{"references": [1]}', b'{"references": [], "more": 1}',
                                  b'{"references": ["a"],'])
async def test_bad_resolve_bodies_are_refused(projected: ServiceWorld, body: bytes) -> None:
    answer = await projected.http.post("/resolve", content=body, headers=JSON)
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] in ("not-json", "invalid-argument")
    assert (await projected.http.get("/resolve")).status_code == 405


async def test_the_past_of_a_resolution_can_be_asked(projected: ServiceWorld) -> None:
    await versions(projected, "1", "2")
    first = (await say(projected, "alias", alias("1", None)))["index"]
    second = (await say(projected, "alias", alias("2", first)))["index"]
    document = """query($at: Position) { resolve(refs: ["demo:delay@prod"], at: $at) {
      computedAt { size } completeness { complete } rows { version aliasIndex } } }"""
    assert (await ask(projected, document))["data"]["resolve"]["rows"] == [{"version": "2", "aliasIndex": second}]
    then = (await ask(projected, document, at={"size": second}))["data"]["resolve"]
    assert (then["rows"], then["computedAt"]["size"]) == ([{"version": "1", "aliasIndex": first}], second)
    gone = (await ask(projected, document, at={"size": first}))["data"]["resolve"]
    assert (gone["rows"], gone["completeness"]["complete"]) == ([{"version": None, "aliasIndex": None}], False)
