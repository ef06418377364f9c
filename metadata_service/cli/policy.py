"""`lineproof policy`: who owns which namespaces, who may do what, which CI jobs may enrol keys. Every change is an entry of the log."""
from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from lineproof_audit.bindings import PROVIDERS
from lineproof_schema.errors import LineproofError
from metadata_service.cli import documents
from metadata_service.cli.admin_entries import AdminKey, change_policy, one_tenant, policy_in_force
from metadata_service.cli.asking import Target, ask_plainly
from metadata_service.cli.options import Data, Url, ask
from metadata_service.cli.output import Json, print_json, print_table, say
from metadata_service.cli.questions import At, Server, Token, position

if TYPE_CHECKING:
    from metadata_service.cli.service import ServiceClient

__all__ = ["app"]

app = typer.Typer(help="The policy: tenants, grants, bindings of CI jobs. Every change is an entry of the log.", no_args_is_help=True)

ISSUERS: Final = {"github": "https://token.actions.githubusercontent.com", "gitlab": "https://gitlab.com"}
Change = Callable[[dict[str, Any], dict[str, Any], Any], dict[str, Any]]  # (policy, keys and tenants, tokens) -> the new policy
Subject = Annotated[str, typer.Argument(help="Subject of a token, or the viewer's keyed hash (64 hex digits, see lineproof tokens list --json).")]
Role = Annotated[str, typer.Argument(help="admin, ingest, reader, auditor or operator.")]
Tenant = Annotated[str | None, typer.Option(help="Tenant id or name; needed when there are several.")]


@app.command("show")
def show(at: At = None, server: Server = None, token: Token = None, data: Data = None, as_json: Json = False) -> None:
    """The policy in force, now or at a position."""
    answer = ask_plainly(Target(server, token, data), "keyHistory", documents.KEY_HISTORY, {"at": position(at)}, False)
    found = {"index": answer["policyIndex"], "policy": answer["policy"]}
    if as_json:
        print_json(found)
        return
    policy = answer["policy"]
    if policy is None:
        say("no policy")
        return
    say(f"policy of entry {found['index']}; the log is {policy['logRead']}; protected aliases: {', '.join(policy['protectedAliases']) or 'none'}")
    print_table(("tenant", "name", "prefixes"), ((item["id"], item["name"], _prefixes(item["prefixes"])) for item in policy["tenants"]), "no tenants")
    say("")
    print_table(("viewer", "role", "prefixes", "ceiling"), ((item["viewer"][:16] + "…", item["role"], _prefixes(item["prefixes"]), item["ceiling"] or "")
                                                            for item in policy["grants"]), "no grants: tokens decide")
    say("")
    print_table(("binding", "issuer", "claims", "namespaces", "seconds"), (
        (item["id"], item["issuer"], "; ".join(f"{name}={'|'.join(values)}" for name, values in item["claims"].items()),
         _prefixes(item["scope"]["namespaces"]), item["seconds"]) for item in policy["bindings"]), "no bindings: no CI job enrols keys")


@app.command("set")
def set_policy(file: Annotated[Path, typer.Argument(help="JSON as lineproof policy show --json prints in `policy`.")], admin_key: AdminKey = None,
               data: Data = None, url: Url = None, as_json: Json = False) -> None:
    """Replace the policy by a file's."""
    try:
        wanted = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{file}: {error}") from error
    if not isinstance(wanted, dict) or "tenants" not in wanted:
        raise typer.BadParameter(f"{file} is no policy: it names no tenants")
    _change(lambda policy, ring, tokens: wanted, admin_key, data, url, as_json)


@app.command("tenant")
def tenant(name: Annotated[str, typer.Argument(help="Name of the tenant; a new name makes a new one.")],
           prefix: Annotated[list[str], typer.Option("--prefix", help="Namespace prefix it owns; the longest prefix wins. Repeat for more.")],
           admin_key: AdminKey = None, data: Data = None, url: Url = None, as_json: Json = False) -> None:
    """Say which namespace prefixes a tenant owns."""
    def change(policy: dict[str, Any], ring: dict[str, Any], tokens: Any) -> dict[str, Any]:
        known = next((item for item in policy["tenants"] if name in (item["id"], item["name"])), {"id": secrets.token_hex(16), "name": name})
        return {**policy, "tenants": [*(item for item in policy["tenants"] if item["id"] != known["id"]), {**known, "prefixes": prefix}]}

    _change(change, admin_key, data, url, as_json)


@app.command("grant")
def grant(subject: Subject, role: Role, namespace: Annotated[list[str] | None, typer.Option("--namespace", "-n", help="Prefix. Default: all.")] = None,
          ceiling: Annotated[str | None, typer.Option(help="Most closed classification.")] = None, admin_key: AdminKey = None, data: Data = None,
          url: Url = None, as_json: Json = False) -> None:
    """Grant a role. Once there are grants they are the whole list: tokens give nothing beyond them."""
    def change(policy: dict[str, Any], ring: dict[str, Any], tokens: Any) -> dict[str, Any]:
        viewer = _viewer(subject, tokens)
        others = [item for item in policy.get("grants", []) if (item["viewer"], item["role"]) != (viewer, role)]
        added = {"viewer": viewer, "role": role, "prefixes": namespace or [""], **({"ceiling": ceiling} if ceiling else {})}
        return {**policy, "grants": _with_admin([*others, added])}

    _change(change, admin_key, data, url, as_json)


@app.command("withdraw")
def withdraw(subject: Subject, role: Annotated[str | None, typer.Argument(help="Role; without it, all of them.")] = None, admin_key: AdminKey = None,
             data: Data = None, url: Url = None, as_json: Json = False) -> None:
    """Take grants back."""
    def change(policy: dict[str, Any], ring: dict[str, Any], tokens: Any) -> dict[str, Any]:
        viewer = _viewer(subject, tokens)
        kept = [item for item in policy.get("grants", []) if item["viewer"] != viewer or role not in (None, item["role"])]
        if len(kept) == len(policy.get("grants", [])):
            raise LineproofError(f"{subject} is granted no such role", code="not-found")
        return {**policy, "grants": _with_admin(kept)}

    _change(change, admin_key, data, url, as_json)


@app.command("bind")
def bind(name: Annotated[str, typer.Argument(help="Name of the binding, e.g. etl-main.")],
         repository_id: Annotated[list[str], typer.Option(help="Number of a repository (GitHub repository_id, GitLab project_id). Repeat for more.")],
         namespace: Annotated[list[str], typer.Option("--namespace", "-n", help="Namespace prefix the keys may write in. Repeat for more.")],
         provider: Annotated[str, typer.Option(help="github or gitlab.")] = "github",
         issuer: Annotated[str | None, typer.Option(help="Issuer of the tokens; default: the provider's public one.")] = None,
         claim: Annotated[list[str] | None, typer.Option(help="NAME=VALUE the token must say; a VALUE ending in * is a prefix. Repeat for more.")] = None,
         event_type: Annotated[list[str] | None, typer.Option("--event-type", help="Event type, or a prefix ending in *. Default: all.")] = None,
         seconds: Annotated[int, typer.Option(help="Longest life of a key.")] = 3_600, tenant: Tenant = None, admin_key: AdminKey = None, data: Data = None,
         url: Url = None, as_json: Json = False) -> None:
    """Let the CI jobs of a repository enrol short-lived keys with their identity tokens. Forks and pull requests are refused."""
    if provider not in PROVIDERS:
        raise typer.BadParameter(f"a provider is one of {', '.join(sorted(PROVIDERS))}")
    claims: dict[str, list[str]] = {PROVIDERS[provider].identity: repository_id}
    for item in claim or []:
        key, equals, value = item.partition("=")
        if not (key and equals and value):
            raise typer.BadParameter(f"{item!r} is not NAME=VALUE")
        claims.setdefault(key, []).append(value)

    def change(policy: dict[str, Any], ring: dict[str, Any], tokens: Any) -> dict[str, Any]:
        added = {"id": name, "provider": provider, "issuer": issuer or ISSUERS[provider], "tenant": one_tenant(ring, tenant), "claims": claims,
                 "scope": {"namespaces": namespace, "eventTypes": event_type or ["*"], "sources": ["*"]}, "seconds": seconds}
        return {**policy, "bindings": [*(item for item in policy.get("bindings", []) if item["id"] != name), added]}

    _change(change, admin_key, data, url, as_json)


@app.command("unbind")
def unbind(name: Annotated[str, typer.Argument(help="Name of the binding.")], admin_key: AdminKey = None, data: Data = None, url: Url = None,
           as_json: Json = False) -> None:
    """Let nobody enrol under a binding any more; tokens given with its keys end at once."""
    def change(policy: dict[str, Any], ring: dict[str, Any], tokens: Any) -> dict[str, Any]:
        kept = [item for item in policy.get("bindings", []) if item["id"] != name]
        if len(kept) == len(policy.get("bindings", [])):
            raise LineproofError(f"the policy has no binding {name!r}", code="not-found")
        return {**policy, "bindings": kept}

    _change(change, admin_key, data, url, as_json)


def _change(change: Change, admin_key: Path | None, data: Path | None, url: str | None, as_json: bool) -> None:
    async def work(client: ServiceClient) -> dict[str, Any]:
        ring = await client.call("GET", "/api/v1/admin/keys")
        tokens = (await client.call("GET", "/api/v1/admin/tokens"))["tokens"]
        policy = change(await policy_in_force(client, ring["policyIndex"]), ring, tokens)
        return {"index": await change_policy(client, ring, admin_key, policy)}

    done = ask(work, data, url)
    if as_json:
        print_json(done)
    else:
        say(f"The policy of entry {done['index']} is in force.")


def _viewer(subject: str, tokens: list[dict[str, Any]]) -> str:
    if len(subject) == 64 and all(character in "0123456789abcdef" for character in subject):
        return subject
    found = {item["viewer"] for item in tokens if item["subject"] == subject}
    if len(found) != 1:
        raise LineproofError(f"no token was issued to {subject!r}; give the viewer's keyed hash", code="not-found")
    return str(found.pop())


def _with_admin(grants: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if grants and not any(item["role"] == "admin" for item in grants):
        raise LineproofError("these grants would leave nobody with the role admin: grant it first (lineproof policy grant SUBJECT admin)",
                             code="invalid-argument")
    return grants


def _prefixes(prefixes: list[str]) -> str:
    return ", ".join(prefix or "(all)" for prefix in prefixes)
