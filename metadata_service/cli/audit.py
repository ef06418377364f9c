"""`lineproof audit`: who changed what, of one entity or of the whole log, for reading and as an export."""
from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from lineproof_schema.errors import LineproofError
from metadata_service.cli import documents
from metadata_service.cli.asking import Evidence, Target, ask_about, ask_plainly
from metadata_service.cli.output import Json, json_text, note, say
from metadata_service.cli.questions import At, Data, EvidenceFile, Server, Token, WithLeaves, position

__all__ = ["register"]

PAGE: Final = 200  # rows asked for at once: what they cost lies well below what one query may
SHOWN: Final = 200  # rows without --limit; exports have them all
ALL: Final = 2**31 - 1


class Format(StrEnum):
    """How a trail is given."""

    text = "text"
    json = "json"
    csv = "csv"
    ocsf = "ocsf"


def audit(entity: Annotated[str | None, typer.Argument(metavar="[ENTITY]", help="A URN, <namespace>/<name>[.column], or a bare name like "
                                                       "weather.wind_speed; without it, the whole log.")] = None,
          start: Annotated[str | None, typer.Option("--from", help="Begin of the window: entry index or time.")] = None,
          end: Annotated[str | None, typer.Option("--to", help="End of the window, exclusive: entry index or time.")] = None,
          upstream: Annotated[bool, typer.Option("--upstream", help="Also everything it is made of.")] = False,
          actor: Annotated[str | None, typer.Option("--actor", help="Only entries whose body names this person (e-mail).")] = None,
          commit: Annotated[str | None, typer.Option("--commit", help="Only entries of this commit (SHA or its beginning).")] = None,
          event_type: Annotated[list[str] | None, typer.Option("--type", help="Only these event types; may be repeated.")] = None,
          changes: Annotated[bool, typer.Option("--changes", help="Show only entries that changed a fact or lineage, or were not applied.")] = False,
          account: Annotated[bool, typer.Option("--account", help="Also say whether the window is whole: outcomes, bodies, gaps per producer.")] = False,
          style: Annotated[Format, typer.Option("--format", help="text; json; csv (a line per change); ocsf (JSON lines, class 3004).")] = Format.text,
          out: Annotated[Path | None, typer.Option("--out", "-o", help="Write here instead of to the screen.")] = None,
          limit: Annotated[int | None, typer.Option("--limit", min=1, help="At most about this many rows (text and json: 200; csv and ocsf: all).")] = None,
          at: At = None, evidence: EvidenceFile = None, with_leaves: WithLeaves = False, server: Server = None, token: Token = None, data: Data = None,
          as_json: Json = False) -> None:
    """Who changed what, in a window, with outcome and proof."""
    style = Format.json if as_json else style
    if out is not None and style is Format.text:
        raise LineproofError("--out takes --format json, csv or ocsf", code="invalid-argument")
    rows = limit or (ALL if style in (Format.csv, Format.ocsf) else SHOWN)
    target, window = Target(server, token, data), {"from": position(start), "to": position(end)}
    variables = {**window, "upstream": upstream, "actor": actor, "commit": commit, "eventTypes": event_type, "first": min(rows, PAGE), "at": position(at)}
    trail = ask_about(target, "auditTrail", documents.AUDIT, entity, lambda urn: {"urn": urn, **variables},
                      Evidence(evidence, with_leaves, lambda found: (row["index"] for row in found["rows"])), False, rows=rows)
    accounting = None
    if account:
        accounting = ask_plainly(target, "accounting", documents.ACCOUNTING, {**window, "at": {"size": trail["computedAt"]["size"]}}, False)
    if style is Format.text:
        from metadata_service.cli.views import audit_view, show

        show(*audit_view(trail, only_changes=changes))
        if accounting is not None:
            say(accounting["statement"])
        return
    _give(_written(style, trail, accounting, target), out)
    if accounting is not None and style is not Format.json:
        note(accounting["statement"])


def _written(style: Format, trail: dict[str, Any], accounting: dict[str, Any] | None, target: Target) -> Iterable[str]:
    from metadata_service.cli import audit_formats

    if style is Format.json:
        return [json_text({"auditTrail": trail, **({"accounting": accounting} if accounting is not None else {})}) + "\n"]
    if style is Format.csv:
        return audit_formats.csv_lines(trail["rows"])
    origin = ask_plainly(target, "checkpoint", documents.CHECKPOINT, {}, False)["origin"]
    return audit_formats.ocsf_lines(trail["rows"], origin)


def _give(lines: Iterable[str], out: Path | None) -> None:
    if out is None:
        for line in lines:
            typer.echo(line, nl=False)
        return
    with out.open("w", encoding="utf-8", newline="") as file:
        file.writelines(lines)
    note(f"wrote {out}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("audit")(audit)
