"""`lineproof quarantine`: events that were refused."""
from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lineproof_schema.errors import LineproofError
from metadata_service.cli.options import Data, Url, ask
from metadata_service.cli.output import Json, print_json, print_table, say, when

if TYPE_CHECKING:
    from metadata_service.cli.service import ServiceClient

__all__ = ["app"]

PAGE = 1000
app = typer.Typer(help="Events that were refused: list, show, take in again.", no_args_is_help=True)

Code = Annotated[str | None, typer.Option(help="Only those refused with this code.")]


@app.command("list")
def list_items(code: Code = None, limit: Annotated[int, typer.Option(min=1, max=PAGE)] = 100, data: Data = None, url: Url = None,
               as_json: Json = False) -> None:
    """Refused events, last seen first."""
    query = {"limit": limit, **({"code": code} if code else {})}
    answer = ask(lambda client: client.call("GET", "/api/v1/admin/quarantine", params=query), data, url)
    if as_json:
        print_json(answer)
        return
    rows = [(item["id"], item["code"], item["times"], when(item["lastSeen"]), "" if item["appended"] is None else f"entry {item['appended']}",
             item["detail"]) for item in answer["items"]]
    print_table(("id", "code", "times", "last seen", "replayed", "why"), rows, "nothing in quarantine")


@app.command("show")
def show(item: Annotated[str, typer.Argument(help="Id, see list.")], data: Data = None, url: Url = None, as_json: Json = False) -> None:
    """One refused event with its bytes."""
    found = ask(lambda client: client.call("GET", f"/api/v1/admin/quarantine/{item}"), data, url)
    if as_json:
        print_json(found)
        return
    for name in ("id", "code", "detail", "route", "caller", "size", "times"):
        say(f"{name:<10}{found[name]}")
    say(f"{'last seen':<10}{when(found['lastSeen'])}\n")
    say(base64.b64decode(found["body"]).decode("utf-8", "replace"))


@app.command("replay")
def replay(items: Annotated[list[str] | None, typer.Argument(help="Ids, see list.")] = None, code: Code = None,
           data: Data = None, url: Url = None, as_json: Json = False) -> None:
    """Take refused events in again, for instance after a key was registered; each is appended at most once. Exit 1 if any is refused again."""
    if bool(items) == bool(code):
        raise typer.BadParameter("give ids, or --code")

    async def work(client: ServiceClient) -> list[dict[str, Any]]:
        chosen = list(items or [])
        if code:
            listed = await client.call("GET", "/api/v1/admin/quarantine", params={"code": code, "limit": PAGE})
            chosen = [item["id"] for item in reversed(listed["items"]) if item["appended"] is None]
        return [await _replay(client, item) for item in chosen]

    done = ask(work, data, url)
    if as_json:
        print_json({"replayed": done})
    else:
        print_table(("id", "entry", "refused"), [(row["id"], row.get("index"), row.get("code")) for row in done], "nothing to replay")
    if any("code" in row for row in done):
        raise typer.Exit(1)


async def _replay(client: ServiceClient, item: str) -> dict[str, Any]:
    try:
        answer = await client.call("POST", f"/api/v1/admin/quarantine/{item}/replay")
    except LineproofError as error:
        if error.entry.status == 503:
            raise
        return {"id": item, "code": error.code, "detail": error.detail}
    return {"id": item, "index": answer["index"], "duplicate": answer["duplicate"]}
