"""The gate of a pull request: what counts as taken away, and how its report reads."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lineproof_schema.errors import LineproofError
from metadata_service.cli.views.gate import Checked, breaking, markdown, possible
from metadata_service.gate.changes import Change, changes
from metadata_service.gate.schemas import read_schemas


def plain(folder: Path, name: str, document: Any) -> Path:
    file = folder / name
    file.write_text(json.dumps(document), encoding="utf-8")
    return file


def between(folder: Path, base: Any, head: Any) -> list[Change]:
    return changes(read_schemas(plain(folder, "base.json", base)), read_schemas(plain(folder, "head.json", head)))


def manifest(**columns: dict[str, str] | str) -> dict[str, Any]:
    """A dbt manifest of sources (described columns) and compiled models (SQL)."""
    sources, nodes = {}, {}
    for name, said in columns.items():
        node = {"resource_type": "source", "database": "w", "schema": "raw", "identifier": name, "name": name, "columns": {}}
        if isinstance(said, str):
            nodes[name] = {**node, "resource_type": "model", "language": "sql", "compiled_code": said, "alias": name, "identifier": None}
        else:
            sources[name] = {**node, "columns": {column: {"name": column, "data_type": kind or None} for column, kind in said.items()}}
    return {"metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json"}, "sources": sources, "nodes": nodes}


def test_what_is_gone_or_of_another_type_is_a_change_and_what_is_new_is_none(tmp_path: Path) -> None:
    base = {"s.a": {"x": "INT", "y": "TEXT", "z": None}, "s.b": {"x": "INT"}}
    head = {"s.a": {"x": "BIGINT", "y": "text", "new": "INT"}, "s.c": {}}
    assert between(tmp_path, base, head) == [Change("drop-dataset", "s.b"), Change("retype-column", "s.a", "x", "INT → BIGINT"),
                                             Change("drop-column", "s.a", "z")]
    assert between(tmp_path, base, base) == []


def test_described_columns_of_a_source_and_selected_ones_of_a_model(tmp_path: Path) -> None:
    found = between(tmp_path, manifest(weather={"wind": "", "rain": ""}, m="select a, b as c from t"), manifest(weather={"rain": ""}, m="select a from t"))
    assert found == [Change("drop-column", "w.raw.m", "c"), Change("drop-column", "w.raw.weather", "wind")]


def test_a_star_hides_what_a_model_selects_so_nothing_is_claimed(tmp_path: Path) -> None:
    assert between(tmp_path, manifest(m="select a, b from t"), manifest(m="select * from t")) == []


def test_a_catalog_is_read(tmp_path: Path) -> None:
    def catalog(*columns: str) -> dict[str, Any]:
        return {"metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/catalog/v1.json"}, "sources": {}, "nodes": {"n": {
            "metadata": {"database": "w", "schema": "s", "name": "t"}, "columns": {name: {"name": name, "type": "INT"} for name in columns}}}}

    assert between(tmp_path, catalog("a", "b"), catalog("b")) == [Change("drop-column", "w.s.t", "a")]


@pytest.mark.parametrize("text", ["", "[]", "3", '{"a": 1}', "{"])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "f.json").write_text(text)
    with pytest.raises(LineproofError, match=r"f\.json") as caught:
        read_schemas(tmp_path / "f.json")
    assert caught.value.code == "invalid-argument"


def affected(**more: Any) -> dict[str, Any]:
    return {"kind": "DATASET", "urn": "urn:lineproof:dataset:n:b", "name": "b", "severity": "BREAKING", "owners": ["a|b@example.org"], "columns": ["x"],
            "deployments": [{"environment": "production"}], "path": [0], **more}


def impact(*rows: dict[str, Any], complete: bool = True) -> dict[str, Any]:
    return {"computedAt": {"size": 5, "rootHash": "0" * 64}, "completeness": {"complete": complete, "reasons": [{"detail": "hidden <b>"}]},
            "affected": list(rows), "nodes": [{"urn": "urn:lineproof:column:n:a:x"}, {"urn": "urn:lineproof:column:n:b:x"}],
            "edges": [{"upstream": 0, "downstream": 1, "file": "b.sql", "line": 3}]}


def test_the_report_counts_things_not_columns_and_escapes_what_others_wrote() -> None:
    change = Change("drop-column", "a", "x_y")
    checked = [Checked(change, impact(affected(), affected(kind="COLUMN"), affected(severity="POSSIBLE", urn=None), complete=False)),
               Checked(Change("drop-dataset", "<script>"), None, "nothing *recorded*")]
    assert (breaking(checked), possible(checked)) == (1, 2)
    report = markdown(checked)
    assert "## Lineproof: 1 breaking, 2 possible" in report
    assert "drops the column a.x\\_y" in report
    assert "| breaking | dataset b (x) | a\\|b@example.org | production | a.x → b.x (b.sql:3) |" in report
    assert "\\<script\\>" in report
    assert "nothing \\*recorded\\*" in report
    assert "Not complete: hidden \\<b\\>" in report
    assert "no schema change" in markdown([])
