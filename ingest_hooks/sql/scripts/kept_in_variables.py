"""What T-SQL keeps in variables: tables that are declared, values that a query assigns."""
from __future__ import annotations

from sqlglot import exp

__all__ = ["only_assigns", "plain_tables"]


def plain_tables(statement: exp.Expr) -> exp.Expr:
    """The statement with `@rows` as a table of that name; `DECLARE @rows TABLE (…)` as a temporary table that is made."""
    if isinstance(statement, exp.Declare):
        return next((made for item in statement.expressions if (made := _made(item)) is not None), statement)
    for table in statement.find_all(exp.Table):
        if isinstance(table.this, exp.Parameter) and isinstance(table.this.this, exp.Var | exp.Identifier):
            table.set("this", _named(table.this))
    return statement


def only_assigns(statement: exp.Expr) -> bool:
    """Whether a query only assigns to variables: `SELECT @n = COUNT(*) FROM t`."""
    return isinstance(statement, exp.Select) and bool(statement.expressions) and all(
        isinstance(item, exp.EQ | exp.PropertyEQ) and isinstance(item.this, exp.Parameter) for item in statement.expressions)


def _made(item: exp.Expr) -> exp.Create | None:
    kind, names = item.args.get("kind"), item.this
    name = names[0] if isinstance(names, list) and names else names
    if not isinstance(kind, exp.Schema) or not isinstance(name, exp.Parameter):
        return None
    return exp.Create(this=exp.Schema(this=exp.Table(this=_named(name)), expressions=kind.expressions), kind="TABLE",
                      properties=exp.Properties(expressions=[exp.TemporaryProperty()]))


def _named(variable: exp.Parameter) -> exp.Identifier:
    return exp.to_identifier(f"@{variable.name}", quoted=True)
