"""`lineproof diff|suspects`: what became another between two positions, and what of it may be the cause."""
from __future__ import annotations

from typing import Annotated, Any

import typer

from metadata_service.cli import documents
from metadata_service.cli.asking import Evidence, Target, ask_about
from metadata_service.cli.output import Json
from metadata_service.cli.questions import WAYS, Data, Entity, EvidenceFile, Server, Token, Way, WithLeaves, position

__all__ = ["register"]

Start = Annotated[str, typer.Option("--from", help="The earlier position: a tree size or a time.")]
End = Annotated[str | None, typer.Option("--to", help="The later position; default: now.")]


def diff(entity: Entity, start: Start, end: End = None, direction: Annotated[Way, typer.Option("--direction", "-d")] = Way.up,
         depth: Annotated[int, typer.Option("--depth", help="Hops; 0 for everything.")] = 0,
         assets: Annotated[bool, typer.Option("--assets", help="Dataset by dataset, not column by column.")] = False,
         evidence: EvidenceFile = None, with_leaves: WithLeaves = False, server: Server = None, token: Token = None, data: Data = None,
         as_json: Json = False) -> None:
    """What changed between two positions in an entity's lineage, and in the facts on the way."""
    from metadata_service.cli.views import show
    from metadata_service.cli.views.diff import diff_view

    way = WAYS[direction]
    variables = {"from": position(start), "to": position(end), "direction": way, "depth": depth or None, "level": "ASSET" if assets else "COLUMN"}

    def cited(found: dict[str, Any]) -> set[int]:
        return {side["openedBy"] for edge in found["edges"] for side in (edge["before"], edge["after"]) if side is not None}

    answer = ask_about(Target(server, token, data), "diff", documents.DIFF, entity, lambda urn: {"urn": urn, **variables},
                       Evidence(evidence, with_leaves, cited), as_json)
    if not as_json:
        show(*diff_view(answer))


def suspects(entity: Entity, start: Start, end: End = None, evidence: EvidenceFile = None, with_leaves: WithLeaves = False, server: Server = None,
             token: Token = None, data: Data = None, as_json: Json = False) -> None:
    """What changed upstream of a value within a window, the likeliest cause first: code, data, schemas, checks, pins, runs that failed or are missing."""
    from metadata_service.cli.views import show
    from metadata_service.cli.views.suspects import suspects_view

    def cited(found: dict[str, Any]) -> set[int]:
        return {row["since"] - 1 for row in found["rows"] if row["since"]}

    answer = ask_about(Target(server, token, data), "suspects", documents.SUSPECTS, entity,
                       lambda urn: {"urn": urn, "from": position(start), "to": position(end)}, Evidence(evidence, with_leaves, cited), as_json)
    if not as_json:
        show(*suspects_view(answer))


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("diff")(diff)
    app.command("suspects")(suspects)
