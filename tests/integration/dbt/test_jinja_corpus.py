"""Columns of dbt models point to the line that makes them, in the model, the macro, the package or the ephemeral model: real dbt on our Jinja corpus."""
from __future__ import annotations

import pytest

from tests.jinja_corpus import Expected, Facets, build, fields, score, sources_told

pytest.importorskip("dbt.cli.main", reason="dbt is not installed")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Expected, Facets]:
    """What is expected, and the output facets that the hook told of each node."""
    return build(tmp_path_factory.mktemp("jinja"))


def test_every_column_is_at_the_line_that_makes_it(told: tuple[Expected, Facets]) -> None:
    expected, facets = told
    found = fields(facets)
    wrong = {name: (place, found.get(name)) for name, place in expected.places.items()
             if name not in found or (found[name]["file"], found[name].get("line"), found[name].get("column")) != place or found[name]["approximate"]}
    assert wrong == {}


def test_what_a_macro_made_is_at_its_place_in_the_macro(told: tuple[Expected, Facets]) -> None:
    expected, facets = told
    found = {name: tuple(fact["macro"].get(key) for key in ("file", "line", "column")) for name, fact in fields(facets).items()
             if fact.get("macro", {}).get("file")}
    assert found == expected.macros
    assert fields(facets)["inner_first.month"]["macro"]["name"].startswith("macro.dbt.")


def test_a_place_that_cannot_be_known_is_not_told(told: tuple[Expected, Facets]) -> None:
    expected, facets = told
    found = fields(facets)
    assert {name for name in expected.unplaced if not found[name]["approximate"] or "column" in found[name]} == set()
    yaml = {name: fact for name, fact in found.items() if name.startswith("in_yaml.")}
    assert yaml
    assert all(fact["approximate"] and "line" not in fact for fact in yaml.values())


def test_every_column_is_made_of_what_was_written_down(told: tuple[Expected, Facets]) -> None:
    expected, facets = told
    sources, rows = sources_told(facets)
    right, found, wanted = score(expected, facets)
    print(f"jinja: precision {right / found:.1%}, recall {right / wanted:.1%}, {len(sources)} columns of {len(facets)} nodes")
    assert sources == expected.sources
    assert {model: these for model, these in rows.items() if these} == expected.rows
