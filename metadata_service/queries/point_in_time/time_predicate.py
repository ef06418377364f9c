"""Check 3: each column is made only of rows known before the reference time."""
from __future__ import annotations

from metadata_service.queries.point_in_time.case import Case, CheckName, Result, column_of, of_findings
from metadata_service.queries.point_in_time.findings import CheckState

__all__ = ["check"]


def check(case: Case) -> list[Result]:
    """One result per column that is not a label."""
    name = CheckName.TIME_PREDICATE
    if case.reference is None:
        return [Result(name, CheckState.UNKNOWN, case.urn, "no-reference-time", "no reference-time column is declared: nobody said when predictions are made")]
    return [of_findings(case, name, column_of(version, column), found) for (version, column), found in case.judged.items()]
