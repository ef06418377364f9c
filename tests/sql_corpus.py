"""Our SQL corpus: statements with what they say about columns, written down by hand before the code was asked.

`tests/data/sql-corpus/README.md` describes the files. A case holds if everything it says is found and nothing else is.
"""
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from ingest_hooks.sql import InputColumn, SqlLineage, column_lineage

FOLDER = Path(__file__).parent / "data" / "sql-corpus"
_SUBTYPES = {"I": "IDENTITY", "T": "TRANSFORMATION", "A": "AGGREGATION", "J": "JOIN", "F": "FILTER", "G": "GROUP_BY", "S": "SORT",
             "W": "WINDOW", "C": "CONDITIONAL"}
_MARK = re.compile("«([^»]*)»")
_SOURCE = re.compile(r"(?:([A-Z]):)?(\S+?)(!?)$")

Source = tuple[str, str]  # table.column, with ! behind it where a function hides the value; subtype
Schema = dict[str, dict[str, str]]


@dataclass
class Case:
    """One statement and what is expected of it. `places`: output -> (line, column)."""

    dialect: str
    name: str
    sql: str
    schema: Schema | None
    outputs: dict[str, frozenset[Source] | None] = field(default_factory=dict)
    rows: frozenset[Source] = frozenset()
    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    writes: str | None = None
    output: str | None = None  # the table that is asked for, where the statement does not say it
    status: str = "complete"
    reason: str = ""

    @property
    def id(self) -> str:
        return f"{self.dialect}-{self.name.replace(' ', '-')}"

    def asked(self) -> SqlLineage:
        """What the parser says of it."""
        return column_lineage(self.sql, dialect=self.dialect, schema=self.schema, output=self.output)


@dataclass(frozen=True)
class Score:
    """How one answer compares: sources rightly found, found, and expected; places likewise; `wrong` says what differs."""

    right: int
    found: int
    expected: int
    places_right: int
    places: int
    wrong: tuple[str, ...]


def score(case: Case, found: SqlLineage) -> Score:
    """Compare an answer with what is expected."""
    rows = set(found.row_inputs)
    expected: set[tuple[str, Source]] = {("", source) for source in case.rows}
    expected |= {(name, source) for name, sources in case.outputs.items() for source in sources or ()}
    seen: set[tuple[str, Source]] = {("", _source(item)) for item in rows}
    seen |= {(column.name, _source(item)) for column in found.outputs for item in column.inputs if item not in rows}
    wrong = [f"missing: {name or 'rows'} = {_spelled(source)}" for name, source in sorted(expected - seen)]
    wrong += [f"too much: {name or 'rows'} = {_spelled(source)}" for name, source in sorted(seen - expected)]
    if list(case.outputs) != [column.name for column in found.outputs] and set(case.outputs) != {"?"}:
        wrong.append(f"outputs {[column.name for column in found.outputs]}, not {list(case.outputs)}")
    for name, sources in case.outputs.items():
        for column in found.outputs:
            if column.name == name and (sources is None) != (column.status == "unknown"):
                wrong.append(f"{name} is {column.status}: {column.reason}")
            if column.name == name and sources is not None and case.status == "complete" and column.status != "complete":
                wrong.append(f"{name} is {column.status}: {column.reason}")
    if found.status != case.status:
        wrong.append(f"status {found.status} {found.reasons}, not {case.status}")
    if case.reason and not any(case.reason in reason for reason in found.reasons):
        wrong.append(f"reasons {found.reasons}, not {case.reason}")
    if case.writes is not None and (found.output or "").casefold() != case.writes.casefold():
        wrong.append(f"writes {found.output}")
    at = {column.name: (column.line, column.column) for column in found.outputs}
    places_right = 0
    for name, place in case.places.items():
        places_right += at.get(name) == place
        if at.get(name) != place:
            wrong.append(f"{name} at {at.get(name)}, not {place}")
    return Score(len(expected & seen), len(seen), len(expected), places_right, len(case.places), tuple(wrong))


@cache
def cases(dialect: str | None = None) -> tuple[Case, ...]:
    """All cases, or those of one dialect."""
    return tuple(case for path in sorted(FOLDER.glob("*.sql")) if dialect in (None, path.stem) for case in _read(path))


def _read(path: Path) -> Iterator[Case]:
    head, *blocks = path.read_text(encoding="utf-8").split("--# name: ")
    schema = dict(_table(line.removeprefix("--# tables: ")) for line in head.splitlines() if line.startswith("--# tables: "))
    for block in blocks:
        said, sql = block.split("\n--\n", 1)
        name, *lines = said.splitlines()
        case = Case(path.stem, name.strip(), "", schema)
        case.sql, marks = unmarked(sql.rstrip("\n"))
        case.places = {column: (line, at) for said, line, at in marks for column in said.split(",")}
        for line in filter(None, lines):
            _say(case, line)
        yield case


def _say(case: Case, line: str) -> None:
    key, colon, value = line.partition(": ")
    if colon and key in ("writes", "output", "status", "reason", "schema"):
        if key == "schema":
            case.schema = None
        else:
            setattr(case, key, value.strip())
        return
    name, _, sources = line.partition(" =")
    found = None if sources.strip() == "?" else frozenset(read_sources(sources))
    if name == "rows":
        case.rows = found or frozenset()
    else:
        case.outputs[name] = found


def read_sources(text: str) -> Iterator[Source]:
    for word in re.findall(r"\S+(?: Name)?", text):
        kind, column, hidden = re.fullmatch(r"(?:([A-Z]):)?(.+?)(!?)", word).groups()  # type: ignore[union-attr]
        yield column + hidden, _SUBTYPES[kind or "I"]


def unmarked(text: str) -> tuple[str, list[tuple[str, int, int]]]:
    """The text without its marks `«…»`, and of each what stands in it, and line and column of what stands behind it."""
    marks: list[tuple[str, int, int]] = []
    while (mark := _MARK.search(text)) is not None:
        before = text[:mark.start()]
        marks.append((mark[1], before.count("\n") + 1, mark.start() - before.rfind("\n")))
        text = before + text[mark.end():]
    return text, marks


def _table(text: str) -> tuple[str, dict[str, str]]:
    name, _, columns = text.strip().removesuffix(")").partition("(")
    depth, parts, last = 0, [], 0
    for index, char in enumerate(columns):
        depth += (char in "(<") - (char in ")>")
        if char == "," and depth == 0:
            parts.append(columns[last:index])
            last = index + 1
    parts.append(columns[last:])
    found: dict[str, str] = {}
    for part in parts:
        quoted = re.match(r'\s*"([^"]+)"\s+(.*)', part)
        column, kind = (quoted[1], quoted[2]) if quoted else part.strip().split(" ", 1)
        found[column] = kind
    return name.replace('"', ""), found


def _source(item: InputColumn) -> Source:
    return f"{item.table}.{item.column}{'!' if getattr(item, 'masking', False) else ''}", item.subtype


def _spelled(source: Source) -> str:
    return f"{source[0]} ({source[1]})"
