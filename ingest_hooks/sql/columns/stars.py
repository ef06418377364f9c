"""Stars over sources that have two columns of one name: sqlglot leaves them, as no name tells such columns apart."""
from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from ingest_hooks.sql.columns.sources import plain_sources, selects_of

__all__ = ["open_stars", "place_in_source"]

_PLACE: Final = "lineproof_place"


def place_in_source(column: exp.Column) -> int | None:
    """Which of its source's columns a column is, where its name does not say: several have it."""
    place: int | None = column.meta.get(_PLACE)
    return place


def open_stars(scopes: Iterable[Scope]) -> None:
    """Write the stars of qualified queries out, inner scopes first, each column with its place in its source."""
    for scope in scopes:
        select = scope.expression
        if not isinstance(select, exp.Select) or not any(item.is_star for item in select.expressions):
            continue
        items: list[exp.Expr] = []
        for item in select.expressions:
            items += _columns_below(scope, item) or [item]
        if len(items) != len(select.expressions):
            select.set("expressions", items)


def _columns_below(scope: Scope, item: exp.Expr) -> list[exp.Expr]:
    star = item.this if isinstance(item, exp.Column) else item
    sources = {name: source for name, source in plain_sources(scope).items() if not isinstance(item, exp.Column) or name == item.table}
    if not isinstance(star, exp.Star) or any(star.args.values()) or not sources or scope.pivots:
        return []
    found: list[exp.Expr] = []
    for name, source in sources.items():
        below = selects_of(source) if isinstance(source, Scope) else []
        if not below or any(each.is_star for each in below):
            return []
        for place, each in enumerate(below):
            column = exp.column(exp.to_identifier(each.alias_or_name, quoted=True), table=exp.to_identifier(name, quoted=True))
            column.meta[_PLACE] = place
            found.append(exp.alias_(column, exp.to_identifier(each.alias_or_name, quoted=True), copy=False))
    return found
