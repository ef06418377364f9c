"""Schemas of SQL scripts. Needs the `sql` extra."""
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from ingest_hooks.sql.quiet import quietly
from lineproof_schema.errors import LineproofError
from metadata_service.gate.schemas import Change, Column, Kind, Schemas, Table
from metadata_service.gate.selected import Known, selected
from metadata_service.gate.statements import actions, created, defined, forward, moved, plain, renamed, takes_away
from metadata_service.queries.column_types import spelled

__all__ = ["apply_script"]

_UNNOTICED: Final = (exp.AddConstraint, exp.AddPartition, exp.DropPartition, exp.DropPrimaryKey, exp.AlterSet, exp.AlterSortKey, exp.AlterDistStyle,
                     exp.ClusterProperty, exp.AlterColumn, exp.Drop)  # actions that readers do not notice, if they are not of columns
_HARMLESS: Final = (exp.Query, exp.DML, exp.Grant, exp.Comment, exp.Set, exp.Use, exp.Transaction, exp.Commit, exp.Analyze, exp.TruncateTable, exp.Revoke)


@quietly()
def apply_script(schemas: Schemas, sql: str, file: str, dialect: str | None) -> None:
    """Apply the `create`, `alter` and `drop` statements of a script to `schemas`, in order. What they take away from tables that nothing here made, and
    what of them cannot be followed, is said beside the tables; other statements change no schema.

    Raises:
        LineproofError: `invalid-argument`: it cannot be read as SQL of the dialect.
    """
    try:
        statements = [statement for batch in forward(sql) for statement in sqlglot.parse(batch, read=dialect)]
    except (SqlglotError, ValueError, RecursionError) as error:
        raise LineproofError(f"{file} cannot be read as {dialect or 'generic'} SQL: {str(error).splitlines()[0]}", code="invalid-argument") from error
    script = _Script(schemas, file, dialect)
    for statement in statements:
        if statement is not None:
            script.apply(statement)


@dataclass(frozen=True, slots=True)
class _Script:
    schemas: Schemas
    file: str
    dialect: str | None

    def apply(self, statement: exp.Expr) -> None:
        kind = str(statement.args.get("kind") or "").upper()
        if isinstance(statement, exp.Create):
            if kind not in ("TABLE", "VIEW"):
                self._define(statement)
            elif statement.find(exp.TemporaryProperty) is None:
                self._create(statement)
        elif isinstance(statement, exp.Drop) and kind in ("TABLE", "VIEW"):
            for dropped in statement.args.get("tables") or [statement.this]:
                self._drop(_name(dropped), bool(statement.args.get("exists")), _line(dropped))
        elif isinstance(statement, exp.Drop) and kind in ("SCHEMA", "DATABASE"):
            for dropped in statement.args.get("tables") or [statement.this]:
                inside = f"{_name(dropped)}.".casefold()
                for name in [each for each in self.schemas.tables if each.casefold().startswith(inside) or f".{inside}" in each.casefold()]:
                    del self.schemas.tables[name]
        elif isinstance(statement, exp.Alter) and kind in ("TABLE", "VIEW"):
            for action in statement.args.get("actions") or ():
                self._alter(_name(statement.this), action, statement)
        elif isinstance(statement, exp.Command) and str(statement.this).upper() == "RENAME" and (pairs := renamed(str(statement.expression))):
            for old, new in pairs:
                said = exp.to_table(old, dialect=self.dialect)
                self._rename(_name(said), exp.to_table(new, dialect=self.dialect))
        elif isinstance(statement, exp.Select) and (into := statement.args.get("into")) is not None:
            if not into.args.get("temporary") and not _name(into.this).startswith("#"):
                query = statement.copy()
                query.set("into", None)
                self._put(self._of_query(_name(into.this), [], query), False)
        elif isinstance(statement, exp.Execute) and statement.name.casefold() == "sp_rename":
            self._sp_rename(statement)
        elif isinstance(statement, exp.Command):
            self._command(statement)
        elif not isinstance(statement, _HARMLESS):
            self._not_followed(statement)

    def _not_followed(self, statement: exp.Expr) -> None:
        text = self._text(statement)
        if takes_away(text):
            self.schemas.said.append(Change("not-followed", "", None, text, self.file, _line(statement)))

    def _text(self, statement: exp.Expr) -> str:
        return " ".join(statement.sql(self.dialect, comments=False).split())

    def _command(self, statement: exp.Command) -> None:
        """What the parser left as text."""
        text = self._text(statement)
        if (made := created(text)) is not None:  # a table of which only the code is known
            self._put(Table(_name(exp.to_table(made[0], dialect=self.dialect)), {}, False, self.file, text, text), made[1])
        elif (taken := moved(text)) is not None:
            table, schema = (exp.to_table(each, dialect=self.dialect) for each in taken)
            self._rename(_name(table), exp.table_(table.this, db=schema.this))
        elif (single := actions(plain(text), self.dialect)) != [text]:
            for each in single:
                self.apply(_parsed(each, self.dialect))
        elif not self._define(statement):
            self._not_followed(statement)

    def _define(self, statement: exp.Expr) -> bool:
        """Remember what it defines for use in queries, if it does so."""
        text = self._text(statement)
        found = defined(text)
        if found is not None:
            self.schemas.defined[found[0]] = (found[1], Change("not-followed", "", None, text, self.file, _line(statement)))
        return found is not None

    def _sp_rename(self, statement: exp.Execute) -> None:
        """SQL Server's `sp_rename 'schema.table.column', 'new name', 'COLUMN'`; of a table without the last."""
        said = {str(each.this.name) if isinstance(each, exp.EQ) else place: each.expression if isinstance(each, exp.EQ) else each
                for place, each in zip(("objname", "newname", "objtype"), statement.expressions, strict=False)}
        if not {"objname", "newname"} <= said.keys() or not all(isinstance(each, exp.Literal | exp.National) for each in said.values()):
            self._not_followed(statement)
            return
        kind = said["objtype"].name.upper() if "objtype" in said else "OBJECT"
        old, new = exp.to_table(said["objname"].name, dialect=self.dialect), said["newname"].name
        if kind == "COLUMN":
            table = _name(old).rpartition(".")[0]
            self._columns(table, self.schemas.called(table), [(old.name, new, None)], _line(statement))
        elif kind == "OBJECT":
            self._rename(_name(old), exp.to_identifier(new))

    def _said(self, kind: Kind, table: str, column: str | None, detail: str | None, line: int | None, after: str | None = None) -> None:
        self.schemas.said.append(Change(kind, table, column, detail, self.file, line, None, after))

    def _create(self, statement: exp.Create) -> None:
        target = statement.this
        listed = target.expressions if isinstance(target, exp.Schema) else []
        name = _name(target.this if isinstance(target, exp.Schema) else target)
        parts = statement.find(exp.PartitionedByProperty)
        if parts is not None and isinstance(parts.this, exp.Schema):  # of Hive, where these are columns beside the others
            listed = [*listed, *(each for each in parts.this.expressions if isinstance(each, exp.ColumnDef))]
        keys = {column.name.casefold() for each in listed for key in each.find_all(exp.PrimaryKey) for column in key.find_all(exp.Identifier)}
        columns = {each.name: self._column(each, each.name.casefold() in keys) for each in listed if isinstance(each, exp.ColumnDef)}
        copied = statement.find(exp.LikeProperty, exp.PartitionedOfProperty) or statement.args.get("clone")
        if statement.expression is not None:
            table = self._of_query(name, [each.name for each in listed], statement.expression)
            if columns:
                made = {column: each.made for column, each in table.columns.items()}
                table = replace(table, columns={column: replace(each, made=made.get(column)) for column, each in columns.items()}, whole=True)
        elif columns:
            table = Table(name, columns, copied is None)
        else:
            text = self._text(statement)
            like = self.schemas.called(_name(copied.this)) if copied is not None and isinstance(copied.this, exp.Table) else None
            table = like or Table(name, {}, False, code=text, text=text)
        self._put(replace(table, name=name, file=self.file), bool(statement.args.get("exists")))

    def _put(self, table: Table, if_not_exists: bool) -> None:
        """Take in a table that is made, in the place of one that is called so."""
        folded = table.name.casefold()
        known = next((each for each in self.schemas.tables if each.casefold() == folded), None)
        if known is not None:
            if if_not_exists:
                return
            del self.schemas.tables[known]
        self.schemas.said[:] = [each for each in self.schemas.said if each.kind != "drop-dataset" or each.name.casefold() != folded]
        name = known or table.name
        self.schemas.tables[name] = replace(table, name=name, origin=name, folds=True)

    def _of_query(self, name: str, named: list[str], query: exp.Expr) -> Table:
        known = Known()
        for name_read in {_name(each) for each in query.find_all(exp.Table)}:
            if (read := self.schemas.called(name_read)) is not None:
                known.add(read)
        found = selected(query.sql(self.dialect), self.dialect, known)
        made = found.columns or {}
        names = named if len(named) == len(made) else list(made)
        columns = {column: Column(made=each) for column, each in zip(names, made.values(), strict=True)}
        return Table(name, columns, found.columns is not None, self.file, found.code, found.code, found.reads, name, True)

    def _column(self, said: exp.ColumnDef, key: bool = False) -> Column:
        kinds = [constraint.args.get("kind") for constraint in said.args.get("constraints") or ()]
        required = any(isinstance(kind, exp.PrimaryKeyColumnConstraint) or (isinstance(kind, exp.NotNullColumnConstraint) and not kind.args.get("allow_null"))
                       for kind in kinds)
        made = tuple(self._text(kind) for kind in kinds if isinstance(kind, exp.ComputedColumnConstraint))
        return Column(self._type(said.kind), not (key or required), made or None, _line(said))

    def _type(self, kind: exp.DataType | None) -> str | None:
        return None if kind is None else spelled(kind.sql(self.dialect), self.dialect)

    def _drop(self, name: str, if_exists: bool, line: int | None) -> None:
        known = self.schemas.called(name)
        if known is not None:
            del self.schemas.tables[known.name]
        elif not if_exists or not self.schemas.tables:
            self._said("drop-dataset", name, None, None, line)

    def _alter(self, said: str, action: exp.Expr, statement: exp.Alter) -> None:
        table = self.schemas.called(said)
        if isinstance(action, exp.AlterRename):
            self._rename(said, action.this)
        elif isinstance(action, exp.SwapTable):
            other = self.schemas.called(_name(action.this))
            if table is None or other is None:
                self._not_followed(statement)
            else:
                for name, each in ((table.name, other), (other.name, table)):
                    self.schemas.tables[name] = replace(each, name=name, file=self.file)
        elif isinstance(action, exp.Query) and table is not None:  # SQL Server's `alter view`
            self.schemas.tables[table.name] = self._of_query(table.name, [], action)
        elif isinstance(action, exp.ReplaceColumns) and table is not None:
            columns = {each.name: self._column(each) for each in action.expressions if isinstance(each, exp.ColumnDef)}
            self.schemas.tables[table.name] = replace(table, columns=columns, file=self.file)
        elif isinstance(action, exp.Command):
            dropped = re.fullmatch(r"\(?\s*[\"`\[]?(\w+)[\"`\]]?\s*\)?", str(action.expression or "")) if str(action.this).upper() == "DROP" else None
            if dropped is None:
                self._not_followed(statement)
            else:  # `drop x` without the word `column`, which only some dialects are parsed with
                self._columns(said, table, [(dropped[1], None, None)], _line(statement))
        elif done := list(self._done(action, table)):
            self._columns(said, table, done, _line(action))
        elif not isinstance(action, _UNNOTICED) or _of_field(action):
            self._not_followed(statement)

    def _done(self, action: exp.Expr, table: Table | None) -> Iterator[tuple[str | None, str | None, Column | None]]:
        """What an action does to columns: (name before, name after, column after)."""
        if _of_field(action):
            return
        if isinstance(action, exp.ColumnDef):
            yield None, action.name, self._column(action)
        elif isinstance(action, exp.Drop) and str(action.args.get("kind") or "COLUMN").upper() in ("COLUMN", "COLUMNS"):
            dropped = [item for each in action.args.get("tables") or [action.this] for item in (each.expressions if isinstance(each, exp.Schema) else [each])]
            yield from ((each.name, None, None) for each in dropped if table is not None or not action.args.get("exists"))
        elif isinstance(action, exp.RenameColumn):
            yield action.this.name, action.args["to"].name, None
        elif isinstance(action, exp.AlterColumn) and (action.args.get("dtype") is not None or action.args.get("allow_null") is not None):
            nullable = action.args.get("allow_null")
            yield (action.this.name, (action.args.get("rename_to") or action.this).name,
                   Column(self._type(action.args.get("dtype")), None if nullable is None else bool(nullable) or bool(action.args.get("drop"))))
        elif isinstance(action, exp.ModifyColumn):
            old = action.args.get("rename_from")
            yield action.this.name if old is None else old.name, action.this.name, self._column(action.this)

    def _columns(self, said: str, table: Table | None, done: list[tuple[str | None, str | None, Column | None]], line: int | None) -> None:
        for before, after, column in done:
            if table is None:  # nothing here made it, and nothing else is known of its columns
                if before is not None and before != after:
                    self._said("drop-column", said, before, after and f"renamed to {after}", line)
                elif before is not None and column is not None and column.type is not None:
                    self._said("retype-column", said, before, f"to {column.type}", line, column.type)
                elif before is not None and column is not None and column.nullable:
                    self._said("change-nullability", said, before, "may be null from now on", line)
                continue
            table = self.schemas.tables[table.name] = replace(table, columns=_changed(table, before, after, column, line), file=self.file)

    def _rename(self, said: str, to: exp.Expr) -> None:
        known, new = self.schemas.called(said), _name(to)
        if known is None:
            self._said("drop-dataset", said, None, f"renamed to {new}", _line(to))
            return
        del self.schemas.tables[known.name]
        new = new if "." in new else ".".join([*known.name.split(".")[:-1], new])
        self.schemas.tables[new] = replace(known, name=new, file=self.file)


def _changed(table: Table, before: str | None, after: str | None, column: Column | None, line: int | None) -> dict[str, Column]:
    """The columns of a table after one has become another."""
    wanted = None if before is None else next((name for name in table.columns if name.casefold() == before.casefold()), None)
    old = table.columns.get(wanted) if wanted is not None else None
    if after is None:
        return {name: each for name, each in table.columns.items() if name != wanted}
    if old is None:
        return {**table.columns, after: column or Column(line=line)}
    new = old if column is None else Column(column.type or old.type, old.nullable if column.nullable is None else column.nullable, old.made)
    name = after if before is None or after.casefold() != before.casefold() else str(wanted)
    new = replace(new, line=line or new.line, was=old.was or wanted if name != wanted else old.was)
    return {(name if each == wanted else each): (new if each == wanted else said) for each, said in table.columns.items()}


def _of_field(action: exp.Expr) -> bool:
    """Whether it is about a field within a column."""
    return any(isinstance(each, exp.Column) and each.table for each in action.args.get("tables") or [action.this])


def _parsed(sql: str, dialect: str | None) -> exp.Expr:
    try:
        return sqlglot.parse_one(sql, read=dialect)
    except SqlglotError:
        return exp.Command(this=sql)


def _name(table: exp.Expr) -> str:
    if isinstance(table, exp.Table):
        return ".".join(str(part.name) for part in table.parts if part.name)
    return str(table.name)


def _line(node: exp.Expr) -> int | None:
    return next((int(each.meta["line"]) for each in node.find_all(exp.Identifier) if "line" in each.meta), None)
