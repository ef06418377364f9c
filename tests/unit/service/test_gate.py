"""The gate of a pull request: what counts as taken away, and how its report reads."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from lineproof_schema.errors import LineproofError
from metadata_service.cli.views.gate import markdown
from metadata_service.gate.changes import Change, changes
from metadata_service.gate.formats import junit, sarif
from metadata_service.gate.read import read_schemas
from metadata_service.gate.verdict import Checked, FailOn, breaking, fails, possible

KIND = "https://schemas.getdbt.com/dbt/"


def plain(folder: Path, name: str, document: Any) -> Path:
    file = folder / name
    file.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return file


def between(folder: Path, base: Any, head: Any, suffix: str = ".json", dialect: str | None = None) -> list[tuple[Any, ...]]:
    """The changes as (kind, name, detail)."""
    before, after = plain(folder, f"base{suffix}", base), plain(folder, f"head{suffix}", head)
    return [(change.kind, change.name, change.detail) for change in changes(read_schemas(before, dialect), read_schemas(after, dialect))]


def manifest(**columns: dict[str, str] | str) -> dict[str, Any]:
    """A dbt manifest of sources (described columns) and compiled models (SQL)."""
    sources, nodes = {}, {}
    for name, said in columns.items():
        node = {"resource_type": "source", "database": "w", "schema": "raw", "identifier": name, "name": name, "columns": {},
                "original_file_path": f"{name}.sql"}
        if isinstance(said, str):
            nodes[name] = {**node, "resource_type": "model", "language": "sql", "raw_code": said, "compiled_code": said, "alias": name, "identifier": None}
        else:
            sources[name] = {**node, "columns": {column: {"name": column, "data_type": kind or None} for column, kind in said.items()}}
    return {"metadata": {"dbt_schema_version": f"{KIND}manifest/v12.json", "adapter_type": "postgres"}, "sources": sources, "nodes": nodes}


def test_what_is_gone_or_of_another_type_is_a_change_and_what_is_new_is_none(tmp_path: Path) -> None:
    base = {"s.a": {"x": "INT", "y": "TEXT", "z": None}, "s.b": {"x": "INT"}}
    head = {"s.a": {"x": "BIGINT", "y": "text", "new": "INT", "newer": "INT"}, "s.c": {}}
    assert between(tmp_path, base, head) == [("drop-dataset", "s.b", None), ("drop-column", "s.a.z", None), ("retype-column", "s.a.x", "INT → BIGINT")]
    assert between(tmp_path, base, base) == []


def test_one_column_gone_and_one_new_of_its_type_may_be_a_rename(tmp_path: Path) -> None:
    assert between(tmp_path, {"a": {"x": "INT", "y": "INT"}}, {"a": {"x": "INT", "z": "int"}}) == [("drop-column", "a.y", "perhaps renamed to z")]
    assert between(tmp_path, {"a": {"y": "INT"}}, {"a": {"z": "TEXT"}}) == [("drop-column", "a.y", None)]


def test_described_columns_of_a_source_and_selected_ones_of_a_model(tmp_path: Path) -> None:
    found = between(tmp_path, manifest(weather={"wind": "", "rain": ""}, m="select a, b as c from t"), manifest(weather={"rain": ""}, m="select a from t"))
    assert found == [("drop-column", "w.raw.m.c", None), ("drop-column", "w.raw.weather.wind", None)]


def test_the_same_type_in_other_words_is_no_change(tmp_path: Path) -> None:
    assert between(tmp_path, manifest(s={"a": "int4", "b": "text"}), manifest(s={"a": "integer", "b": "bigint"})) == [
        ("retype-column", "w.raw.s.b", "TEXT → BIGINT")]


def test_another_meaning_is_told_by_column_and_another_filter_by_table(tmp_path: Path) -> None:
    base = manifest(m="select a, speed * 1.6 as kmh from t where ok")
    assert between(tmp_path, base, manifest(m="select a,\n  -- miles\n  speed*1.6 AS kmh from t where ok")) == []
    assert between(tmp_path, base, manifest(m="select a, speed * 1.852 as kmh from t where ok")) == [
        ("change-values", "w.raw.m.kmh", "speed * 1.6 → speed * 1.852")]
    assert between(tmp_path, base, manifest(m="select a, speed * 1.6 as kmh from t")) == [("change-values", "w.raw.m", "which rows it has may change")]


def test_what_a_star_hides_is_not_called_unchanged(tmp_path: Path) -> None:
    unknown = [("change-values", "w.raw.m", "its code changed; whether its columns did is not known")]
    assert between(tmp_path, manifest(m="select a, b from t"), manifest(m="select * from t")) == unknown
    assert between(tmp_path, manifest(m="select * from t"), manifest(m="select a, b from t")) == unknown
    assert between(tmp_path, manifest(m="select * from t"), manifest(m="select * from u")) == [("change-values", "w.raw.m", "its code changed")]


def test_a_catalog_is_read(tmp_path: Path) -> None:
    def catalog(*columns: str) -> dict[str, Any]:
        return {"metadata": {"dbt_schema_version": f"{KIND}catalog/v1.json"}, "sources": {}, "nodes": {"n": {
            "metadata": {"database": "w", "schema": "s", "name": "t"}, "columns": {name: {"name": name, "type": "INT"} for name in columns}}}}

    assert between(tmp_path, catalog("a", "b"), catalog("b")) == [("drop-column", "w.s.t.a", None)]


def test_sql_scripts_are_applied_statement_by_statement(tmp_path: Path) -> None:
    base = "create table s.a (x int not null, y varchar(10), z text); create table s.b (k int primary key); create view s.v as select x, y from s.a"
    head = base + """;
        alter table s.a drop column y; alter table s.a rename column z to zz; alter table s.a alter column x type bigint;
        alter table s.a add column more int; drop table s.b; create or replace view s.v as select x from s.a; insert into s.a select 1"""
    assert between(tmp_path, base, head, ".sql", "postgres") == [
        ("drop-dataset", "s.b", None), ("drop-column", "s.a.y", None), ("drop-column", "s.a.z", "renamed to zz"), ("drop-column", "s.v.y", None),
        ("retype-column", "s.a.x", "INT → BIGINT")]
    nullable = base + "; alter table s.a alter column x drop not null; alter table s.a rename to c"
    assert between(tmp_path, base, nullable, ".sql", "postgres") == [("drop-dataset", "s.a", "renamed to s.c")]
    assert between(tmp_path, base, base.replace("int not null", "int"), ".sql", "postgres") == [("change-nullability", "s.a.x", "may be null from now on")]


def test_a_folder_of_migrations_is_read_in_order(tmp_path: Path) -> None:
    for side in ("base", "head"):
        (tmp_path / side / "deep").mkdir(parents=True)
        plain(tmp_path / side, "001.sql", "create table t (a int, b int)")
    plain(tmp_path / "head" / "deep", "002.sql", "alter table t drop column b")
    found = changes(read_schemas(tmp_path / "base"), read_schemas(tmp_path / "head"))
    assert [(change.name, Path(str(change.file)).name) for change in found] == [("t.b", "002.sql")]
    (tmp_path / "none").mkdir()
    with pytest.raises(LineproofError, match="neither"):
        read_schemas(tmp_path / "none")


def test_avro_and_json_schema_are_read(tmp_path: Path) -> None:
    def avro(*fields: dict[str, Any]) -> dict[str, Any]:
        return {"type": "record", "namespace": "n", "name": "r", "fields": list(fields)}

    found = between(tmp_path, avro({"name": "a", "type": "int"}, {"name": "b", "type": "long"}), avro({"name": "a", "type": ["null", "int"]}))
    assert found == [("drop-column", "n.r.b", None), ("change-nullability", "n.r.a", "may be null from now on")]
    base = {"title": "orders", "type": "object", "properties": {"id": {"type": "integer"}, "at": {"type": "string"}}, "required": ["id", "at"]}
    head = {**base, "properties": {"id": {"type": "string"}, "at": {"type": ["string", "null"]}}}
    assert between(tmp_path, base, head) == [("retype-column", "orders.id", "integer → string"), ("change-nullability", "orders.at", "may be null from now on")]


@pytest.mark.parametrize("text", ["", "[]", "3", '{"a": 1}', "{", "[" * 100_000])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(LineproofError, match=r"f\.json") as caught:
        read_schemas(plain(tmp_path, "f.json", text))
    assert caught.value.code == "invalid-argument"
    with pytest.raises(LineproofError, match=r"f\.sql"):
        read_schemas(plain(tmp_path, "f.sql", "create table ((("))


def affected(**more: Any) -> dict[str, Any]:
    return {"kind": "DATASET", "urn": "urn:lineproof:dataset:n:b", "name": "b", "severity": "BREAKING", "use": "DIRECT", "owners": ["a|b@example.org"],
            "columns": ["x"], "binding": "FLOATING", "lastMaterialization": {"at": "2026-03-01T10:00:00Z", "status": "COMPLETE"}, "lastRun": None,
            "deployments": [{"environment": "production"}], "path": [0], **more}


def impact(*rows: dict[str, Any], complete: bool = True) -> dict[str, Any]:
    return {"computedAt": {"size": 5, "rootHash": "0" * 64}, "completeness": {"complete": complete, "reasons": [{"detail": "hidden <b>"}]},
            "affected": list(rows), "nodes": [{"urn": "urn:lineproof:column:n:a:x"}, {"urn": "urn:lineproof:column:n:b:x"}],
            "edges": [{"upstream": 0, "downstream": 1, "file": "b.sql", "line": 3}]}


COLUMN = Change("drop-column", "a", "x_y", file="models/a.sql", line=7)
TABLE = Change("drop-dataset", "<script>")


def test_the_report_counts_things_not_columns_and_escapes_what_others_wrote() -> None:
    checked = [Checked(COLUMN, impact(affected(), affected(kind="COLUMN"), affected(severity="POSSIBLE", urn=None), complete=False)),
               Checked(TABLE, None, "nothing *recorded*")]
    assert (breaking(checked), possible(checked)) == (1, 2)
    report = markdown(checked)
    assert "## Lineproof: 1 breaking, 2 possible" in report
    assert "drops the column a.x\\_y" in report
    row = "| breaking | dataset b (x) | computed from it | a\\|b@example.org | production | 2026-03-01 10:00:00Z (complete) | a.x → b.x (b.sql:3) |"
    assert row in report
    assert "\\<script\\>" in report
    assert "nothing \\*recorded\\*" in report
    assert "Not complete: hidden \\<b\\>" in report
    assert "no schema change" in markdown([])


def test_the_report_says_first_whether_it_may_go_in_and_whom_to_ask() -> None:
    minor = Checked(Change("change-values", "m"), impact(affected(severity="POSSIBLE", owners=["carol"], deployments=[])))
    major = Checked(COLUMN, impact(affected(urn="urn:lineproof:model-version:n:churn:3", kind="MODEL_VERSION")))
    unread = Checked(Change("drop-column", "a", "y"), impact(), mended=("w.m.b",))
    lines = markdown([minor, unread, major]).splitlines()
    assert lines[2] == ("**Kept out**: 1 of 3 changes (`--fail-on breaking`). Breaks what is live: churn@3 in production. "
                        "Owners to ask: a\\|b@example.org.")
    assert lines[6].startswith("| **drops the column a.x\\_y**<br>models/a.sql:7 | 1 | 0 | production |")  # the gravest first
    assert lines[7].startswith("| changes what is in m | 0 | 1 |")
    assert "Nothing recorded reads: drops the column a.y (no longer read by w.m.b)." in lines
    assert "May go in: none of 3 changes is kept out (`--fail-on never`)." in markdown([minor, unread, major], FailOn.never)
    opened = markdown([major])
    assert "<details open>" in opened
    assert "<details open>" not in "\n".join(lines)


def test_steps_carry_the_place_of_their_code_with_a_link_where_the_host_shows_it() -> None:
    found = impact(affected(path=[0, 1]))
    found["nodes"].append({"urn": "urn:lineproof:column:n:c:x"})
    found["edges"][0]["commit"] = "urn:lineproof:commit:github.com%2Facme%2Fshop:0a1b"
    found["edges"].append({"upstream": 1, "downstream": 2, "file": "sub dir/c_.sql", "line": 9, "commit": "urn:lineproof:commit:git.example%2Fa%2Fb:0a1b"})
    assert ("| a.x → b.x ([b.sql:3](https://github.com/acme/shop/blob/0a1b/b.sql#L3)) → c.x (sub dir/c\\_.sql:9) |") in markdown([Checked(COLUMN, found)])


def test_a_report_of_many_changes_fits_into_a_comment_and_says_what_it_leaves_out() -> None:
    many = [Checked(Change("drop-column", f"t{number}", "c"), impact(*(affected(name=f"reader {each}") for each in range(60)))) for number in range(200)]
    report = markdown(many)
    assert len(report) < 65_536
    assert "| … 170 more changes | 10200 | 0 | | |" in report
    assert "more changes do not fit here" in report
    assert report.count("<details") == report.count("</details>")


def test_a_policy_says_what_is_kept_out() -> None:
    broken = Checked(COLUMN, impact(affected(deployments=[])))
    live = Checked(COLUMN, impact(affected()))
    consumer = Checked(COLUMN, impact(affected(deployments=[], kind="CONSUMER")))
    perhaps = Checked(COLUMN, impact(affected(severity="POSSIBLE")))
    unknown, unread = Checked(TABLE, None), Checked(COLUMN, impact())
    every = [broken, live, consumer, perhaps, unknown, unread]
    kept_out = {policy: [each for each in every if fails(each, policy)] for policy in FailOn}
    assert kept_out == {FailOn.breaking: [broken, live, consumer], FailOn.live: [live, consumer], FailOn.possible: every[:5], FailOn.never: []}


def test_sarif_puts_each_change_where_it_is_made() -> None:
    document = json.loads(sarif([Checked(COLUMN, impact(affected())), Checked(TABLE, None), Checked(COLUMN, impact())], "1.2", "target/manifest of.json"))
    (run,) = document["runs"]
    assert document["version"] == "2.1.0"
    assert [run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] for result in run["results"]] == [result["ruleId"] for result in run["results"]]
    first, second, third = run["results"]
    assert (first["level"], second["level"], third["level"]) == ("error", "warning", "note")
    assert first["locations"] == [{"physicalLocation": {"artifactLocation": {"uri": "models/a.sql"}, "region": {"startLine": 7}}}]
    assert first["relatedLocations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "b.sql"}
    assert "dataset b, live in production" in first["message"]["text"]
    assert second["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "target/manifest%20of.json"}
    assert first["partialFingerprints"] == third["partialFingerprints"] != second["partialFingerprints"]


def test_sarif_tells_statements_apart_and_a_change_by_its_name_wherever_it_moves() -> None:
    statements = [Change("not-followed", "", None, text, "a.sql", 1) for text in ("exec p 'drop a'", "exec p 'drop b'")]
    moved = Change("drop-column", "a", "x_y", file="models/moved.sql", line=70)
    run = json.loads(sarif([Checked(each, None) for each in (*statements, COLUMN, moved)], "1.2", "."))["runs"][0]
    prints = [result["partialFingerprints"]["lineproofChange/v1"] for result in run["results"]]
    assert len(set(prints)) == 3
    assert prints[2] == prints[3]


def test_junit_fails_what_the_policy_keeps_out_and_survives_any_name() -> None:
    named = Change("drop-column", 'a"<&\x00\x1b', "x]]>")
    suite = ElementTree.fromstring(junit([Checked(named, impact(affected())), Checked(TABLE, None)], FailOn.breaking))[0]
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    first, second = suite
    failure = first.find("failure")
    assert failure is not None
    assert "1 breaking" in str(failure.get("message"))
    assert first.get("classname") == 'a"<&\ufffd\ufffd'
    assert second.find("failure") is None
