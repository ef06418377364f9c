"""Check 4: what a label is made of does not reach a feature, unless as an outcome that was known before."""
from __future__ import annotations

from metadata_service.queries.point_in_time.case import Case, CheckName, Result, column_of, of_findings
from metadata_service.queries.point_in_time.findings import NOT_FOLLOWED, CheckState, Finding
from metadata_service.queries.point_in_time.origins import Origin, made_of
from metadata_service.queries.point_in_time.recorded import History

__all__ = ["check"]


def check(case: Case) -> list[Result]:
    """One result per feature column."""
    name = CheckName.LABEL_UPSTREAM
    if case.labels is None:
        return [Result(name, CheckState.UNKNOWN, case.urn, "no-label-declared", "no label column is declared: nobody said what is learned to predict")]
    behind = [each for root in case.roots for label in case.labels if (each := made_of(case.history, root, label)).told]
    labels = {origin for each in behind for origin in each.origins}
    lost = not behind or not all(each.followed for each in behind) or any(case.history.made.get(root) is None for root in case.roots)
    results: list[Result] = []
    results = []
    for (version, column), found in case.judged.items():
        shared = [each for each in found if _origins_of(case.history, each) & labels]
        subject = column_of(version, column)
        if shared:
            result = of_findings(case, name, subject, shared)
            meaning = {CheckState.PROVEN: "made of outcomes that were known before: ", CheckState.VIOLATION: "made of what the label is made of: "}
            results.append(Result(name, result.state, subject, "known-outcomes" if result.state is CheckState.PROVEN else "label-upstream",
                                  meaning.get(result.state, "may be made of what the label is made of: ") + result.detail, result.evidence))
        elif unclear := [each for each in found if each.why in NOT_FOLLOWED]:
            results.append(of_findings(case, name, subject, unclear))
        elif lost:
            results.append(Result(name, CheckState.UNKNOWN, subject, "label-not-followed",
                                  f"it is not recorded what the label is made of: {', '.join(sorted(case.labels))}"))
        else:
            results.append(Result(name, CheckState.PROVEN, subject, "no-label-upstream", "made of nothing that the label is made of"))
    return results


def _origins_of(history: History, finding: Finding) -> set[Origin]:
    if finding.dataset is None or finding.version is None:
        return set()
    found: set[Origin] = set()
    for name in finding.fields:
        found |= {(finding.dataset, name)} | made_of(history, finding.version, name).origins
    return found
