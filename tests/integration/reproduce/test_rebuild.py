"""Rebuilding from a manifest when project, database, repository clone and environment are gone; and every way in which it must not work."""
from __future__ import annotations

import ast
import base64
import hashlib
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest
import rfc8785

from ingest_hooks.fp1 import fingerprint_query
from ingest_hooks.segment import StreamHead
from ingest_hooks.signer import Signer, cloudevent_draft
from lineproof_audit.envelope import PAYLOAD_INTOTO, parse_envelope, sign_envelope, verify_envelope
from lineproof_audit.keys import KeyInfo, SigningKey
from lineproof_audit.log import Log
from metadata_service.api.graphql.schema import execute
from metadata_service.cli import documents
from metadata_service.cli.directory import reading
from metadata_service.graph.open import open_graph
from metadata_service.projector import Projector
from metadata_service.settings import load_settings
from tests.integration.hooks.service import CLI, running
from tests.integration.reproduce.world import World, play

pytest.importorskip("dbt.cli.main", reason="dbt is not installed")
FEATURES = "shop.main.order_features"
Statement = dict[str, Any]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running(tmp_path_factory.mktemp("service")) as service:
        yield play(service, tmp_path_factory.mktemp("pipeline"))


@pytest.fixture(scope="module")
def features(world: World) -> Path:
    """The manifest of the feature table, over dbt and the Python step below it."""
    return world.manifest(FEATURES, "features")


@pytest.fixture(scope="module")
def totals(world: World) -> Path:
    return world.manifest("totals", "totals")


def statement(manifest: Path) -> Statement:
    found: Statement = json.loads(parse_envelope(manifest.read_bytes()).payload)
    return found


def digest(manifest: Path, role: str, part: str = "") -> str:
    rows = statement(manifest)["predicate"]["buildDefinition"]["resolvedDependencies"]
    return next(row["digest"]["sha256"] for row in rows if row["annotations"]["role"] == role and part in row.get("name", "") and "sha256" in row["digest"])


def resigned(world: World, manifest: Path, name: str, old: str, new: str) -> Path:
    """The manifest with one text replaced everywhere, signed by the notary as if the log had always said so."""
    payload = parse_envelope(manifest.read_bytes()).payload
    assert old.encode() in payload
    notary = SigningKey.load(world.service.home / "data/keys/notary.pem")
    path = world.folder / f"{name}.json"
    path.write_bytes(sign_envelope(PAYLOAD_INTOTO, rfc8785.dumps(json.loads(payload.replace(old.encode(), new.encode()))), notary))
    return path


def graphql(world: World, query: str, **variables: Any) -> Any:
    token = next((world.service.home / "state").glob("**/admin-token")).read_text().strip()
    answer = httpx.post(f"{world.service.url}/graphql", json={"query": query, "variables": variables}, headers={"Authorization": f"Bearer {token}"}, timeout=30)
    return answer.json()["data"]


def reproductions(world: World, urn: str) -> dict[str, Any]:
    """The facts of an entity on its rebuilds."""
    found = graphql(world, "query($urn: ID!) { entity(urn: $urn) { entity { facts { name value } } } }", urn=urn)
    return {fact["name"]: fact["value"] for fact in found["entity"]["entity"]["facts"] if fact["name"].startswith("reproduction:")}


def posted(world: World, key: SigningKey, said: Statement) -> int:
    """The entry of a statement that a key signed."""
    draft = cloudevent_draft("lineproof.statement.v1", said, source="lineproof rebuild", event_id=None, time=None)
    signed = Signer(key, KeyInfo.beside(world.key).origin).sign(draft, StreamHead.fresh(), closes=True)
    token = next((world.service.home / "state").glob("**/admin-token")).read_text().strip()
    answer = httpx.post(f"{world.service.url}/api/v1/events", content=signed.envelope,
                        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"}).raise_for_status()
    return int(answer.json()["index"])


def stored(world: World, content: bytes) -> str:
    """The digest of bytes that are put into the artifact store."""
    name = hashlib.sha256(content).hexdigest()
    token = next((world.service.home / "state").glob("**/admin-token")).read_text().strip()
    httpx.put(f"{world.service.url}/api/v1/artifacts/sha256:{name}", content=content, headers={"Authorization": f"Bearer {token}"}).raise_for_status()
    return name


def test_a_dbt_model_over_a_python_step_is_rebuilt_from_nothing_but_the_log(world, features):
    found = world.rebuild(features, "built", "--key", str(world.key))
    assert found["verdict"] == "reproduced"
    predicate = found["statement"]["predicate"]
    jobs = [step["job"][1] for step in predicate["steps"]]
    assert jobs.index("load_orders") < jobs.index("shop.stg_orders") < jobs.index("shop.order_features") == len(jobs) - 1
    assert {(output["claimed"], output["reached"]) for output in predicate["outputs"]} == {("row-set", "row-set")}
    with duckdb.connect(str(world.folder / "built/db/shop.duckdb"), read_only=True) as connection:  # not only what the command says
        taken = fingerprint_query(connection, "select * from main.order_features")
    assert taken.sha256 == statement(features)["subject"][0]["digest"]["fp1"]
    # the statement is signed by the key given, and stands in the log
    signed = parse_envelope(features.with_suffix(".reproduction.json").read_bytes())
    verify_envelope(signed, SigningKey.load(world.key).verify_key)
    assert json.loads(signed.payload) == found["statement"]
    entry = json.loads(world.run("event", str(found["entry"]), "--json").stdout)["event"]["event"]
    assert (entry["eventType"], entry["payload"]["data"]["predicateType"]) == ("lineproof.statement.v1", "https://lineproof.dev/reproduction/v1")
    assert predicate["manifest"]["digest"]["sha256"] == hashlib.sha256(parse_envelope(features.read_bytes()).payload).hexdigest()


def test_a_python_step_on_a_retained_table_comes_back_bit_for_bit(world, totals, tmp_path):
    trust = tmp_path / "trust.txt"
    world.run("keys", "trust", "--out", str(trust))
    found = world.rebuild(totals, "totals", "--trust", str(trust))
    (output,) = found["statement"]["predicate"]["outputs"]
    assert (found["verdict"], output["claimed"], output["reached"]) == ("reproduced", "bit", "bit")


def test_a_step_sees_no_variable_and_no_home_of_the_caller(world, totals, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "x")
    monkeypatch.setenv("HOME", str(world.folder))
    found = statement(totals)
    call = found["predicate"]["steps"][0]["call"]
    code = world.artifact(call["files"]["load.py"]).read_bytes()
    spy = code + b"\nimport os, sys\nsys.stdout.write(repr(dict(os.environ)))\nsys.stdout.write(os.path.expanduser('~'))\n"
    manifest = resigned(world, totals, "spy", call["files"]["load.py"], stored(world, spy))
    assert world.rebuild(manifest, "spied")["verdict"] == "reproduced"
    (log,) = (world.folder / "spied/logs").glob("python*.log")
    shown, home = log.read_text().split("}")
    assert set(ast.literal_eval(shown + "}")) <= {"PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "PYTHONHASHSEED", "PYTHONNOUSERSITE",
                                                  "PYTHONDONTWRITEBYTECODE", "DO_NOT_TRACK", "DBT_SEND_ANONYMOUS_USAGE_STATS", "VIRTUAL_ENV"}
    assert home == str(world.folder / "spied/home")


def test_the_manifest_of_a_position_is_the_same_bytes_again(world, features):
    position = statement(features)["predicate"]["buildDefinition"]["externalParameters"]["asOf"]
    again = world.manifest(FEATURES, "again", "--at", str(position["size"]))
    assert again.read_bytes() == features.read_bytes()
    payload = parse_envelope(features.read_bytes()).payload
    assert rfc8785.dumps(json.loads(payload)) == payload


@pytest.mark.anyio
@pytest.mark.parametrize("adapter", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres), pytest.param("neo4j", marks=pytest.mark.neo4j)])
async def test_every_graph_projected_anew_gives_the_same_bytes(world, features, adapter, request, tmp_path):
    fixture = {"postgresql": "postgres_database", "neo4j": "neo4j_url"}.get(adapter)
    url = str(request.getfixturevalue(fixture)) if fixture is not None else f"sqlite:///{tmp_path / 'graph.db'}"
    settings = load_settings(data=world.service.home / "data", state_dir=world.service.home / "state", graph_url=url)
    graph = open_graph(url)
    await graph.setup()
    with Log.open(settings.log_url, readonly=True, state_dir=settings.state_dir) as log:
        projector = Projector(log.reader, graph)
        while await projector.step():
            pass
    await graph.close()
    asked = statement(features)["predicate"]["buildDefinition"]["externalParameters"]
    async with reading(settings) as caller:
        body = await execute(caller, documents.MANIFEST, {"urn": asked["target"], "at": {"size": asked["asOf"]["size"]}})
    assert body["data"]["manifest"]["envelope"] == features.read_text().strip()


def test_the_manifest_pins_code_commit_environment_inputs_and_settings(world, features):
    found = statement(features)
    assert (found["_type"], found["predicateType"]) == ("https://in-toto.io/Statement/v1", "https://lineproof.dev/rebuild/v1")
    predicate = found["predicate"]
    rows = predicate["buildDefinition"]["resolvedDependencies"]
    assert {row["annotations"]["role"] for row in rows} == {"code", "commit", "configuration", "input", "lockfile", "module"}
    commit = next(row for row in rows if row["annotations"]["role"] == "commit")
    assert (commit["uri"], len(commit["digest"]["gitCommit"])) == ("git+https://git.example.org/shop/data", 40)
    (csv,) = predicate["inputs"]
    assert (csv["dataset"], csv["retention"]["state"], list(csv["retention"]["files"])) == (["file://shop", "orders.csv"], "retained", ["orders.csv"])
    model = next(step for step in predicate["steps"] if step["job"][1] == "shop.stg_orders")
    assert model["parameters"] == {"cents_per_unit": 100}
    assert set(model["engine"]["settings"]) >= {"TimeZone", "threads"}
    assert set(model["code"]["modules"]) == {"macro.shop.to_units", "macro.shop.per_unit"}
    assert {each["pin"] for step in predicate["steps"] for each in step["inputs"]} == {"exact"}
    assert len(predicate["runDetails"]["byproducts"]) == 2


def test_the_server_gives_the_manifest_over_graphql(world, features):
    urn = statement(features)["predicate"]["buildDefinition"]["externalParameters"]["target"]
    size = statement(features)["predicate"]["buildDefinition"]["externalParameters"]["asOf"]["size"]
    query = "query($urn: ID!, $size: Long!) { manifest(urn: $urn, at: {size: $size}) { status statement envelope completeness { complete } } }"
    body = graphql(world, query, urn=urn, size=size)["manifest"]
    assert (body["status"], body["completeness"]["complete"]) == ("rebuildable", True)
    assert body["envelope"] == features.read_text().strip()
    assert body["statement"] == statement(features)


@pytest.mark.parametrize(("role", "part", "old", "new", "verdict"), [
    ("input", "orders.csv", b"7,2,2026", b"7,3,2026", "changed-input"),
    ("module", "to_units", b"round", b"floor", "changed-macro"),
    ("lockfile", "", b"duckdb==2", b"duckdb==1", "changed-lockfile"),
    ("code", "order_features", b"7, 30", b"8, 30", "changed-code"),
    ("configuration", "stg_orders", b"100", b"101", "changed-configuration"),
])
def test_one_changed_byte_in_the_store_has_its_own_verdict_and_nothing_runs(world, features, role, part, old, new, verdict):
    name = f"{verdict}-{role}"
    with world.changed(digest(features, role, part), old, new):
        found = world.rebuild(features, name, expect=1)
    assert found["verdict"] == verdict
    assert part in found["detail"]
    assert not (world.folder / name / "env0").exists()


def test_a_missing_artifact_has_its_own_verdict_and_makes_the_manifest_say_so(world, features):
    gone = digest(features, "input", "orders.csv")
    with world.without(gone):
        found = world.rebuild(features, "missing", expect=1)
        answer = json.loads(world.run("manifest", FEATURES, "--json", expect=1).stdout)["manifest"]
    assert (found["verdict"], gone in found["detail"]) == ("missing-artifact", True)
    assert (answer["status"], [reason["code"] for reason in answer["reasons"]]) == ("not-rebuildable", ["no-producer"])


def test_a_manifest_that_was_changed_or_signed_by_another_key_is_refused(world, features, totals):
    document = json.loads(features.read_text())
    payload = base64.b64decode(document["payload"])
    document["payload"] = base64.b64encode(payload.replace(b'"row-set"', b'"schema"')).decode()
    changed = world.folder / "changed.json"
    changed.write_text(json.dumps(document))
    foreign = world.folder / "foreign.json"
    foreign.write_bytes(sign_envelope(PAYLOAD_INTOTO, payload, SigningKey.generate()))
    for manifest in (changed, foreign):
        assert world.rebuild(manifest, "never", expect=1)["verdict"] == "bad-signature"
    assert not (world.folder / "never").exists()
    features.with_name("text.json").write_text("{}")
    assert "invalid-manifest" in world.run("rebuild", str(features.with_name("text.json")), "--yes", expect=1).stderr


def test_other_rows_under_a_good_signature_come_out_as_different(world):
    manifest = world.manifest("shop.raw.orders", "orders")
    csv = digest(manifest, "input", "orders.csv")
    other = world.artifact(csv).read_bytes().replace(b"\n7,2,", b"\n7,3,")
    found = world.rebuild(resigned(world, manifest, "other-row", csv, stored(world, other)), "other-row", expect=1)
    assert (found["verdict"], found["statement"]["predicate"]["outputs"][0]["reached"]) == ("differs", "schema")


def test_a_package_with_another_hash_stops_before_any_step(world, totals):
    lock = digest(totals, "lockfile")
    other = world.artifact(lock).read_bytes().replace(b"sha256:", b"sha256:00", 1)
    text = other.replace(b"sha256:00", b"sha256:", 1)
    line = next(line for line in text.split(b"\n") if line.startswith(b"pyarrow=="))
    other = text.replace(line, line.replace(b"pyarrow==", b"pyarrow==1"), 1)
    found = world.rebuild(resigned(world, totals, "other-lock", lock, stored(world, other)), "other-lock", expect=1)
    assert (found["verdict"], found["statement"]["predicate"]["steps"]) == ("environment-failed", [])


def test_a_lock_file_that_does_not_give_what_ran_is_another_environment(world):
    manifest = world.manifest("shop.raw.orders", "orders")
    lock = digest(manifest, "lockfile")
    blocks = re.split(rb"^(?=[a-z0-9])", world.artifact(lock).read_bytes(), flags=re.MULTILINE)
    other = b"".join(block for block in blocks if block.startswith((b"pyarrow==", b"numpy==")))
    found = world.rebuild(resigned(world, manifest, "other-packages", lock, stored(world, other)), "other-packages", expect=1)
    assert (found["verdict"], "duckdb" in found["detail"], found["statement"]["predicate"]["steps"]) == ("other-environment", True, [])
    (environment,) = found["statement"]["predicate"]["environments"]
    assert set(environment["packages"]) <= {"pyarrow", "numpy"}  # really from that lock file


@pytest.mark.parametrize(("name", "verdict", "claimed", "reached"), [
    ("shaped", "reproduced", "schema", "schema"), ("near", "reproduced", "tolerance", "tolerance"), ("far", "differs", "tolerance", "schema")])
def test_each_level_is_what_its_run_declared(world, name, verdict, claimed, reached):
    found = world.rebuild(world.manifest(name, name), name, expect=0 if verdict == "reproduced" else 1)
    (output,) = found["statement"]["predicate"]["outputs"]
    assert (found["verdict"], output["claimed"], output["reached"]) == (verdict, claimed, reached)


def test_dbt_models_on_a_source_that_nobody_recorded_come_back_from_its_retained_rows_at_every_level(world):
    for name in ("in_order", "about", "just_the_shape"):
        world.manifest(f"lab.main.{name}", name)
    source = statement(world.folder / "in_order.json")["predicate"]["inputs"]
    assert [(each["dataset"][1], each["retention"]["state"], each["retention"]["format"]) for each in source] == [("lab.raw.readings", "retained", "parquet")]
    reached: dict[str, str] = {}
    for name in ("about", "just_the_shape"):
        for output in world.rebuild(world.folder / f"{name}.json", f"lab-{name}")["statement"]["predicate"]["outputs"]:
            reached[output["version"].split(":")[-2].split(".")[-1]] = output["reached"]
    assert reached == {"in_order": "bit", "in_any_order": "row-set", "about": "tolerance", "just_the_shape": "schema"}
    assert digest(world.folder / "about.json", "original", "lab.main.about") != digest(world.folder / "about.json", "input", "lab.raw.readings")


def test_rows_changed_in_a_retained_table_are_found_though_its_digest_is_right(world):
    manifest = world.folder / "in_order.json"
    rows = digest(manifest, "input", "lab.raw.readings")
    with duckdb.connect() as connection:
        connection.execute(f"create table r as select * from read_parquet('{world.artifact(rows)}')")
        connection.execute("update r set station = 's9' where id = 50")
        connection.execute(f"copy r to '{world.folder / 'other.parquet'}' (format parquet)")
    other = stored(world, (world.folder / "other.parquet").read_bytes())
    found = world.rebuild(resigned(world, manifest, "other-rows", rows, other), "other-rows", expect=1)
    assert (found["verdict"], found["statement"]["predicate"]["steps"]) == ("changed-input", [])


def test_inputs_held_elsewhere_are_brought_by_the_user_and_have_to_be_the_recorded_ones(world):
    manifest = world.manifest("counted", "counted")
    assert {each["dataset"][1]: each["retention"]["state"] for each in statement(manifest)["predicate"]["inputs"]} == {"vault.csv": "held", "archive": "held"}
    missing = world.rebuild(manifest, "held", "--input", f"archive={world.folder}/archive.parquet", expect=1)
    assert (missing["verdict"], "s3://vault/2026" in missing["detail"]) == ("missing-input", True)
    (world.folder / "changed.csv").write_text("a\n1\n3\n")
    with duckdb.connect() as connection:
        connection.execute(f"copy (select * replace (9 as customer_id) from read_parquet('{world.folder}/archive.parquet')) "
                           f"to '{world.folder}/changed.parquet' (format parquet)")
    (world.folder / "text.parquet").write_text("PAR1")
    files = {"vault.csv": "vault.csv", "archive": "archive.parquet"}
    for name, given in (("vault.csv", "changed.csv"), ("archive", "changed.parquet"), ("archive", "text.parquet")):
        options = [part for each in {**files, name: given}.items() for part in ("--input", f"{each[0]}={world.folder / each[1]}")]
        found = world.rebuild(manifest, "held", *options, expect=1)
        assert (found["verdict"], given in found["detail"], (world.folder / "held").exists()) == ("changed-input", True, False)
    options = [part for name, file in files.items() for part in ("--input", f"{name}={world.folder / file}")]
    assert world.rebuild(manifest, "held", *options)["verdict"] == "reproduced"
    assert "invalid-argument" in world.run("rebuild", str(manifest), "--yes", "--input", "orders=x", expect=2).stderr


@pytest.mark.parametrize("name", ["climbing", "garbled"])
def test_a_recording_that_no_machine_should_act_on_makes_no_manifest_to_run(world, name):
    manifest = world.manifest(name, name, expect=1)
    answer = json.loads(world.run("manifest", name, "--json", expect=1).stdout)["manifest"]
    assert "invalid-recording" in {reason["code"] for reason in answer["reasons"]}
    assert world.rebuild(manifest, name, expect=1)["verdict"] == "not-rebuildable"
    assert not (world.folder / name).exists()


def test_a_signed_manifest_that_climbs_out_of_the_sandbox_is_refused_before_anything_is_made(world, totals):
    climbing = resigned(world, totals, "climb", '"load.py"', '"../../../load.py"')
    assert "invalid-manifest" in world.run("rebuild", str(climbing), "--yes", "--into", str(world.folder / "climb"), expect=1).stderr
    assert not (world.folder / "climb").exists()


def test_nothing_runs_without_a_yes_and_nothing_is_left_behind(world, totals):
    environment = {**world.service.environ, "LINEPROOF_URL": world.service.url}
    done = subprocess.run([*CLI, "rebuild", str(totals), "--into", str(world.folder / "asked")], env=environment, input="n\n", capture_output=True, text=True,
                          timeout=60, check=False)
    assert (done.returncode, "[y/N]" in done.stdout, (world.folder / "asked").exists()) == (1, True, False)


def test_the_result_is_signed_by_the_notary_where_its_key_lies_and_by_nobody_elsewhere(world, totals, tmp_path):
    world.rebuild(totals, "here")
    signed = parse_envelope(totals.with_suffix(".reproduction.json").read_bytes())
    verify_envelope(signed, SigningKey.load(world.service.home / "data/keys/notary.pem").verify_key)
    assert json.loads(signed.payload)["predicate"]["verdict"] == "reproduced"
    world.rebuild(totals, "there", "--data", str(tmp_path))
    assert json.loads(totals.with_suffix(".reproduction.json").read_text())["predicate"]["verdict"] == "reproduced"  # a bare statement


def test_what_a_rebuild_came_to_stands_at_the_entity_and_in_its_audit_trail(world, totals):
    good = world.rebuild(totals, "told", "--key", str(world.key))
    changed = digest(totals, "code", "load.py")
    with world.changed(changed, b"sort_by", b"sort_bz"):
        bad = world.rebuild(totals, "told-again", "--key", str(world.key), expect=1)
    assert (good["verdict"], bad["verdict"]) == ("reproduced", "changed-code")
    world.service.wait_projected()
    (version,) = (output["version"] for output in good["statement"]["predicate"]["outputs"])
    keyid = SigningKey.load(world.key).keyid
    made, asked = (reproductions(world, urn)[f"reproduction:{keyid}"] for urn in (version, good["statement"]["predicate"]["manifest"]["target"]))
    assert (made["verdict"], made["reached"], made["index"]) == ("reproduced", "bit", good["entry"])
    assert (asked["verdict"], asked["index"]) == ("changed-code", bad["entry"])
    assert {good["entry"], bad["entry"]} <= {row["index"] for row in json.loads(world.run("audit", "totals", "--json").stdout)["auditTrail"]["rows"]}


def test_a_claim_against_another_fingerprint_than_the_recorded_one_is_not_taken(world, totals):
    forged = json.loads(json.dumps(world.rebuild(totals, "before")["statement"]).replace(statement(totals)["subject"][0]["digest"]["fp1"], "0" * 64))
    (output,) = forged["predicate"]["outputs"]
    output["version"] = statement(totals)["subject"][0]["name"]
    other = SigningKey.load(Path(world.service.command("keys", "create", "other", "-n", "elsewhere")["path"]))
    index = posted(world, other, forged)
    world.service.wait_projected()
    assert f"reproduction:{other.keyid}" not in reproductions(world, output["version"])
    assert json.loads(world.run("event", str(index), "--json").stdout)["event"]["event"]["status"] == "partial"


def test_a_step_that_is_not_deterministic_is_found_out(world):
    found = world.rebuild(world.manifest("noise", "noise"), "noise", expect=1)
    assert found["verdict"] == "differs"


def test_what_was_not_retained_or_not_recorded_is_not_rebuildable_with_the_reason(world):
    answer = json.loads(world.run("manifest", "forgotten", "--json", expect=1).stdout)["manifest"]
    assert {reason["code"] for reason in answer["reasons"]} >= {"not-recorded"}
    assert world.rebuild(world.manifest("forgotten", "forgotten", expect=1), "forgotten", expect=1)["verdict"] == "not-rebuildable"
    assert answer["statement"]["predicate"]["status"] == "not-rebuildable"


def test_what_was_never_materialized_has_no_manifest(world):
    answer = json.loads(world.run("manifest", "elsewhere", "--json", expect=1).stdout)["manifest"]
    assert (answer["statement"], answer["envelope"], [reason["code"] for reason in answer["reasons"]]) == (None, None, ["never-materialized"])
    assert "not-found" in world.run("manifest", "urn:lineproof:dataset:no:such", expect=2).stderr


def test_a_rerun_is_planned_and_recorded_without_touching_what_stands_today(world):
    run = statement(world.manifest("totals", "rerun"))["predicate"]["steps"][0]["run"]
    plan = world.run("rerun", run)
    assert "rebuildable" in plan.stdout
    assert "stored" in plan.stdout
    assert "retained" in plan.stdout
    before = json.loads(world.run("lineage", "totals", "--json").stdout)["lineage"]
    world.run("rerun", "totals", "--yes", "--into", str(world.folder / "again"), expect=2)  # no key, so it could not be recorded
    found = json.loads(world.run("rerun", "totals", "--yes", "--key", str(world.key), "--into", str(world.folder / "again"), "--json").stdout)
    assert found["verdict"] == "reproduced"
    world.service.wait_projected()
    after = json.loads(world.run("lineage", "totals", "--json").stdout)["lineage"]
    assert (after["nodes"], after["edges"]) == (before["nodes"], before["edges"])
    said = json.loads(world.run("event", str(found["entry"] - 1), "--json").stdout)["event"]["event"]
    assert (said["payload"]["run"]["facets"]["lineproof_run"]["purpose"], said["status"]) == ("rerun", "applied")
