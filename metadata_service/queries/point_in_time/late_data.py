"""Check 6: feature values of the training window had been materialized when the outcomes became known."""
from __future__ import annotations

from metadata_service.queries.point_in_time.case import Case, CheckName, Evidence, FeatureUse, Materialized, Result
from metadata_service.queries.point_in_time.findings import CheckState
from metadata_service.queries.point_in_time.recorded import later

__all__ = ["check"]


def check(case: Case) -> list[Result]:
    """One result per feature version."""
    if not case.features:
        return [Result(CheckName.LATE_DATA, CheckState.UNKNOWN, case.urn, "no-features", "the model names no feature versions, so no materialization is known")]
    return [_feature(case, feature) for feature in case.features]


def _feature(case: Case, feature: FeatureUse) -> Result:
    first, last = case.history.reference_min, case.history.reference_max
    done = [each for each in feature.materialized if each.status in (None, "completed")]
    if not done or first is None or last is None:
        return Result(CheckName.LATE_DATA, CheckState.UNKNOWN, feature.urn, "not-recorded", "no materialization over the training window is recorded")
    inside = [each for each in done if each.start is not None and each.end is not None and each.start <= last and each.end > first]
    delay = max((snapshot.knowledge.delay or 0.0 for snapshot in case.history.snapshots.values()), default=0.0)
    limit = later(last, delay)
    late = [each for each in inside if each.finished_at is not None and limit is not None and each.finished_at > limit]
    if late:
        return Result(CheckName.LATE_DATA, CheckState.SUSPECT, feature.urn, "finished-later",
                      "values of the training window were materialized after its last reference time: serving had others, or none", _told(late))
    if not inside or any(each.finished_at is None for each in inside):
        return Result(CheckName.LATE_DATA, CheckState.UNKNOWN, feature.urn, "not-recorded", "the intervals or ends of its materializations are not recorded",
                      _told(inside))
    return Result(CheckName.LATE_DATA, CheckState.PROVEN, feature.urn, "in-time", "materialized before the last reference time of the training window",
                  _told(inside))


def _told(found: list[Materialized]) -> tuple[Evidence, ...]:
    return tuple(Evidence("materialization", each.finished_at.isoformat() if each.finished_at else None, each.entry) for each in found[:4])
