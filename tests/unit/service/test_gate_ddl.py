"""The gate on SQL scripts: what statements take away, in the spellings of several dialects, and nothing of it in silence."""
from __future__ import annotations

import json
from pathlib import Path

import pytest

from lineproof_schema.errors import LineproofError
from metadata_service.gate.changes import changes
from metadata_service.gate.formats import sarif
from metadata_service.gate.read import read_schemas
from metadata_service.gate.schemas import Change
from metadata_service.gate.verdict import Checked

A = "create table s.a (id int not null, x int, y varchar(10)); create view s.v as select id, x as xx from s.a where y = 'k'"
T = "create table t (x int, y int)"


def between(folder: Path, base: str, head: str, dialect: str | None) -> list[Change]:
    for name, text in (("base.sql", base), ("head.sql", head)):
        (folder / name).write_text(text)
    return changes(read_schemas(folder / "base.sql", dialect), read_schemas(folder / "head.sql", dialect))


@pytest.mark.parametrize(("dialect", "base", "added", "taken"), [
    ("postgres", A, "ALTER TABLE S.A DROP COLUMN X", ["drop-column s.a.x"]),
    ("postgres", A, 'alter table "s"."a" drop column if exists "x", drop column y', ["drop-column s.a.x", "drop-column s.a.y"]),
    ("postgres", A, "alter table if exists s.a drop column if exists nowhere", []),
    ("postgres", A, "alter table s.a rename x to z", ["drop-column s.a.x renamed to z"]),
    ("postgres", A, "alter table s.a alter x type smallint using x::smallint", ["retype-column s.a.x INT → SMALLINT"]),
    ("postgres", A, "alter table s.a alter column x set data type integer", []),
    ("postgres", A, "alter table s.a alter column x set not null", ["change-nullability s.a.x never null from now on"]),
    ("postgres", A, "drop table if exists S.A cascade", ["drop-dataset s.a"]),
    ("postgres", A, "drop schema s cascade", ["drop-dataset s.a", "drop-dataset s.v"]),
    ("postgres", A, "alter view s.v rename to w", ["drop-dataset s.v renamed to s.w"]),
    ("postgres", A, "-- alter table s.a drop column x\n/* drop table s.a */ grant select on s.a to bob; create index i on s.a (x)", []),
    ("postgres", A, "begin; alter table a drop column x; commit", ["drop-column s.a.x"]),
    ("postgres", A, "create or replace view s.v as select id, x as xx from s.a where y = 'm'", ["change-values s.v which rows it has may change"]),
    ("postgres", A, "create temporary table a (k int); alter table s.a owner to bob; alter table s.a add primary key (id)", []),
    ("postgres", A, "do $$ begin alter table s.a drop column x; end $$",
     ["not-followed  DO $$ begin alter table s.a drop column x; end $$"]),
    ("postgres", T, "alter table t drop column nobody_has_it; alter table t drop y", ["drop-column t.y"]),
    ("mysql", T, "alter table t change column x xx int", ["drop-column t.x renamed to xx"]),
    ("mysql", T, "alter table t modify x bigint", ["retype-column t.x INT → BIGINT"]),
    ("mysql", T, "rename table t to u, nobody to somebody", ["drop-dataset nobody renamed to somebody", "drop-dataset t renamed to u"]),
    ("snowflake", T + "; create table u (x int)", "alter table t swap with u", ["drop-column t.y"]),
    ("snowflake", T, "alter table t drop column x, y", ["drop-column t.x", "drop-column t.y"]),
    ("spark", T, "alter table t drop columns (x, y)", ["drop-column t.x", "drop-column t.y"]),
    ("duckdb", T, "alter table t drop x", ["drop-column t.x"]),
    ("tsql", T, "exec sp_rename 't.x', 'z', 'COLUMN'", ["drop-column t.x renamed to z"]),
    ("tsql", T, "exec sys.sp_rename @objname = N'[t].[x]', @newname = N'z', @objtype = N'COLUMN'", ["drop-column t.x renamed to z"]),
    ("tsql", T, "exec sp_rename 't', 'u'; exec sp_rename 'u.i', 'j', 'INDEX'", ["drop-dataset t renamed to u"]),
    ("tsql", T, "exec sp_rename @table, 'u'", ["not-followed  EXECUTE sp_rename @table, 'u'"]),
    ("tsql", T, "alter table t drop column x, column y", ["drop-column t.x", "drop-column t.y"]),
    ("tsql", T + "\nGO\ncreate table u (x int)\ngo\n", "alter schema old transfer dbo.u\nGO", ["drop-dataset u renamed to old.u"]),
    ("tsql", T + "; create view v as select x, y from t", "alter view v as select x from t", ["drop-column v.y"]),
    ("tsql", T + "; select x, y into u from t", "drop table u; select x into u from t; select y into #here from t", ["drop-column u.y"]),
    ("postgres", A, "alter table s.a set schema k; alter view s.v set schema k; alter table k.a set schema s", ["drop-dataset s.v renamed to k.v"]),
    ("postgres", A, "alter materialized view s.v rename to w; alter foreign table s.a drop column x", ["drop-dataset s.v renamed to s.w", "drop-column s.a.x"]),
    ("postgres", A, "alter table s.a alter column x set statistics 9, drop column y, owner to bob", ["drop-column s.a.y"]),
    ("postgres", A, "do $$ begin alter table s.a drop constraint k; alter table s.a drop column x; end $$",
     ["not-followed  DO $$ begin alter table s.a drop constraint k; alter table s.a drop column x; end $$"]),
    ("postgres", A, "\\connect other\ndrop table s.a;\n-- +goose Down\ndrop view s.v", ["drop-dataset s.a"]),
    ("postgres", A, "-- migrate:down\ndrop view s.v;\n-- migrate:up\ndrop table s.a", ["drop-dataset s.a"]),
    ("postgres", "create foreign table f (x int) server k",
     "drop foreign table f; create foreign table f (z int) server k", ["change-values f its code changed"]),
    ("postgres", "create table t (x int, y int generated always as (x * 2) stored)",
     "drop table t; create table t (x int, y int generated always as (x * 3) stored)",
     ["change-values t.y GENERATED ALWAYS AS (x * 2) STORED → GENERATED ALWAYS AS (x * 3) STORED"]),
    ("bigquery", T, "alter table t rename column x to z, rename column y to k", ["drop-column t.x renamed to z", "drop-column t.y renamed to k"]),
    ("snowflake", T, "create or replace table t clone nobody_knows_it", ["change-values t its code changed; whether its columns did is not known"]),
    ("spark", T, "alter table t replace columns (x int)", ["drop-column t.y"]),
    ("spark", T, "drop database nobody; alter table t add partition (p=1), drop partition (p=2)", []),
    ("spark", "create table t (s struct<a: int, b: int>)", "alter table t drop column s.a", ["not-followed  ALTER TABLE t DROP COLUMN s.a"]),
    ("hive", "create table t (x int) partitioned by (d date)", "drop table t; create table t (x int)", ["drop-column t.d"]),
    ("duckdb", T + "; create macro f(a) as a * 2; create macro f(a, b) as a + b", "create or replace macro f(a) as a * 3; create macro g() as 1",
     ["not-followed  CREATE OR REPLACE MACRO f(a) AS a * 3"]),
    ("postgres", "create domain d as int; create type k as enum ('x', 'y'); create function f() returns int language sql as $$ select 1 $$",
     "create or replace function f() returns int language sql as $$ select 1 $$; drop domain d; create domain d as text",
     ["not-followed  create domain d as text", "not-followed  drop domain d"]),
    ("spark", T, "alter table t change column y z int", ["drop-column t.y renamed to z"]),
    ("databricks", "create table t deep clone u", "create or replace table t deep clone w", ["change-values t its code changed"]),
    ("snowflake", "create table t (x int) as select 1",
     "create stream k on table t; create or replace table t (x int) as select 2", ["change-values t.x 1 → 2"]),
    ("bigquery", T, "create or replace table t as select * except (y) from t", ["drop-column t.y"]),
    ("tsql", "create procedure p as begin select 1 end\nGO\n" + T, "drop table t\nGO\ncreate procedure q as begin select 2 end\nGO\ncreate table t (x int)",
     ["drop-column t.y"]),
    ("mysql", "create table t (x tinyint(1))", "drop table if exists t; create table t (x boolean)", []),
    ("oracle", T, "alter table t modify (x number(5))", ["not-followed  alter table t modify (x number(5))"])])
def test_what_a_migration_takes_away(tmp_path: Path, dialect: str, base: str, added: str, taken: list[str]) -> None:
    found = between(tmp_path, base, f"{base};\n{added}", dialect)
    assert [f"{change.kind} {change.name} {change.detail or ''}".rstrip() for change in found] == taken


@pytest.mark.parametrize(("dialect", "base", "head"), [
    ("postgres", "create table A (X int, y varchar(10), z decimal(10,2))", "create table a (x INTEGER, Y character varying(10), z numeric(10, 2))"),
    ("snowflake", "create table d.s.a (x number(38,0), y string)", "create or replace table D.S.A (X NUMBER, Y VARCHAR)"),
    ("bigquery", "create table `p.d.a` (x int64, s struct<a int64>)", "create table p.d.a (x integer, s struct<a integer>)"),
    ("mysql", "create table `a` (`x` int(11) primary key)", "create table a (x int, primary key (x))"),
    ("duckdb", "create table a (s struct(a int, b varchar)); create view v as select * from a",
     "create table a (s struct(a int4, b text), new int); create view v as select * from a")])
def test_the_same_table_in_other_words_is_no_change(tmp_path: Path, dialect: str, base: str, head: str) -> None:
    assert between(tmp_path, base, head, dialect) == []


def test_a_view_that_selects_all_loses_what_its_table_loses(tmp_path: Path) -> None:
    view = "; create view v as select * from t"
    assert [change.name for change in between(tmp_path, T + view, "create table t (x int)" + view, "duckdb")] == ["t.y", "v.y"]


def test_statements_on_tables_that_nothing_here_made_are_told(tmp_path: Path) -> None:
    head = ("alter table s.a drop column x; alter table s.a rename column p to q; alter table s.a alter column z type int; drop table s.b; "
            "alter table s.c rename to d; drop table if exists s.e; alter table s.a add column more int")
    found = between(tmp_path, "", head, "postgres")
    assert [f"{change.kind} {change.name} {change.detail or ''}".rstrip() for change in found] == [
        "drop-dataset s.b", "drop-dataset s.c renamed to d", "drop-dataset s.e",
        "drop-column s.a.p renamed to q", "drop-column s.a.x", "retype-column s.a.z to INT"]
    assert between(tmp_path, head, head, "postgres") == []


def test_a_statement_that_cannot_be_followed_is_compared_to_its_end(tmp_path: Path) -> None:
    block = f"do $$ begin {'perform now(); ' * 20} alter table t drop column %s; end $$"
    [found] = between(tmp_path, f"{T}; {block % 'x'}", f"{T}; {block % 'y'}", "postgres")
    assert found.kind == "not-followed"
    assert "drop column y" in str(found.detail)
    assert len(str(found.told)) < 210
    both = between(tmp_path, T, f"{T}; {block % 'x'}; {block % 'y'}", "postgres")
    results = json.loads(sarif([Checked(each, None) for each in both], "1", "head.sql"))["runs"][0]["results"]
    assert len({json.dumps(each["partialFingerprints"]) for each in results}) == 2


def test_a_dump_that_drops_what_it_makes_again_drops_nothing(tmp_path: Path) -> None:
    dump = "drop table if exists {0}; create table {0} (x int); lock tables {0} write; unlock tables;"
    assert between(tmp_path, dump.format("b"), dump.format("a") + dump.format("b"), "mysql") == []


def test_a_change_stands_at_its_line(tmp_path: Path) -> None:
    found = between(tmp_path, T, f"{T};\n\nalter table t\n  rename column x to z;\nalter table t alter column y type text", "postgres")
    assert [(change.name, change.line) for change in found] == [("t.x", 4), ("t.y", 5)]


def test_a_dialect_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LineproofError, match=r"no dialect is called 'klingon'.*postgres"):
        between(tmp_path, T, T, "klingon")
