"""What the evidence of a trace points to, in a sentence that names it."""
from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from metadata_service.queries.activity import CommitRef
from metadata_service.queries.influence import Influence
from metadata_service.queries.phrases import called, shortened, spoken
from metadata_service.queries.trace_shapes import Cause, CodeChange, ExpressionChange, QualityFinding, Verdict

__all__ = ["verdict"]

MAX_EXPRESSION = 100  # characters of an expression in the sentence
MAX_NAMED = 3


def verdict(changes: Sequence[CodeChange], quality: Sequence[QualityFinding], since: datetime | None, path: Collection[str]) -> Verdict:
    """Changed code on the path of the value, failed checks on raw data it is made of, both, or neither.

    What changed only the rows is named last, and decides nothing. `path` is what is known to decide the value: of other columns a step reads
    the whole dataset, and it is said that they may not count.
    """
    suspects = [change for change in changes if change.suspect]
    raw = [finding for finding in quality if finding.on_source and finding.influence is Influence.VALUE]
    window = f"since {_day(since)}" if since is not None else "so far"
    said = []
    if suspects:
        said.append(_changed(suspects[0], path))
        if len(suspects) > 1:
            said.append(f"{len(suspects) - 1} more on the path of the value {window}: {_named(suspects[1:])}.")
    else:
        said.append(f"No code on the path of the value changed {window}.")
    said += [_failed(finding) for finding in raw[:MAX_NAMED]] or ["No check on raw data failed."]
    rows = [change for change in changes if change.path_changed and not change.first and change.influence is Influence.ROWS
            and (since is None or (change.at is not None and change.at >= since))]
    if rows:
        said.append(f"Changed {window} too, but decides only which rows there are: {_named(rows)}.")
    cause = {(True, True): Cause.CODE_OR_SOURCE_DATA, (True, False): Cause.CODE, (False, True): Cause.SOURCE_DATA,
             (False, False): Cause.UNKNOWN}[bool(suspects), bool(raw)]
    return Verdict(cause, " ".join(said))


def _changed(change: CodeChange, path: Collection[str]) -> str:
    column = next(column for column in change.columns if column.changed and column.influence is Influence.VALUE)
    place = f" ({change.file}:{change.line})" if change.file and change.line else ""
    doubt = "" if column.urn in path else "; which columns are read of it is not known"
    at = f", running since {change.at:%Y-%m-%d %H:%MZ}" if change.at is not None else ""
    return f"{_who(change.commit)} changed how {called(column.urn)} is computed{place}{at}: {_before_and_after(column)}{doubt}."


def _before_and_after(column: ExpressionChange) -> str:
    before, after = shortened(column.before or "", MAX_EXPRESSION), shortened(column.after or "", MAX_EXPRESSION)
    if before != after:
        return f"{before or 'unknown'} → {after or 'unknown'}"
    parts = [f"{word} {', '.join(map(called, urns[:MAX_NAMED]))}" for word, urns in (("now reads", column.added), ("no longer", column.removed)) if urns]
    return ", ".join(parts) or after


def _failed(finding: QualityFinding) -> str:
    about = f"{called(finding.urn)}.{finding.column}" if finding.column and ":dataset:" in finding.urn else called(finding.urn)
    return f"Raw data fails a check: {about}, {finding.check}, expected {spoken(finding.expected)}, found {spoken(finding.actual)}."


def _named(changes: Sequence[CodeChange]) -> str:
    names = [f"{called(change.job) if change.job else 'a job'} ({_who(change.commit)})" for change in changes[:MAX_NAMED]]
    return ", ".join(names) + (f" and {len(changes) - MAX_NAMED} more" if len(changes) > MAX_NAMED else "")


def _who(commit: CommitRef | None) -> str:
    if commit is None:
        return "an unknown commit"
    return f"{commit.author or commit.email} in {commit.sha[:12]}" if commit.author or commit.email else f"commit {commit.sha[:12]}"


def _day(time: datetime) -> str:
    return f"{time:%Y-%m-%d}" if (time.hour, time.minute, time.second) == (0, 0, 0) else f"{time:%Y-%m-%d %H:%M%z}"
