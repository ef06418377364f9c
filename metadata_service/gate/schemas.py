"""Tables and their columns, as the files of a project say them."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Column", "Table"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column; None is not said, and then not compared. `type` in one spelling per type; `made` is the expression of its SQL, in one layout."""

    type: str | None = None
    nullable: bool | None = None
    made: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table, and where it is written down. `whole` if these are all its columns, and not only those that somebody described.

    `code` is the SQL behind it, in one layout and without what the columns' `made` says: its rows are the same while it is.
    """

    name: str
    columns: Mapping[str, Column]
    whole: bool
    file: str | None = None
    code: str | None = None
