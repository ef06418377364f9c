"""Evidence in which a body is missing and something says that it was erased: who may say so, of what, and where in the bundle it stands."""
from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from lineproof_audit.envelope import PAYLOAD_CLOUDEVENT, PAYLOAD_INTOTO, sign_envelope
from lineproof_audit.keys import SigningKey
from lineproof_audit.leaf import SYSTEM_TENANT
from tests.unit.audit.memory_log import ADMIN, NOTARY, ORIGIN, PRODUCER, TENANT, MemoryLog, key

__all__ = ["erasure_bundles"]

ERASURE = "lineproof.erasure.v1"
NEW, SECOND = key("new"), key("second admin")


def erasure_bundles() -> Iterator[tuple[str, Any]]:
    """(name, bundle): each with the erasure cited, and standing among the key entries alone, where nobody cites it."""
    for name, log, gone, erasure in _logs():
        log.sign()
        for leaves in (False, True):
            cited = log.bundle(gone, erasure, with_leaves=leaves)
            aside = log.bundle(gone, erasure, with_leaves=leaves)
            aside["keyEntries"] += [entry for entry in aside["entries"] if entry["index"] == erasure]
            aside["entries"] = [entry for entry in aside["entries"] if entry["index"] != erasure]
            suffix = ", with all leaves" if leaves else ""
            yield f"erasure {name}{suffix}", cited
            yield f"erasure {name}, among the key entries{suffix}", aside


def _logs() -> Iterator[tuple[str, MemoryLog, int, int]]:
    """(name, log, the entry without a body, the erasure)."""
    log, gone = _without_a_body()
    yield "by the root admin", log, gone, _order(log, gone)
    log, gone = _without_a_body()
    yield "signed by another key than its leaf names", log, gone, _order(log, gone, signer=PRODUCER)
    log, gone = _without_a_body()
    yield "signed by nobody", log, gone, log.log(_unsigned(gone), ERASURE, ADMIN, "ADMIN", SYSTEM_TENANT)
    for names, signed_by, signer in (("a producer", "PRODUCER", PRODUCER), ("the notary", "SERVICE", NOTARY), ("nobody known", "ADMIN", NEW)):
        log, gone = _without_a_body()
        yield f"by {names}", log, gone, _order(log, gone, signer=signer, named=signer, signed_by=signed_by)
    log, gone = _without_a_body()
    log.register(SECOND, purpose="admin")
    yield "by a second admin", log, gone, _order(log, gone, signer=SECOND, named=SECOND)
    log, gone = _without_a_body()
    log.register(SECOND, purpose="admin")
    log.revoke(SECOND.keyid, len(log.stored))
    yield "by an admin key that was revoked", log, gone, _order(log, gone, signer=SECOND, named=SECOND)
    log, gone = _without_a_body()
    log.register(SECOND, purpose="admin")
    erasure = _order(log, gone, signer=SECOND, named=SECOND)
    log.revoke(SECOND.keyid, gone)
    yield "by an admin key that is disputed since", log, gone, erasure
    log, gone = _without_a_body()
    erasure = _order(log, gone, signer=SECOND, named=SECOND)
    log.register(SECOND, purpose="admin")
    yield "by an admin key that came later", log, gone, erasure
    log, gone = _without_a_body()
    log.register(SECOND, purpose="admin", notAfter="2026-11-20T10:00:00Z")
    yield "by an admin key that had expired", log, gone, _order(log, gone, signer=SECOND, named=SECOND)
    log = MemoryLog()
    erasure = _order(log, len(log.stored) + 1)
    gone = log.say("lineproof.quality.v1", {})
    log.drop_body(gone)
    yield "of an entry after it", log, gone, erasure
    log, gone = _without_a_body()
    yield "addressed to this log", log, gone, _order(log, gone, audience=ORIGIN)
    for name, data in (("of nothing", {"entry": None}), ("of an entry by its text", {"entry": str(gone)}),
                       ("of an entry by a fraction", {"entry": float(gone)}), ("of an entry below zero", {"entry": -1}),
                       ("without a reason", {"reason": None}), ("with an empty reason", {"reason": ""}),
                       ("with a replacement by its text", {"replacement": "9"}), ("with artifacts that are no digests", {"artifacts": ["x"]}),
                       ("with a legal basis that is no text", {"legalBasis": 17})):
        log, gone = _without_a_body()
        yield name, log, gone, _order(log, gone, **data)
    log, gone = _without_a_body()
    yield "with everything it may say", log, gone, _order(log, gone, replacement=gone, legalBasis="Art. 17", artifacts=["0" * 64])
    log, gone = _without_a_body()
    body = sign_envelope(PAYLOAD_INTOTO, json.dumps({"predicateType": ERASURE, "data": {"entry": gone, "reason": "asked for"}}).encode(), ADMIN)
    yield "in a statement", log, gone, log.log(body, ERASURE, ADMIN, "ADMIN", SYSTEM_TENANT, media_type=PAYLOAD_INTOTO)
    for unerasable in ("lineproof.alias.v1", ERASURE, "lineproof.policy.v1", "lineproof.key.v1"):
        log = MemoryLog()
        gone = log.register(NEW) if unerasable == "lineproof.key.v1" else log.policy() if unerasable == "lineproof.policy.v1" else log.say(
            unerasable, {"entry": 1, "reason": "asked for"}, *((ADMIN, "ADMIN", SYSTEM_TENANT) if unerasable == ERASURE else (PRODUCER, "PRODUCER", TENANT)))
        log.drop_body(gone)
        yield f"of a {unerasable}", log, gone, _order(log, gone)


def _without_a_body() -> tuple[MemoryLog, int]:
    log = MemoryLog()
    gone = log.say("lineproof.quality.v1", {})
    log.drop_body(gone)
    return log, gone


def _order(log: MemoryLog, gone: int, *, signer: SigningKey = ADMIN, named: SigningKey = ADMIN, signed_by: str = "ADMIN", audience: str | None = None,
           **data: Any) -> int:
    """An erasure whose leaf names one key and whose body another may have signed; a field of None is left out."""
    said = {name: value for name, value in {"entry": gone, "reason": "asked for", **data}.items() if value is not None}
    event = {"specversion": "1.0", "id": "erasure", "source": "admin", "type": ERASURE, "data": said, **({} if audience is None else {"audience": audience})}
    return log.log(sign_envelope(PAYLOAD_CLOUDEVENT, json.dumps(event).encode(), signer), ERASURE, named, signed_by, SYSTEM_TENANT)


def _unsigned(entry: int) -> bytes:
    event = {"specversion": "1.0", "id": "erasure", "source": "admin", "type": ERASURE, "data": {"entry": entry, "reason": "asked for"}}
    envelope = json.loads(sign_envelope(PAYLOAD_CLOUDEVENT, json.dumps(event).encode(), ADMIN))
    envelope["signatures"][0]["sig"] = "A" * 86 + "=="
    return json.dumps(envelope).encode()
