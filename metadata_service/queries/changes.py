"""What changed on a trace's path: versions of code, and failed checks. This is what turns a trace into "wrong since Tuesday"."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from lineproof_schema.urn import format_urn, holder, parse_urn
from metadata_service.graph.ops import COLUMN_DERIVED_FROM, DERIVED_FROM, Edge
from metadata_service.graph.port import NodeRow
from metadata_service.queries.activity import commit_of, commits
from metadata_service.queries.column_gaps import SAME_AS
from metadata_service.queries.constant import NOWHERE, constants
from metadata_service.queries.context import QueryContext
from metadata_service.queries.influence import Influence, ValuePath, value_edges
from metadata_service.queries.mask import hidden
from metadata_service.queries.roots import columns_of
from metadata_service.queries.shapes import as_time, of_micros
from metadata_service.queries.trace_shapes import CodeChange, ExpressionChange, QualityFinding

__all__ = ["code_changes", "failed_checks"]

DERIVED = "lineproof.derivation.v1"
VERSIONS_BACK = 5  # how many earlier versions of each piece of code are looked at
MAX_CHANGES = 50
HISTORY_LIMIT = 20_000  # edges that ever led into the columns of one change


async def code_changes(context: QueryContext, edges: Sequence[Edge], value: ValuePath, since: datetime | None) -> tuple[CodeChange, ...]:
    """The versions of code on the path: suspects first, then what changed the value earlier, what changed its rows, and the rest; newest first in each.

    `since` is when the value became wrong: a change claimed to be older is no suspect. Of a dataset that a step reads as a whole any column may
    count: those that are computed otherwise do.
    """
    found: dict[tuple[str | None, str | None, int], CodeChange] = {}
    possible = await _read_as_a_whole(context, edges)
    reached = {edge.downstream: value.distance[holder(edge.downstream)] for edge in possible if holder(edge.downstream) in value.distance}
    value = replace(value, distance=reached | value.distance)
    level = [edge for edge in (*edges, *possible) if edge.transformation is not None]
    for _ in range(VERSIONS_BACK):
        groups: dict[tuple[str | None, str | None, int], list[Edge]] = defaultdict(list)
        for edge in level:
            groups[edge.via, edge.transformation, edge.from_].append(edge)
        level = []
        for key, group in groups.items():
            if key in found:
                continue
            before = await _before(context, group)
            masked = await hidden(context, {edge.upstream for edge in before if edge.upstream != NOWHERE})
            level += [edge for edge in before if edge.upstream not in masked]
            change = _change(group, before, value, masked)
            told = tuple(column for column in change.columns if column.changed or column.urn not in reached)
            if told:
                found[key] = replace(change, columns=told)
    for change in await _declared_anew(context, [edge for edge in edges if edge.transformation is None], value):
        found[change.job or holder(change.columns[0].urn), None, change.size] = change
    if len(found) > MAX_CHANGES:
        context.notes.truncate(f"versions of code on the path ({MAX_CHANGES} of {len(found)})")
    ordered = sorted(found.values(), key=_rank, reverse=True)[:MAX_CHANGES]
    dated = [replace(change, suspect=_suspect(change, since)) for change in await _dated(context, ordered)]
    return tuple(sorted(dated, key=lambda change: (change.suspect, _rank(change)), reverse=True))


def _rank(change: CodeChange) -> tuple[bool, bool, bool, int]:
    return change.path_changed and change.influence is Influence.VALUE, change.path_changed, not change.first, change.size


def _suspect(change: CodeChange, since: datetime | None) -> bool:
    """The first version of code changed nothing: before it there was no value."""
    if not change.path_changed or change.first or change.influence is Influence.ROWS:
        return False
    return since is None or (change.at is not None and change.at >= since)


async def failed_checks(context: QueryContext, urns: Sequence[str], raw: Collection[str], value: ValuePath) -> tuple[QualityFinding, ...]:
    """Failed quality checks on the entities of a trace and, where they name a traced column or none, on their datasets.

    A check on a column is told once, by its dataset, though both hold it. One on a whole dataset decides the value if any column
    of it does.
    """
    columns: dict[str, set[str]] = defaultdict(set)
    for urn in urns:
        columns[holder(urn)].add(parse_urn(urn).name)
    decisive = {holder(urn) for urn in value.distance}
    rows = await context.graph.get(sorted({*urns, *columns}), context.at)
    found: dict[tuple[str, str, str | None], QualityFinding] = {}
    for urn, row in sorted(rows.items(), key=lambda item: (item[0] != holder(item[0]), item[0])):
        for fact, said in row.facts.items():
            if not fact.startswith("quality:") or not isinstance(said, Mapping) or said.get("success") is not False:
                continue
            column = said.get("column")
            if urn in columns and column is not None and column not in columns[urn]:
                continue
            named = urn if column is None or urn != holder(urn) else format_urn("column", *parse_urn(urn).components, str(column))
            decides = Influence.VALUE if named in value.distance or (named == holder(named) and named in decisive) else Influence.ROWS
            finding = _finding(row, fact, said, column, holder(urn) in raw, decides)
            found.setdefault((holder(urn), finding.check, column or (parse_urn(urn).name if urn != holder(urn) else None)), finding)
    return tuple(sorted(found.values(), key=lambda finding: (finding.influence is Influence.ROWS, not finding.on_source, finding.severity != "error",
                                                            finding.urn, finding.check)))


async def _read_as_a_whole(context: QueryContext, edges: Sequence[Edge]) -> list[Edge]:
    """How the code behind these edges makes the columns of the datasets that a step reads as a whole: as it said last."""
    whole = {edge.upstream for edge in edges if edge.family == DERIVED_FROM}
    sets = {edge.set_id: edge.downstream for edge in edges if edge.family == DERIVED_FROM and edge.downstream in whole and edge.transformation is not None}
    columns = await columns_of(context, sorted(set(sets.values()))) if sets else {}
    known = {urn for those in columns.values() for urn in those} - {edge.downstream for edge in edges}
    history = await context.graph.edge_history(sorted(known), [COLUMN_DERIVED_FROM], 0, context.size, HISTORY_LIMIT) if known else []
    if len(history) == HISTORY_LIMIT:
        context.notes.truncate(f"history (the first {HISTORY_LIMIT} edges)")
    ended: dict[tuple[str, str], int] = {}
    for edge in history:
        if edge.set_id in sets:
            ended[edge.downstream, edge.set_id] = max(edge.to, ended.get((edge.downstream, edge.set_id), 0))
    last = [edge for edge in history if ended.get((edge.downstream, edge.set_id)) == edge.to]
    masked = await hidden(context, {edge.upstream for edge in last})
    named = {edge.downstream for edge in last if edge.upstream in masked}  # whose expressions name what is hidden
    return [edge for edge in last if edge.downstream not in named]


async def _declared_anew(context: QueryContext, edges: Iterable[Edge], value: ValuePath) -> list[CodeChange]:
    """What is said of things without naming code (a view, a dashboard, a job of a client that sends none) and was said otherwise before."""
    groups: dict[tuple[str | None, str], list[Edge]] = defaultdict(list)
    for edge in edges:
        if edge.upstream != NOWHERE and edge.subtype != SAME_AS:
            groups[edge.via, holder(edge.downstream)].append(edge)
    said = [edge for now in groups.values() for edge in now]
    columns, families = sorted({edge.downstream for edge in said}), sorted({edge.family for edge in said})
    history = await context.graph.edge_history(columns, families, 0, context.size, HISTORY_LIMIT) if said else []
    if len(history) == HISTORY_LIMIT:
        context.notes.truncate(f"history (the first {HISTORY_LIMIT} edges)")
    masked = await hidden(context, {edge.upstream for edge in history})
    earlier: dict[tuple[str | None, str], list[Edge]] = defaultdict(list)
    for edge in history:
        if edge.transformation is None:
            earlier[edge.via, holder(edge.downstream)].append(edge)
    found = []
    for key, group in groups.items():
        for _ in range(VERSIONS_BACK):
            group = sorted(group, key=lambda edge: -edge.from_)
            began = group[0].from_ if group else 0
            before = [edge for edge in earlier[key] if edge.from_ < began <= edge.to]
            if not before:
                break
            change = _change(group, before, value, masked)
            found += [change] if change.path_changed else []
            group = [edge for edge in before if edge.upstream not in masked]
    return found


async def _before(context: QueryContext, group: Sequence[Edge]) -> list[Edge]:
    """How the same job made the same columns before, by the code that was last seen to make them so: a parser lags behind the runs whose code it reads."""
    began = group[0].from_
    constant = any(edge.upstream == NOWHERE for edge in group)
    if constant and (known := await _constant_before(context, group)):
        return known
    columns = sorted({edge.downstream for edge in group})
    edges = await context.graph.edge_history(columns, sorted({edge.family for edge in group}), 0, began, HISTORY_LIMIT)
    same_job = [edge for edge in edges if edge.via == group[0].via and edge.transformation != group[0].transformation and edge.from_ < began]
    if not same_job:
        return await _constant_before(context, group) if not constant else []
    last = max(same_job, key=lambda edge: (min(edge.to, began), edge.from_))
    return [edge for edge in same_job if edge.transformation == last.transformation and min(edge.to, began) == min(last.to, began)]


async def _constant_before(context: QueryContext, group: Sequence[Edge]) -> list[Edge]:
    """Those of the columns that were made of no other before."""
    columns = {edge.downstream for edge in group if edge.family == COLUMN_DERIVED_FROM}
    return [replace(edge, via=group[0].via) for edge in await constants(context, columns, group[0].from_ - 1)]


def _change(group: Sequence[Edge], before: Sequence[Edge], value: ValuePath, masked: Collection[str]) -> CodeChange:
    columns = [_column_change(urn, [edge for edge in before if edge.downstream == urn], [edge for edge in group if edge.downstream == urn], value, masked)
               for urn in sorted({edge.downstream for edge in group})]
    columns.sort(key=lambda column: (not column.changed, column.influence is Influence.ROWS, column.urn))
    leading = sorted((edge for edge in group if edge.line is not None),
                     key=lambda edge: (edge.downstream != columns[0].urn, value.of(edge.downstream) is Influence.ROWS, edge.type != "DIRECT", edge.upstream))
    lead = leading[0] if leading else group[0]
    first, changed = not before, any(column.changed for column in columns)
    said = {column.influence for column in columns if column.changed or not changed}
    influence = Influence.VALUE if Influence.VALUE in said else Influence.ROWS
    return CodeChange(group[0].via, group[0].transformation, before[0].transformation if before else None, None, group[0].from_, group[0].opened_by, None,
                      None, lead.file, lead.line, first, changed, tuple(columns), influence, False)


def _column_change(urn: str, old: Sequence[Edge], new: Sequence[Edge], value: ValuePath, masked: Collection[str]) -> ExpressionChange:
    old_up, new_up = ({edge.upstream for edge in side if edge.upstream != NOWHERE} for side in (old, new))
    changed = bool(old) and {_said(edge) for edge in old} != {_said(edge) for edge in new}
    of_the_value = {_said(edge) for edge in value_edges(old)} != {_said(edge) for edge in value_edges(new)}
    decides = value.of(urn) is Influence.VALUE and (of_the_value or not changed)
    said = _expression(old) if old_up.isdisjoint(masked) else None  # it names what is hidden
    return ExpressionChange(urn, said, _expression(new), changed, tuple(sorted(new_up - old_up)) if old else (), tuple(sorted(old_up - new_up - {*masked})),
                            Influence.VALUE if decides else Influence.ROWS)


def _said(edge: Edge) -> tuple[Any, ...]:
    expression = edge.expression if edge.family == COLUMN_DERIVED_FROM else None
    return edge.upstream, " ".join(expression.split()) if expression else None, edge.type, edge.subtype


def _expression(edges: Sequence[Edge]) -> str | None:
    return next((edge.expression for edge in sorted(edges, key=lambda edge: edge.type != "DIRECT") if edge.expression), None)


async def _dated(context: QueryContext, found: Sequence[CodeChange]) -> tuple[CodeChange, ...]:
    rows = await context.graph.get(sorted({change.transformation for change in found if change.transformation}), context.at)
    named = {urn: commit for urn, row in rows.items() if (commit := commit_of(row)) is not None}
    known = await commits(context, named.values())
    dated = []
    for change in found:
        entry = await context.graph.outcome(change.opened_by)
        code = rows.get(change.transformation or "")
        if entry is not None and code is not None and entry.event_type == DERIVED:  # the parser spoke, and long after the code may have
            entry = await context.graph.outcome(code.from_ - 1)
        logged = of_micros(entry.received) if entry is not None else None
        claimed = of_micros(entry.claimed) if entry is not None and entry.claimed is not None else logged
        dated.append(replace(change, commit=known.get(named.get(change.transformation or "", "")), at=claimed, logged_at=logged))
    return tuple(dated)


def _finding(row: NodeRow, fact: str, value: Mapping[str, Any], column: str | None, on_source: bool, decides: Influence) -> QualityFinding:
    return QualityFinding(row.urn, str(value.get("check") or fact.removeprefix("quality:")), column, value.get("severity"), value.get("expected"),
                          value.get("actual"), value.get("version"), on_source, row.since.get(fact, row.from_), as_time(value.get("checkedAt")), decides)
