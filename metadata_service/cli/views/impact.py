"""Impact as a list, the worst first, of that what is live, then the nearest."""
from __future__ import annotations

from collections.abc import Iterable

from rich.console import RenderableType
from rich.text import Text

from metadata_service.cli.views.frame import Hanging, Row, foot, indented, time, words
from metadata_service.cli.views.names import Names

__all__ = ["impact_view"]

STYLES = {"BREAKING": "bold red", "POSSIBLE": "yellow"}
USES = {"INDIRECT": "only joins, filters or groups by it"}  # that a value is made of it goes without saying; what is not known has its reason below
TABLES = frozenset({"DATASET", "COLUMN"})  # which read what is there: nothing binds them to a version


def impact_view(answer: Row) -> Iterable[RenderableType]:
    """A sentence with whom to ask, then an entry per affected thing with the path to it; columns stand in the entry of their dataset."""
    names = Names(answer)
    affected = [item for item in answer["affected"] if item["kind"] != "COLUMN"]
    owners = list(dict.fromkeys(owner for item in affected for owner in item["owners"]))
    columns = len(answer["affected"]) - len(affected)
    yield Hanging(Text.assemble((f"{words(answer['change'] or '')} {names.list([root['urn'] for root in answer['roots']], 3)}: ", "bold"),
                                (f"{answer['breaking']} breaking", STYLES["BREAKING"]), ", ", (f"{answer['possible']} possible", STYLES["POSSIBLE"]),
                                f" ({columns} of them columns, named with their datasets)" if columns else "",
                                f"; owners to ask: {', '.join(owners)}" if owners else "; no owner is known" if affected else ""))
    for item in affected:
        yield from _item(answer, item, names)
    yield foot(answer, names)


def _item(answer: Row, item: Row, names: Names) -> Iterable[RenderableType]:
    severity = Text(item["severity"].lower(), style=STYLES[item["severity"]])
    if item["urn"] is None:
        yield Text.assemble(severity, f"  ({words(item['kind'])} outside your grants)")
        return
    live = ", ".join(f"live in {each['environment']}" for each in item["deployments"])
    columns = f" ({', '.join(item['columns'])})" if item["columns"] else ""
    made, run = item["lastMaterialization"], item["lastRun"]
    bound = [] if item["kind"] in TABLES else [item["binding"].lower()]
    used = [USES[item["use"]]] if item["use"] in USES else []
    facts = [words(item["kind"]) + (f", {live}" if live else ""), *used, *bound, f"owner {', '.join(item['owners']) or 'unknown'}"]
    if made and made["at"]:
        facts.append(f"last made {time(made['at'])}")
    if run:
        facts.append(f"last run {(run['status'] or 'of unknown status').lower()} {time(run['endedAt'] or run['startedAt'])}".rstrip())
    yield Hanging(Text.assemble(severity, "  ", (names(item["urn"]), "bold"), columns, f"  {'  '.join(facts)}"), 6)
    if item["path"] or item["severity"] == "POSSIBLE":
        yield indented(Text.assemble(_path(answer, item, names), (f"  ({item['reason']})", "dim") if item["severity"] == "POSSIBLE" else ""))


def _path(answer: Row, item: Row, names: Names) -> Text:
    nodes, steps = answer["nodes"], [answer["edges"][index] for index in item["path"]]
    if not steps:
        return Text()
    text = Text(names(nodes[steps[0]["upstream"]]["urn"]))
    for edge in steps:  # each with the place of its own code
        text.append(f" → {names(nodes[edge['downstream']]['urn'])}")
        if edge["file"] and edge["line"]:
            text.append(f" ({edge['file']}:{edge['line']})", style="dim")
    return text
