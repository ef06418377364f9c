"""What a change does to the readers of tables: what is gone, of another type, may hold nulls, or means something else. What it adds breaks nobody."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from metadata_service.gate.schemas import Change, Column, Kind, Schemas, Table
from metadata_service.queries.column_types import Fit, fit

__all__ = ["changes"]

ORDER: Final[tuple[Kind, ...]] = ("drop-dataset", "drop-column", "retype-column", "change-nullability", "change-values", "not-followed")


def changes(base: Schemas, head: Schemas) -> list[Change]:
    """From `base` to `head`, by name, the gravest kind first."""
    old = {(change.kind, change.name, change.detail) for change in base.said}
    found = [*_changes(base.tables, head.tables), *(change for change in head.said if (change.kind, change.name, change.detail) not in old)]
    found += [told for name, (definition, told) in head.defined.items() if name in base.defined and base.defined[name][0] != definition]
    return sorted(found, key=lambda change: (ORDER.index(change.kind), change.name, change.detail or ""))


def _changes(base: Mapping[str, Table], head: Mapping[str, Table]) -> Iterator[Change]:
    by_name = {table.fold(table.name): table for table in head.values()}
    moved = {table.origin: table.name for table in head.values() if table.origin is not None and table.name not in base}
    for before in base.values():
        after = by_name.get(before.fold(before.name))
        if after is not None:
            yield from _table(before, after)
        else:
            renamed = moved.get(before.origin) if before.origin is not None else None
            yield Change("drop-dataset", before.name, None, renamed and f"renamed to {renamed}", before.file)


def _table(before: Table, after: Table) -> Iterator[Change]:
    now = {before.fold(name): (name, column) for name, column in after.columns.items()}
    gone = [name for name in before.columns if before.fold(name) not in now]
    known = {before.fold(name) for name in before.columns}
    new = [name for name in after.columns if before.fold(name) not in known]
    otherwise: list[Change] = []
    for name, column in before.columns.items():
        if before.fold(name) in now:
            found = list(_column(after, name, column, now[before.fold(name)][1]))
            yield from (change for change in found if change.kind != "change-values")
            otherwise += found if len(found) == 1 and found[0].kind == "change-values" else []  # else its readers are told already
        elif after.whole or not before.whole:  # a column that only a description lost may still be there
            said = next((other for other in new if before.fold(after.columns[other].was or "") == before.fold(name)), None)
            now_called = said or (new[0] if len(gone) == len(new) == 1 and not _retyped(column, after.columns[new[0]]) else None)
            detail = now_called and f"{'' if said else 'perhaps '}renamed to {now_called}"
            yield Change("drop-column", after.name, name, detail, after.file, after.columns[now_called].line if now_called else None)
    why = _another_code(before, after)
    if why is None:
        yield from otherwise
    else:  # readers of any column are told, so that its columns need not be named one by one
        computed = f"; computed otherwise: {', '.join(str(change.column) for change in otherwise)}" if otherwise else ""
        yield Change("change-values", after.name, None, why + computed, after.file)


def _another_code(before: Table, after: Table) -> str | None:
    if before.whole is after.whole and before.code is not None and after.code is not None:
        changed, why = before.code != after.code, "which rows it has may change" if after.whole else "its code changed"
    else:  # one of them says all its columns and the other does not, or was not compiled
        unsaid = None in (before.text, after.text)
        changed = before.text != after.text if not unsaid else before.whole is not after.whole
        why = "its code changed; whether its columns did is not known"
    return why if changed else None


def _column(table: Table, name: str, before: Column, after: Column) -> Iterator[Change]:
    if _retyped(before, after):
        yield Change("retype-column", table.name, name, f"{before.type} → {after.type}", table.file, after.line, before.type, after.type)
    if before.nullable is not None and after.nullable is not None and before.nullable is not after.nullable:
        yield Change("change-nullability", table.name, name, "may be null from now on" if after.nullable else "never null from now on", table.file, after.line)
    if before.made is not None and after.made is not None and before.made != after.made:
        one, other = next(((old, new) for old, new in zip(before.made, after.made, strict=False) if old != new), (before.made[-1], after.made[-1]))
        yield Change("change-values", table.name, name, f"{one} → {other}", table.file, after.line)


def _retyped(before: Column, after: Column) -> bool:
    return before.type is not None and after.type is not None and fit(before.type, after.type) is not Fit.SAME
