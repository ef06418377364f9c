"""Where text that macros make comes from: written into the text as white space that no SQL has, and taken out of it again.

White space, so that what templates do to text (`trim`, `int`, `split`) does the same with it and without. What it would change (a length, a comparison)
shows as another text than the one that ran, and then the marks are not used.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from typing import Final

__all__ = ["Held", "MacroPlace", "Marks"]

_BEGIN, _ZERO, _ONE, _END = "\x1e", "\x1c", "\x1d", "\x1f"
_PLACE, _ENTER, _LEAVE, _BEHIND = _ZERO + _ZERO, _ZERO + _ONE, _ONE + _ZERO, _ONE + _ONE
WIDTH: Final = 20  # bits of a number: all marks are as long, because the tracer renders twice and compares lengths
_ALL: Final = frozenset((_BEGIN, _ZERO, _ONE, _END))


@dataclass(frozen=True, slots=True)
class MacroPlace:
    """A place in a macro, by the macro's name. `file`, `line` and `column` (1-based) as far as they are known; `within`: the line of the macro's own text.

    `column` is the first character of the text, or of the `{{` whose value the text is; it counts in `line`, without a `line` in `within`.
    """

    name: str
    file: str | None
    line: int | None
    within: int
    column: int | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """What stands from a place of a macro on; `text`: the macro's own characters there, None for the value of an expression."""

    place: MacroPlace
    text: str | None = None

    def at(self, offset: int, made: str) -> MacroPlace:
        """The place of the character `offset` behind the beginning, where `made` is what stands in the text from there on.

        Its column is not known where a filter made other characters of the macro's.
        """
        if self.text is None or self.place.column is None or not made.startswith(self.text[:offset + 1]):
            return self.place if self.text is None else replace(self.place, column=None)
        return replace(self.place, column=self.place.column + offset)


class Marks:
    """The marks of one rendering."""

    def __init__(self) -> None:
        self._places: list[Held] = []
        self._numbers: dict[Held, int] = {}
        self._calls = count()

    def at(self, place: MacroPlace, text: str | None = None) -> str:
        """The mark before `text` that stands at `place`; without one, before the value of an expression there."""
        return _spelled(_PLACE, self._number(Held(place, text)))

    def _number(self, held: Held) -> int:
        number = self._numbers.setdefault(held, len(self._places))
        if number == len(self._places):
            self._places.append(held)
        return number

    def called(self, text: str) -> str:
        """What a macro made, so that what follows it belongs to where it was called again. Text that is empty stays empty."""
        if not any(char not in _ALL for char in text):
            return ""
        number = next(self._calls)
        return f"{_spelled(_ENTER, number)}{self._kept_when_trimmed(text)}{_spelled(_LEAVE, number)}"

    def _kept_when_trimmed(self, text: str) -> str:
        """The text with its first place marked behind its first character too, where `trim` leaves it. A number has to stay one."""
        first = next(index for index, char in enumerate(text) if char not in _ALL and not char.isspace()) if text.strip() else None
        if first is None or text[first].isdigit() or not text[first + 1:].strip() or text[first + 2:first + 4] == _BEHIND:
            return text
        before = [(stop, number) for _, stop, kind, number in _found(text[:first]) if kind == _PLACE and number < len(self._places)]
        if not before:
            return text
        stop, number = before[-1]
        held = self._places[number]
        moved = first - stop if held.text is not None else 0
        if moved and (held.place.column is None or _ALL & set(text[stop:first])):
            return text
        place = replace(held.place, column=held.place.column + moved) if held.place.column is not None else held.place
        behind = _spelled(_BEHIND, self._number(Held(place, held.text[moved:] if held.text is not None else None)))
        return f"{text[:first + 1]}{behind}{text[first + 1:]}"

    def taken_out(self, text: str) -> tuple[str, list[tuple[int, int]], list[tuple[int, Held | None]]]:
        """The text without marks; each mark as (position in `text`, length); and from which position of the text without them on which place holds."""
        plain: list[str] = []
        marks: list[tuple[int, int]] = []
        holds: list[tuple[int, Held | None]] = []
        calls: list[tuple[int, Held | None]] = []
        now: Held | None = None
        last, length = 0, 0
        for start, stop, kind, number in _found(text):
            plain.append(text[last:start])
            length += start - last
            last = stop
            marks.append((start, stop - start))
            before = now
            if kind == _PLACE and number < len(self._places):
                now = self._places[number]
            elif kind == _BEHIND and number < len(self._places) and length:
                now = self._places[number]
                holds.append((length - 1, now))
                continue
            elif kind == _ENTER:
                calls.append((number, now))
            elif kind == _LEAVE and any(number == call for call, _ in calls):  # else the beginning was trimmed away
                while calls:
                    call, now = calls.pop()
                    if call == number:
                        break
                if now is not None and now.text is not None:  # what stands behind a `{% call %}` is not that text
                    now = Held(replace(now.place, column=None))
            if now != before or kind == _PLACE:
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
