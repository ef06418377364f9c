"""Signed events for tests of the log, and clocks that tests set."""
from __future__ import annotations

import json
from collections.abc import Sequence

from lineproof_audit.append import Appender, NewEntry
from lineproof_audit.clock import SystemClock
from lineproof_audit.envelope import PAYLOAD_CLOUDEVENT, sign_envelope
from lineproof_audit.init import admin_entry
from lineproof_audit.keys import SigningKey, VerifyKey

TENANT = "ab" * 16
PRODUCER = SigningKey.from_seed(b"\x07" * 32)


def new_entry(event_id: str, says: str = "", *, source: str = "tests", key: SigningKey = PRODUCER, tenant: str = TENANT, caller: str | None = None,
              signed_by: str = "PRODUCER", event_type: str = "lineproof.quality.v1") -> NewEntry:
    """One event, signed; the same arguments give the same bytes."""
    payload = json.dumps({"specversion": "1.0", "id": event_id, "source": source, "type": event_type, "time": "2026-01-01T00:00:00Z",
                          "data": {"says": says}}).encode()
    return NewEntry(sign_envelope(PAYLOAD_CLOUDEVENT, payload, key), PAYLOAD_CLOUDEVENT, event_type, tenant, key.keyid, signed_by, caller, source, event_id)


def revoke_key(appender: Appender, admin_key: SigningKey, keyid: str, *, origin: str, last_valid: int, reason: str = "lost") -> None:
    """Append the entry that ends a key at entry `last_valid`."""
    data = {"action": "revoke", "keyId": keyid, "lastValid": last_valid, "reason": reason}
    appender.submit(admin_entry("lineproof.key.v1", data, admin_key, origin=origin, now=SystemClock().wall())).result(30)


class OneSigner:
    """Signs checkpoints with a key that the log need not name."""

    def __init__(self, key: SigningKey) -> None:
        self._key = key

    def signing(self, size: int) -> Sequence[SigningKey]:
        return [self._key]

    def known(self) -> Sequence[VerifyKey]:
        return [self._key.verify_key]


class SetClock:
    """Stands still until it is set; `wall` and `steady` in µs."""

    def __init__(self, wall: int = 1_700_000_000_000_000) -> None:
        self.wall_us = wall
        self.steady_us = 0

    def wall(self) -> int:
        return self.wall_us

    def steady(self) -> int:
        return self.steady_us

    def pass_time(self, microseconds: int) -> None:
        """As time does: both clocks go on."""
        self.wall_us += microseconds
        self.steady_us += microseconds
