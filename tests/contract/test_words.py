"""Whatever kind of link or basis an answer can hold is said in words: on the page and on the command line."""
from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from metadata_service.cli.views.entity import LINKS
from metadata_service.cli.views.lineage import SURENESS
from metadata_service.graph import ops
from metadata_service.queries import version_walk

ROOT = Path(__file__).resolve().parents[2]
LINKING = {"link", "once", "_link", "_declared_parts"}  # what the projector makes links by
WORDS = (ROOT / "ui" / "src" / "words.ts").read_text()


def made(tree: ast.AST) -> set[str]:
    """The kinds of links that a module of the projector makes."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call)
             and (node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")) in LINKING)
    constants = (each.value for call in calls for argument in call.args for each in ast.walk(argument) if isinstance(each, ast.Constant))
    return {text for text in constants if isinstance(text, str) and re.fullmatch(r"[A-Z]+(_[A-Z]+)*", text) and text != "JOB"}


def links() -> set[str]:
    return {kind for path in (ROOT / "metadata_service" / "projector").glob("*.py") for kind in made(ast.parse(path.read_text()))}


def bases() -> set[str]:
    """Those that edges are stored with, and those of the level VERSION."""
    stored = re.search(r"^    basis: str  # (.*)$", Path(ops.__file__).read_text(), re.MULTILINE)
    assert stored is not None
    return {*stored[1].split(" | "), version_walk.NAMED, version_walk.INFERRED, version_walk.UNKNOWN}


def of_the_page(name: str) -> dict[str, list[str]]:
    table = WORDS.partition(f"export const {name}:")[2].partition("};")[0]
    return {key: re.findall(r"'([^']+)'", value) for key, value in re.findall(r"^  (\w+): (.*),$", table, re.MULTILINE)}


def test_every_kind_of_link_has_words_for_both_of_its_ends() -> None:
    found = links()
    assert {"WRITES", "CHILD_OF", "COLUMN_OF", "DEPENDS_ON", "FED_BY", "ROOT", "PINS"} <= found
    page = of_the_page("LINKS")
    for said in (LINKS, page):
        assert found - said.keys() == set(), "say it in metadata_service/cli/views/entity.py and ui/src/words.ts"
        assert said.keys() - found == set(), "nothing makes such a link any more"
        assert all(len(pair) == 2 and all(pair) for pair in said.values())


def test_every_basis_has_words() -> None:
    page = of_the_page("BASES")
    assert page.keys() == bases()
    assert all(len(text) == 1 for text in page.values())
    assert SURENESS.keys() <= bases()


@pytest.mark.parametrize("text", ['draft.link("NEW_KIND", a, b)', 'draft.link("NEW_KIND" if a else "WRITES", a, b)', '_link(draft, "NEW_KIND", a, b)',
                                  'once(draft, at, "NEW_KIND", a)'])
def test_a_kind_that_comes_is_noticed(text: str) -> None:
    assert "NEW_KIND" in made(ast.parse(text)) - links()
