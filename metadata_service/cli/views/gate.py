"""The report of a gate in Markdown: for the page of a pull request, so everything in it is text and no markup of others.

The verdict and whom to ask come first, then a line per change, then what each breaks, folded away. It fits into one comment.
"""
from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, Final
from urllib.parse import quote

from lineproof_schema.urn import parse_urn
from metadata_service.cli.views.frame import time
from metadata_service.cli.views.names import Names, label
from metadata_service.gate.verdict import Checked, FailOn, breaking, fails, possible, things

__all__ = ["markdown"]

MAX_CHARACTERS: Final = 60_000  # a comment on GitHub has at most 65,536
MAX_CHANGES: Final = 30  # in the table of changes
MAX_ROWS: Final = 50  # of affected things per change
MAX_NAMED: Final = 20  # in a list within a line
UNFOLDED: Final = 5  # so many rows of a single change are shown without a click
WORDS: Final = {"drop-column": "drops the column", "drop-dataset": "drops the table", "retype-column": "changes the type of",
                "change-nullability": "changes whether nulls are in", "change-values": "changes what is in", "not-followed": "does what cannot be told"}
USES: Final = {"DIRECT": "computed from it", "INDIRECT": "joins, filters or groups by it", "UNKNOWN": "not known"}
_MARKUP: Final = re.compile(r"([\\`*_{}\[\]<>#|~!$])")
_BLOBS: Final = re.compile(r"(github|gitlab)\.", re.IGNORECASE)  # hosts that show a file of a commit under /blob/<commit>/<file>#L<line>


def markdown(checked: Sequence[Checked], policy: FailOn = FailOn.breaking) -> str:
    """The whole report; ends with a newline."""
    if not checked:
        return "## Lineproof: no schema change that a reader would notice\n"
    read = sorted((each for each in checked if each.impact is None or things(each)), reverse=True,
                  key=lambda each: (fails(each, policy), breaking([each]), each.impact is not None, possible([each])))  # what matters most comes first
    lines = [f"## Lineproof: {breaking(checked)} breaking, {possible(checked)} possible", "", *_verdict(checked, policy)]
    if read:
        lines += ["| change | breaking | possible | live | owners |", "|---|---:|---:|---|---|", *(_line(each, policy) for each in read[:MAX_CHANGES])]
        if len(read) > MAX_CHANGES:
            lines.append(f"| … {len(read) - MAX_CHANGES} more changes | {breaking(read[MAX_CHANGES:])} | {possible(read[MAX_CHANGES:])} | | |")
        lines.append("")
    for complete, said in ((True, "Nothing recorded reads"), (False, "Nothing that may be shown reads, but not all could be seen")):
        unread = [each for each in checked if each not in read and each.impact is not None and each.impact["completeness"]["complete"] is complete]
        if unread:
            lines += [f"{said}: {_several(_change(each) + (f' ({_mended(each)})' if each.mended else '') for each in unread)}.", ""]
    at = next((each.impact["computedAt"] for each in checked if each.impact is not None), None)
    foot = [f"Computed at log size {at['size']}, root `{at['rootHash'][:16]}…`.", ""] if at is not None else []
    return "\n".join([*lines, *_folded(read, MAX_CHARACTERS - sum(map(len, lines))), *foot])


def _verdict(checked: Sequence[Checked], policy: FailOn) -> list[str]:
    failed = [each for each in checked if fails(each, policy)]
    counted = f"{len(checked)} change{'s' if len(checked) > 1 else ''}"
    said = f"**Kept out**: {len(failed)} of {counted}" if failed else f"May go in: none of {counted} is kept out"
    broken = [item for each in failed or checked for item in things(each) if item["severity"] == "BREAKING" or policy is FailOn.possible]
    live = dict.fromkeys(f"{_plain(label(item['urn']))} in {_plain(each['environment'] or '?')}" for item in broken for each in item["deployments"])
    owners = sorted({owner for item in broken for owner in item["owners"]})
    return [f"{said} (`--fail-on {policy.value}`)." + (f" Breaks what is live: {_several(live)}." if live else "")
            + (f" Owners to ask: {_several(map(_plain, owners))}." if owners else " Of what breaks no owner is known." if broken else ""), ""]


def _line(checked: Checked, policy: FailOn) -> str:
    items = things(checked)
    live = dict.fromkeys(_plain(each["environment"] or "?") for item in items for each in item["deployments"])
    owners = sorted({_plain(owner) for item in items for owner in item["owners"]})
    change = f"**{_change(checked)}**" if fails(checked, policy) else _change(checked)
    place = f"<br>{_place(checked)}" if checked.change.file else ""
    unknown = f"<br>Unknown: {_plain(checked.why or 'nothing is recorded about it')}" if checked.impact is None else ""
    mended = f"<br>{_mended(checked)}" if checked.mended else ""
    return f"| {change}{place}{unknown}{mended} | {breaking([checked])} | {possible([checked])} | {_several(live, 3) or '-'} | {_several(owners, 3) or '-'} |"


def _change(checked: Checked) -> str:
    change = checked.change
    detail = f" ({_plain(change.told)})" if change.told else ""
    return f"{WORDS[change.kind]} {_plain(change.name)}{detail}".replace("  ", " ")


def _mended(checked: Checked) -> str:
    return f"no longer read by {_several(map(_plain, checked.mended))}"


def _place(checked: Checked) -> str:
    return _plain(str(checked.change.file)) + (f":{checked.change.line}" if checked.change.line else "")


def _folded(read: Sequence[Checked], room: int) -> list[str]:
    """What each change affects, as far as there is room for it."""
    lines: list[str] = []
    told = [each for each in read if each.impact is not None]
    for number, each in enumerate(told):
        details = _details(each, len(told) == 1 and len(things(each)) <= UNFOLDED)
        room -= sum(len(line) + 1 for line in details)
        if room < 0:
            return [*lines, f"The affected of {len(told) - number} more changes do not fit here; `--json` and `--sarif` have them all.", ""]
        lines += details
    return lines


def _details(checked: Checked, unfolded: bool) -> list[str]:
    impact, rows = checked.impact or {}, things(checked)
    names, change = Names(impact), checked.change
    title = escape(" ".join(f"{WORDS[change.kind]} {change.name}".split()), quote=False)
    lines = [f"<details{' open' if unfolded else ''}><summary>{title}: {breaking([checked])} breaking, {possible([checked])} possible</summary>", "",
             "| severity | what | use | owner | live | last made | path |", "|---|---|---|---|---|---|---|"]
    lines += [_row(impact, item, names) for item in rows[:MAX_ROWS]]
    if len(rows) > MAX_ROWS:
        lines.append(f"| … | {len(rows) - MAX_ROWS} more | | | | | |")
    if not impact["completeness"]["complete"]:
        lines += ["", "Not complete: " + "; ".join(dict.fromkeys(_plain(reason["detail"]) for reason in impact["completeness"]["reasons"]))]
    return [*lines, "", "</details>", ""]


def _row(impact: dict[str, Any], item: dict[str, Any], names: Names) -> str:
    named = f"{item['kind'].lower().replace('_', ' ')} {_plain(names(item['urn']))}"
    columns = f" ({_several(map(_plain, item['columns']), 10)})" if item["columns"] else ""
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
    """From the changed entity step by step, each with the place of its code."""
    edges = [impact["edges"][index] for index in item["path"]]
    start = [_plain(names(impact["nodes"][edges[0]["upstream"]]["urn"]))] if edges else []
    return " → ".join([*start, *(_plain(names(impact["nodes"][edge["downstream"]]["urn"])) + _code(edge) for edge in edges)])


def _code(edge: dict[str, Any]) -> str:
    """File and line of a step; a link where the repository's host shows files of a commit."""
    if not edge["file"] or not edge["line"]:
        return ""
    text = f"{_plain(edge['file'])}:{edge['line']}"
    repository, sha = parse_urn(edge["commit"]).components if edge.get("commit") else ("", "")
    if not _BLOBS.match(repository):
        return f" ({text})"
    return f" ([{text}](https://{quote(repository)}/blob/{quote(sha)}/{quote(edge['file'])}#L{edge['line']}))"


def _several(said: Iterable[str], most: int = MAX_NAMED) -> str:
    every = list(said)
    return ", ".join(every[:most]) + (f" and {len(every) - most} more" if len(every) > most else "")


def _plain(text: str) -> str:
    return _MARKUP.sub(r"\\\1", "".join(each if each.isprintable() else "�" for each in " ".join(text.split())))
