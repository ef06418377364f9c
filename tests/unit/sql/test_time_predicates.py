from __future__ import annotations

import pytest

from ingest_hooks.sql import column_lineage

SCHEMA = {"f": {"dep": "TIMESTAMP", "arr": "TIMESTAMP", "k": "VARCHAR", "n": "DOUBLE", "minute": "BIGINT"},
          "w": {"seen": "TIMESTAMP", "k": "VARCHAR", "limit_": "DOUBLE", "minute": "BIGINT"}}


@pytest.mark.parametrize(("condition", "expected"), [
    ("w.seen < f.dep", [("w.seen", "<", "f.dep", None)]),
    ("w.seen <= f.dep - interval 2 hours", [("w.seen", "<=", "f.dep", "- INTERVAL '2' HOURS")]),
    ("w.seen + interval 1 day > f.arr", [("w.seen", ">", "f.arr", "- INTERVAL '1' DAY")]),
    ("w.seen between f.dep - interval 7 days and f.dep",
     [("w.seen", ">=", "f.dep", "- INTERVAL '7' DAYS"), ("w.seen", "<=", "f.dep", None)]),
    ("cast(w.seen as date) < f.dep", [("w.seen", "<", "f.dep", None)]),
    ("w.seen = f.dep", [("w.seen", "=", "f.dep", None)]),
    ("w.minute < f.minute - 120", [("w.minute", "<", "f.minute", "- 120")]),
    ("w.k = f.k", []),
    ("w.k < f.k", []),
    ("w.limit_ > f.n", []),
    ("f.dep > timestamp '2013-01-01'", []),
])
def test_comparisons_between_two_times(condition: str, expected: list[tuple[str, str, str, str | None]]) -> None:
    found = column_lineage(f"select f.k from f join w on {condition}", dialect="duckdb", schema=SCHEMA).time_predicates
    assert [(item.left, item.op, item.right, item.interval) for item in found] == expected


def test_a_predicate_knows_its_place_and_its_base_columns() -> None:
    found = column_lineage("with late as (select arr as known_at, k from f)\nselect w.k\nfrom w\n  join late on late.known_at < w.seen",
                           dialect="duckdb", schema=SCHEMA, file="m.sql").time_predicates[0]
    assert (found.file, found.line, found.column) == ("m.sql", 4, 16)
    assert [(item.table, item.column) for item in (*found.left_inputs, *found.right_inputs)] == [("f", "arr"), ("w", "seen")]


def test_inequalities_of_unknown_tables_are_kept() -> None:
    found = column_lineage("select 1 from a join b on a.x >= b.y", dialect="duckdb", schema=None).time_predicates
    assert [(item.left, item.op, item.right) for item in found] == [("a.x", ">=", "b.y")]


def test_asof_join() -> None:
    found = column_lineage("select f.k from f asof join w on f.k = w.k and f.dep >= w.seen", dialect="duckdb", schema=SCHEMA).time_predicates
    assert [(item.left, item.op, item.right) for item in found] == [("f.dep", ">=", "w.seen")]
