"""What a statement is reduced to: the queries that fill its target."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from ingest_hooks.sql.model import Status

__all__ = ["Reduced", "adopt_ctes", "file_table", "named", "query_of", "rows_with_queries", "table_name", "target_of"]


@dataclass(frozen=True, slots=True)
class Reduced:
    """The queries whose columns land in `target`.

    The outputs of `queries` have their own names, those of `columns` by position if the statement names them, or those of the target in the schema,
    unless `by_name`. The outputs of `assigned` are columns of the target by their names. `deciding` has queries that only choose rows.
    `status` and `reason` say what the queries cannot show.
    """

    kind: str
    queries: tuple[exp.Query, ...] = ()
    target: exp.Table | None = None
    columns: tuple[str, ...] = ()
    status: Status = "complete"
    reason: str | None = None
    assigned: tuple[exp.Query, ...] = ()
    deciding: tuple[exp.Query, ...] = ()
    by_name: bool = False
    temporary: bool = False
    like: exp.Table | None = None  # the table whose columns the target gets
    fixed: tuple[str, ...] = ()  # columns of the target to which the statement gives one value for all rows (`PARTITION (day = '…')`)

    @property
    def creates(self) -> bool:
        """Whether it makes its target anew."""
        return self.kind.startswith("create ") or self.kind == "select into"

    @property
    def reads(self) -> tuple[exp.Query, ...]:
        """All its queries."""
        return (*self.queries, *self.assigned, *self.deciding)


def table_name(table: exp.Table) -> str:
    """The table's name as written: parts joined by dots, quotes removed."""
    return ".".join(part.name for part in table.parts)


def file_table(name: str) -> exp.Table:
    """A file or stage as a table."""
    return exp.Table(this=exp.to_identifier(name, quoted=True))


def query_of(node: exp.Expr | None) -> exp.Query | None:
    """The query a node is, or stands in parentheses around."""
    if isinstance(node, exp.Subquery):
        inner = node.unnest()
        if isinstance(inner, exp.Query):
            adopt_ctes(node, inner)
            return inner
        return None
    return node if isinstance(node, exp.Query) else None


def adopt_ctes(holder: exp.Expr, query: exp.Query) -> None:
    """`WITH c AS (…) INSERT INTO t SELECT … FROM c` hangs the CTE on the INSERT; it belongs to the query."""
    outer = holder.args.get("with_")
    if outer is None:
        return
    own = query.args.get("with_")
    if own is not None:
        outer.set("expressions", [*outer.expressions, *own.expressions])
        outer.set("recursive", outer.args.get("recursive") or own.args.get("recursive"))
    holder.set("with_", None)
    query.set("with_", outer)


def rows_with_queries(values: exp.Values, at_least: int = 0) -> exp.Query | None:
    """`VALUES (1, (SELECT max(id) FROM t)), (2, 3)` as a query: its rows that read something, and `at_least` so many. None if that is none."""
    rows = [row for number, row in enumerate(values.expressions) if number < at_least or row.find(exp.Query) is not None]
    found: exp.Query | None = None
    for row in rows:
        items = row.expressions if isinstance(row, exp.Tuple) else [row]
        select = exp.select(*(exp.null() if isinstance(item, exp.Column) else item for item in items))  # DEFAULT is a word, no column
        found = select if found is None else exp.Union(this=found, expression=select, distinct=False)
    return found


def named(query: exp.Query, columns: Sequence[str]) -> exp.Query:
    """The query with its outputs under these names, by position."""
    first: exp.Expr = query
    while isinstance(first, exp.SetOperation):
        first = first.left.unnest()
    if isinstance(first, exp.Select) and len(first.expressions) == len(columns) and not any(item.is_star for item in first.expressions):
        first.set("expressions", [exp.alias_(item.unalias(), name, copy=False) for item, name in zip(first.expressions, columns, strict=True)])
        return query
    alias = exp.TableAlias(this=exp.to_identifier("named"), columns=[exp.to_identifier(column) for column in columns])
    return exp.select("*").from_(exp.Subquery(this=query, alias=alias), copy=False)


def target_of(node: exp.Expr | None) -> tuple[exp.Table | None, tuple[str, ...]]:
    """The table a statement writes, and the columns it names."""
    if isinstance(node, exp.Schema):
        table = node.this if isinstance(node.this, exp.Table) else None
        return table, tuple(column.name for column in node.expressions if isinstance(column, exp.Identifier | exp.ColumnDef))
    return (node if isinstance(node, exp.Table) else None), ()
