"""The notary keys of a log, by which a manifest is believed, and the one that lies on this machine."""
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lineproof_schema.errors import LineproofError
from metadata_service.cli import documents

if TYPE_CHECKING:
    from lineproof_audit.keys import SigningKey, VerifyKey
    from metadata_service.cli.service import ServiceClient
    from metadata_service.settings import Settings

__all__ = ["notary_here", "notary_keys"]

HISTORY = "query { keyHistory { keys { keyId purpose registeredAt revocations { index lastValid } publicKey } } }"


def notary_here(settings: Settings, keys: dict[str, VerifyKey]) -> SigningKey | None:
    """The log's notary key, if it lies on this machine: it signs the result for who has no key of their own, as it signed the manifest."""
    from lineproof_audit.errors import KeyFileError
    from lineproof_audit.init import NOTARY_KEY
    from lineproof_audit.keys import SigningKey

    here = {}
    for path in (settings.data / "keys").glob(f"{NOTARY_KEY}*.pem"):
        try:
            found = SigningKey.load(path)
        except KeyFileError:
            continue
        here[found.keyid] = found
    return next((here[keyid] for keyid in reversed(keys) if keyid in here), None)  # the newest, after a rotation


async def notary_keys(client: ServiceClient, trust: Path | None, size: int) -> dict[str, VerifyKey]:
    """The notary keys that may have signed a manifest of position `size`; with a trust file only those that an evidence bundle proves to stand
    in the log. A key whose revocation reaches back was stolen and counts for nothing: the manifest can be asked for again."""
    from lineproof_audit.base64text import decode_base64
    from lineproof_audit.bundle import parse_bundle
    from lineproof_audit.keyring import Keyring
    from lineproof_audit.keys import VerifyKey
    from lineproof_audit.trust import load_trust
    from lineproof_audit.verify import verify_bundle

    history = await _graphql(client, HISTORY, {})
    notaries = [key for key in sorted(history["keyHistory"]["keys"], key=lambda key: int(key["registeredAt"])) if key["purpose"] == "notary" and all(
        size <= revocation["lastValid"] + 1 and revocation["index"] <= revocation["lastValid"] for revocation in key["revocations"])]
    if trust is None:
        return {key["keyId"]: VerifyKey(decode_base64(key["publicKey"])) for key in notaries}
    entries = sorted({key["registeredAt"] for key in notaries})
    bundle = (await _graphql(client, documents.EVIDENCE, {"entries": entries, "withLeaves": False}))["evidence"]["bundle"]
    verdict = verify_bundle(bundle, load_trust(trust))
    if not verdict.ok:
        raise LineproofError(f"the log's keys do not verify against {trust}: {verdict.statement} {verdict.reasons}", code="invalid-proof")
    parsed, keyring, counting = parse_bundle(bundle), Keyring(), {key["keyId"] for key in notaries}
    for entry in sorted({entry.index: entry for entry in (*parsed.key_entries, *parsed.entries)}.values(), key=lambda entry: entry.index):
        keyring.apply(entry.index, entry.leaf, entry.envelope)
    return {record.keyid: record.verify_key for record in keyring.history() if record.purpose == "notary" and record.keyid in counting}


async def _graphql(client: ServiceClient, document: str, variables: dict[str, Any]) -> dict[str, Any]:
    body = await client.call("POST", "/graphql", json={"query": document, "variables": variables})
    if body.get("errors"):
        raise LineproofError(str(body["errors"][0].get("message")), code="internal")
    data: dict[str, Any] = body["data"]
    return data
