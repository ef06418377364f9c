"""A log in memory with real envelopes and real keys, and short ways to say things in it."""
from __future__ import annotations

import base64
import datetime
import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lineproof_audit.envelope import PAYLOAD_CLOUDEVENT, PAYLOAD_OPENLINEAGE, sign_envelope
from lineproof_audit.keys import SigningKey
from lineproof_audit.leaf import SYSTEM_TENANT, Leaf, body_commitment, encode_leaf
from lineproof_audit.store import StoredEntry
from lineproof_audit.tree import CompactRange, leaf_hash

TENANT = "1" * 32
ORIGIN = "log.test/one"
PRODUCER = "https://example.test/pipeline"
CONTROL = {"lineproof.genesis.v1", "lineproof.key.v1", "lineproof.policy.v1", "lineproof.erasure.v1"}
KEYS = {name: SigningKey.generate() for name in ("log", "notary", "admin", "producer", "other", "narrow")}
TIME_ZERO = 1_767_225_600  # 2026-01-01T00:00:00Z


def spki(key: SigningKey) -> str:
    return base64.b64encode(key.verify_key.spki).decode()


def at(minutes: float) -> str:
    """An RFC 3339 time `minutes` after the beginning of 2026."""
    return datetime.datetime.fromtimestamp(TIME_ZERO + minutes * 60, datetime.UTC).isoformat().replace("+00:00", "Z")


def uid(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def ds(name: str, namespace: str = "db", **facets: Any) -> dict[str, Any]:
    """A dataset of an OpenLineage event."""
    return {"namespace": namespace, "name": name, **({"facets": facets} if facets else {})}


def columns(*names: str, type: str = "INT") -> dict[str, Any]:
    return {"fields": [{"name": name, "type": type} for name in names]}


def derived(**fields: list[tuple[str, str]]) -> dict[str, Any]:
    """A columnLineage facet: column -> [(dataset, field)]."""
    identity = [{"type": "DIRECT", "subtype": "IDENTITY"}]
    return {"fields": {column: {"inputFields": [{"namespace": "db", "name": dataset, "field": name, "transformations": identity} for dataset, name in inputs]}
                       for column, inputs in fields.items()}}


def run_event(job: str, run: str, *, inputs: Sequence[Any] = (), outputs: Sequence[Any] = (), state: str = "COMPLETE", minutes: float = 0,
              code: str | None = None, namespace: str = "jobs", purpose: str | None = None, run_facets: dict[str, Any] | None = None,
              **facets: Any) -> dict[str, Any]:
    """A run event of OpenLineage. `code` names a version: the same word is the same SQL; inputs and outputs are names or `ds(…)`."""
    if code is not None:
        facets["sql"] = {"query": f"select /* {code} */ 1"}
    more = dict(run_facets or {})
    if purpose is not None:
        more["lineproof_run"] = {"purpose": purpose}
    return {"eventType": state, "eventTime": at(minutes), "producer": PRODUCER, "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json",
            "run": {"runId": uid(run), "facets": more}, "job": {"namespace": namespace, "name": job, "facets": facets},
            "inputs": [ds(item) if isinstance(item, str) else item for item in inputs],
            "outputs": [ds(item) if isinstance(item, str) else item for item in outputs]}


@dataclass
class RecordedLog:
    """An `EntrySource` whose entries are made by its methods."""

    stored: list[StoredEntry] = field(default_factory=list)
    tree: CompactRange = field(default_factory=CompactRange)

    # -- EntrySource

    def size(self) -> int:
        return len(self.stored)

    def entry(self, index: int) -> StoredEntry:
        return self.stored[index]

    def entries(self, start: int = 0, stop: int | None = None, batch: int = 1_000) -> Iterator[StoredEntry]:
        yield from self.stored[start:stop]

    def control_entries(self, start: int = 0, stop: int | None = None) -> Iterator[StoredEntry]:
        yield from (entry for entry in self.stored[start:stop] if entry.fields.event_type in CONTROL)

    def root_at(self, size: int) -> bytes:
        tree = CompactRange()
        for entry in self.stored[:size]:
            tree.append(leaf_hash(entry.leaf))
        return tree.root()

    def wait_for(self, size: int, timeout: float) -> int:
        return len(self.stored)

    # -- writing

    def append(self, event_type: str, payload_type: str, payload: bytes, signer: str, *, tenant: str = TENANT, raw: bytes | None = None) -> int:
        index = len(self.stored)
        key = KEYS[signer]
        envelope = raw if raw is not None else sign_envelope(payload_type, payload, key)
        salt = index.to_bytes(32)
        by = {"notary": "SERVICE", "admin": "ADMIN"}.get(signer, "PRODUCER")
        leaf = Leaf(1, payload_type, event_type, tenant, key.keyid, by, None, TIME_ZERO * 1_000_000 + index, body_commitment(salt, envelope))
        encoded = encode_leaf(leaf)
        self.stored.append(StoredEntry(index, encoded, leaf, envelope, salt))
        return index

    def cloud(self, event_type: str, data: dict[str, Any], *, signer: str = "producer", minutes: float = 0, tenant: str = TENANT, **attributes: Any) -> int:
        """Append a CloudEvent."""
        event = {"specversion": "1.0", "id": f"{event_type}-{len(self.stored)}", "source": PRODUCER, "type": event_type, "time": at(minutes), "data": data,
                 **attributes}
        return self.append(event_type, PAYLOAD_CLOUDEVENT, json.dumps(event).encode(), signer, tenant=tenant)

    def lineage(self, event: dict[str, Any], *, signer: str = "producer") -> int:
        """Append an OpenLineage event."""
        kind = "run" if "run" in event else "job" if "job" in event else "dataset"
        return self.append(f"openlineage.{kind}", PAYLOAD_OPENLINEAGE, json.dumps(event).encode(), signer)

    def run(self, job: str, run: str, *, signer: str = "producer", **said: Any) -> int:
        """Append a run event (see `run_event`)."""
        return self.lineage(run_event(job, run, **said), signer=signer)

    def erase(self, entry: int, replacement: int | None = None) -> int:
        """Log an erasure and delete the body."""
        index = self.cloud("lineproof.erasure.v1", {"entry": entry, "replacement": replacement, "reason": "asked for"}, signer="admin", tenant=SYSTEM_TENANT)
        self.stored[entry] = replace(self.stored[entry], envelope=None, salt=None)
        return index


def new_log() -> RecordedLog:
    """A log with genesis, one tenant that owns everything, and three producer keys: two with every namespace, one for `db` and `jobs` only."""
    log = RecordedLog()
    log.cloud("lineproof.genesis.v1", {"origin": ORIGIN, "logKey": spki(KEYS["log"]), "notaryKey": spki(KEYS["notary"]), "rootAdminKey": spki(KEYS["admin"])},
              signer="admin", tenant=SYSTEM_TENANT)
    log.cloud("lineproof.policy.v1", {"previous": None, "tenants": [{"id": TENANT, "name": "default", "prefixes": [""]}], "protectedAliases": ["champion"]},
              signer="admin", tenant=SYSTEM_TENANT)
    for name, namespaces in (("producer", ["*"]), ("other", ["*"]), ("narrow", ["db", "jobs"])):
        log.cloud("lineproof.key.v1", {"action": "register", "keyId": KEYS[name].keyid, "publicKey": spki(KEYS[name]), "tenant": TENANT,
                                       "scope": {"namespaces": namespaces, "eventTypes": ["*"], "sources": ["*"]}}, signer="admin", tenant=SYSTEM_TENANT)
    return log
