"""Our Jinja corpus: a dbt project with marks where each column is made, in models, macros, packages, ephemeral models and snapshots.

`tests/data/jinja-corpus/README.md` describes the files.
"""
from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.sql_corpus import Source, read_sources

FOLDER = Path(__file__).parent / "data" / "jinja-corpus"
_MARK = re.compile("«([^»]*)»")

Place = tuple[str, int, int]  # file, line, column


@dataclass
class Expected:
    """By `model.column`: where it is made, where in a macro, what of; `unplaced`: no exact place may be told. `rows` by model."""

    places: dict[str, Place] = field(default_factory=dict)
    macros: dict[str, Place] = field(default_factory=dict)
    unplaced: set[str] = field(default_factory=set)
    sources: dict[str, frozenset[Source]] = field(default_factory=dict)
    rows: dict[str, frozenset[Source]] = field(default_factory=dict)


def write_project(folder: Path) -> Expected:
    """Write the project without its marks, and say what they mark."""
    expected = Expected()
    for path in sorted(FOLDER.rglob("*")):
        if not path.is_file() or path.name in ("README.md", "expected.txt"):
            continue
        text, inside = path.read_text(encoding="utf-8"), path.relative_to(FOLDER)
        while (mark := _MARK.search(text)) is not None:
            before = text[:mark.start()]
            place = (inside.as_posix(), before.count("\n") + 1, mark.start() - before.rfind("\n"))
            for name in mark[1].split(","):
                whole = name.lstrip("~") if "." in name else f"{path.stem}.{name.lstrip('~')}"
                if mark[1].startswith("~"):
                    expected.unplaced.add(whole)
                else:
                    (expected.macros if "macros" in inside.parts else expected.places)[whole] = place
            text = before + text[mark.end():]
        (folder / inside).parent.mkdir(parents=True, exist_ok=True)
        (folder / inside).write_text(text, encoding="utf-8")
    for line in filter(None, (FOLDER / "expected.txt").read_text(encoding="utf-8").splitlines()):
        name, _, said = line.partition(" = ")
        if name.endswith(" rows"):
            expected.rows[name.removesuffix(" rows")] = frozenset(read_sources(said))
        elif not line.startswith("#"):
            expected.sources[name] = frozenset(read_sources(said))
    return expected


def sources_told(facet: dict[str, Any]) -> tuple[dict[str, frozenset[Source]], frozenset[Source]]:
    """What a `columnLineage` facet says: by column, and for all rows; tables by their last name."""
    def told(items: list[dict[str, Any]]) -> frozenset[Source]:
        return frozenset((f"{item['name'].rpartition('.')[2]}.{item['field']}", str(one["subtype"])) for item in items for one in item["transformations"])

    return {name: told(item["inputFields"]) for name, item in facet["fields"].items()}, told(facet["dataset"])
