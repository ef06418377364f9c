"""`lineproof features [show|check]`, `models`, `aliases list|history|move|protect|unprotect`, `rollback`: versions and the pointers to them.

Names are `<namespace>:<name>` with percent-encoded components, or bare if unique; `@<version|alias>` picks a version. Moves are signed by
the service in the caller's name; a move says which entry it expects the alias to stand at, so of two at once one is refused.
"""
from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from lineproof_schema.errors import LineproofError
from metadata_service.cli.asking import Target, ask_plainly
from metadata_service.cli.output import Json, print_json, print_table, say
from metadata_service.cli.point_in_time import ShowUnlessNamed, check
from metadata_service.cli.protect import protect, unprotect
from metadata_service.cli.questions import At, Data, Server, Token, position

if TYPE_CHECKING:
    from metadata_service.cli.service import ServiceClient

__all__ = ["register"]

features_app = typer.Typer(cls=ShowUnlessNamed, help="Features with versions and aliases; one version in full; checks of training data against time.")
aliases_app = typer.Typer(help="Aliases of features and models: who moved them where, when and why.", no_args_is_help=True)

POLL_SECONDS: Final = 0.1
LONGEST_POLLS: Final = 100
_HEAD: Final = "computedAt { size rootHash coveringCheckpoint } completeness { complete truncated restricted unknown reasons { code detail urn } }"
_ALIAS: Final = "{ alias version urn index actor reason approval restores movedAt caller signedBy }"
_MOVE: Final = "{ index alias to was status outcome expected actor reason approval restores loggedAt caller signedBy }"
_STORE: Final = "{ uri columns { name type nullable description } }"
_VERSIONS: Final = "{ urn version registeredBy digest aliases dropped }"
FEATURES: Final = f"""query Features($text: String!, $kind: VersionedKind!, $first: Int!, $after: String) {{
  features(text: $text, kind: $kind, first: $first, after: $after) {{ {_HEAD} after
    rows {{ urn reference namespace name owners description versions newest aliases }} }} }}"""
FEATURE: Final = f"""query Feature($ref: FeatureRef!, $at: Position) {{ feature(ref: $ref, at: $at) {{ {_HEAD} feature {{
  urn namespace name owners description because versions {_VERSIONS} aliases {_ALIAS} history {_MOVE}
  version {{ urn version registeredBy dataHash metadataHash definition column offline {_STORE} online {_STORE} repository commit description owners tags
    aliases materialization dropped adapters {{ from to digest stored bytes }}
    compatibility {{ with urn declared checked schema agrees because adapter differences {{ what column effect before after }}
      usedBy {{ column urn certain }} }} }} }} }} }}"""
_PINS: Final = "{ index digest features { reference urn version alias aliasIndex dataHash } }"
_DEPLOYMENT: Final = f"{{ urn id modelVersion environment live action features image previous since manifest {_PINS} }}"
MODEL: Final = f"""query Model($ref: EntityRef!, $at: Position) {{ model(ref: $ref, at: $at) {{ {_HEAD} model {{
  urn namespace name owners description because versions {_VERSIONS} aliases {_ALIAS} history {_MOVE} deployments {_DEPLOYMENT}
  version {{ urn version registeredBy artifact framework binding ttlSeconds features pins {_PINS} trainingDatasets referenceTimeColumn labelTimeColumn
    commit run description owners aliases dropped }} }} }} }}"""
ALIASES: Final = f"""query Aliases($name: String!, $kind: VersionedKind!, $alias: String, $at: Position) {{
  aliases(name: $name, kind: $kind, alias: $alias, at: $at) {{ {_HEAD} urn aliases {_ALIAS} history {_MOVE} }} }}"""
_OUTCOME: Final = "{ index urn alias was to restores status reason }"
MOVE: Final = f"""mutation Move($name: String!, $kind: VersionedKind!, $alias: String!, $to: String, $expected: Long, $reason: String, $approval: String) {{
  moveAlias(name: $name, kind: $kind, alias: $alias, to: $to, expected: $expected, reason: $reason, approval: $approval, wait: false) {_OUTCOME} }}"""
ROLLBACK: Final = f"""mutation Rollback($name: String!, $kind: VersionedKind!, $alias: String!, $to: String, $reason: String, $approval: String) {{
  rollback(name: $name, kind: $kind, alias: $alias, to: $to, reason: $reason, approval: $approval, wait: false) {_OUTCOME} }}"""
OUTCOME: Final = "query Outcome($index: Long!) { event(index: $index) { event { index status reason detail } } }"

Name = Annotated[str, typer.Argument(metavar="NAME", help="<namespace>:<name>, or a bare name if it is unique.")]
Model = Annotated[bool, typer.Option("--model", help="A model's alias, not a feature's.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Why; stands in the audit trail.")]
Approval = Annotated[str | None, typer.Option("--approval", help="Reference of the approval; protected aliases need one.")]


Limit = Annotated[int, typer.Option("--limit", min=1, max=500, help="At most this many in a list.")]


def features(name: Annotated[str | None, typer.Argument(metavar="[NAME[@VERSION|ALIAS]]", help="One feature; without it, all of them.")] = None,
             limit: Limit = 100, at: At = None, server: Server = None, token: Token = None, data: Data = None, as_json: Json = False) -> None:
    """Features with versions and aliases; or one version with definition, storage, hashes, compatibility, adapters and the history of its aliases."""
    _shown("FEATURE", Target(server, token, data), name, limit, at, as_json)


def models(name: Annotated[str | None, typer.Argument(metavar="[NAME[@VERSION|ALIAS]]", help="One model; without it, all of them.")] = None,
           limit: Limit = 100, at: At = None, server: Server = None, token: Token = None, data: Data = None, as_json: Json = False) -> None:
    """Models with versions and aliases; or one version with binding, pins, training data, deployments and the history of its aliases."""
    _shown("MODEL", Target(server, token, data), name, limit, at, as_json)


@aliases_app.command("list")
def list_aliases(name: Name, model: Model = False, at: At = None, server: Server = None, token: Token = None, data: Data = None, as_json: Json = False) -> None:
    """Where the aliases point, or pointed at a position, and who had moved them there."""
    from metadata_service.cli.views.frame import time

    answer = _aliases(Target(server, token, data), name, model, None, at, as_json)
    if not as_json:
        print_table(["alias", "version", "entry", "moved at", "by", "reason", "approval"],
                    ([each["alias"], each["version"], each["index"], time(each["movedAt"]), _who(each), each["reason"], each["approval"]]
                     for each in answer["aliases"]), "no aliases")


@aliases_app.command("history")
def alias_history(name: Name, alias: Annotated[str | None, typer.Option("--alias", help="Only this one.")] = None, model: Model = False, at: At = None,
                  server: Server = None, token: Token = None, data: Data = None, as_json: Json = False) -> None:
    """Every move, oldest first; rejected ones too."""
    from metadata_service.cli.views.frame import time

    answer = _aliases(Target(server, token, data), name, model, alias, at, as_json)
    if not as_json:
        print_table(["entry", "logged at", "alias", "from", "to", "outcome", "by", "reason", "approval"],
                    ([each["index"], time(each["loggedAt"]), each["alias"], each["was"], each["to"] or "(deleted)",
                      f"{each['status']}: {each['outcome']}" if each["outcome"] else each["status"], _who(each), each["reason"], each["approval"]]
                     for each in answer["history"]), "never moved")


@aliases_app.command("move")
def move_alias(name: Name, alias: Annotated[str, typer.Option("--alias", help="The alias to move.")],
               to: Annotated[str | None, typer.Option("--to", help="The version it shall point at.")] = None,
               delete: Annotated[bool, typer.Option("--delete", help="Delete it instead.")] = False,
               expected: Annotated[int | None, typer.Option("--expected", min=0, help="Entry it is to stand at; default: where it stands now.")] = None,
               reason: Reason = None, approval: Approval = None, model: Model = False, server: Server = None, token: Token = None, data: Data = None,
               as_json: Json = False) -> None:
    """Point an alias at a version."""
    if (to is None) != delete:
        raise typer.BadParameter("give --to VERSION or --delete")
    target = Target(server, token, data)
    standing = {each["alias"]: each["index"] for each in _aliases(target, name, model, alias, None, None)["aliases"]}
    variables = {"name": name, "kind": _kind(model), "alias": alias, "to": to, "expected": expected if expected is not None else standing.get(alias),
                 "reason": reason, "approval": approval}
    _write(target, "moveAlias", MOVE, variables, as_json)


def rollback(name: Name, alias: Annotated[str, typer.Option("--alias", help="The alias to move back.")],
             to: Annotated[str | None, typer.Option("--to", help="An earlier version of it; default: one step back.")] = None, reason: Reason = None,
             approval: Approval = None, model: Model = False, server: Server = None, token: Token = None, data: Data = None, as_json: Json = False) -> None:
    """Move an alias back to where it was; signed and audited like every move."""
    target = Target(server, token, data)
    _aliases(target, name, model, alias, None, None)  # what a directory has not projected yet is projected first
    _write(target, "rollback", ROLLBACK, {"name": name, "kind": _kind(model), "alias": alias, "to": to, "reason": reason, "approval": approval}, as_json)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    features_app.command("show")(features)
    features_app.command("check")(check)
    app.add_typer(features_app, name="features")
    app.command("models")(models)
    aliases_app.command("protect")(protect)
    aliases_app.command("unprotect")(unprotect)
    app.add_typer(aliases_app, name="aliases")
    app.command("rollback")(rollback)


def _shown(kind: str, target: Target, name: str | None, limit: int, at: str | None, as_json: bool) -> None:
    from metadata_service.cli.views import show
    from metadata_service.cli.views.registry import feature_view, model_view

    if name is None:
        if at is not None:
            raise LineproofError(f"the list only knows the present; name a {kind.lower()}", code="not-historical")
        answer = ask_plainly(target, "features", FEATURES, {"text": "", "kind": kind, "first": limit}, as_json)
        if not as_json:
            print_table(["reference", "versions", "newest", "aliases", "owners"],
                        ([row["reference"], row["versions"], row["newest"], " ".join(row["aliases"]), ", ".join(row["owners"])] for row in answer["rows"]),
                        "nothing registered")
        return
    field, document, view = ("feature", FEATURE, feature_view) if kind == "FEATURE" else ("model", MODEL, model_view)
    answer = ask_plainly(target, field, document, {"ref": {"name": name}, "at": position(at)}, False)
    found = answer[field]
    if found is None or found["version"] is None:
        raise LineproofError(f"nothing is registered as {name!r} at {answer['computedAt']['size']}{_hint(name)}", code="not-found")
    if as_json:
        print_json({field: answer})
    else:
        show(*view(answer))


def _hint(name: str) -> str:
    """What people miss who type a name as it is."""
    return "; in a name, @ : % and / are percent-encoded" if not name.startswith("urn:") and any(mark in name for mark in "@:%/ ") else ""


def _aliases(target: Target, name: str, model: bool, alias: str | None, at: str | None, as_json: bool | None) -> dict[str, Any]:
    """Ask; print JSON if wanted; `as_json` None asks for a writing command."""
    answer = ask_plainly(target, "aliases", ALIASES, {"name": name, "kind": _kind(model), "alias": alias, "at": position(at)}, bool(as_json))
    if answer["urn"] is None:
        raise LineproofError(f"there is no {_kind(model).lower()} {name!r} at {answer['computedAt']['size']}{_hint(name)}"
                             f"{'' if model else '; of a model: --model'}", code="not-found")
    return answer


def _write(target: Target, field: str, document: str, variables: dict[str, Any], as_json: bool) -> None:
    from metadata_service.cli.asking import error_of
    from metadata_service.cli.service import ask

    async def work(client: ServiceClient) -> dict[str, Any]:
        body = await client.call("POST", "/graphql", json={"query": document, "variables": variables})
        if body.get("errors"):
            raise error_of(body["errors"][0])
        return dict(body["data"][field])

    said = ask(work, data=target.data, url=target.server, token=target.token)
    outcome = _outcome(target, int(said["index"]))
    said |= {"status": outcome["status"], "reason": outcome["reason"], "was": (outcome["detail"] or {}).get("was")}
    if as_json:
        print_json({field: said})
    if outcome["status"] == "rejected":
        raise LineproofError(f"entry {said['index']} was rejected: {(outcome['detail'] or {}).get('message') or outcome['reason']}", code="rejected",
                             index=said["index"], reason=outcome["reason"])
    if not as_json:
        say(f"{variables['name']}: {said['alias']} {said['was'] or '(new)'} → {said['to'] or '(deleted)'}, entry {said['index']}")


def _outcome(target: Target, index: int) -> dict[str, Any]:
    """What the projector made of an entry: at once in a directory, which projects before it answers, soon in a service."""

    async def work(ask: Any) -> dict[str, Any]:
        for _ in range(LONGEST_POLLS):
            body = await ask(OUTCOME, {"index": index})
            found = (((body.get("data") or {}).get("event") or {}).get("event")) or {}
            if found.get("status") is not None:
                return dict(found)
            await asyncio.sleep(POLL_SECONDS)
        raise LineproofError(f"entry {index} is logged and not projected yet: {json.dumps(body.get('errors'))}", code="not-projected", index=index)

    return target.ask(work)


def _who(each: dict[str, Any]) -> str:
    """Who the body names, or the keyed hash of who sent it."""
    return str(each["actor"] or each["caller"] or "")[:40]


def _kind(model: bool) -> str:
    return "MODEL" if model else "FEATURE"
