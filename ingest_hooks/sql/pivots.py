"""What the columns of a PIVOT or UNPIVOT are made of."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlglot import exp

__all__ = ["Pivoted", "pivot_columns", "pivots_of"]


@dataclass(frozen=True, slots=True)
class Pivoted:
    """One pivot. `aggregated`: output -> (the expression that makes it, the columns that decide which rows it takes); `unfolded`: output -> the columns
    whose values it holds one below the other, none for the column of their names. `used` are columns that do not come through; all others do.
    """

    aggregated: Mapping[str, tuple[exp.Expr, tuple[exp.Expr, ...]]]
    unfolded: Mapping[str, tuple[exp.Expr, ...]]
    used: frozenset[str]
    renamed: tuple[str, ...]  # all outputs, where the pivot's alias names them

    @property
    def made(self) -> list[str]:
        """The outputs that are made here, in order."""
        return [*self.aggregated, *self.unfolded]


def pivots_of(source: exp.Expr) -> list[Pivoted]:
    """The pivots that stand behind a table or subquery."""
    return [_read(pivot) for pivot in source.args.get("pivots") or () if isinstance(pivot, exp.Pivot)]


def pivot_columns(pivoted: Pivoted, source: list[str]) -> list[str]:
    """All outputs of a pivot over a source with these columns."""
    passed = [name for name in source if name not in pivoted.used]
    return [*passed, *pivoted.made]


def _read(pivot: exp.Pivot) -> Pivoted:
    alias = pivot.args.get("alias")
    renamed = tuple(column.name for column in alias.columns) if isinstance(alias, exp.TableAlias) else ()
    if pivot.args.get("unpivot"):
        unfolded = dict(_unfolded(pivot))
        return Pivoted({}, unfolded, frozenset(column.name for columns in unfolded.values() for column in columns), renamed)
    made: dict[str, tuple[exp.Expr, tuple[exp.Expr, ...]]] = {}
    fields = [field.this for field in pivot.args.get("fields") or () if isinstance(field, exp.In)]
    names = [column.name for column in pivot.args.get("columns") or ()]
    for number, name in enumerate(names):
        if pivot.expressions:
            made[name] = (pivot.expressions[number % len(pivot.expressions)], tuple(fields))
    used = {column.name for part in (*pivot.expressions, *fields) for column in part.find_all(exp.Column)}
    return Pivoted(made, {}, frozenset(used), renamed)


def _unfolded(pivot: exp.Pivot) -> Iterator[tuple[str, tuple[exp.Expr, ...]]]:
    values = [part for value in pivot.expressions for part in (value.expressions if isinstance(value, exp.Tuple) else (value,))]
    for field in pivot.args.get("fields") or ():
        if not isinstance(field, exp.In):
            continue
        yield field.this.name, ()
        rows = [item.this if isinstance(item, exp.PivotAlias | exp.Alias) else item for item in field.expressions]
        for number, value in enumerate(values):
            columns = []
            for row in rows:
                parts = row.expressions if isinstance(row, exp.Tuple) else [row.unnest()]
                if number < len(parts):
                    columns.append(parts[number])
            yield value.name, tuple(columns)
