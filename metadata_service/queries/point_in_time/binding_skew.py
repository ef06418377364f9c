"""Check 7: serving reads the feature versions that the model was trained with."""
from __future__ import annotations

from lineproof_schema.urn import parse_urn
from metadata_service.queries.point_in_time.case import Case, CheckName, Evidence, FeatureUse, Result
from metadata_service.queries.point_in_time.findings import CheckState

__all__ = ["check"]


def check(case: Case) -> list[Result]:
    """One result per feature version, by the binding; one per live deployment that serves others."""
    if not case.features:
        return [Result(CheckName.BINDING_SKEW, CheckState.UNKNOWN, case.urn, "no-features",
                       "the model names no feature versions, so what serving reads is not known")]
    results = [_feature(case, feature) for feature in case.features]
    trained = {feature.urn for feature in case.features}
    for deployment in case.deployed:
        if deployment.features and set(deployment.features) != trained:
            others = sorted(set(deployment.features) - trained)
            results.append(Result(CheckName.BINDING_SKEW, CheckState.VIOLATION, deployment.urn, "serves-others",
                                  f"{len(others) or 'fewer'} of the feature versions it serves are not those of the training",
                                  (Evidence("deployment", deployment.environment, deployment.entry),)))
    return results


def _feature(case: Case, feature: FeatureUse) -> Result:
    if case.binding == "stable":
        return Result(CheckName.BINDING_SKEW, CheckState.PROVEN, feature.urn, "pinned", "pinned: serving reads this very version",
                      (Evidence("model", "stable", case.entry),))
    if feature.reference is None:
        return Result(CheckName.BINDING_SKEW, CheckState.PROVEN, feature.urn, "named", "the model names this very version",
                      (Evidence("model", case.binding, case.entry),))
    if feature.current is None:
        return Result(CheckName.BINDING_SKEW, CheckState.UNKNOWN, feature.urn, "unresolved", f"what {feature.reference} means now is not known")
    told = (Evidence("model", f"{case.binding or 'unknown'} binding of {feature.reference}", case.entry),)
    moved = (*told, Evidence("alias", feature.reference, feature.current_entry))
    if feature.current != feature.urn:
        return Result(CheckName.BINDING_SKEW, CheckState.VIOLATION, feature.urn, "moved",
                      f"serving resolves {feature.reference} to version {parse_urn(feature.current).components[2]}", moved)
    return Result(CheckName.BINDING_SKEW, CheckState.PROVEN, feature.urn, "same", f"{feature.reference} still means the version of the training", told)
