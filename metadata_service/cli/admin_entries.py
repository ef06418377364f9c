"""Entries that the log says about itself (keys, policy): signed here with the root admin key, appended by the service."""
from __future__ import annotations

import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from lineproof_audit.envelope import PAYLOAD_CLOUDEVENT, sign_envelope
from lineproof_audit.keys import SigningKey
from lineproof_schema.errors import LineproofError

if TYPE_CHECKING:
    from metadata_service.cli.service import ServiceClient

__all__ = ["KEY", "POLICY", "AdminKey", "admin_key_of", "append_signed", "change_policy", "one_tenant", "policy_in_force", "sign_entry"]

KEY: Final = "lineproof.key.v1"
POLICY: Final = "lineproof.policy.v1"
ROOT_ADMIN: Final = "root-admin"
_PAYLOAD: Final = "query Policy($index: Long!) { event(index: $index) { event { payload } } }"

AdminKey = Annotated[Path | None, typer.Option(help="Root admin key (PEM); default: the one of this machine.")]


def admin_key_of(client: ServiceClient, ring: dict[str, Any], given: Path | None) -> SigningKey:
    """The root admin key: the one given, or the newest in force of those that lie on this machine."""
    from lineproof_audit.held_keys import HeldKeys
    from metadata_service.cli.service import state_dir_of

    folder = state_dir_of(client.settings, ring["origin"])
    if given is not None:
        return SigningKey.load(given)
    in_force = [key["keyId"] for key in ring["keys"] if key["purpose"] == "admin" and key["lastValid"] is None]
    held = HeldKeys(folder, ROOT_ADMIN).held()
    return next((held[keyid] for keyid in reversed(in_force) if keyid in held), None) or SigningKey.load(folder / f"{ROOT_ADMIN}.pem")


def sign_entry(ring: dict[str, Any], admin: SigningKey, body: dict[str, Any], kind: str) -> bytes:
    """The signed envelope of an entry of this type, addressed to this log."""
    import rfc8785

    now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    payload = rfc8785.dumps({"specversion": "1.0", "id": str(uuid.uuid4()), "source": ring["origin"], "type": kind, "time": now,
                             "audience": ring["origin"], "datacontenttype": "application/json", "data": body})
    return sign_envelope(PAYLOAD_CLOUDEVENT, payload, admin)


async def append_signed(client: ServiceClient, ring: dict[str, Any], admin: SigningKey, body: dict[str, Any], kind: str = KEY) -> dict[str, Any]:
    """Sign an entry of the log about itself here, append it there.

    Raises:
        LineproofError: `rejected` if the keyring refuses it, although it stands in the log.
    """
    answer: dict[str, Any] = await client.call("POST", "/api/v1/admin/keys", content=sign_entry(ring, admin, body, kind),
                                               headers={"Content-Type": "application/json"})
    if answer["status"] != "applied":
        raise LineproofError(f"entry {answer['index']} was {answer['status']}: {answer['reason']}", code="rejected", index=answer["index"])
    return answer


async def policy_in_force(client: ServiceClient, index: int | None) -> dict[str, Any]:
    """What the policy in force says, unknown fields too."""
    if index is None:
        raise LineproofError("the log has no policy", code="not-found")
    body = await client.call("POST", "/graphql", json={"query": _PAYLOAD, "variables": {"index": index}})
    found = ((body.get("data") or {}).get("event") or {}).get("event") or {}
    said = (found.get("payload") or {}).get("data")
    if not isinstance(said, dict):
        raise LineproofError(f"the policy of entry {index} cannot be read", code="forbidden")
    return said


async def change_policy(client: ServiceClient, ring: dict[str, Any], admin_key: Path | None, policy: dict[str, Any]) -> int:
    """Replace the policy that `ring` knows by `policy`; the index of its entry. Another change in between makes it fail: ask again."""
    answer = await append_signed(client, ring, admin_key_of(client, ring, admin_key), {**policy, "previous": ring["policyIndex"]}, POLICY)
    return int(answer["index"])


def one_tenant(ring: dict[str, Any], wanted: str | None) -> str:
    """The id of the tenant of that name or id; the only one if none is named."""
    tenants: dict[str, str] = {tenant["id"]: tenant["name"] for tenant in ring["tenants"]}
    if wanted is None and len(tenants) == 1:
        return next(iter(tenants))
    found = [tenant for tenant, name in tenants.items() if wanted in (tenant, name)]
    if len(found) != 1:
        raise LineproofError(f"give --tenant: {', '.join(f'{name} ({tenant})' for tenant, name in tenants.items())}", code="invalid-argument")
    return found[0]
