"""Which tables a statement reads and writes, whatever is known of their columns."""
from __future__ import annotations

import pytest

from ingest_hooks.sql import column_lineage


@pytest.mark.parametrize(("dialect", "sql", "reads", "writes"), [
    ("postgres", "with a as (select * from far), b as (select * from a) select id from near", {"near"}, None),
    ("postgres", "with a as (select * from far), b as (select * from a) insert into kept select b.id from b", {"far"}, "kept"),
    ("postgres", "with far as (select id from far) select id from far", {"far"}, None),
    ("postgres", "with gone as (delete from far returning id) select id from near", {"far", "near"}, None),
    ("snowflake", "with a as (with b as (select * from far) select * from near) select * from a", {"near"}, None),
    ("spark", "create function plus_one as 'org.example.PlusOne'", set(), None),
    ("snowflake", "create sequence numbers", set(), None),
    ("postgres", "create schema shop", set(), None),
    ("postgres", "create table kept (id int)", set(), "kept"),
    ("spark", "create table kept like far", {"far"}, "kept"),
    ("postgres", "create table kept (like far including all, more int)", {"far"}, "kept"),
    ("postgres", "alter table shop.far rename to kept", {"shop.far"}, "shop.kept"),
    ("postgres", "alter table kept add column more int", set(), "kept"),
    ("postgres", "drop table if exists kept", set(), "kept"),
    ("snowflake", "truncate table kept", set(), "kept"),
    ("snowflake", "delete from identifier($which)", set(), None),
    ("bigquery", "delete shop.kept where true", {"shop.kept"}, "shop.kept"),
    ("postgres", "insert into kept values (1, (select max(id) from far))", {"far"}, "kept"),
    ("postgres", "values (1, (select max(id) from far))", {"far"}, None),
    ("tsql", "select id into kept from far union all select id from near", {"far", "near"}, "kept"),
])
def test_what_is_read_and_written(dialect: str, sql: str, reads: set[str], writes: str | None) -> None:
    found = column_lineage(sql, dialect=dialect, schema=None)
    assert (set(found.inputs), found.target) == (reads, writes)


def test_tables_that_are_there_for_nobody_else_are_looked_through() -> None:
    sql = "create table dear as select id from far; insert into kept select id from dear"
    assert column_lineage(sql, dialect="postgres", schema=None, output="kept").inputs == ("dear",)
    assert column_lineage(sql, dialect="postgres", schema=None, output="kept", own=["Dear"]).inputs == ("far",)


def test_a_table_that_is_asked_for_is_not_looked_through() -> None:
    sql = "create table dear as select id from far; insert into kept select id from dear"
    found = column_lineage(sql, dialect="postgres", schema=None, output="dear", own=["dear"])
    assert (found.target, found.inputs) == ("dear", ("far",))
