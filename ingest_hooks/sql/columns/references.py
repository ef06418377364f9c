"""From a column of a source to what it is made of: tables, CTEs, functions in FROM, pivots, whole rows."""
from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from functools import partial

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from ingest_hooks.sql.columns.pivots import grouped_by, pivots_of
from ingest_hooks.sql.columns.sources import Source, has_star, is_pseudo, pivot_source, pivoted_nodes, plain_sources, reads_elsewhere, selects_of
from ingest_hooks.sql.columns.tables import Tables, is_renamed
from ingest_hooks.sql.columns.uses import TRANSFORMED, Found, Use, composed, merged
from ingest_hooks.sql.model import InputColumn

__all__ = ["References"]


class References(ABC):
    """What the names of sources stand for in one built scope tree."""

    def __init__(self, tables: Tables, scopes: Iterable[Scope]) -> None:
        self._tables = tables
        self._built = {id(scope.expression): scope for scope in scopes}
        self._by_name: dict[int, dict[str, int]] = {}

    @abstractmethod
    def uses(self, scope: Scope, expression: exp.Expr, force: Use | None = None) -> Found:
        """Everything an expression inside the scope reads."""

    @abstractmethod
    def _column(self, scope: Scope, index: int) -> Found:
        """The `index`-th column of a scope."""

    def _whole_cte(self, scope: Scope) -> Scope:
        """Inside a recursive CTE its own name is bound to a copy of the first branch; it stands for all of it."""
        query = scope.expression
        if query.parent is not None and isinstance(query.parent, exp.SetOperation) and self._built.get(id(query)) is not scope:
            return self._built.get(id(query.parent), scope)
        return scope

    def _named(self, scope: Scope, name: str) -> Found:
        scope = self._whole_cte(scope)
        index = self._index(scope).get(name)
        return self._unlisted(scope, name) if index is None else self._column(scope, index)

    def _unlisted(self, scope: Scope, name: str) -> Found:
        """A column that the scope's list does not name: it may come through a star over one table of unknown columns."""
        query = scope.expression
        if isinstance(query, exp.UDTF):
            return self._of_function(scope, query, name)
        if isinstance(query, exp.SetOperation):
            by_name = query.args.get("by_name")
            return merged(self._named(branch, name) for branch in scope.set_operation_scopes if not by_name or has_star(branch))
        if any(select.is_star for select in selects_of(scope)) and not is_renamed(query, name):
            sources = [source for source in plain_sources(scope).values() if self._may_have(source, name)]
            if len(sources) == 1:
                return self._from_source(scope, sources[0], name)
        return Found(reasons=frozenset({f"unresolved-column:{name}"}))

    def _of_function(self, scope: Scope, query: exp.UDTF, name: str) -> Found:
        """A column of LATERAL (SELECT …), VALUES, UNNEST or another function in FROM."""
        place = next((number for number, column in enumerate(query.alias_column_names) if column == name), None)
        values = query.this.unnest() if isinstance(query, exp.Lateral) else query
        if isinstance(values, exp.Values):
            rows = [row.expressions for row in values.expressions if place is not None and isinstance(row, exp.Tuple) and place < len(row.expressions)]
            return merged(Found(found.inputs, found.reasons) for row in rows if (found := self.uses(scope, row[place or 0])))
        for inner in scope.subquery_scopes:
            at = self._index(inner).get(name, place)
            if at is not None:
                return self._column(inner, at)
        if isinstance(values, exp.Stack) and place is not None:
            return merged(self.uses(scope, each, TRANSFORMED) for each in values.expressions[place::len(query.alias_column_names)])
        several = isinstance(query, exp.Unnest) and len(query.expressions) > 1 and place is not None and place < len(query.expressions)
        found = self.uses(scope, query.expressions[place or 0] if several else query, TRANSFORMED)
        if found.inputs or found.reasons:
            return Found(found.inputs, found.reasons)
        if query.find(exp.Select) is not None:
            return Found(reasons=frozenset({f"unresolved-column:{name}"}))
        return Found(reasons=frozenset(reads_elsewhere(values)))

    def _index(self, scope: Scope) -> dict[str, int]:
        names = self._by_name.get(id(scope))
        if names is None:
            names = self._by_name[id(scope)] = {}
            if isinstance(scope.expression, exp.SetOperation) and scope.expression.args.get("by_name"):
                for branch in scope.set_operation_scopes:
                    for name in self._index(branch):
                        names.setdefault(name, len(names))
            else:
                for index, select in enumerate(selects_of(scope)):
                    names.setdefault(select.alias_or_name, index)
        return names

    def _may_have(self, source: Source, name: str, *, surely: bool = False) -> bool:
        """Whether a source can have a column of this name; with `surely` whether it is known to."""
        if isinstance(source, exp.Table):
            table = self._tables.of(source)
            if table is None or table.columns is None:
                return not surely and table is not None
            return table.column(name) is not None or any(name in pivoted.made for pivoted in pivots_of(source)) or (not surely and is_pseudo(name))
        scope = self._whole_cte(source)
        if name in self._index(scope):
            return True
        if isinstance(scope.expression, exp.UDTF):  # its columns are those it is given, but in BigQuery also the fields of what it takes apart
            names = scope.expression.alias_column_names
            return name in names or (not surely and (self._tables.unnests_fields or not names))
        return not surely and any(select.is_star for select in selects_of(scope))

    def _from_source(self, scope: Scope, source: Source, name: str) -> Found:
        if isinstance(source, Scope):
            return self._named(source, name)
        table = self._tables.of(source)
        if table is None:
            cte = scope.cte_sources.get(source.name)
            if isinstance(cte, Scope):
                return self._named(cte, name)
            functions = [source.this] if source.this is not None else source.args.get("rows_from") or ()
            found = merged(self.uses(scope, function, TRANSFORMED) for function in functions)  # a table function is made of its arguments
            return Found(found.inputs, found.reasons if found.inputs else found.reasons.union(*(reads_elsewhere(function) for function in functions)))
        known = table.column(name)
        reasons = {f"unresolved-column:{name}"} if known is None and table.columns is not None and not is_pseudo(name) else set()
        if (source.name, name) in self._tables.assumed:
            reasons.add(f"assumed-own-column:{name}")
        return Found(frozenset({InputColumn(table.name, known[0] if known else self._tables.spelled(name), "DIRECT", "IDENTITY")}), frozenset(reasons))

    def _unknown_below(self, scope: Scope, star: exp.Expr, seen: frozenset[int] = frozenset()) -> Iterator[str]:
        """The tables of unknown columns that a star stands for, through the stars of queries in between."""
        named = star.table if isinstance(star, exp.Column) else None
        for name, source in plain_sources(scope).items():
            if named and name != named and named in plain_sources(scope):
                continue
            if isinstance(source, exp.Table):
                table = self._tables.of(source)
                cte = scope.cte_sources.get(source.name) if table is None else None
                if table is not None and table.columns is None:
                    yield table.name
                source = cte if isinstance(cte, Scope) else source
            if isinstance(source, Scope) and id(source) not in seen:
                for branch in self._branches(source):
                    for item in selects_of(branch):
                        if item.is_star:
                            yield from self._unknown_below(branch, item, seen | {id(source)})

    def _branches(self, scope: Scope) -> Iterator[Scope]:
        """The SELECTs of a set operation, or the one there is."""
        scope = self._whole_cte(scope)
        if not scope.set_operation_scopes:
            yield scope
        for branch in scope.set_operation_scopes:
            yield from self._branches(branch)

    def _grouped_by_pivots(self, scope: Scope) -> Iterator[Found]:
        for node in pivoted_nodes(scope):
            source = pivot_source(scope, node)
            if source is not None:
                yield from grouped_by(pivots_of(node), self._names_of(source) or (), partial(self._from_source, scope, source))

    def _names_of(self, source: Source) -> list[str] | None:
        """The columns of a source in order; None if they are not known."""
        if isinstance(source, exp.Table):
            table = self._tables.of(source)
            return list(table.keys) if table is not None and table.columns is not None else None
        selects = selects_of(self._whole_cte(source))
        return [select.alias_or_name for select in selects] if selects and not any(select.is_star for select in selects) else None

    def _whole_row(self, scope: Scope, source: Source, name: str) -> Found:
        """All columns of a source: it was named where a column could stand."""
        names = self._names_of(source)
        function = isinstance(source.expression, exp.UDTF) if isinstance(source, Scope) else isinstance(source.this, exp.Func) and not self._tables.of(source)
        if names is None and function:  # the one column of a function has its name
            return self._from_source(scope, source, name)
        if names is None:
            return Found(reasons=frozenset({f"whole-row:{name}"}))
        found = merged(self._from_source(scope, source, each) for each in names)
        return composed(TRANSFORMED, Found(found.inputs, found.reasons))
