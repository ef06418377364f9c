"""What a scope reads, and what it yields: small questions to sqlglot's scopes."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

__all__ = ["Source", "around", "below", "has_star", "is_function", "is_pseudo", "is_written_with_table", "joins_of", "part_of", "pivot_named", "pivot_source",
           "pivoted_nodes", "plain_sources", "reads_elsewhere", "seen_from", "selects_of", "source_named"]

Source: TypeAlias = exp.Table | Scope
_GENERATORS: Final = frozenset({"generate_array", "generate_date_array", "generate_series", "generate_timestamp_array", "generator", "glob", "range",
                                "sequence", "split_to_table", "strtok_split_to_table", "unnest"})


def selects_of(scope: Scope) -> list[exp.Expr]:
    """The select items of a scope's query; of a set operation those of its first branch."""
    query = scope.expression
    if isinstance(query, exp.SetOperation):
        branch = scope.set_operation_scopes[0] if scope.set_operation_scopes else None
        return selects_of(branch) if branch is not None else []
    if isinstance(query, exp.Subquery) and not query.selects:
        return [item for inner in (*scope.derived_table_scopes, *scope.subquery_scopes) for item in selects_of(inner)]
    return query.selects if isinstance(query, exp.Query) else []


def has_star(scope: Scope) -> bool:
    """Whether a scope yields columns that it does not name."""
    return any(item.is_star for item in selects_of(scope))


def plain_sources(scope: Scope) -> dict[str, Source]:
    """What FROM and JOIN name, by alias."""
    return {name: source for name, (_, source) in scope.selected_sources.items() if isinstance(source, exp.Table | Scope)}


def around(scope: Scope) -> Iterator[Scope]:
    """The scope, and those around it."""
    current: Scope | None = scope
    while current is not None:
        yield current
        current = current.parent


def source_named(scope: Scope, name: str) -> Source | None:
    """The source of this name in the scope, or in those around it."""
    return next((source for each in around(scope) if isinstance(source := each.sources.get(name), exp.Table | Scope)), None)


def pivot_named(scope: Scope, name: str) -> tuple[exp.Expr, Source] | None:
    """The table or subquery whose (last) pivot has this name, in the scope or those around it, and what is below its pivots."""
    current: Scope | None = scope
    while current is not None:
        for pivot in current.pivots:
            if pivot.alias == name and pivot.parent is not None:
                source = pivot_source(current, pivot.parent)
                return (pivot.parent, source) if source is not None else None
        if name in current.sources:
            return None
        current = current.parent
    return None


def pivoted_nodes(scope: Scope) -> list[exp.Expr]:
    """The tables and subqueries of a scope that have pivots."""
    return list({id(pivot.parent): pivot.parent for pivot in scope.pivots if pivot.parent is not None}.values())


def pivot_source(scope: Scope, node: exp.Expr) -> Source | None:
    """What is below the pivots of a table or subquery."""
    if isinstance(node, exp.Table):
        cte = scope.cte_sources.get(node.name) if not node.db else None
        return cte if isinstance(cte, Scope) else node
    query = node.unnest()
    return next((inner for inner in scope.derived_table_scopes if inner.expression is query or inner.expression is node), None)


def joins_of(query: exp.Expr) -> Iterator[exp.Expr]:
    """The joins of a query, with those in parentheses: `FROM (a JOIN b ON …)`."""
    from_ = query.args.get("from_")
    waiting = [*([from_.this] if isinstance(from_, exp.From) else []), *(query.args.get("joins") or ())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, exp.Join):
            yield node
            waiting.append(node.this)
        elif isinstance(node, exp.Table | exp.Subquery):
            waiting += node.args.get("joins") or ()
            if isinstance(node.this, exp.Table | exp.Subquery):
                waiting.append(node.this)


def below(scope: Scope) -> Iterator[Scope]:
    """The scopes whose rows a scope yields or joins."""
    yield from scope.set_operation_scopes
    yield from (source for source in plain_sources(scope).values() if isinstance(source, Scope))
    yield from (source for node in pivoted_nodes(scope) if isinstance(source := pivot_source(scope, node), Scope))
    if isinstance(scope.expression, exp.Subquery):
        yield from scope.derived_table_scopes
    if isinstance(scope.expression, exp.UDTF):
        yield from scope.subquery_scopes


def is_written_with_table(column: exp.Column) -> bool:
    """Whether the statement itself names the table, not sqlglot."""
    table = column.args.get("table")
    return isinstance(table, exp.Identifier) and "start" in table.meta


def is_pseudo(name: str) -> bool:
    """A column that a database adds to every table: `_TABLE_SUFFIX`, `METADATA$FILENAME`, `ctid`, `rowid`."""
    return name.startswith("_") or "$" in name or name.lower() in ("ctid", "rowid", "rownum", "xmin", "xmax", "tableoid", "filename", "input_file_name")


def is_function(source: Source) -> bool:
    """Whether a source is a function in FROM."""
    return isinstance(source.expression, exp.UDTF) if isinstance(source, Scope) else isinstance(source.this, exp.Func)


def seen_from(scope: Scope, node: exp.Expr) -> dict[str, Source]:
    """What FROM and JOIN name, but for what stands in a function there: it cannot read what it makes itself, nor what those behind it make."""
    sources = plain_sources(scope)
    above: set[int] = set()
    current: exp.Expr | None = node
    while current is not None and current is not scope.expression:
        above.add(id(current))
        current = current.parent
    behind, seen = False, {}
    for name, source in sources.items():
        behind = behind or id(source.expression if isinstance(source, Scope) else source) in above
        if not (behind and is_function(source)):
            seen[name] = source
    return seen


def reads_elsewhere(function: exp.Expr) -> set[str]:
    """The reason why a function in FROM may be made of more than it is given: it looks at what the database has. Empty if it makes its rows itself."""
    called = function.this if isinstance(function, exp.TableFromRows | exp.Lateral | exp.Unnest) and isinstance(function.this, exp.Expr) else function
    if isinstance(called, exp.DynamicIdentifier | exp.Parameter | exp.Placeholder):  # FROM IDENTIFIER($name), FROM TABLE($name)
        return {"dynamic-table"}
    name = str(called.this).lower() if isinstance(called, exp.Anonymous) else ""
    return {f"table-function:{name}"} if name and name not in _GENERATORS else set()


def part_of(query: exp.Expr, node: exp.Expr) -> exp.Expr | None:
    """The child of `query` that a node is or stands below: a select item, a clause. None if it stands elsewhere."""
    current: exp.Expr | None = node
    while current is not None and current.parent is not query:
        current = current.parent
    return current
