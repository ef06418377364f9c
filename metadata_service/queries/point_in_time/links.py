"""How rows stand to the reference time: the links between times, through one statement after another."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from lineproof_schema.urn import parse_urn
from metadata_service.queries.point_in_time.findings import CheckState, Finding, Link, Place, worst
from metadata_service.queries.point_in_time.recorded import Bound, History, Snapshot, later

__all__ = ["known_before", "length", "name_of", "requests", "severity", "through", "told_by", "where"]


def requests(history: History, roots: Iterable[str], reference: str) -> frozenset[tuple[str, str]]:
    """(version, column) wherever the reference time of the roots was taken from as it is: rows that ask."""
    found = {(root, reference) for root in roots}
    waiting = list(found)
    while waiting:
        version, column = waiting.pop()
        made = history.made.get(version)
        if made is None or made.timing is None:
            continue
        for number, _ in made.timing.columns.get(column, ()):
            read = made.timing.reads[number]
            for bound in read.bounds:
                at = (made.inputs.get(read.dataset, ""), bound.field)
                if bound.column == column and bound.op in ("same", "=") and bound.seconds == 0 and at not in found:
                    found.add(at)
                    waiting.append(at)
    return frozenset(found)


_LINKS = {"<": Link.EARLIER, "<=": Link.TIE, "=": Link.EQUAL, "same": Link.SAME}
_LOOSER = (Link.EARLIER, Link.TIE, Link.EQUAL, Link.SAME)  # of two in a row, the first of these


def severity(way: Sequence[Finding]) -> int:
    return [CheckState.PROVEN, CheckState.UNKNOWN, CheckState.SUSPECT, CheckState.VIOLATION].index(worst(each.state for each in way))


def through(bound: Bound, link: Link, seconds: float | None) -> tuple[Link, float | None]:
    """How a row that is bounded so stands to the reference time."""
    further = min(link, _LINKS[bound.op], key=_LOOSER.index)
    return further, None if seconds is None or bound.seconds is None else seconds + bound.seconds


def where(place: Place, bound: Bound) -> Place:
    told = place.made.timing.predicates if place.made.timing is not None else ()
    return replace(place, predicates=tuple(told[number] for number in bound.predicates if 0 <= number < len(told)))


def told_by(finding: Finding, bound: Bound) -> Finding:
    """The finding, told by the comparisons of a bound."""
    return replace(finding, place=where(finding.place, bound)) if finding.place is not None else finding


def known_before(snapshot: Snapshot, delay: float, history: History) -> bool:
    if snapshot.event_max is None or history.reference_min is None:
        return False
    known = later(snapshot.event_max, delay)
    return known is not None and known < history.reference_min


def name_of(urn: str) -> str:
    parsed = parse_urn(urn)
    return parsed.components[1] if parsed.kind == "dataset-version" else parsed.name


def length(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{int(seconds // length)} {unit}"
    return f"{seconds:g} s"
