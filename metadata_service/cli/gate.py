"""`lineproof ci gate`: what a pull request takes away, and whom that breaks."""
from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from metadata_service.cli import documents
from metadata_service.cli.asking import Ask, Target, error_of
from metadata_service.cli.output import Json, print_json, say
from metadata_service.cli.questions import Data, Server, Token

__all__ = ["gate"]


class Severity(StrEnum):
    """What makes the gate fail."""

    breaking = "breaking"
    possible = "possible"
    never = "never"


def gate(base: Annotated[Path, typer.Argument(help="Schemas before: dbt's manifest.json or catalog.json, or {table: {column: type}}.")],
         head: Annotated[Path, typer.Argument(help="Schemas after, in the same form.")],
         fail_on: Annotated[Severity, typer.Option("--fail-on", help="possible: also when it is not certain, or not known, that something breaks.")] =
         Severity.breaking,
         out: Annotated[Path | None, typer.Option("--out", help="Write the report here, too (for instance $GITHUB_STEP_SUMMARY).")] = None,
         server: Server = None, token: Token = None, data: Data = None, as_json: Json = False) -> None:
    """Columns and tables that a change drops, who reads them, and by which path, as Markdown. Exits 1 if that breaks something.

    Asks a service, or a data directory without one.
    """
    from metadata_service.cli.views.gate import Checked, breaking, markdown, possible
    from metadata_service.gate.changes import changes
    from metadata_service.gate.schemas import read_schemas

    found = changes(read_schemas(base), read_schemas(head))
    checked: Sequence[Checked] = ()
    if found:
        async def work(ask: Ask) -> dict[str, Any]:
            return {"checked": [Checked(change, *await _impact(ask, change.name, change.kind)) for change in found]}

        checked = Target(server, token, data).ask(work)["checked"]
    report = markdown(checked)
    if out is not None:
        with out.open("a", encoding="utf-8") as file:
            file.write(report)
    if as_json:
        print_json({"breaking": breaking(checked), "possible": possible(checked),
                    "changes": [{"kind": each.change.kind, "name": each.change.name, "unknown": each.why, "impact": each.impact} for each in checked]})
    else:
        say(report.rstrip("\n"))
    if (fail_on is not Severity.never and breaking(checked)) or (fail_on is Severity.possible and possible(checked)):
        raise typer.Exit(1)


async def _impact(ask: Ask, name: str, kind: str) -> tuple[dict[str, Any] | None, str | None]:
    """The impact of a change, or why it cannot be told: nothing, or more than one thing, is called so."""
    body = await ask(documents.RESOLVE, {"ref": {"name": name}})
    if body.get("errors"):
        error = error_of(body["errors"][0])
        if error.code == "ambiguous-name":
            return None, error.detail
        raise error
    entity = body["data"]["entity"]["entity"]
    if entity is None:
        return None, f"nothing recorded is called {name}"
    body = await ask(documents.IMPACT, {"change": {"kind": kind.upper().replace("-", "_"), "urn": entity["urn"]}})
    if body.get("errors"):
        raise error_of(body["errors"][0])
    found: dict[str, Any] = body["data"]["impact"]
    return found, None
