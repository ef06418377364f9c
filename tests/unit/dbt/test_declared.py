from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ingest_hooks.dbt.declared import consumer, dataset_facts, quality
from ingest_hooks.dbt.naming import Names

from .conftest import model, write


def names(folder: Path, *nodes: dict[str, Any], **more: Any) -> Names:
    return Names(write(folder, list(nodes), **more), "jobs", "duckdb://db.duckdb")


def test_facts_come_from_description_columns_meta_and_group(tmp_path: Path) -> None:
    node = model("m", "", "", description="A model.", tags=["x"], group="team", columns={"A": {"name": "A", "description": "Column a."}},
                 config={"meta": {"owner": "me@example.org", "lineproof": {"classification": "pii", "freshness": {"max_age_seconds": 60}}}})
    found = names(tmp_path, node, groups={"group.shop.team": {"owner": {"email": "team@example.org"}}})
    assert dataset_facts(found.artifacts, found, node, {"a": "INTEGER", "b": "VARCHAR"}) == {
        "namespace": "duckdb://db.duckdb", "name": "db.main.m", "description": "A model.", "tags": ["x"], "classification": "pii",
        "owners": [{"name": "me@example.org", "type": "OWNER"}, {"name": "team@example.org", "type": "OWNER"}],
        "columns": [{"name": "a", "type": "INTEGER", "description": "Column a."}, {"name": "b", "type": "VARCHAR"}],
        "freshness": {"tier": None, "maxAgeSeconds": 60}}


def test_what_is_not_declared_says_nothing(tmp_path: Path) -> None:
    node = model("m", "", "")
    found = names(tmp_path, node)
    assert dataset_facts(found.artifacts, found, node, None) == {"namespace": "duckdb://db.duckdb", "name": "db.main.m"}


def test_an_exposure_reads_what_ephemeral_models_below_it_read(tmp_path: Path) -> None:
    base = model("base", "", "")
    between = model("between", "", "", nodes=["model.shop.base"], config={"materialized": "ephemeral"}, relation_name=None)
    exposure = {"unique_id": "exposure.shop.e", "name": "e", "type": "ml", "owner": {"name": "Sales"}, "depends_on": {"nodes": ["model.shop.between"]}}
    found = names(tmp_path, base, between)
    assert consumer(found.artifacts, found, exposure) == {
        "kind": "application", "namespace": "jobs", "name": "e", "owners": ["Sales"], "datasets": [{"namespace": "duckdb://db.duckdb", "name": "db.main.base"}]}


@pytest.mark.parametrize(("status", "success"), [("pass", True), ("fail", False), ("warn", False), ("error", False), ("skipped", None)])
def test_the_result_of_a_test(tmp_path: Path, status: str, success: bool | None) -> None:
    node = model("m", "", "")
    test = {"unique_id": "test.shop.t", "name": "t", "resource_type": "test", "attached_node": "model.shop.m", "column_name": "a",
            "config": {"severity": "WARN"}, "depends_on": {"nodes": ["model.shop.m"]}}
    found = names(tmp_path, node, test)
    said = quality(found.artifacts, found, test, {"status": status, "failures": 3}, {"model.shop.m": "v"})
    if success is None:
        assert said is None
    else:
        assert said is not None
        assert (said["success"], said["severity"], said["column"], said["version"]) == (success, "warn", "a", "v")
