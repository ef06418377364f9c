"""`lineproof tokens`: bearer tokens."""
from __future__ import annotations

from typing import Annotated

import typer

from metadata_service.cli.options import Data, Url, ask
from metadata_service.cli.output import Json, note, print_json, print_table, say, when

__all__ = ["app"]

app = typer.Typer(help="Bearer tokens.", no_args_is_help=True)


@app.command("create")
def create(subject: Annotated[str, typer.Argument(help="Who holds it, e.g. ci, airflow or ada@example.org.")],
           role: Annotated[list[str], typer.Option("--role", "-r", help="admin, ingest, reader, auditor or operator. Repeat for more.")],
           namespace: Annotated[list[str] | None, typer.Option("--namespace", "-n", help="Namespace prefix. Default: all.")] = None,
           ceiling: Annotated[str, typer.Option(help="Most closed classification it may see.")] = "restricted",
           days: Annotated[int, typer.Option(help="Days it lives.")] = 90, data: Data = None, url: Url = None, as_json: Json = False) -> None:
    """Issue a token. It is shown once: on stdout, so that it can be piped into a secret store."""
    body = {"subject": subject, "roles": role, "namespaces": namespace or [""], "ceiling": ceiling, "days": days}
    issued = ask(lambda client: client.call("POST", "/api/v1/admin/tokens", json=body), data, url)
    if as_json:
        print_json(issued)
        return
    say(issued["token"])
    note(f"Token {issued['id']} of {subject} ({', '.join(issued['roles'])}) expires {when(issued['expires'])}; it is not shown again.")


@app.command("list")
def list_tokens(data: Data = None, url: Url = None, as_json: Json = False) -> None:
    """All tokens, without their secrets."""
    answer = ask(lambda client: client.call("GET", "/api/v1/admin/tokens"), data, url)
    if as_json:
        print_json(answer)
        return
    rows = [(item["id"], item["subject"], ", ".join(item["roles"]), ", ".join(name or "*" for name in item["namespaces"]), when(item["expires"]),
             when(item["revoked"])) for item in answer["tokens"]]
    print_table(("id", "subject", "roles", "namespaces", "expires", "revoked"), rows, "no tokens")


@app.command("revoke")
def revoke(token_id: Annotated[str, typer.Argument(help="Id of the token, see list.")], data: Data = None, url: Url = None, as_json: Json = False) -> None:
    """Revoke a token."""
    ask(lambda client: client.call("DELETE", f"/api/v1/admin/tokens/{token_id}"), data, url)
    if as_json:
        print_json({"id": token_id, "revoked": True})
    else:
        say(f"Token {token_id} is revoked.")
