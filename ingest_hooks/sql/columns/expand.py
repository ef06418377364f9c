"""Select items that stand for several columns, written out: `COLUMNS('…')`, `struct.*`, `EXPLODE(m) AS (k, v)`, `INLINE(a)`, `$1` of a staged file."""
from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from sqlglot import exp
from sqlglot.errors import SqlglotError

from ingest_hooks.sql.columns.positions import same_place
from ingest_hooks.sql.columns.tables import BaseTable, Tables
from ingest_hooks.sql.forms.nodes import Nodes
from ingest_hooks.sql.forms.pivot_statement import VALUES_UNKNOWN

__all__ = ["expand_items"]

_HIVE: Final = frozenset({"databricks", "hive", "spark", "spark2"})
_MAKES_COLUMNS: Final = exp.Aliases | exp.Explode | exp.Inline | exp.QueryTransform | exp.Stack


def expand_items(nodes: Nodes, tables: Tables, dialect: str | None) -> None:
    """Write them out in place, where the schema of the tables says what there is."""
    for pivot in nodes.of(exp.Pivot):
        _unpivoted(pivot, tables)
        if dialect == "bigquery" and pivot.args.get("unpivot"):
            pivot.set("value_columns_first", True)  # its reference: input columns, values, names
    several = bool(nodes.count(exp.Columns, exp.Parameter, exp.Like, exp.ILike, *_MAKES_COLUMNS.__args__))
    for select in nodes.of(exp.Select):
        if not several and not any(item.is_star for item in select.expressions):
            continue
        known = list(_known(select, tables))
        if select.args.get(VALUES_UNKNOWN) is not None:
            _without_values(select, known)
        if len(known) == 1 and known[0][1].name.startswith("@"):
            for parameter in list(select.find_all(exp.Parameter)):
                named = parameter.parent if isinstance(parameter.parent, exp.Column) else parameter  # `t.$1`, `$1`
                named.replace(exp.column(exp.to_identifier(f"${parameter.name}", quoted=True)))
        sources = {source.alias_or_name for source in _sources(select)}
        items: list[exp.Expr] = []
        for item in select.expressions:
            made = list(_written_out(item, known, sources, dialect))
            for each in made:
                if each is not item:
                    same_place(each, item)
            items += made
        select.set("expressions", items)


def _sources(select: exp.Select) -> Iterator[exp.Expr]:
    from_ = select.args.get("from_")
    yield from (part.this for part in (from_, *(select.args.get("joins") or ())) if isinstance(part, exp.From | exp.Join))


def _known(select: exp.Select, tables: Tables) -> Iterator[tuple[str, BaseTable]]:
    """Base tables of a SELECT, by alias."""
    for source in _sources(select):
        if isinstance(source, exp.Table) and (table := tables.of(source)) is not None:
            yield source.alias_or_name, table


def _without_values(select: exp.Select, known: list[tuple[str, BaseTable]]) -> None:
    """`SELECT * FROM t PIVOT (… FOR x IN (ANY))`: the columns that do not hang on the values, by which it groups."""
    from_ = select.args.get("from_")
    source = from_.this if isinstance(from_, exp.From) else None
    if not isinstance(source, exp.Table) or not source.args.get("pivots") or len(known) != 1 or len(select.expressions) != 1 \
            or not isinstance(select.expressions[0], exp.Star) or known[0][1].columns is None:
        return
    used = {column.name for pivot in source.args["pivots"] for column in pivot.find_all(exp.Column)}
    passed = [exp.column(exp.to_identifier(key, quoted=True)) for key in known[0][1].keys if key not in used]
    for each in passed:
        same_place(each, select.expressions[0])
    source.set("pivots", None)
    select.set("expressions", passed)
    select.set("group", exp.Group(expressions=[each.copy() for each in passed]))


def _written_out(item: exp.Expr, known: list[tuple[str, BaseTable]], sources: set[str], dialect: str | None) -> Iterator[exp.Expr]:
    value = item.unalias() if isinstance(item, exp.Alias) else item
    if isinstance(value, _MAKES_COLUMNS) and value is item:
        names = list(_made_by(value, known, dialect))
        yield from _under(value.this if isinstance(value, exp.Aliases) else value, names) if names else [item]
    elif isinstance(value, exp.Column) and isinstance(value.this, exp.Star) and value.table and value.table not in sources:
        fields = list(_fields(value, known, dialect))
        yield from fields or [item]
    elif isinstance(value, exp.Like | exp.ILike) and isinstance(value.this, exp.Star) and isinstance(value.expression, exp.Literal) and len(known) == 1 \
            and known[0][1].columns is not None:
        yield from _alike(value, known[0][1])
    elif (columns := value.find(exp.Columns)) is not None and known and all(table.columns is not None for _, table in known):
        yield from _columns(value, columns, known)
    else:
        yield item


def _alike(value: exp.Like | exp.ILike, table: BaseTable) -> Iterator[exp.Expr]:
    """`* LIKE 'q%'`: the columns whose names are like that."""
    yield from (exp.column(exp.to_identifier(key, quoted=True)) for key, (name, _) in table.keys.items() if _fits(value, name))


def _fits(value: exp.Like | exp.ILike, name: str) -> bool:
    pattern = "".join({"%": ".*", "_": "."}.get(char, re.escape(char)) for char in value.expression.name)
    return re.fullmatch(pattern, name, re.IGNORECASE if isinstance(value, exp.ILike) else 0) is not None


def _made_by(value: exp.Expr, known: list[tuple[str, BaseTable]], dialect: str | None) -> Iterator[str]:
    """The names of the columns that a function makes of one item, as its documentation says; none where it makes one, or the type of what it is given
    would have to be known."""
    if isinstance(value, exp.Aliases):
        yield from (name.name for name in value.expressions)
    elif isinstance(value, exp.QueryTransform):
        columns = value.args["schema"].expressions if value.args.get("schema") is not None else [exp.to_identifier("key"), exp.to_identifier("value")]
        yield from (column.name for column in columns)
    elif isinstance(value, exp.Stack) and value.this.is_int:
        yield from (f"col{number}" for number in range(-(-len(value.expressions) // int(value.this.name))))
    elif dialect in _HIVE and not isinstance(value, exp.Inline):
        yield from ["pos"] if isinstance(value, exp.Posexplode) else []
        kind = _type_of(value.this, known, dialect)
        yield from ["key", "value"] if kind is not None and kind.is_type("map") else ["col"]
    elif dialect == "duckdb" or isinstance(value, exp.Inline):
        kind = _type_of(value.this, known, dialect)
        deep = isinstance(value, exp.Inline) or bool(value.expressions)  # UNNEST(list, recursive := true), UNNEST(list, max_depth := 2)
        if deep and kind is not None and kind.is_type("array", "list") and kind.expressions:
            kind = kind.expressions[0]
        yield from (field.name for field in kind.expressions) if kind is not None and kind.is_type("struct") else ()


def _type_of(value: exp.Expr, known: list[tuple[str, BaseTable]], dialect: str | None) -> exp.DataType | None:
    """The type of a column of a base table."""
    for source, table in known if isinstance(value, exp.Column) else ():
        column = table.column(value.name)
        if column is not None and value.table in ("", source):
            try:
                return exp.DataType.build(column[1], dialect=dialect)
            except SqlglotError:
                return None
    return None


def _under(function: exp.Expr, names: list[str]) -> Iterator[exp.Expr]:
    for number, name in enumerate(names):
        made = function.copy()
        if isinstance(function, exp.Stack):
            made = exp.func("coalesce", *(each.copy() for each in function.expressions[number::len(names)]))
        elif isinstance(function, exp.QueryTransform):  # what a program makes of the columns it is given
            made = exp.Anonymous(this="transform", expressions=[each.copy() for each in function.expressions])
        yield exp.alias_(made, exp.to_identifier(name, quoted=True), copy=False)


def _fields(star: exp.Column, known: list[tuple[str, BaseTable]], dialect: str | None) -> Iterator[exp.Expr]:
    """`ship.*` and `o.ship.*`, where `ship` is a column of a struct type."""
    name, alias = star.table, star.text("db")
    for source, table in known:
        kind = _type_of(exp.column(name, table=source), [(source, table)], dialect) if alias in ("", source) else None
        for field in kind.expressions if kind is not None and kind.is_type("struct") else ():
            value = exp.Dot(this=exp.column(name, table=source), expression=exp.to_identifier(field.name))
            yield exp.alias_(value, field.name, copy=False)


def _unpivoted(pivot: exp.Pivot, tables: Tables) -> None:
    """`UNPIVOT t ON COLUMNS(* EXCLUDE (id))`: the columns that are meant."""
    table = tables.of(pivot.parent) if isinstance(pivot.parent, exp.Table) else None
    for field in pivot.args.get("fields") or () if pivot.args.get("unpivot") and table is not None else ():
        chosen: list[exp.Expr] = []
        for item in field.expressions:
            named = _meant(item, table) if isinstance(item, exp.Columns) and table is not None else None
            chosen += [item] if named is None else [exp.column(exp.to_identifier(name, quoted=True)) for name in named]
        field.set("expressions", chosen)


def _meant(columns: exp.Columns, table: BaseTable) -> list[str] | None:
    """The columns of a table that `COLUMNS(…)` stands for, as the statement names them; None if that is not known."""
    pattern = columns.this
    if table.columns is None:
        return None
    if isinstance(pattern, exp.Literal):
        try:
            fits = re.compile(pattern.name)
        except re.error:
            return None
        return [key for key, (name, _) in table.keys.items() if fits.search(name)]
    if isinstance(pattern, exp.Lambda):  # COLUMNS(c -> c LIKE 'q%')
        like = pattern.this
        literal = isinstance(like, exp.Like | exp.ILike) and isinstance(like.this, exp.Identifier) and isinstance(like.expression, exp.Literal)
        return [key for key, (name, _) in table.keys.items() if _fits(like, name)] if literal else None
    if not isinstance(pattern, exp.Star) or pattern.args.get("replace") or pattern.args.get("rename"):
        return None
    left_out = {each.name.casefold() for each in pattern.args.get("except_") or ()}
    return [key for key, (name, _) in table.keys.items() if name.casefold() not in left_out]


def _columns(value: exp.Expr, columns: exp.Columns, known: list[tuple[str, BaseTable]]) -> Iterator[exp.Expr]:
    """`COLUMNS(*)`, `COLUMNS(* EXCLUDE (…))`, `COLUMNS('regex')`: the item once for each column."""
    for source, table in known:
        meant = _meant(columns, table)
        if meant is None:
            yield value
            return
        for key in meant:
            made = value.copy()
            for each in [made] if isinstance(made, exp.Columns) else list(made.find_all(exp.Columns)):
                column = exp.column(exp.to_identifier(key, quoted=True), table=source)
                made = column if each is made else made
                if each is not made and each.parent is not None:
                    each.replace(column)
            yield exp.alias_(made, exp.to_identifier(key, quoted=True), copy=False)
