"""A parsed statement in the forms that scopes can follow."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlglot import exp

from ingest_hooks.sql.forms.changes import returned
from ingest_hooks.sql.forms.from_clause import plain_from
from ingest_hooks.sql.forms.lookups import plain_lookup
from ingest_hooks.sql.forms.nodes import Nodes
from ingest_hooks.sql.forms.pivot_statement import pivot_queries

__all__ = ["HOLDS_ITS_VALUE", "SCRIPT", "is_parameter", "rewrite"]

LONG_CHAIN: Final = 32  # operands; longer ones are as deep as they are long, and every change to a leaf touches all above it
# what yields the value it is given, one of several or a list of them; what else is in it decides which
HOLDS_ITS_VALUE: Final = (exp.Paren, exp.Bracket, exp.ArrayAgg, exp.AnyValue, exp.HavingMax, exp.First, exp.FirstValue, exp.IgnoreNulls, exp.Last,
                          exp.LastValue, exp.ArgMax, exp.ArgMin, exp.Order, exp.Limit, exp.Window)
_FORMATS: Final = frozenset({"avro", "binaryfile", "csv", "delta", "iceberg", "json", "orc", "parquet", "text", "xml"})
SCRIPT: Final = "script"  # a clause of ours on a SELECT: `TRANSFORM (…) USING '…'`
_CHAINS: Final = (exp.And, exp.Or, exp.DPipe, exp.Union)


def rewrite(statement: exp.Expr) -> None:
    """Change the statement in place; what it says stays the same."""
    nodes = Nodes(statement)  # what is not there needs no look of its own
    if nodes.count(*_CHAINS) > LONG_CHAIN:
        _balance(statement)
    if nodes.count(exp.With):
        _without_idle_ctes(statement)
    for table in nodes.of(exp.Table):
        _name_in_a_string(table)
    for stream in nodes.of(exp.Stream):  # FROM STREAM(t), FROM STREAM t
        if isinstance(table := stream.this.unnest() if isinstance(stream.this, exp.Subquery) else stream.this, exp.Table):
            table.set("alias", stream.this.args.get("alias"))
            stream.replace(table)
    for rows in nodes.of(exp.TableFromRows):
        if isinstance(rows.this, exp.Literal) and rows.this.is_string:  # TABLE('a.b')
            named = exp.to_table(rows.this.name)
            named.set("alias", rows.args.get("alias"))
            rows.replace(named)
    for transform in nodes.of(exp.QueryTransform):
        if isinstance(transform.parent, exp.Select):
            transform.parent.set(SCRIPT, exp.Var(this="transform"))
    plain_from(nodes)
    for call in nodes.of(exp.Anonymous):
        plain_lookup(call)
    for collate in nodes.of(exp.Collate):
        if isinstance(collate.expression, exp.Column):  # COLLATE pg_catalog."default"
            collate.set("expression", exp.var(collate.expression.name))
    if nodes.count(exp.Subquery) > 1:
        _name_derived_tables(nodes)
    if nodes.count(exp.DML):
        _changes(statement)
    if nodes.count(exp.Lambda):
        _arrows(statement)
    if nodes.count(exp.Dot):
        _methods(statement)
        _fields_of_structs(statement)
    if nodes.count(exp.Pivot):
        pivot_queries(statement)
    for select in list(statement.find_all(exp.Select)) if nodes.count(exp.DML, exp.Pivot) else nodes.of(exp.Select):
        if select.args.get("match") is not None:
            _match_rows(select)
        select.set("locks", None)  # FOR SHARE OF t names a table, but reads none
        if select.args.get("connect") is not None:
            _depth(select)
        _positions_in_groups(select)
        _whole_windows(select)


def _balance(statement: exp.Expr) -> None:
    """`a OR b OR c …` as a balanced tree instead of one as deep as it is long."""
    for top in list(statement.find_all(*_CHAINS)):
        if top.parent is not None and _continues(top.parent, top):
            continue
        parts, node = [], top
        while _continues(top, node):
            parts.append(node.expression)
            node = node.this
        parts.append(node)
        if len(parts) > LONG_CHAIN:
            parts.reverse()
            middle = len(parts) // 2
            top.set("this", _tree(top, parts[:middle]))
            top.set("expression", _tree(top, parts[middle:]))


def _continues(top: exp.Expr, node: exp.Expr) -> bool:
    """Whether a node is of the same chain: the same operator, and nothing of its own that the order of evaluation matters for."""
    if type(node) is not type(top):
        return False
    if not isinstance(node, exp.Union):
        return True
    own = {key for key, value in node.args.items() if value and key not in ("this", "expression", "distinct")}
    return (node is top or not own) and node.args.get("distinct") == top.args.get("distinct") and not node.args.get("by_name")


def _tree(top: exp.Expr, parts: Sequence[exp.Expr]) -> exp.Expr:
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    more = {"distinct": top.args.get("distinct")} if isinstance(top, exp.Union) else {}
    return type(top)(this=_tree(top, parts[:middle]), expression=_tree(top, parts[middle:]), **more)


def _without_idle_ctes(statement: exp.Expr) -> None:
    """`WITH a AS (…), b AS (… FROM a) SELECT … FROM c` reads neither a nor b. A CTE that changes rows does so whether it is read or not."""
    for with_ in list(statement.find_all(exp.With)):
        inside = {id(cte): _words(cte) for cte in with_.expressions}
        holder = with_.parent
        with_.pop()
        read, waiting = set[int](), [_words(holder)] if holder is not None else []
        while waiting:
            words = waiting.pop()
            for cte in with_.expressions:
                if id(cte) not in read and (cte.alias.casefold() in words or isinstance(cte.this, exp.DML)):
                    read.add(id(cte))
                    waiting.append(inside[id(cte)])
        with_.set("expressions", [cte for cte in with_.expressions if id(cte) in read])
        if holder is not None and with_.expressions:
            holder.set("with_", with_)


def _words(node: exp.Expr) -> set[str]:
    """The names in a tree, whatever they name."""
    return {each.name.casefold() for each in node.find_all(exp.Identifier, exp.Var)}


def _name_in_a_string(table: exp.Table) -> None:
    """`IDENTIFIER('a.b')` and `IDENTIFIER(b)` are tables of these names, whose parser takes them for functions; `IDENTIFIER($name)` is any.

    Spark's parquet.`/in/day` is the file.
    """
    if table.db.casefold() in _FORMATS and "/" in table.name:
        table.set("db", None)
        return
    around, call = table.parent, table.this
    if isinstance(around, exp.Schema) and table.name.upper() == "IDENTIFIER" and len(around.expressions) == 1 \
            and not isinstance(around.expressions[0], exp.Identifier | exp.ColumnDef):  # INSERT INTO identifier('a.b') …
        call = exp.DynamicIdentifier(this=around.expressions[0])
        around.replace(table)
    elif isinstance(call, exp.Anonymous) and call.name.upper() == "IDENTIFIER" and len(call.expressions) == 1:
        call = exp.DynamicIdentifier(this=call.expressions[0])
    if not isinstance(call, exp.DynamicIdentifier):
        return
    table.set("this", call)
    name = exp.to_table(call.this.name) if isinstance(call.this, exp.Literal) else call.this
    if isinstance(name, exp.Placeholder) and not name.this:
        name.replace(exp.Parameter(this=exp.var("bound")))  # of a `?`, sqlglot would make an alias
    parts = name.parts if isinstance(name, exp.Table | exp.Column) else [name] if isinstance(name, exp.Identifier) else []
    for key, part in zip(("this", "db", "catalog"), reversed(parts), strict=False):
        table.set(key, part)


def _name_derived_tables(nodes: Nodes) -> None:
    """`FROM (SELECT …) JOIN (SELECT …)`: scopes tell sources apart by their names."""
    for number, derived in enumerate(nodes.of(exp.Subquery)):
        if isinstance(derived.parent, exp.From | exp.Join) and not derived.alias and isinstance(derived.this, exp.Query):
            derived.set("alias", exp.TableAlias(this=exp.to_identifier(f"_derived{number}", quoted=True)))


def _arrows(statement: exp.Expr) -> None:
    """`f(doc -> 'a')`: sqlglot takes the arrow for a lambda's, but a first argument is none, and its parameter is a column."""
    for arrow in list(statement.find_all(exp.Lambda)):
        function = isinstance(arrow.parent, exp.Func) and not isinstance(arrow.parent, exp.Columns)
        first = function and not arrow.index and arrow.arg_key in ("this", "expressions")
        if first and len(arrow.expressions) == 1 and isinstance(arrow.expressions[0], exp.Identifier):
            arrow.replace(exp.JSONExtract(this=exp.Column(this=arrow.expressions[0]), expression=arrow.this))


def _methods(statement: exp.Expr) -> None:
    """DuckDB's `t.name.upper().trim()`, which is `trim(upper(t.name))`. One word before the dot is a schema, unless nothing else is given."""
    for top in list(statement.find_all(exp.Dot)):
        if isinstance(top.parent, exp.Dot) and top.arg_key == "this":
            continue
        value = _called(top)
        if value is not None:
            top.replace(value)


def _called(node: exp.Expr) -> exp.Expr | None:
    """A chain of dots as a call, or as the column that it begins with; None if it is neither."""
    if isinstance(node, exp.Paren) and isinstance(node.this, exp.Identifier):
        return exp.Column(this=node.this)
    if isinstance(node, exp.Identifier):
        return exp.Column(this=node) if not is_parameter(node) else node
    if not isinstance(node, exp.Dot):
        return node
    words: list[exp.Expr] = []
    left: exp.Expr = node
    while isinstance(left, exp.Dot) and isinstance(left.expression, exp.Identifier):
        words.insert(0, left.expression)
        left = left.this
    if isinstance(left, exp.Identifier):
        if is_parameter(left):
            return node
        column = exp.Column(this=words[0], table=left)
        return exp.Dot.build([column, *words[1:]]) if len(words) > 1 else column
    method = node.expression
    if not isinstance(method, exp.Func) or (isinstance(node.this, exp.Identifier) and method.expressions):
        return None
    below = _called(node.this)
    return exp.Anonymous(this=method.name, expressions=[below, *method.expressions]) if below is not None else None


def _fields_of_structs(statement: exp.Expr) -> None:
    """`ARRAY_AGG(STRUCT(a, b))[0].b` is `ARRAY_AGG(b)[0]`: what is not taken out of a struct does not flow."""
    for dot in list(statement.find_all(exp.Dot)):
        built, way = dot.this, dot.expression
        while isinstance(built, (*HOLDS_ITS_VALUE, exp.Max, exp.Min)):
            built = built.this
        if not isinstance(built, exp.Struct) or built is dot.this or not isinstance(way, exp.Identifier):
            continue
        for field in built.expressions:
            if isinstance(field, exp.PropertyEQ | exp.Alias | exp.Column) and field.alias_or_name.casefold() == way.name.casefold():
                built.replace(field.expression if isinstance(field, exp.PropertyEQ) else field.unalias())
                dot.replace(dot.this)
                break


def is_parameter(name: exp.Expr) -> bool:
    """Whether a name stands for the parameter of a lambda around it."""
    around = name.find_ancestor(exp.Lambda)
    while around is not None:
        if any(parameter.name.casefold() == name.name.casefold() for parameter in around.expressions):
            return True
        around = around.find_ancestor(exp.Lambda)
    return False


def _depth(select: exp.Select) -> None:
    """`LEVEL` beside CONNECT BY: how deep a row is, no column of it."""
    for column in list(select.find_all(exp.Column)):
        if not column.table and column.name.upper() == "LEVEL":
            word = exp.var(column.name)
            column.replace(exp.alias_(word, column.name, copy=False) if column.parent is select else word)


def _positions_in_groups(select: exp.Select) -> None:
    """`GROUP BY ROLLUP (1, 2)`, `ORDER BY #1`: the items that the numbers stand for, as sqlglot writes them out elsewhere."""
    group = select.args.get("group")
    for clause in (group, select.args.get("order")):
        for place in list(clause.find_all(exp.PositionalColumn)) if isinstance(clause, exp.Expr) else ():
            if place.this.is_int and 1 <= int(place.this.name) <= len(select.expressions):
                place.replace(select.expressions[int(place.this.name) - 1].unalias().copy())
    if not isinstance(group, exp.Group):
        return
    for holder in list(group.find_all(exp.Rollup, exp.Cube, exp.GroupingSets)):
        for number in list(holder.find_all(exp.Literal)):
            if number.is_int and isinstance(number.parent, exp.Rollup | exp.Cube | exp.GroupingSets | exp.Tuple | exp.Paren) \
                    and 1 <= int(number.this) <= len(select.expressions):
                number.replace(select.expressions[int(number.this) - 1].unalias().copy())


def _whole_windows(select: exp.Select) -> None:
    """`WINDOW a AS (PARTITION BY x), b AS (a ORDER BY y)`: what b takes from a, written out."""
    named: dict[str, exp.Expr] = {}
    for window in select.args.get("windows") or ():
        base = named.get(window.alias.casefold())
        for key in ("partition_by", "order"):
            if base is not None and not window.args.get(key) and (part := base.args.get(key)):
                window.set(key, [each.copy() for each in part] if isinstance(part, list) else part.copy())
        named[window.name.casefold()] = window


def _changes(statement: exp.Expr) -> None:
    """`WITH gone AS (DELETE … RETURNING id)`: what the statement in a CTE returns, as a query."""
    for cte in list(statement.find_all(exp.CTE)):
        if isinstance(cte.this, exp.Insert | exp.Update | exp.Delete | exp.Merge):
            cte.set("this", returned(cte.this))


def _match_rows(select: exp.Select) -> None:
    """MATCH_RECOGNIZE as a query in FROM: what it partitions by and its measures, chosen by the conditions of its pattern.

    How a pattern picks its rows is not followed; `resolve` says so of whatever reads it.
    """
    match, from_ = select.args["match"], select.args.get("from_")
    if not isinstance(from_, exp.From):
        return
    variables = {define.alias.lower() for define in match.args.get("define") or ()}
    for column in match.find_all(exp.Column):
        if column.table.lower() in variables:
            column.set("table", None)
    measures = [measure.this for measure in match.args.get("measures") or ()]
    rows = exp.select(*(match.args.get("partition_by") or ()), *measures).from_(from_.this, copy=False)
    for define in match.args.get("define") or ():
        rows = rows.where(define.this, copy=False)
    rows.set("order", match.args.get("order"))
    rows.set("match", exp.Var(this="match"))
    alias = match.args.get("alias")
    select.set("match", None)
    select.set("from_", exp.From(this=exp.Subquery(this=rows, alias=alias or exp.TableAlias(this=exp.to_identifier("matched")))))
