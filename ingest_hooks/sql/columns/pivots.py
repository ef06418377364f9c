"""What the columns of a PIVOT or UNPIVOT are made of."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from ingest_hooks.sql.columns.uses import Found, Use, composed, merged, use_of

__all__ = ["Below", "Pivoted", "grouped_by", "of_pivot", "pivots_of"]

Below = Callable[[str], Found]  # what a column of the source is made of


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


def of_pivot(chain: Sequence[Pivoted], name: str, names: Sequence[str], below: Below) -> Found:
    """What a column of the last pivot of a chain is made of; `names` are the columns of the source, as far as they are known."""
    if not chain:
        return below(name)
    pivot, before = chain[-1], chain[:-1]
    if name in pivot.renamed:
        place = pivot.renamed.index(name) - (len(pivot.renamed) - len(pivot.made))
        passed = [each for each in names if each not in pivot.used]
        name = pivot.made[place] if place >= 0 else next(iter(passed[pivot.renamed.index(name):]), name)
    if name in pivot.aggregated:
        value, fields = pivot.aggregated[name]
        used = [(use_of(column, value), column) for column in value.find_all(exp.Column)]
        used += [(Use(False, "CONDITIONAL"), column) for field in fields for column in field.find_all(exp.Column)]
        return merged(composed(use, of_pivot(before, column.name, names, below)) for use, column in used)
    if name in pivot.unfolded:
        return merged(of_pivot(before, column.name, names, below) for column in pivot.unfolded[name])
    return of_pivot(before, name, names, below)


def grouped_by(chain: Sequence[Pivoted], names: Sequence[str], below: Below) -> Iterator[Found]:
    """PIVOT groups by all that it does not use."""
    for pivot in chain:
        for name in names if pivot.aggregated else ():
            if name not in pivot.used:
                yield composed(Use(False, "GROUP_BY"), below(name))


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
