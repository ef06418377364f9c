"""From a statement to the queries that fill its target."""
from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from sqlglot import exp

from ingest_hooks.sql.forms.changes import delete, merge, on_conflict, several_inserts, update
from ingest_hooks.sql.forms.pivot_statement import pivot_query
from ingest_hooks.sql.forms.reduced import Reduced, adopt_ctes, file_table, query_of, rows_with_queries, table_name, target_of
from ingest_hooks.sql.forms.rewrites import rewrite

__all__ = ["reduce_statement", "renames"]

_TELLS: Final = re.compile(r"\b(?:insert|update|delete|merge|copy|from)\b", re.IGNORECASE)  # in a body that is not read: it may have to do with tables
_HOLDS_ROWS: Final = frozenset({"TABLE", "VIEW"})


def reduce_statement(statement: exp.Expr) -> tuple[Reduced, ...]:
    """Find the queries inside a statement, by target. A statement that cannot be read says so, it is never silently empty."""
    rewrite(statement)
    for kind, rule in _RULES.items():
        if isinstance(statement, kind):
            return tuple(_without_dynamic_target(each) for each in rule(statement))
    name = str(statement.this).lower() if isinstance(statement, exp.Command) else statement.key
    return (Reduced(name, status="unknown", reason=f"statement:{name}"),)


def _without_dynamic_target(reduced: Reduced) -> Reduced:
    """`INSERT INTO IDENTIFIER($name) …` writes a table that nothing names."""
    if reduced.target is None or not isinstance(reduced.target.this, exp.DynamicIdentifier):
        return reduced
    return replace(reduced, target=None, status="partial" if reduced.status == "complete" else reduced.status,
                   reason=f"{reduced.reason};dynamic-table" if reduced.reason else "dynamic-table")


def _select(statement: exp.Expr) -> tuple[Reduced, ...]:
    kind, query = statement.key, query_of(statement)
    if query is None:
        return (Reduced(kind, status="unknown", reason=f"statement:{kind}"),)
    first: exp.Expr = query
    while isinstance(first, exp.SetOperation | exp.Subquery):
        first = first.this
    into = first.args.get("into")
    if isinstance(into, exp.Into) and isinstance(into.this, exp.Table):
        first.set("into", None)
        return (Reduced("select into", (query,), into.this, temporary=bool(into.args.get("temporary"))),)
    return (Reduced(kind, (query,)),)


def _insert(statement: exp.Insert) -> tuple[Reduced, ...]:
    target, columns = target_of(statement.this)
    query = query_of(statement.expression)
    if isinstance(statement.this, exp.Directory | exp.Var) and query is not None:
        target = file_table(statement.this.name)
    if isinstance(query, exp.Table):
        query = exp.select("*").from_(query, copy=False)
    if isinstance(statement.expression, exp.Values):
        query = rows_with_queries(statement.expression, at_least=1 if statement.args.get("conflict") else 0)
    if query is None:
        return (Reduced("insert", target=target, columns=columns, reason="literal-values"),)
    adopt_ctes(statement, query)
    assigned = on_conflict(statement, target, columns, query)
    return (Reduced("insert", (query,), target, columns, assigned=assigned, by_name=bool(statement.args.get("by_name")),
                    fixed=_fixed(target)),)


def _values(statement: exp.Values) -> tuple[Reduced, ...]:
    query = rows_with_queries(statement)
    return (Reduced("values", (query,)) if query is not None else Reduced("values", reason="literal-values"),)


def _fixed(target: exp.Table | None) -> tuple[str, ...]:
    partition = target.args.get("partition") if target is not None else None
    return tuple(each.this.name for each in partition.expressions if isinstance(each, exp.EQ)) if isinstance(partition, exp.Partition) else ()


def _create(statement: exp.Create) -> tuple[Reduced, ...]:
    target, columns = target_of(statement.this)
    kind = f"create {str(statement.args.get('kind') or '').lower()}".strip()
    clone = statement.args.get("clone")
    if isinstance(clone, exp.Clone) and isinstance(clone.this, exp.Table):
        return (Reduced(kind, (exp.select("*").from_(clone.this, copy=False),), target),)
    query = query_of(statement.expression)
    properties = statement.args.get("properties")
    temporary = isinstance(properties, exp.Properties) and properties.find(exp.TemporaryProperty) is not None
    filled = properties.find(exp.ToTableProperty) if isinstance(properties, exp.Properties) else None
    if filled is not None and isinstance(filled.this, exp.Table):  # ClickHouse: the view is only the way into this table
        target = filled.this
    if isinstance(statement.this, exp.UserDefinedFunction):
        return (_function(statement, statement.this, kind),)
    if query is None:
        like = statement.find(exp.LikeProperty)
        model = like.this if like is not None and isinstance(like.this, exp.Table) else None
        holds_rows = str(statement.args.get("kind") or "").upper() in _HOLDS_ROWS
        return (Reduced(kind, target=target if holds_rows else None, columns=columns, status="unknown", reason="no-query", temporary=temporary,
                        deciding=(exp.select("1").from_(model.copy(), copy=False),) if model is not None else (), like=model),)
    adopt_ctes(statement, query)
    reads_itself = target is not None and any(table.name == target.name and not table.db for table in query.find_all(exp.Table))
    if kind == "create view" and target is not None and reads_itself and not temporary:
        query = _recursive(query, target.name, columns)
    return (Reduced(kind, (query,), target, columns, temporary=temporary),)


def _function(statement: exp.Create, function: exp.UserDefinedFunction, kind: str) -> Reduced:
    """A function: of rows, it is to its script as a temporary view; of one value that reads no table, it is nothing to tell of."""
    body = statement.expression.this if isinstance(statement.expression, exp.Return) else statement.expression
    properties = statement.args.get("properties")
    query, said = query_of(body), list(properties.expressions) if isinstance(properties, exp.Properties) else []
    if query is not None and (kind == "create table function" or any(isinstance(each, exp.ReturnsProperty) and each.args.get("is_table") for each in said)):
        return Reduced(kind, (query,), function.this, status="partial", reason="routine", temporary=True)
    foreign = any(isinstance(each, exp.LanguageProperty) and each.name.upper() != "SQL" for each in said)
    reads = body is None or (_TELLS.search(body.name) if isinstance(body, exp.Literal | exp.RawString | exp.Heredoc) else body.find(exp.Query))
    if kind != "create procedure" and (foreign or not reads):
        return Reduced(kind, status="unknown", reason="no-query")
    return Reduced(kind, (query,) if query is not None else (), status="partial" if query is not None else "unknown", reason="routine")


def _recursive(query: exp.Query, name: str, columns: tuple[str, ...]) -> exp.Query:
    """`CREATE RECURSIVE VIEW v (n) AS …`, which reads itself, as a query over a recursive CTE of its name."""
    alias = exp.TableAlias(this=exp.to_identifier(name), columns=[exp.to_identifier(column) for column in columns])
    whole = exp.select(exp.Star()).from_(exp.Table(this=exp.to_identifier(name)), copy=False)
    whole.set("with_", exp.With(expressions=[exp.CTE(this=query, alias=alias)], recursive=True))
    return whole


def _cache(statement: exp.Cache) -> tuple[Reduced, ...]:
    target, query = target_of(statement.this)[0], query_of(statement.expression)
    if query is None:
        return (Reduced("cache", target=target, status="unknown", reason="no-query"),)
    return (Reduced("cache", (query,), target, temporary=True),)


def _copy(statement: exp.Copy) -> tuple[Reduced, ...]:
    """COPY out of a table or query into a file, and the other way round."""
    files = statement.args.get("files") or []
    first = files[0] if files else None
    name = first.name if isinstance(first, exp.Literal | exp.Var | exp.Identifier) else table_name(first) if isinstance(first, exp.Table) else "?"
    query = query_of(statement.this) if isinstance(statement.this, exp.Subquery) else None
    if query is not None:
        return (Reduced("copy", (query,), file_table(name)),)
    table, columns = target_of(statement.this)
    inner = query_of(first) if isinstance(first, exp.Subquery) else None
    if inner is not None:
        return (Reduced("copy", (inner,), table, columns),)
    if table is not None and not statement.args.get("kind"):
        return (Reduced("copy", (exp.select(*columns or ("*",)).from_(table, copy=False),), file_table(name)),)
    return (Reduced("copy", target=table, columns=columns, status="partial", reason="copy", deciding=(exp.select("1").from_(file_table(name), copy=False),)),)


def _export(statement: exp.Export) -> tuple[Reduced, ...]:
    """BigQuery's EXPORT DATA: a query into the files that its options name."""
    query, options = query_of(statement.this), statement.args.get("options")
    if query is None:
        return (Reduced("export", status="unknown", reason="statement:export"),)
    uri = next((each.args["value"].name for each in options.expressions if isinstance(each, exp.Property) and each.name.lower() == "uri"
                and isinstance(each.args.get("value"), exp.Literal)), "?") if isinstance(options, exp.Properties) else "?"
    return (Reduced("export", (query,), file_table(uri)),)


def _load(statement: exp.LoadData) -> tuple[Reduced, ...]:
    """LOAD DATA: files into a table, whose columns nobody knows."""
    target, path = target_of(statement.this)[0], statement.args.get("inpath")
    return (Reduced("copy", target=target, status="partial", reason="copy",
                    deciding=(exp.select("1").from_(file_table(path.name), copy=False),) if isinstance(path, exp.Expr) else ()),)


def _pivot_statement(statement: exp.Pivot) -> tuple[Reduced, ...]:
    return (Reduced("pivot", (pivot_query(statement),)),)


def _alter(statement: exp.Alter) -> tuple[Reduced, ...]:
    """ALTER TABLE: what it is about, and under which name that was there before; it moves no values."""
    table = statement.this
    if not isinstance(table, exp.Table) or str(statement.args.get("kind") or "").upper() not in _HOLDS_ROWS:
        return (Reduced("alter", status="unknown", reason="statement:alter"),)
    renamed = renames(statement)
    told = Reduced("alter", target=table, status="unknown", reason="statement:alter")
    return tuple(replace(told, target=new.copy(), deciding=(exp.select("1").from_(old.copy(), copy=False),)) for old, new in renamed) or (told,)


def renames(statement: exp.Expr) -> list[tuple[exp.Table, exp.Table]]:
    """What a statement renames: (old name, new name)."""
    pairs: list[tuple[exp.Table, exp.Table]] = []
    for action in statement.args.get("actions") or () if isinstance(statement, exp.Alter) and isinstance(statement.this, exp.Table) else ():
        other = action.this
        if isinstance(action, exp.AlterRename | exp.SwapTable) and isinstance(other, exp.Table):
            if not other.db:  # it stays where it is
                other.set("db", statement.this.args.get("db"))
                other.set("catalog", statement.this.args.get("catalog"))
            pairs.append((statement.this, other))
            if isinstance(action, exp.SwapTable):
                pairs.append((other, statement.this))
    return pairs


def _emptied(statement: exp.Drop | exp.TruncateTable) -> tuple[Reduced, ...]:
    """DROP and TRUNCATE: what they are about, and that it has no columns to tell of."""
    tables = statement.args.get("tables") or statement.expressions
    name = statement.key.removesuffix("table")
    kind = str(statement.args.get("kind") or "TABLE").upper()
    return tuple(Reduced(name, target=table, status="unknown", reason=f"statement:{name}") for table in tables
                 if isinstance(table, exp.Table) and kind in _HOLDS_ROWS) or (Reduced(name, status="unknown", reason=f"statement:{name}"),)


_RULES: Final[dict[type[exp.Expr], Callable[..., tuple[Reduced, ...]]]] = {
    exp.Query: _select, exp.Insert: _insert, exp.Create: _create, exp.Values: _values, exp.Cache: _cache, exp.Copy: _copy, exp.Update: update,
    exp.MultitableInserts: several_inserts, exp.Merge: merge, exp.Delete: delete, exp.Pivot: _pivot_statement, exp.Export: _export, exp.Alter: _alter,
    exp.Drop: _emptied, exp.LoadData: _load, exp.TruncateTable: _emptied,
}
