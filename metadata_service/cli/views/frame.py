"""What all views share: printing, indenting, times, and the line under every answer."""
from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.text import Text

from lineproof_schema.urn import holder
from metadata_service.cli.output import terminal
from metadata_service.cli.views.names import Names

__all__ = ["Hanging", "Row", "by_commit", "fact_words", "foot", "indented", "show", "time", "words"]

Row = Mapping[str, Any]
LEAST_WIDTH: Final = 20  # of a paragraph on a terminal too narrow for anything
EXAMPLES: Final = 3  # entities named for one reason of incompleteness
# reasons of which an answer can have hundreds, in words for all of them together
TOGETHER: Final = {"column-lineage-unknown": "what columns are made of is unknown in"}


def show(*parts: RenderableType) -> None:
    """Print on stdout."""
    console = terminal()
    for part in parts:
        console.print(part)


class Hanging:
    """Text whose later lines begin further in than its first one, so that the eye finds where the next paragraph begins."""

    def __init__(self, text: Text, by: int = 4, first: int = 0) -> None:
        self._text = text
        self._by = by
        self._first = first

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for number, line in enumerate(self._text.wrap(console, max(options.max_width - max(self._by, self._first), LEAST_WIDTH))):
            line.rstrip()
            yield Text.assemble(" " * (self._by if number else self._first), line)


def indented(text: Text, by: int = 4) -> Hanging:
    """Wraps under its own beginning."""
    return Hanging(text, by, by)


def time(value: str | None) -> str:
    """To the second, in UTC."""
    return "" if value is None else datetime.fromisoformat(value).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def words(value: str) -> str:
    """A constant as words: `DROP_COLUMN` is `drop column`."""
    return value.replace("_", " ").replace("-", " ").lower()


def fact_words(name: str) -> str:
    """The name of a fact as people say it: `currentVersion` is `current version`; the key of a facet stays as it was sent."""
    if name.startswith("facet:"):
        return f"facet {name.removeprefix('facet:')}"
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower() if name.isalnum() else name


def by_commit(commit: Row | None) -> Text:
    """Commit, author, time and subject."""
    if commit is None:
        return Text("commit unknown", style="dim")
    return Text.assemble(f"commit {commit['sha'][:12]} by ", (commit["author"] or commit["email"] or "unknown author", "bold"),
                         f" {time(commit['committedAt'])}" if commit["committedAt"] else "", f" “{commit['subject']}”" if commit["subject"] else "")


def foot(answer: Row, names: Names | None = None) -> RenderableType:
    """The line under every answer: where it was computed, and what it does not know."""
    at, whole = answer["computedAt"], answer["completeness"]
    covering = f", in checkpoint {at['coveringCheckpoint']}" if at["coveringCheckpoint"] is not None else ", checkpoint to come"
    text = Text(f"at {at['size']} (root {at['rootHash'][:12]}…{covering})", style="dim")
    if not whole["complete"]:
        text.append("\nnot complete: ", style="yellow")
        text.append("; ".join(_reasons(whole["reasons"], names or Names(answer))))
    return Hanging(text, 2)


def _reasons(reasons: Iterable[Row], names: Names) -> Iterable[str]:
    grouped: dict[str, list[Row]] = defaultdict(list)
    for reason in reasons:
        grouped[reason["code"] if reason["urn"] else reason["detail"]].append(reason)
    for code, found in grouped.items():
        about = list(dict.fromkeys(names(holder(reason["urn"])) for reason in found if reason["urn"]))
        more = f" and {len(about) - EXAMPLES} more" if len(about) > EXAMPLES else ""
        examples = ", ".join(about[:EXAMPLES]) + more
        if len(found) > 1 and code in TOGETHER:
            yield f"{TOGETHER[code]} {len(about)} {'dataset' if len(about) == 1 else 'datasets'}: {examples} ({len(found)} columns)"
        elif len(found) > 1:
            yield f"{found[0]['detail']} ({len(found)} times: {examples})" if about else f"{found[0]['detail']} ({len(found)} times)"
        else:
            yield found[0]["detail"] + (f" ({names(found[0]['urn'])})" if found[0]["urn"] else "")
