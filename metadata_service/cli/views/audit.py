"""An audit trail as a list: one paragraph per log entry, with what it changed under it."""
from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence, Set
from datetime import datetime
from typing import Any, Final

from rich.console import RenderableType
from rich.text import Text

from lineproof_schema.urn import holder, kind_of, parse_urn
from metadata_service.cli.views.frame import Hanging, Row, fact_words, foot, indented, time
from metadata_service.cli.views.names import Names, columns_by_dataset, short_id
from metadata_service.queries.phrases import shortened, spoken

__all__ = ["audit_view"]

CLAIM_SECONDS: Final = 60  # a claimed time further from the logged one than this is shown
VALUE_SHOWN: Final = 60  # characters of a fact
MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def audit_view(answer: Row, *, only_changes: bool = False) -> Iterable[RenderableType]:
    """Oldest first. With `only_changes`, entries that changed no fact and no lineage and were applied are counted instead."""
    names = Names(answer)
    entries: dict[int, list[Row]] = defaultdict(list)
    for row in answer["rows"]:
        entries[row["index"]].append(row)
    subjects = {holder(row["urn"]) for row in answer["rows"] if row["urn"] is not None}
    quiet = 0
    for rows in entries.values():
        if only_changes and rows[0]["status"] == "applied" and not any(row["changes"] or row["edges"] for row in rows):
            quiet += 1
            continue
        yield Hanging(_head(rows[0]), 6)
        yield from _subjects([row for row in rows if row["urn"] is not None], names, subjects)
    if quiet:
        yield Text(f"{quiet} more entries changed nothing", style="dim")
    elif not entries:
        yield Text("no entries")
    yield foot(answer, names)


def _head(row: Row) -> Text:
    key, commit, proof = row["key"], row["commit"], row["proof"]
    who = row["actor"] or ((commit["email"] or commit["author"]) if commit else None)
    who = short_id(who) if who and "@" not in who else who  # of a token only the keyed hash is known
    outcome = (row["status"], "green" if row["status"] == "applied" else "bold yellow")
    claimed = ""
    if row["claimedAt"] is not None:
        away = abs((datetime.fromisoformat(row["claimedAt"]) - datetime.fromisoformat(row["loggedAt"])).total_seconds())
        claimed = f"claimed {time(row['claimedAt'])}" if away > CLAIM_SECONDS else ""
    said = [row["eventType"].removeprefix("lineproof."), outcome, who, commit["sha"][:12] if commit else None,
            f"key {key['label'] or row['signer'][:12]} ({key['state']})", f"in checkpoint {proof['size']}" if proof["size"] else "checkpoint to come", claimed]
    text = Text.assemble((f"#{row['index']}", "bold"), f"  {time(row['loggedAt'])}")
    for part in said:
        if part:
            text.append("  ").append(*(part if isinstance(part, tuple) else (part,)))
    if row["reason"]:
        text.append(f"\n    {row['reason']}" + (f": {spoken(row['detail'])}" if row["detail"] else ""), "yellow")
    return text


def _subjects(rows: Sequence[Row], names: Names, subjects: Set[str]) -> Iterable[RenderableType]:
    """What changed, entities with the same change together.

    Where nothing did, whom the entry concerned; unless it is what all entries are about.
    """
    said: dict[str, list[str]] = {}
    born = [row for row in rows if kind_of(row["urn"]) == "column" and {change["fact"] for change in row["changes"]} & {"position", "dataType"}
            and all(change["before"] is None for change in row["changes"])]
    for row in rows:
        facts = [] if row in born else _facts(row["changes"], names)
        for line in (*facts, *_lineage(row["edges"], names)):
            said.setdefault(line, []).append(row["urn"])
    for dataset, columns in _by_dataset(born).items():
        yield indented(Text.assemble((names(dataset), "cyan"), f": new columns {', '.join(columns)}"))
    for line, urns in said.items():
        yield indented(Text.assemble((names.list(urns), "cyan"), f": {line}"))
    if rows and not said and not born and {row["urn"] for row in rows} != subjects:
        yield indented(Text(names.list([row["urn"] for row in rows]), style="dim"))


def _by_dataset(rows: Sequence[Row]) -> dict[str, list[str]]:
    """New columns with their types, in their order."""
    found: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for row in rows:
        facts = {change["fact"]: change["after"] for change in row["changes"]}
        name = f"{parse_urn(row['urn']).name} {facts.get('dataType') or ''}".rstrip()
        found[holder(row["urn"])].append((facts.get("position") or 0, name))
    return {dataset: [name for _, name in sorted(columns)] for dataset, columns in found.items()}


def _facts(changes: Sequence[Row], names: Names) -> list[str]:
    """New facts in one line, changed ones in a line each."""
    new = [f"{change['fact'].replace(':', ' ')} → {_pointed(change['after'])}" if change["fact"].startswith("alias:") else
           f"{fact_words(change['fact'])} {_brief(change['after'], names)}".rstrip() for change in changes if change["before"] is None]
    return (["; ".join(new)] if new else []) + [_changed(change, names) for change in changes if change["before"] is not None]


def _changed(change: Row, names: Names) -> str:
    if change["fact"].startswith("alias:"):
        return f"{change['fact'].replace(':', ' ')} {_pointed(change['before'])} → {_pointed(change['after'])}"
    before, after = _fields(change["before"]), _fields(change["after"])
    if before is not None and after is not None:
        return f"{fact_words(change['fact'])} {_fields_changed(before, after)}"
    return f"{fact_words(change['fact'])} {_brief(change['before'], names)} → {_brief(change['after'], names)}"


def _pointed(alias: Any) -> str:
    """Where an alias stands; null once it is deleted."""
    said = alias if isinstance(alias, dict) else {}
    reason = f" (“{shortened(str(said['reason']), VALUE_SHOWN)}”)" if said.get("reason") else ""
    return f"{said.get('version', 'deleted')}{reason}"


def _fields(value: Any) -> dict[str, Any] | None:
    """A list of named things (a schema, owners) by name."""
    if isinstance(value, list) and value and all(isinstance(each, dict) and "name" in each for each in value):
        return {str(each["name"]): each for each in value}
    return None


def _fields_changed(before: dict[str, Any], after: dict[str, Any]) -> str:
    changed = [f"{name} {_type(before[name])} → {_type(after[name])}".rstrip() for name in after if name in before and before[name] != after[name]]
    new = [f"+ {name} {_type(after[name])}".rstrip() for name in after if name not in before]
    parts = new + [f"- {name}" for name in before if name not in after] + changed
    return shortened(", ".join(parts) or "another order", VALUE_SHOWN * 3)


def _type(field: Any) -> str:
    return str(field.get("type") or "") if isinstance(field, dict) else ""


def _brief(value: Any, names: Names) -> str:
    if isinstance(value, str):
        if kind_of(value) == "dataset-version":
            return short_id(parse_urn(value).components[2])
        if MOMENT.fullmatch(value):
            return time(value)
        return names(value) if kind_of(value) is not None else short_id(value) if " " not in value else shortened(value, VALUE_SHOWN)
    named = _fields(value)
    return shortened(", ".join(named), VALUE_SHOWN) if named is not None else shortened(spoken(_plain(value)), VALUE_SHOWN)


def _plain(value: Any) -> Any:
    """Without who made a facet and where its schema stands; a list in a list as words."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items() if not key.startswith("_")}
    if isinstance(value, list):
        return [" ".join(map(str, each)) if isinstance(each, list) else _plain(each) for each in value]
    return value


def _lineage(edges: Sequence[Row], names: Names) -> Iterable[str]:
    """What it now reads, what no longer, and how it is computed now. Inputs of each kind once, whatever they are read for."""
    opened, closed = ([edge for edge in edges if edge["action"] == action] for action in ("OPENED", "CLOSED"))
    new, old = ({edge["urn"] for edge in these} for these in (opened, closed))
    parts = [f"{verb} {_inputs(urns, names)}" for verb, urns in (("now reads" if closed else "reads", new - old), ("no longer", old - new)) if urns]
    if parts:
        yield ", ".join(parts)
    before, after = (list(dict.fromkeys(" ".join(edge["expression"].split()) for edge in these if edge["expression"])) for these in (closed, opened))
    if before and after and before != after:
        place = next((f" ({edge['file']}:{edge['line']})" for edge in opened if edge["expression"] and edge["file"] and edge["line"]), "")
        yield f"{'; '.join(before)} → {'; '.join(after)}{place}"
    elif not parts and edges:
        yield "decided by other joins, filters or windows of the same inputs"


def _inputs(urns: set[str | None], names: Names) -> str:
    ordered = sorted(urns, key=lambda urn: urn or "")
    return names.list(ordered) if len(columns_by_dataset(ordered)) <= 3 else ", ".join(
        f"{names(of)} ({len(columns)} columns)" if len(columns) > 1 else f"{names(of)}.{columns[0]}" if columns else names(of)
        for of, columns in columns_by_dataset(ordered).items())
