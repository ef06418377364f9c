"""How a log begins, and what its root admin says later.

Entry 0 is the genesis (origin, log key, notary key, root admin key), entry 1 the first policy: one tenant that owns every
namespace. Both are signed by the root admin key, which lies outside the data directory and is never loaded by `serve`.
"""
from __future__ import annotations

import secrets as random
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rfc8785

from lineproof_audit.append import Appender
from lineproof_audit.base64text import encode_base64
from lineproof_audit.batch import Ack, Answer, NewEntry, append_batch, instant, prepare
from lineproof_audit.clock import Clock, Receiver, SystemClock
from lineproof_audit.envelope import PAYLOAD_CLOUDEVENT, sign_envelope
from lineproof_audit.errors import AuditError, EquivocationError, LogUnavailable
from lineproof_audit.identity import TenantSecrets
from lineproof_audit.keys import KeyInfo, SigningKey, VerifyKey
from lineproof_audit.leaf import SYSTEM_TENANT
from lineproof_audit.lock import FileCheckpointLock
from lineproof_audit.store import LogStore

__all__ = ["LOG_KEY", "NOTARY_KEY", "ROOT_ADMIN_KEY", "Founded", "admin_entry", "choose_origin", "initialise", "load_or_make_key", "register_key"]

LOG_KEY, NOTARY_KEY, ROOT_ADMIN_KEY = "log", "notary", "root-admin"
APPEND_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Founded:
    """A log that has begun. `tenant` is the id of its first tenant."""

    origin: str
    tenant: str


def choose_origin(keys_dir: Path) -> str:
    """The origin of the keys that a first attempt left in `keys_dir`, else a new one: `lineproof.local/<16 hex>`."""
    pem = keys_dir / f"{LOG_KEY}.pem"
    return KeyInfo.beside(pem).origin if pem.exists() else f"lineproof.local/{random.token_hex(8)}"


def load_or_make_key(directory: Path, name: str, origin: str) -> SigningKey:
    """The key `<directory>/<name>.pem`; made and saved if it is missing.

    Raises:
        KeyFileError: it cannot be read or written, or others can read it.
    """
    pem = directory / f"{name}.pem"
    if pem.exists():
        return SigningKey.load(pem)
    key = SigningKey.generate()
    key.save(directory, name, origin)
    return key


def initialise(store: LogStore, *, keys_dir: Path, admin_key: SigningKey, lock: FileCheckpointLock, origin: str | None = None, tenant_name: str = "default",
               clock: Clock | None = None) -> Founded:
    """Begin a log in an empty store. A crash before the last step leaves keys and a record that a second call takes up.

    Args:
        store: its tables are created if they are missing.
        keys_dir: gets the log key, the notary key and the dedupe secret.
        admin_key: the root admin key; signs, and is not kept.
        lock: gets the record of size 0 before anything is written to the log.
        origin: the log's name; by default `choose_origin(keys_dir)`.
        tenant_name: of the tenant that owns every namespace until a policy says otherwise.

    Raises:
        LogUnavailable: the log has begun already.
        CheckpointLockError: the record says that a log of this origin has signed before.
        KeyFileError: a key file cannot be used.
    """
    clock = clock or SystemClock()
    origin = origin or choose_origin(keys_dir)
    log_key, notary = load_or_make_key(keys_dir, LOG_KEY, origin), load_or_make_key(keys_dir, NOTARY_KEY, origin)
    secrets = TenantSecrets.load(keys_dir, create=True)
    lock.found(origin)
    store.create()
    store.bind_secret(secrets.check)
    tenant = random.token_hex(16)
    genesis = {"origin": origin, "logKey": _spki(log_key.verify_key), "notaryKey": _spki(notary.verify_key), "rootAdminKey": _spki(admin_key.verify_key)}
    policy = {"tenants": [{"id": tenant, "name": tenant_name, "prefixes": [""]}], "grants": [], "logRead": "public", "protectedAliases": []}
    entries = [admin_entry("lineproof.genesis.v1", genesis, admin_key, origin=origin, now=clock.wall(), event_id="genesis"),
               admin_entry("lineproof.policy.v1", policy, admin_key, origin=origin, now=clock.wall())]
    answers = append_batch(store, [prepare(entry, secrets) for entry in entries], Receiver(clock), secrets, notary, at_size=0)
    if [_ack(answer).index for answer in answers] != [0, 1]:
        raise LogUnavailable("the log did not begin with its genesis")
    return Founded(origin, tenant)


def admin_entry(event_type: str, data: Mapping[str, Any], admin_key: SigningKey, *, origin: str, now: int, event_id: str | None = None) -> NewEntry:
    """A CloudEvent of the log about itself, signed by an admin key and addressed to this log; `now` in µs since the epoch."""
    event_id = event_id or str(uuid.uuid4())
    payload = rfc8785.dumps({"specversion": "1.0", "id": event_id, "source": origin, "type": event_type, "time": instant(now), "audience": origin,
                             "datacontenttype": "application/json", "data": dict(data)})
    envelope = sign_envelope(PAYLOAD_CLOUDEVENT, payload, admin_key)
    return NewEntry(envelope, PAYLOAD_CLOUDEVENT, event_type, SYSTEM_TENANT, admin_key.keyid, "ADMIN", None, origin, event_id)


def register_key(appender: Appender, admin_key: SigningKey, key: VerifyKey, *, origin: str, tenant: str, namespaces: Sequence[str] = ("*",),
                 label: str | None = None) -> Ack:
    """Append the entry that makes a producer key valid for these namespaces (see `KeyScope`) from the next index on.

    Raises:
        AuditError: as `Appender.submit`.
    """
    data: dict[str, Any] = {
        "action": "register", "keyId": key.keyid, "purpose": "producer", "publicKey": _spki(key), "tenant": tenant,
        "scope": {"namespaces": list(namespaces), "eventTypes": ["*"], "sources": ["*"]}}
    if label is not None:
        data["label"] = label
    return appender.submit(admin_entry("lineproof.key.v1", data, admin_key, origin=origin, now=SystemClock().wall())).result(APPEND_SECONDS)


def _ack(answer: Answer) -> Ack:
    if isinstance(answer, Ack):
        return answer
    if isinstance(answer, AuditError):
        raise answer
    raise EquivocationError(answer.first_index, answer.evidence_index)


def _spki(key: VerifyKey) -> str:
    return encode_base64(key.spki)
