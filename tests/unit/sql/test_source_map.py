from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2 import Template

from ingest_hooks.sql import SourceMap, column_lineage

RAW = """{{ config(materialized='table') }}
with a as (
  select id,
  {% for c in ['x', 'y'] %}
    sum({{ c }}) as sum_{{ c }},
  {% endfor %}
  {{ cents('amt') }} as amt,
  max(z) as z
  from {{ ref('t') }}
  group by 1
)
select * from a
"""
MACRO = "{% macro cents(c) %}\n  round(\n   {{ c }} / 100\n  )\n{% endmacro %}"
CONTEXT: dict[str, Callable[..., Any]] = {"ref": lambda name: f'"db"."main"."{name}"', "config": lambda **_: ""}
SCHEMA = {"db.main.t": dict.fromkeys(("id", "x", "y", "z", "amt"), "INTEGER")}
COMPILED = Template(MACRO + RAW).render(**CONTEXT).strip()


def positions(source_map: SourceMap) -> dict[str, tuple[int | None, int | None, bool]]:
    found = column_lineage(COMPILED, dialect="duckdb", schema=SCHEMA, source_map=source_map)
    return {column.name: (column.line, column.column, column.approximate) for column in found.outputs}


def test_a_traced_map_is_exact_through_loops_and_macros() -> None:
    source_map = SourceMap.traced(RAW, COMPILED, file="models/m.sql", context=CONTEXT, macros=MACRO)
    assert source_map is not None
    assert positions(source_map) == {"id": (3, 10, False), "sum_x": (5, 5, False), "sum_y": (5, 5, False), "amt": (7, 3, False), "z": (8, 3, False)}
    assert source_map.locate(1, 1).file == "models/m.sql"


def test_no_traced_map_if_the_rendering_differs() -> None:
    assert SourceMap.traced(RAW, COMPILED + " -- changed", file=None, context=CONTEXT, macros=MACRO) is None
    assert SourceMap.traced(RAW, COMPILED, file=None, context={}, macros="") is None


def test_an_aligned_map_is_exact_on_equal_lines_and_approximate_elsewhere() -> None:
    found = positions(SourceMap.aligned(RAW, COMPILED, file="models/m.sql"))
    assert found["z"] == (8, 3, False)
    assert found["amt"][2]


def test_an_aligned_map_of_plain_sql_is_exact() -> None:
    source_map = SourceMap.aligned("\n\nselect a\nfrom t\n", "select a\nfrom t", file="m.sql")
    assert [(line, place.line, place.approximate) for line, place in source_map.spans()] == [(1, 3, False), (2, 4, False)]
