"""A real log with everything a log can hold: several checkpoints, an erased entry, entries that no checkpoint covers yet."""
from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from lineproof_audit.append import NewEntry
from lineproof_audit.envelope import PAYLOAD_CLOUDEVENT, sign_envelope
from lineproof_audit.init import ROOT_ADMIN_KEY, register_key
from lineproof_audit.keys import SigningKey
from lineproof_audit.leaf import SYSTEM_TENANT
from lineproof_audit.log import Log
from lineproof_audit.note import NoteVerifier
from lineproof_audit.trust import Trust, TrustedLog, format_trust


@dataclass(frozen=True)
class WholeLog:
    """Where it lies, and what a verifier of it believes."""

    data: Path
    state: Path
    trust: Trust
    erased: int

    @property
    def trust_text(self) -> str:
        return format_trust(self.trust.logs)


def event(log: Log, key: SigningKey, number: int, *, tenant: str, kind: str = "lineproof.quality.v1", data: dict[str, object] | None = None,
          signed_by: str = "PRODUCER") -> NewEntry:
    payload = json.dumps({"specversion": "1.0", "id": f"{kind} {number}", "source": "ci", "type": kind, "audience": log.origin, "time": "2026-11-20T10:00:00Z",
                          "data": data or {"check": f"check {number}"}}).encode()
    return NewEntry(sign_envelope(PAYLOAD_CLOUDEVENT, payload, key), PAYLOAD_CLOUDEVENT, kind, tenant, key.keyid, signed_by, None, "ci", f"{kind} {number}")


def make_log(base: Path, entries: int, *, every: int = 100, uncovered: int = 5) -> WholeLog:
    """A log of `entries`, a checkpoint after `every` of them, the last `uncovered` without one; one of them erased."""
    with Log.open(base / "data", create=True, state_dir=base / "state") as log:
        policy = log.keyring.policy
        assert policy is not None
        tenant, producer, root_admin = policy.tenants[0].id, SigningKey.generate(), SigningKey.load(log.state_dir / f"{ROOT_ADMIN_KEY}.pem")
        register_key(log.appender, root_admin, producer.verify_key, origin=log.origin, tenant=tenant)
        erased = log.reader.size() + 1

        def say(count: int) -> None:
            start = log.reader.size()
            for answer in [log.appender.submit(event(log, producer, start + more, tenant=tenant)) for more in range(count)]:
                answer.result(60)

        say(3)
        erasure = log.appender.submit(event(log, root_admin, 0, tenant=SYSTEM_TENANT, kind="lineproof.erasure.v1", signed_by="ADMIN",
                                            data={"entry": erased, "reason": "asked for"})).result(60)
        log.store.erase_body(erased, erasure.index)
        while (left := entries - uncovered - log.reader.size()) > 0:
            say(min(left, every))
            log.integrator.step()
        say(uncovered)
        trust = Trust((TrustedLog(NoteVerifier(log.origin, log.keyring.keys_for("log")[0])),))
    return WholeLog(base / "data", base / "state", trust, erased)
