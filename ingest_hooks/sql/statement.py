"""From a statement to the queries that fill its target."""
from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from ingest_hooks.sql.model import Status

__all__ = ["Reduced", "reduce_statement", "table_name"]


@dataclass(frozen=True, slots=True)
class Reduced:
    """The queries whose columns land in `target`; `columns` names them by position if the statement does.

    `status` and `reason` say what the queries cannot show.
    """

    kind: str
    queries: tuple[exp.Query, ...] = ()
    target: exp.Table | None = None
    columns: tuple[str, ...] = ()
    status: Status = "complete"
    reason: str | None = None


def table_name(table: exp.Table) -> str:
    """The table's name as written: parts joined by dots, quotes removed."""
    return ".".join(part.name for part in table.parts)


def reduce_statement(statement: exp.Expr) -> Reduced:
    """Find the queries inside a statement. A statement that cannot be read says so, it is never silently empty."""
    kind = statement.key
    if isinstance(statement, exp.Query):
        query = _query(statement)
        return Reduced(kind, (query,)) if query is not None else Reduced(kind, status="unknown", reason=f"statement:{kind}")
    if isinstance(statement, exp.Insert):
        return _insert(statement)
    if isinstance(statement, exp.Create):
        return _create(statement)
    if isinstance(statement, exp.Update):
        return _update(statement)
    if isinstance(statement, exp.Merge):
        return _merge(statement)
    if isinstance(statement, exp.Delete) and isinstance(statement.this, exp.Table):
        return Reduced(kind, target=statement.this, status="partial", reason="statement:delete")
    if isinstance(statement, exp.Command):
        kind = str(statement.this).lower()
    return Reduced(kind, status="unknown", reason=f"statement:{kind}")


def _query(node: exp.Expr | None) -> exp.Query | None:
    if isinstance(node, exp.Subquery):
        inner = node.unnest()
        if isinstance(inner, exp.Query):
            _adopt_ctes(node, inner)
            return inner
        return None
    return node if isinstance(node, exp.Query) else None


def _adopt_ctes(holder: exp.Expr, query: exp.Query) -> None:
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


def _target(node: exp.Expr | None) -> tuple[exp.Table | None, tuple[str, ...]]:
    if isinstance(node, exp.Schema):
        table = node.this if isinstance(node.this, exp.Table) else None
        return table, tuple(column.name for column in node.expressions if isinstance(column, exp.Identifier | exp.ColumnDef))
    return (node if isinstance(node, exp.Table) else None), ()


def _insert(statement: exp.Insert) -> Reduced:
    target, columns = _target(statement.this)
    query = _query(statement.expression)
    if query is None:
        return Reduced("insert", target=target, columns=columns, reason="literal-values")
    _adopt_ctes(statement, query)
    return Reduced("insert", (query,), target, columns)


def _create(statement: exp.Create) -> Reduced:
    target, columns = _target(statement.this)
    kind = f"create {str(statement.args.get('kind') or '').lower()}".strip()
    query = _query(statement.expression)
    if query is None:
        return Reduced(kind, target=target, columns=columns, status="unknown", reason="no-query")
    _adopt_ctes(statement, query)
    return Reduced(kind, (query,), target, columns)


def _update(statement: exp.Update) -> Reduced:
    if not isinstance(statement.this, exp.Table):
        return Reduced("update", status="unknown", reason="statement:update")
    target = statement.this
    select = _assignments(statement.expressions).from_(target.copy(), copy=False)
    source = statement.args.get("from_")
    if isinstance(source, exp.From):
        select.join(source.this, copy=False)
    if statement.args.get("where") is not None:
        select.set("where", statement.args["where"])
    _adopt_ctes(statement, select)
    return Reduced("update", (select,), target, status="partial", reason="update-keeps-other-values")


def _assignments(expressions: list[exp.Expr]) -> exp.Select:
    select = exp.Select()
    select.set("expressions", [exp.Alias(this=pair.expression, alias=exp.to_identifier(pair.this.name))
                               for pair in expressions if isinstance(pair, exp.EQ)])
    return select


def _merge(statement: exp.Merge) -> Reduced:
    target, using, on = statement.this, statement.args.get("using"), statement.args.get("on")
    whens = statement.args.get("whens")
    if not isinstance(target, exp.Table) or using is None or whens is None:
        return Reduced("merge", status="unknown", reason="statement:merge")
    queries: list[exp.Query] = []
    for when in whens.expressions:
        select = _merge_values(when.args.get("then"))
        if select is None or not select.expressions:
            continue
        select = select.from_(target.copy(), copy=False).join(using.copy(), on=on.copy() if on is not None else None, copy=False)
        condition = when.args.get("condition")
        if condition is not None:
            select = select.where(condition, copy=False)
        queries.append(select)
    status: Status = "partial" if queries else "unknown"
    return Reduced("merge", tuple(queries), target, status=status, reason="merge-keeps-other-values" if queries else "statement:merge")


def _merge_values(then: exp.Expr | None) -> exp.Select | None:
    if isinstance(then, exp.Update):
        return _assignments(then.expressions)
    if isinstance(then, exp.Insert) and isinstance(then.this, exp.Tuple) and isinstance(then.expression, exp.Tuple):
        pairs = zip(then.this.expressions, then.expression.expressions, strict=False)
        select = exp.Select()
        select.set("expressions", [exp.Alias(this=value, alias=exp.to_identifier(column.name)) for column, value in pairs])
        return select
    return None
