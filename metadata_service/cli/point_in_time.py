"""`lineproof features check`: the checks of training data against time, as a gate."""
from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from metadata_service.cli.asking import Evidence, Target, ask_about
from metadata_service.cli.output import Json
from metadata_service.cli.questions import At, Data, EvidenceFile, Server, Token, WithLeaves, position

__all__ = ["ShowUnlessNamed", "check"]

_HEAD: Final = "computedAt { size rootHash coveringCheckpoint } completeness { complete truncated restricted unknown reasons { code detail urn } }"
_POINT_IN_TIME: Final = f"""query PointInTime($urn: ID!, $boundary: Boundary! = STRICT, $at: Position) {{
  pointInTimeChecks(urn: $urn, boundary: $boundary, at: $at) {{
    {_HEAD} urn state boundary training referenceTime labelTime labels violations suspects unknown proven
    checks {{ check state urn code detail evidence {{ what text entry file line column version transformation restricted
      commit {{ urn sha repository author email subject committedAt branch pullRequest dirty recordedBy }} }} }}
  }} }}"""


class Limit(StrEnum):
    """Whether a row known at the very reference time may be read."""

    strict = "strict"
    inclusive = "inclusive"


class ShowUnlessNamed(TyperGroup):
    """`features NAME` shows a feature; `features check NAME` is a command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = ["show", *args]
        return super().parse_args(ctx, args)


def check(entity: Annotated[str, typer.Argument(metavar="MODEL@VERSION", help="A model version, a feature version, a dataset or one of its versions.")],
          boundary: Annotated[Limit, typer.Option("--boundary", help="inclusive: a row known at the very reference time may be read.")] = Limit.strict,
          verbose: Annotated[bool, typer.Option("--all", help="Also what is proven, with what proves it.")] = False, at: At = None,
          evidence: EvidenceFile = None, with_leaves: WithLeaves = False, server: Server = None, token: Token = None, data: Data = None,
          as_json: Json = False) -> None:
    """Was everything in the training data known when predictions are made? Exits 1 on a violation."""
    from metadata_service.cli.views import show
    from metadata_service.cli.views.point_in_time import point_in_time_view

    def cited(found: dict[str, Any]) -> Iterable[int]:
        told = [each for check in found["checks"] for each in check["evidence"]]
        yield from (each["entry"] for each in told if each["entry"] is not None)
        yield from (each["commit"]["recordedBy"] for each in told if each["commit"] is not None and each["commit"]["recordedBy"] is not None)

    answer = ask_about(Target(server, token, data), "pointInTimeChecks", _POINT_IN_TIME, entity,
                       lambda urn: {"urn": urn, "boundary": boundary.name.upper(), "at": position(at)}, Evidence(evidence, with_leaves, cited), as_json)
    if not as_json:
        show(*point_in_time_view(answer, verbose))
    if answer["violations"]:
        raise typer.Exit(1)
