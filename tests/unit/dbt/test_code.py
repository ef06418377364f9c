from __future__ import annotations

from pathlib import Path
from typing import Any

import rfc8785

from ingest_hooks.dbt.code import describe, project_vars
from ingest_hooks.transformation import transformation_version

from .conftest import Recording, macro, model, write

MACROS = [macro("outer", "{% macro outer() %}{{ inner() }}{% endmacro %}", uses=["macro.shop.inner"]),
          macro("inner", "{% macro inner() %}{{ var('limit') }}{% endmacro %}"), macro("unused", "{% macro unused() %}{% endmacro %}")]


def version(folder: Path, sink: Recording, variables: dict[str, Any] | None = None, macros: list[dict[str, Any]] | None = None, **more: Any) -> str:
    node = model("m", "select {{ outer() }}", "select 1", macros=["macro.shop.outer"], **more)
    return describe(write(folder, [node], macros=macros or MACROS), node, variables or {"limit": 1}, sink).version


def test_the_version_is_the_hash_of_raw_code_modules_and_config(tmp_path: Path, sink: Recording) -> None:
    node = model("m", "select {{ outer() }}", "select 1", macros=["macro.shop.outer"])
    code = describe(write(tmp_path, [node], macros=MACROS), node, {"limit": 1}, sink)
    assert sorted(code.modules) == ["macro.shop.inner", "macro.shop.outer"]
    assert code.version == transformation_version(code.raw, code.modules, code.config)
    assert sink.artifacts[code.raw] == b"select {{ outer() }}"
    assert sink.artifacts[code.config] == rfc8785.dumps({"config": {"materialized": "table"}, "vars": {"limit": 1}})


def test_a_changed_macro_below_a_macro_is_another_version(tmp_path: Path, sink: Recording) -> None:
    changed = [MACROS[0], macro("inner", "{% macro inner() %}2{% endmacro %}"), MACROS[2]]
    assert version(tmp_path, sink) != version(tmp_path, sink, macros=changed)


def test_a_named_variable_counts_and_others_do_not(tmp_path: Path, sink: Recording) -> None:
    assert version(tmp_path, sink, {"limit": 1}) != version(tmp_path, sink, {"limit": 2})
    assert version(tmp_path, sink, {"limit": 1}) == version(tmp_path, sink, {"limit": 1, "run_date": "today"})


def test_words_about_the_model_do_not_change_its_version(tmp_path: Path, sink: Recording) -> None:
    assert version(tmp_path, sink) == version(tmp_path, sink, config={"materialized": "table", "meta": {"owner": "x"}, "tags": ["a"], "grants": None})
    assert version(tmp_path, sink) != version(tmp_path, sink, config={"materialized": "view"})


def test_variables_of_the_package_win_over_global_ones_and_the_command_line_over_both(tmp_path: Path) -> None:
    (tmp_path / "dbt_project.yml").write_text("name: shop\nvars:\n  a: 1\n  b: 1\n  shop:\n    b: 2\n  other:\n    b: 3\n")
    assert project_vars(write(tmp_path, []), "shop") == {"a": 1, "b": 2}
