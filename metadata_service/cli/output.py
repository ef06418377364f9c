"""How commands speak: tables and lines for people, one JSON document for machines, errors on stderr.

Names and expressions are others' text: what would move the cursor, colour the screen or turn the reading direction is shown, not done.
"""
from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.segment import Segment
from rich.table import Table

from lineproof_schema.errors import LineproofError

__all__ = ["Json", "counted", "fail", "json_text", "note", "print_json", "print_table", "report_error", "say", "terminal", "when"]

_SHOWN: Final = {**{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"}, 0x7F: 0x2421, **dict.fromkeys(range(0x80, 0xA0), 0xFFFD),
                 **dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)), 0xFFFD)}

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def json_text(value: Any) -> str:
    """One JSON document."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    typer.echo(json_text(value))


class _Terminal(Console):
    """A console on which no text that it shows is a command."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(_shown(segment.text), segment.style)


def terminal() -> Console:
    """Where answers are printed for people."""
    return _Terminal(highlight=False)


def _shown(text: str) -> str:
    return text.translate(_SHOWN)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    """A table on stdout, or the line `empty` when there are no rows."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(escape("" if cell is None else str(cell)) for cell in row))
    if table.row_count:
        terminal().print(table)
    else:
        say(empty)


def say(text: str) -> None:
    """A line on stdout."""
    typer.echo(_shown(text))


def note(text: str) -> None:
    """A line on stderr, so that stdout stays what scripts read."""
    typer.echo(_shown(text), err=True)


def fail(text: str) -> None:
    """An error line on stderr."""
    typer.echo(f"lineproof: {_shown(text)}", err=True)


def report_error(error: LineproofError, *, as_json: bool) -> None:
    """An error with its stable code and what to do; as problem details with `--json`."""
    if as_json:
        typer.echo(json.dumps(error.problem(), indent=2, default=str), err=True)
    else:
        fail(f"{error.detail} [{error.code}]")
        typer.echo(f"  {error.entry.fix}", err=True)


def counted(number: int, one: str, many: str | None = None) -> str:
    """`1 entry`, `2 entries`; without `many`, an s is added."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def when(microseconds: int | None) -> str:
    """A time as people read it, in UTC."""
    return "" if microseconds is None else datetime.fromtimestamp(microseconds / 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
