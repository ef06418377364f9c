from __future__ import annotations

import pytest

from ingest_hooks import facets
from ingest_hooks.sql import InputColumn, OutputColumn, SqlLineage, column_lineage

SCHEMA = {
    "db.main.flights": {"id": "INTEGER", "dep": "TIMESTAMP", "arr": "TIMESTAMP", "delay": "INTEGER", "carrier": "VARCHAR"},
    "db.main.weather": {"origin": "VARCHAR", "seen": "TIMESTAMP", "wind_speed": "DOUBLE"},
    "db.other.flights": {"id": "INTEGER", "note": "VARCHAR"},
}
FLIGHTS, WEATHER = "db.main.flights", "db.main.weather"


def lineage(sql: str, output: str | None = None) -> SqlLineage:
    return column_lineage(sql, dialect="duckdb", schema=SCHEMA, output=output)


def direct(column: OutputColumn) -> set[tuple[str, str, str]]:
    return {(item.table, item.column, item.subtype) for item in column.inputs if item.type == "DIRECT"}


def named(found: SqlLineage) -> dict[str, OutputColumn]:
    return {column.name: column for column in found.outputs}


def test_subtypes_follow_the_value_through_ctes() -> None:
    found = lineage("""with base as (
      select carrier, delay as d, case when carrier = 'UA' then delay else 0 end as ua from main.flights)
    select carrier as c, d * 2 as twice, sum(d) as total, max(ua) as ua, count(*) as n, 1 as one from base group by carrier""")
    columns = named(found)
    assert found.status == "complete"
    assert direct(columns["c"]) == {(FLIGHTS, "carrier", "IDENTITY")}
    assert direct(columns["twice"]) == {(FLIGHTS, "delay", "TRANSFORMATION")}
    assert direct(columns["total"]) == {(FLIGHTS, "delay", "AGGREGATION")}
    assert direct(columns["ua"]) == {(FLIGHTS, "delay", "AGGREGATION")}
    assert InputColumn(FLIGHTS, "carrier", "INDIRECT", "CONDITIONAL") in columns["ua"].inputs
    assert (direct(columns["n"]), columns["n"].reason, columns["one"].reason) == (set(), "row-count", "constant")
    assert found.row_inputs == (InputColumn(FLIGHTS, "carrier", "INDIRECT", "GROUP_BY"),)
    assert all(found.row_inputs[0] in column.inputs for column in found.outputs)


def test_clauses_that_pick_rows_are_indirect() -> None:
    found = lineage("""select f.id from flights f join weather w on w.seen <= f.dep
      where f.carrier <> 'XX' and exists (select 1 from db.other.flights o where o.id = f.id)
      qualify row_number() over (partition by f.id order by w.seen desc) = 1 order by f.delay""".replace("from flights", "from main.flights"))
    rows = {(item.table, item.column, item.subtype) for item in found.row_inputs}
    assert {(WEATHER, "seen", "JOIN"), (FLIGHTS, "dep", "JOIN"), (FLIGHTS, "carrier", "FILTER"), ("db.other.flights", "id", "FILTER"),
            (WEATHER, "seen", "FILTER"), (FLIGHTS, "delay", "SORT")} <= rows
    assert found.inputs == (FLIGHTS, WEATHER, "db.other.flights")


@pytest.mark.parametrize(("clause", "expected"), [
    ("group by carrier having max(delay) > 3", {("carrier", "GROUP_BY"), ("delay", "FILTER")}),
    ("group by all", {("carrier", "GROUP_BY")}),
    ("where delay > 3 group by 1", {("delay", "FILTER"), ("carrier", "GROUP_BY")}),
    ("group by carrier order by n", {("carrier", "GROUP_BY"), ("id", "SORT")}),
])
def test_each_clause_has_its_subtype(clause: str, expected: set[tuple[str, str]]) -> None:
    found = lineage(f"select carrier, count(id) as n from main.flights {clause}")
    assert {(item.column, item.subtype) for item in found.row_inputs} == expected


def test_windows_show_partition_and_order_as_indirect_and_the_frame_as_written() -> None:
    found = lineage("""select avg(delay) over (partition by carrier order by arr
      range between interval 7 days preceding and interval 2 hours preceding) as trailing from main.flights""")
    column = found.outputs[0]
    assert direct(column) == {(FLIGHTS, "delay", "AGGREGATION")}
    assert {(item.column, item.subtype) for item in column.inputs if item.type == "INDIRECT"} == {("carrier", "WINDOW"), ("arr", "WINDOW")}
    frame = found.window_frames[0]
    assert (frame.partition_by, frame.order_by, frame.line, frame.column) == (("flights.carrier",), ("flights.arr",), 1, 8)
    assert frame.frame is not None
    assert "'7' DAYS preceding" in frame.frame


def test_a_named_window_counts_where_it_is_used() -> None:
    found = lineage("select sum(delay) over w as s from main.flights window w as (partition by carrier order by arr rows 3 preceding)")
    assert {(item.column, item.subtype) for item in found.outputs[0].inputs} == {("delay", "AGGREGATION"), ("carrier", "WINDOW"), ("arr", "WINDOW")}
    assert found.window_frames[0].order_by == ("flights.arr",)


def test_positions_are_those_of_the_first_character_of_the_item_that_makes_the_value() -> None:
    found = lineage("with a as (\n  select id, -- first\n    (delay +\n      1) * 2 as later,\n    'é' as é,   case when id > 1 then delay end as c\n"
                    "  from main.flights\n), b as (select * from a)\nselect b.* , id + 1 as next from b")
    columns = named(found)
    later = columns["later"]
    assert (later.expression, later.line, later.column, later.end_line) == ("(delay + 1) * 2", 3, 5, 4)
    assert [(step.name, step.line, step.column) for step in later.steps] == [("later", 8, 8), ("later", 7, 17), ("later", 3, 5)]
    assert (columns["c"].line, columns["c"].column, columns["c"].expression) == (5, 17, "case when id > 1 then delay end")
    assert (columns["next"].line, columns["next"].column) == (8, 14)


def test_crlf_counts_once() -> None:
    found = lineage("select id,\r\n  delay as d\r\nfrom main.flights")
    assert (found.outputs[1].line, found.outputs[1].column) == (2, 3)


def test_a_star_over_a_base_table_points_to_the_star() -> None:
    column = lineage("select\n  w.*\nfrom weather w").outputs[2]
    assert (column.name, column.via_star, column.line, column.column, column.expression) == ("wind_speed", True, 2, 3, "*")
    assert direct(column) == {(WEATHER, "wind_speed", "IDENTITY")}


def test_a_column_passed_through_stars_points_to_the_innermost_item_that_names_it() -> None:
    column = lineage("with a as (select * from main.flights),\nb as (\n  select id,\n    delay from a)\nselect * from b").outputs[1]
    assert (column.name, column.line, column.column, column.expression, column.via_star) == ("delay", 4, 5, "delay", False)


def test_exclude_and_replace_in_a_star() -> None:
    found = lineage("select * exclude (origin) replace (wind_speed * 0.44 as wind_speed) from weather")
    column = named(found)["wind_speed"]
    assert list(named(found)) == ["seen", "wind_speed"]
    assert direct(column) == {(WEATHER, "wind_speed", "TRANSFORMATION")}
    assert (column.line, column.column) == (1, 36)


def test_an_unknown_star_is_unknown_and_says_so() -> None:
    found = lineage("select * from nowhere")
    assert (found.status, found.outputs[0].status, found.reasons) == ("unknown", "unknown", ("star-unresolved:nowhere",))


def test_a_column_through_a_star_over_one_unknown_table_is_still_found() -> None:
    assert direct(lineage("select a from (select * from nowhere)").outputs[0]) == {("nowhere", "a", "IDENTITY")}


def test_an_unqualified_column_of_two_unknown_tables_is_ambiguous_not_lost() -> None:
    found = lineage("select a, w.wind_speed from nowhere join elsewhere using (k) join weather w on true")
    assert found.outputs[0].status == "unknown"
    assert found.outputs[0].reason == "ambiguous-column:a"
    assert found.status == "partial"


def test_cte_before_insert_is_no_base_table() -> None:
    found = lineage("with c as (select id, delay from main.flights) insert into target (a, b) select id, delay + 1 from c")
    assert (found.inputs, found.output, [column.name for column in found.outputs]) == ((FLIGHTS,), "target", ["a", "b"])
    assert direct(found.outputs[1]) == {(FLIGHTS, "delay", "TRANSFORMATION")}


def test_output_names_come_from_the_written_table_by_position() -> None:
    found = lineage("select count(*), min(origin), max(wind_speed) from weather", output="db.main.weather")
    assert [column.name for column in found.outputs] == ["origin", "seen", "wind_speed"]


def test_same_table_name_in_two_schemas_does_not_mix() -> None:
    found = lineage("select a.id, b.note from main.flights a join other.flights b on a.id = b.id")
    assert direct(found.outputs[0]) == {(FLIGHTS, "id", "IDENTITY")}
    assert direct(found.outputs[1]) == {("db.other.flights", "note", "IDENTITY")}


def test_columns_named_with_their_schema() -> None:
    assert direct(lineage("select main.flights.id from main.flights").outputs[0]) == {(FLIGHTS, "id", "IDENTITY")}


def test_unions_join_by_position() -> None:
    found = lineage("select id as x from main.flights union all select id from other.flights")
    assert direct(found.outputs[0]) == {(FLIGHTS, "id", "IDENTITY"), ("db.other.flights", "id", "IDENTITY")}


def test_lateral_aliases_and_scalar_subqueries() -> None:
    found = lineage("select delay as a, a + 1 as b, (select max(wind_speed) from weather where seen < f.dep) as w from main.flights f")
    columns = named(found)
    assert direct(columns["b"]) == {(FLIGHTS, "delay", "TRANSFORMATION")}
    assert direct(columns["w"]) == {(WEATHER, "wind_speed", "AGGREGATION")}
    assert {(item.table, item.column) for item in columns["w"].inputs if item.type == "INDIRECT"} == {(WEATHER, "seen"), (FLIGHTS, "dep")}


def test_lateral_joins_and_pivots() -> None:
    lateral = lineage("select d.v from main.flights f, lateral (select wind_speed as v from weather where seen < f.dep) d")
    assert direct(lateral.outputs[0]) == {(WEATHER, "wind_speed", "IDENTITY")}
    pivot = lineage("select p.UA from main.flights pivot (sum(delay) for carrier in ('UA')) p")
    assert direct(pivot.outputs[0]) == {(FLIGHTS, "delay", "AGGREGATION")}
    assert InputColumn(FLIGHTS, "carrier", "INDIRECT", "CONDITIONAL") in pivot.outputs[0].inputs


def test_a_recursive_cte_is_followed_until_nothing_new_comes() -> None:
    found = lineage("with recursive r as (select id, delay from main.flights union all select id, delay + 1 from r where delay < 9) select delay from r")
    assert found.status == "complete"
    assert direct(found.outputs[0]) == {(FLIGHTS, "delay", "IDENTITY"), (FLIGHTS, "delay", "TRANSFORMATION")}
    assert InputColumn(FLIGHTS, "delay", "INDIRECT", "FILTER") in found.row_inputs


@pytest.mark.parametrize(("sql", "status", "reason"), [
    ("update main.flights set delay = w.wind_speed + 1 from weather w where w.seen = dep", "partial", "update-keeps-other-values"),
    ("merge into main.flights t using weather w on t.dep = w.seen when matched then update set delay = w.wind_speed", "partial", "merge-keeps-other-values"),
    ("delete from main.flights", "partial", "statement:delete"),
    ("create table x (a int)", "unknown", "no-query"),
    ("insert into x values (1)", "complete", None),
    ("selec 1 from", "unknown", "not-parsed"),
    ("select 'unclosed", "unknown", "not-parsed"),
    ("call something()", "unknown", "statement:"),
    ("", "unknown", "empty"),
])
def test_what_cannot_be_followed_says_so(sql: str, status: str, reason: str | None) -> None:
    found = lineage(sql)
    assert found.status == status
    if reason is None:
        assert found.reasons == ("literal-values",) or found.reasons == ()
    else:
        assert any(said.startswith(reason) for said in found.reasons)


def test_update_and_merge_still_show_what_they_assign() -> None:
    update = lineage("update main.flights set delay = w.wind_speed + 1 from weather w where w.seen = dep")
    assert direct(update.outputs[0]) == {(WEATHER, "wind_speed", "TRANSFORMATION")}
    merge = lineage("merge into main.flights t using weather w on t.dep = w.seen when matched then update set delay = w.wind_speed * 2 "
                    "when not matched then insert (id, delay) values (1, w.wind_speed)")
    assert direct(named(merge)["delay"]) == {(WEATHER, "wind_speed", "TRANSFORMATION"), (WEATHER, "wind_speed", "IDENTITY")}


def test_several_statements_read_the_one_that_writes_the_output() -> None:
    found = lineage("create temp table s as select id from main.flights; create table target as select delay from main.flights; select 1", output="target")
    assert (found.status, [column.name for column in found.outputs]) == ("complete", ["delay"])
    assert lineage("create table a as select 1; create table b as select id from main.flights").reasons == ("several-outputs",)
    assert any(reason.startswith("not-parsed") for reason in lineage("selec id frm x; create table b as select id from main.flights").reasons)


def test_an_unknown_dialect_is_a_reason_not_an_error() -> None:
    assert column_lineage("select 1", dialect="klingon", schema=None).status == "unknown"


def test_two_hundred_columns_over_five_ctes() -> None:
    names = [f"c{number}" for number in range(200)]
    ctes = ["a0 as (select " + ", ".join(f"{name} + 1 as {name}" for name in names) + " from big)"]
    ctes += [f"a{step} as (select " + ", ".join(f"coalesce({name}, 0) as {name}" for name in names) + f" from a{step - 1})" for step in range(1, 5)]
    sql = "with " + ", ".join(ctes) + " select * from a4"
    found = column_lineage(sql, dialect="duckdb", schema={"big": dict.fromkeys(names, "INTEGER")})
    assert found.status == "complete"
    assert [direct(column) for column in found.outputs] == [{("big", name, "TRANSFORMATION")} for name in names]


def test_the_facet_says_that_a_value_is_masked() -> None:
    facet = facets.column_lineage(lineage("select md5(carrier) as h, carrier from main.flights"), lambda table: ("db", table))
    uses = {name: field["inputFields"][0]["transformations"] for name, field in facet["fields"].items()}
    assert uses == {"h": [{"type": "DIRECT", "subtype": "TRANSFORMATION", "masking": True}], "carrier": [{"type": "DIRECT", "subtype": "IDENTITY"}]}


@pytest.mark.parametrize("nested", ["case when {} > 1 then delay else 0 end", "greatest({}, 1)", "coalesce({}, 0)", "({} + sum(delay) over (order by arr))",
                                    "(select max({}) from weather)"])
def test_an_expression_nested_forty_times_is_read_as_often_as_it_is_written(nested: str) -> None:
    value = "id"
    for _ in range(40):
        value = nested.format(value)
    found = lineage(f"select {value} as x from main.flights")
    assert found.status == "complete"
    assert (FLIGHTS, "id") in {(item.table, item.column) for item in found.outputs[0].inputs}


def test_long_statements_are_followed_to_their_end() -> None:
    """Chains of operators, branches, CTEs and temporary tables far longer than Python's stack is deep."""
    long = range(1, 2_000)
    ors = lineage(f"select id from main.flights where {' or '.join(f'(id = {each} and delay > {each})' for each in long)}")
    assert {item.column for item in ors.row_inputs} == {"id", "delay"}
    union = lineage(" union all ".join(f"select id, {each} as n from main.flights" for each in long))
    assert (union.status, direct(union.outputs[0])) == ("complete", {(FLIGHTS, "id", "IDENTITY")})
    chain = ", ".join(f"c{each} as (select id + {each} as id from c{each - 1} where id > {each})" for each in range(1, 400))
    ctes = lineage(f"with c0 as (select id from main.flights), {chain} select id from c399")
    assert (ctes.status, direct(ctes.outputs[0])) == ("complete", {(FLIGHTS, "id", "TRANSFORMATION")})
    tables = "; ".join(f"create temp table s{each} as select a.id from s{each - 1} a join s{max(each - 2, 0)} b on a.id = b.id" for each in range(1, 100))
    script = lineage(f"create temp table s0 as select id from main.flights; {tables}; insert into o select id from s99")
    assert (script.status, script.output, direct(script.outputs[0])) == ("complete", "o", {(FLIGHTS, "id", "IDENTITY")})


def test_a_recursive_cte_among_many_scopes_keeps_all_that_decides_its_rows() -> None:
    subqueries = ", ".join(f"(select max(wind_speed) from weather where seen > f.dep) as w{each}" for each in range(80))
    found = lineage(f"with recursive r as (select id from main.flights where carrier = 'x' union all select f.id from main.flights f join r on f.delay = r.id) "
                    f"select r.id, {subqueries} from r join main.flights f on f.id = r.id")
    assert {(item.column, item.subtype) for item in found.row_inputs} == {("carrier", "FILTER"), ("delay", "JOIN"), ("id", "JOIN")}


def test_more_selects_than_are_followed_are_unknown_and_still_name_their_tables() -> None:
    found = lineage(" union all ".join(f"select {each} from main.flights" for each in range(5_001)))
    assert (found.status, found.reasons, found.inputs) == ("unknown", ("too-many-selects:5001",), ("main.flights",))


def test_a_dictionary_is_looked_up_in_and_a_view_to_a_table_fills_it() -> None:
    sql = """create materialized view shop.feed to shop.daily as
    select toDate(at) as day, dictGetOrDefault('shop.towns', 'county', town, '?') as county, dictHas(shop.towns, town) as known from shop.visits"""
    found = column_lineage(sql, dialect="clickhouse", schema=None)
    columns = named(found)
    assert (found.status, found.output, found.inputs) == ("complete", "shop.daily", ("shop.towns", "shop.visits"))
    assert direct(columns["county"]) == {("shop.towns", "county", "TRANSFORMATION")}
    assert InputColumn("shop.visits", "town", "INDIRECT", "CONDITIONAL") in columns["county"].inputs
    assert direct(columns["known"]) == {("shop.visits", "town", "TRANSFORMATION")}


@pytest.mark.parametrize(("dialect", "sql"), [
    ("duckdb", "select * from nowhere order by 1"),
    ("duckdb", "select * from nowhere union all select * from elsewhere order by 2 desc"),
    ("postgres", "select * from rows from (made(a, b))"),
    ("snowflake", "select a from semantic_view(v facts b)"),
    ("bigquery", "select * from unnest(x) as x(y)"),
    ("bigquery", "select if(a.k is null, a, b).* from s.t a full join s.u b using (k)"),
    ("tsql", "insert into kept select id from (merge into stock as s using feed as f on s.id = f.id when matched then delete output deleted.id) as gone (id)"),
])
def test_what_sqlglot_breaks_at_is_told_not_raised(dialect: str, sql: str) -> None:
    found = column_lineage(sql, dialect=dialect, schema=None)
    assert found.status != "complete"
    assert found.reasons


_PROCEDURE = """create procedure dbo.load @since date, @kind varchar(10) = 'all' as
begin
  set nocount on;
  begin try
{body}
  end try
  begin catch
    declare @what nvarchar(4000);
    select @what = error_message();
    throw;
  end catch;
end;"""


@pytest.mark.parametrize(("body", "output", "inputs", "sources"), [
    ("insert into depot.dbo.bikes (id, size) select b.id, b.frame from raw.dbo.bikes b with (nolock) where b.seen > @since;",
     "depot.dbo.bikes", ("raw.dbo.bikes",), {"id": "raw.dbo.bikes.id", "size": "raw.dbo.bikes.frame"}),
    ("merge into bikes as t using fresh s on t.id = s.id when matched then update set size = s.frame;", "bikes", ("bikes", "fresh"), {"size": "fresh.frame"}),
    ("create table #kept (id int, size int); insert into #kept (id, size) select id, frame from fresh;\n"
     "update bikes set size = k.size from bikes join #kept k on bikes.id = k.id; drop table #kept;", "bikes", ("bikes", "fresh"), {"size": "fresh.frame"}),
    ("declare @kept table (id int, size int); insert into @kept select no, frame from fresh;\ninsert into bikes (id) select k.id from @kept k;",
     "bikes", ("fresh",), {"id": "fresh.no"}),
    ("if exists (select 1 from fresh) insert into bikes (id) select no from fresh;", "bikes", ("fresh",), {"id": "fresh.no"}),
])
def test_a_procedure_of_sql_server_says_what_it_fills(body: str, output: str, inputs: tuple[str, ...], sources: dict[str, str]) -> None:
    found = column_lineage(_PROCEDURE.format(body=body), dialect="tsql", schema=None)
    assert (found.status, found.output, found.inputs) == ("partial", output, inputs)
    assert {column.name: {f"{table}.{name}" for table, name, _ in direct(column)} for column in found.outputs} == {name: {at} for name, at in sources.items()}


@pytest.mark.parametrize("head", ["create procedure p as", "alter procedure dbo.p as begin", "create proc p @n int as"])
def test_a_procedure_needs_no_block(head: str) -> None:
    found = column_lineage(f"{head} insert into bikes (id) select no from fresh{' end' if 'begin' in head else ''}", dialect="tsql", schema=None)
    assert (found.status, found.output, found.reasons) == ("partial", "bikes", ("routine",))
    assert direct(found.outputs[0]) == {("fresh", "no", "IDENTITY")}


def test_statements_of_sql_server_need_no_semicolons() -> None:
    sql = """create procedure dbo.load @since date as
begin
  set nocount on
  declare @n int
  truncate table kept
  insert into kept (id, size)
  select f.no, f.frame
  from fresh f
  where f.seen > @since
  exec dbo.tell @n
  update bikes set size = k.size
  from bikes
  join kept k on k.id = bikes.id
  return 0
end"""
    bikes = column_lineage(sql, dialect="tsql", schema=None)
    assert (bikes.status, bikes.output, bikes.inputs) == ("partial", "bikes", ("bikes", "kept"))
    assert direct(bikes.outputs[0]) == {("kept", "size", "IDENTITY")}
    kept = named(column_lineage(sql, dialect="tsql", schema=None, output="kept"))
    assert {name: direct(column) for name, column in kept.items()} == {"id": {("fresh", "no", "IDENTITY")}, "size": {("fresh", "frame", "IDENTITY")}}


def test_a_table_a_script_only_fills_may_have_other_columns() -> None:
    found = column_lineage("insert into kept (id) select no from fresh; update kept set size = f.frame from fresh f where kept.no = f.no",
                           dialect="postgres", schema=None)
    assert not [reason for reason in found.reasons if reason.startswith("unresolved-column")]
    assert InputColumn("kept", "no", "INDIRECT", "FILTER") in found.row_inputs
