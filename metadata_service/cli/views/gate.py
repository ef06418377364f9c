"""The report of a gate in Markdown: for the page of a pull request, so everything in it is text and no markup of others."""
from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from metadata_service.cli.views.frame import time
from metadata_service.cli.views.names import Names
from metadata_service.gate.verdict import Checked, breaking, possible, things

__all__ = ["markdown"]

MAX_ROWS: Final = 50  # of affected things per change
WORDS: Final = {"drop-column": "drops the column", "drop-dataset": "drops the table", "retype-column": "changes the type of",
                "change-nullability": "changes whether nulls are in", "change-values": "changes what is in"}
USES: Final = {"DIRECT": "computed from it", "INDIRECT": "joins, filters or groups by it", "UNKNOWN": "not known"}
_MARKUP: Final = re.compile(r"([\\`*_{}\[\]<>#|~!])")


def markdown(checked: Sequence[Checked]) -> str:
    """The whole report; ends with a newline."""
    if not checked:
        return "## Lineproof: no schema change that a reader would notice\n"
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
    rows, names = things(checked), Names(impact)
    owners = sorted({owner for item in rows for owner in item["owners"]})
    if not rows:
        whole = impact["completeness"]["complete"]
        return [*lines, "Nothing recorded reads it." if whole else "Nothing that may be shown reads it; the answer is not complete.", ""]
    lines += [f"Owners to ask: {', '.join(map(_plain, owners)) or 'none is known'}", "",
              "| severity | what | use | owner | live | last made | path |", "|---|---|---|---|---|---|---|"]
    lines += [_row(impact, item, names) for item in rows[:MAX_ROWS]]
    if len(rows) > MAX_ROWS:
        lines.append(f"| … | {len(rows) - MAX_ROWS} more | | | | | |")
    if not impact["completeness"]["complete"]:
        lines += ["", "Not complete: " + "; ".join(dict.fromkeys(_plain(reason["detail"]) for reason in impact["completeness"]["reasons"]))]
    return [*lines, ""]


def _row(impact: dict[str, Any], item: dict[str, Any], names: Names) -> str:
    named = f"{item['kind'].lower().replace('_', ' ')} {_plain(names(item['urn']))}"
    columns = f" ({', '.join(map(_plain, item['columns']))})" if item["columns"] else ""
    live = ", ".join(_plain(each["environment"] or "?") for each in item["deployments"])
    pinned = " (pinned)" if item["binding"] == "PINNED" else ""
    owner = ", ".join(map(_plain, item["owners"])) or "-"
    cells = (item["severity"].lower(), f"{named}{columns}{pinned}", USES[item["use"]], owner, live or "-", _made(item), _path(impact, item, names))
    return f"| {' | '.join(cells)} |"


def _made(item: dict[str, Any]) -> str:
    made, run = item["lastMaterialization"], item["lastRun"]
    if not made and not run:
        return "-"
    at = (made or {}).get("at") or (run or {}).get("endedAt") or (run or {}).get("startedAt")
    status = (run or made or {}).get("status")
    return " ".join(part for part in (time(at) if at else "", f"({status.lower()})" if status else "") if part) or "-"


def _path(impact: dict[str, Any], item: dict[str, Any], names: Names) -> str:
    edges = [impact["edges"][index] for index in item["path"]]
    steps = [*([edges[0]["upstream"]] if edges else []), *(edge["downstream"] for edge in edges)]
    place = next((f" ({_plain(edge['file'])}:{edge['line']})" for edge in reversed(edges) if edge["file"] and edge["line"]), "")
    return " → ".join(_plain(names(impact["nodes"][node]["urn"])) for node in steps) + place


def _plain(text: str) -> str:
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))
