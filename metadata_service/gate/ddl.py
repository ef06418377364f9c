"""Schemas of SQL scripts, and SQL in one layout. Needs the `sql` extra."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from ingest_hooks.sql import column_lineage
from lineproof_schema.errors import LineproofError
from metadata_service.gate.schemas import Column, Table

__all__ = ["apply_script", "layout", "type_name", "without_projections"]


def apply_script(tables: dict[str, Table], sql: str, file: str, dialect: str | None) -> None:
    """Apply the `create`, `alter` and `drop` statements of a script to `tables`, in order; other statements change no schema.

    Raises:
        LineproofError: `invalid-argument`: it cannot be read as SQL of the dialect.
    """
    try:
        statements = sqlglot.parse(sql, read=dialect)
    except (SqlglotError, ValueError, RecursionError) as error:
        raise LineproofError(f"{file} cannot be read as {dialect or 'generic'} SQL: {str(error).splitlines()[0]}", code="invalid-argument") from error
    for statement in statements:
        if isinstance(statement, exp.Create) and statement.kind in ("TABLE", "VIEW"):
            _create(tables, statement, file, dialect)
        elif isinstance(statement, exp.Drop) and statement.args.get("kind") in ("TABLE", "VIEW"):
            for dropped in statement.args.get("tables") or [statement.this]:
                tables.pop(_name(dropped), None)
        elif isinstance(statement, exp.Alter) and statement.args.get("kind") == "TABLE":
            _alter(tables, statement, file, dialect)


def layout(sql: str, dialect: str | None) -> str:
    """An expression in one layout, without comments; as it is if it cannot be read."""
    try:
        return str(sqlglot.parse_one(sql, read=dialect).sql(dialect, comments=False))
    except (SqlglotError, ValueError, RecursionError):
        return " ".join(sql.split())


def without_projections(sql: str, dialect: str | None) -> str | None:
    """A query in one layout, with nothing between `select` and `from`; None if it cannot be read."""
    try:
        tree = sqlglot.parse_one(sql, read=dialect)
    except (SqlglotError, ValueError, RecursionError):
        return None
    for select in tree.find_all(exp.Select):
        select.set("expressions", [exp.Star()])
    return str(tree.sql(dialect, comments=False))


def type_name(text: str, dialect: str | None) -> str:
    """A type in one spelling: `int4` and `INTEGER` of PostgreSQL are the same."""
    try:
        return str(exp.DataType.build(text, dialect=dialect).sql())
    except (SqlglotError, ValueError):
        return text.upper()


def _name(table: exp.Expression) -> str:
    return ".".join(part.name for part in table.parts) if isinstance(table, exp.Table) else table.name


def _create(tables: dict[str, Table], statement: exp.Create, file: str, dialect: str | None) -> None:
    target = statement.this
    name = _name(target.this if isinstance(target, exp.Schema) else target)
    if statement.args.get("exists") and name in tables:
        return
    columns = {each.name: _column(each) for each in (target.expressions if isinstance(target, exp.Schema) else ()) if isinstance(each, exp.ColumnDef)}
    if columns:
        tables[name] = Table(name, columns, True, file)
        return
    found = column_lineage(statement.sql(dialect), dialect=dialect, schema={known: _types(table) for known, table in tables.items()})
    made = {column.name: Column(made=layout(column.expression, dialect)) for column in found.outputs if not column.via_star or "*" not in column.name}
    rest = without_projections(statement.expression.sql(dialect), dialect) if statement.expression is not None else None
    tables[name] = Table(name, made, bool(made) and len(made) == len(found.outputs), file, rest)


def _types(table: Table) -> Mapping[str, str]:
    return {name: column.type or "UNKNOWN" for name, column in table.columns.items()}


def _column(said: exp.ColumnDef) -> Column:
    kinds = [constraint.args.get("kind") for constraint in said.args.get("constraints") or ()]
    required = any((isinstance(kind, exp.NotNullColumnConstraint) and not kind.args.get("allow_null")) or isinstance(kind, exp.PrimaryKeyColumnConstraint)
                   for kind in kinds)
    return Column(said.kind.sql() if said.kind is not None else None, not required, line=said.this.meta.get("line"))


def _alter(tables: dict[str, Table], statement: exp.Alter, file: str, dialect: str | None) -> None:
    name = _name(statement.this)
    table = tables.get(name)
    if table is None:  # altered without having been created here: nothing is known of its other columns
        return
    columns = dict(table.columns)
    for action in statement.args.get("actions") or ():
        if isinstance(action, exp.ColumnDef):
            columns[action.name] = _column(action)
        elif isinstance(action, exp.Drop):
            for dropped in action.args.get("tables") or [action.this]:
                columns.pop(dropped.name, None)
        elif isinstance(action, exp.RenameColumn):
            columns = {(action.args["to"].name if column == action.this.name else column): said for column, said in columns.items()}
        elif isinstance(action, exp.AlterColumn):
            columns[action.this.name] = _altered(columns.get(action.this.name, Column()), action)
        elif isinstance(action, exp.AlterRename):
            tables.pop(name)
            *place, _ = name.split(".")
            name = ".".join([*place, action.this.name])
    tables[name] = replace(table, name=name, columns=columns, file=file)


def _altered(column: Column, action: exp.AlterColumn) -> Column:
    if action.args.get("dtype") is not None:
        column = replace(column, type=action.args["dtype"].sql())
    if action.args.get("allow_null") is not None:
        column = replace(column, nullable=bool(action.args["allow_null"]) or bool(action.args.get("drop")))
    return column
