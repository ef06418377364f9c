"""Columns of dbt models point to the line that makes them, in the model, the macro, the package or the ephemeral model: real dbt on our Jinja corpus."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import duckdb
import pytest

from tests.jinja_corpus import Expected, sources_told, write_project
from tests.sql_corpus import Source

from .test_dbt_hook import RUN

pytest.importorskip("dbt.cli.main", reason="dbt is not installed")
Facets = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Expected, Facets]:
    """What is expected, and the output facets that the hook told of each node."""
    folder = tmp_path_factory.mktemp("jinja") / "shop"
    expected = write_project(folder)
    database, out = folder.parent / "shop.duckdb", folder.parent / "events.json"
    with duckdb.connect(str(database)) as connection:
        connection.execute("create schema raw")
        connection.execute("create table raw.orders as select range::integer as id, (range % 3 + 1)::integer as customer_id, "
                           "timestamp '2026-01-01' + to_hours(range::integer) as ordered_at, (range * 10)::integer as amount_cents, 'paid' as status "
                           "from range(20)")
        connection.execute("create table main.incremental (id integer, amount double)")  # so that it is built on
    done = subprocess.run([sys.executable, "-c", RUN, str(folder), str(out)], env={**os.environ, "SHOP_DUCKDB": str(database), "DO_NOT_TRACK": "1"},
                          capture_output=True, text=True, timeout=300, check=False)
    assert out.exists(), done.stdout + done.stderr
    built = json.loads(out.read_text())
    assert built["success"], done.stdout + done.stderr
    ended = [event for kind, event in built["events"] if kind == "openlineage" and event["eventType"] == "COMPLETE" and event["outputs"]]
    return expected, {event["outputs"][0]["name"].rpartition(".")[2]: event["outputs"][0]["facets"] for event in ended}


def fields(facets: Facets) -> dict[str, dict[str, Any]]:
    return {f"{model}.{name}": fact for model, found in facets.items() for name, fact in found.get("lineproof_columns", {}).get("fields", {}).items()}


def test_every_column_is_at_the_line_that_makes_it(told: tuple[Expected, Facets]) -> None:
    expected, facets = told
    found = fields(facets)
    wrong = {name: (place, found.get(name)) for name, place in expected.places.items()
             if name not in found or (found[name]["file"], found[name].get("line"), found[name].get("column")) != place or found[name]["approximate"]}
    assert wrong == {}


def test_what_a_macro_made_is_at_its_place_in_the_macro(told: tuple[Expected, Facets]) -> None:
    expected, facets = told
    found = {name: tuple(fact["macro"].get(key) for key in ("file", "line", "column")) for name, fact in fields(facets).items()
             if fact.get("macro", {}).get("file")}
    assert found == expected.macros
    assert fields(facets)["inner_first.month"]["macro"]["name"].startswith("macro.dbt.")


def test_a_place_that_cannot_be_known_is_not_told(told: tuple[Expected, Facets]) -> None:
    expected, facets = told
    found = fields(facets)
    assert {name for name in expected.unplaced if not found[name]["approximate"] or "column" in found[name]} == set()
    yaml = {name: fact for name, fact in found.items() if name.startswith("in_yaml.")}
    assert yaml
    assert all(fact["approximate"] and "line" not in fact for fact in yaml.values())


def test_every_column_is_made_of_what_was_written_down(told: tuple[Expected, Facets]) -> None:
    expected, facets = told
    sources: dict[str, frozenset[Source]] = {}
    rows: dict[str, frozenset[Source]] = {}
    for model, found in facets.items():
        if "columnLineage" in found:
            columns, rows[model] = sources_told(found["columnLineage"])
            sources |= {f"{model}.{name}": these for name, these in columns.items()}
    right = sum(len(these & sources.get(name, frozenset())) for name, these in expected.sources.items())
    print(f"jinja: precision {right / sum(map(len, sources.values())):.1%}, recall {right / sum(map(len, expected.sources.values())):.1%}, "
          f"{len(sources)} columns of {len(facets)} nodes")
    assert sources == expected.sources
    assert {model: these for model, these in rows.items() if these} == expected.rows
