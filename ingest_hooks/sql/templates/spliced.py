"""The map of a text that is put together from others: an ephemeral model stands as a CTE in what reads it, and keeps its own file."""
from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from ingest_hooks.sql.templates.source_map import Located, SourceMap

__all__ = ["Piece", "Spliced"]


@dataclass(frozen=True, slots=True)
class Piece:
    """Characters [start, stop) of the whole are those from `within` on of the text that `source_map` maps."""

    start: int
    stop: int
    within: int
    source_map: SourceMap


class Spliced(SourceMap):
    """Maps each piece by its own map; what stands between them belongs to no file's line."""

    def __init__(self, file: str | None, compiled: str, pieces: Sequence[Piece]) -> None:
        super().__init__(file, "", compiled)
        self._pieces = sorted(pieces, key=lambda piece: piece.start)

    def locate(self, line: int, column: int | None) -> Located:
        """Where compiled (line, column) stands. Without a column: where the line's first character stands."""
        offset = self.offset(line, column)
        number = bisect_right([piece.start for piece in self._pieces], offset) - 1
        piece = self._pieces[max(number, 0)]
        if number < 0 or offset >= piece.stop:
            return Located(self.file, None, None, True)
        row, inside = piece.source_map.position(offset - piece.start + piece.within)
        return piece.source_map.locate(row, inside if column is not None else None)
