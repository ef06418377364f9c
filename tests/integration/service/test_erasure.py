"""An entry is erased: its words are nowhere any more, its proof stays, the graph is the redacted one, and nothing brings it back."""
from __future__ import annotations

import base64
import hashlib
import json
import secrets
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import psycopg
import pytest

from lineproof_audit.bodies import unpack
from lineproof_audit.bundle import build_bundle
from lineproof_audit.certificate import verify_certificate
from lineproof_audit.checkpoint import parse_tlog_proof
from lineproof_audit.fsck import fsck
from lineproof_audit.fsck_store import StoreSource
from lineproof_audit.init import admin_entry
from lineproof_audit.note import NoteVerifier
from lineproof_audit.store_postgres import plain_url
from lineproof_audit.tree import leaf_hash
from lineproof_audit.trust import Trust, TrustedLog
from lineproof_audit.verify import verify_bundle
from tests.command_line import as_json, lineproof
from tests.service_world import JSON, ServiceWorld, openlineage_run, running_service, service_settings

pytestmark = pytest.mark.anyio
PATH = "/api/v1/admin/erasures"


@dataclass
class Said:
    """An event with somebody's address in it, and all traces it left."""

    index: int
    raw: bytes
    secret: str
    packed: bytes
    salt: bytes
    artifact: str

    @property
    def needles(self) -> list[bytes]:
        """What a file may hold of it: the words, their base64 at each of the three alignments, the stored body, the salt."""
        shifted = [base64.b64encode(b"x" * shift + self.secret.encode())[4:-4] for shift in range(3)]
        return [self.secret.encode(), *shifted, self.packed[16:80], self.packed[-64:], self.salt]


@pytest.fixture(params=["sqlite", "neo4j"])
async def world(request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str) -> AsyncIterator[ServiceWorld]:
    """A service that projects into each of the graphs."""
    graph = {} if request.param == "sqlite" else {"graph_url": request.getfixturevalue("neo4j_url")}
    async with running_service(service_settings(tmp_path, **graph)) as opened:
        yield opened


def event(secret: str | None, **more: Any) -> dict[str, Any]:
    said = openlineage_run("load", inputs=("raw",), outputs=("clean",), eventTime="2026-01-01T00:00:00Z", **more)
    if secret is not None:
        said["outputs"][0]["facets"] = {"ownership": {"_producer": "x:y", "_schemaURL": "x:y", "owners": [{"name": f"{secret}@example.org", "type": "X"}]}}
        said["job"]["facets"] = {"sql": {"_producer": "x:y", "_schemaURL": "x:y", "query": f"select * from raw where mail = '{secret}'"}}
    return said


async def say(world: ServiceWorld) -> Said:
    secret = secrets.token_hex(20)
    raw = json.dumps(event(secret, run="6a2f1d3e-0000-4000-8000-000000000001")).encode()
    narrow = {**world.as_("ingest", prefixes=("elsewhere",)), **JSON}
    refused = await world.http.post("/api/v1/lineage", content=raw, headers=narrow)
    assert refused.json()["code"] == "out-of-scope"
    assert refused.json()["quarantine"]
    kept = f"-- compiled for {secret}".encode()
    digest = hashlib.sha256(kept).hexdigest()
    assert (await world.http.put(f"/api/v1/artifacts/sha256:{digest}", content=kept)).status_code in (200, 201)
    answer = await world.post(raw, "/api/v1/lineage", Prefer="wait=projected")
    index = world.size() - 1
    assert answer.status_code < 300, answer.text
    stored = world.rooms.log.store.rows(index, index + 1)[0]
    assert stored.body is not None
    assert stored.salt is not None
    return Said(index, raw, secret, stored.body, stored.salt, digest)


async def order(world: ServiceWorld, entry: int, payload: bytes | None, artifacts: tuple[str, ...] = ()) -> tuple[int, dict[str, Any]]:
    body: dict[str, Any] = {"entry": entry, "reason": "asked for", "legalBasis": "GDPR Art. 17(1)(a)", "artifacts": list(artifacts)}
    if payload is not None:
        made = await world.http.post(f"{PATH}/replacements", json={"entry": entry, "payload": base64.b64encode(payload).decode()})
        if made.status_code != 201:
            return made.status_code, made.json()
        body["replacement"] = made.json()["index"]
    signed = admin_entry("lineproof.erasure.v1", body, world.admin_key, origin=world.origin, now=1_767_225_600_000_000).envelope
    answer = await world.http.post(PATH, content=signed, headers=JSON)
    return answer.status_code, answer.json()


async def certificate(world: ServiceWorld, entry: int) -> bytes:
    """The certificate, once graph and checkpoint have caught up."""
    with anyio.fail_after(120):
        while True:
            answer = await world.http.get(f"{PATH}/{entry}/certificate")
            if answer.status_code == 200:
                return answer.content
            assert answer.json()["code"] == "not-projected", answer.text
            await anyio.sleep(0.1)


async def settled(world: ServiceWorld) -> None:
    """Everything is projected and covered by a checkpoint."""
    graph, reader = world.app.state.services.graph, world.rooms.log.reader
    with anyio.fail_after(120):
        while (await graph.position()).size < reader.size() or int((reader.checkpoint() or "\n0\n").split("\n")[1]) < reader.size():
            await anyio.sleep(0.1)


def trust(world: ServiceWorld) -> Trust:
    return Trust((TrustedLog(NoteVerifier(world.origin, world.rooms.log.keyring.keys_for("log")[0])),))


def traces(folder: Path, said: Said) -> set[str]:
    """Files that hold any of it, byte by byte: tables, free pages, write-ahead logs, tiles, artifacts, state."""
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file() for content in [file.read_bytes()]
            if any(needle in content for needle in said.needles)}


async def words_in_the_graph(world: ServiceWorld) -> str:
    """All that the graph says of the job and its tables, their history too."""
    graph = world.app.state.services.graph
    urns = [f"urn:lineproof:{kind}:demo:{name}" for kind, name in (("job", "load"), ("dataset", "raw"), ("dataset", "clean"))]
    found: list[Any] = [await graph.get(urns), await graph.provenance(urns, None, None)]
    found += [await graph.revisions(urn) for urn in urns]
    found.append(await graph.entries(0, 1_000, limit=1_000))
    return repr(found)


async def test_what_was_said_is_nowhere_and_that_it_was_said_stays_proven(world: ServiceWorld, tmp_path: Path) -> None:
    said = await say(world)
    await world.post(json.dumps(event(None, run="6a2f1d3e-0000-4000-8000-000000000002")).encode(), "/api/v1/lineage")
    await settled(world)
    services, reader = world.app.state.services, world.rooms.log.reader
    before = {record.index: (record.status, record.reason) for record in await services.graph.entries(0, 1_000, limit=1_000)}
    note = reader.checkpoint()
    size = int(note.split("\n")[1])
    leaf = reader.entry(said.index).leaf
    proof = build_bundle(reader, services.keys.current, query=None, answer=None, cited=[said.index], tool_version="t")["entries"][0]["proof"]
    found = traces(tmp_path, said)
    assert {"data/log.db-wal"} <= found, found  # the search finds what is there
    assert any("artifacts" in name for name in found)
    assert said.secret in await words_in_the_graph(world)

    redacted = json.dumps(event(None, run="6a2f1d3e-0000-4000-8000-000000000001")).encode()
    redacted_event = json.loads(redacted)
    redacted_event["job"]["facets"] = {"sql": {"_producer": "x:y", "_schemaURL": "x:y", "query": "select * from raw where mail = '?'"}}
    status, answer = await order(world, said.index, json.dumps(redacted_event).encode(), (said.artifact,))
    assert (status, answer["status"]) == (202, "applied"), answer
    issued = await certificate(world, said.index)

    assert traces(tmp_path, said) == set()
    with closing(sqlite3.connect(f"file:{tmp_path / 'data' / 'log.db'}?mode=ro", uri=True)) as database:  # compressed, the words would not show
        bodies = [unpack(body, index) for index, body in database.execute("SELECT idx, envelope FROM bodies")]
        bodies += [body for (body,) in database.execute("SELECT body FROM intake_quarantine")]
    assert not any(needle in body for body in bodies for needle in said.needles)
    assert said.secret not in await words_in_the_graph(world)
    assert (await world.http.get(f"/api/v1/artifacts/sha256:{said.artifact}")).status_code == 404
    after = {record.index: (record.status, record.reason) for record in await services.graph.entries(0, 1_000, limit=1_000)}
    assert {index: after[index] for index in before} == before  # every outcome, earlier and later, is what it was

    head = parse_tlog_proof(proof).verify(leaf_hash(leaf), trust(world).keys_of(world.origin)[0])
    assert head.size == size
    assert reader.entry(said.index).leaf == leaf
    assert fsck(StoreSource(world.rooms.log.store), trust=trust(world)).ok

    retried = await world.post(said.raw, "/api/v1/lineage")
    assert retried.status_code < 300
    assert reader.entry(said.index).envelope is None
    assert traces(tmp_path, said) == set()

    certified = verify_certificate(issued, trust(world))
    assert certified.ok, certified
    assert (certified.entry, certified.erasure) == (said.index, answer["index"])
    assert said.secret.encode() not in base64.b64decode(json.loads(issued)["payload"])
    bundle = build_bundle(reader, services.keys.current, query=None, answer=None, cited=[said.index, answer["index"]], tool_version="t")
    assert verify_bundle(bundle, trust(world)).ok


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
class TestOrders:
    async def test_an_entry_that_later_outcomes_rest_on_needs_a_replacement_that_carries_them(self, world: ServiceWorld) -> None:
        version = {"namespace": "demo", "name": "delay", "version": "1", "owners": ["ada@example.org"],
                   "column": {"namespace": "demo", "name": "f", "column": "d"}, "definition": {"entities": ["flight"], "dtype": "double", "sql": "select 1"}}
        other = {**version, "definition": {**version["definition"], "sql": "select 2"}}  # type: ignore[dict-item]
        first = (await world.post(world.cloudevent("lineproof.feature-version.v1", version), Prefer="wait=projected")).json()
        second = (await world.post(world.cloudevent("lineproof.feature-version.v1", other), Prefer="wait=projected")).json()
        assert (first["outcome"]["status"], second["outcome"]["reason"]) == ("applied", "version-conflict")
        size = world.size()
        status, refused = await order(world, first["index"], None)
        assert (status, refused["code"], refused["changes"][0]["index"]) == (400, "invalid-argument", second["index"])
        envelope = json.loads(world.rooms.log.reader.entry(first["index"]).envelope or b"")
        told = json.loads(base64.b64decode(envelope["payload"]))
        wrong = {**told, "data": {**told["data"], "definition": other["definition"]}}
        status, refused = await order(world, first["index"], json.dumps(wrong).encode())
        assert (status, refused["changes"][0]["before"][:8]) == (400, "rejected")
        assert world.size() == size  # nothing was appended for what is refused
        del told["data"]["owners"]
        status, done = await order(world, first["index"], json.dumps(told).encode())
        assert (status, done["status"]) == (202, "applied"), done
        issued = verify_certificate(await certificate(world, first["index"]), trust(world))
        assert issued.ok
        graph = world.app.state.services.graph
        assert [(await graph.outcome(index)).status for index in (first["index"], second["index"])] == ["applied", "rejected"]
        assert "ada@example.org" not in repr(await graph.revisions("urn:lineproof:feature-version:demo:delay:1"))

    async def test_what_the_log_stands_on_and_what_is_gone_is_not_erased(self, world: ServiceWorld) -> None:
        said = await say(world)
        for entry, expected in ((0, 400), (1, 400), (2, 400), (9_999, 404)):
            assert (await order(world, entry, None))[0] == expected
        assert (await order(world, said.index, None))[0] == 202
        status, again = await order(world, said.index, None)
        assert (status, "was erased by entry" in again["detail"]) == (400, True)

    async def test_only_an_admin_with_the_root_admins_signature_orders(self, world: ServiceWorld) -> None:
        said = await say(world)
        body = {"entry": said.index, "reason": "r"}
        signed = admin_entry("lineproof.erasure.v1", body, world.admin_key, origin=world.origin, now=1_767_225_600_000_000).envelope
        for roles in (("auditor",), ("operator", "ingest"), ("reader",)):
            assert (await world.http.post(PATH, content=signed, headers={**JSON, **world.as_(*roles)})).status_code == 403
        for key in (world.key, world.rooms.log.notary):
            forged = admin_entry("lineproof.erasure.v1", body, key, origin=world.origin, now=1_767_225_600_000_000).envelope
            assert (await world.http.post(PATH, content=forged, headers=JSON)).status_code in (400, 403)
        elsewhere = await world.post(signed)
        assert (elsewhere.status_code, "/admin/erasures" in elsewhere.json()["detail"]) == (400, True)
        assert world.rooms.log.reader.entry(said.index).envelope is not None

    async def test_a_certificate_that_was_changed_or_is_of_another_log_shows_nothing(self, world: ServiceWorld) -> None:
        said = await say(world)
        await order(world, said.index, None)
        issued = await certificate(world, said.index)
        assert verify_certificate(issued, None).code == "unanchored"
        payload = json.loads(base64.b64decode(json.loads(issued)["payload"]))
        for change in ({"entry": said.index - 1}, {"erasure": 0}, {"leafHash": "0" * 64}, {"issued": "2001-01-01T00:00:00Z"}):
            forged = {**json.loads(issued), "payload": base64.b64encode(json.dumps({**payload, **change}).encode()).decode()}
            assert not verify_certificate(json.dumps(forged).encode(), trust(world)).ok, change
        for nonsense in (b"", b"{}", issued[:-10], json.dumps(payload).encode()):
            assert not verify_certificate(nonsense, trust(world)).ok


async def test_an_order_that_a_crash_left_open_is_carried_out_at_the_next_start(tmp_path: Path) -> None:
    settings = service_settings(tmp_path)
    async with running_service(settings) as world:
        said = await say(world)
        entry = admin_entry("lineproof.erasure.v1", {"entry": said.index, "reason": "r"}, world.admin_key, origin=world.origin, now=1_767_225_600_000_000)
        world.app.state.services.erasing.sweep = lambda: []  # the process dies between the two
        world.rooms.log.appender.submit(entry).result(30)
        assert world.rooms.log.reader.entry(said.index).envelope is not None
    async with running_service(settings) as world:
        assert verify_certificate(await certificate(world, said.index), trust(world)).ok
        assert world.rooms.log.reader.entry(said.index).envelope is None
        assert traces(tmp_path / "data" / "tiles", said) == set()
        assert not {name for name in traces(tmp_path / "data", said) if "artifacts" not in name}


async def test_on_postgresql_the_owner_rewrites_what_deleted_rows_left(postgres_database: str, tmp_path: Path) -> None:
    async with running_service(service_settings(tmp_path, database_url=postgres_database, graph_url=postgres_database)) as world:
        said = await say(world)
        assert (await order(world, said.index, None, (said.artifact,)))[0] == 202
        await certificate(world, said.index)
        with psycopg.connect(plain_url(postgres_database), autocommit=True) as owner:
            assert owner.execute("SELECT count(*) FROM lineproof_log.bodies WHERE idx = %s", (said.index,)).fetchone() == (0,)
            owner.execute("VACUUM (FULL) lineproof_log.bodies, intake_quarantine")  # docs/operations.md
            owner.execute("CHECKPOINT")
            row = owner.execute("SELECT current_setting('data_directory'), oid FROM pg_database WHERE datname = current_database()").fetchone()
            assert row is not None
        assert traces(Path(row[0]) / "base" / str(row[1]), said) == set()
        assert traces(tmp_path, said) == set()


async def test_an_admin_erases_certifies_and_exports_by_command(tmp_path: Path, postgres_database: str) -> None:
    async with running_service(service_settings(tmp_path)) as world:
        said = await say(world)
        await settled(world)
    refused = lineproof(tmp_path, "erasure", "order", "1", "--reason", "r", code=2)
    assert "never erased" in refused
    assert "nothing at /nothing" in lineproof(tmp_path, "erasure", "order", str(said.index), "--reason", "r", "--redact", "/nothing", code=2)
    done = as_json(tmp_path, "erasure", "order", str(said.index), "--reason", "asked for", "--redact", "/outputs/0/facets", "--redact", "/job/facets/sql/query",
                    "--artifact", said.artifact)
    assert done["replacement"] is not None
    assert [item["entry"] for item in as_json(tmp_path, "erasure", "list")["erasures"]] == [said.index]
    lineproof(tmp_path, "entity", "demo/clean")  # asks, and so projects
    lineproof(tmp_path, "erasure", "certificate", str(said.index), "--out", "certificate.json")
    lineproof(tmp_path, "keys", "trust", "--out", "trust.txt")
    assert as_json(tmp_path, "erasure", "verify", "certificate.json", "--trust", "trust.txt")["entry"] == said.index
    assert "NOT verified: unanchored" in lineproof(tmp_path, "erasure", "verify", "certificate.json", code=1)
    lineproof(tmp_path, "log", "export", "exported")
    assert as_json(tmp_path, "graph", "verify")["ok"]
    owner, service = f"owner_{said.secret[:8]}", f"service_{said.secret[:8]}"
    assert as_json(tmp_path, "database", "prepare", postgres_database, "--owner", owner, "--service", service)["owner"] == owner
    assert traces(tmp_path, said) == set()
    with psycopg.connect(plain_url(postgres_database), autocommit=True) as admin:
        for role in (service, owner):
            admin.execute(f"DROP OWNED BY {role} CASCADE".encode())
            admin.execute(f"DROP ROLE {role}".encode())
