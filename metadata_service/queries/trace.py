"""Trace: a value's way back to raw data, with code, commit, run and versions at every step, and what changed on the way."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from lineproof_schema.urn import holder, kind_of, parse_urn
from metadata_service.graph.ops import Edge
from metadata_service.graph.port import NodeRow
from metadata_service.queries.activity import CommitRef, commit_of, commits, runs, versions
from metadata_service.queries.changes import code_changes, failed_checks
from metadata_service.queries.constant import NOWHERE
from metadata_service.queries.context import QueryContext
from metadata_service.queries.influence import Influence, ValuePath, value_path
from metadata_service.queries.lineage import hidden_jobs
from metadata_service.queries.lineage_shapes import RootEntity
from metadata_service.queries.mask import hidden
from metadata_service.queries.roots import BESIDE_LIMIT, asked_roots
from metadata_service.queries.shapes import Level
from metadata_service.queries.snippets import macro_of, snippet_of
from metadata_service.queries.trace_shapes import Cause, QualityFinding, Trace, TraceInput, TraceSource, TraceStep, Verdict
from metadata_service.queries.trace_walk import Walked, walk
from metadata_service.queries.verdict import verdict
from metadata_service.queries.written import Written, exactly

__all__ = ["trace"]


async def trace(context: QueryContext, urn: str, data_at: datetime | None = None, since: datetime | None = None) -> Trace:
    """Trace a column, a dataset (all its columns), a feature version or a model version back to raw data.

    Args:
        context: The position and the viewer.
        urn: What to trace. A version of a dataset, or a run for what it wrote, is traced as it is, whatever came after it.
        data_at: Trace the value that the run current at this time wrote, instead of the newest.
        since: When the value became wrong, as far as the caller knows: only code that changed since then counts for the verdict.

    Raises:
        UrnError: `urn` is no URN.
    """
    roots = await asked_roots(context, urn, Level.COLUMN)
    if not roots:
        nothing = Verdict(Cause.UNKNOWN, "there is nothing of that name at this position")
        return Trace(await context.computed_at(), context.notes.completeness(), (), data_at, since, nothing, (), (), (), ())
    found = await walk(context, [root.urn for root in roots], data_at, chosen=await _asked_versions(context, urn))
    masked = await hidden(context, found.distance)
    masked = masked | await hidden_jobs(context, [*found.edges, *found.constants])
    context.notes.restrict(len(masked & found.distance.keys()))
    value = value_path(found, [root.urn for root in roots])
    steps = await _steps(context, found, value, masked)
    visible = [edge for edge in (*found.edges, *found.constants) if not {edge.downstream, edge.upstream, edge.via} & masked]
    changes = await code_changes(context, visible, value, since)
    ends = _ends(found)
    raw = await _raw(context, found, ends)
    quality = await failed_checks(context, [each for each in found.distance if each not in masked], raw, value)
    sources = await _sources(context, found, ends, value, masked, quality)
    shown = tuple(RootEntity(root.urn, root.why) for root in roots if root.urn not in masked)
    said = verdict(changes, quality, since, value.distance)
    return Trace(await context.computed_at(), context.notes.completeness(), shown, data_at, since, said, steps, sources, changes, quality)


async def _asked_versions(context: QueryContext, urn: str) -> dict[str, Written]:
    """By dataset the version that is asked about: itself, or one that the asked run wrote."""
    kind = kind_of(urn)
    asked: dict[str, datetime | None] = {urn: None} if kind == "dataset-version" else {}
    if kind == "run":
        run = (await runs(context, [urn])).get(urn)
        links = (await context.links([urn], ["GENERATED"], BESIDE_LIMIT, "outputs of one run")).get(urn)
        asked = {link.dst: run.ended_at or run.started_at for link in links.out} if run is not None and links is not None else {}
    return {written.version.dataset: written for written in (await exactly(context, asked)).values()}


async def _steps(context: QueryContext, found: Walked, value: ValuePath, masked: frozenset[str]) -> tuple[TraceStep, ...]:
    groups: dict[tuple[str, str], list[Edge]] = defaultdict(list)
    for edge in (*found.edges, *found.constants):
        groups[edge.downstream, edge.set_id].append(edge)
    code = await context.graph.get(sorted({edges[0].transformation for edges in groups.values() if edges[0].transformation}), context.at)
    named = {urn: named_by for urn, row in code.items() if (named_by := commit_of(row)) is not None}
    known = await commits(context, [*named.values(), *(edge.commit for edge in found.edges if edge.commit and kind_of(edge.commit) == "commit")])
    steps = []
    for (downstream, _), edges in sorted(groups.items(), key=lambda item: (*_rank(found, value, item[0][0]), item[0])):
        transformation = edges[0].transformation or ""
        commit = known.get(edges[0].commit or "") or known.get(named.get(transformation, ""))
        steps.append(await _step(context, found, value, downstream, edges, code.get(transformation), commit, masked))
    return tuple(steps)


def _rank(found: Walked, value: ValuePath, urn: str) -> tuple[bool, int]:
    """The path of the value first and in its own order."""
    return urn not in value.distance, value.distance.get(urn, found.distance[urn])


async def _step(context: QueryContext, found: Walked, value: ValuePath, downstream: str, edges: Sequence[Edge], code: NodeRow | None,
                commit: CommitRef | None, masked: frozenset[str]) -> TraceStep:
    edges = sorted(edges, key=lambda edge: (value.of_edge(edge) is Influence.ROWS, edge.type != "DIRECT", edge.upstream))
    influence, dataset = value.of(downstream), holder(downstream)
    lead = next((edge for edge in edges if edge.line is not None), edges[0])
    expression = next((edge.expression for edge in edges if edge.expression), None)
    inputs = tuple(TraceInput(None, edge.type, edge.subtype, None, None, True, value.of_edge(edge)) if edge.upstream in masked else
                   TraceInput(edge.upstream, edge.type, edge.subtype, edge.expression, found.read_by(dataset, holder(edge.upstream)), False,
                              value.of_edge(edge))
                   for edge in edges if edge.upstream != NOWHERE)
    if downstream in masked or lead.via in masked:
        return TraceStep(None, found.distance[downstream], True, None, None, None, None, lead.status, lead.basis, None, None, None, None, None, None, None,
                         None, None, tuple(TraceInput(None, each.type, each.subtype, None, None, True, each.influence) for each in inputs), None, lead.from_,
                         lead.opened_by, influence)
    if any(each.restricted for each in inputs):
        expression = None  # it names what is hidden
    run = found.run.get(dataset)
    if run is not None and run.job is not None and lead.via is not None and run.job != lead.via:
        run = None  # another job wrote the current version
    matches = run.transformation == lead.transformation if run is not None and run.transformation and lead.transformation else None
    if matches is False:
        context.notes.doubt("code-differs", "the run that wrote the data ran another version of the code than the one shown", downstream)
    facts: Mapping[str, object] = code.facts if code is not None else {}
    path, repository = facts.get("path"), facts.get("repository")
    snippet = await snippet_of(context, lead, facts) if expression is not None or not any(each.restricted for each in inputs) else None
    return TraceStep(downstream, found.distance[downstream], False, expression, lead.file, lead.line, lead.column, lead.status, lead.basis, lead.parser,
                     lead.via, lead.transformation, path if isinstance(path, str) else None, repository if isinstance(repository, str) else None, snippet,
                     commit, run, found.version.get(dataset), inputs, matches, lead.from_, lead.opened_by, influence,
                     await macro_of(context, downstream, lead, facts, shown=expression is not None))


def _ends(found: Walked) -> dict[str, list[str]]:
    """Where the walk ends: dataset -> its columns there."""
    derived = {holder(edge.downstream) for edge in (*found.edges, *found.constants)}
    ends: dict[str, list[str]] = {}
    for urn in found.distance:
        if holder(urn) not in derived and holder(urn) not in found.cut:
            ends.setdefault(holder(urn), [])
            if urn != holder(urn):
                ends[holder(urn)].append(parse_urn(urn).name)
    return ends


async def _raw(context: QueryContext, found: Walked, ends: Collection[str]) -> frozenset[str]:
    """Raw data on the way: where the walk ends, and what is declared a source although it is known what it was loaded from."""
    rows = await context.graph.get(sorted({holder(urn) for urn in found.distance}), context.at)
    return frozenset(ends) | {urn for urn, row in rows.items() if row.facts.get("isSource")}


async def _sources(context: QueryContext, found: Walked, ends: Mapping[str, list[str]], value: ValuePath, masked: frozenset[str],
                   quality: Sequence[QualityFinding]) -> tuple[TraceSource, ...]:
    sources = []
    decisive = {holder(urn) for urn in value.distance}
    for urn, columns in sorted(ends.items(), key=lambda item: (item[0] not in decisive, item[0])):
        influence = Influence.VALUE if urn in decisive else Influence.ROWS
        if urn in masked or urn in await hidden(context, [urn]):
            sources.append(TraceSource(None, True, (), None, None, None, None, 0, influence))
            continue
        version = found.version.get(urn)
        previous = None
        if version is not None:
            earlier = [row for row in await context.graph.revisions(urn, context.at)
                       if row.fact == "currentVersion" and row.value not in (None, version.urn) and row.from_ < version.since + 1]
            if earlier:
                previous = (await versions(context, [str(earlier[-1].value)])).get(str(earlier[-1].value))
        prints = (version.fingerprint if version else None, previous.fingerprint if previous else None)
        changed = prints[0] != prints[1] if None not in prints else None
        run = (await runs(context, [version.run])).get(version.run) if version is not None and version.run else None
        failed = sum(holder(finding.urn) == urn for finding in quality)
        sources.append(TraceSource(urn, False, tuple(sorted(columns)), version, previous, changed, run, failed, influence))
    return tuple(sources)
