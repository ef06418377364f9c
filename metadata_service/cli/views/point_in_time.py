"""The checks of training data against time: what is wrong first, each with the line of SQL and the commit; what is proven as a count."""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from typing import Any, Final

from rich.console import RenderableType
from rich.text import Text

from metadata_service.cli.views.frame import Hanging, Row, by_commit, foot, indented
from metadata_service.cli.views.names import Names

__all__ = ["point_in_time_view"]

STYLES: Final = {"VIOLATION": "bold red", "SUSPECT": "yellow", "UNKNOWN": "dim", "PROVEN": "green"}
TOLD: Final = ("VIOLATION", "SUSPECT")  # with evidence; of the unknown only the reason
TOPICS: Final = {"AS_OF": "inputs are not written after the moment the data stand for", "EVENT_RANGE": "later events are kept out",
                 "TIME_PREDICATE": "only what was known before the reference time is read", "LABEL_UPSTREAM": "no label in a feature",
                 "BACKFILL": "nothing written afterwards counts as known", "LATE_DATA": "materialized in time",
                 "BINDING_SKEW": "serving reads what training read",
                 "LOOKBACK": "what features look back at is kept"}


def point_in_time_view(answer: Row, verbose: bool = False) -> Iterable[RenderableType]:
    """A sentence, then check by check; `verbose` shows what is proven, too."""
    names = Names(answer)
    counts = ", ".join(_count(answer[key], state) for key, state in (("violations", "VIOLATION"), ("suspects", "SUSPECT"), ("unknown", "UNKNOWN"),
                                                                    ("proven", "PROVEN")))
    trained = names.list(answer["training"], 3)
    yield Hanging(Text.assemble((f"{names(answer['urn'])}: {answer['state'].lower()}", STYLES[answer["state"]]), f"  {counts}",
                                f"; trained on {trained}" if trained and answer["training"] != [answer["urn"]] else "",
                                f"; predictions are made at {answer['referenceTime']}" if answer["referenceTime"] else "",
                                f", outcomes are known at {answer['labelTime']}" if answer["labelTime"] else ""))
    by_topic = {topic: found for topic in TOPICS if (found := [check for check in answer["checks"] if check["check"] == topic])}
    order, shown = list(STYLES), set[object]()
    for topic, found in sorted(by_topic.items(), key=lambda item: min(order.index(check["state"]) for check in item[1])):
        yield from _topic(topic, found, names, verbose, shown)
    yield foot(answer, names)


def _count(number: int, state: str) -> str:
    return f"{number} {state.lower()}{'s' if state == 'VIOLATION' and number != 1 else ''}"


def _topic(topic: str, found: list[Row], names: Names, verbose: bool, shown: set[object]) -> Iterable[RenderableType]:
    counted = Counter(check["state"] for check in found)
    states = Text(", ").join(Text(_count(count, state), style=STYLES[state]) for state in STYLES if (count := counted[state]))
    yield Hanging(Text.assemble((topic.lower().replace("_", " "), "bold"), f" ({TOPICS[topic]}): ", states))
    for check in _together(found, verbose):
        if check["state"] == "PROVEN" and not verbose:
            continue
        yield indented(Text.assemble((check["state"].lower(), STYLES[check["state"]]), "  ", (names.list(check["urns"], 6), "bold"), f"  {check['detail']}"), 2)
        if check["state"] in TOLD or verbose:
            yield from _evidence(check, names, shown)


def _together(found: list[Row], verbose: bool) -> list[dict[str, Any]]:
    """Checks that say the same for the same reason, in one entry."""
    merged: dict[tuple[object, ...], dict[str, Any]] = {}
    for check in found:
        told = check["evidence"] if check["state"] in TOLD or verbose else []
        places = tuple(_place(each) for each in told if not _entry_only(each))
        into = merged.setdefault((check["state"], check["detail"], places), {**check, "urns": [], "evidence": [], "entries": []})
        into["urns"].append(check["urn"])
        into["evidence"] = [each for each in told if not _entry_only(each)]
        into["entries"] += [each for each in told if _entry_only(each)]
    return list(merged.values())


def _entry_only(evidence: Row) -> bool:
    """Whether nothing but an entry says it: no code, no version."""
    return not evidence["restricted"] and evidence["file"] is None and evidence["version"] is None


def _place(evidence: Row) -> tuple[object, ...]:
    return tuple(evidence[key] for key in ("what", "text", "file", "line", "column", "version"))


def _evidence(check: Row, names: Names, shown: set[object]) -> Iterable[RenderableType]:
    commit = None
    told = [each for each in check["evidence"] if each["restricted"] or _place(each) not in shown]
    shown.update(map(_place, told))
    if len(told) < len(check["evidence"]):
        yield indented(Text("as above" + (", and" if told else ""), style="dim"), 6)
    for each in told:
        if each["restricted"]:
            yield indented(Text(f"{each['what']} outside your grants", style="dim"), 6)
            continue
        place = ":".join(str(part) for part in (each["file"], each["line"], each["column"]) if part is not None)
        of = f" of {names(each['version'])}" if each["version"] and each["what"] in ("knowledge", "version") else ""
        said = f"{each['what']} {each['text'] or ''}{of}".rstrip()
        yield indented(Text.assemble((place, "bold cyan") if place else "", "  " if place else "", said, (f"  entry {each['entry']}", "dim")), 6)
        if each["commit"] is not None and each["commit"] != commit:
            commit = each["commit"]
            yield indented(by_commit(commit), 6)
    for what, group in groupby(check["entries"], key=lambda each: each["what"]):
        entries = list(group)
        text = entries[0]["text"] if len({each["text"] for each in entries}) == 1 else None
        numbers = ", ".join(str(number) for number in sorted({each["entry"] for each in entries}))
        yield indented(Text.assemble(f"{what}{f' {text}' if text else ''}", (f"  {'entry' if ',' not in numbers else 'entries'} {numbers}", "dim")), 6)
