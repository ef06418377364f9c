"""The gate on dbt's manifests: models that select `*`, names in any case, code that is only written otherwise, and manifests that are none."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lineproof_schema.errors import LineproofError
from metadata_service.gate.changes import changes
from metadata_service.gate.read import read_schemas

V12 = {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "adapter_type": "duckdb"}


def model(name: str, sql: str | None, *above: str, raw: str | None = None, **more: Any) -> dict[str, Any]:
    return {"resource_type": "model", "unique_id": f"model.p.{name}", "name": name, "alias": name, "database": "w", "schema": "m", "columns": {},
            "language": "sql", "raw_code": raw or sql, "compiled_code": sql, "original_file_path": f"models/{name}.sql",
            "depends_on": {"nodes": [f"model.p.{each}" for each in above]}, "config": {}, **more}


def manifest(*models: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"metadata": V12, "sources": {}, "nodes": {each["unique_id"]: each for each in models}, **more}


def between(folder: Path, base: Any, head: Any) -> list[str]:
    files = []
    for side, document in (("base", base), ("head", head)):
        files.append(folder / f"{side}.json")
        files[-1].write_text(document if isinstance(document, str) else json.dumps(document))
    found = changes(*(read_schemas(file) for file in files))
    return [f"{change.kind} {change.name} {change.detail or ''}".rstrip() for change in found]


STG = "select id, amount, status from raw.orders"


def test_a_star_over_a_model_has_the_columns_of_the_model(tmp_path: Path) -> None:
    facts = model("facts", "with o as (select * from w.m.stg) select *, amount * 1.19 as gross from o", "stg")  # listed before what it reads
    base = manifest(facts, model("stg", STG))
    assert between(tmp_path, base, manifest(facts, model("stg", STG + " -- all")), ) == []
    assert between(tmp_path, base, manifest(facts, model("stg", "select id, amount, status, at from raw.orders"))) == []
    less = manifest(facts, model("stg", "select id, amount from raw.orders"))
    assert between(tmp_path, base, less) == ["drop-column w.m.facts.status", "drop-column w.m.stg.status"]
    otherwise = model("facts", "with o as (select * from w.m.stg) select *, amount * 1.07 as gross from o", "stg")
    assert between(tmp_path, base, manifest(otherwise, model("stg", STG))) == ["change-values w.m.facts.gross amount * 1.19 → amount * 1.07"]


def test_what_is_only_written_otherwise_is_no_change(tmp_path: Path) -> None:
    for one, other in (("select * from raw.orders", "-- all of them\nSELECT\n  *\nFROM raw.orders"),
                       ("select o.id from raw.orders o", "select id from raw.orders o"),
                       ("with a as (select id, x from t) select id from a", "with a as (select x, id, y from t) select id from a"),
                       ('select "id", upper("x") as y from "w"."m"."t" where "k" > 1', "select ID, upper(X) as y from w.m.t where K > 1")):
        assert between(tmp_path, manifest(model("m", one)), manifest(model("m", other))) == []
    codes = ("select {{ f('a') }} from t", "{# why #}select {{ f('a') }} -- so\nfrom t", "select 1 from t")
    uncompiled = [manifest(model("m", None, raw=raw)) for raw in codes]
    assert between(tmp_path, uncompiled[0], uncompiled[1]) == []
    assert between(tmp_path, uncompiled[0], uncompiled[2]) == ["change-values w.m.m its code changed; whether its columns did is not known"]


def test_a_step_on_the_way_and_a_filter_within_change_values(tmp_path: Path) -> None:
    base = "with a as (select id, x * 2 as y from t where k > (select avg(k) from u)) select id, y + 1 as z from a"
    assert between(tmp_path, manifest(model("m", base)), manifest(model("m", base.replace("x * 2", "x * 3")))) == ["change-values w.m.m.z x * 2 → x * 3"]
    rows = ["change-values w.m.m which rows it has may change"]
    assert between(tmp_path, manifest(model("m", base)), manifest(model("m", base.replace("avg(k)", "max(k)")))) == rows
    both = base.replace("avg(k)", "max(k)").replace("x * 2", "x * 3")
    assert between(tmp_path, manifest(model("m", base)), manifest(model("m", both))) == [f"{rows[0]}; computed otherwise: z"]


def test_names_in_another_case_and_types_in_other_words_are_the_same(tmp_path: Path) -> None:
    def source(**columns: str) -> dict[str, Any]:
        return {**model("s", None), "resource_type": "source", "identifier": "S", "unique_id": "source.p.s",
                "columns": {name: {"name": name, "data_type": kind} for name, kind in columns.items()}}

    base = manifest(source(id="integer", at="timestamp"))
    assert between(tmp_path, base, manifest(source(ID="INT4", At="TIMESTAMP"))) == []
    assert between(tmp_path, base, manifest(source(ID="bigint", At="TIMESTAMPTZ"))) == [
        "retype-column w.m.S.at TIMESTAMP → TIMESTAMPTZ", "retype-column w.m.S.id INT → BIGINT"]


def test_a_model_under_another_name_is_called_renamed_and_an_ephemeral_one_gone(tmp_path: Path) -> None:
    base = manifest(model("m", "select 1 as a"))
    assert between(tmp_path, base, manifest(model("m", "select 1 as a", alias="n"))) == ["drop-dataset w.m.m renamed to w.m.n"]
    assert between(tmp_path, base, manifest(model("m", "select 1 as a", config={"materialized": "view"}, original_file_path="models/x/m.sql"))) == []
    assert between(tmp_path, base, manifest(model("m", "select 1 as a", config={"materialized": "ephemeral"}))) == ["drop-dataset w.m.m"]


def test_a_contract_that_no_longer_promises_a_value(tmp_path: Path) -> None:
    def contracted(*constraints: dict[str, str]) -> dict[str, Any]:
        return manifest(model("m", "select 1 as a", config={"contract": {"enforced": True}},
                              columns={"a": {"name": "a", "data_type": "int", "constraints": list(constraints)}}))

    assert between(tmp_path, contracted({"type": "not_null"}), contracted()) == ["change-nullability w.m.m.a may be null from now on"]


def test_other_rows_of_a_seed_and_other_code_of_a_python_model(tmp_path: Path) -> None:
    def seed(checksum: str) -> dict[str, Any]:
        return manifest({**model("s", None), "resource_type": "seed", "checksum": {"name": "sha256", "checksum": checksum}})

    assert between(tmp_path, seed("1"), seed("2")) == ["change-values w.m.s its code changed"]
    python = [manifest(model("p", None, raw=raw, language="python")) for raw in ("return 1", "return 2")]
    assert between(tmp_path, *python) == ["change-values w.m.p its code changed"]


def test_how_rows_are_kept_counts_where_the_sql_does_not_say_it(tmp_path: Path) -> None:
    def kept(materialized: str, **config: Any) -> dict[str, Any]:
        return manifest(model("m", "select id, at from raw.t", config={"materialized": materialized, **config}))

    rows = ["change-values w.m.m which rows it has may change"]
    assert between(tmp_path, kept("incremental", unique_key="id"), kept("incremental", unique_key=["id", "at"])) == rows
    assert between(tmp_path, kept("incremental"), kept("incremental", incremental_strategy="append")) == rows
    assert between(tmp_path, kept("snapshot", strategy="check", check_cols=["id"]), kept("snapshot", strategy="timestamp", updated_at="at")) == rows
    assert between(tmp_path, kept("table"), kept("incremental")) == rows
    assert between(tmp_path, kept("table", unique_key="id"), kept("view")) == []


def test_a_seed_has_the_types_that_its_project_gives_it(tmp_path: Path) -> None:
    def seed(**types: str) -> dict[str, Any]:
        return manifest({**model("s", None), "resource_type": "seed", "checksum": {"checksum": "1"}, "config": {"materialized": "seed", "column_types": types}})

    otherwise = "change-values w.m.s its code changed"
    assert between(tmp_path, seed(a="int"), seed(a="varchar")) == ["retype-column w.m.s.a INT → TEXT", otherwise]
    assert between(tmp_path, seed(), seed(a="int")) == [otherwise]


def test_a_model_that_becomes_another_kind_of_thing_is_told(tmp_path: Path) -> None:
    sql, python = model("m", "select 1 as a"), model("m", None, raw="return 1", language="python")
    unknown = ["change-values w.m.m its code changed; whether its columns did is not known"]
    assert between(tmp_path, manifest(sql), manifest(python)) == unknown
    assert between(tmp_path, manifest({**model("m", None), "resource_type": "seed", "checksum": {"checksum": "1"}}), manifest(sql)) == unknown


@pytest.mark.parametrize("broken", [{"nodes": []}, {"nodes": {"m": None}}, {"nodes": {"m": {"resource_type": "model"}}}, {"nodes": {}, "sources": 3},
                                    {"nodes": {"m": {"resource_type": "model", "name": "m", "columns": {"a": None}}}}, {}])
def test_what_has_not_the_shape_of_a_manifest_is_refused(tmp_path: Path, broken: dict[str, Any]) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"metadata": V12, **broken}))
    with pytest.raises(LineproofError, match=r"manifest\.json says it is .*manifest/v12\.json, but has not its shape") as caught:
        read_schemas(tmp_path)
    assert caught.value.code == "invalid-argument"


def test_a_change_stands_in_its_file_as_the_repository_has_it(tmp_path: Path) -> None:
    for side, sql in (("base", "select 1 as a, 2 as b"), ("head", "select 1 as a")):
        project = tmp_path / side / "warehouse"
        (project / "target").mkdir(parents=True)
        (project / "models").mkdir()
        (project / "models" / "m.sql").write_text(sql)
        (tmp_path / side / ".git").mkdir()
        (project / "target" / "manifest.json").write_text(json.dumps(manifest(model("m", sql))))
    (found,) = changes(*(read_schemas(tmp_path / side / "warehouse") for side in ("base", "head")))
    assert found.file == "warehouse/models/m.sql"
