from __future__ import annotations

from pathlib import Path

from ingest_hooks.dbt.template import model_source_map

from .conftest import macro, model, write


def test_macros_call_each_other_by_name_by_package_and_through_dispatch(tmp_path: Path) -> None:
    raw = "select\n  {{ shop.outer('a') }} as a,\n  {{ either('b') }} as b\nfrom {{ ref('up') }}"
    compiled = 'select\n  (\na\n) as a,\n  b!\n as b\nfrom "db"."main"."up"'
    macros = [macro("outer", "{% macro outer(c) %}({{ inner(c) }}){% endmacro %}", uses=["macro.shop.inner"]),
              macro("inner", "{% macro inner(c) %}\n{{ c }}\n{% endmacro %}"),
              macro("either", "{% macro either(c) %}{{ adapter.dispatch('either', 'shop')(c) }}{% endmacro %}", uses=["macro.shop.default__either"]),
              macro("default__either", "{% macro default__either(c) %}{{ c }}!\n{% endmacro %}")]
    node = model("m", raw, compiled, macros=["macro.shop.outer", "macro.shop.either"], nodes=["model.shop.up"])
    artifacts = write(tmp_path, [node, model("up", "select 1", "select 1")], macros=macros)
    found = model_source_map(artifacts, node, {}, file="models/m.sql")
    assert not any(place.approximate for _, place in found.spans())
    assert [place.line for _, place in found.spans()] == [1, 2, 2, 2, 3, 3, 4]


def test_blank_lines_that_dbt_strips_count_if_the_file_is_there(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models/m.sql").write_text("\n\nselect {{ 1 }} as a\n")
    node = model("m", "select {{ 1 }} as a", "select 1 as a")
    assert model_source_map(write(tmp_path, [node]), node, {}, file="models/m.sql").locate(1, 1).line == 3


def test_an_incremental_run_is_traced_too(tmp_path: Path) -> None:
    raw = "select a\nfrom t\n{% if is_incremental() %}\nwhere a > (select max(a) from {{ this }})\n{% endif %}"
    node = model("m", raw, 'select a\nfrom t\n\nwhere a > (select max(a) from "db"."main"."m")\n')
    place = model_source_map(write(tmp_path, [node]), node, {}, file="m.sql").locate(4, 1)
    assert (place.line, place.column, place.approximate) == (4, 1, False)


def test_what_dbt_alone_can_render_is_aligned_and_says_so(tmp_path: Path) -> None:
    raw = "select\n  a,\n  {{ run_query('select 1').columns[0] }} as b\nfrom t"
    node = model("m", raw, "select\n  a,\n  1 as b\nfrom t")
    found = model_source_map(write(tmp_path, [node]), node, {}, file="m.sql")
    assert [(place.line, place.approximate) for _, place in found.spans()] == [(1, False), (2, False), (3, True), (4, False)]
