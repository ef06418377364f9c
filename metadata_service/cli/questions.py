"""`lineproof lineage|impact|trace|search|entity|event|checkpoint|key-history`: questions, in the words of GraphQL.

Every command sends the same GraphQL document to the service at `--server`, to the one on the data directory, or to the directory's
own stores when none runs. Entities are named by URN or as people call them: `weather.wind_speed`, `<namespace>/<name>[.column]`.
"""
from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from lineproof_schema.errors import LineproofError
from metadata_service.cli import documents
from metadata_service.cli.asking import Evidence, Target, ask_about, ask_plainly
from metadata_service.cli.output import Json, print_table, say

__all__ = ["At", "Data", "Entity", "EvidenceFile", "Server", "Token", "WithLeaves", "position", "register"]

Server = Annotated[str | None, typer.Option("--server", "--url", help="URL of the service (LINEPROOF_URL); default: the data directory.")]
Token = Annotated[str | None, typer.Option("--token", help="Bearer token (LINEPROOF_TOKEN).")]
Data = Annotated[Path | None, typer.Option("--data", help="Data directory (LINEPROOF_DATA), or a snapshot of lineproof graph export.")]
At = Annotated[str | None, typer.Option("--at", help="Position: a tree size, or a time like 2026-01-31T12:00:00Z.")]
Entity = Annotated[str, typer.Argument(metavar="ENTITY", help="A URN, <namespace>/<name>[.column], or a bare name like weather.wind_speed.")]
EvidenceFile = Annotated[Path | None, typer.Option("--evidence", help="Write an evidence bundle of the entries the answer rests on.")]
WithLeaves = Annotated[bool, typer.Option("--with-leaves", help="Put all leaves into the bundle, and all that touched what the answer "
                                                               "names: the verifier then reaches keys-complete and derived.")]
Kinds = Annotated[list[str] | None, typer.Option("--kind", help="Only these kinds (dataset, column, feature-version, …); may be repeated.")]


class Way(StrEnum):
    """Which way lineage walks."""

    up = "up"
    down = "down"
    both = "both"


WAYS: Final = {Way.up: "UPSTREAM", Way.down: "DOWNSTREAM", Way.both: "BOTH"}  # as GraphQL names them


class Form(StrEnum):
    """How lineage is written."""

    tree = "tree"
    mermaid = "mermaid"
    dot = "dot"


def lineage(entity: Entity, direction: Annotated[Way, typer.Option("--direction", "-d", help="up: what it is made of; down: what is made of it.")] = Way.up,
            depth: Annotated[int, typer.Option("--depth", help="Hops; 0 for everything.")] = 3,
            columns: Annotated[bool, typer.Option("--columns", help="Column by column.")] = False,
            versions: Annotated[bool, typer.Option("--versions", help="Version by version: what each run read and wrote.")] = False,
            indirect: Annotated[bool, typer.Option("--indirect", help="With columns: show what only decides rows, too.")] = False, kind: Kinds = None,
            active_since: Annotated[str | None, typer.Option("--active-since", help="What runs have shown since this time, also what ended.")] = None,
            form: Annotated[Form, typer.Option("--format", help="A tree to read, or a diagram to paste.")] = Form.tree,
            at: At = None, evidence: EvidenceFile = None, with_leaves: WithLeaves = False, server: Server = None, token: Token = None, data: Data = None,
            as_json: Json = False) -> None:
    """What an entity is made of, or what is made of it."""
    from metadata_service.cli.views import diagram, lineage_view, show, values_only

    way = WAYS[direction]
    if columns and versions:
        raise LineproofError("--columns and --versions are different questions: give one of them", code="invalid-argument")
    level = "COLUMN" if columns else "VERSION" if versions else None
    variables = {"direction": way, "depth": depth or None, "kinds": _kinds(kind), "activeSince": _time(active_since), "at": position(at)}

    def complete(urn: str | None) -> dict[str, Any]:
        return {"urn": urn, **variables, "level": level or ("COLUMN" if urn is not None and ":column:" in urn[:25] else "ASSET")}

    answer = ask_about(Target(server, token, data), "lineage", documents.LINEAGE, entity, complete,
                       Evidence(evidence, with_leaves, lambda found: (edge["openedBy"] for edge in found["edges"])), as_json)
    if as_json:
        return
    if form is Form.tree:
        show(*lineage_view(answer, way, indirect=indirect))
    else:
        drawn = answer if indirect else values_only(answer)
        say(diagram.mermaid(drawn) if form is Form.mermaid else diagram.dot(drawn))


class Change(StrEnum):
    """What is going to happen to an entity; also in GraphQL's spelling."""

    drop_column = "drop-column"
    rename_column = "rename-column"
    retype_column = "retype-column"
    change_nullability = "change-nullability"
    change_values = "change-values"
    drop_dataset = "drop-dataset"
    rename_dataset = "rename-dataset"
    retire_version = "retire-version"


CHANGES: Final = f"What is going to happen to it: {', '.join(Change)}; default: it goes away."


def _change(text: str) -> Change:
    name = text.lower().replace("-", "_")
    if name not in Change.__members__:
        raise typer.BadParameter(f"{text!r} is not one of {', '.join(Change)}")
    return Change[name]


def impact(entity: Entity, change: Annotated[Change | None, typer.Option("--change", parser=_change, metavar="CHANGE", help=CHANGES)] = None,
           at: At = None, evidence: EvidenceFile = None, with_leaves: WithLeaves = False, server: Server = None, token: Token = None, data: Data = None,
           as_json: Json = False) -> None:
    """What breaks if this changes (default: is dropped), who owns it, and by which path."""
    from metadata_service.cli.views import impact_view, show

    def complete(urn: str | None) -> dict[str, Any]:
        subject: dict[str, Any] = {"change": {"kind": change.name.upper(), "urn": urn}} if change else {"urn": urn}
        return {**subject, "at": position(at)}

    answer = ask_about(Target(server, token, data), "impact", documents.IMPACT, entity, complete,
                       Evidence(evidence, with_leaves, lambda found: (edge["openedBy"] for edge in found["edges"])), as_json)
    if not as_json:
        show(*impact_view(answer))


def trace(entity: Entity, data_at: Annotated[str | None, typer.Option("--data-at", help="Trace the data that was current at this time.")] = None,
          since: Annotated[str | None, typer.Option("--since", help="Since when it is wrong: only later changes of code count for the verdict.")] = None,
          at: At = None, evidence: EvidenceFile = None, with_leaves: WithLeaves = False, server: Server = None, token: Token = None, data: Data = None,
          as_json: Json = False) -> None:
    """Where a value comes from: SQL line, commit, author, run and versions, back to raw data; and what changed on the way."""
    from metadata_service.cli.views import show, trace_view

    variables = {"dataAt": _time(data_at), "since": _time(since), "at": position(at)}

    def cited(found: dict[str, Any]) -> Iterable[int]:
        yield from (step["openedBy"] for step in found["steps"])
        told = [each for row in (*found["steps"], *found["changes"], *found["sources"]) for each in (row.get("commit"), row.get("run")) if each]
        yield from (each["recordedBy"] for each in told if each["recordedBy"] is not None)
        yield from (change["openedBy"] for change in found["changes"])
        yield from (finding["since"] - 1 for finding in found["quality"])

    answer = ask_about(Target(server, token, data), "trace", documents.TRACE, entity, lambda urn: {"urn": urn, **variables},
                       Evidence(evidence, with_leaves, cited), as_json)
    if not as_json:
        show(*trace_view(answer))


def search(text: Annotated[str, typer.Argument(help="Part of a name or namespace.")], kind: Kinds = None,
           limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="At most this many.")] = 50, server: Server = None, token: Token = None,
           data: Data = None, as_json: Json = False) -> None:
    """Entities by name."""
    answer = ask_plainly(Target(server, token, data), "search", documents.SEARCH, {"text": text, "kinds": _kinds(kind), "first": limit}, as_json)
    if not as_json:
        from metadata_service.cli.views import label

        print_table(["kind", "name", "namespace", "owners"],
                    ([row["kind"].lower().replace("_", "-"), label(row["urn"]), row["namespace"], ", ".join(row["owners"])] for row in answer["rows"]),
                    "nothing found")
        _foot(answer)


def entity(entity: Entity, at: At = None, evidence: EvidenceFile = None, with_leaves: WithLeaves = False, server: Server = None, token: Token = None,
           data: Data = None, as_json: Json = False) -> None:
    """One entity: facts with the size they hold since, what it is linked to, and of a dataset who makes it and who ever did."""
    def cited(found: dict[str, Any]) -> Iterable[int]:
        told = found["entity"] or {"producers": [], "facts": [], "links": []}
        yield from (each["openedBy"] for each in told["producers"])
        yield from (each["until"] - 1 for each in told["producers"] if each["until"] is not None)
        yield from (each["since"] - 1 for each in (*told["facts"], *told["links"]))

    answer = ask_about(Target(server, token, data), "entity", documents.ENTITY, entity, lambda urn: {"urn": urn, "at": position(at)},
                       Evidence(evidence, with_leaves, cited), as_json)
    found = answer["entity"]
    if as_json or found is None:
        return
    from metadata_service.cli.views import entity_view, show

    show(*entity_view(answer))


def event(index: Annotated[int, typer.Argument(min=0, help="Entry index.")], server: Server = None, token: Token = None, data: Data = None,
          as_json: Json = False) -> None:
    """One entry: who signed it, what it said, what became of it, and its inclusion proof."""
    answer = ask_plainly(Target(server, token, data), "event", documents.EVENT, {"index": index}, as_json)
    found = answer["event"]
    if found is None:
        raise LineproofError(f"the log has no entry {index}", code="not-found")
    if as_json:
        return
    shown = ("index", "eventType", "received", "signedBy", "signer", "caller", "tenant", "status", "reason", "detail")
    from metadata_service.cli.views import fact_words

    for name in shown:
        if found[name] is not None:
            say(f"{fact_words(name)}: {found[name]}")
    key = found["key"]
    say(f"key: {key['state']}{', ' + key['label'] if key['label'] else ''}")
    body = "erased" if found["erased"] else "outside your grants" if found["restricted"] else json.dumps(found["payload"], indent=2, ensure_ascii=False)
    say(f"payload: {body}")
    say(found["proof"]["text"] if found["proof"] else "proof: no checkpoint covers the entry yet")
    _foot(answer)


def checkpoint(server: Server = None, token: Token = None, data: Data = None, as_json: Json = False) -> None:
    """The latest signed tree head."""
    answer = ask_plainly(Target(server, token, data), "checkpoint", documents.CHECKPOINT, {}, as_json)
    if not as_json:
        say((answer["text"] or "no checkpoint yet").rstrip("\n"))
        say(f"the log has {answer['logSize']} entries")


def key_history(key_id: Annotated[str | None, typer.Argument(help="Key id (64 hex digits); without it, all keys.")] = None, at: At = None,
                server: Server = None, token: Token = None, data: Data = None, as_json: Json = False) -> None:
    """All keys the log knows, now or at a position, by entry index: what state they are in, and what of theirs is disputed."""
    answer = ask_plainly(Target(server, token, data), "keyHistory", documents.KEY_HISTORY, {"keyId": key_id, "at": position(at)}, as_json)
    if not as_json:
        print_table(["key", "purpose", "label", "state", "registered", "valid from", "last valid", "disputed", "namespaces", "types"],
                    ([key["keyId"][:16] + "…", key["purpose"], key["label"], key["state"], key["registeredAt"], key["validFrom"], key["lastValid"],
                      " ".join(f"{each['first']}-{each['last']}" for each in key["disputed"]), " ".join(key["namespaces"]), " ".join(key["eventTypes"])]
                     for key in answer["keys"]), "no such key")


def register(app: typer.Typer) -> None:
    """Add the question commands."""
    for name, command in (("lineage", lineage), ("impact", impact), ("trace", trace), ("search", search), ("entity", entity),
                          ("event", event), ("checkpoint", checkpoint), ("key-history", key_history)):
        app.command(name)(command)


def _kinds(kinds: list[str] | None) -> list[str] | None:
    return [kind.upper().replace("-", "_") for kind in kinds] if kinds else None


def position(text: str | None) -> dict[str, Any] | None:
    """The input type Position of a tree size or a time."""
    if text is None:
        return None
    return {"size": int(text)} if text.isascii() and text.isdigit() else {"time": _time(text)}


def _time(text: str | None) -> str | None:
    """RFC 3339; a date alone is its first instant, a time without a zone is UTC."""
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise LineproofError(f"{text!r} is neither a size nor a time like 2026-01-31T12:00:00Z", code="invalid-position") from error
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).isoformat()


def _foot(answer: dict[str, Any]) -> None:
    from metadata_service.cli.views import foot, show

    show(foot(answer))
