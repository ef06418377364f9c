"""What a statement guarantees between the times of the rows it reads and those of the rows it writes.

`test_rows_outside_the_bounds_change_nothing` runs statements on DuckDB: whatever is said to be kept out is altered and taken away, and the
result must stay what it was.
"""
from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime, timedelta

import duckdb
import pytest

from ingest_hooks.sql import column_lineage
from ingest_hooks.sql.model import TimeBound, Timing

SCHEMA = {"f": {"id": "BIGINT", "k": "VARCHAR", "ref": "TIMESTAMP", "dep": "TIMESTAMP", "arr": "TIMESTAMP", "late": "BIGINT"},
          "w": {"id": "BIGINT", "k": "VARCHAR", "seen": "TIMESTAMP", "loaded": "TIMESTAMP", "temp": "BIGINT"}}
TOTALS = """with totals as (
    select k, {known} as known_at, sum(count(*)) over (partition by k order by {known} rows between unbounded preceding and current row) as n,
        sum(sum(late)) over (partition by k order by {known} rows between unbounded preceding and current row) as lates
    from f where {known} is not null group by k, {known}
), requests as (select distinct k, ref from f),
now as (select requests.k, requests.ref, totals.n, totals.lates from requests
    asof left join totals on requests.k = totals.k and requests.ref > totals.known_at),
before as (select requests.k, requests.ref, totals.n, totals.lates from requests
    asof left join totals on requests.k = totals.k and requests.ref - interval 3 hour > totals.known_at)
select now.k as id, now.ref, coalesce(now.n, 0) - coalesce(before.n, 0) as x, coalesce(now.lates, 0) - coalesce(before.lates, 0) as y
from now join before on now.k = before.k and now.ref = before.ref"""
# a statement, and what must be known of column x: (field, op, column, seconds)
STATEMENTS = {
    "running totals, then as of": (TOTALS.format(known="arr"), [[("arr", "<", "ref", -10800)], [("arr", "<", "ref", 0)]]),
    "running totals by another time": (TOTALS.format(known="dep"), [[("dep", "<", "ref", -10800)], [("dep", "<", "ref", 0)]]),
    "joined, then grouped": ("select r.id, r.ref, sum(t.late) x, count(t.id) y from f r left join f t on r.k = t.k and t.arr < r.ref group by r.id, r.ref",
                             [[("arr", "<", "ref", 0)]]),
    "counted": ("select r.id, r.ref, count(*) x from f r left join f t on r.k = t.k and t.arr < r.ref group by r.id, r.ref", [[("arr", "<", "ref", 0)]]),
    "condition in WHERE": ("select r.id, r.ref, sum(w.temp) x from f r join w on r.k = w.k where w.seen + interval 1 hour <= r.ref and w.loaded < r.ref "
                           "group by r.id, r.ref", [[("loaded", "<", "ref", 0), ("seen", "<=", "ref", -3600)]]),
    "scalar subquery": ("select r.id, r.ref, (select sum(w.temp) from w where w.k = r.k and w.seen < r.ref) x from f r", [[("seen", "<", "ref", 0)]]),
    "lateral": ("select r.id, r.ref, l.temp x from f r, lateral (select w.temp from w where w.k = r.k and w.seen < r.ref order by w.seen desc, w.id limit 1) l",
                [[("seen", "<", "ref", 0)]]),
    "filter": ("select r.id, r.ref, sum(t.late) filter (where t.arr < r.ref) x from f r left join f t on r.k = t.k group by r.id, r.ref",
               [[("arr", "<", "ref", 0)]]),
    "case": ("select r.id, r.ref, sum(case when t.arr < r.ref and t.late = 1 then 1 else 0 end) x from f r left join f t on r.k = t.k group by r.id, r.ref",
             [[("arr", "<", "ref", 0)]]),
    "using": ("select id, ref, sum(temp) x from (select r.id, r.ref, w.temp, w.seen from f r left join w using (k)) j where seen < ref group by all",
              [[("seen", "<", "ref", 0)]]),
    "latest by group": ("with d as (select k, max(seen) as last_seen, sum(temp) as s from w group by k) "
                        "select r.id, r.ref, d.s x from f r join d on d.k = r.k and d.last_seen < r.ref", [[("seen", "<", "ref", 0)]]),
    "greatest of two": ("select r.id, r.ref, w.temp x from f r asof join (select k, greatest(seen, loaded) as at, max(temp) as temp from w group by 1, 2) w "
                        "on r.k = w.k and r.ref > w.at", [[("loaded", "<", "ref", 0), ("seen", "<", "ref", 0)]]),
    "own earlier rows": ("select id, ref, sum(late) over (partition by k order by ref "
                         "range between unbounded preceding and interval 1 hour preceding) x from f",
                         [[("ref", "<=", "ref", -3600)]]),
    "lag": ("select id, ref, lag(late) over (partition by k order by ref, id) x from f", [[("ref", "<=", "ref", 0)]]),
    "deduplicated": ("select r.id, r.ref, w.temp x from f r join w on r.k = w.k and w.seen < r.ref "
                     "qualify row_number() over (partition by r.id order by w.seen desc, w.id) = 1", [[("seen", "<", "ref", 0)]]),
    "truncated reference": ("select r.id, r.ref, sum(w.temp) x from f r join w on r.k = w.k and w.seen < date_trunc('hour', r.ref) group by r.id, r.ref",
                            [[("seen", "<", "ref", 0)]]),
    "between": ("select r.id, r.ref, sum(w.temp) x from f r join w on r.k = w.k and w.seen between r.ref - interval 5 hour and r.ref group by r.id, r.ref",
                [[("seen", "<=", "ref", 0)]]),
    "both branches": ("select * from (select r.id, r.ref, w.temp x from f r join w on r.k = w.k and w.seen < r.ref union all "
                      "select r.id, r.ref, w.temp from f r join w on r.k = w.k and w.loaded < r.ref) u",
                      [[("seen", "<", "ref", 0)], [("loaded", "<", "ref", 0)]]),
    "the side that asks is optional": ("select r.id, r.ref, w.temp x from w left join f r on r.k = w.k and w.seen < r.ref left join f s on s.id = r.id",
                                       [[("seen", "<", "ref", 0)]]),
    "exists": ("select r.id, r.ref, exists (select 1 from w where w.k = r.k and w.seen < r.ref) x from f r", [[("seen", "<", "ref", 0)]]),
}
# statements whose x is not kept from later rows, whatever comparison stands in them
UNBOUNDED = {
    "no condition": "select r.id, r.ref, sum(t.late) x from f r left join f t on r.k = t.k group by r.id, r.ref",
    "or": "select r.id, r.ref, sum(w.temp) x from f r join w on r.k = w.k and (w.seen < r.ref or w.temp > 3) group by r.id, r.ref",
    "whole partition": "select id, ref, sum(late) over (partition by k) x from f",
    "following": "select id, ref, sum(late) over (partition by k order by ref rows between current row and unbounded following) x from f",
    "lead": "select id, ref, lead(late) over (partition by k order by ref) x from f",
    "latest first": "select id, ref, sum(late) over (partition by k order by ref desc) x from f",
    "grouped before the comparison": "with d as (select k, min(seen) as first_seen, sum(temp) as s from w group by k) "
                                     "select r.id, r.ref, d.s x from f r join d on d.k = r.k and d.first_seen < r.ref",
    "truncated time of the row": "select r.id, r.ref, sum(w.temp) x from f r join w on r.k = w.k and date_trunc('day', w.seen) < r.ref group by r.id, r.ref",
    "date of the row": "select r.id, r.ref, sum(w.temp) x from f r join w on r.k = w.k and cast(w.seen as date) < r.ref group by r.id, r.ref",
    "condition on another row": "select r.id, r.ref, sum(t.late) x from f r left join f s on r.k = s.k and s.arr < r.ref left join f t on t.k = r.k "
                                "group by r.id, r.ref",
    "otherwise": "select r.id, r.ref, sum(case when t.arr < r.ref then 1 else t.late end) x from f r left join f t on r.k = t.k group by r.id, r.ref",
}


def bounds_of(sql: str, column: str = "x") -> list[list[tuple[str, str, str, float | None]]]:
    """The bounds of the other rows that make a column."""
    found = column_lineage(sql, dialect="duckdb", schema=SCHEMA, output="o").timing
    assert not found.reasons.get(column), found.reasons
    reads = [found.reads[number].bounds for number, _ in found.columns[column] if not found.reads[number].decides]
    return sorted([(bound.field, bound.op, bound.column, bound.seconds) for bound in bounds if bound.column == "ref"] for bounds in reads)


@pytest.mark.parametrize("name", STATEMENTS)
def test_what_is_known_of_the_rows_that_make_a_column(name: str) -> None:
    sql, expected = STATEMENTS[name]
    assert bounds_of(sql) == sorted([(field, op, column, float(seconds)) for field, op, column, seconds in bounds] for bounds in expected)


@pytest.mark.parametrize("name", STATEMENTS)
def test_rows_that_decide_whether_the_latest_is_there_are_told_apart(name: str) -> None:
    found = column_lineage(STATEMENTS[name][0], dialect="duckdb", schema=SCHEMA, output="o").timing
    deciding = [read for read in found.reads if read.decides]
    assert [[bound for bound in read.bounds if bound.column == "ref"] for read in deciding] == ([[]] if name == "latest by group" else [])


@pytest.mark.parametrize("name", UNBOUNDED)
def test_what_does_not_keep_later_rows_out_is_no_bound(name: str) -> None:
    times = {"seen", "loaded", "arr", "dep", "ref"}
    assert any(not {field for field, op, _, seconds in bounds if op in ("<", "<=") and (seconds is None or seconds <= 0)} & times
               for bounds in bounds_of(UNBOUNDED[name]))


@pytest.mark.parametrize("name", STATEMENTS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_rows_outside_the_bounds_change_nothing(name: str, seed: int) -> None:
    sql, _ = STATEMENTS[name]
    found = column_lineage(sql, dialect="duckdb", schema=SCHEMA, output="o").timing
    chance = random.Random(seed)
    with duckdb.connect() as connection:
        fill(connection, chance)
        before = {(row[0], row[1]): row[2] for row in connection.execute(f"select id, ref, x from ({sql})").fetchall()}
        assert any(value for value in before.values())
        making = [number for number, _ in found.columns["x"] if not found.reads[number].decides]
        for number in making:
            read = found.reads[number]
            bounds = [bound for bound in read.bounds if bound.column == "ref" and bound.op in ("<", "<=")]
            others = [found.reads[other] for other in making if other != number and found.reads[other].table == read.table]
            assert bounds
            for at in sorted({ref for _, ref in before})[1::3]:
                # what this reading keeps out, and every other reading of the same table, too
                outside = " and ".join(f"({' or '.join(violated(bound, at) for bound in each)})" for each in
                                       (bounds, *([bound for bound in other.bounds if bound.column == "ref" and bound.op in ("<", "<=")] for other in others)))
                connection.execute("begin")
                value = "late" if read.table == "f" else "temp"
                connection.execute(f"update {read.table} set {value} = {value} + 1000 where {outside}")
                kept = "ref <> ?" if read.table == "f" else "? is not null"
                connection.execute(f"delete from {read.table} where ({outside}) and id % 2 = 0 and {kept}", [at])
                after = {(row[0], row[1]): row[2] for row in connection.execute(f"select id, ref, x from ({sql})").fetchall()}
                connection.execute("rollback")
                assert {key: value for key, value in after.items() if key[1] == at} == {key: before[key] for key in after if key[1] == at}


def violated(bound: TimeBound, at: datetime) -> str:
    assert bound.seconds is not None
    limit = at + timedelta(seconds=bound.seconds)
    return f"{bound.field} {'>=' if bound.op == '<' else '>'} timestamp '{limit}'"


def fill(connection: duckdb.DuckDBPyConnection, chance: random.Random) -> None:
    start = datetime(2026, 3, 1)

    def hour(most: int) -> datetime:
        return start + timedelta(hours=chance.randint(0, most))

    for table, columns in SCHEMA.items():
        connection.execute(f"create table {table} ({', '.join(f'{name} {kind}' for name, kind in columns.items())})")
    for number in range(14):
        reference = hour(24)
        connection.execute("insert into f values (?, ?, ?, ?, ?, ?)", [number, chance.choice("ab"), reference, hour(24),
                                                                       reference + timedelta(hours=chance.randint(1, 4)), chance.randint(0, 1)])
    for number in range(20):
        seen = hour(20)
        connection.execute("insert into w values (?, ?, ?, ?, ?)", [number, chance.choice("ab"), seen, seen + timedelta(hours=chance.choice([0, 1, 5])),
                                                                    chance.randint(1, 9)])


def some_time(chance: random.Random, column: str, depth: int = 0) -> str:
    kind = chance.randint(0, 8) if depth < 3 else 0
    if kind < 4:
        return column
    inner = some_time(chance, column, depth + 1)
    if kind < 6:
        length = chance.choice(["1 hour", "90 minute", "1 day", "1 week", "1 month"])
        return f"({inner} {chance.choice('+-')} interval {length})"
    return [f"date_trunc('{chance.choice(['minute', 'hour', 'day', 'week', 'month'])}', {inner})", f"cast({inner} as date)",
            f"{chance.choice(['greatest', 'least'])}({inner}, {some_time(chance, column, depth + 1)})"][kind - 6]


def some_condition(chance: random.Random, depth: int = 0) -> str:
    kind = chance.randint(0, 11) if depth < 3 else chance.randint(0, 5)
    op, unit = chance.choice(["<", "<=", ">", ">=", "="]), chance.choice(["hour", "day", "week", "month"])
    row, asked = some_time(chance, "e.t"), some_time(chance, "s.ref")
    if kind < 3:
        return f"{row} {op} {asked}"
    if kind == 3:
        return f"{chance.choice(['date_diff', 'datesub'])}('{unit}', {row}, {asked}) {op} {chance.randint(-1, 3)}"
    if kind == 4:
        return f"s.ref - e.t {op} interval {chance.randint(0, 2)} hour"
    if kind == 5:
        return f"e.t {chance.choice(['', 'not '])}between {asked} - interval 1 day and {asked}"
    if kind < 8:
        return f"({some_condition(chance, depth + 1)} and {some_condition(chance, depth + 1)})"
    if kind == 8:
        return f"({some_condition(chance, depth + 1)} or {some_condition(chance, depth + 1)})"
    return f"not ({some_condition(chance, depth + 1)})" if kind < 11 else "e.temp > 2"


def test_no_row_lies_beyond_what_is_said_of_a_condition() -> None:
    seed = random.SystemRandom().randrange(10**9)
    chance = random.Random(seed)
    claimed = 0
    with duckdb.connect() as connection:
        for table, column, odd in (("s", "ref", 7), ("e", "t", 5)):
            connection.execute(f"create table {table} as select range as id, range % 5 as temp, timestamp '2026-01-30' + to_minutes((range * 30 + "
                               f"(range % {odd} = 1)::int * 10)::int) as {column} from range(120)")
        for _ in range(150):
            condition = some_condition(chance)
            (furthest,), = connection.execute(f"select max(date_diff('second', s.ref, e.t)) from s, e where {condition}").fetchall()
            found = column_lineage(f"select s.id, s.ref, e.temp as x from s join e on {condition}", dialect="duckdb", output="o",
                                   schema={"s": {"id": "BIGINT", "ref": "TIMESTAMP"}, "e": {"t": "TIMESTAMP", "temp": "BIGINT"}}).timing
            for bound in (bound for number, _ in found.columns["x"] for bound in found.reads[number].bounds if (bound.field, bound.column) == ("t", "ref")):
                if furthest is not None and bound.seconds is not None:
                    claimed += 1
                    assert furthest < bound.seconds or (furthest == bound.seconds and bound.op != "<"), (seed, condition, bound)
    assert claimed


def test_the_row_itself_is_told_apart_from_rows_with_the_same_time() -> None:
    assert bounds_of("select id, ref, late as x from f") == [[("ref", "same", "ref", 0.0)]]
    assert bounds_of("select a.id, a.ref, b.late as x from f a join f b on a.ref = b.ref and a.k = b.k") == [[("ref", "=", "ref", 0.0)]]
    assert bounds_of("select k as id, ref, sum(late) as x from f group by k, ref") == [[("ref", "=", "ref", 0.0)]]


def test_an_interval_of_unknown_length_is_said_to_be_unknown() -> None:
    found = bounds_of("select r.id, r.ref, sum(w.temp) x from f r join w on r.k = w.k and w.seen < r.ref - to_hours(r.id) group by r.id, r.ref")
    assert found == [[("seen", "<", "ref", None)]]


def test_predicates_and_reads_know_their_place() -> None:
    sql = "select r.id, r.ref, w.temp as x\nfrom f r\n  left join w on r.k = w.k\n    and w.seen < r.ref"
    found = column_lineage(sql, dialect="duckdb", schema=SCHEMA, output="o", file="m.sql").timing
    (number, fields), = found.columns["x"]
    read = found.reads[number]
    assert (read.table, read.file, read.line, read.column, fields) == ("w", "m.sql", 3, 13, ("temp",))
    predicate = found.predicates[read.bounds[0].predicates[0]]
    assert (predicate.text, predicate.file, predicate.line, predicate.column) == ("w.seen < r.ref", "m.sql", 4, 9)


def test_without_times_all_else_is_the_same() -> None:
    sql = "select r.id, r.ref, w.temp as x from f r left join w on r.k = w.k and w.seen < r.ref"
    found = column_lineage(sql, dialect="duckdb", schema=SCHEMA, output="o")
    assert found.timing.reads
    assert column_lineage(sql, dialect="duckdb", schema=SCHEMA, output="o", timed=False) == replace(found, timing=Timing())


def test_what_cannot_be_followed_is_a_reason_and_never_safe() -> None:
    found = column_lineage("with recursive t as (select ref, id, late as x from f union all select ref, id, x from t) select id, ref, x from t",
                           dialect="duckdb", schema=SCHEMA, output="o").timing
    assert found.reasons["x"]
    assert column_lineage("select * from unknown_table", dialect="duckdb", schema=SCHEMA, output="o").timing.reasons
    deep = ", ".join(f"c{number} as (select a.* from c{number - 1} a join c{number - 1} b on a.id = b.id)" for number in range(1, 12))
    found = column_lineage(f"with c0 as (select id, ref, late as x from f), {deep} select id, ref, x from c11", dialect="duckdb", schema=SCHEMA).timing
    assert found.reasons["x"] == ("too-many-tables",)
