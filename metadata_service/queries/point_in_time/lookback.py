"""Check 8: what the features look back at is still kept, so that the training data can be made again."""
from __future__ import annotations

from lineproof_schema.urn import parse_urn
from metadata_service.queries.point_in_time.case import Case, CheckName, Evidence, Result
from metadata_service.queries.point_in_time.findings import CheckState
from metadata_service.queries.point_in_time.recorded import Snapshot, later
from metadata_service.queries.shapes import as_time

__all__ = ["check"]


def check(case: Case) -> list[Result]:
    """One result per input that nothing recorded made: these have to be kept, all others can be made of them."""
    sources = [snapshot for urn, snapshot in sorted(case.history.snapshots.items()) if urn not in case.history.made and urn not in case.roots]
    if not sources:
        return [Result(CheckName.LOOKBACK, CheckState.UNKNOWN, case.urn, "no-sources", "the sources of the training data are not recorded")]
    reach = _reach(case)
    return [_source(case, snapshot, reach) for snapshot in sources]


def _reach(case: Case) -> float:
    """How far back the code and the definitions of the features look, in seconds."""
    bounds = (-bound.seconds for made in case.history.made.values() if made.timing is not None for read in made.timing.reads for bound in read.bounds
              if bound.seconds is not None)
    return max([0.0, *bounds, *(feature.lookback or 0.0 for feature in case.features)])


def _source(case: Case, snapshot: Snapshot, reach: float) -> Result:
    name = parse_urn(snapshot.dataset).name
    hold = snapshot.hold
    until = as_time(hold.get("until")) if hold is not None else None
    told = (Evidence("version", str(hold.get("kind")) if hold is not None else None, snapshot.entry, version=snapshot.urn),)
    first = later(case.history.reference_min, -reach) if case.history.reference_min is not None else None
    if hold is None:
        return Result(CheckName.LOOKBACK, CheckState.UNKNOWN, snapshot.urn, "no-hold", f"nothing is recorded that keeps this version of {name}", told)
    if until is not None and case.now is not None and until <= case.now:
        return Result(CheckName.LOOKBACK, CheckState.VIOLATION, snapshot.urn, "expired", f"kept only until {until:%Y-%m-%d %H:%M}: not rebuildable", told)
    if reach and first is not None and snapshot.event_min is not None and snapshot.event_min > first:
        return Result(CheckName.LOOKBACK, CheckState.SUSPECT, snapshot.urn, "too-short",
                      f"its events begin at {snapshot.event_min:%Y-%m-%d %H:%M}, features look back to {first:%Y-%m-%d %H:%M}", told)
    return Result(CheckName.LOOKBACK, CheckState.PROVEN, snapshot.urn, "kept", f"kept{f' until {until:%Y-%m-%d}' if until else ''}", told)
