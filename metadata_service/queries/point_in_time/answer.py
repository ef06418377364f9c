"""`pointInTimeChecks`: the eight checks of one entity, with what each rests on."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from lineproof_schema.urn import NAMESPACED_KINDS, kind_of, parse_urn
from metadata_service.queries.activity import CommitRef, commits
from metadata_service.queries.context import QueryContext
from metadata_service.queries.errors import InvalidArgument
from metadata_service.queries.mask import asked, hidden
from metadata_service.queries.point_in_time import as_of, backfill, binding_skew, event_range, label_upstream, late_data, lookback, time_predicate
from metadata_service.queries.point_in_time.case import Evidence, Result
from metadata_service.queries.point_in_time.findings import Boundary, CheckState, worst
from metadata_service.queries.point_in_time.shapes import Check, CheckEvidence, PointInTime
from metadata_service.queries.point_in_time.subject import case_of

__all__ = ["point_in_time_checks"]

CHECKS: Final = (as_of, event_range, time_predicate, label_upstream, backfill, late_data, binding_skew, lookback)  # as they are counted
_ORDER: Final = (CheckState.VIOLATION, CheckState.SUSPECT, CheckState.UNKNOWN, CheckState.PROVEN)


async def point_in_time_checks(context: QueryContext, urn: str, boundary: Boundary = Boundary.STRICT) -> PointInTime:
    """Check a model version, a feature version, a dataset or a dataset version against time.

    Raises:
        UrnError, InvalidArgument: another kind of entity.
    """
    parse_urn(urn)
    row = await asked(context, urn)
    if row is None:
        return PointInTime(await context.computed_at(), context.notes.completeness(), urn, CheckState.UNKNOWN, boundary, (), None, None, (), 0, 0, 0, 0, ())
    case = await case_of(context, row, boundary)
    if case is None:
        raise InvalidArgument(f"a {row.kind} is not checked against time; ask about a model version, a feature version or a dataset")
    if not case.roots:
        context.notes.doubt("no-training-data", "no version of a dataset is recorded that it was made with", urn)
    results = [result for each in CHECKS for result in each.check(case)]
    results.sort(key=lambda result: (_ORDER.index(result.state), [each.value for each in type(result.check)].index(result.check.value), result.subject))
    masked = await _masked(context, case.roots, results)
    context.notes.restrict(len(masked))
    named = {each.commit for result in results for each in result.evidence if each.commit is not None}
    known = await commits(context, {urn for urn in named if urn.startswith("urn:")})
    checks = tuple(_told(result, masked, known) for result in results)
    counts = {state: sum(check.state is state for check in checks) for state in CheckState}
    return PointInTime(await context.computed_at(), context.notes.completeness(), urn, worst(check.state for check in checks), boundary,
                       tuple(root for root in case.roots if root not in masked), case.reference, case.label_time, tuple(sorted(case.labels or ())),
                       counts[CheckState.VIOLATION], counts[CheckState.SUSPECT], counts[CheckState.UNKNOWN], counts[CheckState.PROVEN], checks)


async def _masked(context: QueryContext, roots: Iterable[str], results: list[Result]) -> frozenset[str]:
    named = {*roots, *(result.subject for result in results)}
    named |= {urn for result in results for each in result.evidence for urn in (each.version, each.transformation) if urn}
    return await hidden(context, [urn for urn in named if kind_of(urn) in NAMESPACED_KINDS])


def _told(result: Result, masked: frozenset[str], known: Mapping[str, CommitRef]) -> Check:
    evidence = tuple(_evidence(each, masked, known) for each in result.evidence)
    outside = any(each.restricted for each in evidence) or result.subject in masked
    detail = "it rests on what lies outside your grants" if outside else result.detail
    return Check(result.check, result.state, None if result.subject in masked else result.subject, result.code, detail, evidence)


def _evidence(said: Evidence, masked: frozenset[str], known: Mapping[str, CommitRef]) -> CheckEvidence:
    if said.version in masked or said.transformation in masked:
        return CheckEvidence(said.what, None, None, None, None, None, None, None, None, True)
    return CheckEvidence(said.what, said.text, said.entry, said.file, said.line, said.column, said.version, said.transformation,
                         known.get(said.commit or ""), False)
