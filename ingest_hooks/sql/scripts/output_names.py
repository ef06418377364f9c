"""The names of a query's outputs before it is resolved: plain stars written out, as far as the columns of what they stand for are known."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from sqlglot import exp

__all__ = ["ColumnsOf", "output_names"]

ColumnsOf: TypeAlias = Callable[[exp.Table], Sequence[str]]  # the columns of a table in order; none if they are not known


def output_names(query: exp.Expr, columns_of: ColumnsOf) -> list[str]:
    """The names in order; none if some are not known."""
    below = _with_ctes(query, columns_of)
    while isinstance(query, exp.SetOperation | exp.Subquery) and not (isinstance(query, exp.SetOperation) and query.args.get("by_name")):
        query = query.this
        below = _with_ctes(query, below)
    if not isinstance(query, exp.Select):
        return []
    names: list[str] = []
    for item in query.expressions:
        found = _starred(item, query, below) if item.is_star else [item.alias_or_name]
        if not found or not all(found):
            return []
        names += found
    return names


def _with_ctes(query: exp.Expr, columns_of: ColumnsOf) -> ColumnsOf:
    with_ = query.args.get("with_")
    if not isinstance(with_, exp.With):
        return columns_of
    ctes = {cte.alias.casefold(): cte for cte in with_.expressions}

    def columns(table: exp.Table) -> Sequence[str]:
        cte = ctes.get(table.name.casefold()) if not table.db else None
        if cte is None:
            return columns_of(table)
        return cte.alias_column_names or output_names(cte.this, lambda inner: () if inner.name.casefold() == cte.alias.casefold() else columns(inner))

    return columns


def _starred(item: exp.Expr, query: exp.Select, columns_of: ColumnsOf) -> list[str]:
    star = item.this if isinstance(item, exp.Column) else item
    from_, joins = query.args.get("from_"), query.args.get("joins") or ()
    if not isinstance(star, exp.Star) or any(star.args.get(key) for key in ("replace", "rename", "except_")) or not isinstance(from_, exp.From) \
            or query.args.get("laterals") or any(join.args.get("using") or join.args.get("method") or join.kind in ("SEMI", "ANTI") for join in joins):
        return []
    of = item.table.casefold() if isinstance(item, exp.Column) else ""
    names: list[str] = []
    for source in (from_.this, *(join.this for join in joins)):
        if of and source.alias_or_name.casefold() != of:
            continue
        found: Sequence[str] = ()
        if isinstance(source, exp.Table) and isinstance(source.this, exp.Identifier) and not source.args.get("pivots") and not source.args.get("joins"):
            found = columns_of(source)
        elif isinstance(source, exp.Subquery) and not source.args.get("pivots"):
            found = output_names(source.this, columns_of)
        found = source.alias_column_names or found
        if not found:
            return []
        names += found
    return names
