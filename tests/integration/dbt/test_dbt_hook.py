"""The dbt hook on a real project, run by real dbt: macros over several lines, a loop, windows, a seed, tests, an exposure, a model that fails."""
from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ingest_hooks import Emitter
from ingest_hooks.dbt import record
from ingest_hooks.fp1 import fingerprint_query
from lineproof_audit.keys import SigningKey
from lineproof_schema.models import EVENT_TYPES, FACETS
from lineproof_schema.openlineage import parse_openlineage
from tests.dbt_build import Built, dbt_build

pytest.importorskip("dbt.cli.main", reason="dbt is not installed")
PROJECT = Path(__file__).parents[2] / "data/dbt_project"
DATASETS = "duckdb://shop.duckdb"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dbt") / "repo" / "warehouse"
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns("target", "logs"))
    for command in (["init", "-q", "-b", "main"], ["remote", "add", "origin", "https://git.example.org/shop/data.git"], ["add", "-A"],
                    ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "-q", "-m", "Orders"]):
        subprocess.run(["git", "-C", str(folder.parent), *command], check=True, timeout=30)
    with (folder / "models/order_features.sql").open("a") as model:
        model.write("-- not committed\n")
    with duckdb.connect(str(folder.parents[1] / "shop.duckdb")) as connection:
        connection.execute("create schema raw")
        connection.execute("create table raw.orders as select range::integer as id, (range % 3 + 1)::integer as customer_id, "
                           "timestamp '2026-01-01' + to_hours(range::integer) as ordered_at, (range * 10)::integer as amount_cents, "
                           "case when range % 5 = 0 then 'cancelled' else 'paid' end as status from range(200)")
    return folder


@pytest.fixture(scope="module")
def built(project: Path) -> Built:
    return dbt_build(project, **environment(project))


def environment(project: Path) -> dict[str, str]:
    return {"SHOP_DUCKDB": str(project.parents[1] / "shop.duckdb"), "DO_NOT_TRACK": "1"}


def runs(built: Built, job: str) -> dict[str, dict[str, Any]]:
    return {event["eventType"]: event for kind, event in built["events"] if kind == "openlineage" and event["job"]["name"] == job}


def bodies(built: Built, noun: str) -> list[dict[str, Any]]:
    return [data for kind, data in built["events"] if kind == f"lineproof.{noun}.v1"]


def test_every_event_and_facet_matches_its_schema(built: Built) -> None:
    kinds = Counter(kind for kind, _ in built["events"])
    assert kinds == {"openlineage": 10, "lineproof.transformation.v1": 4, "lineproof.dataset-version.v1": 4, "lineproof.dataset.v1": 4,
                     "lineproof.quality.v1": 4, "lineproof.consumer.v1": 1}
    for kind, body in built["events"]:
        if kind == "openlineage":
            event = parse_openlineage(body)
            assert event.warnings == ()
            assert event.job is not None
            for holder in (event.run_facets, event.job.facets, *(part.facets for part in (*event.inputs, *event.outputs))):
                for name, facet in holder.items():
                    assert facet["_schemaURL"].startswith("https://")
                    if name in FACETS:
                        FACETS[name].model_validate(facet)
        else:
            EVENT_TYPES[kind].model_validate(body)


def test_what_dbt_returns_is_left_as_it_is(built: Built) -> None:
    assert built["success"] is False


def test_columns_point_to_the_line_of_the_model_file(built: Built, project: Path) -> None:
    facet = runs(built, "shop.order_features")["COMPLETE"]["outputs"][0]["facets"]["lineproof_columns"]
    lines = (project / "models/order_features.sql").read_text().splitlines()
    spent = facet["fields"]["spent_30d"]
    assert (spent["file"], spent["line"], spent["column"]) == ("warehouse/models/order_features.sql", 12, 9)
    assert (spent["approximate"], spent["status"]) == (False, "complete")
    assert lines[spent["line"] - 1][spent["column"] - 1:].startswith("sum(amount) over (")
    country = facet["fields"]["country"]
    assert lines[country["line"] - 1][country["column"] - 1:] == "countries.country"
    assert [(step["line"], step["name"]) for step in spent["steps"]] == [(22, "spent_30d"), (12, "spent_30d"), (3, "amount")]
    amount = runs(built, "shop.stg_orders")["COMPLETE"]["outputs"][0]["facets"]["lineproof_columns"]["fields"]["amount"]
    assert (amount["line"], amount["column"], amount["approximate"]) == (8, 5, False)  # the call of a macro of several lines, in a file that begins blank
    assert amount["macro"] == {"name": "macro.shop.to_units", "file": "warehouse/macros/money.sql", "line": 2, "within": 2, "column": 5}
    assert "macro" not in spent


def test_column_lineage_goes_through_ctes_windows_and_stars(built: Built) -> None:
    facet = runs(built, "shop.order_features")["COMPLETE"]["outputs"][0]["facets"]["columnLineage"]
    spent = {(item["name"], item["field"], one["type"], one["subtype"]) for item in facet["fields"]["spent_7d"]["inputFields"]
             for one in item["transformations"]}
    orders = "shop.main.stg_orders"
    assert spent == {(orders, "amount", "DIRECT", "AGGREGATION"), (orders, "customer_id", "INDIRECT", "WINDOW"), (orders, "ordered_at", "INDIRECT", "WINDOW")}
    assert {item["namespace"] for item in facet["fields"]["spent_7d"]["inputFields"]} == {DATASETS}
    assert {(item["name"], item["field"]) for item in facet["dataset"]} == {
        ("shop.main.countries", "customer_id"), ("shop.main.countries", "valid_from"), (orders, "customer_id"), (orders, "ordered_at")}


def test_time_predicates_and_window_frames(built: Built) -> None:
    facet = runs(built, "shop.order_features")["COMPLETE"]["outputs"][0]["facets"]["lineproof_columns"]
    predicate = facet["timePredicates"][0]
    assert (predicate["left"], predicate["op"], predicate["right"], predicate["line"]) == ("countries.valid_from", "<=", "windowed.ordered_at", 26)
    assert predicate["rightInputs"] == [{"namespace": DATASETS, "name": "shop.main.stg_orders", "field": "ordered_at"}]
    assert ["'7' DAYS" in frame["frame"] or "'30' DAYS" in frame["frame"] for frame in facet["windowFrames"]] == [True, True]


def test_runs_have_code_parent_commit_and_compiled_text(built: Built, project: Path) -> None:
    event = runs(built, "shop.stg_orders")["COMPLETE"]
    code = next(body for body in bodies(built, "transformation") if body["name"] == "shop.stg_orders")
    facet = event["job"]["facets"]["lineproof_transformation"]
    assert facet["urn"] == f"urn:lineproof:transformation:jobs:shop.stg_orders:{code['version']}"
    sha = subprocess.run(["git", "-C", str(project), "rev-parse", "HEAD"], capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    assert (code["repository"], code["commit"], code["path"], code["dirty"]) == ("git.example.org/shop/data", sha, "warehouse/models/stg_orders.sql", False)
    assert event["job"]["facets"]["sourceCodeLocation"]["version"] == sha
    assert "amount_cents / 100" in built["artifacts"][event["run"]["facets"]["lineproof_run"]["compiledDigest"]]
    assert built["artifacts"][code["modules"]["macro.shop.per_unit"]].startswith("{% macro per_unit")
    parent = runs(built, "shop.dbt_build")
    assert set(parent) == {"START", "FAIL"}
    assert event["run"]["facets"]["parent"]["run"]["runId"] == parent["START"]["run"]["runId"]


def test_a_file_that_is_not_committed_is_dirty(built: Built) -> None:
    assert next(body for body in bodies(built, "transformation") if body["name"] == "shop.order_features")["dirty"] is True


def test_a_failed_model_is_a_failed_run_without_a_version(built: Built) -> None:
    events = runs(built, "shop.broken")
    assert set(events) == {"START", "FAIL"}
    assert "no_such_column" in events["FAIL"]["run"]["facets"]["errorMessage"]["message"]
    assert "shop.main.broken" not in {body["name"] for body in bodies(built, "dataset-version")}


def test_versions_are_fingerprints_of_what_stands_in_the_database(built: Built, project: Path) -> None:
    versions = {body["name"]: body for body in bodies(built, "dataset-version")}
    with duckdb.connect(str(project.parents[1] / "shop.duckdb"), read_only=True) as connection:
        for name, body in versions.items():
            assert body["id"] == body["fingerprint"]["sha256"] == fingerprint_query(connection, f"select * from {name}").sha256
    features = versions["shop.main.order_features"]
    assert (features["rowCount"], features["knowledge"]) == (160, "column:ordered_at")
    assert features["eventTime"] == {"column": "ordered_at", "min": "2026-01-01T01:00:00+00:00", "max": "2026-01-09T07:00:00+00:00"}
    event = runs(built, "shop.order_features")["COMPLETE"]
    assert {part["name"]: part["facets"]["version"]["datasetVersion"] for part in (*event["inputs"], *event["outputs"])} == {
        name: versions[name]["id"] for name in ("shop.main.stg_orders", "shop.main.countries", "shop.main.order_features")}
    assert "runId" not in versions["shop.raw.orders"]


def test_declared_facts_tests_and_exposures(built: Built) -> None:
    facts = {body["name"]: body for body in bodies(built, "dataset")}
    assert facts["shop.raw.orders"]["isSource"] is True
    assert {"name": "amount_cents", "type": "INTEGER", "description": "Amount in cents."} in facts["shop.raw.orders"]["columns"]
    assert facts["shop.main.order_features"]["owners"] == [{"name": "features@example.org", "type": "MAINTAINER"}]
    checks = {body["check"]: (body["success"], body["severity"], body.get("column")) for body in bodies(built, "quality")}
    assert checks["not_null_order_features_spent_7d"] == (False, "error", "spent_7d")
    assert checks["not_null_stg_orders_amount"] == (True, "warn", "amount")
    consumer = bodies(built, "consumer")[0]
    assert (consumer["kind"], consumer["owners"], sorted(part["name"] for part in consumer["datasets"])) == (
        "dashboard", ["sales@example.org"], ["shop.main.order_features", "shop.raw.orders"])


def test_recorded_with_a_real_emitter_nothing_is_refused(built: Built, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(project).items():
        monkeypatch.setenv(name, value)
    emitter = Emitter(key=SigningKey.generate(), spool=tmp_path / "spool", audience="log.example.org/shop")
    found = record(project, emitter, namespace="jobs")
    emitter.close(1)
    stats = emitter.stats()
    assert (found.runs, found.tests, found.consumers, found.problems) == (4, 4, 1, [])
    assert (stats.spooled, stats.dead, stats.dropped) == (len(built["events"]), 0, 0)
