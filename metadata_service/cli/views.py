"""How answers look on a terminal: lineage as a tree, impact and audit as tables, a trace as steps with their SQL."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from lineproof_schema.urn import parse_urn

__all__ = ["audit_view", "foot", "impact_view", "label", "lineage_view", "show", "trace_view"]

Row = Mapping[str, Any]
KIND_STYLES = {"dataset": "cyan", "column": "green", "feature-version": "magenta", "model-version": "yellow", "consumer": "red", "job": "blue"}


def show(*parts: RenderableType) -> None:
    """Print on stdout."""
    console = Console(highlight=False)
    for part in parts:
        console.print(part)


def label(urn: str | None, *, short: bool = False) -> str:
    """An entity as people call it: `weather.wind_speed`, `delay@1`; a restricted one has no name."""
    if urn is None:
        return "(restricted)"
    parsed = parse_urn(urn)
    parts = parsed.components
    match parsed.kind:
        case "column":
            return ".".join(parts[1:])
        case "feature-version" | "model-version":
            return f"{parts[1]}@{parts[2]}"
        case "dataset-version":
            return f"{parts[1]}@{parts[2]}"
        case "transformation":
            return f"{parts[1]}@{parts[2][:12]}"
        case "commit":
            return f"{parts[1][:12]}" if short else f"{parts[0]}@{parts[1][:12]}"
        case _:
            return parsed.name


def foot(answer: Row) -> Text:
    """The line under every answer: where it was computed, and what it does not know."""
    at, whole = answer["computedAt"], answer["completeness"]
    covering = f", in checkpoint {at['coveringCheckpoint']}" if at["coveringCheckpoint"] is not None else ", checkpoint to come"
    text = Text(f"at {at['size']} (root {at['rootHash'][:12]}…{covering})", style="dim")
    if not whole["complete"]:
        text.append("\nnot complete: ", style="yellow")
        text.append("; ".join(f"{reason['detail']}{' (' + label(reason['urn']) + ')' if reason['urn'] else ''}" for reason in whole["reasons"]))
    return text


def lineage_view(answer: Row, direction: str) -> Iterable[RenderableType]:
    """A tree per root and direction; what was shown above is only named again."""
    nodes = answer["nodes"]
    positions = {node["urn"]: index for index, node in enumerate(nodes) if node["urn"] is not None}
    ways = ["UPSTREAM", "DOWNSTREAM"] if direction == "BOTH" else [direction]
    for root in answer["roots"]:
        for way in ways:
            near, far = ("downstream", "upstream") if way == "UPSTREAM" else ("upstream", "downstream")
            leaving: dict[int, dict[int, list[Row]]] = defaultdict(lambda: defaultdict(list))
            for edge in answer["edges"]:
                leaving[edge[near]][edge[far]].append(edge)
            start = positions[root["urn"]]
            why = "" if root["why"] == "itself" else f" ({root['why']})"
            tree = Tree(Text.assemble(_node(nodes[start]), (why, "dim"), (f"  {way.lower()}", "dim")), guide_style="dim")
            _grow(tree, start, nodes, leaving, way, {start})
            yield tree
    yield foot(answer)


def _grow(tree: Tree, at: int, nodes: list[Row], leaving: Mapping[int, Mapping[int, list[Row]]], way: str, seen: set[int]) -> None:
    waiting = [(tree, at)]
    while waiting:
        branch, position = waiting.pop(0)
        for other, edges in sorted(leaving[position].items()):
            text = Text.assemble(_node(nodes[other]), _how(edges))
            if other in seen:
                branch.add(Text.assemble(text, ("  (shown above)", "dim")))
                continue
            seen.add(other)
            waiting.append((branch.add(text), other))
        hidden = nodes[position]["hiddenUpstream" if way == "UPSTREAM" else "hiddenDownstream"]
        if hidden:
            branch.add(Text(f"… {hidden} more", style="dim"))


def _node(node: Row) -> Text:
    if node["restricted"]:
        return Text(f"({node['kind'].lower()} outside your grants)", style="dim")
    style = KIND_STYLES.get(parse_urn(node["urn"]).kind, "")
    return Text.assemble((label(node["urn"]), f"bold {style}"), (f"  {node['kind'].lower().replace('_', ' ')}", "dim"),
                         (f"  {', '.join(node['owners'])}", "italic") if node.get("owners") else "", ("  dropped", "red") if node.get("dropped") else "")


def _how(edges: list[Row]) -> Text:
    """What the edges say: job, expression, place."""
    said = []
    for edge in edges[:3]:
        place = f"{edge['file']}:{edge['line']}" if edge["file"] and edge["line"] else None
        parts = [edge["expression"], place or (f"by {label(edge['via'])}" if edge["via"] else None), edge["type"] if edge["type"] == "INDIRECT" else None,
                 "columns unknown" if edge["basis"] == "inputsOutputs" else None]
        said.append(" ".join(part for part in parts if part))
    text = "; ".join(dict.fromkeys(each for each in said if each))
    return Text(f"  ← {text}" if text else "", style="dim")


def impact_view(answer: Row) -> Iterable[RenderableType]:
    """One table, the worst and nearest first; columns stand in the row of their dataset."""
    what = (answer["change"] or "").replace("_", " ").lower()
    roots = ", ".join(label(root["urn"]) for root in answer["roots"])
    yield Text.assemble((f"{what} {roots}: ", "bold"), (f"{answer['breaking']} breaking", "bold red"), ", ", (f"{answer['possible']} possible", "yellow"))
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("severity", "what", "kind", "owners", "last made", "last run", "binding", "path"):
        table.add_column(name, overflow="fold")
    for item in answer["affected"]:
        if item["kind"] == "COLUMN":
            continue
        made, run = item["lastMaterialization"], item["lastRun"]
        columns = f" ({', '.join(item['columns'])})" if item["columns"] else ""
        live = "".join(f" live in {each['environment']}" for each in item["deployments"])
        severity = Text(item["severity"].lower(), style="red" if item["severity"] == "BREAKING" else "yellow")
        kind, owners = item["kind"].lower().replace("_", " ") + live, ", ".join(item["owners"]) or "nobody"
        table.add_row(severity, escape(label(item["urn"]) + columns), kind, escape(owners), _time(made["at"]) if made else "",
                      (run["status"] or "?").lower() if run else "", item["binding"].lower(), _path(answer, item))
    yield table
    yield foot(answer)


def _path(answer: Row, item: Row) -> str:
    nodes, edges = answer["nodes"], answer["edges"]
    if not item["path"]:
        return ""
    steps = [edges[index] for index in item["path"]]
    names = [label(nodes[steps[0]["upstream"]]["urn"])]
    names += [label(nodes[edge["downstream"]]["urn"]) for edge in steps]
    placed = next((f" [dim]({escape(edge['file'])}:{edge['line']})[/dim]" for edge in reversed(steps) if edge["file"] and edge["line"]), "")
    return " → ".join(map(escape, names)) + placed


def trace_view(answer: Row) -> Iterable[RenderableType]:
    """The verdict, what changed, then every step back to raw data."""
    verdict = answer["verdict"]
    yield Panel(Text(verdict["because"]), title=verdict["cause"].replace("_", " ").lower(), title_align="left", border_style="bold")
    for change in answer["changes"]:
        if change["pathChanged"]:
            yield _change(change)
    for finding in answer["quality"]:
        place = "raw data" if finding["onSource"] else "derived data"
        yield Text.assemble(("failed check ", "bold red"), f"{finding['check']} on {label(finding['urn'])} ({place}): expected {finding['expected']}, ",
                            f"found {finding['actual']}", f", version {finding['version']}" if finding["version"] else "")
    for number, step in enumerate(answer["steps"], 1):
        yield from _step(number, step)
    for source in answer["sources"]:
        version = source["version"]
        known = f"version {version['id']}, {_time(version['committedAt'])}" if version else "no version known"
        changed = {True: ", its data differs from the version before", False: ", its data equals the version before", None: ""}[source["changed"]]
        yield Text.assemble(("raw  ", "bold"), (label(source["urn"]), "bold cyan"), f" ({', '.join(source['columns'])})  {known}{changed}",
                            (f"  {source['failedChecks']} failed checks", "red") if source["failedChecks"] else "")
    yield foot(answer)


def _change(change: Row) -> Text:
    text = Text.assemble(("changed ", "bold yellow"), f"{label(change['job'])} at {_time(change['at'])} (entry {change['openedBy']})", _by(change["commit"]))
    for item in change["columns"]:
        if item["changed"]:
            text.append(f"\n    {label(item['urn'])}: ")
            text.append(str(item["before"]), style="red")
            text.append(" → ")
            text.append(str(item["after"]), style="green")
    return text


def _step(number: int, step: Row) -> Iterable[RenderableType]:
    if step["restricted"]:
        yield Text(f"{number}. (outside your grants)", style="dim")
        return
    inputs = ", ".join(label(each["urn"]) for each in step["inputs"])
    head = Text.assemble((f"{number}. ", "bold"), (label(step["urn"]), "bold green"), " = ", step["expression"] or "(expression unknown)", f"  from {inputs}")
    place = step["path"] or "place unknown"
    if step["file"] and step["line"]:
        place = ":".join(str(part) for part in (step["file"], step["line"], step["column"]) if part)
    run, output = step["run"], step["output"]
    details: list[str | Text] = [f"   {place}", _by(step["commit"])]
    if run:
        signed = f", signed by {run['signedBy'].lower()}" if run["signedBy"] else ""
        details.append(f"\n   run {run['id']} {(run['status'] or '').lower()} {_time(run['endedAt'] or run['startedAt'])}{signed}")
    if output:
        details.append(f"\n   wrote {output['id']}" + (f", fp1 {output['fingerprint'][:12]}…" if output["fingerprint"] else ""))
    if step["codeMatchesRun"] is False:
        details.append(Text("\n   the run ran another version of this code", style="yellow"))
    parts: list[RenderableType] = [head, Text.assemble(*details)]
    if step["snippet"]:
        snippet = step["snippet"]
        parts.append(Syntax("\n".join(snippet["lines"]), "sql", line_numbers=True, start_line=snippet["start"], highlight_lines={snippet["highlight"]},
                            theme="ansi_dark", background_color="default"))
    yield Group(*parts)


def _by(commit: Row | None) -> Text:
    if commit is None:
        return Text("  commit unknown", style="dim")
    return Text.assemble(f"  commit {commit['sha'][:12]} by ", (commit["author"] or "unknown author", "bold"), f" {_time(commit['committedAt'])}",
                         f" “{commit['subject']}”" if commit["subject"] else "")


def audit_view(answer: Row) -> Iterable[RenderableType]:
    """One row per entry, oldest first."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("entry", "claimed", "logged", "what", "subject", "outcome", "changed", "who", "signed by", "proof"):
        table.add_column(name, overflow="fold")
    for row in answer["rows"]:
        who = row["actor"] or (row["commit"] or {}).get("author") or ""
        commit = f" {row['commit']['sha'][:12]}" if row["commit"] else ""
        key = row["key"]
        outcome = Text(row["status"] + (f": {row['reason']}" if row["reason"] else ""), style="" if row["status"] == "applied" else "yellow")
        what = row["eventType"].removeprefix("lineproof.")
        table.add_row(str(row["index"]), _time(row["claimedAt"]), _time(row["loggedAt"]), what, escape(label(row["urn"])), outcome,
                      escape("; ".join(_fact(change) for change in row["changes"])), escape(who + commit),
                      escape(f"{key['label'] or row['signer'][:12]} ({key['state']})"), f"in {row['proof']['size']}" if row["proof"]["size"] else "to come")
    yield table
    yield foot(answer)


def _fact(change: Row) -> str:
    before, after = _brief(change["before"]), _brief(change["after"])
    return f"{change['fact']}: {after}" if change["before"] is None else f"{change['fact']}: {before} → {after}"


def _brief(value: Any) -> str:
    if isinstance(value, str) and value.startswith("urn:lineproof:"):
        return label(value)
    if isinstance(value, list) and value and all(isinstance(each, dict) and "name" in each for each in value):
        value = ", ".join(str(each["name"]) for each in value)
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _time(value: str | None) -> str:
    return "" if value is None else datetime.fromisoformat(value).strftime("%Y-%m-%d %H:%M:%SZ")
