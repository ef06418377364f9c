"""From an output column to base columns, through every scope of a qualified query.

Three kinds of use: DIRECT (the value flows), INDIRECT by branch (CASE conditions, window partitions: of one column) and
INDIRECT by row (WHERE, JOIN, GROUP BY, HAVING, QUALIFY, ORDER BY: of all columns of the scope and of what reads it).
Subtypes are those of OpenLineage's columnLineage facet.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, find_all_in_scope

from ingest_hooks.sql.model import InputColumn, Subtype
from ingest_hooks.sql.tables import Tables

__all__ = ["Found", "Projection", "Resolver", "Use"]

Use = tuple[bool, Subtype]  # (is it DIRECT, subtype)

_IDENTITY: Use = (True, "IDENTITY")
_RANK = {"IDENTITY": 0, "TRANSFORMATION": 1, "AGGREGATION": 2}
# sqlglot counts these among the aggregates, but they pick a value of one row
_PICKS = (exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.NthValue)
_CLAUSES: tuple[tuple[str, Subtype], ...] = (("where", "FILTER"), ("having", "FILTER"), ("qualify", "FILTER"), ("group", "GROUP_BY"), ("order", "SORT"))
MAX_STEPS = 64  # select items remembered per output column; more would make a trace unreadable


@dataclass(frozen=True, slots=True)
class Projection:
    """A select item of the qualified tree and the query it stands in."""

    select: exp.Expr
    owner: exp.Expr


@dataclass(frozen=True, slots=True)
class Found:
    """What a column is made of. `steps` starts with its own select item; `made_at` is the item that makes the value."""

    inputs: frozenset[InputColumn] = frozenset()
    reasons: frozenset[str] = frozenset()
    steps: tuple[Projection, ...] = ()
    made_at: Projection | None = None
    constant: str | None = None


class Resolver:
    """Resolves columns of one built scope tree. Results are kept per (scope, column), so shared CTEs are walked once."""

    def __init__(self, tables: Tables, scopes: Iterable[Scope]) -> None:
        self._tables = tables
        self._built = {id(scope.expression): scope for scope in scopes}
        self._columns: dict[tuple[int, str | int], Found] = {}
        self._rows: dict[int, Found] = {}
        self._by_name: dict[int, dict[str, int]] = {}
        self._busy: set[tuple[int, str | int]] = set()

    def output(self, scope: Scope, index: int) -> Found:
        """What the `index`-th output column of the scope's query is made of, row-level inputs not included."""
        return self._memo(scope, index)

    def rows(self, scope: Scope) -> Found:
        """The columns that decide which rows the scope yields: its own clauses and those of what it reads."""
        key = id(scope)
        known = self._rows.get(key)
        if known is not None:
            return known
        self._rows[key] = Found()  # a recursive CTE reads itself: its own clauses are already being collected
        parts: list[Found] = []
        for use, expression in self._clauses(scope):
            parts.append(self._uses(scope, expression, use))
        children = [*scope.set_operation_scopes, *(s for _, s in scope.selected_sources.values() if isinstance(s, Scope)),
                    *(scope.derived_table_scopes if isinstance(scope.expression, exp.Subquery) else ()),
                    *(scope.subquery_scopes if isinstance(scope.expression, exp.UDTF) else ())]
        parts.extend(self.rows(child) for child in children)
        found = self._rows[key] = _merge(parts)
        return found

    def reference(self, scope: Scope, column: exp.Column) -> Found:
        """What a column reference inside the scope stands for."""
        name, table = column.name, column.table
        if table:
            source = _source(scope, table)
            if source is None:
                pivots = [pivot for pivot in scope.pivots if pivot.alias == table]
                if pivots and isinstance(pivots[0].parent, exp.Table):
                    return self._from_source(scope, pivots[0].parent, name)
                return Found(reasons=frozenset({f"unresolved-column:{table}.{name}"}))
            return self._from_source(scope, source, name)
        projected = self._index(scope).get(name)
        if projected is not None and not _inside(column, _selects(scope)[projected]):
            return self._memo(scope, projected)  # ORDER BY or QUALIFY naming an output
        named = {key: source for key, (_, source) in scope.selected_sources.items()}
        if len(named) == 1:
            return self._from_source(scope, next(iter(named.values())), name)
        open_ended = [source for source in named.values() if self._may_have(source, name)]
        if len(open_ended) == 1:
            return self._from_source(scope, open_ended[0], name)
        if not named and scope.parent is not None:
            return self.reference(scope.parent, column)
        return Found(reasons=frozenset({f"{'ambiguous' if open_ended else 'unresolved'}-column:{name}"}))

    def uses(self, scope: Scope, expression: exp.Expr) -> Found:
        """Everything an expression inside the scope reads."""
        return self._uses(scope, expression, None)

    def _memo(self, scope: Scope, column: str | int) -> Found:
        built = self._built.get(id(scope.expression), scope)
        if built is not scope and isinstance(scope.expression.parent, exp.SetOperation):
            # inside a recursive CTE its own name stands for the base case; deeper rounds are not followed
            found = self._memo(built, column)
            return Found(found.inputs, found.reasons | {"recursive-cte"}, found.steps, found.made_at)
        if isinstance(column, str):
            index = self._index(scope).get(column)
            if index is None:
                return self._unlisted(scope, column)
            column = index
        key = (id(scope), column)
        known = self._columns.get(key)
        if known is not None:
            return known
        if key in self._busy:
            return Found(reasons=frozenset({"refers-to-itself"}))
        self._busy.add(key)
        try:
            found = self._columns[key] = self._resolve(scope, column)
        finally:
            self._busy.discard(key)
        return found

    def _resolve(self, scope: Scope, index: int) -> Found:
        query = scope.expression
        if isinstance(query, exp.SetOperation):
            branches = [self._memo(branch, index) for branch in scope.set_operation_scopes if index < len(_selects(branch))]
            merged = _merge(branches)
            return Found(merged.inputs, merged.reasons, merged.steps, branches[0].made_at if branches else None, merged.constant)
        if isinstance(query, exp.Subquery) and not isinstance(query, exp.Select):
            for inner in (*scope.derived_table_scopes, *scope.subquery_scopes):
                return self._memo(inner, index)
        selects = _selects(scope)
        if index >= len(selects):
            return Found(reasons=frozenset({"column-count-differs"}))
        select = selects[index]
        step = Projection(select, query)
        value = select.unalias() if isinstance(select, exp.Alias) else select
        if select.is_star:
            tables = ",".join(sorted({table.name for _, source in scope.selected_sources.values() if isinstance(source, exp.Table)
                                      and (table := self._tables.of(source)) is not None})) or "?"
            return Found(reasons=frozenset({f"star-unresolved:{tables}"}), steps=(step,), made_at=step)
        found = self._uses(scope, value, None)
        plain = isinstance(value.unnest(), exp.Column) and found.made_at is not None
        return Found(found.inputs, found.reasons, (step, *found.steps)[:MAX_STEPS], found.made_at if plain else step, _constant(value, found))

    def _unlisted(self, scope: Scope, name: str) -> Found:
        """A column that the scope's list does not name: it may come through a star over one table of unknown columns."""
        if isinstance(scope.expression, exp.UDTF):
            for inner in scope.subquery_scopes:  # LATERAL (SELECT …)
                if name in self._index(inner):
                    return self._memo(inner, name)
            found = self._uses(scope, scope.expression, (True, "TRANSFORMATION"))
            return Found(found.inputs, found.reasons)
        if any(select.is_star for select in _selects(scope)):
            sources = [source for _, source in scope.selected_sources.values() if self._may_have(source, name)]
            if len(sources) == 1:
                return self._from_source(scope, sources[0], name)
        return Found(reasons=frozenset({f"unresolved-column:{name}"}))

    def _may_have(self, source: exp.Expr | Scope, name: str) -> bool:
        if isinstance(source, exp.Table):
            table = self._tables.of(source)
            return table is not None and (table.columns is None or name.lower() in table.columns)
        if isinstance(source, Scope):
            return name in self._index(source) or any(select.is_star for select in _selects(source)) or isinstance(source.expression, exp.UDTF)
        return False

    def _from_source(self, scope: Scope, source: exp.Expr | Scope, name: str) -> Found:
        if isinstance(source, Scope):
            return self._memo(source, name)
        if not isinstance(source, exp.Table):
            return Found(reasons=frozenset({f"unresolved-column:{name}"}))
        table = self._tables.of(source)
        if table is None:
            cte = scope.cte_sources.get(source.name)
            return self._memo(cte, name) if isinstance(cte, Scope) else Found()
        known = table.columns.get(name.lower()) if table.columns is not None else None
        pivots = source.args.get("pivots")
        if pivots and known is None:
            return self._pivoted(table.name, pivots)
        return Found(frozenset({InputColumn(table.name, known[0] if known else name, "DIRECT", "IDENTITY")}))

    def _pivoted(self, table: str, pivots: list[exp.Expr]) -> Found:
        columns = {column.name for pivot in pivots for column in pivot.find_all(exp.Column)}
        inputs = frozenset(InputColumn(table, column, "DIRECT", "AGGREGATION") for column in columns)
        return Found(inputs, frozenset({"pivot"}))

    def _uses(self, scope: Scope, expression: exp.Expr, force: Use | None) -> Found:
        parts: list[Found] = []
        for column in find_all_in_scope(expression, exp.Column):
            if isinstance(column.this, exp.Star):
                continue
            use = _use(column, expression)
            if force is not None:
                use = force
            parts.append(_composed(use, self.reference(scope, column)))
        if not isinstance(expression, exp.Column):
            parts.extend(self._subqueries(scope, expression, force))
            parts.extend(self._named_windows(scope, expression))
        return parts[0] if len(parts) == 1 else _merge(parts)

    def _subqueries(self, scope: Scope, expression: exp.Expr, force: Use | None) -> Iterator[Found]:
        if not scope.subquery_scopes:
            return
        scopes = {id(inner.expression): inner for inner in scope.subquery_scopes}
        for query in find_all_in_scope(expression, *exp.UNWRAPPED_QUERIES):
            inner = scopes.get(id(query))
            if inner is None:
                continue
            use = force or _use(query, expression)
            for index in range(len(_selects(inner))):
                yield _composed(use, self._memo(inner, index))
            yield self.rows(inner)

    def _named_windows(self, scope: Scope, expression: exp.Expr) -> Iterator[Found]:
        windows = scope.expression.args.get("windows")
        if not windows:
            return
        for window in find_all_in_scope(expression, exp.Window):
            for named in windows:
                if window.alias and named.name == window.alias:
                    for column in find_all_in_scope(named, exp.Column):
                        yield _composed((False, "WINDOW"), self.reference(scope, column))

    def _clauses(self, scope: Scope) -> Iterator[tuple[Use, exp.Expr]]:
        query = scope.expression
        for key, subtype in _CLAUSES:
            clause = query.args.get(key)
            if isinstance(clause, exp.Expr):
                yield (False, subtype), clause
        group = query.args.get("group")
        if isinstance(group, exp.Group) and group.args.get("all"):
            for select in _selects(scope):
                if select.find(exp.AggFunc) is None:
                    yield (False, "GROUP_BY"), select
        distinct = query.args.get("distinct")
        if isinstance(distinct, exp.Distinct) and isinstance(distinct.args.get("on"), exp.Expr):
            yield (False, "GROUP_BY"), distinct.args["on"]
        for join in query.args.get("joins") or ():
            if isinstance(join.args.get("on"), exp.Expr):
                yield (False, "JOIN"), join.args["on"]

    def _index(self, scope: Scope) -> dict[str, int]:
        names = self._by_name.get(id(scope))
        if names is None:
            names = self._by_name[id(scope)] = {}
            for index, select in enumerate(_selects(scope)):
                names.setdefault(select.alias_or_name, index)
        return names


def _selects(scope: Scope) -> list[exp.Expr]:
    query = scope.expression
    if isinstance(query, exp.SetOperation):
        branch = scope.set_operation_scopes[0] if scope.set_operation_scopes else None
        return _selects(branch) if branch is not None else []
    return query.selects if isinstance(query, exp.Query) else []


def _source(scope: Scope, name: str) -> exp.Expr | Scope | None:
    current: Scope | None = scope
    while current is not None:
        source: exp.Expr | Scope | None = current.sources.get(name)
        if source is not None:
            return source
        current = current.parent
    return None


def _inside(node: exp.Expr, ancestor: exp.Expr) -> bool:
    current: exp.Expr | None = node
    while current is not None:
        if current is ancestor:
            return True
        current = current.parent
    return False


def _use(node: exp.Expr, top: exp.Expr) -> Use:
    """How `node` is used by the expression `top` above it."""
    subtype: Subtype = "IDENTITY"
    while node is not top:
        parent = node.parent
        if parent is None:
            break
        key = node.arg_key
        if isinstance(parent, exp.Window) and key != "this":
            return False, "WINDOW"
        if isinstance(parent, exp.Case) and key == "this":
            return False, "CONDITIONAL"
        if isinstance(parent, exp.If) and key == "this":
            return False, "CONDITIONAL"
        if isinstance(parent, exp.Filter) and key == "expression":
            return False, "FILTER"
        if isinstance(parent, exp.Order) and not isinstance(parent.parent, exp.Window):
            return False, "SORT"
        if isinstance(parent, exp.AggFunc) and not isinstance(parent, _PICKS):
            subtype = "AGGREGATION"
        elif not isinstance(parent, exp.Alias | exp.Paren) and subtype == "IDENTITY":
            subtype = "TRANSFORMATION"
        node = parent
    return True, subtype


def _composed(use: Use, found: Found) -> Found:
    """What `found` is to someone who uses it in this way."""
    if use == _IDENTITY:
        return found
    direct, subtype = use
    inputs: set[InputColumn] = set()
    for item in found.inputs:
        if not direct:
            inputs.add(InputColumn(item.table, item.column, "INDIRECT", subtype))
        elif item.type == "DIRECT":
            inputs.add(item if _RANK[item.subtype] >= _RANK[subtype] else InputColumn(item.table, item.column, "DIRECT", subtype))
        else:
            inputs.add(item)
    return Found(frozenset(inputs), found.reasons, found.steps if direct else (), found.made_at)


def _merge(parts: Iterable[Found]) -> Found:
    inputs: set[InputColumn] = set()
    reasons: set[str] = set()
    steps: dict[int, Projection] = {}
    for part in parts:
        inputs |= part.inputs
        reasons |= part.reasons
        for step in part.steps:
            if len(steps) < MAX_STEPS:
                steps.setdefault(id(step.select), step)
    return Found(frozenset(inputs), frozenset(reasons), tuple(steps.values()))


def _constant(value: exp.Expr, found: Found) -> str | None:
    """Why an expression may rightly have no input column."""
    if found.inputs or found.reasons:
        return None
    if value.find(exp.Count) is not None:
        return "row-count"
    return "constant"
