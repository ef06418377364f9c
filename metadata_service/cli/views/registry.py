"""A feature version on a terminal: what it is, where it lies, and whether it fits the version before."""
from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

__all__ = ["feature_view"]

Row = Mapping[str, Any]
_STYLES = {"additive": "green", "breaking": "red", "unknown": "yellow"}


def feature_view(answer: Row) -> Iterable[RenderableType]:
    """One version in full, then all versions."""
    found, version = answer["feature"], answer["feature"]["version"]
    yield Text.assemble((f"{found['name']}@{version['version']}", "bold magenta"), (f"  {found['namespace']}  ({found['because']})", "dim"),
                        ("  ended", "red") if version["dropped"] else "")
    table = Table(box=None, show_header=False, pad_edge=False)
    for label, value in _facts(version):
        if value:
            table.add_row(Text(label, style="dim"), Text(value))
    yield table
    if version["compatibility"] is not None:
        yield from _compatibility(version["compatibility"])
    rows = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("version", "entry", "data hash", "aliases"):
        rows.add_column(name)
    for each in found["versions"]:
        rows.add_row(each["version"] + (" (ended)" if each["dropped"] else ""), str(each["registeredBy"]), each["digest"][:16], " ".join(each["aliases"]))
    yield rows
    yield Text(f"at {answer['computedAt']['size']}", style="dim")


def _facts(version: Row) -> Iterable[tuple[str, str]]:
    definition = version["definition"] or {}
    yield "type", str(definition.get("dtype") or "")
    yield "keys", ", ".join(definition.get("entities") or ())
    yield "sql", str(definition.get("sql") or "")
    yield "sources", ", ".join(f"{each['namespace']}/{each['name']}" for each in definition.get("sources") or ())
    yield "column", version["column"] or ""
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
        yield "adapter", f"{adapter['from']} → {adapter['to']}: sha256:{adapter['digest']}"


def _compatibility(found: Row) -> Iterable[RenderableType]:
    declared = f", declared {found['declared']}" if found["declared"] else ""
    yield Text.assemble(f"against {found['with']}: ", (found["checked"], _STYLES.get(found["checked"], "")), declared,
                        ("  the declaration is wrong", "bold red") if found["agrees"] is False else "", (f"  {found['because']}", "dim"))
    for each in found["differences"]:
        what = f"{each['what']}.{each['column']}" if each["column"] else each["what"]
        yield Text(f"   {each['effect']:<15} {what}: {_short(each['before'])} → {_short(each['after'])}")
    for each in found["usedBy"]:
        yield Text(f"   read by {each['urn']}{' (' + each['column'] + ')' if each['column'] else ''}{'' if each['certain'] else ', columns not known'}")


def _short(value: Any) -> str:
    text = "nothing" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"
