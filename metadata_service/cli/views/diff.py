"""What changed, as lines of more and less."""
from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

from rich.console import RenderableType
from rich.text import Text

from lineproof_schema.urn import holder
from metadata_service.cli.output import counted
from metadata_service.cli.views.frame import Hanging, Row, fact_words, foot, indented, words
from metadata_service.cli.views.names import Names, short_id

__all__ = ["diff_view"]

MARKS: Final = {"ADDED": ("+", "green"), "REMOVED": ("-", "red"), "CHANGED": ("~", "yellow")}
MAX_VALUE: Final = 200  # characters of a fact
MAX_SIZES: Final = 8


def diff_view(answer: Row) -> Iterable[RenderableType]:
    """Entities, edges and facts that came, went or became others; then the sizes at which the entity's own lineage changed."""
    names = Names(answer)
    changed = len(answer["nodes"]) + len(answer["edges"]) + len(answer["facts"])
    yield Text(f"from {answer['from']} to {answer['to']}: {changed or 'no'} {'difference' if changed == 1 else 'differences'}", style="bold")
    for node in answer["nodes"]:
        yield Text.assemble(_mark(node["change"]), (names(node["urn"]), "bold"), (f"  {words(node['kind'])}", "dim"))
    alike: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for edge in answer["edges"]:
        if (by := _other_code(edge)) is not None:
            alike[names(holder(edge["downstream"]) if edge["downstream"] else None), *by].append(edge)
            continue
        how = f"  [{words(edge['subtype'] or 'indirect')}]" if edge["type"] == "INDIRECT" else ""
        yield Text.assemble(_mark(edge["change"]), f"{names(edge['downstream'])} ← {names(edge['upstream'])}", (how, "dim"))
        yield from (indented(Text.assemble((f"{sign} ", style), said)) for sign, style, said in _sides(edge))
    for (of, before, after), edges in alike.items():
        yield Hanging(Text.assemble(_mark("CHANGED"), (of, "bold"), f": {counted(len(edges), 'edge')} as before, by other code: {before} → {after}",
                                    (f"  since {max(edge['after']['since'] for edge in edges)}", "dim")))
    for fact in answer["facts"]:
        what = f" {fact_words(fact['fact'])}: {_short(fact['before'])} → {_short(fact['after'])}"
        yield Hanging(Text.assemble(_mark("CHANGED"), (names(fact["urn"]), "bold"), what,
                                    (f"  since {fact['since']}" if fact["since"] is not None else "", "dim")))
    if answer["positions"]:
        shown = ", ".join(str(size) for size in answer["positions"][-MAX_SIZES:])
        yield Text(f"its own lineage changed at {'… ' if len(answer['positions']) > MAX_SIZES else ''}{shown}", style="dim")
    yield foot(answer, names)


def _mark(change: str) -> tuple[str, str]:
    mark, style = MARKS[change]
    return f"{mark} ", style


def _other_code(edge: Row) -> tuple[str, str] | None:
    """The code before and after, where that is all there is to say: the expression is the same."""
    before, after = edge["before"], edge["after"]
    if before is None or after is None or _said(before) != _said(after) or before["transformation"] == after["transformation"]:
        return None
    old, new = (short_id((side["transformation"] or "unknown").rpartition(":")[2]) for side in (before, after))
    return old, new


def _sides(edge: Row) -> Iterable[tuple[str, str, str]]:
    old, new = (_said(side) if side is not None else "" for side in (edge["before"], edge["after"]))
    for sign, style, said in (("-", "red", old), ("+", "green", new)):
        if said and old != new:
            yield sign, style, said


def _said(side: Row) -> str:
    place = f"{side['file']}:{side['line']}" if side["file"] and side["line"] else None
    return "  ".join(part for part in (" ".join((side["expression"] or "").split()), place) if part)


def _short(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, list) and value and all(isinstance(each, dict) and "name" in each for each in value):
        text = ", ".join(f"{each['name']} {each.get('type') or ''}".strip() for each in value)
    else:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}…"
