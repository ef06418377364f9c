"""DuckDB's `PIVOT t ON …` and `UNPIVOT t ON …`, as a statement, in FROM or in a CTE: as a SELECT over the standard's PIVOT."""
from __future__ import annotations

from typing import Final

from sqlglot import exp

__all__ = ["VALUES_UNKNOWN", "pivot_queries", "pivot_query"]

VALUES_UNKNOWN: Final = "pivoted"  # a clause of ours on a SELECT: some of its columns are named by values, which only the data has


def pivot_queries(statement: exp.Expr) -> None:
    """Write out, in place, the pivots that stand where a query can, and mark those of which only the data knows the columns."""
    for pivot in list(statement.find_all(exp.Pivot)):
        if pivot.arg_key in ("this", "expression"):
            pivot.replace(pivot_query(pivot))
        elif any(isinstance(value, exp.PivotAny | exp.Query | exp.Subquery) for field in pivot.args.get("fields") or () for value in field.expressions):
            for field in pivot.args["fields"]:
                field.set("expressions", [])
            select = pivot.find_ancestor(exp.Select)
            if select is not None:
                select.set(VALUES_UNKNOWN, exp.Var(this="pivot"))


def pivot_query(statement: exp.Pivot) -> exp.Select:
    """The statement as a query. Of columns whose names are values nobody wrote down only those are told that it groups by."""
    query = _query(statement)
    query.set("with_", statement.args.get("with_"))
    return query


def _query(statement: exp.Pivot) -> exp.Select:
    source = statement.this
    into, group = statement.args.get("into"), statement.args.get("group")
    items: list[exp.Expr] = [exp.Star()]
    if statement.args.get("unpivot"):
        name, value = (into.this.name, into.expressions[0].name) if isinstance(into, exp.UnpivotColumns) and into.expressions else ("name", "value")
        pivot = exp.Pivot(expressions=[exp.to_identifier(value)], unpivot=True,
                          fields=[exp.In(this=exp.to_identifier(name), expressions=statement.expressions)])
    else:
        fields = [each for each in statement.expressions if isinstance(each, exp.In)]
        aggregates = statement.args.get("using") or []
        grouped = list(group.expressions) if isinstance(group, exp.Group) else []
        if len(fields) != len(statement.expressions) or not aggregates:
            query = exp.select(*(each.copy() for each in grouped or [exp.Star()])).from_(source, copy=False)
            if grouped:
                query.set("group", exp.Group(expressions=[each.copy() for each in grouped]))
            query.set(VALUES_UNKNOWN, exp.Var(this="pivot"))
            return query
        names = [f"{value.name}_{aggregate.alias_or_name}" if len(aggregates) > 1 else value.alias_or_name
                 for field in fields for value in field.expressions for aggregate in aggregates]
        pivot = exp.Pivot(expressions=aggregates, fields=fields, unpivot=False, columns=[exp.to_identifier(name) for name in names])
        if grouped and all(isinstance(each, exp.Column) for each in grouped):  # the standard's PIVOT groups by all that it is given
            used = {column.name: column for part in (*grouped, *fields, *aggregates) for column in part.find_all(exp.Column)}
            needed = exp.select(*(column.copy() for column in used.values())).from_(source, copy=False)
            source = exp.Subquery(this=needed, alias=exp.TableAlias(this=exp.to_identifier("rows_to_pivot")))
        if grouped:
            items = [*(each.copy() for each in grouped), *(exp.column(name) for name in names)]
    source.set("pivots", [*(source.args.get("pivots") or []), pivot])
    return exp.select(*items).from_(source, copy=False)
