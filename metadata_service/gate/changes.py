"""What a change takes away from its readers: columns and tables that are gone, and columns of another type. What it adds breaks nobody."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from metadata_service.gate.schemas import Table

__all__ = ["Change", "changes"]


@dataclass(frozen=True, slots=True)
class Change:
    """`kind` as `lineproof impact --change` has it; `table` and `column` by name."""

    kind: Literal["drop-column", "drop-dataset", "retype-column"]
    table: str
    column: str | None = None
    detail: str | None = None

    @property
    def name(self) -> str:
        return self.table if self.column is None else f"{self.table}.{self.column}"


def changes(base: Mapping[str, Table], head: Mapping[str, Table]) -> list[Change]:
    """From `base` to `head`, by name. Names are compared as they are written."""
    return sorted(_changes(base, head), key=lambda change: (change.kind != "drop-dataset", change.name))


def _changes(base: Mapping[str, Table], head: Mapping[str, Table]) -> Iterator[Change]:
    for name, before in base.items():
        after = head.get(name)
        if after is None:
            yield Change("drop-dataset", name)
            continue
        for column, kind in before.columns.items():
            if column not in after.columns:
                if after.whole or not before.whole:  # a column that only a description lost may still be there
                    yield Change("drop-column", name, column)
            elif kind and after.columns[column] and kind.casefold() != str(after.columns[column]).casefold():
                yield Change("retype-column", name, column, f"{kind} → {after.columns[column]}")
