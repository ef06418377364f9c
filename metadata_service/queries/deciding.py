"""Which inputs decide a value, by what OpenLineage calls them.

An input is DIRECT when the value is computed from it and INDIRECT otherwise. Of the indirect ones WINDOW and CONDITIONAL belong
to one column and decide its value (the order of a running total, a `case when`); JOIN, FILTER, GROUP_BY and SORT belong to the
whole query and decide its rows. Where a value is an aggregate, or is made of nothing but its rows (`count(*)`), the rows are the
value, so everything the query reads decides it.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

__all__ = ["deciding"]

OF_THE_VALUE: Final = frozenset({"WINDOW", "CONDITIONAL"})  # subtypes of indirect inputs
MADE_OF_ROWS: Final = "AGGREGATION"  # subtype of direct inputs

E = TypeVar("E")


def deciding(inputs: Iterable[E], named: Callable[[E], tuple[str | None, str | None]], *, complete: bool = True) -> list[E]:
    """Of the inputs of one entity, as one version of code says them, those that decide its value.

    `named` gives an input's type and subtype; one without a type decides: unknown is not clean. Where the inputs are not
    `complete`, that none decides the value says nothing.
    """
    said = [(each, *named(each)) for each in inputs]
    direct = [each for each, kind, subtype in said if kind != "INDIRECT" or subtype in OF_THE_VALUE]
    if (complete and not direct) or any(kind == "DIRECT" and subtype == MADE_OF_ROWS for _, kind, subtype in said):
        return [each for each, _, _ in said]
    return direct
