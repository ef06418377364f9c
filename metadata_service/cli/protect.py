"""`lineproof aliases protect|unprotect`: which aliases the policy lets nobody move without an approval.

The policy is an entry of the log, signed with the root admin key and compare-and-set on the policy before it.
"""
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from metadata_service.cli.admin_entries import AdminKey, change_policy, policy_in_force
from metadata_service.cli.options import Data, Url, ask
from metadata_service.cli.output import Json, print_json, say

if TYPE_CHECKING:
    from metadata_service.cli.service import ServiceClient

__all__ = ["protect", "unprotect"]

Alias = Annotated[str, typer.Argument(help="Name of the alias, of every feature and model.")]


def protect(alias: Alias, admin_key: AdminKey = None, data: Data = None, url: Url = None, as_json: Json = False) -> None:
    """From now on, every move of this alias names an approval, or is rejected."""
    _change(alias, True, admin_key, data, url, as_json)


def unprotect(alias: Alias, admin_key: AdminKey = None, data: Data = None, url: Url = None, as_json: Json = False) -> None:
    """From now on, this alias moves without an approval."""
    _change(alias, False, admin_key, data, url, as_json)


def _change(alias: str, wanted: bool, admin_key: Path | None, data: Path | None, url: str | None, as_json: bool) -> None:
    async def work(client: ServiceClient) -> dict[str, Any]:
        ring = await client.call("GET", "/api/v1/admin/keys")
        policy = await policy_in_force(client, ring["policyIndex"])
        before = list(policy.get("protectedAliases") or ())
        if (alias in before) == wanted:
            return {"protectedAliases": before, "index": ring["policyIndex"], "changed": False}
        after = sorted({*before, alias} if wanted else {*before} - {alias})
        return {"protectedAliases": after, "index": await change_policy(client, ring, admin_key, {**policy, "protectedAliases": after}), "changed": True}

    done = ask(work, data, url)
    if as_json:
        print_json(done)
    else:
        what = "Protected" if done["changed"] else "Nothing changed; protected"
        say(f"{what} from entry {done['index'] + 1} on: {', '.join(done['protectedAliases']) or 'no alias'}")
