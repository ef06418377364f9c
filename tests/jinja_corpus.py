"""Our Jinja corpus: a dbt project with marks where each column is made, in models, macros, packages, ephemeral models and snapshots.

`tests/data/jinja-corpus/README.md` describes the files.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from tests.dbt_build import dbt_build
from tests.sql_corpus import Source, read_sources, unmarked

FOLDER = Path(__file__).parent / "data" / "jinja-corpus"

Place = tuple[str, int, int]  # file, line, column
Facets = dict[str, dict[str, Any]]  # by model: its output's facets


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
        inside = path.relative_to(FOLDER)
        text, marks = unmarked(path.read_text(encoding="utf-8"))
        for said, line, column in marks:
            for name in said.split(","):
                whole = name.lstrip("~") if "." in name else f"{path.stem}.{name.lstrip('~')}"
                if said.startswith("~"):
                    expected.unplaced.add(whole)
                else:
                    (expected.macros if "macros" in inside.parts else expected.places)[whole] = (inside.as_posix(), line, column)
        (folder / inside).parent.mkdir(parents=True, exist_ok=True)
        (folder / inside).write_text(text, encoding="utf-8")
    for line in filter(None, (FOLDER / "expected.txt").read_text(encoding="utf-8").splitlines()):
        name, _, said = line.partition(" = ")
        if name.endswith(" rows"):
            expected.rows[name.removesuffix(" rows")] = frozenset(read_sources(said))
        elif not line.startswith("#"):
            expected.sources[name] = frozenset(read_sources(said))
    return expected


def build(folder: Path) -> tuple[Expected, Facets]:
    """Build the project with real dbt in `folder`: what is expected, and the output facets that the hook told of each node."""
    project, database = folder / "shop", folder / "shop.duckdb"
    expected = write_project(project)
    with duckdb.connect(str(database)) as connection:
        connection.execute("create schema raw")
        connection.execute("create table raw.orders as select range::integer as id, (range % 3 + 1)::integer as customer_id, "
                           "timestamp '2026-01-01' + to_hours(range::integer) as ordered_at, (range * 10)::integer as amount_cents, 'paid' as status "
                           "from range(20)")
        connection.execute("create table main.incremental (id integer, amount double)")  # so that it is built on
    built = dbt_build(project, SHOP_DUCKDB=str(database))
    if not built["success"]:
        raise RuntimeError("dbt could not build the corpus")
    ended = [event for kind, event in built["events"] if kind == "openlineage" and event["eventType"] == "COMPLETE" and event["outputs"]]
    return expected, {event["outputs"][0]["name"].rpartition(".")[2]: event["outputs"][0]["facets"] for event in ended}


def fields(facets: Facets) -> dict[str, dict[str, Any]]:
    """What `lineproof_columns` says, by `model.column`."""
    return {f"{model}.{name}": fact for model, found in facets.items() for name, fact in found.get("lineproof_columns", {}).get("fields", {}).items()}


def sources_told(facets: Facets) -> tuple[dict[str, frozenset[Source]], dict[str, frozenset[Source]]]:
    """What `columnLineage` says: by `model.column`, and for all rows by model; tables by their last name."""
    def told(items: list[dict[str, Any]]) -> frozenset[Source]:
        return frozenset((f"{item['name'].rpartition('.')[2]}.{item['field']}", str(one["subtype"])) for item in items for one in item["transformations"])

    of = {model: found["columnLineage"] for model, found in facets.items() if "columnLineage" in found}
    return ({f"{model}.{name}": told(item["inputFields"]) for model, facet in of.items() for name, item in facet["fields"].items()},
            {model: told(facet["dataset"]) for model, facet in of.items()})


def score(expected: Expected, facets: Facets) -> tuple[int, int, int]:
    """Sources and places rightly told, told, and expected; a place in a model and one in a macro count one each."""
    sources, rows = sources_told(facets)
    found = {(name, *source) for told in (sources, rows) for name, these in told.items() for source in these}
    wanted = {(name, *source) for said in (expected.sources, expected.rows) for name, these in said.items() for source in these}
    for name, fact in fields(facets).items():
        macro = fact.get("macro", {})
        if fact.get("line") and not fact["approximate"]:
            found.add((name, "at", f"{fact['file']}:{fact['line']}:{fact.get('column')}"))
        if macro.get("file"):
            found.add((name, "in", f"{macro['file']}:{macro.get('line')}:{macro.get('column')}"))
    wanted |= {(name, word, ":".join(map(str, place))) for word, of in (("at", expected.places), ("in", expected.macros)) for name, place in of.items()}
    return len(found & wanted), len(found), len(wanted)
