"""Features, aliases and bindings over the real application: what serving asks, who may move what, and what the past says."""
from __future__ import annotations

from hashlib import sha256
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


async def test_a_stable_binding_with_an_unknown_feature_is_rejected_recorded_and_taken_when_told_again(projected: ServiceWorld) -> None:
    await versions(projected, "1")
    told = await say(projected, "model-version", model("1", ["demo:delay@1", "demo:wind@7"]), 409)
    assert (told["code"], told["outcome"]["status"], told["outcome"]["reason"]) == ("rejected", "rejected", "no-manifest")
    assert told["outcome"]["detail"]["missing"] == ["demo:wind@7"]
    refused = await resolve(projected, model="demo:late@1", status=409)
    assert (refused["code"], refused["missing"], refused["index"]) == ("no-manifest", ["demo:wind@7"], told["index"])
    assert (await resolve(projected, model="demo:late@1", headers=projected.as_("reader", prefixes=("shared",)), status=404))["code"] == "not-found"
    trail = await ask(projected, "query($urn: ID!) { auditTrail(urn: $urn) { rows { index status reason detail } } }",
                      urn="urn:lineproof:model-version:demo:late:1")
    assert [(row["index"], row["status"], row["reason"], row["detail"]["missing"]) for row in trail["data"]["auditTrail"]["rows"]] == [
        (told["index"], "rejected", "no-manifest", ["demo:wind@7"])]
    entry = await ask(projected, "query($index: Long!) { event(index: $index) { event { payload } } }", index=told["index"])
    assert entry["data"]["event"]["event"]["payload"]["data"]["features"] == ["demo:delay@1", "demo:wind@7"]  # nothing of it is lost
    await say(projected, "deployment", {"namespace": "demo", "name": "late", "id": "d1", "modelVersion": "1", "environment": "prod", "action": "deploy"})
    assert (await resolve(projected, model="urn:lineproof:deployment:demo:late:d1", status=409))["code"] == "no-manifest"
    await say(projected, "feature-version", feature("7", "wind"))
    assert (await resolve(projected, model="demo:late@1", status=409))["code"] == "no-manifest"
    await say(projected, "model-version", model("1", ["demo:delay@1", "demo:wind@7"]))
    assert rows(await resolve(projected, model="demo:late@1")) == [("1", None), ("7", None)]
    assert rows(await resolve(projected, model="urn:lineproof:deployment:demo:late:d1")) == [("1", None), ("7", None)]
    assert (await resolve(projected, model="demo:never@1", status=404))["code"] == "not-found"


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
    source = b"def to_text(value): return str(value)\n"
    adapter, lost = sha256(source).hexdigest(), "f" * 64
    put = await projected.http.put(f"/api/v1/artifacts/sha256:{adapter}", content=source)
    assert put.status_code in (200, 201), put.text
    lied = feature("2", compatibility={"with": "1", "kind": "additive", "adapterDigest": adapter})
    lied["definition"]["dtype"] = "text"
    told = await say(projected, "feature-version", lied)
    assert (told["outcome"]["status"], told["outcome"]["reason"]) == ("partial", "compatibility-mismatch")
    await say(projected, "feature-version", feature("3", compatibility={"with": "2", "kind": "breaking", "adapterDigest": lost}))
    assert told["outcome"]["detail"]["compatibility"] == {"with": "1", "declared": "additive", "found": "breaking"}
    answer = await projected.http.get("/features/demo:delay/versions/2")
    assert answer.status_code == 200, answer.text
    version = answer.json()["version"]
    found = version["compatibility"]
    assert (found["with"], found["declared"], found["checked"], found["agrees"], found["adapter"]) == ("1", "additive", "breaking", False, adapter)
    assert version["adapters"] == [{"from": "1", "to": "2", "digest": adapter, "stored": True, "bytes": len(source)},
                                   {"from": "2", "to": "3", "digest": lost, "stored": False, "bytes": None}]
    over_graphql = await ask(projected, """query { feature(ref: {name: "demo:delay", version: "2"}) { feature { version {
      online { uri columns { name type } } adapters { from to digest stored bytes } } } } }""")
    assert over_graphql["data"]["feature"]["feature"]["version"] == {
        "adapters": version["adapters"], "online": {"uri": "redis://online/delay/2", "columns": [{"name": "flight", "type": "string"},
                                                                                                 {"name": "delay", "type": "double"}]}}
    assert version["online"]["columns"][0] == {"name": "flight", "type": "string", "nullable": None, "description": None}
    assert {len(version["dataHash"]), len(version["metadataHash"])} == {64}
    conflict = await say(projected, "feature-version", {**feature("1"), "definition": {"entities": ["flight"], "dtype": "int"}}, 409)
    assert conflict["outcome"]["reason"] == "version-conflict"
    trail = await ask(projected, "query($urn: ID!) { auditTrail(urn: $urn) { rows { index status reason } } }",
                      urn="urn:lineproof:feature-version:demo:delay:1")
    assert {"index": conflict["index"], "status": "rejected", "reason": "version-conflict"} in trail["data"]["auditTrail"]["rows"]
    trail = await ask(projected, "query($urn: ID!) { auditTrail(urn: $urn) { rows { index status reason } } }",
                      urn="urn:lineproof:feature-version:demo:delay:2")
    assert {"index": told["index"], "status": "partial", "reason": "compatibility-mismatch"} in trail["data"]["auditTrail"]["rows"]


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


async def test_models_answer_over_rest_like_features(projected: ServiceWorld) -> None:
    await projected.register(key := type(projected.key).generate(), "*")
    await versions(projected, "1")
    name, version, champion = "spät/\"er\" 100%@x", "1/ü", "läuft/\"jetzt\""
    data = {"namespace": ODD, "name": name, "version": version, "artifact": "b" * 64, "features": ["demo:delay@1"]}
    for kind, said in (("model-version", data),
                       ("deployment", {"namespace": ODD, "name": name, "id": "a/b", "modelVersion": version, "environment": "prød", "action": "deploy"}),
                       ("alias", {"kind": "model", "namespace": ODD, "name": name, "alias": champion, "to": version, "reason": "first"})):
        answer = await projected.post(projected.cloudevent(f"lineproof.{kind}.v1", said, key=key), **WAIT)
        assert (answer.status_code, answer.json()["outcome"]["status"]) == (200, "applied"), answer.text
    path = f"/models/{quote(ODD, safe='')}:{quote(name, safe='')}"
    found = (await projected.http.get(f"{path}/versions/{quote(version, safe='')}")).json()["version"]
    assert (found["name"], found["version"], found["aliases"], [pin["version"] for pin in found["pins"]["features"]]) == (name, version, [champion], ["1"])
    assert [(each["id"], each["live"], each["manifest"]) for each in found["deployments"]] == [("a/b", True, found["pins"])]
    moved = (await projected.http.get(f"{path}/aliases/{quote(champion, safe='')}")).json()
    assert (moved["alias"]["version"], moved["alias"]["reason"], [move["status"] for move in moved["history"]]) == (version, "first", ["applied"])
    before = await projected.http.get(f"{path}/aliases/{quote(champion, safe='')}", params={"at": str(moved["alias"]["index"])})
    assert (before.status_code, before.json()["code"], before.json()["history"]) == (404, "not-found", [])
    encoded = await projected.http.get("/features/demo%3Adelay/versions/1")
    assert (encoded.status_code, "colon" in encoded.json()["detail"]) == (404, True)
    document = "query($name: String!) { model(ref: {name: $name}) { model { name deployments { id modelVersion manifest { digest } } } } }"
    reference = f"{quote(ODD, safe='')}:{quote(name, safe='')}"
    answer = (await ask(projected, document, name=reference))["data"]["model"]["model"]
    assert (answer["name"], [each["manifest"]["digest"] for each in answer["deployments"]]) == (name, [found["pins"]["digest"]])
    back = await ask(projected, BACK, name=reference, alias=champion)
    assert back["errors"][0]["extensions"]["code"] == "not-found"  # of features, there is none of that name


async def test_a_viewer_sees_no_pins_of_namespaces_beyond_its_grants(projected: ServiceWorld) -> None:
    await versions(projected, "1")
    said = {"namespace": "shared", "name": "late", "version": "1", "artifact": "b" * 64, "features": ["demo:delay@1"]}
    await say(projected, "model-version", said)
    await say(projected, "deployment", {"namespace": "shared", "name": "late", "id": "d", "modelVersion": "1", "environment": "p", "action": "deploy"})
    document = """query { model(ref: {name: "shared:late"}) { completeness { restricted } model { version { pins { features { urn } } }
      deployments { features manifest { features { urn } } } } } }"""
    for headers, seen in ((None, ["urn:lineproof:feature-version:demo:delay:1"]), (projected.as_("reader", prefixes=("shared",)), [])):
        found = (await ask(projected, document, headers=headers))["data"]["model"]
        pinned = [pin["urn"] for pin in found["model"]["version"]["pins"]["features"]]
        (deployed,) = found["model"]["deployments"]
        assert (pinned, deployed["features"], [pin["urn"] for pin in deployed["manifest"]["features"]]) == (seen, seen, seen)
        assert (found["completeness"]["restricted"] > 0) == (not seen)


async def test_the_history_of_an_alias_goes_on_beyond_its_end(projected: ServiceWorld) -> None:
    await versions(projected, "1", "2")
    first = (await say(projected, "alias", alias("1", None)))["index"]
    gone = (await say(projected, "alias", alias(None, first, reason="wrong")))["index"]
    missing = await projected.http.get("/features/demo:delay/aliases/prod")
    assert (missing.status_code, [(move["to"], move["was"]) for move in missing.json()["history"]]) == (404, [("1", None), (None, "1")])
    again = (await say(projected, "alias", alias("2", None)))["index"]
    document = """query($at: Position) { aliases(name: "demo:delay", alias: "prod", at: $at) { aliases { version index } history { index } }
      feature(ref: {name: "demo:delay"}, at: $at) { feature { aliases { version } history { index } } } }"""
    for at, version, moves in ((first, [], []), (first + 1, ["1"], [first]), (gone + 1, [], [first, gone]), (again + 1, ["2"], [first, gone, again])):
        found = (await ask(projected, document, at={"size": at}))["data"]
        assert [each["version"] for each in found["aliases"]["aliases"]] == version
        assert [each["version"] for each in found["feature"]["feature"]["aliases"]] == version
        assert [move["index"] for move in found["aliases"]["history"]] == [move["index"] for move in found["feature"]["feature"]["history"]] == moves


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
    await versions(projected, "2")
    second = await ask(projected, MOVE, name="demo:delay", alias="champion", to="2", expected=moved["data"]["moveAlias"]["index"], approval="CHG-10")
    assert second["data"]["moveAlias"]["status"] == "applied"
    unapproved = await ask(projected, BACK, name="demo:delay", alias="champion")
    assert unapproved["errors"][0]["extensions"]["reason"] == "approval-required"
    approved = await ask(projected, BACK.replace("to: $to)", 'to: $to, approval: "CHG-11")'), name="demo:delay", alias="champion")
    assert (approved["data"]["rollback"]["was"], approved["data"]["rollback"]["to"]) == ("2", "1")
    history = (await projected.http.get("/features/demo:delay/aliases/champion")).json()["history"]
    assert [(move["to"], move["status"], move["approval"]) for move in history] == [
        ("1", "rejected", None), ("1", "rejected", "  "), ("1", "applied", "CHG-9"), ("2", "applied", "CHG-10"), ("1", "rejected", None),
        ("1", "applied", "CHG-11")]


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


async def test_what_lies_beyond_the_grants_is_at_no_address(projected: ServiceWorld) -> None:
    await versions(projected, "1")
    await say(projected, "alias", alias("1", None))
    await say(projected, "model-version", model("1", ["demo:delay@1"]))
    await say(projected, "model-version", {**model("1", ["demo:delay@1"]), "namespace": "shared", "name": "open"})
    stranger = projected.as_("reader", prefixes=("shared",))
    for path in ("/features/demo:{}/versions/1", "/features/demo:{}/aliases/prod", "/features/{}/versions/1", "/models/demo:{}/versions/1",
                 "/api/v1/lineage/export?urn=urn:lineproof:feature:demo:{}", "/api/v1/lineage/export?urn=urn:lineproof:model-version:demo:{}:1"):
        for name, ghost in (("delay", "ghost"), ("late", "gone")):
            told, of_nothing = [await projected.http.get(path.format(each), headers=stranger) for each in (name, ghost)]
            assert (told.status_code, told.text.replace(name, ghost)) == (of_nothing.status_code, of_nothing.text), path
    for subject in (None, "shared:open@1"):
        for reference in ("demo:{}@1", "demo:{}@prod", "demo:{}@9"):
            told, of_nothing = [await resolve(projected, reference.format(each), headers=stranger, model=subject) for each in ("delay", "ghost")]
            assert repr(told).replace("delay", "ghost") == repr(of_nothing)
    bound = await resolve(projected, headers=stranger, model="shared:open@1")
    assert "delay" not in repr(bound)
    assert [(row["reference"], row["problem"]["code"]) for row in bound["resolutions"]] == [("restricted", "restricted")]
    assert rows(await resolve(projected, model="shared:open@1")) == [("1", None)]
