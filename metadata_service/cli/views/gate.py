"""The report of a gate in Markdown: for the page of a pull request, so everything in it is text and no markup of others."""
from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from metadata_service.cli.views.names import Names
from metadata_service.gate.changes import Change

__all__ = ["Checked", "breaking", "markdown", "possible"]

MAX_ROWS: Final = 50  # of affected things per change
WORDS: Final = {"drop-column": "drops the column", "drop-dataset": "drops the table", "retype-column": "changes the type of"}
_MARKUP: Final = re.compile(r"([\\`*_{}\[\]<>#|~!])")


@dataclass(frozen=True, slots=True)
class Checked:
    """A change and its impact as `lineproof impact --json` gives it; None with `why` if it is not known what the change touches."""

    change: Change
    impact: dict[str, Any] | None
    why: str | None = None


def breaking(checked: Iterable[Checked]) -> int:
    """How many tables, features, models and consumers break for certain; one is counted for each change that breaks it."""
    return sum(_counted(each.impact, "BREAKING") for each in checked if each.impact is not None)


def possible(checked: Iterable[Checked]) -> int:
    """How many may break, a change of which nothing is known counted as one."""
    return sum(1 if each.impact is None else _counted(each.impact, "POSSIBLE") for each in checked)


def _counted(impact: dict[str, Any], severity: str) -> int:
    return sum(item["severity"] == severity for item in impact["affected"] if item["kind"] != "COLUMN")


def markdown(checked: Sequence[Checked]) -> str:
    """The whole report; ends with a newline."""
    if not checked:
        return "## Lineproof: no schema change that takes anything away\n"
    lines = [f"## Lineproof: {breaking(checked)} breaking, {possible(checked)} possible", ""]
    for each in checked:
        lines += _change(each)
    at = next((each.impact["computedAt"] for each in checked if each.impact is not None), None)
    if at is not None:
        lines += [f"Computed at log size {at['size']}, root `{at['rootHash'][:16]}…`.", ""]
    return "\n".join(lines)


def _change(checked: Checked) -> list[str]:
    change, impact = checked.change, checked.impact
    detail = f" ({_plain(change.detail)})" if change.detail else ""
    lines = [f"### {WORDS[change.kind]} {_plain(change.name)}{detail}", ""]
    if impact is None:
        return [*lines, f"Unknown: {_plain(checked.why or 'nothing is recorded about it')}. What reads it cannot be told.", ""]
    rows, names = [item for item in impact["affected"] if item["kind"] != "COLUMN"], Names(impact)
    owners = sorted({owner for item in rows for owner in item["owners"]})
    if not rows:
        lines += ["Nothing recorded reads it." if impact["completeness"]["complete"] else "Nothing that may be shown reads it; the answer is not complete.", ""]
        return lines
    lines += [f"Owners to ask: {', '.join(map(_plain, owners)) or 'none is known'}", "",
              "| severity | what | owner | live | path |", "|---|---|---|---|---|"]
    for item in rows[:MAX_ROWS]:
        live = ", ".join(_plain(each["environment"] or "?") for each in item["deployments"])
        named = f"{item['kind'].lower().replace('_', ' ')} {_plain(names(item['urn']))}"
        columns = f" ({', '.join(map(_plain, item['columns']))})" if item["columns"] else ""
        owner = ", ".join(map(_plain, item["owners"])) or "-"
        lines.append(f"| {item['severity'].lower()} | {named}{columns} | {owner} | {live or '-'} | {_path(impact, item, names)} |")
    if len(rows) > MAX_ROWS:
        lines.append(f"| … | {len(rows) - MAX_ROWS} more | | | |")
    if not impact["completeness"]["complete"]:
        lines += ["", "Not complete: " + "; ".join(dict.fromkeys(_plain(reason["detail"]) for reason in impact["completeness"]["reasons"]))]
    return [*lines, ""]


def _path(impact: dict[str, Any], item: dict[str, Any], names: Names) -> str:
    edges = [impact["edges"][index] for index in item["path"]]
    steps = [*([edges[0]["upstream"]] if edges else []), *(edge["downstream"] for edge in edges)]
    place = next((f" ({_plain(edge['file'])}:{edge['line']})" for edge in reversed(edges) if edge["file"] and edge["line"]), "")
    return " → ".join(_plain(names(impact["nodes"][node]["urn"])) for node in steps) + place


def _plain(text: str) -> str:
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))
