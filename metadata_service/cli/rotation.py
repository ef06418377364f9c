"""`lineproof keys rotate`: a new key takes over from an old one; both sign that it does."""
from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from lineproof_audit.base64text import encode_base64
from lineproof_audit.held_keys import rotated_name
from lineproof_audit.keys import KeyInfo, SigningKey
from lineproof_audit.possession import rotation_signatures
from lineproof_schema.errors import LineproofError
from metadata_service.cli.admin_entries import AdminKey, admin_key_of, append_signed
from metadata_service.cli.options import Data, Url, ask
from metadata_service.cli.output import Json, note, print_json, say

if TYPE_CHECKING:
    from metadata_service.cli.service import ServiceClient

__all__ = ["rotate"]

_OWN: Final = {"log": "log", "notary": "notary", "admin": "root-admin"}  # purpose -> file name
_ROTATED: Final = re.compile(r"-[0-9a-f]{16}$")
_NEXT: Final = {
    "log": "Checkpoints now carry a line of each. Give auditors the new trust file (lineproof keys trust), then: lineproof keys revoke {old}",
    "notary": "Restart the service, which then signs with the new key; then: lineproof keys revoke {old}",
    "admin": "Move the new key to a safe place, then: lineproof keys revoke {old}",
    "producer": "Both keys are good until the old one is ended: lineproof keys revoke {old}",
}


def rotate(file: Annotated[Path, typer.Argument(help="The key to take over from (PEM): a producer's, or log.pem, notary.pem, root-admin.pem.")],
           namespace: Annotated[list[str] | None, typer.Option("--namespace", "-n", help="New namespace prefixes; default: the old key's scope.")] = None,
           event_type: Annotated[list[str] | None, typer.Option("--event-type", help="New event types.")] = None,
           source: Annotated[list[str] | None, typer.Option("--source", help="New sources.")] = None,
           end_old: Annotated[bool, typer.Option("--end-old", help="End the old key with the same entry; otherwise both are good.")] = False,
           out: Annotated[Path | None, typer.Option(help="Directory of the new key; default: beside the old one.")] = None,
           admin_key: AdminKey = None, data: Data = None, url: Url = None, as_json: Json = False) -> None:
    """Make a key that takes over from another, of producers and of the log itself. Old key, new key and root admin sign."""
    old, new = SigningKey.load(file), SigningKey.generate()

    async def work(client: ServiceClient) -> dict[str, Any]:
        ring = await client.call("GET", "/api/v1/admin/keys")
        record = next((key for key in ring["keys"] if key["keyId"] == old.keyid), None)
        if record is None:
            raise LineproofError(f"{file} is no key of the log {ring['origin']}", code="unknown-key")
        admin = admin_key_of(client, ring, admin_key)
        info = KeyInfo.beside(file)
        pem = new.save(out or file.parent, _name(file, record["purpose"], new), ring["origin"], info.url, info.tenant)
        try:
            answer = await append_signed(client, ring, admin, _body(ring, record, old, new, namespace, event_type, source, end_old))
        except LineproofError:
            pem.unlink()
            pem.with_suffix(".json").unlink()
            raise
        return {"keyId": new.keyid, "replaces": old.keyid, "purpose": record["purpose"], "path": str(pem), "index": answer["index"], "oldEnded": end_old}

    done = ask(work, data, url)
    if as_json:
        print_json(done)
        return
    say(done["path"])
    note(f"Key {done['keyId'][:16]}… takes over from {done['replaces'][:16]}… from entry {done['index'] + 1} on.")
    if not end_old:
        note(_NEXT[done["purpose"]].format(old=done["replaces"][:16]))


def _name(file: Path, purpose: str, new: SigningKey) -> str:
    return rotated_name(_OWN.get(purpose) or _ROTATED.sub("", file.stem), new)


def _body(ring: dict[str, Any], record: dict[str, Any], old: SigningKey, new: SigningKey, namespaces: list[str] | None, event_types: list[str] | None,
          sources: list[str] | None, end_old: bool) -> dict[str, Any]:
    by_old, by_new = rotation_signatures(ring["origin"], old, new)
    body: dict[str, Any] = {"action": "rotate", "purpose": record["purpose"], "replaces": old.keyid, "keyId": new.keyid,
                            "publicKey": encode_base64(new.verify_key.spki), "oldSignature": encode_base64(by_old), "newSignature": encode_base64(by_new)}
    if record["label"]:
        body["label"] = record["label"]
    if namespaces or event_types or sources:
        scope = record["scope"] or {}
        body["scope"] = {"namespaces": namespaces or scope.get("namespaces", []), "eventTypes": event_types or scope.get("eventTypes", ["*"]),
                         "sources": sources or scope.get("sources", ["*"])}
    if end_old:
        body["lastValid"] = ring["size"] - 1
    return body
