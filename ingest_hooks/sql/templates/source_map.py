"""From a line of compiled SQL back to the template it was made from.

Two ways to build a map. `traced` renders the template with a Jinja templater that remembers which stretch of output came from
which stretch of input, and is exact through loops and macros; it holds only if the rendering equals the compiled text to the
letter. `aligned` compares the two texts line by line and is marked approximate wherever the lines are not equal.
"""
from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from ingest_hooks.sql.templates.marks import Held, MacroPlace, Marks

__all__ = ["Located", "SourceMap"]

MAX_ALIGNED_LINES = 5_000  # difflib is quadratic; a longer template is mapped line for line, marked approximate


@dataclass(frozen=True, slots=True)
class Located:
    """A place in the template: 1-based; `column` only where it is known exactly. `macro`: the text was made by a macro, and stands there in it.

    The place in the template is then that of the call. Without a `line` the text stands in no file, or nobody knows where.
    """

    file: str | None
    line: int | None
    column: int | None
    approximate: bool
    macro: MacroPlace | None = None


@dataclass(frozen=True, slots=True)
class _Slice:
    """Compiled characters [start, stop) came from the template's characters from `source` on; `literal`: copied as they stand."""

    start: int
    stop: int
    source: int
    literal: bool


class SourceMap:
    """Maps (line, column) of compiled SQL to the template."""

    def __init__(self, file: str | None, raw: str, compiled: str, *, slices: Sequence[_Slice] = (),
                 lines: Sequence[tuple[int, int | None]] = (), holds: Sequence[tuple[int, Held | None]] = (), origin: tuple[int, int] = (1, 1)) -> None:
        self.file = file
        self._origin = origin
        self._raw_starts = _line_starts(raw)
        self._compiled_starts = _line_starts(compiled)
        self._compiled = compiled
        self._slices = slices
        self._slice_starts = [part.start for part in slices]
        self._lines = lines
        self._holds = holds
        self._hold_starts = [start for start, _ in holds]

    @classmethod
    def traced(cls, raw: str, compiled: str, *, file: str | None, context: Mapping[str, Any], macros: str = "", dialect: str = "ansi",
               marks: Marks | None = None, origin: tuple[int, int] = (1, 1)) -> SourceMap | None:
        """The exact map, or None if rendering `raw` with `context` does not give `compiled`.

        Args:
            raw: The template.
            compiled: What the tool made of it.
            file: The template's path, for `Located.file`.
            context: What the template may call (`ref`, `var`, …).
            macros: Jinja macro definitions the template uses; they run before it and map to the place of the call.
            dialect: A sqlfluff dialect; it has no influence on the map.
            marks: What the callables of `context` marked their text with.
            origin: Line and column of the file at which the template begins.
        """
        from ingest_hooks.sql.templates.jinja_trace import trace

        found = trace(raw, context=context, macros=macros, file=file, dialect=dialect)
        if found is None:
            return None
        rendered, parts = found
        holds: list[tuple[int, Held | None]] = []
        if marks is not None:
            rendered, taken, holds = marks.taken_out(rendered)
            parts = _without(taken, parts)
        lead = len(rendered) - len(rendered.lstrip())
        if rendered.strip() != compiled.strip():
            return None
        shift = (len(compiled) - len(compiled.lstrip())) - lead
        return cls(file, raw, compiled, slices=[_Slice(start + shift, stop + shift, source, literal) for start, stop, source, literal in parts],
                   holds=[(start + shift, place) for start, place in holds], origin=origin)

    @classmethod
    def aligned(cls, raw: str, compiled: str, *, file: str | None, origin: tuple[int, int] = (1, 1)) -> SourceMap:
        """A map by comparing lines. Equal lines are exact, others point to the nearest template line and are approximate.

        So are equal lines that could be the others of their kind: nothing near them stands once in both texts.
        """
        raw_lines, compiled_lines = raw.split("\n"), compiled.split("\n")
        before, after = [line.strip() for line in raw_lines], [line.strip() for line in compiled_lines]
        # how far a line has moved sideways, None where it is not the same line
        if raw.strip() == compiled.strip():
            shift = _leading_lines(raw) - _leading_lines(compiled)
            pairs = [min(max(number + shift, 0), len(before) - 1) for number in range(len(after))]
            moved = [(at + 1, _aside(raw_lines[at], line)) for at, line in zip(pairs, compiled_lines, strict=True)]
            return cls(file, raw, compiled, origin=origin, lines=moved)
        if max(len(before), len(after)) > MAX_ALIGNED_LINES:
            return cls(file, raw, compiled, origin=origin, lines=[(min(number + 1, len(before)), None) for number in range(len(after))])
        mapped: list[tuple[int, int | None]] = []
        seen, made = Counter(before), Counter(after)
        matcher = SequenceMatcher(None, before, after, autojunk=False)
        for tag, raw_from, raw_to, compiled_from, compiled_to in matcher.get_opcodes():
            width = max(raw_to - raw_from, 1)
            surely = tag == "equal" and any(line and seen[line] == made[line] == 1 for line in before[raw_from:raw_to])
            for number in range(compiled_to - compiled_from):
                line = min(raw_from + (number if tag == "equal" else min(number, width - 1)), len(before) - 1)
                mapped.append((line + 1, _aside(raw_lines[line], compiled_lines[compiled_from + number]) if surely else None))
        return cls(file, raw, compiled, lines=mapped, origin=origin)

    @classmethod
    def nowhere(cls, file: str | None, compiled: str) -> SourceMap:
        """The map of a text of which no file has the template."""
        return cls(file, "", compiled)

    def locate(self, line: int, column: int | None) -> Located:
        """Where compiled (line, column) stands in the template. Without a column: where the line's first character stands."""
        if self._slices:
            return self._from_slices(line, column)
        if not self._lines:
            return Located(self.file, None, None, True)
        source, aside = self._lines[min(line, len(self._lines)) - 1]
        if aside is None:
            return self._placed(source, None, True)
        return self._placed(source, max(column + aside, 1) if column is not None else None, False)

    def _placed(self, line: int, column: int | None, approximate: bool, macro: MacroPlace | None = None) -> Located:
        """A place of the template in its file."""
        if column is not None and line == 1:
            column += self._origin[1] - 1
        return Located(self.file, line + self._origin[0] - 1, column, approximate, macro)

    def offset(self, line: int, column: int | None) -> int:
        """Where (line, column) of the compiled text stands in it; without a column, where the line's first character does."""
        start = self._compiled_starts[min(line, len(self._compiled_starts)) - 1]
        return start + (column - 1 if column is not None else _indent(self._compiled, start))

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of a character of the compiled text."""
        line = bisect_right(self._compiled_starts, offset)
        return line, offset - self._compiled_starts[line - 1] + 1

    def spans(self) -> list[tuple[int, Located]]:
        """One (compiled line, place) for every compiled line: the source map as data."""
        return [(number, self.locate(number, None)) for number in range(1, len(self._compiled_starts) + 1)]

    def _from_slices(self, line: int, column: int | None) -> Located:
        offset = self.offset(line, column)
        part = self._slices[max(bisect_right(self._slice_starts, offset) - 1, 0)]
        source = part.source + (offset - part.start if part.literal else 0)
        raw_line = bisect_right(self._raw_starts, source)
        held = bisect_right(self._hold_starts, offset) - 1
        macro = None
        # what began before this stretch is what an earlier call left behind
        if held >= 0 and not part.literal and self._hold_starts[held] >= part.start and (hold := self._holds[held][1]) is not None:
            macro = hold.at(offset - self._holds[held][0], self._compiled[self._holds[held][0]:offset + 1])
        return self._placed(raw_line, source - self._raw_starts[raw_line - 1] + 1 if column is not None else None, False, macro)


def _without(taken: Sequence[tuple[int, int]], parts: Sequence[tuple[int, int, int, bool]]) -> list[tuple[int, int, int, bool]]:
    """The slices of a text once these stretches (position, length) are taken out of it."""
    at = [position for position, _ in taken]
    gone = [0]
    for _, length in taken:
        gone.append(gone[-1] + length)

    def moved(position: int) -> int:
        return position - gone[bisect_left(at, position)]

    return [(moved(start), moved(stop), source, literal) for start, stop, source, literal in parts if moved(stop) > moved(start)]


def _line_starts(text: str) -> list[int]:
    """Where each line of a text begins."""
    return [0, *(index + 1 for index, char in enumerate(text) if char == "\n")]


def _aside(before: str, after: str) -> int:
    """How many columns further to the right the line stands in the template."""
    return _indent(before, 0) - _indent(after, 0)


def _leading_lines(text: str) -> int:
    return text[:len(text) - len(text.lstrip())].count("\n")


def _indent(text: str, start: int) -> int:
    end = text.find("\n", start)
    line = text[start:] if end < 0 else text[start:end]
    return len(line) - len(line.lstrip())
