"""`lineproof lineage|impact|trace|audit|search|entity|event|checkpoint|key-history`: questions, in the words of GraphQL.

Every command sends the same GraphQL document to the service at `--server`, to the one on the data directory, or to the application
opened here when none runs. Entities are named by URN or as people call them: `weather.wind_speed`, `<namespace>/<name>[.column]`.
"""
from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lineproof_schema.errors import CODES, LineproofError
from metadata_service.cli import documents
from metadata_service.cli.output import Json, note, print_json, print_table, say

if TYPE_CHECKING:
    from metadata_service.cli.service import ServiceClient

__all__ = ["register"]

CATCH_UP_SECONDS = 0.05

Server = Annotated[str | None, typer.Option("--server", "--url", help="URL of the service (LINEPROOF_URL); default: the data directory.")]
Token = Annotated[str | None, typer.Option("--token", help="Bearer token (LINEPROOF_TOKEN).")]
Data = Annotated[Path | None, typer.Option("--data", help="Data directory (LINEPROOF_DATA).")]
At = Annotated[str | None, typer.Option("--at", help="Position: a tree size, or a time like 2026-01-31T12:00:00Z.")]
Entity = Annotated[str, typer.Argument(metavar="ENTITY", help="A URN, <namespace>/<name>[.column], or a bare name like weather.wind_speed.")]
EvidenceFile = Annotated[Path | None, typer.Option("--evidence", help="Write an evidence bundle of the entries the answer rests on.")]
WithLeaves = Annotated[bool, typer.Option("--with-leaves", help="Put all leaves into the bundle: the verifier then reaches keys-complete.")]
Kinds = Annotated[list[str] | None, typer.Option("--kind", help="Only these kinds (dataset, column, feature-version, …); may be repeated.")]


class Way(StrEnum):
    """Which way lineage walks."""

    up = "up"
    down = "down"
    both = "both"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a question goes."""

    server: str | None
    token: str | None
    data: Path | None

    def ask(self, work: Callable[[ServiceClient], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        from metadata_service.cli.service import ask  # httpx and the server, which `lineproof ci` never needs

        async def caught_up(client: ServiceClient) -> dict[str, Any]:
            if client.http.base_url.host == "here":  # no service was running: what it would have projected comes first
                await _catch_up(client)
            return await work(client)

        return ask(caught_up, data=self.data, url=self.server, token=self.token, project=True)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where an evidence bundle is to be written, if anywhere, and which entries an answer rests on."""

    file: Path | None
    with_leaves: bool
    cited: Callable[[dict[str, Any]], Iterable[int]]


def lineage(entity: Entity, direction: Annotated[Way, typer.Option("--direction", "-d", help="up: what it is made of; down: what is made of it.")] = Way.up,
            depth: Annotated[int, typer.Option("--depth", help="Hops; 0 for everything.")] = 3,
            columns: Annotated[bool, typer.Option("--columns", help="Column by column.")] = False, kind: Kinds = None,
            active_since: Annotated[str | None, typer.Option("--active-since", help="Leave out what no run has shown since this time.")] = None,
            at: At = None, evidence: EvidenceFile = None, with_leaves: WithLeaves = False, server: Server = None, token: Token = None, data: Data = None,
            as_json: Json = False) -> None:
    """What an entity is made of, or what is made of it."""
    from metadata_service.cli.views import lineage_view, show

    way = {Way.up: "UPSTREAM", Way.down: "DOWNSTREAM", Way.both: "BOTH"}[direction]
    level = "COLUMN" if columns else None
    variables = {"direction": way, "depth": depth or None, "kinds": _kinds(kind), "activeSince": _time(active_since), "at": _position(at)}

    def complete(urn: str) -> dict[str, Any]:
        return {"urn": urn, **variables, "level": level or ("COLUMN" if ":column:" in urn[:25] else "ASSET")}

    answer = _asked(Target(server, token, data), "lineage", documents.LINEAGE, entity, complete,
                    Evidence(evidence, with_leaves, lambda found: (edge["openedBy"] for edge in found["edges"])), as_json)
    if not as_json:
        show(*lineage_view(answer, way))


def impact(entity: Entity, change: Annotated[str | None, typer.Option("--change", help="drop-column, rename-column, retype-column, drop-dataset, "
                                                                      "rename-dataset, retire-version, change-values.")] = None,
           at: At = None, evidence: EvidenceFile = None, with_leaves: WithLeaves = False, server: Server = None, token: Token = None, data: Data = None,
           as_json: Json = False) -> None:
    """What breaks if this changes (default: is dropped), who owns it, and by which path."""
    from metadata_service.cli.views import impact_view, show

    def complete(urn: str) -> dict[str, Any]:
        subject: dict[str, Any] = {"change": {"kind": change.upper().replace("-", "_"), "urn": urn}} if change else {"urn": urn}
        return {**subject, "at": _position(at)}

    answer = _asked(Target(server, token, data), "impact", documents.IMPACT, entity, complete,
                    Evidence(evidence, with_leaves, lambda found: (edge["openedBy"] for edge in found["edges"])), as_json)
    if not as_json:
        show(*impact_view(answer))


def trace(entity: Entity, data_at: Annotated[str | None, typer.Option("--data-at", help="Trace the data that was current at this time.")] = None,
          since: Annotated[str | None, typer.Option("--since", help="Since when it is wrong: only later changes of code count for the verdict.")] = None,
          at: At = None, evidence: EvidenceFile = None, with_leaves: WithLeaves = False, server: Server = None, token: Token = None, data: Data = None,
          as_json: Json = False) -> None:
    """Where a value comes from: SQL line, commit, author, run and versions, back to raw data; and what changed on the way."""
    from metadata_service.cli.views import show, trace_view

    variables = {"dataAt": _time(data_at), "since": _time(since), "at": _position(at)}

    def cited(found: dict[str, Any]) -> Iterable[int]:
        yield from (step["openedBy"] for step in found["steps"])
        told = [each for row in (*found["steps"], *found["changes"], *found["sources"]) for each in (row.get("commit"), row.get("run")) if each]
        yield from (each["recordedBy"] for each in told if each["recordedBy"] is not None)
        yield from (change["openedBy"] for change in found["changes"])
        yield from (finding["since"] - 1 for finding in found["quality"])

    answer = _asked(Target(server, token, data), "trace", documents.TRACE, entity, lambda urn: {"urn": urn, **variables},
                    Evidence(evidence, with_leaves, cited), as_json)
    if not as_json:
        show(*trace_view(answer))


def audit(entity: Entity, start: Annotated[str | None, typer.Option("--from", help="Begin of the window: entry index or time.")] = None,
          end: Annotated[str | None, typer.Option("--to", help="End of the window, exclusive: entry index or time.")] = None,
          upstream: Annotated[bool, typer.Option("--upstream", help="Also everything it is made of.")] = False,
          actor: Annotated[str | None, typer.Option("--actor", help="Only entries whose body names this person (e-mail).")] = None,
          commit: Annotated[str | None, typer.Option("--commit", help="Only entries of this commit (SHA or its beginning).")] = None,
          event_type: Annotated[list[str] | None, typer.Option("--type", help="Only these event types; may be repeated.")] = None,
          limit: Annotated[int, typer.Option("--limit", min=1, help="At most about this many rows.")] = 200, at: At = None, evidence: EvidenceFile = None,
          with_leaves: WithLeaves = False, server: Server = None, token: Token = None, data: Data = None, as_json: Json = False) -> None:
    """Who changed what, in a window, with outcome and proof."""
    from metadata_service.cli.views import audit_view, show

    variables = {"from": _position(start), "to": _position(end), "upstream": upstream, "actor": actor, "commit": commit, "eventTypes": event_type,
                 "first": min(limit, 500), "at": _position(at)}
    answer = _asked(Target(server, token, data), "auditTrail", documents.AUDIT, entity, lambda urn: {"urn": urn, **variables},
                    Evidence(evidence, with_leaves, lambda found: (row["index"] for row in found["rows"])), as_json, rows=limit)
    if not as_json:
        show(*audit_view(answer))


def search(text: Annotated[str, typer.Argument(help="Part of a name or namespace.")], kind: Kinds = None,
           limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="At most this many.")] = 50, server: Server = None, token: Token = None,
           data: Data = None, as_json: Json = False) -> None:
    """Entities by name."""
    answer = _plain(Target(server, token, data), "search", documents.SEARCH, {"text": text, "kinds": _kinds(kind), "first": limit}, as_json)
    if not as_json:
        print_table(["kind", "name", "namespace", "owners", "urn"],
                    ([row["kind"].lower().replace("_", "-"), row["name"], row["namespace"], ", ".join(row["owners"]), row["urn"]] for row in answer["rows"]),
                    "nothing found")
        _foot(answer)


def entity(entity: Entity, at: At = None, server: Server = None, token: Token = None, data: Data = None, as_json: Json = False) -> None:
    """One entity: facts with the size they hold since, and what it is linked to."""
    answer = _asked(Target(server, token, data), "entity", documents.ENTITY, entity, lambda urn: {"urn": urn, "at": _position(at)}, None, as_json)
    found = answer["entity"]
    if as_json or found is None:
        return
    say(f"{found['urn']}  (since {found['since']}{', dropped' if found['dropped'] else ''})")
    facts = [[fact["name"], json.dumps(fact["value"], ensure_ascii=False), fact["since"]] for fact in found["facts"]]
    links = [[("→ " if link["outgoing"] else "← ") + link["type"], link["urn"], link["since"]] for link in found["links"]]
    print_table(["fact", "value", "since"], facts, "no facts")
    print_table(["link", "to", "since"], links, "no links")
    _foot(answer)


def event(index: Annotated[int, typer.Argument(min=0, help="Entry index.")], server: Server = None, token: Token = None, data: Data = None,
          as_json: Json = False) -> None:
    """One entry: who signed it, what it said, what became of it, and its inclusion proof."""
    answer = _plain(Target(server, token, data), "event", documents.EVENT, {"index": index}, as_json)
    found = answer["event"]
    if found is None:
        raise LineproofError(f"the log has no entry {index}", code="not-found")
    if as_json:
        return
    shown = ("index", "eventType", "received", "signedBy", "signer", "caller", "tenant", "status", "reason", "detail")
    print_table(["", ""], [[name, found[name]] for name in shown if found[name] is not None], "")
    key = found["key"]
    say(f"key: {key['state']}{', ' + key['label'] if key['label'] else ''}")
    body = "erased" if found["erased"] else "outside your grants" if found["restricted"] else json.dumps(found["payload"], indent=2, ensure_ascii=False)
    say(f"payload: {body}")
    say(found["proof"]["text"] if found["proof"] else "proof: no checkpoint covers the entry yet")
    _foot(answer)


def checkpoint(server: Server = None, token: Token = None, data: Data = None, as_json: Json = False) -> None:
    """The latest signed tree head."""
    answer = _plain(Target(server, token, data), "checkpoint", documents.CHECKPOINT, {}, as_json)
    if not as_json:
        say((answer["text"] or "no checkpoint yet").rstrip("\n"))
        say(f"the log has {answer['logSize']} entries")


def key_history(key_id: Annotated[str | None, typer.Argument(help="Key id (64 hex digits); without it, all keys.")] = None, server: Server = None,
                token: Token = None, data: Data = None, as_json: Json = False) -> None:
    """All keys the log ever knew, by entry index."""
    answer = _plain(Target(server, token, data), "keyHistory", documents.KEY_HISTORY, {"keyId": key_id}, as_json)
    if not as_json:
        print_table(["key", "purpose", "label", "registered", "valid from", "last valid", "namespaces", "types"],
                    ([key["keyId"][:16] + "…", key["purpose"], key["label"], key["registeredAt"], key["validFrom"], key["lastValid"],
                      " ".join(key["namespaces"]), " ".join(key["eventTypes"])] for key in answer["keys"]), "no such key")


def register(app: typer.Typer) -> None:
    """Add the question commands."""
    for name, command in (("lineage", lineage), ("impact", impact), ("trace", trace), ("audit", audit), ("search", search), ("entity", entity),
                          ("event", event), ("checkpoint", checkpoint), ("key-history", key_history)):
        app.command(name)(command)


# -- asking

def _asked(target: Target, field: str, document: str, named: str, variables: Callable[[str], dict[str, Any]], evidence: Evidence | None, as_json: bool,
           rows: int | None = None) -> dict[str, Any]:
    """Resolve the entity, ask, write evidence if wanted, print JSON if wanted; the field's answer."""

    async def work(client: ServiceClient) -> dict[str, Any]:
        urn = named if named.startswith("urn:") else await _resolve(client, named)
        asked = variables(urn)
        answer = await _graphql(client, document, asked)
        if rows is not None:
            await _more(client, document, asked, answer[field], rows)
        if evidence is not None and evidence.file is not None:
            cited = sorted(set(evidence.cited(answer[field])))
            bundle = await _graphql(client, documents.EVIDENCE, {"entries": cited, "query": {"document": document, "variables": asked}, "answer": answer,
                                                                "withLeaves": evidence.with_leaves})
            evidence.file.write_text(json.dumps(bundle["evidence"]["bundle"], indent=1), encoding="utf-8")
            note(f"Evidence of {len(cited)} entries is in {evidence.file}. Verify it with: lineproof log verify {evidence.file} --trust TRUST_FILE")
        return answer

    answer = target.ask(work)
    found: dict[str, Any] = answer[field]
    if any(reason["code"] == "unknown-urn" for reason in found["completeness"]["reasons"]):
        raise LineproofError(f"nothing is known of {named} at {found['computedAt']['size']}", code="not-found")
    if as_json:
        print_json(answer)
    return found


def _plain(target: Target, field: str, document: str, variables: dict[str, Any], as_json: bool) -> dict[str, Any]:
    answer = target.ask(lambda client: _graphql(client, document, variables))
    if as_json:
        print_json(answer)
    found: dict[str, Any] = answer[field]
    return found


async def _more(client: ServiceClient, document: str, asked: dict[str, Any], answer: dict[str, Any], rows: int) -> None:
    """Follow the pages until `rows` are there."""
    while answer["after"] is not None and len(answer["rows"]) < rows:
        page = (await _graphql(client, document, {**asked, "after": answer["after"]}))["auditTrail"]
        answer["rows"] += page["rows"]
        answer["after"] = page["after"]
    if answer["after"] is not None:
        note(f"There is more: --limit {rows * 2}")


async def _catch_up(client: ServiceClient) -> None:
    told = False
    while (state := (await _graphql(client, documents.CHECKPOINT, {}))["checkpoint"])["computedAt"]["size"] < state["logSize"]:
        if not told:
            note(f"Projecting {state['logSize'] - state['computedAt']['size']} entries first")
            told = True
        await asyncio.sleep(CATCH_UP_SECONDS)


async def _resolve(client: ServiceClient, name: str) -> str:
    found = (await _graphql(client, documents.RESOLVE, {"ref": {"name": name}}))["entity"]["entity"]
    if found is None:
        raise LineproofError(f"nothing is called {name!r}; try: lineproof search {name}", code="not-found")
    return str(found["urn"])


async def _graphql(client: ServiceClient, document: str, variables: dict[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in variables.items() if value is not None or name == "depth"}
    body = await client.call("POST", "/graphql", json={"query": document, "variables": given})
    if body.get("errors"):
        raise _error(body["errors"][0])
    data: dict[str, Any] = body["data"]
    return data


def _error(error: dict[str, Any]) -> LineproofError:
    extensions = error.get("extensions") or {}
    code = extensions.get("code")
    detail = str(error.get("message"))
    if extensions.get("candidates"):
        detail += ":\n  " + "\n  ".join(extensions["candidates"])
    extra = {key: value for key, value in extensions.items() if key not in ("code", "title", "fix", "retriable")}
    return LineproofError(detail, code=code if code in CODES else "internal", **extra)


def _kinds(kinds: list[str] | None) -> list[str] | None:
    return [kind.upper().replace("-", "_") for kind in kinds] if kinds else None


def _position(text: str | None) -> dict[str, Any] | None:
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
