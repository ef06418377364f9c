"""Check 2: the events of an input lie before the reference times, or the code keeps later ones out."""
from __future__ import annotations

from metadata_service.queries.point_in_time.case import Case, CheckName, Evidence, Result, of_findings
from metadata_service.queries.point_in_time.findings import CheckState, Finding, worst

__all__ = ["check"]


def check(case: Case) -> list[Result]:
    """One result per input version that is read in the end: by the ranges of event times, else by how it is read."""
    readings: dict[str, list[Finding]] = {}
    for finding in case.readings():
        if finding.version is not None and finding.version not in case.roots:
            readings.setdefault(finding.version, []).append(finding)
    results = []
    for urn, found in sorted(readings.items()):
        snapshot = case.history.snapshots.get(urn)
        first = case.history.reference_min
        newest = snapshot.event_max if snapshot is not None else None
        span = (Evidence("version", f"events until {newest:%Y-%m-%d %H:%M:%S}, reference times from {first:%Y-%m-%d %H:%M:%S}", snapshot.entry, version=urn),) \
            if snapshot is not None and newest is not None and first is not None else ()
        state = worst(each.state for each in found)
        if span and newest is not None and first is not None and newest < first:
            results.append(Result(CheckName.EVENT_RANGE, CheckState.PROVEN, urn, "events-before", "all its events lie before the first reference time", span))
        elif state is CheckState.PROVEN:
            results.append(_with(of_findings(case, CheckName.EVENT_RANGE, urn, found), "kept-out", "the code keeps out what was not known yet", span))
        elif not span:
            results.append(_with(Result(CheckName.EVENT_RANGE, CheckState.UNKNOWN, urn, "", ""), "no-range",
                                 "the ranges of its event times and of the reference times are not both recorded", ()))
        elif state is CheckState.UNKNOWN:
            results.append(_with(of_findings(case, CheckName.EVENT_RANGE, urn, found), "overlap", "its events reach beyond the first reference time", span))
        else:
            leading = of_findings(case, CheckName.EVENT_RANGE, urn, found)
            certain = any(each.unbounded and each.state is CheckState.VIOLATION for each in found)
            results.append(Result(CheckName.EVENT_RANGE, CheckState.VIOLATION if certain else CheckState.SUSPECT, urn, "overlap",
                                  "its events reach beyond the first reference time, and the code does not keep them out", (*span, *leading.evidence)))
    return results


def _with(result: Result, code: str, detail: str, span: tuple[Evidence, ...]) -> Result:
    return Result(result.check, result.state, result.subject, code, detail, (*span, *result.evidence))
