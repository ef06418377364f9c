"""Was everything that makes a value known before the time it is used at?

The rule, for the column of a row with reference time R: every row that makes it, back to where somebody declared when rows could be known,
was known before R. The recorded statements say how times of rows read are bounded by times of rows written; the bounds are followed from
statement to statement until they reach the column (or event time and delay) at which the rows could be known. No name means anything here.

A proof needs a bound on the declared time itself. A bound on any other column of those rows, or none, contradicts the rule.
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from metadata_service.queries.point_in_time.findings import Boundary, CheckState, Finding, Link, Place, worst
from metadata_service.queries.point_in_time.links import known_before, length, name_of, requests, severity, through, told_by, where
from metadata_service.queries.point_in_time.recorded import Bound, History, Knowledge, Limit, Made, Read, Snapshot, later

__all__ = ["Judge"]

EARLIER_ROWS = "earlier-rows"  # as hooks say it
MAX_STATEMENTS = 60  # one after another; deeper pipelines are not judged
_CONTRADICTIONS = ("wrong-time", "no-predicate", "beyond", "delay-not-covered")  # of a declaration by the code that made the rows
PROVEN, VIOLATION, SUSPECT, UNKNOWN = CheckState.PROVEN, CheckState.VIOLATION, CheckState.SUSPECT, CheckState.UNKNOWN


def _only_decides(found: Finding) -> Finding:
    """What a reading comes to whose rows make no value themselves, but decide whether the row that does is there."""
    if found.state is not VIOLATION:
        return found
    return replace(found, state=SUSPECT, why="kept-by-later-rows", unbounded=False,
                   detail=f"whether the row is there depends on rows that may have become known later: {found.detail}")


class Judge:
    """Judges columns of versions. `label_time`: the roots' column at which outcomes are known, if it has one; `reference`: their reference time."""

    def __init__(self, history: History, roots: Iterable[str], reference: str, boundary: Boundary = Boundary.STRICT, label_time: str | None = None) -> None:
        self._history = history
        self._requests = requests(history, roots, reference)
        self._boundary = boundary
        self._label_time = label_time
        self._known: dict[tuple[str, str, str | None, Link, float | None, int | None], list[Finding]] = {}
        self._trails: list[Place] = []  # the comparisons that bounded the rows read so far, by number

    def column(self, version: str, column: str, time: str) -> list[Finding]:
        """How every reading behind a column of a version stands to its column `time`."""
        return self._column(version, column, time, Link.SAME, 0.0, None, 0)

    def _column(self, version: str, column: str, time: str | None, link: Link, seconds: float | None, trail: int | None, depth: int) -> list[Finding]:
        key = (version, column, time, link, seconds, trail)
        if key not in self._known:
            self._known[key] = [Finding(UNKNOWN, "made-of-itself", f"{name_of(version)} is made of its own earlier rows", None, version, (column,))]
            self._known[key] = self._judged(version, column, time, link, seconds, trail, depth)
        return self._known[key]

    def _judged(self, version: str, column: str, time: str | None, link: Link, seconds: float | None, trail: int | None, depth: int) -> list[Finding]:
        made = self._history.made.get(version)
        if made is None or made.timing is None or column not in made.timing.columns:
            return [Finding(UNKNOWN, "not-recorded", f"nothing is recorded about which rows make {name_of(version)}.{column}", None, version, (column,))]
        if depth >= MAX_STATEMENTS:
            return [Finding(UNKNOWN, "too-deep", f"more than {MAX_STATEMENTS} statements behind each other", None, version, (column,))]
        found: list[Finding] = []
        for number, fields in made.timing.columns[column]:
            read = made.timing.reads[number]
            told = self._read(made, read, fields, time, link, seconds, trail, depth)
            found += [_only_decides(each) for each in told] if read.decides else told
        said = made.timing.reasons.get(column, ())
        if EARLIER_ROWS in said:
            found.append(Finding(UNKNOWN, "earlier-rows", f"{name_of(version)} also holds rows of earlier runs, made by statements that are not looked at here",
                                 None, version, (column,)))
        if reasons := [each for each in said if each != EARLIER_ROWS]:
            found = [replace(each, state=SUSPECT) if each.state is VIOLATION else each for each in found]
            found.append(Finding(UNKNOWN, "not-followed", f"the statement could not be followed: {', '.join(reasons)}", None, version, (column,)))
        return found or [Finding(PROVEN, "constant", "made of no row", None, version, (column,))]

    # ---- one reading

    def _read(self, made: Made, read: Read, fields: tuple[str, ...], time: str | None, link: Link, seconds: float | None, trail: int | None,
              depth: int) -> list[Finding]:
        version = made.inputs.get(read.dataset)
        snapshot = self._history.snapshots.get(version) if version is not None else None
        if version is None or snapshot is None:
            return [Finding(UNKNOWN, "version-not-recorded", f"no version of {name_of(read.dataset)} is recorded that was read", read.dataset, None, fields,
                            self._place(made, read, trail))]
        bounds = [bound for bound in read.bounds if bound.column == time]
        asked = {bound.field for bound in bounds if self._is_request(snapshot, bound, link, seconds)}
        if fields and asked.issuperset(fields):
            return [Finding(PROVEN, "reference-time", "the reference time itself", read.dataset, snapshot.urn, fields, self._place(made, read, trail))]
        fields = tuple(name for name in fields if name not in asked)
        if snapshot.knowledge.kind == "committed":
            found = self._undeclared(made, read, snapshot, fields, bounds, time, link, seconds, trail, depth)
        else:
            found = self._declared(made, read, snapshot, snapshot.knowledge, fields, bounds, time, link, seconds, trail, depth)
        if worst(each.state for each in found) is PROVEN or not snapshot.columns:
            return found
        single = {name: self._declared(made, read, snapshot, snapshot.columns[name], (name,), bounds, time, link, seconds, trail, depth)
                  for name in fields if name in snapshot.columns}
        left = tuple(name for name in fields if name not in single or worst(each.state for each in single[name]) is not PROVEN)
        if len(left) == len(fields):
            return found
        shown = [each for name in fields if name not in left for each in single[name]]
        return [*shown, *(replace(each, fields=left) if each.version == version else each for each in found)] if left else shown

    def _declared(self, made: Made, read: Read, snapshot: Snapshot, knowledge: Knowledge, fields: tuple[str, ...], bounds: Sequence[Bound], time: str | None,
                  link: Link, seconds: float | None, trail: int | None, depth: int) -> list[Finding]:
        """Rows of which somebody said when they could be known."""
        base = Finding(UNKNOWN, "", "", read.dataset, snapshot.urn, fields, self._place(made, read, trail), declared=True)
        column = knowledge.column if knowledge.kind == "column" else snapshot.event_column
        if knowledge.kind == "committed":
            return [replace(base, why="knowledge-not-declared", detail="said to be known with the snapshot")]
        if column is None or (knowledge.kind == "delay" and knowledge.delay is None):
            return [replace(base, why="knowledge-unreadable", detail=f"{name_of(read.dataset)} says eventTime+delay without an event time or a readable delay")]
        delay = knowledge.delay or 0.0
        when = column if not delay else f"{column} + {length(delay)}"
        exact = [bound for bound in bounds if bound.field == column]
        if not exact:
            return [self._without_bound(base, read, snapshot, (column, when, delay), bounds, time, link if depth == 0 else Link.TIE)]
        weighed = [self._weighed(base, bound, (when, delay), link, seconds, self._is_request(snapshot, bound, link, seconds)) for bound in exact]
        finding = min(weighed, key=lambda each: each.state is not PROVEN)
        if finding.state is PROVEN:
            against = [each for name in fields for each in self._column(snapshot.urn, name, column, Link.SAME, 0.0, None, depth + 1)
                       if each.declared and each.state is VIOLATION and each.why in _CONTRADICTIONS] \
                if snapshot.urn in self._history.made else []
            return against or [finding]
        behind = self._history.made.get(snapshot.urn)
        if finding.why == "boundary" and behind is not None and behind.timing is not None:  # known by then at the latest: its code may show that it was earlier
            found = self._derived(made, read, snapshot, behind, fields, bounds, link, seconds, trail, depth)
            if found and worst(each.state for each in found) in (PROVEN, VIOLATION):
                return found
        return [finding]

    def _is_request(self, snapshot: Snapshot, bound: Bound, link: Link, seconds: float | None) -> bool:
        """Whether a bound says that the rows are those that ask, at the very reference time."""
        found, total = through(bound, link, seconds)
        return found in (Link.SAME, Link.EQUAL) and total == 0 and (snapshot.urn, bound.field) in self._requests

    def _weighed(self, base: Finding, bound: Bound, known: tuple[str, float], link: Link, seconds: float | None, asked: bool) -> Finding:
        """What a bound on the very time at which rows are known (how to say it, delay in seconds) comes to; `asked`: these are rows that ask."""
        base, (when, delay) = told_by(base, bound), known
        link, total = through(bound, link, seconds)
        if total is None:
            detail = f"when rows are known ({when}) is compared with the reference time, but nothing says by how much it may lie after it"
            return replace(base, state=SUSPECT, why="interval-unknown", detail=detail)
        total += delay
        if total > 0:
            code = "delay-not-covered" if delay else "beyond"
            return replace(base, state=VIOLATION, why=code, detail=f"rows known at {when} are read up to {length(total)} after the reference time")
        if total < 0 or link is Link.EARLIER:
            return replace(base, state=PROVEN, why="known-before", detail=f"rows known at {when} are read only if that was before the reference time")
        if link is Link.SAME or (asked and not delay):
            return replace(base, state=PROVEN, why="own-row", detail=f"of the row whose own time {when} is the reference time")
        if self._boundary is Boundary.INCLUSIVE:
            return replace(base, state=PROVEN, why="known-by", detail=f"rows known at {when} are read only if that was not after the reference time")
        return replace(base, state=VIOLATION, why="boundary", detail=f"rows that became known ({when}) at the very reference time are read, too")

    def _without_bound(self, base: Finding, read: Read, snapshot: Snapshot, known: tuple[str, str, float], bounds: Sequence[Bound],
                       time: str | None, link: Link) -> Finding:
        """Rows of which nothing bounds when they were known: (column, how to say it, delay in seconds)."""
        column, when, delay = known
        if snapshot.event_column == column and known_before(snapshot, delay, self._history):
            return replace(base, state=PROVEN, why="range", detail=f"every row of the snapshot was known ({when}) before the first reference time")
        limits = [limit for limit in read.limits if limit.field == column]
        if limits:
            return self._limited(base, limits, delay, when)
        if link is Link.SAME and any(bound.op == "same" for bound in bounds):
            labelled = any(bound.op == "same" and bound.field == column and bound.column == self._label_time for bound in read.bounds)
            state, code = (VIOLATION, "known-with-label") if labelled else (SUSPECT, "own-row-known-later")
            rest = ", the time of the label" if labelled else ", which nothing relates to the reference time"
            return replace(base, state=state, why=code, detail=f"read from the very row, which is known only at {when}{rest}")
        if bounds:
            lead = min(bounds, key=lambda bound: (not bound.predicates, bound.field))
            base = told_by(base, lead)
            told = [each for place in (base.place, base.place.via if base.place else None) if place is not None for each in place.predicates]
            said = f" ({told[0].text})" if told else ""
            return replace(base, state=VIOLATION, why="wrong-time",
                           detail=f"rows are known at {when}, but what is bounded by the reference time is {lead.field}{said}")
        if time is not None and time in read.made:
            return replace(base, why="computed-time", detail=f"the reference time is computed from the row itself; nothing relates it to {when}")
        detail = f"rows known at {when} are read without any bound by the reference time"
        return replace(base, state=VIOLATION, why="no-predicate", unbounded=True, detail=detail)

    def _limited(self, base: Finding, limits: Sequence[Limit], delay: float, when: str) -> Finding:
        """Rows of which the statement reads those known before a moment it names."""
        limit = min(limits, key=lambda each: each.at)
        base = told_by(base, Bound(limit.field, limit.op, "", 0.0, limit.predicates))
        first, last = self._history.reference_min, later(limit.at, delay)
        said = f"rows known ({when}) until {limit.at:%Y-%m-%d %H:%M} are read"
        if first is None or last is None:
            return replace(base, why="cut-off-unknown", detail=f"{said}; the first reference time is not recorded")
        if last < first or (last == first and (limit.op == "<" or self._boundary is Boundary.INCLUSIVE)):
            return replace(base, state=PROVEN, why="cut-off", detail=f"{said}, and the first reference time is {first:%Y-%m-%d %H:%M}")
        return replace(base, state=VIOLATION, why="cut-off", detail=f"{said}, but the first reference time is {first:%Y-%m-%d %H:%M}")

    def _undeclared(self, made: Made, read: Read, snapshot: Snapshot, fields: tuple[str, ...], bounds: Sequence[Bound], time: str | None, link: Link,
                    seconds: float | None, trail: int | None, depth: int) -> list[Finding]:
        """Rows of which nobody said when they could be known: it follows from what they are made of, if that is recorded."""
        base = Finding(UNKNOWN, "", "", read.dataset, snapshot.urn, fields, self._place(made, read, trail))
        behind = self._history.made.get(snapshot.urn)
        if behind is not None and behind.timing is not None:
            if not bounds and time is not None and time in read.made:
                return [replace(base, why="computed-time", detail=f"the reference time {time} is computed from the row itself")]
            found = self._derived(made, read, snapshot, behind, fields, bounds, link, seconds, trail, depth)
            return found or [replace(base, why="not-recorded", detail="no column of it is read")]
        return [self._raw(base, snapshot, bounds, behind)]

    def _derived(self, made: Made, read: Read, snapshot: Snapshot, behind: Made, fields: tuple[str, ...], bounds: Sequence[Bound], link: Link,
                 seconds: float | None, trail: int | None, depth: int) -> list[Finding]:
        """What follows from the statement that made the rows; of several bounds the one that proves most."""
        if not bounds:
            return [each for name in fields for each in self._column(snapshot.urn, name, None, link, seconds, trail, depth + 1)]
        ways = []
        for bound in (each.on(behind.timing.grids.get(each.field)) for each in bounds if behind.timing is not None):
            further = self._further(made, read, bound, trail)
            ways.append([each for name in self._of_interest(fields, bound, behind)
                         for each in self._column(snapshot.urn, name, bound.field, *through(bound, link, seconds), further, depth + 1)])
        return min(ways, key=severity)

    def _further(self, made: Made, read: Read, bound: Bound, trail: int | None) -> int | None:
        """The trail beyond a reading: its comparison, if it is one that says earlier, else what led to it."""
        if bound.op not in ("<", "<="):
            return trail
        place = where(Place(made, read), bound)
        if not place.predicates:
            return trail
        known = next((number for number, each in enumerate(self._trails) if each == place), None)
        if known is None:
            self._trails.append(place)
        return len(self._trails) - 1 if known is None else known

    def _place(self, made: Made, read: Read, trail: int | None) -> Place:
        return Place(made, read, via=self._trails[trail] if trail is not None else None)

    @staticmethod
    def _of_interest(fields: tuple[str, ...], bound: Bound, behind: Made) -> tuple[str, ...]:
        """The columns beside the time that bounds them; the time itself if there are none."""
        assert behind.timing is not None
        return tuple(name for name in fields if name != bound.field and name in behind.timing.columns) or (bound.field,)

    def _raw(self, base: Finding, snapshot: Snapshot, bounds: Sequence[Bound], behind: Made | None) -> Finding:
        """A snapshot of which nothing more is known than itself."""
        first, committed = self._history.reference_min, snapshot.committed_at
        if first is not None and committed is not None and committed < first:
            detail = f"the snapshot was written before the first reference time ({committed:%Y-%m-%d %H:%M})"
            return replace(base, state=PROVEN, why="committed-before", detail=detail)
        if snapshot.backfill or (behind is not None and behind.purpose == "backfill"):
            state = VIOLATION if first is not None and committed is not None else SUSPECT
            return replace(base, state=state, why="backfill", detail="rows that a backfill wrote after the reference times are read as if they had been known")
        if bounds:
            lead = min(bounds, key=lambda bound: (bound.field != snapshot.event_column, not bound.predicates))
            return replace(told_by(base, lead), why="knowledge-not-declared",
                           detail=f"{lead.field} is bounded, but nobody said when these rows could be known (knowledge of {name_of(snapshot.dataset)})")
        if snapshot.event_column is None:
            return replace(base, why="no-time", unbounded=True, detail=f"no time of the rows of {name_of(snapshot.dataset)} is recorded")
        certain = first is not None and snapshot.event_max is not None and snapshot.event_max >= first
        if first is not None and snapshot.event_max is not None and not certain:
            return replace(base, why="knowledge-not-declared", detail="the events lie before the reference times, but nobody said when they could be known")
        return replace(base, state=VIOLATION if certain else SUSPECT, why="no-predicate", unbounded=True,
                       detail=f"rows with event time {snapshot.event_column} are read without any bound by the reference time")
