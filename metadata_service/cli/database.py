"""`lineproof database prepare`: roles and tables of a log in PostgreSQL, so that the service can append and nothing else."""
from __future__ import annotations

from typing import Annotated

import typer

from metadata_service.cli.output import Json, note, print_json, say

__all__ = ["app"]

app = typer.Typer(help="The log's database.", no_args_is_help=True)


@app.command("prepare")
def prepare(url: Annotated[str, typer.Argument(help="postgresql:// URL with the rights of an administrator of the database.")],
            owner: Annotated[str, typer.Option(help="Role that owns the log's tables; nobody logs in as it.")] = "lineproof_owner",
            service: Annotated[str, typer.Option(help="Role the service connects as.")] = "lineproof_service", as_json: Json = False) -> None:
    """Create the log's tables, owned by a role without login, and grant the service's role appending, reading and erasing. May be repeated."""
    from lineproof_audit.store_postgres import PostgresStore

    if owner == service:
        raise typer.BadParameter("the service must not own what it appends to: give two roles")
    store = PostgresStore(url)
    try:
        store.hand_over(owner, service)
        done = {"database": store.location, "owner": owner, "service": service}
    finally:
        store.close()
    if as_json:
        print_json(done)
        return
    say(f"{done['database']}: the log belongs to {owner}; {service} may append, read and erase.")
    note(f"Give {service} a password or another way to log in, and let LINEPROOF_DATABASE_URL name it.")
