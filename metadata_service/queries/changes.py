"""What changed on a trace's path: versions of code, and failed checks. This is what turns a trace into "wrong since Tuesday"."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from lineproof_schema.urn import parse_urn
from metadata_service.graph.ops import COLUMN_DERIVED_FROM, Edge
from metadata_service.graph.port import NodeRow
from metadata_service.queries.activity import commits
from metadata_service.queries.context import QueryContext
from metadata_service.queries.shapes import as_time, of_micros
from metadata_service.queries.trace_shapes import Cause, CodeChange, ExpressionChange, QualityFinding, Verdict
from metadata_service.queries.trace_walk import holder

__all__ = ["code_changes", "failed_checks", "verdict"]

VERSIONS_BACK = 5  # how many earlier versions of each piece of code are looked at
MAX_CHANGES = 50
NEIGHBOUR_LIMIT = 5_000


async def code_changes(context: QueryContext, edges: Sequence[Edge]) -> tuple[CodeChange, ...]:
    """The versions of code on the path, newest first, those that changed how a traced column is computed before the others."""
    found: dict[tuple[str | None, str | None, int], CodeChange] = {}
    level = [edge for edge in edges if edge.transformation is not None]
    for _ in range(VERSIONS_BACK):
        groups: dict[tuple[str | None, str | None, int], list[Edge]] = defaultdict(list)
        for edge in level:
            groups[edge.via, edge.transformation, edge.from_].append(edge)
        level = []
        for key, group in groups.items():
            if key in found:
                continue
            before = await _before(context, group)
            found[key] = _change(group, before)
            level += before
    ordered = sorted(found.values(), key=lambda change: (change.path_changed, not change.first, change.size), reverse=True)[:MAX_CHANGES]
    return await _dated(context, ordered)


async def failed_checks(context: QueryContext, urns: Sequence[str], sources: frozenset[str]) -> tuple[QualityFinding, ...]:
    """Failed quality checks on the entities of a trace and, where they name a traced column or none, on their datasets."""
    columns: dict[str, set[str]] = defaultdict(set)
    for urn in urns:
        columns[holder(urn)].add(parse_urn(urn).name)
    rows = await context.graph.get(sorted({*urns, *columns}), context.at)
    found = []
    for urn, row in sorted(rows.items()):
        for fact, value in row.facts.items():
            if not fact.startswith("quality:") or not isinstance(value, Mapping) or value.get("success") is not False:
                continue
            column = value.get("column")
            if urn in columns and column is not None and column not in columns[urn]:
                continue
            found.append(_finding(row, fact, value, column, holder(urn) in sources))
    return tuple(sorted(found, key=lambda finding: (not finding.on_source, finding.severity != "error", finding.urn, finding.check)))


def verdict(changes: Sequence[CodeChange], quality: Sequence[QualityFinding], since: datetime | None) -> Verdict:
    """What the evidence points to: changed code on the path, failed checks on raw data, both, or neither."""
    recent = [change for change in changes if change.path_changed and not change.first and (since is None or (change.at is not None and change.at >= since))]
    raw = [finding for finding in quality if finding.on_source]
    window = f"since {since.isoformat()}" if since is not None else "so far"
    if recent and raw:
        return Verdict(Cause.CODE_OR_SOURCE_DATA, f"{len(recent)} change(s) of code on the path {window}, and {len(raw)} failed check(s) on raw data")
    if recent:
        who = recent[0].commit
        by = f", the last by {who.author} in {who.sha[:12]}" if who is not None and who.author else ""
        return Verdict(Cause.CODE, f"{len(recent)} change(s) of code on the path {window}{by}; no check on raw data failed")
    if raw:
        checks = ", ".join(sorted({finding.check for finding in raw}))
        return Verdict(Cause.SOURCE_DATA, f"no code on the path changed {window}; failed on raw data: {checks}")
    return Verdict(Cause.UNKNOWN, f"no code on the path changed {window} and no check on raw data failed")


async def _before(context: QueryContext, group: Sequence[Edge]) -> list[Edge]:
    """How the same job made the same columns just before."""
    earlier = group[0].from_ - 1
    if earlier < 0:
        return []
    family = group[0].family
    columns = sorted({edge.downstream for edge in group})
    edges = await context.graph.neighbours(columns, "UPSTREAM", [family], earlier, NEIGHBOUR_LIMIT)
    same_job = [edge for edge in edges if edge.via == group[0].via and edge.transformation != group[0].transformation]
    newest = max((edge.from_ for edge in same_job), default=0)
    return [edge for edge in same_job if edge.transformation == next(other.transformation for other in same_job if other.from_ == newest)]


def _change(group: Sequence[Edge], before: Sequence[Edge]) -> CodeChange:
    columns = []
    for urn in sorted({edge.downstream for edge in group}):
        old, new = [edge for edge in before if edge.downstream == urn], [edge for edge in group if edge.downstream == urn]
        old_ends, new_ends = {_said(edge) for edge in old}, {_said(edge) for edge in new}
        old_up, new_up = {edge.upstream for edge in old}, {edge.upstream for edge in new}
        columns.append(ExpressionChange(urn, _expression(old), _expression(new), bool(old) and old_ends != new_ends,
                                        tuple(sorted(new_up - old_up)) if old else (), tuple(sorted(old_up - new_up))))
    lead = next((edge for edge in group if edge.line is not None and any(column.changed and column.urn == edge.downstream for column in columns)),
                next((edge for edge in group if edge.line is not None), group[0]))
    first = not before
    return CodeChange(group[0].via, group[0].transformation, before[0].transformation if before else None, None, group[0].from_, group[0].opened_by, None,
                      None, lead.file, lead.line, first, any(column.changed for column in columns), tuple(columns))


def _said(edge: Edge) -> tuple[Any, ...]:
    expression = edge.expression if edge.family == COLUMN_DERIVED_FROM else None
    return edge.upstream, " ".join(expression.split()) if expression else None, edge.type, edge.subtype


def _expression(edges: Sequence[Edge]) -> str | None:
    return next((edge.expression for edge in sorted(edges, key=lambda edge: edge.type != "DIRECT") if edge.expression), None)


async def _dated(context: QueryContext, found: Sequence[CodeChange]) -> tuple[CodeChange, ...]:
    rows = await context.graph.get(sorted({change.transformation for change in found if change.transformation}), context.at)
    named = {urn: str(row.facts["commit"]) for urn, row in rows.items() if str(row.facts.get("commit", "")).startswith("urn:")}
    known = await commits(context, named.values())
    dated = []
    for change in found:
        entry = await context.graph.outcome(change.opened_by)
        logged = of_micros(entry.received) if entry is not None else None
        claimed = of_micros(entry.claimed) if entry is not None and entry.claimed is not None else logged
        dated.append(CodeChange(change.job, change.transformation, change.previous, known.get(named.get(change.transformation or "", "")), change.size,
                                change.opened_by, claimed, logged, change.file, change.line, change.first, change.path_changed, change.columns))
    return tuple(dated)


def _finding(row: NodeRow, fact: str, value: Mapping[str, Any], column: str | None, on_source: bool) -> QualityFinding:
    return QualityFinding(row.urn, str(value.get("check") or fact.removeprefix("quality:")), column, value.get("severity"), value.get("expected"),
                          value.get("actual"), value.get("version"), on_source, row.since.get(fact, row.from_), as_time(value.get("checkedAt")))
