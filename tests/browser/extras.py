"""What the demo has not got: names that hurt, versions that break their readers, bindings of both kinds, and crowds."""
from __future__ import annotations

import base64
import hashlib
import json
import time
import uuid
from typing import Any
from urllib.parse import quote

import httpx

from lineproof_audit.envelope import PAYLOAD_CLOUDEVENT, sign_envelope
from lineproof_audit.init import admin_entry
from lineproof_audit.keys import SigningKey
from lineproof_schema.models.lifecycle import REPRODUCTION_TYPE
from lineproof_schema.urn import format_urn

NS = "page"
ODD_NS = "odd/ns \"&<i>"
ODD = "odd \"quotes\", 'ticks'/slashes\\ <b>ünïcødé 数据</b> 100% #?&+~:@"
READERS = 400  # cards that have to stay smooth
FLOOD = 3_000  # more than anybody reads as a picture
WRITTEN_AT_ONCE = 20
ADAPTER = b"def mps_to_kmh(value):\n    return value * 3.6\n"
WIND = format_urn("feature", NS, "wind")
BUILT_AGAIN = format_urn("dataset", "duckdb://flights.duckdb", "flights.features.feat_origin_weather")


class Teller:
    """A producer with a key of its own, registered with the running service."""

    def __init__(self, http: httpx.Client, origin: str, admin: SigningKey) -> None:
        self._http, self._origin, self._key = http, origin, SigningKey.generate()
        public = base64.b64encode(self._key.verify_key.spki).decode()
        body = {"action": "register", "keyId": self._key.keyid, "purpose": "producer", "publicKey": public, "tenant": _tenant(http), "label": "page-tests",
                "scope": {"namespaces": ["*"], "eventTypes": ["*"], "sources": ["*"]}}
        entry = admin_entry("lineproof.key.v1", body, admin, origin=origin, now=time.time_ns() // 1_000)
        answer = http.post("/api/v1/admin/keys", content=entry.envelope, headers={"content-type": "application/json"})
        assert answer.json().get("status") == "applied", answer.text

    def say(self, kind: str, data: dict[str, Any], at: str = "2026-11-20T12:00:00Z") -> int:
        """Send a signed event; its index."""
        event = {"specversion": "1.0", "id": str(uuid.uuid4()), "source": "page-tests", "type": kind, "time": at, "audience": self._origin, "data": data}
        answer = self._http.post("/api/v1/events", content=sign_envelope(PAYLOAD_CLOUDEVENT, json.dumps(event).encode(), self._key),
                                 headers={"content-type": "application/json"})
        assert answer.status_code == 202, answer.text
        return int(answer.json()["index"])

    def crowd(self, source: str, readers: list[str]) -> None:
        """Runs that read one dataset and write many."""
        runs = [{"eventType": "COMPLETE", "eventTime": "2026-11-20T00:00:00Z", "producer": "https://example.org/page-tests",
                 "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent", "run": {"runId": str(uuid.uuid4())},
                 "job": {"namespace": NS, "name": f"{source}_{start}"}, "inputs": [{"namespace": NS, "name": source}],
                 "outputs": [{"namespace": NS, "name": name} for name in readers[start:start + WRITTEN_AT_ONCE]]}
                for start in range(0, len(readers), WRITTEN_AT_ONCE)]
        answer = self._http.post("/api/v1/lineage/batch", json=runs)
        assert answer.json()["summary"]["failed"] == 0, answer.text

    def artifact(self, content: bytes) -> str:
        """Store it; its digest."""
        digest = hashlib.sha256(content).hexdigest()
        assert self._http.put(f"/api/v1/artifacts/sha256:{digest}", content=content).status_code in (200, 201)
        return digest


def tell(teller: Teller) -> None:
    """Everything, in one order."""
    _wind(teller)
    _odd(teller)
    _rebuilt(teller)
    teller.crowd("hub", [f"reader_{number:03}" for number in range(READERS)])
    teller.crowd("ocean", [f"drop_{number:04}" for number in range(FLOOD)])


def reference(namespace: str, name: str, version: str) -> str:
    """`<ns>:<name>@<version>` with encoded components."""
    return f"{quote(namespace, safe='')}:{quote(name, safe='')}@{quote(version, safe='')}"


def _rebuilt(teller: Teller) -> None:
    """Somebody says that they built a table of the demo again."""
    teller.say("lineproof.statement.v1", {
        "_type": "https://in-toto.io/Statement/v1", "subject": [{"name": BUILT_AGAIN, "digest": {"none": ""}}], "predicateType": REPRODUCTION_TYPE,
        "predicate": {"manifest": {"digest": {"sha256": "ab" * 32}, "target": BUILT_AGAIN, "asOf": {"size": 100}}, "verdict": "reproduced", "outputs": [],
                      "finishedOn": "2026-11-20T13:00:00Z"}})


def _wind(teller: Teller) -> None:
    """A feature whose second version breaks readers although its author says otherwise; a model bound for ever, one that floats."""
    place = {"namespace": "duckdb://flights.duckdb", "name": "flights.features.feat_origin_weather", "column": "wind_speed_ms"}
    adapter = teller.artifact(ADAPTER)
    for version, dtype, more in (("1", "double", {}), ("2", "varchar", {"compatibility": {"with": "1", "kind": "additive", "adapterDigest": adapter}})):
        teller.say("lineproof.feature-version.v1", {
            "namespace": NS, "name": "wind", "version": version, "description": f"Wind at the origin, version {version}", "owners": ["weather-desk"],
            "definition": {"entities": ["origin"], "dtype": dtype, "sql": f"select wind_speed_ms from feat_origin_weather -- {version}",
                           "sources": [{"namespace": place["namespace"], "name": place["name"]}], "ttlSeconds": 3600},
            "column": place, "offline": {"uri": "s3://features/wind", "schema": [{"name": "wind", "type": dtype, "description": "metres per second"}]},
            "online": {"uri": "redis://features/wind"}, **more})
    first = _alias(teller, NS, "wind", "latest-stable", "1", None, "first version")
    teller.say("lineproof.model-version.v1", {**_model("gusts", "1"), "features": [reference(NS, "wind", "latest-stable")], "binding": "stable"})
    _alias(teller, NS, "wind", "latest-stable", "2", first, "unit fixed")
    _alias(teller, NS, "wind", "latest-stable", "1", first, "a stale move")
    teller.say("lineproof.model-version.v1", {**_model("gusts", "2"), "features": [reference(NS, "wind", "latest-stable")], "binding": "flexible",
                                              "ttlSeconds": 60})
    for version in ("1", "2"):
        teller.say("lineproof.deployment.v1", {"namespace": NS, "name": "gusts", "id": f"live-{version}", "action": "deploy", "modelVersion": version,
                                               "environment": f"region {version}"})


def _odd(teller: Teller) -> None:
    """One name in every place that has one."""
    teller.say("lineproof.dataset.v1", {"namespace": ODD_NS, "name": ODD, "description": "<script>alert(1)</script>", "columns": [{"name": ODD}],
                                        "owners": [{"name": ODD}]})
    teller.say("lineproof.feature-version.v1", {
        "namespace": ODD_NS, "name": ODD, "version": ODD, "definition": {"entities": [ODD], "dtype": "double", "sql": f"select '{ODD}'"},
        "column": {"namespace": ODD_NS, "name": ODD, "column": ODD}, "offline": {"uri": ODD}})
    _alias(teller, ODD_NS, ODD, f"alias {ODD}", ODD, None, ODD)
    teller.say("lineproof.model-version.v1", {**_model(ODD, ODD), "namespace": ODD_NS, "features": [reference(ODD_NS, ODD, ODD)], "binding": "stable"})
    teller.say("lineproof.deployment.v1", {"namespace": ODD_NS, "name": ODD, "id": ODD, "action": "deploy", "environment": ODD,
                                            "modelVersion": reference(ODD_NS, ODD, ODD)})


def _model(name: str, version: str) -> dict[str, Any]:
    return {"namespace": NS, "name": name, "version": version, "artifact": hashlib.sha256(name.encode()).hexdigest(), "framework": "by hand"}


def _alias(teller: Teller, namespace: str, name: str, alias: str, to: str, expected: int | None, reason: str) -> int:
    return teller.say("lineproof.alias.v1", {"kind": "feature", "namespace": namespace, "name": name, "alias": alias, "to": to, "expected": expected,
                                             "reason": reason, "actor": "ada@example.org"})


def _tenant(http: httpx.Client) -> str:
    return str(http.get("/api/v1/admin/tokens").json()["tokens"][0]["tenant"])
