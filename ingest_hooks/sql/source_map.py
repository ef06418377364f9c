"""From a line of compiled SQL back to the template it was made from.

Two ways to build a map. `traced` renders the template with a Jinja templater that remembers which stretch of output came from
which stretch of input, and is exact through loops and macros; it holds only if the rendering equals the compiled text to the
letter. `aligned` compares the two texts line by line and is marked approximate wherever the lines are not equal.
"""
from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from ingest_hooks.sql.marks import MacroPlace, Marks

__all__ = ["Located", "SourceMap"]

MAX_ALIGNED_LINES = 5_000  # difflib is quadratic; a longer template is mapped line for line, marked approximate


@dataclass(frozen=True, slots=True)
class Located:
    """A place in the template: 1-based; `column` only where it is known exactly. `macro`: the text was made by a macro, and stands there in it.

    The place in the template is then that of the call.
    """

    file: str | None
    line: int
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
                 lines: Sequence[tuple[int, bool]] = (), holds: Sequence[tuple[int, MacroPlace | None]] = ()) -> None:
        self._file = file
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
               marks: Marks | None = None) -> SourceMap | None:
        """The exact map, or None if rendering `raw` with `context` does not give `compiled`.

        Args:
            raw: The template.
            compiled: What the tool made of it.
            file: The template's path, for `Located.file`.
            context: What the template may call (`ref`, `var`, …).
            macros: Jinja macro definitions the template uses; they run before it and map to the place of the call.
            dialect: A sqlfluff dialect; it has no influence on the map.
            marks: What the callables of `context` marked their text with.
        """
        from ingest_hooks.sql.jinja_trace import trace

        found = trace(raw, context=context, macros=macros, file=file, dialect=dialect)
        if found is None:
            return None
        rendered, parts = found
        holds: list[tuple[int, MacroPlace | None]] = []
        if marks is not None:
            rendered, taken, holds = marks.taken_out(rendered)
            parts = _without(taken, parts)
        lead = len(rendered) - len(rendered.lstrip())
        if rendered.strip() != compiled.strip():
            return None
        shift = (len(compiled) - len(compiled.lstrip())) - lead
        return cls(file, raw, compiled, slices=[_Slice(start + shift, stop + shift, source, literal) for start, stop, source, literal in parts],
                   holds=[(start + shift, place) for start, place in holds])

    @classmethod
    def aligned(cls, raw: str, compiled: str, *, file: str | None) -> SourceMap:
        """A map by comparing lines. Equal lines are exact, others point to the nearest template line and are approximate."""
        raw_lines = [line.strip() for line in raw.splitlines()] or [""]
        compiled_lines = [line.strip() for line in compiled.splitlines()] or [""]
        if raw.strip() == compiled.strip():
            shift = _leading_lines(raw) - _leading_lines(compiled)
            return cls(file, raw, compiled, lines=[(min(max(number + shift, 0), len(raw_lines) - 1) + 1, False) for number in range(len(compiled_lines))])
        if max(len(raw_lines), len(compiled_lines)) > MAX_ALIGNED_LINES:
            return cls(file, raw, compiled, lines=[(min(number + 1, len(raw_lines)), True) for number in range(len(compiled_lines))])
        mapped: list[tuple[int, bool]] = []
        matcher = SequenceMatcher(None, raw_lines, compiled_lines, autojunk=False)
        for tag, raw_from, raw_to, compiled_from, compiled_to in matcher.get_opcodes():
            width = max(raw_to - raw_from, 1)
            for number in range(compiled_to - compiled_from):
                line = min(raw_from + (number if tag == "equal" else min(number, width - 1)), len(raw_lines) - 1) + 1
                # a blank or bracket-only line matches anywhere, but nothing is asked of it
                mapped.append((line, tag != "equal"))
        return cls(file, raw, compiled, lines=mapped)

    def locate(self, line: int, column: int | None) -> Located:
        """Where compiled (line, column) stands in the template. Without a column: where the line's first character stands."""
        if self._slices:
            return self._from_slices(line, column)
        if not self._lines:
            return Located(self._file, line, column, True)
        source, approximate = self._lines[min(line, len(self._lines)) - 1]
        return Located(self._file, source, None if approximate else column, approximate)

    def spans(self) -> list[tuple[int, Located]]:
        """One (compiled line, place) for every compiled line: the source map as data."""
        return [(number, self.locate(number, None)) for number in range(1, len(self._compiled_starts) + 1)]

    def _from_slices(self, line: int, column: int | None) -> Located:
        start = self._compiled_starts[min(line, len(self._compiled_starts)) - 1]
        offset = start + (column - 1 if column is not None else _indent(self._compiled, start))
        part = self._slices[max(bisect_right(self._slice_starts, offset) - 1, 0)]
        source = part.source + (offset - part.start if part.literal else 0)
        raw_line = bisect_right(self._raw_starts, source)
        held = bisect_right(self._hold_starts, offset) - 1
        macro = self._holds[held][1] if held >= 0 and not part.literal else None
        return Located(self._file, raw_line, source - self._raw_starts[raw_line - 1] + 1 if column is not None else None, False, macro)


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
    return [0, *(index + 1 for index, char in enumerate(text) if char == "\n")]


def _leading_lines(text: str) -> int:
    return text[:len(text) - len(text.lstrip())].count("\n")


def _indent(text: str, start: int) -> int:
    end = text.find("\n", start)
    line = text[start:] if end < 0 else text[start:end]
    return len(line) - len(line.lstrip())
