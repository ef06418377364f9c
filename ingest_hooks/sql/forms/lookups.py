"""Functions that look a value up in a table whose name they are given, as the subqueries they stand for: ClickHouse's `dictGet` and its kin."""
from __future__ import annotations

from sqlglot import exp

__all__ = ["plain_lookup"]


def plain_lookup(call: exp.Anonymous) -> None:
    """`dictGet('d.users', 'name', id)` is the name in a row of d.users that id chooses; `dictHas` only asks whether there is one."""
    name, given = call.name.lower(), call.expressions
    asks = name == "dicthas"
    if not (asks or name.startswith("dictget")) or len(given) < (2 if asks else 3):
        return
    table = _table(given[0])
    if table is None:
        return
    if asks:
        call.set("expressions", [given[1], exp.Subquery(this=exp.select("1").from_(table, copy=False))])
        return
    wanted = [each for each in (given[1].expressions if isinstance(given[1], exp.Tuple | exp.Struct) else [given[1]]) if isinstance(each, exp.Literal)]
    columns: list[exp.Expr] = [exp.column(exp.to_identifier(each.name), table=table.name) for each in wanted]
    item = exp.Tuple(expressions=columns) if len(columns) != 1 else columns[0]
    found = exp.Subquery(this=exp.select(item).from_(table, copy=False))
    value: exp.Expr = exp.Case(ifs=[exp.If(this=given[2].copy(), true=found)])  # outside of the subquery: the key is no column of the table
    if "ordefault" in name and len(given) > 3:
        value = exp.Coalesce(this=value, expressions=[given[3].copy()])
    call.replace(value)


def _table(name: exp.Expr) -> exp.Table | None:
    """The table a first argument names, in a string or as a word."""
    if isinstance(name, exp.Literal) and name.is_string:
        return exp.to_table(name.name, dialect="clickhouse")
    if isinstance(name, exp.Column):
        return exp.Table(**dict(zip(("this", "db", "catalog"), (part.copy() for part in reversed(name.parts)), strict=False)))
    return None
