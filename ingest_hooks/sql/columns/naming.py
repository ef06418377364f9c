"""Names for the base tables of a statement, and what sqlglot has to be told or spared before it places columns.

Every base table in the working tree is renamed to `_t<n>` (its alias stays), so that lookups are exact however many parts the
statement and the schema spell out, and two tables of one name in two schemas never mix.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, find_all_in_scope, traverse_scope

from ingest_hooks.sql.columns.positions import same_place
from ingest_hooks.sql.columns.sources import is_function
from ingest_hooks.sql.columns.tables import BaseTable, SchemaIndex, Tables, remember_renamed, remembered_name

__all__ = ["name_tables"]

_FILE_READERS = ("read_", "parquet_scan", "csv_scan", "delta_scan", "iceberg_scan")


def name_tables(queries: Sequence[exp.Expr], index: SchemaIndex, written: Mapping[str, str], folded: Callable[[str], str],
                variables: frozenset[str] = frozenset()) -> Tables:
    """Rename the base tables of already normalised queries in place.

    Args:
        queries: The queries; a table that several of them read gets one name.
        index: What is known of tables.
        written: Column name in the statement's meaning -> as it was written first, of all columns it names.
        folded: How the dialect reads a name without quotes.
        variables: Names that can stand for a parameter or variable.
    """
    tables = Tables(written=dict(written), variables=variables)
    naming = _Naming(index, tables, {}, {}, folded)
    for name in written:
        naming.named.setdefault(name.casefold(), []).append(name)
    seen: set[int] = set()
    for query in queries:
        for scope in traverse_scope(query):
            for source in list(scope.sources.values()):
                if not isinstance(source, exp.Table) or id(source) in seen or (source.name in scope.cte_sources and not source.db):
                    continue
                seen.add(id(source))
                naming.rename(source)
            naming.name_beside_stars(scope)
            naming.open_known(scope)
            tables.open = tables.open or any(naming.is_open(source) for source in scope.sources.values())
            naming.drop_positions(scope)
            naming.keep_from_stars(scope)
            if scope.parent is not None and scope.can_be_correlated:
                naming.assume_own(scope)
            for function in scope.udtf_scopes:
                naming.assume_beside(scope, function)
    return tables


@dataclass(slots=True)
class _Naming:
    index: SchemaIndex
    tables: Tables
    ids: dict[tuple[str, str], str]
    named: dict[str, list[str]]  # case-folded -> the column names of the statement that differ in case only
    folded: Callable[[str], str]
    opened: dict[int, list[str]] = field(default_factory=dict)  # queries with a star over a table that nothing is known of -> the columns they name beside it

    def rename(self, table: exp.Table) -> None:
        file = _file_name(table)
        if not isinstance(table.this, exp.Identifier | exp.Var) and file is None:
            return  # a table function: generate_series(…), range(…)
        written = file or remembered_name(table)
        if isinstance(table.this, exp.Identifier) and not table.alias:
            table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name, quoted=self.folded(table.name) != table.name)))
        key = self.index.find(written)
        identity = (key or written, "key" if key else "name")
        synthetic = self.ids.get(identity)
        if synthetic is None:
            synthetic = self.ids[identity] = f"_t{len(self.ids)}"
            self.tables.by_id[synthetic] = self._table(key or written, self.index.columns(key) if key is not None else self.index.alike(written))
            self.tables.names.append(key or written)
        table.set("this", exp.to_identifier(synthetic, quoted=True))
        table.set("db", None)
        table.set("catalog", None)

    def name_beside_stars(self, scope: Scope) -> None:
        """`SELECT * FROM t`, where t is `SELECT *, a + b AS total FROM unknown`: of all that the star stands for, `total` is known."""
        select, sources = scope.expression, list(scope.selected_sources.values())
        stars = [item for item in select.expressions if isinstance(item, exp.Star) and not any(item.args.values())] if isinstance(select, exp.Select) else []
        if len(stars) != 1 or len(sources) != 1:
            return
        source = sources[0][1]
        if isinstance(source, exp.Table):
            table = self.tables.of(source)
            if table is None or table.columns is not None or source.args.get("pivots"):
                return
            below: list[str] = []
        elif id(source.expression) in self.opened:
            below = self.opened[id(source.expression)]
        else:
            return
        own = [item.alias_or_name for item in select.expressions if item is not stars[0]]
        more = [exp.column(exp.to_identifier(name, quoted=True)) for name in below if name not in own]
        for each in more:
            same_place(each, stars[0])
        at = select.expressions.index(stars[0]) + 1
        select.set("expressions", [*select.expressions[:at], *more, *select.expressions[at:]])
        self.opened[id(select)] = [*(each.name for each in more), *own]

    def open_known(self, scope: Scope) -> None:
        """`SELECT * FROM known JOIN unknown …`: the columns of what is known, and a star for the rest, where sqlglot leaves the whole as it is."""
        select, sources = scope.expression, scope.selected_sources
        if not isinstance(select, exp.Select) or len(sources) < 2 or not any(item.is_star for item in select.expressions) \
                or any(join.args.get("using") or join.args.get("method") for join in select.args.get("joins") or ()):
            return
        names = {alias: [] if self.is_open(source) else self._listed(source) for alias, (_, source) in sources.items() if isinstance(source, exp.Table | Scope)}
        if len(names) != len(sources) or all(names.values()) or not any(names.values()) or any("*" in listed for listed in names.values()):
            return
        items: list[exp.Expr] = []
        for item in select.expressions:
            star = item.this if isinstance(item, exp.Column) else item
            of = [item.table] if isinstance(item, exp.Column) else list(names)
            if not isinstance(star, exp.Star) or any(star.args.values()) or any(alias not in names for alias in of):
                items.append(item)
                continue
            made = [exp.column(each, table=exp.to_identifier(alias, quoted=True), copy=False)
                    for alias in of for each in [exp.to_identifier(name, quoted=True) for name in names[alias]] or [exp.Star()]]
            for each in made:
                same_place(each, item)
            items += made
        select.set("expressions", items)

    def is_open(self, source: exp.Table | Scope) -> bool:
        """Whether a source can have columns that nothing is known of."""
        if isinstance(source, exp.Table):
            table = self.tables.of(source)
            return table is None or table.columns is None
        query = source.expression
        if isinstance(query, exp.UDTF):
            return not query.alias_column_names and not isinstance(query, exp.Values)
        if isinstance(query, exp.SetOperation):
            return any(self.is_open(branch) for branch in source.set_operation_scopes)
        return isinstance(query, exp.Select) and any(item.is_star for item in query.expressions) and any(
            self.is_open(below) for _, below in source.selected_sources.values() if isinstance(below, exp.Table | Scope))

    def drop_positions(self, scope: Scope) -> None:
        """`SELECT * FROM unknown ORDER BY 1`: nobody knows which column that is, and sqlglot breaks at it."""
        order = scope.expression.args.get("order")
        if isinstance(order, exp.Order) and any(each.this.is_int for each in order.expressions) and self.is_open(scope):
            left = [each for each in order.expressions if not each.this.is_int]
            scope.expression.set("order", exp.Order(expressions=left) if left else None)

    def keep_from_stars(self, scope: Scope) -> None:
        """`(SELECT * FROM unknown) AS t (p, q)`: sqlglot writes the star out with these names, but they are not those of columns of the table."""
        select, holder = scope.expression, scope.expression.parent
        if isinstance(select, exp.Select) and isinstance(holder, exp.Subquery | exp.CTE) and holder.alias_column_names and self.is_open(scope):
            remember_renamed(select, holder.alias_column_names)

    def assume_own(self, scope: Scope) -> None:
        """Columns without a table in a subquery over what nothing is known of: sqlglot refuses to go on without."""
        select = scope.expression
        sources = {alias: source for alias, (_, source) in scope.selected_sources.items() if isinstance(source, exp.Table | Scope)}
        if not isinstance(select, exp.Select) or not any(self.is_open(source) for source in sources.values()):
            return
        outer, is_inside_another = scope.parent, False  # `VALUES ((SELECT max(id) FROM t))` reads nothing around the query
        while outer is not None and not is_inside_another:
            outer, is_inside_another = outer.parent, bool(outer.selected_sources)
        only = next(iter(sources.values())) if len(sources) == 1 else None
        alone = isinstance(only, exp.Table) and self.tables.of(only) is not None
        known = {item.alias for item in select.expressions if isinstance(item, exp.Alias)} if alone else {
            name for source in sources.values() for name in self._listed(source)}
        known |= {name.name for join in select.args.get("joins") or () for name in join.args.get("using") or ()}
        for column in list(find_all_in_scope(select, exp.Column)):
            if column.table or column.is_star:
                continue
            if alone and isinstance(only, exp.Table) and column.name not in known and not self.tables.is_variable(column.name):
                column.set("table", exp.to_identifier(next(iter(sources)), quoted=True))  # its own, most likely
                if is_inside_another:
                    self.tables.assumed.add((only.name, column.name))
            elif alone or column.name not in known:
                self.tables.set_aside(column)

    def assume_beside(self, scope: Scope, function: Scope) -> None:
        """Columns without a table in `UNNEST(tags)` or `LATERAL VIEW EXPLODE(m)`: of the one table of unknown columns beside it, else to be found out."""
        others = {alias: source for alias, (_, source) in scope.selected_sources.items() if source is not function and isinstance(source, exp.Table | Scope)}
        open_ones = [alias for alias, source in others.items() if self.is_open(source) and not is_function(source)]
        if not open_ones:
            return
        known = {name for source in others.values() for name in self._listed(source)}
        for column in list(find_all_in_scope(function.expression, exp.Column)):
            if column.table or column.is_star or column.name in known:
                continue
            if len(open_ones) == 1 and not self.tables.is_variable(column.name):
                column.set("table", exp.to_identifier(open_ones[0], quoted=True))
            else:
                self.tables.set_aside(column)

    def _listed(self, source: exp.Table | Scope) -> list[str]:
        """Columns that a source has for sure."""
        if isinstance(source, Scope):
            return source.expression.named_selects if isinstance(source.expression, exp.Query | exp.UDTF) else []
        table = self.tables.of(source)
        return list(table.keys) if table is not None else []

    def _table(self, name: str, columns: Mapping[str, str] | None) -> BaseTable:
        if columns is None:
            return BaseTable(name, None)
        keys: dict[str, tuple[str, str]] = {}
        for column, kind in columns.items():
            keys[self._key(column, columns, keys)] = (column, kind)
        for key, (column, _) in keys.items():
            self.tables.written[key] = column
        return BaseTable(name, {column.lower(): (column, kind) for column, kind in columns.items()}, keys)

    def _key(self, column: str, columns: Mapping[str, str], taken: Mapping[str, tuple[str, str]]) -> str:
        """The name with which the statement means this column: its own, else one that differs in case, as the dialect reads names without quotes."""
        named = self.named.get(column.casefold(), [])
        if column in named:
            return column
        others = [name for name in named if name not in columns and name not in taken]
        usual = self.folded(column)
        return others[0] if others else usual if usual not in taken and (usual == column or usual not in columns) else column


def _file_name(table: exp.Table) -> str | None:
    """`read_csv('x.csv')` and `read_parquet('x')` are tables named by their file."""
    if not isinstance(table.this, exp.Func):
        return None
    literal = table.this.find(exp.Literal)
    name = table.this.name if isinstance(table.this, exp.Anonymous) else table.this.sql_name()
    return literal.name if literal is not None and literal.is_string and name.lower().startswith(_FILE_READERS) else None
