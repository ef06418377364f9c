"""The gate on manifests of real dbt: a project as it is, and as pull requests make it."""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from metadata_service.gate.changes import changes
from metadata_service.gate.read import read_schemas

pytest.importorskip("dbt.cli.main", reason="dbt is not installed")
PROJECT = Path(__file__).parents[2] / "data/dbt_project"
COMPILE = """
import os, sys
from dbt.cli.main import dbtRunner
for project in sys.argv[1:]:
    os.chdir(project)
    result = dbtRunner().invoke(["compile", "--project-dir", ".", "--profiles-dir", ".", "--quiet", "--no-introspect"])
    assert result.success, (project, result.exception)
"""
Edit = tuple[str, str, str]  # file, text, other text
EDITS: dict[str, list[Edit]] = {
    "as it is": [],
    "unnoticed": [  # comments, descriptions, tags, one column more, a view in the place of a table
        ("models/stg_orders.sql", "customer_id,", "customer_id, -- who\n    status,"), ("macros/money.sql", "{% macro", "{# units #}{% macro"),
        ("models/schema.yml", "What a customer spent", "All a customer spent"), ("models/schema.yml", "tags: [features]", "tags: [features, nightly]"),
        ("models/order_features.sql", "{% set", "{{ config(materialized='view') }}\n{% set"),
        ("models/order_features.sql", "amount\n    from", "amount, 1 as n\n    from")],
    "noticed": [  # what a macro makes, a column of a source, a model that is switched off
        ("models/stg_orders.sql", "to_units('amount_cents')", "to_units('amount_cents + 1')"),
        ("models/broken.sql", "select", "{{ config(enabled=false) }}\nselect"),
        ("models/schema.yml", "          - name: amount_cents\n            description: Amount in cents.\n", "          - name: id\n")],
    "another name": [("models/stg_orders.sql", "materialized='view'", "materialized='view', alias='staged'")],
    "no table, another filter": [("models/stg_orders.sql", "materialized='view'", "materialized='ephemeral'"),
                                 ("models/order_features.sql", "countries.valid_from <=", "countries.valid_from <")]}


@pytest.fixture(scope="module")
def between(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[str]]:
    """What changes from the project as it is to one of `EDITS`; all are compiled in one process."""
    folder = tmp_path_factory.mktemp("gate")
    with duckdb.connect(str(folder / "shop.duckdb")) as connection:
        connection.execute("create schema raw")
    for name, edits in EDITS.items():
        shutil.copytree(PROJECT, folder / name, ignore=shutil.ignore_patterns("target", "logs"))
        for file, text, other in edits:
            path = folder / name / file
            assert text in path.read_text(), (name, file)
            path.write_text(path.read_text().replace(text, other))
    done = subprocess.run([sys.executable, "-c", COMPILE, *(str(folder / name) for name in EDITS)], capture_output=True, text=True, timeout=240, check=False,
                          env={**os.environ, "SHOP_DUCKDB": str(folder / "shop.duckdb"), "DO_NOT_TRACK": "1"})
    assert done.returncode == 0, done.stdout + done.stderr

    def changed(name: str) -> list[str]:
        found = changes(read_schemas(folder / "as it is"), read_schemas(folder / name / "target" / "manifest.json"))
        return [f"{change.kind} {change.name} {change.detail or ''}".rstrip() for change in found]

    return changed


def test_what_readers_do_not_notice_is_no_change(between: Callable[[str], list[str]]) -> None:
    assert between("as it is") == []
    assert between("unnoticed") == []


def test_what_a_macro_makes_a_source_loses_and_a_switch_turns_off_is_told(between: Callable[[str], list[str]]) -> None:
    dropped, column, values = between("noticed")
    assert (dropped, column) == ("drop-dataset shop.main.broken", "drop-column shop.raw.orders.amount_cents perhaps renamed to id")
    assert values.startswith("change-values shop.main.stg_orders.amount ")
    assert "amount_cents + 1" in values


def test_a_model_that_is_called_otherwise_or_no_table_any_more_is_gone(between: Callable[[str], list[str]]) -> None:
    assert "drop-dataset shop.main.stg_orders renamed to shop.main.staged" in between("another name")
    assert "drop-dataset shop.main.stg_orders" in between("no table, another filter")
    assert any(change.startswith("change-values shop.main.order_features") for change in between("no table, another filter"))
