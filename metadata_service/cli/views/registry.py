"""Feature and model versions on a terminal: what they are, where they lie, what they are bound to, and who moved their aliases."""
from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from lineproof_schema.urn import parse_urn
from metadata_service.cli.views.frame import Hanging, Row, time
from metadata_service.cli.views.names import label

__all__ = ["apart", "feature_view", "model_view"]

_STYLES = {"additive": "green", "breaking": "red", "unknown": "yellow"}


MOVES_SHOWN: Final = 10
PART_SHOWN: Final = 60  # characters of a value beside another


def feature_view(answer: Row) -> Iterable[RenderableType]:
    """One version in full, then all versions and the last moves of the aliases."""
    found, version = answer["feature"], answer["feature"]["version"]
    yield _title(found)
    yield _table(_facts(version))
    if version["compatibility"] is not None:
        yield from _compatibility(version["compatibility"])
    yield from _versions(found, "data hash")
    yield Text(f"at {answer['computedAt']['size']}", style="dim")


def model_view(answer: Row) -> Iterable[RenderableType]:
    """One version in full, then deployments, all versions and the last moves of the aliases."""
    found, version = answer["model"], answer["model"]["version"]
    yield _title(found)
    yield _table(_model_facts(version))
    for each in found["deployments"]:
        state = ("live", "green") if each["live"] else ("retired" if each["action"] == "retire" else "replaced", "dim")
        served = ", ".join(_spelled(urn) for urn in each["features"])
        yield Hanging(Text.assemble("deployment ", (each["id"], "bold"), f"  {_spelled(each['modelVersion'])} in {each['environment']}  ", state,
                                    (f" since {each['since']}", "dim"), f"  serves {served}" if served else ""))
    yield from _versions(found, "artifact")
    yield Text(f"at {answer['computedAt']['size']}", style="dim")


def _title(found: Row) -> Text:
    version = found["version"]
    return Text.assemble((f"{found['name']}@{version['version']}", "bold magenta"), (f"  {found['namespace']}  ({found['because']})", "dim"),
                         ("  ended", "red") if version["dropped"] else "")


def _table(facts: Iterable[tuple[str, str]]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        if value:
            table.add_row(Text(name, style="dim"), Text(value))
    return table


def _versions(found: Row, digest: str) -> Iterable[RenderableType]:
    rows = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("version", "entry", digest, "aliases"):
        rows.add_column(name, overflow="fold")
    for each in found["versions"]:
        rows.add_row(Text(each["version"] + (" (ended)" if each["dropped"] else "")), str(each["registeredBy"]), each["digest"][:16],
                     Text(" ".join(each["aliases"])))
    yield rows
    for move in found["history"][-MOVES_SHOWN:]:
        outcome = "" if move["status"] == "applied" else f"  {move['status']}: {move['outcome']}"
        went = f"{move['alias']} {move['was'] or '(new)'} → {move['to'] or '(deleted)'}"
        yield Hanging(Text.assemble((f"#{move['index']}", "bold"), f"  {time(move['loggedAt'])}  {went}", (outcome, "yellow"),
                                    (f"  {(move['actor'] or move['caller'] or '')[:40]}  {_said(move)}".rstrip(), "dim")))
    if len(found["history"]) > MOVES_SHOWN:
        yield Text(f"{len(found['history']) - MOVES_SHOWN} earlier moves: lineproof aliases history", style="dim")


def _said(move: Row) -> str:
    return ", ".join(each for each in (move["reason"], f"approved by {move['approval']}" if move["approval"] else None) if each)


def _model_facts(version: Row) -> Iterable[tuple[str, str]]:
    yield "artifact", f"sha256:{version['artifact']}"
    yield "framework", version["framework"] or ""
    yield "binding", version["binding"] + (f", holds {version['ttlSeconds']} s" if version["ttlSeconds"] else "")
    if version["pins"] is None:
        yield "features", ", ".join(version["features"])
    else:
        yield "manifest", f"{version['pins']['digest']} by entry {version['pins']['index']}"
        for pin in version["pins"]["features"]:
            through = f"  (alias {pin['alias']} since entry {pin['aliasIndex']})" if pin["alias"] else ""
            yield "pin", f"{pin['reference']} → {_spelled(pin['urn'])}{through}"
    yield "trained on", ", ".join(label(urn) for urn in version["trainingDatasets"])
    yield "reference time", version["referenceTimeColumn"] or ""
    yield "label time", version["labelTimeColumn"] or ""
    yield "commit", version["commit"] or ""
    yield "run", label(version["run"]) if version["run"] else ""
    yield "owners", ", ".join(version["owners"])
    yield "aliases", ", ".join(version["aliases"])


def _spelled(urn: str) -> str:
    """`<name>@<version>` of a version's URN, as people read it."""
    *_, name, version = parse_urn(urn).components
    return f"{name}@{version}"


def _facts(version: Row) -> Iterable[tuple[str, str]]:
    definition = version["definition"] or {}
    yield "type", str(definition.get("dtype") or "")
    yield "keys", ", ".join(definition.get("entities") or ())
    yield "sql", str(definition.get("sql") or "")
    yield "sources", ", ".join(f"{each['namespace']}/{each['name']}" for each in definition.get("sources") or ())
    yield "column", label(version["column"]) if version["column"] else ""
    for store in ("offline", "online"):
        if version[store] is not None:
            columns = ", ".join(f"{each['name']} {each['type'] or ''}".strip() for each in version[store]["columns"])
            yield store, version[store]["uri"] + (f"  ({columns})" if columns else "")
    yield "data hash", version["dataHash"]
    yield "metadata hash", version["metadataHash"]
    yield "commit", " ".join(each for each in (version["repository"], version["commit"]) if each)
    yield "owners", ", ".join(version["owners"])
    yield "aliases", ", ".join(version["aliases"])
    for adapter in version["adapters"]:
        kept = {None: "", True: f"  stored, {adapter['bytes']} bytes", False: "  MISSING in the artifact store"}[adapter["stored"]]
        yield "adapter", f"{adapter['from']} → {adapter['to']}: sha256:{adapter['digest']}{kept}"


def _compatibility(found: Row) -> Iterable[RenderableType]:
    declared = f", declared {found['declared']}" if found["declared"] else ""
    yield Text.assemble(f"against {found['with']}: ", (found["checked"], _STYLES.get(found["checked"], "")), declared,
                        _verdict(found), (f"  {found['because']}", "dim"))
    for each in found["differences"]:
        what = f"{each['what']}.{each['column']}" if each["column"] else each["what"]
        yield Hanging(Text(f"   {each['effect']:<15} {what}: {' → '.join(apart(_plainly(each['before']), _plainly(each['after'])))}"), 19)
    for each in found["usedBy"]:
        yield Text(f"   read by {label(each['urn'])}{' (' + each['column'] + ')' if each['column'] else ''}{'' if each['certain'] else ', columns not known'}")


def _verdict(found: Row) -> tuple[str, str]:
    if found["agrees"] is not False:
        return "", ""
    return ("  the declaration is wrong", "bold red") if found["declared"] == "additive" else ("  more careful than what is found", "yellow")


def _plainly(value: Any) -> str:
    return "nothing" if value is None else " ".join(value.split()) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def apart(before: str, after: str) -> tuple[str, str]:
    """Two values from a little before where they part, each cut to what a line holds."""
    same = next((at for at, (old, new) in enumerate(zip(before, after, strict=False)) if old != new), min(len(before), len(after)))
    start = max(0, same - PART_SHOWN // 3) if max(len(before), len(after)) > PART_SHOWN else 0
    end = start + PART_SHOWN
    old, new = (f"{'…' if start else ''}{text[start:end]}{'…' if len(text) > end else ''}" for text in (before, after))
    return old, new
