"""What a change does to the readers of tables: what is gone, of another type, may hold nulls, or means something else. What it adds breaks nobody."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from metadata_service.gate.schemas import Column, Table

__all__ = ["Change", "Kind", "changes"]

Kind = Literal["drop-dataset", "drop-column", "retype-column", "change-nullability", "change-values"]
ORDER: Final[tuple[Kind, ...]] = ("drop-dataset", "drop-column", "retype-column", "change-nullability", "change-values")


@dataclass(frozen=True, slots=True)
class Change:
    """`kind` as `lineproof impact --change` has it; `table` and `column` by name; `file` and `line` where it is written down, as far as known."""

    kind: Kind
    table: str
    column: str | None = None
    detail: str | None = None
    file: str | None = None
    line: int | None = None

    @property
    def name(self) -> str:
        return self.table if self.column is None else f"{self.table}.{self.column}"


def changes(base: Mapping[str, Table], head: Mapping[str, Table]) -> list[Change]:
    """From `base` to `head`, by name, the gravest kind first. Names are compared as they are written."""
    return sorted(_changes(base, head), key=lambda change: (ORDER.index(change.kind), change.name))


def _changes(base: Mapping[str, Table], head: Mapping[str, Table]) -> Iterator[Change]:
    for name, before in base.items():
        after = head.get(name)
        if after is None:
            yield Change("drop-dataset", name, file=before.file)
            continue
        gone = [column for column in before.columns if column not in after.columns]
        new = [column for column in after.columns if column not in before.columns]
        for column, said in before.columns.items():
            if column in after.columns:
                yield from _column(after, column, said, after.columns[column])
            elif after.whole or not before.whole:  # a column that only a description lost may still be there
                renamed = new[0] if len(gone) == len(new) == 1 and _same_type(said, after.columns[new[0]]) else None
                line = after.columns[renamed].line if renamed else None
                yield Change("drop-column", name, column, renamed and f"perhaps renamed to {renamed}", after.file, line)
        if before.code is not None and after.code is not None and before.code != after.code and before.whole is after.whole:
            yield Change("change-values", name, None, "which rows it has may change" if after.whole else "its code changed", after.file)


def _column(table: Table, name: str, before: Column, after: Column) -> Iterator[Change]:
    if before.type and after.type and not _same_type(before, after):
        yield Change("retype-column", table.name, name, f"{before.type} → {after.type}", table.file, after.line)
    if before.nullable is not None and after.nullable is not None and before.nullable is not after.nullable:
        yield Change("change-nullability", table.name, name, "may be null from now on" if after.nullable else "never null from now on", table.file, after.line)
    if before.made is not None and after.made is not None and before.made != after.made:
        yield Change("change-values", table.name, name, f"{before.made} → {after.made}", table.file, after.line)


def _same_type(one: Column, other: Column) -> bool:
    return (one.type or "").casefold() == (other.type or "").casefold()
