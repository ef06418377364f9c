"""Tables and their columns, as the files of a project say them, and what changes of them."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

__all__ = ["Change", "Column", "Kind", "Schemas", "Table", "same_name"]

MAX_TOLD: Final = 200  # characters of a statement, or of what a column is made of
Kind = Literal["drop-dataset", "drop-column", "retype-column", "change-nullability", "change-values", "not-followed"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column; None is not said, and then not compared. `type` in one spelling per type. `made` are the expressions of its SQL on the way to its sources,
    in one layout, the column's own first, and the columns at its end. `was` is the name that a statement renamed."""

    type: str | None = None
    nullable: bool | None = None
    made: tuple[str, ...] | None = None
    line: int | None = None
    was: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table, and where it is written down. `whole` if these are all its columns, and not only those that somebody described.

    `code` is the SQL behind it in one layout, of a whole table without what the columns' `made` says: its rows are the same while it is. `text` is the
    code as it was written, without comments, for where it was not compiled. `reads` has the columns it reads of each table, all in lower case, if all
    of them are known. `origin` is the same for the same table under another name. `folds`: its names do not differ by case alone.
    """

    name: str
    columns: Mapping[str, Column]
    whole: bool
    file: str | None = None
    code: str | None = None
    text: str | None = None
    reads: Mapping[str, frozenset[str]] | None = None
    origin: str | None = None
    folds: bool = False

    def fold(self, name: str) -> str:
        """What two spellings of one name have in common."""
        return name.casefold() if self.folds else name


@dataclass(frozen=True, slots=True)
class Change:
    """`kind` as `lineproof impact --change` has it; `table` and `column` by name; `before` and `after` are types. `file` and `line` where it is written
    down, as far as known. Of what is `not-followed`, `table` is empty and `detail` is the statement."""

    kind: Kind
    table: str
    column: str | None = None
    detail: str | None = None
    file: str | None = None
    line: int | None = None
    before: str | None = None
    after: str | None = None

    @property
    def told(self) -> str | None:
        """`detail`, as much of it as a line of a report has room for."""
        return self.detail if self.detail is None or len(self.detail) <= MAX_TOLD else f"{self.detail[:MAX_TOLD]} …"

    @property
    def name(self) -> str:
        return self.table if self.column is None else f"{self.table}.{self.column}"


@dataclass(frozen=True, slots=True)
class Schemas:
    """The tables of a project by name, and what its statements do to tables that none of them made. `defined` has what functions and types are that
    queries may use, and what is told of a new definition."""

    tables: dict[str, Table] = field(default_factory=dict)
    said: list[Change] = field(default_factory=list)
    defined: dict[str, tuple[str, Change]] = field(default_factory=dict)

    def called(self, name: str) -> Table | None:
        """The table that a name means: spelled so, else so in another case, else the only one of which one name is the end of the other."""
        if name in self.tables:
            return self.tables[name]
        fits = [table for table in self.tables.values() if same_name(table.name, name)]
        fits = [table for table in fits if table.name.casefold() == name.casefold()] or fits
        return fits[0] if len(fits) == 1 else None


def same_name(one: str, other: str) -> bool:
    """Whether two names can mean one table: the shorter one is the end of the longer one, in any case."""
    short, long = sorted((one.casefold(), other.casefold()), key=len)
    return long == short or long.endswith(f".{short}")
