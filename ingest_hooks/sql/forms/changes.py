"""Statements that change rows, as queries: UPDATE, MERGE, DELETE, ON CONFLICT, one INSERT into several tables."""
from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlglot import exp
from sqlglot.optimizer.scope import find_all_in_scope

from ingest_hooks.sql.forms.reduced import Reduced, adopt_ctes, query_of, target_of
from ingest_hooks.sql.model import Status

__all__ = ["delete", "merge", "on_conflict", "returned", "several_inserts", "update"]

Pair = tuple[str, exp.Expr]  # column, value


def update(statement: exp.Update) -> tuple[Reduced, ...]:
    """The assigned columns, from the table itself and what stands in FROM; in MySQL, of several tables."""
    target = statement.this
    if not isinstance(target, exp.Table):
        return (Reduced("update", status="unknown", reason="statement:update"),)
    source = statement.args.get("from_")
    others = [source.this, *(statement.args.get("joins") or ())] if isinstance(source, exp.From) else list(statement.args.get("joins") or ())
    read = [table.this if isinstance(table, exp.Join) else table for first in (target, *others) for table in (first, *(first.args.get("joins") or ()))][1:]
    named = next((table for table in read if isinstance(table, exp.Table) and table.alias_or_name.casefold() == target.name.casefold()
                  and target.db in ("", table.db) and not target.alias), None)
    sources = others
    if named is not None:  # UPDATE o SET … FROM orders o, UPDATE o SET … FROM customers c JOIN orders o
        target = named
    else:
        sources = [target, *others]
    owners: dict[exp.Table, list[exp.Expr]] = {}
    for each in statement.expressions:
        column = each.this if isinstance(each, exp.EQ) and isinstance(each.this, exp.Column) else None
        owner = next((table for table in read if column is not None and isinstance(table, exp.Table) and column.table
                      and len(column.parts) == 2 and table.alias_or_name.casefold() == column.table.casefold()), target)
        owners.setdefault(owner, []).append(each)
    found: list[Reduced] = []
    for owner, assignments in owners.items() or [(target, [])]:
        select = _select(_pairs([each.copy() for each in assignments], owner))
        _from(select, [table.copy() for table in sources])
        if statement.args.get("where") is not None:
            select.set("where", statement.args["where"].copy())
        adopt_ctes(statement.copy() if len(owners) > 1 else statement, select)
        written = exp.Table(this=owner.this.copy(), db=owner.args.get("db"), catalog=owner.args.get("catalog"))
        found.append(Reduced("update", (), written, status="partial", reason="update-keeps-other-values", assigned=(select,)))
    return tuple(reversed(found))


def delete(statement: exp.Delete) -> tuple[Reduced, ...]:
    """What decides which rows go."""
    target = statement.this or next(iter(statement.args.get("tables") or ()), None)  # BigQuery: DELETE t WHERE …
    if not isinstance(target, exp.Table):
        return (Reduced("delete", status="unknown", reason="statement:delete"),)
    select = exp.select("1")
    _from(select, [target.copy(), *(statement.args.get("using") or ())])
    if statement.args.get("where") is not None:
        select.set("where", statement.args["where"])
    adopt_ctes(statement, select)
    return (Reduced("delete", (), target, status="partial", reason="statement:delete", deciding=(select,)),)


def merge(statement: exp.Merge) -> tuple[Reduced, ...]:
    """One query for each WHEN."""
    target, using, on, whens = (statement.args.get(key) for key in ("this", "using", "on", "whens"))
    if not isinstance(target, exp.Table) or using is None or whens is None:
        return (Reduced("merge", status="unknown", reason="statement:merge"),)
    assigned: list[exp.Query] = []
    placed: list[exp.Query] = []  # INSERT VALUES (…) without the columns' names
    deciding: list[exp.Query] = []
    for when in whens.expressions:
        if not when.args.get("matched"):  # there is a row of one side only
            _belong_to(target if when.args.get("source") else using, when)
        values = _merged_values(when.args.get("then"), using.alias_or_name, target)
        select = values if values is not None else exp.select("1")
        select = select.from_(target.copy(), copy=False).join(using.copy(), on=on.copy() if on is not None else None, copy=False)
        if when.args.get("condition") is not None:
            select = select.where(when.args["condition"], copy=False)
        adopted = statement.copy()
        adopt_ctes(adopted, select)
        then = when.args.get("then")
        by_place = isinstance(then, exp.Insert) and then.this is None
        (deciding if values is None else placed if by_place else assigned).append(select)
    writes = bool(assigned or placed)
    status: Status = "partial" if writes else "unknown"
    return (Reduced("merge", tuple(placed), target, status=status, reason="merge-keeps-other-values" if writes else "statement:merge",
                    assigned=tuple(assigned), deciding=tuple(deciding)),)


def _belong_to(side: exp.Expr, when: exp.Expr) -> None:
    """Columns without a table, in the condition and the values of a WHEN, are those of `side`."""
    then = when.args.get("then")
    values = [then.expression] if isinstance(then, exp.Insert) else [each.expression for each in then.expressions] if isinstance(then, exp.Update) else []
    for value in (when.args.get("condition"), *values):
        for column in find_all_in_scope(value, exp.Column) if isinstance(value, exp.Expr) and side.alias_or_name else ():
            if not column.table and not column.is_star:
                column.set("table", exp.to_identifier(side.alias_or_name))


def _merged_values(then: exp.Expr | None, source: str, target: exp.Table) -> exp.Select | None:
    if isinstance(then, exp.Update):
        if any(isinstance(each, exp.Star) for each in then.expressions):
            return exp.select(exp.Column(this=exp.Star(), table=exp.to_identifier(source)))
        return _select(_pairs(then.expressions, target))
    if isinstance(then, exp.Insert):
        values = then.expression
        if isinstance(values, exp.Values):
            values = values.expressions[0]
        if isinstance(then.this, exp.Star) or (isinstance(then.this, exp.Var) and then.this.name.upper() == "ROW"):
            return exp.select(exp.Column(this=exp.Star(), table=exp.to_identifier(source)))
        if then.this is None and isinstance(values, exp.Tuple):
            return exp.select(*(_or_default(value) for value in values.expressions))
        if isinstance(then.this, exp.Tuple) and isinstance(values, exp.Tuple):
            return _select([(column.name, _or_default(value)) for column, value in zip(then.this.expressions, values.expressions, strict=False)])
    return None


def on_conflict(statement: exp.Insert, target: exp.Table | None, columns: Sequence[str], query: exp.Query) -> tuple[exp.Query, ...]:
    """`ON CONFLICT … DO UPDATE SET`: values from the rows that were to be inserted, called `excluded`, and from those that are there."""
    conflict = statement.args.get("conflict")
    if not isinstance(conflict, exp.OnConflict) or not conflict.expressions or target is None:
        return ()
    select = _select(_pairs(conflict.expressions, target))
    named = [exp.to_identifier(column) for column in columns] or [exp.to_identifier(name) for name in query.named_selects]
    new = exp.Subquery(this=query.copy(), alias=exp.TableAlias(this=exp.to_identifier("excluded"), columns=named))
    _from(select, [target.copy(), new])
    if conflict.args.get("where") is not None:
        select.set("where", conflict.args["where"])
    for values in list(select.find_all(exp.Anonymous)):  # MySQL: VALUES(column)
        if str(values.this).upper() == "VALUES" and len(values.expressions) == 1:
            values.replace(exp.column(values.expressions[0].name, table="excluded"))
    for column in select.expressions[:]:
        for part in column.find_all(exp.Column):
            if not part.table:
                part.set("table", exp.to_identifier(target.alias_or_name))
    return (select,)


def several_inserts(statement: exp.MultitableInserts) -> tuple[Reduced, ...]:
    """`FROM t INSERT INTO a SELECT … INSERT INTO b SELECT …`, and `INSERT ALL INTO a VALUES (…) … SELECT …`."""
    source = statement.args["source"]
    found: list[Reduced] = []
    tried: list[exp.Expr] = []  # the conditions before
    for each in statement.expressions:
        insert = each.this if isinstance(each, exp.ConditionalInsert) else each
        target, columns = target_of(insert.this)
        query = query_of(insert.expression)
        if isinstance(query, exp.Select) and not isinstance(query, exp.Values):
            table = source.copy()
            query.set("laterals", table.args.pop("laterals", None))
            query.set("from_", exp.From(this=table))
        else:
            values = insert.expression.expressions[0].expressions if isinstance(insert.expression, exp.Values) and insert.expression.expressions else ["*"]
            below = query_of(source)
            query = exp.select(*values).from_(exp.Subquery(this=below.copy(), alias=exp.TableAlias(this=exp.to_identifier("rows_to_insert")))
                                              if below is not None else source.copy(), copy=False)
            own = each.args.get("expression") if isinstance(each, exp.ConditionalInsert) else None
            first = str(statement.args.get("kind") or "").upper() == "FIRST" or (isinstance(each, exp.ConditionalInsert) and each.args.get("else_"))
            conditions = [*(condition.copy() for condition in tried if first), *([own] if own is not None else [])]
            if conditions:  # of what holds and what does not, all of it decides
                query.set("where", exp.Where(this=exp.and_(*conditions, copy=False)))
            tried += [own] if own is not None else []
        found.append(Reduced("insert", (query,), target, columns))
    return tuple(found)


def returned(statement: exp.Expr) -> exp.Select:
    """What a statement with RETURNING yields."""
    returning = statement.args.get("returning")
    items = [each.copy() for each in returning.expressions] if isinstance(returning, exp.Returning) else [exp.Literal.number(1)]
    select = exp.select(*items)
    target, columns = target_of(statement.this)
    query = query_of(statement.expression) if isinstance(statement, exp.Insert) else None
    if query is not None and target is not None:
        named = [exp.to_identifier(column) for column in columns] or [exp.to_identifier(name) for name in query.named_selects]
        select.from_(exp.Subquery(this=query, alias=exp.TableAlias(this=exp.to_identifier(target.alias_or_name), columns=named)), copy=False)
    elif target is not None:
        source = statement.args.get("from_")
        _from(select, [target.copy(), *([source.this] if isinstance(source, exp.From) else []), *(statement.args.get("using") or ())])
    if statement.args.get("where") is not None:
        select.set("where", statement.args["where"])
    adopt_ctes(statement, select)
    return select


def _from(select: exp.Select, tables: Sequence[exp.Expr]) -> None:
    """FROM the first, joined with the others; joins that hang on a table become joins of the SELECT, as scopes expect."""
    for number, table in enumerate(tables):
        nested = table.args.get("joins") if not isinstance(table, exp.Join) else None
        if nested:
            table.set("joins", None)
        if isinstance(table, exp.Join):
            select.append("joins", table)
        elif number == 0:
            select.set("from_", exp.From(this=table))
        else:
            select.append("joins", exp.Join(this=table))
        for join in nested or ():
            select.append("joins", join)


def _select(pairs: Sequence[Pair] | Iterator[Pair]) -> exp.Select:
    select = exp.Select()
    select.set("expressions", [exp.Alias(this=value, alias=exp.to_identifier(name)) for name, value in pairs])
    return select


def _or_default(value: exp.Expr) -> exp.Expr:
    """The value; `DEFAULT` is a word, no column."""
    is_word = isinstance(value, exp.Column) and not value.table and isinstance(value.this, exp.Identifier) and not value.this.quoted
    return exp.var("DEFAULT") if is_word and value.name.upper() == "DEFAULT" else value


def _assigned(left: exp.Expr, target: exp.Table) -> str:
    """The column that is assigned to: `c`, `t.c`, a field of it (`c.field`), an element (`c[1]`)."""
    column = left if isinstance(left, exp.Column) else left.find(exp.Column)
    names: list[str] = [part.name for part in column.parts] if column is not None else [left.name]
    while len(names) > 1 and names[0].casefold() in {part.casefold() for part in (target.alias, target.name, target.db, target.catalog) if part}:
        names = names[1:]
    return names[0]


def _pairs(assignments: Sequence[exp.Expr], target: exp.Table) -> list[Pair]:
    """`a = x`, and `(a, b) = (x, y)` or `(a, b) = (SELECT x, y …)`."""
    pairs: list[Pair] = []
    for each in assignments:
        if not isinstance(each, exp.EQ):
            continue
        left, right = each.this, each.expression
        if not isinstance(left, exp.Tuple):
            pairs.append((_assigned(left, target), _or_default(right)))
            continue
        query = query_of(right)
        for number, column in enumerate(left.expressions):
            if isinstance(right, exp.Tuple) and number < len(right.expressions):
                pairs.append((column.name, _or_default(right.expressions[number])))
            elif isinstance(query, exp.Select) and number < len(query.expressions):
                alone = query.copy()
                alone.set("expressions", [alone.expressions[number]])
                pairs.append((column.name, exp.Subquery(this=alone)))
    return pairs
