"""`lineproof keys`: keys of producers and of the log itself, and what a verifier trusts."""
from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lineproof_audit.keys import SigningKey, VerifyKey
from lineproof_audit.note import NoteVerifier
from lineproof_audit.trust import TrustedLog, format_trust, parse_trust
from lineproof_audit.witness import members_of
from lineproof_schema.errors import LineproofError
from metadata_service.cli.admin_entries import AdminKey, admin_key_of, append_signed, one_tenant
from metadata_service.cli.options import Data, Url, ask
from metadata_service.cli.output import Json, counted, note, print_json, print_table, say
from metadata_service.cli.rotation import rotate

if TYPE_CHECKING:
    from metadata_service.cli.service import ServiceClient

__all__ = ["AdminKey", "admin_key_of", "app", "append_signed"]

app = typer.Typer(help="Keys of producers and of the log itself, and what a verifier trusts.", no_args_is_help=True)

Namespaces = Annotated[list[str] | None, typer.Option("--namespace", "-n", help="Namespace prefix the key may write in; * = all. Repeat for more.")]
EventTypes = Annotated[list[str] | None, typer.Option("--event-type", help="Event type, or a prefix ending in *. Default: all.")]
Sources = Annotated[list[str] | None, typer.Option("--source", help="Prefix of the events' source. Default: all.")]
Tenant = Annotated[str | None, typer.Option(help="Tenant id; needed when there are several.")]


@dataclass(frozen=True, slots=True)
class _Scope:
    namespaces: list[str]
    event_types: list[str]
    sources: list[str]


@app.command("create")
def create(name: Annotated[str, typer.Argument(help="Name of the key, e.g. ci or dbt-nightly.")], namespace: Namespaces = None,
           event_type: EventTypes = None, source: Sources = None, tenant: Tenant = None,
           out: Annotated[Path | None, typer.Option(help="Directory for NAME.pem and NAME.json; default: producers/ beside the root admin key.")] = None,
           admin_key: AdminKey = None, data: Data = None, url: Url = None, as_json: Json = False) -> None:
    """Make a producer key, register it, and write NAME.pem (0600) and NAME.json."""
    _check_name(name)
    scope = _scope(namespace, event_type, source)
    key = SigningKey.generate()

    async def work(client: ServiceClient) -> dict[str, Any]:
        ring = await client.call("GET", "/api/v1/admin/keys")
        owner = one_tenant(ring, tenant)
        admin = admin_key_of(client, ring, admin_key)
        directory = out or _producers(client, ring)
        pem = key.save(directory, name, ring["origin"], _address(client), owner)  # first: a registered key that was lost helps nobody
        try:
            answer = await append_signed(client, ring, admin, _registration(key.verify_key, owner, scope, name))
        except LineproofError:
            pem.unlink()
            pem.with_suffix(".json").unlink()
            raise
        return {"name": name, "keyId": key.keyid, "tenant": owner, "path": str(pem), "index": answer["index"]}

    made = ask(work, data, url)
    if as_json:
        print_json(made)
        return
    say(made["path"])
    note(f"Key {made['keyId'][:16]}… is valid from entry {made['index'] + 1} on. Use it with: export LINEPROOF_KEY={made['path']}")


@app.command("register")
def register(file: Annotated[Path, typer.Argument(help="Public key (PEM, or base64 SubjectPublicKeyInfo), or a PEM of ours.")], namespace: Namespaces = None,
             event_type: EventTypes = None, source: Sources = None, tenant: Tenant = None,
             label: Annotated[str | None, typer.Option(help="Name shown in lists.")] = None, admin_key: AdminKey = None, data: Data = None, url: Url = None,
             as_json: Json = False) -> None:
    """Register a key that was made elsewhere; its private part never has to be here."""
    scope, key = _scope(namespace, event_type, source), _read_public(file)

    async def work(client: ServiceClient) -> dict[str, Any]:
        ring = await client.call("GET", "/api/v1/admin/keys")
        owner = one_tenant(ring, tenant)
        answer = await append_signed(client, ring, admin_key_of(client, ring, admin_key), _registration(key, owner, scope, label or file.stem))
        return {"keyId": key.keyid, "tenant": owner, "index": answer["index"]}

    done = ask(work, data, url)
    if as_json:
        print_json(done)
    else:
        say(f"Key {done['keyId']} is valid from entry {done['index'] + 1} on.")


app.command("rotate")(rotate)


@app.command("revoke")
def revoke(key_id: Annotated[str, typer.Argument(help="Key id, or the first characters of it.")],
           last_valid: Annotated[int | None, typer.Option(help="Last entry it may have signed; default: the last one of the log. Below that, "
                                                               "entries in between are marked as disputed.")] = None,
           reason: Annotated[str | None, typer.Option(help="Why; stands in the log for ever.")] = None, admin_key: AdminKey = None, data: Data = None,
           url: Url = None, as_json: Json = False) -> None:
    """End a key. Nothing that was said before is undone."""
    async def work(client: ServiceClient) -> dict[str, Any]:
        ring = await client.call("GET", "/api/v1/admin/keys")
        found = [key["keyId"] for key in ring["keys"] if key["keyId"].startswith(key_id)]
        if len(found) != 1:
            raise LineproofError(f"{key_id!r} fits {len(found)} keys", code="not-found" if not found else "ambiguous-name", candidates=found)
        body: dict[str, Any] = {"action": "revoke", "keyId": found[0], "lastValid": last_valid if last_valid is not None else ring["size"] - 1}
        if reason is not None:
            body["reason"] = reason
        answer = await append_signed(client, ring, admin_key_of(client, ring, admin_key), body)
        return {"keyId": found[0], "lastValid": body["lastValid"], "index": answer["index"]}

    done = ask(work, data, url)
    if as_json:
        print_json(done)
    else:
        say(f"Key {done['keyId']} was valid up to entry {done['lastValid']} (entry {done['index']}).")


@app.command("list")
def list_keys(data: Data = None, url: Url = None, as_json: Json = False) -> None:
    """All keys of the log with their scope and validity."""
    ring = ask(lambda client: client.call("GET", "/api/v1/admin/keys"), data, url)
    if as_json:
        print_json(ring)
        return
    rows = []
    for key in ring["keys"]:
        until = "" if key["lastValid"] is None else key["lastValid"]
        namespaces = ", ".join(key["scope"]["namespaces"]) if key["scope"] else ""
        rows.append((key["keyId"][:16] + "…", key["purpose"], key["label"], namespaces, key["validFrom"], until))
    print_table(("key", "purpose", "name", "namespaces", "valid from", "last valid"), rows, "no keys")


@app.command("trust")
def trust(data: Data = None, url: Url = None,
          out: Annotated[Path | None, typer.Option(help="Write here instead of to the screen.")] = None) -> None:
    """Print the trust file (C2SP tlog-policy) that `lineproof log verify --trust` takes. Trust is first-use: compare the key over another channel.

    If the service asks witnesses, the file holds them and the quorum the service waits for. Which of them you believe is yours to say: edit it.
    """
    ring = ask(lambda client: client.call("GET", "/api/v1/admin/keys"), data, url)
    logs = [TrustedLog(NoteVerifier(ring["origin"], VerifyKey(base64.b64decode(key["publicKey"])))) for key in ring["keys"]
            if key["purpose"] == "log" and key["lastValid"] is None]
    told: list[str] | None = ring.get("witnesses")  # null without a policy, and nothing from a service of before
    quorum = None if told is None else parse_trust("\n".join([format_trust(logs).splitlines()[0], *told]).encode()).quorum
    text = format_trust(logs, quorum)
    if out is None:
        say(text.rstrip("\n"))
    else:
        out.write_text(text, encoding="utf-8")
        note(f"wrote {out}")
    if quorum is not None:
        note(f"Its quorum of {counted(len(members_of(quorum)), 'witness', 'witnesses')} is the operator's choice: keep those you believe, see docs/auditor.md.")


def _scope(namespaces: list[str] | None, event_types: list[str] | None, sources: list[str] | None) -> _Scope:
    if not namespaces:
        raise typer.BadParameter("give at least one --namespace PREFIX (or --namespace '*' for all)")
    return _Scope(namespaces, event_types or ["*"], sources or ["*"])


def _check_name(name: str) -> None:
    if not name or name.startswith(".") or not all(character.isalnum() or character in "-_." for character in name):
        raise typer.BadParameter("a key's name has letters, digits, - _ . and is a file name")


def _producers(client: ServiceClient, ring: dict[str, Any]) -> Path:
    from metadata_service.cli.service import state_dir_of

    return state_dir_of(client.settings, ring["origin"]) / "producers"


def _address(client: ServiceClient) -> str:
    from metadata_service.settings import DEFAULT_PORT

    here = str(client.http.base_url).rstrip("/")
    return here if here != "http://here" else f"http://127.0.0.1:{client.settings.port or DEFAULT_PORT}"


def _registration(key: VerifyKey, tenant: str, scope: _Scope, label: str) -> dict[str, Any]:
    return {"action": "register", "keyId": key.keyid, "purpose": "producer", "publicKey": base64.b64encode(key.spki).decode("ascii"), "tenant": tenant,
            "label": label, "scope": {"namespaces": scope.namespaces, "eventTypes": scope.event_types, "sources": scope.sources}}


def _read_public(file: Path) -> VerifyKey:
    try:
        text = file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{file}: {error}") from error
    if "PRIVATE KEY" in text:
        return SigningKey.load(file).verify_key
    body = "".join(line for line in text.splitlines() if not line.startswith("-----")).strip()
    try:
        return VerifyKey(base64.b64decode(body, validate=True))
    except ValueError as error:
        raise typer.BadParameter(f"{file} is no public key: {error}") from error
