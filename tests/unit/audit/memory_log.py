"""A whole log in memory, made of the real parts: keys, envelopes, leaves, tree, checkpoint. No store, no threads.

Keys come from fixed seeds, so that a failing test fails the same way twice.
"""
from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lineproof_audit.base64text import encode_base64
from lineproof_audit.bundle import build_bundle
from lineproof_audit.checkpoint import Checkpoint, sign_checkpoint
from lineproof_audit.envelope import PAYLOAD_CLOUDEVENT, sign_envelope
from lineproof_audit.errors import CorruptLog
from lineproof_audit.fsck_source import FsckSource, RawEntry, StoredTree
from lineproof_audit.keyring import GENESIS, KEY, POLICY, Keyring, Outcome
from lineproof_audit.keys import SigningKey
from lineproof_audit.leaf import SYSTEM_TENANT, Leaf, body_commitment, encode_leaf
from lineproof_audit.note import NoteVerifier
from lineproof_audit.possession import rotation_signatures
from lineproof_audit.tree import CompactRange, inclusion_proof, leaf_hash, new_nodes
from lineproof_audit.trust import Trust, TrustedLog

DATA = Path(__file__).resolve().parents[2] / "data" / "audit"
ORIGIN = "log.example/unit"
TENANT = "a" * 32
OTHER_TENANT = "b" * 32
SOURCE = "https://ci.example/etl"


def key(name: str) -> SigningKey:
    """The fixed key of this name."""
    return SigningKey.from_seed(hashlib.sha256(name.encode()).digest())


LOG, NOTARY, ADMIN, PRODUCER = key("log"), key("notary"), key("admin"), key("producer")


@dataclass(frozen=True)
class Entry:
    """As `LogReader` gives it."""

    index: int
    leaf: bytes
    fields: Leaf
    envelope: bytes | None
    salt: bytes | None


class MemoryLog(FsckSource):
    """Appends without any check (what intake refuses can be logged too) and folds its keyring as it goes."""

    def __init__(self, *, genesis: bool = True) -> None:
        self.stored: list[Entry] = []
        self.keyring = Keyring()
        self.outcomes: list[Outcome] = []
        self.note: str | None = None
        self.nodes: dict[tuple[int, int], bytes] = {}
        self.kept: list[StoredTree] = []
        if genesis:
            self.say(GENESIS, genesis_data(), ADMIN, "ADMIN", SYSTEM_TENANT)
            self.policy()
            self.register(PRODUCER)

    # -- writing

    def say(self, event_type: str, data: dict[str, Any], signer: SigningKey = PRODUCER, signed_by: str = "PRODUCER", tenant: str = TENANT,
            received: int | None = None, **attributes: Any) -> int:
        """Log a CloudEvent; gives its index."""
        index = len(self.stored)
        event = {"specversion": "1.0", "id": str(index), "source": SOURCE, "type": event_type, "time": "2026-11-20T10:00:00Z", "data": data, **attributes}
        return self.log(sign_envelope(PAYLOAD_CLOUDEVENT, json.dumps(event).encode(), signer), event_type, signer, signed_by, tenant, received)

    def log(self, envelope: bytes, event_type: str, signer: SigningKey, signed_by: str, tenant: str = TENANT, received: int | None = None,
            media_type: str = PAYLOAD_CLOUDEVENT) -> int:
        """Log an envelope as it is."""
        index = len(self.stored)
        salt = hashlib.sha256(b"salt %d" % index).digest()
        leaf = Leaf(1, media_type, event_type, tenant, signer.keyid, signed_by, None, 1_800_000_000_000_000 + index if received is None else received,
                    body_commitment(salt, envelope))
        self.stored.append(Entry(index, encode_leaf(leaf), leaf, envelope, salt))
        self.outcomes.append(self.keyring.apply(index, leaf, envelope))
        return index

    def register(self, producer: SigningKey, *, admin: SigningKey = ADMIN, **fields: Any) -> int:
        """Register a producer key of `TENANT` that may say everything below `warehouse`."""
        scope = {"namespaces": ["warehouse"], "eventTypes": ["*"], "sources": ["*"]}
        data = {"action": "register", "keyId": producer.keyid, "publicKey": encode_base64(producer.verify_key.spki), "tenant": TENANT, "scope": scope, **fields}
        return self.say(KEY, data, admin, "PRODUCER" if admin is PRODUCER else "ADMIN", SYSTEM_TENANT)

    def rotate(self, old: SigningKey, new: SigningKey, **fields: Any) -> int:
        """Replace a key; both sign."""
        signatures = [encode_base64(item) for item in rotation_signatures(ORIGIN, old, new)]
        data = {"action": "rotate", "replaces": old.keyid, "keyId": new.keyid, "publicKey": encode_base64(new.verify_key.spki),
                "oldSignature": signatures[0], "newSignature": signatures[1], **fields}
        return self.say(KEY, data, ADMIN, "ADMIN", SYSTEM_TENANT)

    def revoke(self, keyid: str, last_valid: int, *, admin: SigningKey = ADMIN) -> int:
        """Revoke a key."""
        return self.say(KEY, {"action": "revoke", "keyId": keyid, "lastValid": last_valid}, admin, "ADMIN", SYSTEM_TENANT)

    def policy(self, **fields: Any) -> int:
        """A policy with one tenant that owns everything, replacing the one in force."""
        data = {"previous": self.keyring.policy_index, "tenants": [{"id": TENANT, "name": "default", "prefixes": [""]}], **fields}
        return self.say(POLICY, data, ADMIN, "ADMIN", SYSTEM_TENANT)

    def erase(self, index: int) -> int:
        """Delete a body and say so."""
        self.drop_body(index)
        return self.say("lineproof.erasure.v1", {"entry": index, "reason": "asked for"}, ADMIN, "ADMIN", SYSTEM_TENANT)

    def drop_body(self, index: int) -> None:
        """Delete a body and say nothing."""
        self.stored[index] = replace(self.stored[index], envelope=None, salt=None)

    def sign(self, log_key: SigningKey = LOG) -> MemoryLog:
        """Rebuild the tree from the stored leaves and publish a checkpoint."""
        tree, self.nodes = CompactRange(), {}
        for level, index, digest in new_nodes(tree, (leaf_hash(entry.leaf) for entry in self.stored)):
            self.nodes[level, index] = digest
        self.note = sign_checkpoint(Checkpoint(ORIGIN, tree.size, tree.root()), log_key)
        return self

    # -- reading: what `bundle` and `fsck` ask of a log

    def trees(self) -> list[StoredTree]:
        return self.kept

    def size(self) -> int:
        return len(self.stored)

    def checkpoint(self) -> str | None:
        return self.note

    def entry(self, index: int) -> Entry:
        return self.stored[index]

    def entries(self, start: int, stop: int) -> Iterator[Entry]:
        yield from self.stored[start:stop]

    def inclusion_proof(self, index: int, size: int) -> list[bytes]:
        return inclusion_proof(index, size, self.node)

    def raw_entries(self, start: int, stop: int) -> Iterator[RawEntry]:
        for entry in self.stored[start:stop]:
            yield RawEntry(entry.index, entry.leaf, entry.envelope, entry.salt, {"tenant": entry.fields.tenant, "received": entry.fields.received})

    def node(self, level: int, index: int) -> bytes:
        try:
            return self.nodes[level, index]
        except KeyError:
            raise CorruptLog(f"no node ({level}, {index})") from None

    def bundle(self, *cited: int, with_leaves: bool = False) -> dict[str, Any]:
        """The evidence for these entries, through JSON as a file would be."""
        document = build_bundle(self, self.keyring, query="who changed it?", answer={"entries": list(cited)}, cited=cited, tool_version="0.1.0",
                                with_leaves=with_leaves)
        return json.loads(json.dumps(document))


def genesis_data() -> dict[str, Any]:
    return {"origin": ORIGIN, "logKey": encode_base64(LOG.verify_key.spki), "notaryKey": encode_base64(NOTARY.verify_key.spki),
            "rootAdminKey": encode_base64(ADMIN.verify_key.spki)}


def trust(log_key: SigningKey = LOG, origin: str = ORIGIN) -> Trust:
    return Trust((TrustedLog(NoteVerifier(origin, log_key.verify_key)),))
