from __future__ import annotations

from pathlib import Path

import pytest

from ingest_hooks.dbt.template import model_source_map
from ingest_hooks.sql import Located

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


CASES = {  # macros, model, what dbt makes of it, and by the text sought: line of the call, macro and line within it (None: the model's own text)
    "a macro of several lines": (
        ["{% macro units(c) %}\n  round(\n    {{ c }} / 100,\n    2)\n{% endmacro %}"], "select\n  {{ units('a') }} as x,\n  b\nfrom t",
        "select\n  \n  round(\n    a / 100,\n    2)\n as x,\n  b\nfrom t", {"round(": (2, "units", 2), "a / 100": (2, "units", 3), "b\n": (3, None, 0)}),
    "a macro in a macro, and what follows it": (
        ["{% macro outer(c) %}coalesce({{ inner(c) }},\n 0){% endmacro %}", "{% macro inner(c) -%}\n  abs({{ c }})\n{%- endmacro %}"],
        "select {{ outer('a') }} as x from t", "select coalesce(abs(a),\n 0) as x from t",
        {"coalesce": (1, "outer", 1), "abs(": (1, "inner", 2), "0)": (1, "outer", 2), "from": (1, None, 0)}),
    "a loop over calls with white space taken away": (
        ["{% macro total(c) -%} sum({{ c }}) {%- endmacro %}"],
        "{%- set names = ['a', 'b'] -%}\nselect\n{%- for name in names %}\n  {{ total(name) }} as {{ name }},\n{%- endfor %}\n  1 as one\nfrom t",
        "select\n  sum(a) as a,\n  sum(b) as b,\n  1 as one\nfrom t", {"sum(a)": (4, "total", 1), "sum(b)": (4, "total", 1), "1 as one": (6, None, 0)}),
    "a set block and a filter on a call": (
        ["{% macro padded(c) %}\n\n  lower({{ c }})\n\n{% endmacro %}"],
        "{% set made %}{{ padded('a') }}{% endset %}select {{ made | trim }} as x, {{ padded('b') | trim }} as y from t",
        "select lower(a) as x, lower(b) as y from t", {"lower(b)": (1, "padded", 3)}),
    "a value that is given back": (
        ["{% macro names() %}{% do return(['a', 'b']) %}{% endmacro %}", "{% macro up(c) %}upper({{ c }}){% endmacro %}"],
        "select {% for c in names() %}{{ up(c) }} as {{ c }}{{ ', ' if not loop.last }}{% endfor %} from t",
        "select upper(a) as a, upper(b) as b from t", {"upper(a)": (1, "up", 1), "upper(b)": (1, "up", 1)}),
    "a call block": (
        ["{% macro wrapped() %}(\n{{ caller() }}\n){% endmacro %}"], "select {% call wrapped() %}a + 1{% endcall %} as x from t",
        "select (\na + 1\n) as x from t", {"(\n": (1, "wrapped", 1)}),
}


@pytest.mark.parametrize("name", CASES)
def test_what_a_macro_made_is_at_the_call_and_in_the_macro(name: str, tmp_path: Path) -> None:
    texts, raw, compiled, expected = CASES[name]
    names = [text.split("macro ", 1)[1].split("(", 1)[0] for text in texts]
    file = tmp_path / "macros" / "all.sql"
    file.parent.mkdir()
    file.write_text("-- ours\n\n" + "\n".join(texts))
    macros = [{**macro(each, text, uses=[f"macro.shop.{other}" for other in names if other != each]), "original_file_path": "macros/all.sql"}
              for each, text in zip(names, texts, strict=True)]
    node = model("m", raw, compiled, macros=[f"macro.shop.{each}" for each in names])
    found = model_source_map(write(tmp_path, [node], macros=macros), node, {}, file="m.sql", path=lambda path: f"repo/{path}")
    for text, (line, maker, within) in expected.items():
        at = compiled.index(text)
        place = found.locate(compiled.count("\n", 0, at) + 1, at - compiled.rfind("\n", 0, at))
        assert (place.line, place.approximate) == (line, False)
        assert (place.macro.name, place.macro.within) == (f"macro.shop.{maker}", within) if maker else place.macro is None, text
        if place.macro is not None:
            first = 3 + sum(each.count("\n") + 1 for each in texts[:names.index(str(maker))])
            assert (place.macro.file, place.macro.line) == ("repo/macros/all.sql", first + within - 1)


def located(folder: Path, macros: list[str], raw: str, compiled: str, text: str) -> Located:
    names = [each.split("macro ", 1)[1].split("(", 1)[0] for each in macros]
    node = model("m", raw, compiled, macros=[f"macro.shop.{name}" for name in names])
    artifacts = write(folder, [node], macros=[macro(name, each) for name, each in zip(names, macros, strict=True)])
    at = compiled.index(text)
    return model_source_map(artifacts, node, {}, file="m.sql").locate(compiled.count("\n", 0, at) + 1, at - compiled.rfind("\n", 0, at))


@pytest.mark.parametrize(("macro", "call", "within", "column"), [
    ("{% macro m(c) %}\n  ü {{ c }} + 1{% endmacro %}", "{{ m('a') }}", 2, 3),
    ("{% macro m(c) %}\n  ü {{ c }} + 1\n{% endmacro %}", "{{ m('a') | trim }}", 2, 3),
    ("{% macro m(c) %}ü {{ c }} + 1{% endmacro %}", "{{ m('a') | upper }}", 1, None),
])
def test_a_column_in_a_macro_is_told_only_where_its_text_is_the_macros(macro: str, call: str, within: int, column: int | None, tmp_path: Path) -> None:
    compiled = {2: "select \n  ü a + 1 as x from t", 1: "select Ü A + 1 as x from t"}[within]
    compiled = compiled if "trim" not in call else "select ü a + 1 as x from t"
    place = located(tmp_path, [macro], f"select {call} as x from t", compiled, "Ü" if within == 1 else "ü")
    assert place.macro is not None
    assert (place.macro.within, place.macro.column) == (within, column)


def test_what_a_call_made_does_not_stand_for_what_follows_it(tmp_path: Path) -> None:
    raw = "select {{ m('a') | trim }} as x, {{ 'b' | upper }} as y from t"
    place = located(tmp_path, ["{% macro m(c) %}\n  lower({{ c }})\n{% endmacro %}"], raw, "select lower(a) as x, B as y from t", "B as")
    assert (place.column, place.macro) == (raw.index("{{ 'b'") + 1, None)


def test_lines_of_which_there_are_several_are_no_places(tmp_path: Path) -> None:
    raw, compiled = "select\n  {{ run_query('1') }}\n  a,\n  {{ run_query('2') }}\nfrom t", "select\n  1,\n  a,\n  a,\n  2\nfrom t"
    assert located(tmp_path, [], raw, compiled, "a,").approximate
    assert not located(tmp_path, [], raw, compiled, "from").approximate


def test_code_that_its_file_does_not_hold_has_no_place(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models/m.sql").write_text("select 2 as a")
    place = located(tmp_path, [], "select {{ 1 }} as a", "select 1 as a", "1")
    assert (place.line, place.column, place.approximate) == (None, None, True)


def test_a_macro_that_looks_at_text_it_made_is_placed_at_its_call_only(tmp_path: Path) -> None:
    macros = [macro("pad", "{% macro pad(c) %}<{{ c }}>{% endmacro %}"),
              macro("size", "{% macro size(c) %}{{ pad(c) | length }}{% endmacro %}", uses=["macro.shop.pad"])]
    node = model("m", "select\n {{ size('abc') }} as n from t", "select\n 5 as n from t", macros=["macro.shop.size"])
    place = model_source_map(write(tmp_path, [node], macros=macros), node, {}, file="m.sql").locate(2, 2)
    assert (place.line, place.approximate, place.macro) == (2, False, None)
