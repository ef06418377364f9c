"""Column lineage of a SQL statement, with positions."""
from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version

from sqlglot import Dialect, exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope, build_scope

from ingest_hooks.sql.columns.positions import Text, remembered, replaces, star_of, written_items
from ingest_hooks.sql.columns.predicates import comparisons, frames
from ingest_hooks.sql.columns.prepared import prepare
from ingest_hooks.sql.columns.resolve import Found, Projection, Resolver
from ingest_hooks.sql.columns.sources import selects_of
from ingest_hooks.sql.columns.stars import open_stars
from ingest_hooks.sql.columns.tables import SchemaIndex, Tables, with_tables, written_tables
from ingest_hooks.sql.columns.uses import merged
from ingest_hooks.sql.forms.reduced import Reduced, table_name
from ingest_hooks.sql.model import InputColumn, OutputColumn, SqlLineage, Status, Step, TimePredicate, Timing, WindowFrame
from ingest_hooks.sql.quiet import quietly
from ingest_hooks.sql.scripts.script import choose, read_script
from ingest_hooks.sql.templates.marks import MacroPlace
from ingest_hooks.sql.templates.source_map import SourceMap
from ingest_hooks.sql.timing.answer import timing

__all__ = ["PARSER", "column_lineage"]

PARSER = f"sqlglot {version('sqlglot')}"
MAX_SQL = 2_000_000  # characters; a longer text is data written as SQL, and would hold the caller for seconds
MAX_SELECTS = 5_000  # SELECTs in what writes one table; scopes over more are built for minutes
_BY_POSITION = frozenset({"insert", "copy", "merge"})  # these fill columns that are there; others make their own
# what sqlglot raises on SQL it does not know: its own errors, and those of a tree that has not the shape it expects
_BROKEN = (SqlglotError, ValueError, KeyError, TypeError, AttributeError, AssertionError, IndexError, RecursionError)
_WORST: tuple[Status, ...] = ("complete", "partial", "unknown")


@quietly()
def column_lineage(sql: str, *, dialect: str | None, schema: Mapping[str, Mapping[str, str]] | None, output: str | None = None,
                   file: str | None = None, source_map: SourceMap | None = None, timed: bool = True, own: Collection[str] = ()) -> SqlLineage:
    """Column lineage of one SQL statement. Never raises on SQL it cannot read: `status` and `reasons` say so.

    Args:
        sql: The statement as it runs. Of several statements the one that writes `output` is read, else the last one with a query.
        dialect: A sqlglot dialect name (`duckdb`, `postgres`, …), or None for the generic one.
        schema: Table name (parts joined by dots, as many as known) -> column name -> type, in column order. Needed for `*`
            and for columns without a table name in joins.
        output: The table that is written, where the statement does not name it. If `schema` has it, unnamed output columns
            get its names by position.
        file: The file the SQL stands in; positions refer to it.
        source_map: Maps positions in `sql` to the template it was made from, and wins over `file`.
        timed: Whether to follow how the statement bounds times, too (`timing`): a fifth of the work.
        own: Tables that are there for nobody else: if the script makes them, what reads them reads what they were made of, as with temporary ones.
    """
    if len(sql) > MAX_SQL:
        return _nothing(output, "unknown", f"too-long:{len(sql)}")
    try:
        tool = Dialect.get_or_raise(dialect)
        script = read_script(sql, tool)
        reduced, made = choose(script, output, SchemaIndex(schema), frozenset(name.casefold() for name in own))
    except _BROKEN as error:
        return _nothing(output, "unknown", f"not-parsed:{_first_line(error)}")
    if not script.statements and not script.reasons:
        return _nothing(output, "unknown", "routine" if script.routine else "empty")
    selects = sum(1 for query in reduced.reads for _ in query.find_all(exp.Select))
    if selects > MAX_SELECTS:
        return _only_tables(reduced, output, f"too-many-selects:{selects}")
    run = _Run(dialect, SchemaIndex(with_tables(schema, made)), Text(sql, script.tokens), file, source_map, script.variables, timed)
    try:
        return run.lineage(reduced, output)
    except _BROKEN as error:  # the tables are still worth saying
        return _only_tables(reduced, output, f"not-resolved:{_first_line(error)}")


def _nothing(output: str | None, status: Status, reason: str) -> SqlLineage:
    return SqlLineage("", output, (), (), (), (), (), status, (reason,), PARSER)


def _only_tables(reduced: Reduced, output: str | None, reason: str) -> SqlLineage:
    """What is left to say of a statement whose columns could not be followed."""
    named = table_name(reduced.target) if reduced.target is not None else None
    inputs = tuple(sorted({name for query in reduced.reads for name in written_tables(query)}))
    return replace(_nothing(output or named, "unknown", reason), statement=reduced.kind, inputs=inputs, target=named)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _worst(*statuses: Status) -> Status:
    return max(statuses, key=_WORST.index)


@dataclass(frozen=True, slots=True)
class _Run:
    dialect: str | None
    index: SchemaIndex
    text: Text
    file: str | None
    source_map: SourceMap | None
    variables: frozenset[str]
    timed: bool
    written: dict[int, dict[int, tuple[int, int] | None]] = field(default_factory=dict)  # id of a SELECT -> id of an item -> where it was written

    def lineage(self, reduced: Reduced, output: str | None) -> SqlLineage:
        named = table_name(reduced.target) if reduced.target is not None else None
        target = output or named
        if not reduced.reads:
            return SqlLineage(reduced.kind, target, (), (), (), (), (), reduced.status, (reduced.reason,) if reduced.reason else (), PARSER, target=named)
        queries, tables = prepare(reduced.reads, self.index, self.dialect, self.variables)
        roots = [scope for query in queries if (scope := build_scope(query)) is not None]
        scopes = [inner for root in roots for inner in root.traverse()]
        open_stars(scopes)
        resolver = Resolver(tables, scopes)
        rows = merged(resolver.rows(root) for root in roots)
        reasons = set(rows.reasons) | ({reduced.reason} if reduced.reason and reduced.status != "complete" else set())
        filled = roots[:len(reduced.queries) + len(reduced.assigned)]
        columns = [(root, self._names(reduced, target, root, tables, number < len(reduced.queries))) for number, root in enumerate(filled)]
        outputs: dict[str, OutputColumn] = {}
        for root, names in columns:
            for column in self._outputs(root, resolver, names, rows.inputs):
                known = outputs.get(column.name)
                outputs[column.name] = column if known is None else _both(known, column)
        status = _worst(reduced.status, "partial" if reasons else "complete", *(column.status for column in outputs.values()))
        if status == "unknown" and any(column.status != "unknown" for column in outputs.values()):
            status = "partial"
        reasons |= {column.reason for column in outputs.values() if column.reason and column.status != "complete"}
        predicates, windows = self._time(scopes, resolver, tables)
        return SqlLineage(reduced.kind, target, tuple(outputs.values()), tuple(sorted(set(tables.names))), tuple(sorted(rows.inputs)),
                          predicates, windows, status, tuple(sorted(reasons)), PARSER,
                          timing(columns, tables, self.dialect, self._where) if self.timed else Timing(), named)

    def _where(self, node: exp.Expr) -> tuple[str | None, int | None, int | None]:
        extent = remembered(node)
        place = self._place(*extent) if extent is not None else _NOWHERE
        return place.file, place.line, place.column

    def _names(self, reduced: Reduced, target: str | None, root: Scope, tables: Tables, by_position: bool) -> list[str]:
        query = root.expression
        first = query
        while isinstance(first, exp.SetOperation) and not first.args.get("by_name"):
            first = first.left.unnest() if isinstance(first.left, exp.Subquery) else first.left
        items = written_items(first) if isinstance(first, exp.Select) else []
        selects = selects_of(root) if not (isinstance(query, exp.SetOperation) and query.args.get("by_name")) else query.selects
        names = []
        for number, select in enumerate(selects):
            item = items[number] if number < len(items) else None
            name = (item.name if item is not None else tables.called(select.alias_or_name)) or select.alias_or_name
            names.append(f"_col_{number}" if not name or name.casefold().startswith("_col_") else name)
        if isinstance(query, exp.SetOperation) and query.args.get("by_name"):
            names = list(dict.fromkeys(name for branch in root.set_operation_scopes for name in (each.alias_or_name for each in selects_of(branch))))
        if not by_position or reduced.by_name:
            return names
        if reduced.columns and len(reduced.columns) == len(names):
            return list(reduced.columns)
        key = self.index.find(target) if target else None
        if key is not None:
            fixed = {name.casefold() for name in reduced.fixed}
            declared = [name for name in self.index.columns(key) if name.casefold() not in fixed]
            if len(declared) == len(names):
                return declared if reduced.kind in _BY_POSITION else _spelled_as(declared, names)
        return names

    def _outputs(self, root: Scope, resolver: Resolver, names: Sequence[str], row_inputs: frozenset[InputColumn]) -> list[OutputColumn]:
        shown: dict[int, tuple[str, _Place]] = {}
        outputs: list[OutputColumn] = []
        for number, name in enumerate(names):
            found = resolver.output(root, number)
            made_at = found.made_at or (found.steps[0] if found.steps else None)
            expression, place = self._show(made_at, shown) if made_at is not None else ("", _NOWHERE)
            if place.via_star:  # passed through unchanged: the innermost place that names it says more than the star below
                expression, place = next((at for step in reversed(found.steps) if not (at := self._show(step, shown))[1].via_star), (expression, place))
            steps = tuple(Step(step.select.alias_or_name, text, at.file, at.line, at.column, at.macro)
                          for step in found.steps for text, at in (self._show(step, shown),) if at.line is not None)
            status, reason = _column_status(found)
            outputs.append(OutputColumn(name, expression, tuple(sorted(found.inputs | row_inputs)), place.file, place.line, place.column, place.end_line,
                                        status, reason, place.via_star, place.approximate, steps, place.macro))
        return outputs

    def _show(self, step: Projection, shown: dict[int, tuple[str, _Place]]) -> tuple[str, _Place]:
        known = shown.get(id(step.select))
        if known is None:
            known = shown[id(step.select)] = self._locate(step)
        return known

    def _locate(self, step: Projection) -> tuple[str, _Place]:
        """Text and position of a select item; of the `*` it came through if it was never written."""
        value = step.select.unalias()
        extent = remembered(step.select) or remembered(value)
        if extent is None and isinstance(step.owner, exp.Select):  # qualifying replaced it: a column of USING, a field of a struct
            written = self.written.get(id(step.owner))
            if written is None:
                written = self.written[id(step.owner)] = {
                    id(select): item.extent for select, item in zip(step.owner.expressions, written_items(step.owner), strict=False) if item is not None}
            extent = written.get(id(step.select))
        if extent is None:
            star = star_of(step.owner, value)
            if star is None:
                return value.sql(dialect=self.dialect, comments=False), _NOWHERE
            return "*", self._place(star, star, via_star=True)
        item = self.text.item(*extent)
        if item is None or replaces(step.select):  # an assignment of UPDATE or MERGE, or `* REPLACE (… AS x)`
            return value.sql(dialect=self.dialect, comments=False), self._place(*extent)
        alias = step.select.args.get("alias") if isinstance(step.select, exp.Alias) else None
        alias_start = alias.meta.get("start") if isinstance(alias, exp.Identifier) else None
        return self.text.expression(item, alias_start), self._place(item.start, item.end, via_star=step.select.is_star)

    def _place(self, start: int, end: int, *, via_star: bool = False) -> _Place:
        line, column = self.text.place(start)
        end_line, _ = self.text.place(end)
        if self.source_map is None:
            return _Place(self.file, line, column, end_line, via_star, approximate=False)
        first = self.source_map.locate(line, column)
        last = self.source_map.locate(end_line, None)
        until = last.line if first.line is not None and last.line is not None and last.file == first.file and last.line >= first.line else first.line
        return _Place(first.file, first.line, first.column, until, via_star, first.approximate, first.macro)

    def _time(self, scopes: list[Scope], resolver: Resolver, tables: Tables) -> tuple[tuple[TimePredicate, ...], tuple[WindowFrame, ...]]:
        kinds = {(table.name, name): kind for table in tables.by_id.values() if table.columns for name, kind in table.columns.values()}
        predicates: dict[tuple[object, ...], TimePredicate] = {}
        for found in comparisons(scopes, resolver, lambda item: kinds.get((item.table, item.column)) if item.subtype == "IDENTITY" else None, self.dialect):
            extent = remembered(found.node)
            place = self._place(*extent) if extent is not None else _NOWHERE
            predicate = TimePredicate(found.left, found.op, found.right, found.interval, place.file, place.line, place.column,
                                      found.left_inputs, found.right_inputs)
            predicates.setdefault((predicate.line, predicate.column, predicate.left, predicate.op, predicate.right), predicate)
        windows: dict[tuple[object, ...], WindowFrame] = {}
        for frame in frames(scopes, self.dialect):
            extent = remembered(frame.node)
            place = self._place(*extent) if extent is not None else _NOWHERE
            windows.setdefault((place.line, place.column, frame.expression, frame.frame, frame.order_by, frame.partition_by),
                               WindowFrame(frame.expression, frame.partition_by, frame.order_by, frame.frame, place.file, place.line, place.column))

        def order(found: TimePredicate | WindowFrame) -> tuple[int, int]:
            return found.line or 0, found.column or 0
        return tuple(sorted(predicates.values(), key=order)), tuple(sorted(windows.values(), key=order))


@dataclass(frozen=True, slots=True)
class _Place:
    file: str | None
    line: int | None
    column: int | None
    end_line: int | None
    via_star: bool
    approximate: bool
    macro: MacroPlace | None = None


_NOWHERE = _Place(None, None, None, None, False, False)


def _spelled_as(declared: Sequence[str], names: Sequence[str]) -> list[str]:
    """Names of outputs in the spelling of the columns they are known to become; one without a name has that of its position."""
    spelled = {name.casefold(): name for name in declared}
    taken = {name.casefold() for name in names}
    return [spelled.get(name.casefold()) or (declared[number] if name == f"_col_{number}" and declared[number].casefold() not in taken else name)
            for number, name in enumerate(names)]


def _column_status(found: Found) -> tuple[Status, str | None]:
    if found.reasons:
        return ("partial" if found.inputs else "unknown"), ";".join(sorted(found.reasons))
    return "complete", found.constant


def _both(first: OutputColumn, second: OutputColumn) -> OutputColumn:
    """One column filled by two branches of a MERGE."""
    expression = first.expression if first.expression == second.expression else f"{first.expression} | {second.expression}"
    reasons = [reason for reason in dict.fromkeys((first.reason, second.reason)) if reason]
    return replace(first, expression=expression, inputs=tuple(sorted({*first.inputs, *second.inputs})), status=_worst(first.status, second.status),
                   reason=";".join(reasons) or None, steps=(*first.steps, *second.steps))
