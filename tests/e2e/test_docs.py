"""Every command of README and docs is run on what the demo left, as a reader would.

In the pages, a fenced block marked `console` holds commands after `$ `; a comment `# exit 1` says how one ends if not with 0.
A block marked `python` is run as a program. Both run in the demo's folder, in the order of the page.
"""
from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import Played

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
BLOCK = re.compile(r"^```(console|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def _blocks(page: Path) -> list[tuple[str, str]]:
    return [(match.group(1), match.group(2)) for match in BLOCK.finditer(page.read_text())]


@pytest.mark.parametrize("page", [page for page in PAGES if _blocks(page)], ids=lambda page: page.stem)
def test_page_holds_what_it_says(page: Path, demo: Played) -> None:
    for language, block in _blocks(page):
        if language == "python":
            done = subprocess.run([sys.executable, "-"], input=block, env=dict(demo.env), cwd=demo.folder, capture_output=True, text=True, check=False,
                                  timeout=120)
            assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
            continue
        for line in block.splitlines():
            if line.startswith("$ "):
                command, _, comment = line[2:].partition("  # ")
                expected = int(match.group(1)) if (match := re.search(r"exit (\d+)", comment)) else 0
                demo.run(*shlex.split(command), expect=expected)


def test_readme_names_the_commands_that_ci_runs() -> None:
    readme, ci = (ROOT / "README.md").read_text(), (ROOT / ".ci" / "run").read_text()
    for command in ("make demo", "make test"):
        assert command in readme
    assert "make test" in ci
    assert "make check" in ci


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_tests_named_in_the_threats_exist() -> None:
    known = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    for name in re.findall(r"`(test_\w+|tests/[\w/]+\.py)`", (ROOT / "docs" / "threats.md").read_text()):
        assert (ROOT / name).exists() if "/" in name else f"def {name}(" in known, name
