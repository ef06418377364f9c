"""Check 5: nothing that was written or registered afterwards is used as if it had been there."""
from __future__ import annotations

from datetime import datetime

from metadata_service.queries.point_in_time.case import Case, CheckName, Evidence, Result, evidence_of
from metadata_service.queries.point_in_time.findings import NOT_FOLLOWED, CheckState, Finding, worst
from metadata_service.queries.point_in_time.origins import made_of

__all__ = ["check"]

_MEANING = {CheckState.PROVEN: "of a backfill; its rows are read by when they became known",
            CheckState.VIOLATION: "of a backfill, and read as if its rows had been known at their event time",
            CheckState.SUSPECT: "of a backfill, and it is not certain that its rows are read only when they were known",
            CheckState.UNKNOWN: "of a backfill; when its rows could be known is not recorded"}


def check(case: Case) -> list[Result]:
    """One result per input that a backfill wrote and per feature version; one for all if there is neither."""
    results = _versions(case)
    limit = case.as_of or _written(case)
    for feature in case.features:
        told = (Evidence("registration", feature.registered_at.isoformat() if feature.registered_at else None, feature.entry),)
        if limit is None or feature.registered_at is None:
            results.append(Result(CheckName.BACKFILL, CheckState.UNKNOWN, feature.urn, "no-cut-off", "when it or the training data came to be is not recorded",
                                  told))
        elif feature.registered_at > limit:
            results.append(Result(CheckName.BACKFILL, CheckState.SUSPECT, feature.urn, "registered-later",
                                  f"registered at {feature.registered_at:%Y-%m-%d %H:%M:%S}, after the training data ({limit:%Y-%m-%d %H:%M:%S})", told))
        else:
            results.append(Result(CheckName.BACKFILL, CheckState.PROVEN, feature.urn, "registered-before", "registered before the training data", told))
    if not results:
        results.append(Result(CheckName.BACKFILL, CheckState.PROVEN, case.urn, "no-backfill", "no input was written by a backfill") if case.history.made else
                       Result(CheckName.BACKFILL, CheckState.UNKNOWN, case.urn, "not-recorded", "what the training data were made of is not recorded"))
    return results


def _versions(case: Case) -> list[Result]:
    readings: dict[str, list[Finding]] = {}
    for finding in case.readings():
        readings.setdefault(finding.version or "", []).append(finding)
    results = []
    for urn, snapshot in sorted(case.history.snapshots.items()):
        made = case.history.made.get(urn)
        if not (snapshot.backfill or (made is not None and made.purpose == "backfill")):
            continue
        found = readings.get(urn) or _made_of(case, urn)
        if not found and not any(each.why in NOT_FOLLOWED for each in case.readings()):
            results.append(Result(CheckName.BACKFILL, CheckState.PROVEN, urn, "not-used", "of a backfill, but no feature is made of it",
                                  (Evidence("version", "backfill", snapshot.entry, version=urn),)))
            continue
        state = worst(each.state for each in found)
        told = (Evidence("version", "backfill", snapshot.entry, version=urn), *evidence_of(case.history, (each for each in found if each.state is state)))
        results.append(Result(CheckName.BACKFILL, state, urn, "backfill", _MEANING[state], told))
    return results


def _made_of(case: Case, urn: str) -> list[Finding]:
    """The readings behind the columns that a version in between is part of."""
    return [each for (version, column), found in case.judged.items() if urn in made_of(case.history, version, column).versions for each in found]


def _written(case: Case) -> datetime | None:
    times = [snapshot.committed_at for root in case.roots if (snapshot := case.history.snapshots.get(root)) is not None]
    return min((time for time in times if time is not None), default=None)
