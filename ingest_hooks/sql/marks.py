"""Where text that macros make comes from: written into the text as white space that no SQL has, and taken out of it again.

White space, so that what templates do to text (`trim`, `int`, `split`) does the same with it and without. What it would change (a length, a comparison)
shows as another text than the one that ran, and then the marks are not used.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Final

__all__ = ["MacroPlace", "Marks"]

_BEGIN, _ZERO, _ONE, _END = "\x1e", "\x1c", "\x1d", "\x1f"
_PLACE, _ENTER, _LEAVE = _ZERO + _ZERO, _ZERO + _ONE, _ONE + _ZERO
WIDTH: Final = 20  # bits of a number: all marks are as long, because the tracer renders twice and compares lengths
_ALL: Final = frozenset((_BEGIN, _ZERO, _ONE, _END))


@dataclass(frozen=True, slots=True)
class MacroPlace:
    """A line of a macro, by the macro's name. `file` and `line` (1-based) as far as they are known; `within`: the line of the macro's own text."""

    name: str
    file: str | None
    line: int | None
    within: int


class Marks:
    """The marks of one rendering."""

    def __init__(self) -> None:
        self._places: list[MacroPlace] = []
        self._numbers: dict[MacroPlace, int] = {}
        self._calls = count()

    def at(self, place: MacroPlace) -> str:
        """The mark before text that stands at `place`."""
        number = self._numbers.setdefault(place, len(self._places))
        if number == len(self._places):
            self._places.append(place)
        return _spelled(_PLACE, number)

    def called(self, text: str) -> str:
        """What a macro made, so that what follows it belongs to where it was called again. Text that is empty stays empty."""
        if not any(char not in _ALL for char in text):
            return ""
        number = next(self._calls)
        return f"{_spelled(_ENTER, number)}{text}{_spelled(_LEAVE, number)}"

    def taken_out(self, text: str) -> tuple[str, list[tuple[int, int]], list[tuple[int, MacroPlace | None]]]:
        """The text without marks; each mark as (position in `text`, length); and from which position of the text without them on which place holds."""
        plain: list[str] = []
        marks: list[tuple[int, int]] = []
        holds: list[tuple[int, MacroPlace | None]] = []
        calls: list[tuple[int, MacroPlace | None]] = []
        now: MacroPlace | None = None
        last, length = 0, 0
        for start, stop, kind, number in _found(text):
            plain.append(text[last:start])
            length += start - last
            last = stop
            marks.append((start, stop - start))
            before = now
            if kind == _PLACE and number < len(self._places):
                now = self._places[number]
            elif kind == _ENTER:
                calls.append((number, now))
            elif kind == _LEAVE and any(number == call for call, _ in calls):  # else the beginning was trimmed away
                while calls:
                    call, now = calls.pop()
                    if call == number:
                        break
            if now != before:
                holds.append((length, now))
        plain.append(text[last:])
        return "".join(plain), marks, holds


def _spelled(kind: str, number: int) -> str:
    return f"{_BEGIN}{kind}{''.join(_ONE if bit == '1' else _ZERO for bit in f'{number:0{WIDTH}b}')}{_END}"


def _found(text: str) -> Iterator[tuple[int, int, str, int]]:
    """(start, stop, kind, number) of each mark; of one that was cut, what is left of it is kind ''."""
    at = 0
    while at < len(text):
        if text[at] not in _ALL:
            at += 1
            continue
        stop = at + 1
        while stop < len(text) and text[stop] in _ALL and text[stop] != _BEGIN and text[stop - 1] != _END:
            stop += 1
        mark = text[at:stop]
        if len(mark) >= 5 and mark[0] == _BEGIN and mark[-1] == _END:
            yield at, stop, mark[1:3], int("".join("1" if char == _ONE else "0" for char in mark[3:-1]), 2)
        else:
            yield at, stop, "", 0
        at = stop
