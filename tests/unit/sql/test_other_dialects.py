"""Dialects without a corpus of their own: what their statements say, told alike."""
from __future__ import annotations

import pytest
import sqlglot

from ingest_hooks.sql import column_lineage


@pytest.mark.parametrize(("dialect", "sql", "writes", "expected"), [
    ("databricks", "create or refresh streaming table lit as select s.id, k.hue from stream(raw.bulbs) s join kinds k on k.kind = s.kind", "lit",
     {("id", "raw.bulbs.id"), ("hue", "kinds.hue")}),
    ("databricks", "use catalog main; use shop; insert into sold select id from carts", "main.shop.sold", {("id", "main.shop.carts.id")}),
    ("mysql", "update lamps l join kinds k on k.kind = l.kind set l.hue = k.hue, k.seen = l.lit", "lamps", {("hue", "kinds.hue")}),
    ("mysql", "replace into lamps (id) select id from shelf", "lamps", {("id", "shelf.id")}),
    ("redshift", "create temp table work (like lamps); insert into work (hue) select hue from kinds; insert into lit select hue from work", "lit",
     {("hue", "kinds.hue")}),
    ("redshift", "unload ('select id, ''x'' as x from lamps') to 's3://out/lamps_'", "s3://out/lamps_", {("id", "lamps.id")}),
    ("tsql", "update l set l.hue = k.hue from kinds k join dbo.lamps l on l.kind = k.kind", "dbo.lamps", {("hue", "kinds.hue")}),
    ("tsql", "update lamps set hue = k.hue from lamps join kinds k on k.kind = lamps.kind", "lamps", {("hue", "kinds.hue")}),
    ("tsql", "select id, hue into #work from lamps; update w set w.hue = k.hue from #work w join kinds k on k.id = w.id; "
     "insert into lit (id, hue) select id, hue from #work", "lit", {("id", "lamps.id"), ("hue", "lamps.hue"), ("hue", "kinds.hue")}),
    ("tsql", "use shop\ngo\ncreate view dbo.lit as\nselect id from lamps\ngo\ngrant select on dbo.lit to public\ngo 2\n", "shop.dbo.lit", {("id", "lamps.id")}),
    ("tsql", "create function dbo.of(@kind int) returns table as return (select id, hue from lamps where kind = @kind);\ngo\n"
     "select w.hue into lit from dbo.of(3) w", "lit", {("hue", "lamps.hue")}),
    ("tsql", "exec('create view dbo.work as select id, hue + ''!'' as hue from lamps'); select * into dbo.lit from dbo.work; exec('drop view dbo.work')",
     "dbo.lit", {("id", "lamps.id"), ("hue", "lamps.hue")}),
    ("redshift", "ALTER TABLE lit\n  APPEND FROM lamps ignoreextra", "lit", {("id", "lamps.id"), ("kind", "lamps.kind"), ("hue", "lamps.hue")}),
    ("hive", "from lamps insert overwrite table lit select id insert overwrite table dark select hue where kind = 0", "dark", {("hue", "lamps.hue")}),
])
def test_values_are_told_from_where_they_come(dialect: str, sql: str, writes: str, expected: set[tuple[str, str]]) -> None:
    found = column_lineage(sql, dialect=dialect, schema={"lamps": {"id": "INT", "kind": "INT", "hue": "INT"}}, output=writes)
    assert (found.target or "").casefold() == writes
    assert {(column.name, f"{item.table}.{item.column}") for column in found.outputs for item in column.inputs if item.type == "DIRECT"} == expected
    assert found.status == ("partial" if found.statement == "update" else "complete")


def test_every_table_that_one_update_changes_is_told() -> None:
    sql = "update lamps l join kinds k on k.kind = l.kind set l.hue = k.hue, k.seen = l.lit"
    found = column_lineage(sql, dialect="mysql", schema=None, output="kinds")
    assert [(column.name, {f"{item.table}.{item.column}" for item in column.inputs if item.type == "DIRECT"}) for column in found.outputs] == [
        ("seen", {"lamps.lit"})]


def test_what_the_parser_cannot_read_is_in_the_answer_and_in_nobody_s_log(caplog: pytest.LogCaptureFixture) -> None:
    unread = "alter table lamps shine brighter"
    assert column_lineage(unread, dialect="postgres", schema=None).status == "unknown"
    assert caplog.records == []
    sqlglot.parse(unread, read="postgres")
    assert "unsupported syntax" in caplog.text, "whoever else parses with it hears it as before"
