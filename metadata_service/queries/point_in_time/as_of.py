"""Check 1: no input is a snapshot that was written after the moment the training data stand for."""
from __future__ import annotations

from metadata_service.queries.point_in_time.case import Case, CheckName, Evidence, Result
from metadata_service.queries.point_in_time.findings import CheckState

__all__ = ["check"]


def check(case: Case) -> list[Result]:
    """One result per input version; the moment is the declared `asOf`, else when the training data were written themselves."""
    written = [snapshot.committed_at for root in case.roots if (snapshot := case.history.snapshots.get(root)) is not None]
    limit = case.as_of or min((time for time in written if time is not None), default=None)
    what = "the declared as-of" if case.as_of is not None else "the writing of the training data (no as-of is declared)"
    results = []
    for urn, snapshot in sorted(case.history.snapshots.items()):
        if urn in case.roots and case.as_of is None:
            continue
        told = (Evidence("version", snapshot.committed_at.isoformat() if snapshot.committed_at else None, snapshot.entry, version=urn),)
        if limit is None or snapshot.committed_at is None:
            missing = "the snapshot" if limit is not None else "the training data"
            result = Result(CheckName.AS_OF, CheckState.UNKNOWN, urn, "no-commit-time", f"when {missing} was written is not recorded", told)
        elif snapshot.committed_at > limit:
            result = Result(CheckName.AS_OF, CheckState.VIOLATION, urn, "written-later",
                            f"written at {snapshot.committed_at:%Y-%m-%d %H:%M:%S}, after {what} ({limit:%Y-%m-%d %H:%M:%S})", told)
        else:
            result = Result(CheckName.AS_OF, CheckState.PROVEN, urn, "written-before", f"written before {what}", told)
        results.append(result)
    return results
