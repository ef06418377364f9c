"""Check 4: what a label is made of does not reach a feature, unless as an outcome that was known before."""
from __future__ import annotations

from metadata_service.queries.point_in_time.case import Case, CheckName, Result, column_of, of_findings
from metadata_service.queries.point_in_time.findings import CheckState, Finding
from metadata_service.queries.point_in_time.recorded import History

__all__ = ["check", "origins"]

Origin = tuple[str, str]  # dataset, column


def check(case: Case) -> list[Result]:
    """One result per feature column."""
    name = CheckName.LABEL_UPSTREAM
    if case.labels is None:
        return [Result(name, CheckState.UNKNOWN, case.urn, "no-label-declared", "no label column is declared: nobody said what is learned to predict")]
    labels: set[Origin] = set()
    for root in case.roots:
        for label in case.labels:
            labels |= origins(case.history, root, label)
    results = []
    for (version, column), found in case.judged.items():
        shared = [each for each in found if _origins_of(case.history, each) & labels]
        subject = column_of(version, column)
        if shared:
            result = of_findings(case, name, subject, shared)
            meaning = {CheckState.PROVEN: "made of outcomes that were known before: ", CheckState.VIOLATION: "made of what the label is made of: "}
            results.append(Result(name, result.state, subject, "known-outcomes" if result.state is CheckState.PROVEN else "label-upstream",
                                  meaning.get(result.state, "may be made of what the label is made of: ") + result.detail, result.evidence))
        elif unclear := [each for each in found if each.why in ("not-recorded", "not-followed", "version-not-recorded", "too-deep")]:
            results.append(of_findings(case, name, subject, unclear))
        else:
            results.append(Result(name, CheckState.PROVEN, subject, "no-label-upstream", "made of nothing that the label is made of"))
    return results


def _origins_of(history: History, finding: Finding) -> set[Origin]:
    if finding.dataset is None or finding.version is None:
        return set()
    found: set[Origin] = set()
    for name in finding.fields:
        found |= {(finding.dataset, name)} | origins(history, finding.version, name)
    return found


def origins(history: History, version: str, column: str) -> set[Origin]:
    """Every column of every dataset that a column is made of, as far as recorded."""
    found: set[Origin] = set()
    waiting = [(version, column)]
    seen = set(waiting)
    while waiting:
        at, name = waiting.pop()
        made = history.made.get(at)
        if made is None or made.timing is None:
            continue
        for number, fields in made.timing.columns.get(name, ()):
            dataset = made.timing.reads[number].dataset
            for each in fields:
                found.add((dataset, each))
                if dataset in made.inputs and (made.inputs[dataset], each) not in seen:
                    seen.add((made.inputs[dataset], each))
                    waiting.append((made.inputs[dataset], each))
    return found
