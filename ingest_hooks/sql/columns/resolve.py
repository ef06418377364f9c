"""From an output column to base columns, through every scope of a qualified query.

Three kinds of use: DIRECT (the value flows), INDIRECT by branch (CASE conditions, window partitions: of one column) and
INDIRECT by row (WHERE, JOIN, GROUP BY, HAVING, QUALIFY, ORDER BY: of all columns of the scope and of what reads it).
Subtypes are those of OpenLineage's columnLineage facet.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, find_all_in_scope

from ingest_hooks.sql.columns.clauses import FILTER, UNFOLLOWED, clauses
from ingest_hooks.sql.columns.pivots import of_pivot, pivots_of
from ingest_hooks.sql.columns.positions import remembered
from ingest_hooks.sql.columns.references import References
from ingest_hooks.sql.columns.sources import (
    around,
    below,
    has_star,
    is_function,
    is_pseudo,
    is_written_with_table,
    part_of,
    pivot_named,
    plain_sources,
    seen_from,
    selects_of,
    source_named,
)
from ingest_hooks.sql.columns.stars import place_in_source
from ingest_hooks.sql.columns.tables import Tables, is_renamed, was_set_aside
from ingest_hooks.sql.columns.uses import IDENTITY, MAX_STEPS, TRANSFORMED, Found, Projection, Use, composed, merged, use_of
from ingest_hooks.sql.forms.rewrites import HOLDS_ITS_VALUE, is_parameter

__all__ = ["Found", "Projection", "Resolver", "Use"]

MANY_SCOPES = 60
MAX_ROUNDS = 50  # of a recursive CTE; each adds an input, so there are no more than its columns have


class Resolver(References):
    """Resolves columns of one built scope tree. Results are kept per (scope, column), so shared CTEs are walked once."""

    def __init__(self, tables: Tables, scopes: Iterable[Scope]) -> None:
        scopes = list(scopes)
        super().__init__(tables, scopes)
        self._columns: dict[tuple[int, int], Found] = {}
        self._rows: dict[int, Found] = {}
        self._busy_rows: set[int] = set()
        self._touched: set[int] = set()
        self._subquery_scopes: dict[int, dict[int, Scope]] = {}
        self._busy: dict[tuple[int, int], Found] = {}  # what is being resolved -> as far as it is known
        self._asked_again: set[tuple[int, int]] = set()
        self._several = any(scope.expression.find(exp.Columns) is not None for scope in scopes if scope.parent is None)
        if len(scopes) > MANY_SCOPES:
            for scope in scopes:  # from the innermost on, so that no question goes deep
                self.rows(scope)
                for index in range(len(selects_of(scope))):
                    self._column(scope, index)

    def output(self, scope: Scope, index: int) -> Found:
        """What the `index`-th output column of the scope's query is made of, row-level inputs not included."""
        return self._column(scope, index)

    def rows(self, scope: Scope) -> Found:
        """The columns that decide which rows the scope yields: its own clauses and those of what it reads."""
        scope = self._whole_cte(scope)
        key = id(scope)
        known = self._rows.get(key)
        if known is not None:
            return known
        if key in self._busy_rows:  # a recursive CTE reads itself: its own clauses are already being collected
            self._touched.add(key)
            return Found()
        outer, self._touched = self._touched, set()
        self._busy_rows.add(key)
        parts = [self.uses(scope, expression, use) for use, expression in clauses(scope)]
        parts.extend(Found(reasons=frozenset({reason})) for clause, reason in UNFOLLOWED.items() if scope.expression.args.get(clause))
        parts.extend(self._grouped_by_pivots(scope))
        if isinstance(scope.expression, exp.Except | exp.Intersect) and len(scope.set_operation_scopes) > 1:
            right = scope.set_operation_scopes[1]  # values come from the left; the right says which of them
            parts.extend(composed(FILTER, self._column(right, index)) for index in range(len(selects_of(right))))
        parts.extend(self.rows(child) for child in below(scope))
        found = merged(parts)
        self._busy_rows.discard(key)
        self._touched.discard(key)
        if not self._touched:  # else something above is still to be added
            self._rows[key] = found
        self._touched |= outer
        return found

    def reference(self, scope: Scope, column: exp.Column) -> Found:
        """What a column reference inside the scope stands for."""
        name, table = column.name, column.table
        if self._tables.is_variable(name) and not is_written_with_table(column) and not any(
                self._may_have(source, name, surely=True) for source in plain_sources(scope).values()):
            return Found()
        if is_renamed(scope.expression, name) and isinstance(column.this, exp.Identifier) and "start" not in column.this.meta:
            starred = source_named(scope, table)
            base = self._tables.of(starred) if isinstance(starred, exp.Table) else None
            return Found(reasons=frozenset({f"star-unresolved:{base.name if base is not None else '?'}"}))
        if table:
            pivoted = pivot_named(scope, table)
            if pivoted is not None:
                node, source = pivoted
                return of_pivot(pivots_of(node), name, self._names_of(source) or (), partial(self._from_source, scope, source))
            named_source = source_named(scope, table)
            if named_source is None:
                return self._of_struct(scope, column) or Found(reasons=frozenset({f"unresolved-column:{table}.{name}"}))
            place = place_in_source(column)
            return self._column(named_source, place) if place is not None and isinstance(named_source, Scope) else self._from_source(scope, named_source, name)
        projected = self._index(scope).get(name)
        if projected is not None and self._means_output(scope, column, projected):
            return self._column(scope, projected)
        named = seen_from(scope, column)
        if name in named and (self._tables.whole_rows or is_function(named[name])) and not self._may_have(named[name], name, surely=True):
            return self._whole_row(scope, named[name], name)
        open_ended = list(named.values()) if len(named) == 1 else [source for source in named.values() if self._may_have(source, name)]
        assumed = scope.parent is not None and was_set_aside(column) and len(open_ended) == 1 and not is_function(open_ended[0])
        if len(open_ended) > 1:  # `FROM t, UNNEST(items) AS i`: rather a column of t than a field that is taken out of i unnamed
            open_ended = [source for source in open_ended if not (is_function(source) and source.expression.alias)] or open_ended
            assumed = len(open_ended) == 1 and not is_pseudo(name)
        if len(open_ended) == 1:
            found = self._from_source(scope, open_ended[0], name)
            assumed = assumed and bool(found.inputs) and not self._may_have(open_ended[0], name, surely=True)
            return merged([found, Found(reasons=frozenset({f"assumed-own-column:{name}"}))]) if assumed else found
        if not open_ended and scope.parent is not None:
            return self.reference(scope.parent, column)
        return Found(reasons=frozenset({f"{'ambiguous' if open_ended else 'unresolved'}-column:{name}"}))

    def _means_output(self, scope: Scope, column: exp.Column, projected: int) -> bool:
        """Whether a name without a table is that of the scope's `projected`-th output: in ORDER BY, QUALIFY and such it is; where a dialect lets items read
        those before them also in these, in WHERE and in ON, unless the output is made of a column of this name, which a source has to have, then."""
        part = part_of(scope.expression, column)
        if part is None or part.arg_key not in ("expressions", "where", "joins"):
            return True
        output = selects_of(scope)[projected]
        before = part.arg_key != "expressions" or (part.index is not None and projected < part.index)
        named_here = isinstance(output, exp.Alias) and remembered(output) is not None  # not by `WITH c(name) AS (…)` around it
        return before and named_here and self._tables.lateral and all(each.name != column.name for each in output.find_all(exp.Column))

    def _of_struct(self, scope: Scope, column: exp.Column) -> Found | None:
        """`s.a`, where `s` is no source: a field of a column of the one source whose columns are not known."""
        root = column.parts[0].name
        named = plain_sources(scope)
        if self._tables.dotted and len(named) == 1 and self._may_have(next(iter(named.values())), root):
            return composed(TRANSFORMED, self._from_source(scope, next(iter(named.values())), root))
        return None

    def uses(self, scope: Scope, expression: exp.Expr, force: Use | None = None) -> Found:
        """Everything an expression inside the scope reads; `force` is how the whole of it is used."""
        if isinstance(expression, exp.Column) and not isinstance(expression.this, exp.Star):  # most are nothing else
            return composed(force or IDENTITY, self._field(scope, expression) or self.reference(scope, expression))
        parts: list[Found] = []
        for node in find_all_in_scope(expression, exp.Column, exp.TableColumn, exp.Star):
            if isinstance(node, exp.Column):
                if not isinstance(node.this, exp.Star):
                    parts.append(composed(force or use_of(node, expression), self._field(scope, node) or self.reference(scope, node)))
            elif isinstance(node, exp.TableColumn):
                source = next((sources[node.name] for each in around(scope) if node.name in (sources := seen_from(each, node))), None)
                found = self._whole_row(scope, source, node.name) if source is not None else Found(reasons=frozenset({f"unresolved-column:{node.name}"}))
                parts.append(composed(force or use_of(node, expression), found))
            elif not isinstance(node.parent, exp.Count | exp.Column):  # HASH(*), OBJECT_CONSTRUCT(*)
                use = force or use_of(node, expression)
                parts.extend(composed(use, self._whole_row(scope, source, name)) for name, source in plain_sources(scope).items())
        if not isinstance(expression, exp.Column):
            parts.extend(self._subqueries(scope, expression, force))
            parts.extend(self._named_windows(scope, expression, force))
        return parts[0] if len(parts) == 1 else merged(parts)

    def _field(self, scope: Scope, column: exp.Column) -> Found | None:
        """`s.a`, where `s` is a struct that a query below builds: what its field is made of. None where it has to be read as a whole."""
        dot = column.parent
        if not isinstance(dot, exp.Dot) or dot.this is not column or not column.table:
            return None
        source = source_named(scope, column.table)
        at = self._index(source).get(column.name) if isinstance(source, Scope) else None
        if at is None or not isinstance(source, Scope) or not isinstance(source.expression, exp.Select):
            return None
        return self._field_of(source, selects_of(source)[at].unalias(), dot.name)

    def _field_of(self, scope: Scope, value: exp.Expr, name: str) -> Found | None:
        """What a field is made of, of a value that is a struct made here, a row of a source, one of several of these (`ARRAY_AGG(o ORDER BY day)[0]`), or
        such a value from below."""
        held = value
        while isinstance(held, HOLDS_ITS_VALUE):
            held = held.this
        found = None
        if isinstance(held, exp.Struct):
            field = next((each for each in held.expressions if isinstance(each, exp.PropertyEQ | exp.Alias | exp.Column)
                          and each.alias_or_name.lower() == name.lower()), None)
            found = self.uses(scope, field.expression if isinstance(field, exp.PropertyEQ) else field.unalias()) if field is not None else None
        elif isinstance(held, exp.TableColumn):
            row = source_named(scope, held.name)
            found = self._from_source(scope, row, name) if row is not None and self._may_have(row, name, surely=True) else None
        elif isinstance(held, exp.Column):
            below = source_named(scope, held.table)
            at = self._index(below).get(held.name) if isinstance(below, Scope) and isinstance(below.expression, exp.Select) else None
            found = self._field_of(below, selects_of(below)[at].unalias(), name) if at is not None and isinstance(below, Scope) else None
        if found is None or held is value:
            return found
        inside = {id(node) for node in held.walk()}
        beside = [composed(use_of(node, value), self.reference(scope, node)) for node in find_all_in_scope(value, exp.Column) if id(node) not in inside]
        return merged([composed(use_of(held, value), found), *beside])

    # -- columns of a scope

    def _column(self, scope: Scope, index: int) -> Found:
        key = (id(scope), index)
        known = self._columns.get(key)
        if known is not None:
            return known
        if key in self._busy:
            self._asked_again.add(key)
            return self._busy[key]
        outer, self._asked_again = self._asked_again, set()
        self._busy[key] = Found()
        for _ in range(MAX_ROUNDS):
            found = self._resolve(scope, index)
            if key not in self._asked_again or (found.inputs, found.reasons) == (self._busy[key].inputs, self._busy[key].reasons):
                break
            self._busy[key] = found
        del self._busy[key]
        self._asked_again.discard(key)
        if not self._asked_again:  # else it rests on what is not known yet, and is resolved again
            self._columns[key] = found
        self._asked_again |= outer
        return found

    def _resolve(self, scope: Scope, index: int) -> Found:
        query = scope.expression
        if isinstance(query, exp.SetOperation):
            return self._of_branches(scope, query, index)
        if isinstance(query, exp.Subquery):
            for inner in (*scope.derived_table_scopes, *scope.subquery_scopes):
                return self._column(inner, index)
        selects = selects_of(scope)
        if index >= len(selects):
            return Found(reasons=frozenset({"column-count-differs"}))
        select = selects[index]
        step = Projection(select, query)
        value = select.unalias() if isinstance(select, exp.Alias) else select
        if select.is_star:
            unknown = set(self._unknown_below(scope, select))
            return Found(reasons=frozenset({f"star-unresolved:{','.join(sorted(unknown)) or '?'}"}), steps=(step,), made_at=step)
        if self._several and value.find(exp.Columns) is not None:
            return Found(reasons=frozenset({"columns-expression"}), steps=(step,), made_at=step)
        found = self.uses(scope, value)
        if not found.inputs and not found.reasons and any(
                isinstance(dot.this, exp.Identifier) and not is_parameter(dot.this) for dot in value.find_all(exp.Dot)):
            found = Found(reasons=frozenset({f"unresolved-name:{value.sql()[:80]}"}))  # neither a column nor a call that we know
        plain = isinstance(value.unnest(), exp.Column) and found.made_at is not None
        return Found(found.inputs, found.reasons, (step, *found.steps)[:MAX_STEPS], found.made_at if plain else step, _constant(value, found))

    def _of_branches(self, scope: Scope, query: exp.SetOperation, index: int) -> Found:
        branches = list(scope.set_operation_scopes)
        if not isinstance(query, exp.Union):
            branches = branches[:1]
        if query.args.get("by_name"):
            name = list(self._index(scope))[index]
            found = [self._named(branch, name) for branch in branches if name in self._index(branch) or has_star(branch)]
        elif len({len(selects_of(branch)) for branch in branches if not has_star(branch)}) > 1:
            found = [self._column(branch, index) for branch in branches if index < len(selects_of(branch))]
            found.append(Found(reasons=frozenset({"column-count-differs"})))
        else:
            found = [self._column(branch, index) for branch in branches if index < len(selects_of(branch))]
        all_of_them = merged(found)
        constant = next((each.constant for each in found if each.constant), None) if not all_of_them.inputs and not all_of_them.reasons else None
        return Found(all_of_them.inputs, all_of_them.reasons, all_of_them.steps, found[0].made_at if found else None, constant)

    # -- what an expression reads besides its columns

    def _subqueries(self, scope: Scope, expression: exp.Expr, force: Use | None) -> Iterator[Found]:
        if not scope.subquery_scopes:
            return
        scopes = self._subquery_scopes.get(id(scope))
        if scopes is None:
            scopes = self._subquery_scopes[id(scope)] = {id(inner.expression): inner for inner in scope.subquery_scopes}
        for query in find_all_in_scope(expression, *exp.UNWRAPPED_QUERIES):
            inner = scopes.get(id(query))
            if inner is None:
                continue
            use = force or use_of(query, expression)
            if use == IDENTITY and str(query.args.get("kind") or "").upper() == "STRUCT":
                use = TRANSFORMED
            found = merged([*(composed(use, self._column(inner, index)) for index in range(len(selects_of(inner)))), self.rows(inner)])
            yield found
            if not found.inputs and not found.reasons:  # it counts the rows that a column of this row is taken apart into
                unfolded = (source.expression for source in inner.sources.values() if isinstance(source, Scope) and isinstance(source.expression, exp.UDTF))
                yield from (composed(use, self.uses(inner, each, TRANSFORMED)) for each in unfolded)

    def _named_windows(self, scope: Scope, expression: exp.Expr, force: Use | None) -> Iterator[Found]:
        windows = scope.expression.args.get("windows")
        if not windows:
            return
        for window in find_all_in_scope(expression, exp.Window):
            for named in windows:
                if window.alias and named.name == window.alias:
                    for column in find_all_in_scope(named, exp.Column):
                        yield composed(force or Use(False, "WINDOW"), self.reference(scope, column))


def _constant(value: exp.Expr, found: Found) -> str | None:
    """Why an expression may rightly have no input column."""
    if found.inputs or found.reasons:
        return None
    if value.find(exp.Count) is not None:
        return "row-count"
    return "constant"
