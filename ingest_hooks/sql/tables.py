"""Base tables of a statement, matched against the schema the caller gave.

Every base table in the working tree is renamed to `_t<n>` (its alias stays), so that lookups are exact however many parts the
statement and the schema spell out, and two tables of one name in two schemas never mix.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, find_all_in_scope, traverse_scope

from ingest_hooks.sql.nodes import Nodes
from ingest_hooks.sql.positions import same_place
from ingest_hooks.sql.reduced import table_name

__all__ = ["BaseTable", "SchemaIndex", "Tables", "name_tables", "remember_names", "with_tables", "written_tables"]

_ORIGINAL = "lineproof_name"
_FILE_READERS = ("read_", "parquet_scan", "csv_scan", "delta_scan", "iceberg_scan")


@dataclass(frozen=True, slots=True)
class BaseTable:
    """`columns`: lower-case column name -> (name, type) as the schema has them; None if the schema does not know the table.

    `keys` has them by the names the statement means them with, once its dialect's rules for upper and lower case are applied.
    """

    name: str
    columns: Mapping[str, tuple[str, str]] | None
    keys: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def column(self, name: str) -> tuple[str, str] | None:
        """Name and type of a column, by its name in the statement."""
        found = self.keys.get(name)
        return found if found is not None or self.columns is None else self.columns.get(name.lower())


def with_tables(schema: Mapping[str, Mapping[str, str]] | None, made: Mapping[str, Sequence[str]]) -> Mapping[str, Mapping[str, str]]:
    """The schema with tables of which only the columns' names are known."""
    known = dict(schema or {})
    for name, columns in made.items():
        known.setdefault(name, dict.fromkeys(columns, "UNKNOWN"))
    return known


class SchemaIndex:
    """Finds a table in the caller's schema by the longest matching tail of its dotted name, without regard to case."""

    def __init__(self, schema: Mapping[str, Mapping[str, str]] | None) -> None:
        self._schema = schema or {}
        self._by_tail: dict[str, list[str]] = {}
        for key in self._schema:
            parts = key.casefold().split(".")
            for start in range(len(parts)):
                self._by_tail.setdefault(".".join(parts[start:]), []).append(key)

    def find(self, name: str) -> str | None:
        """The one key whose tail is `name`, or whose whole is a tail of `name`; None if there is none or several."""
        wanted = name.casefold()
        if name in self._schema:
            return name
        parts = wanted.split(".")
        for start in range(len(parts)):
            tail = ".".join(parts[start:])
            found = self._by_tail.get(tail, [])
            if start:
                found = [key for key in found if key.casefold() == tail]
            if len(found) > 1:  # a name in quotes may tell them apart
                found = [key for key in found if (key if start else ".".join(key.split(".")[-len(parts):])) == ".".join(name.split(".")[start:])]
            if len(found) == 1:
                return found[0]
            if self._by_tail.get(tail):
                return None
        return None

    def columns(self, key: str) -> Mapping[str, str]:
        """Column name -> type of a table, in order."""
        return self._schema[key]


@dataclass(slots=True)
class Tables:
    """The base tables of a statement by their synthetic names."""

    by_id: dict[str, BaseTable] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    written: dict[str, str] = field(default_factory=dict)  # column name in the statement's meaning -> as it was written first

    given: dict[str, str] = field(default_factory=dict)  # likewise, of names the statement gives
    unlisted: dict[str, set[str]] = field(default_factory=dict)  # by synthetic name: columns that the statement takes from it, and the schema lacks
    variables: frozenset[str] = frozenset()  # case-folded names of the parameters and variables of a script
    assumed: set[tuple[str, str]] = field(default_factory=set)  # (synthetic name, column) that could as well be a column of a query around

    def spelled(self, name: str) -> str:
        """A column name as it was written, or as the schema has it."""
        return self.written.get(name, name)

    def called(self, name: str) -> str:
        """The name of an output that came through a star."""
        return self.given.get(name) or self.spelled(name)

    def is_variable(self, name: str) -> bool:
        """Whether the name is that of a parameter or variable, where no column has it."""
        return name.casefold() in self.variables

    def of(self, table: exp.Table) -> BaseTable | None:
        """The base table behind a renamed table node; None for table functions."""
        return self.by_id.get(table.name)

    def schema(self) -> dict[str, dict[str, str]]:
        """The schema of the renamed tables, for sqlglot."""
        return {key: {**{name: kind for name, (_, kind) in table.keys.items()}, **dict.fromkeys(self.unlisted.get(key, ()), "UNKNOWN")}
                for key, table in self.by_id.items() if table.keys}


def remember_names(nodes: Nodes) -> set[tuple[str, str]]:
    """Keep each table's name as written, before identifiers are normalised. Returns the (schema, table) pairs, lower-case."""
    pairs: set[tuple[str, str]] = set()
    for table in nodes.of(exp.Table):
        table.meta[_ORIGINAL] = table_name(table)
        if table.db:
            pairs.add((table.db.lower(), table.name.lower()))
    return pairs


def written_tables(tree: exp.Expr) -> set[str]:
    """Names of the base tables as written, after `remember_names`, for a query that could not be resolved."""
    ctes = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    names = {str(table.meta.get(_ORIGINAL) or table_name(table)) for table in tree.find_all(exp.Table)}
    return {name for name in names if name and name.lower() not in ctes}


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
            naming.note_unlisted(scope)
            naming.name_beside_stars(scope)
            if scope.parent is not None and scope.can_be_correlated:
                naming.assume_own(scope)
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
        written = file or table.meta.get(_ORIGINAL) or table_name(table)
        if isinstance(table.this, exp.Identifier) and not table.alias:
            table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name, quoted=self.folded(table.name) != table.name)))
        key = self.index.find(written)
        identity = (key or written, "key" if key else "name")
        synthetic = self.ids.get(identity)
        if synthetic is None:
            synthetic = self.ids[identity] = f"_t{len(self.ids)}"
            self.tables.by_id[synthetic] = self._table(key or written, self.index.columns(key) if key is not None else None)
            self.tables.names.append(key or written)
        table.set("this", exp.to_identifier(synthetic, quoted=True))
        table.set("db", None)
        table.set("catalog", None)

    def note_unlisted(self, scope: Scope) -> None:
        """Columns that a statement takes from a table whose schema does not have them: sqlglot refuses to go on without."""
        for column in find_all_in_scope(scope.expression, exp.Column):
            source = scope.sources.get(column.table)
            table = self.tables.of(source) if isinstance(source, exp.Table) and not source.args.get("pivots") else None
            if table is not None and table.columns is not None and not column.is_star and table.column(column.name) is None:
                self.tables.unlisted.setdefault(source.name, set()).add(column.name)

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

    def assume_own(self, scope: Scope) -> None:
        """Columns without a table in a subquery over one table that nothing is known of: its own, most likely. sqlglot refuses to go on without."""
        sources = list(scope.selected_sources.items())
        if len(sources) != 1 or not isinstance(sources[0][1][1], exp.Table) or not isinstance(scope.expression, exp.Select):
            return
        alias, (_, source) = sources[0]
        table = self.tables.of(source)
        if table is None or table.columns is not None:
            return
        given = {item.alias for item in scope.expression.expressions if isinstance(item, exp.Alias)}
        for column in find_all_in_scope(scope.expression, exp.Column):
            if not column.table and not column.is_star and column.name not in given and not self.tables.is_variable(column.name):
                column.set("table", exp.to_identifier(alias, quoted=True))
                self.tables.assumed.add((source.name, column.name))

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
