"""What stands in FROM, in forms that scopes can follow: joins without parentheses, each source by a name of its own, its columns by theirs."""
from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from sqlglot import exp

from ingest_hooks.sql.forms.nodes import Nodes

__all__ = ["columns_taken_apart", "plain_from"]

_FLATTENED: Final = ("SEQ", "KEY", "PATH", "INDEX", "VALUE", "THIS")
_DECORATED: Final = re.compile(r"\$(?:\d{4,10}|__\w+__)$")  # a partition of a BigQuery table, written as if it were a table
_SPLIT: Final = ("SEQ", "INDEX", "VALUE")


def plain_from(nodes: Nodes) -> None:
    """Change what stands in FROM in place; `nodes` are those of the statement before."""
    for view in nodes.of(exp.SemanticView):
        _semantic_view(view)
    for rows in nodes.of(exp.TableFromRows):
        made = _FLATTENED if isinstance(rows.this, exp.Explode) else _SPLIT if isinstance(rows.this, exp.SplitToTable) else ()
        alias = rows.args.get("alias") or exp.TableAlias()
        if made and not alias.columns:
            alias.set("columns", [exp.to_identifier(name) for name in made])
            rows.set("alias", alias)
    for group in nodes.of(exp.Subquery):
        if isinstance(group.parent, exp.From | exp.Join) and isinstance(group.this, exp.Table | exp.Subquery):
            _without_parentheses(group)
    for table in nodes.of(exp.Table):
        if (decorated := _DECORATED.search(table.name)) is not None:
            table.this.set("this", table.name[:decorated.start()])
        if isinstance(table.this, exp.Func):
            _with_queries(table.this)
        if isinstance(table.this, exp.Identifier) and table.alias_column_names and not table.args.get("pivots"):
            _with_names(table)
    for number, function in enumerate(nodes.of(exp.Lateral)):
        if not function.alias:
            alias = function.args.get("alias") or exp.TableAlias()
            alias.set("this", exp.to_identifier(f"_lateral{number}", quoted=True))
            function.set("alias", alias)
    for select in nodes.of(exp.Select):
        _told_apart(select)


def columns_taken_apart(statement: exp.Expr) -> None:
    """`(SELECT max(i.price) FROM o.items AS i)` in a query of o, where a dialect has paths in FROM: UNNEST of a column of o, where sqlglot sees a table."""
    for table in list(statement.find_all(exp.Table)):
        select = table.find_ancestor(exp.Select)
        around = select.find_ancestor(exp.Select) if select is not None and len(table.parts) > 1 else None
        while around is not None and all(source.alias_or_name.casefold() != table.parts[0].name.casefold() for source in _tables(around)):
            around = around.find_ancestor(exp.Select)
        if around is not None:
            alias = exp.TableAlias(columns=[exp.to_identifier(table.alias)]) if table.alias else None
            table.replace(exp.Unnest(expressions=[table.to_column()], alias=alias))


def _with_queries(function: exp.Expr) -> None:
    """`ML.PREDICT(MODEL m, TABLE t)`: what t holds goes in; the first argument is a model, but for functions that only look tables up."""
    for key, given in list(function.args.items()):
        if isinstance(given, exp.Table) and (key != "this" or isinstance(function, exp.VectorSearch | exp.FeaturesAtTime)):
            function.set(key, exp.Subquery(this=exp.select("*").from_(given.copy(), copy=False)))


def _without_parentheses(group: exp.Subquery) -> None:
    """`FROM (a JOIN b ON …) JOIN c` is `FROM a JOIN b ON … JOIN c`; with a name the parentheses are a query of all their columns."""
    around = group.parent
    inner, joins = group.this, [*(group.this.args.get("joins") or ()), *(group.args.get("joins") or ())]
    inner.set("joins", None)
    group.set("joins", None)
    if group.alias:
        whole = exp.select("*").from_(inner, copy=False)
        whole.set("joins", joins)
        group.set("this", whole)
        return
    holder = around.parent if around is not None else None
    if holder is None or around is None:
        return
    group.replace(inner)
    known = holder.args.get("joins") or []
    at = known.index(around) + 1 if isinstance(around, exp.Join) else 0
    holder.set("joins", [*known[:at], *joins, *known[at:]])


def _with_names(table: exp.Table) -> None:
    """`FROM t AS c (a, b)`: a query of all columns of t under these names."""
    alias, joins = table.args["alias"], table.args.get("joins")
    table.set("joins", None)
    plain = table.copy()
    plain.set("alias", None)
    table.replace(exp.Subquery(this=exp.select("*").from_(plain, copy=False), alias=alias, joins=joins))


def _told_apart(select: exp.Select) -> None:
    """`FROM a.t JOIN b.t` names two sources t: each gets a name of its own, and so do the columns that are named with their schema."""
    names: dict[str, list[exp.Table]] = {}
    for table in _tables(select):
        names.setdefault(table.alias_or_name.casefold(), []).append(table)
    for tables in names.values():
        for number, table in enumerate(tables if len(tables) > 1 else ()):
            if table.alias or not table.db:
                continue
            own = f"_{table.db}_{table.name}_{number}"
            for column in select.find_all(exp.Column):
                if column.table == table.name and column.text("db") == table.db and column.text("catalog") in ("", table.catalog):
                    column.set("table", exp.to_identifier(own, quoted=True))
                    column.set("db", None)
                    column.set("catalog", None)
            table.set("alias", exp.TableAlias(this=exp.to_identifier(own, quoted=True)))


def _tables(select: exp.Select) -> Iterator[exp.Table]:
    from_ = select.args.get("from_")
    for source in (from_, *(select.args.get("joins") or ())):
        if source is not None and isinstance(source.this, exp.Table) and isinstance(source.this.this, exp.Identifier):
            yield source.this


def _semantic_view(view: exp.SemanticView) -> None:
    """`SEMANTIC_VIEW(v METRICS m DIMENSIONS e.d AS x WHERE …)`: a query of what it names in v, by its last name, as v is the only table there is."""
    table, source = view.parent, view.this
    if not isinstance(table, exp.Table) or not isinstance(source, exp.Expr):
        return
    query = exp.select(*(item for kind in ("dimensions", "metrics", "facts") for item in view.args.get(kind) or ())).from_(
        source if isinstance(source, exp.Table) else exp.to_table(source.sql()), copy=False)
    if view.args.get("where") is not None:
        query.where(view.args["where"], copy=False)
    for column in query.find_all(exp.Column):
        for part in ("table", "db", "catalog"):
            column.set(part, None)
    table.replace(exp.Subquery(this=query, alias=table.args.get("alias")))
