"""What a column of a version is made of, as far as recorded: columns of datasets, and the versions on the way."""
from __future__ import annotations

from dataclasses import dataclass

from metadata_service.queries.point_in_time.recorded import History

__all__ = ["MadeOf", "Origin", "made_of"]

Origin = tuple[str, str]  # dataset, column


@dataclass(frozen=True, slots=True)
class MadeOf:
    """`told`: something is recorded about the column; `followed`: each statement behind it says all that its columns are made of."""

    origins: frozenset[Origin]
    versions: frozenset[str]
    told: bool
    followed: bool


def made_of(history: History, version: str, column: str) -> MadeOf:
    """Every column of every dataset that a column is made of, and every version that was read for it."""
    found: set[Origin] = set()
    waiting = [(version, column)]
    seen = set(waiting)
    followed = True
    while waiting:
        at, name = waiting.pop()
        made = history.made.get(at)
        if made is None or made.timing is None:
            continue
        followed = followed and name in made.timing.columns and not made.timing.reasons.get(name)
        for number, fields in made.timing.columns.get(name, ()):
            dataset = made.timing.reads[number].dataset
            found |= {(dataset, each) for each in fields}
            read = made.inputs.get(dataset)
            more = {(read, each) for each in fields} - seen if read is not None else set()
            seen |= more
            waiting += more
    first = history.made.get(version)
    told = first is not None and first.timing is not None and column in first.timing.columns
    return MadeOf(frozenset(found), frozenset(at for at, _ in seen), told, told and followed)
