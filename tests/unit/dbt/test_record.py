from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from ingest_hooks.dbt import record
from ingest_hooks.dbt.profile import database_path, packages_folder

from .conftest import Recording, model, write


def test_without_artifacts_the_report_says_so_and_nothing_is_raised(tmp_path: Path, sink: Recording) -> None:
    found = record(tmp_path, sink)
    assert sink.events == []
    assert "run_results.json" in found.problems[0] or "manifest.json" in found.problems[0]


def test_artifacts_of_two_invocations_are_refused(tmp_path: Path, sink: Recording) -> None:
    write(tmp_path, [])
    path = tmp_path / "target/run_results.json"
    results = json.loads(path.read_text())
    results["metadata"]["invocation_id"] = "other"
    path.write_text(json.dumps(results))
    assert "two different dbt invocations" in record(tmp_path, sink).problems[0]


def test_another_schema_version_is_refused_with_what_to_do(tmp_path: Path, sink: Recording) -> None:
    write(tmp_path, [])
    path = tmp_path / "target/manifest.json"
    path.write_text(path.read_text().replace("manifest/v12", "manifest/v99"))
    assert "use dbt-core 1.10 or 1.11" in record(tmp_path, sink).problems[0]


def test_one_node_that_cannot_be_recorded_does_not_hide_the_others(tmp_path: Path, sink: Recording) -> None:
    broken, good = model("broken", "select 1 as a", "select 1 as a"), model("good", "select 1 as a", "select 1 as a")
    del broken["original_file_path"]
    results = [{"unique_id": node["unique_id"], "status": "success", "timing": []} for node in (broken, good)]
    write(tmp_path, [broken, good], results=results)
    found = record(tmp_path, sink)
    assert (found.runs, [problem.split(":")[0] for problem in found.problems]) == (1, ["model.shop.broken"])


def test_without_a_database_lineage_is_told_and_versions_are_not(tmp_path: Path, sink: Recording) -> None:
    node = model("m", "select a + 1 as b from db.main.up", "select a + 1 as b from db.main.up", nodes=["model.shop.up"])
    write(tmp_path, [node, model("up", "", "")], results=[{"unique_id": node["unique_id"], "status": "success", "timing": []}])
    record(tmp_path, sink)
    complete = next(event for kind, event in sink.events if kind == "openlineage" and event["eventType"] == "COMPLETE" and event["outputs"])
    assert "version" not in complete["outputs"][0]["facets"]
    field = complete["outputs"][0]["facets"]["columnLineage"]["fields"]["b"]["inputFields"][0]
    assert (field["namespace"], field["name"], field["field"]) == ("duckdb://shop", "db.main.up", "a")
    assert not [kind for kind, _ in sink.events if kind == "lineproof.dataset-version.v1"]


@pytest.mark.parametrize(("said", "expected"), [
    (None, "dbt_packages"), ("vendored/packages/", "vendored/packages"), ("{{ env_var('PACKAGES') }}", "../shared"),
    ("{{ env_var('NOT_SET') }}", "dbt_packages"),
])
def test_packages_are_where_the_project_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str | None, expected: str) -> None:
    monkeypatch.setenv("PACKAGES", str(tmp_path.parent / "shared"))
    (tmp_path / "dbt_project.yml").write_text("name: shop\n" + (f'packages-install-path: "{said}"\n' if said else ""))
    assert packages_folder(write(tmp_path, [])) == expected


@pytest.mark.parametrize(("path", "expected"), [("{{ env_var('WHERE_IT_IS') }}/x.duckdb", "/data/x.duckdb"), (":memory:", None), ("md:cloud", None),
                                                ("{{ env_var('NOT_SET_ANYWHERE') }}", None)])
def test_the_database_is_where_the_profile_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, expected: str | None) -> None:
    monkeypatch.setenv("WHERE_IT_IS", "/data")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dbt_project.yml").write_text("name: shop\nprofile: p\n")
    (tmp_path / "profiles.yml").write_text(f"p:\n  target: dev\n  outputs:\n    dev:\n      type: duckdb\n      path: \"{path}\"\n")
    found = database_path(write(tmp_path, []))
    assert (str(found) if found is not None else None) == expected


def test_a_database_that_is_locked_or_damaged_costs_only_the_versions(tmp_path: Path, sink: Recording) -> None:
    node = model("m", "select 1 as a", "select 1 as a")
    write(tmp_path, [node], results=[{"unique_id": node["unique_id"], "status": "success", "timing": []}])
    (tmp_path / "damaged.duckdb").write_bytes(b"not a database" * 1000)
    found = record(tmp_path, sink, database=tmp_path / "damaged.duckdb")
    assert (found.runs, found.versions, found.problems) == (1, {}, [])


def test_event_times_are_utc_whatever_the_column_type(tmp_path: Path, sink: Recording) -> None:
    with duckdb.connect(str(tmp_path / "db.duckdb")) as connection:
        connection.execute("create table m as select timestamptz '2013-01-01 00:00:00-05' as t union all select timestamptz '2013-07-01 00:00:00+02'")
    node = model("m", "select 1 as t", "select 1 as t", config={"materialized": "table", "meta": {"lineproof": {"event_time": "t", "knowledge": "nonsense"}}})
    write(tmp_path, [node], results=[{"unique_id": node["unique_id"], "status": "success", "timing": []}])
    record(tmp_path, sink, database=tmp_path / "db.duckdb")
    version = next(data for kind, data in sink.events if kind == "lineproof.dataset-version.v1")
    assert version["eventTime"] == {"column": "t", "min": "2013-01-01T05:00:00+00:00", "max": "2013-06-30T22:00:00+00:00"}
    assert (version["rowCount"], version["knowledge"]) == (2, "committed")
