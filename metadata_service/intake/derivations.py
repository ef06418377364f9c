"""What the deriver found, as entries of the log itself: signed by the notary, told apart by the entry whose SQL was read and by all they say."""
from __future__ import annotations

import hashlib
from typing import Final

import rfc8785

from lineproof_audit.append import Ack, Appender, NewEntry
from lineproof_audit.batch import instant
from lineproof_audit.envelope import PAYLOAD_CLOUDEVENT, sign_envelope
from lineproof_audit.keys import SigningKey
from lineproof_schema.models.lifecycle import DerivationData

__all__ = ["DerivationLog"]

DERIVATION: Final = "lineproof.derivation.v1"
APPEND_SECONDS: Final = 30.0


class DerivationLog:
    """Appends derivations. Blocking; call it in a worker thread."""

    def __init__(self, appender: Appender, notary: SigningKey, origin: str) -> None:
        self._appender = appender
        self._notary = notary
        self._origin = origin

    def append(self, data: DerivationData, *, entry: int, tenant: str, received: int) -> Ack:
        """Append what was found in the SQL of `entry`, an entry of `tenant` that was `received` then (µs). The same again finds the first one.

        Raises:
            LineproofError: as appending raises; retry what is retriable.
        """
        body = data.model_dump(mode="json", by_alias=True, exclude_none=True)
        event_id = hashlib.sha256(b"%b\0%d\0%b" % (DERIVATION.encode(), entry, rfc8785.dumps(body))).hexdigest()
        payload = rfc8785.dumps({"specversion": "1.0", "id": event_id, "source": self._origin, "type": DERIVATION, "time": instant(received),
                                 "audience": self._origin, "datacontenttype": "application/json", "data": body})
        made = NewEntry(sign_envelope(PAYLOAD_CLOUDEVENT, payload, self._notary), PAYLOAD_CLOUDEVENT, DERIVATION, tenant, self._notary.keyid, "SERVICE",
                        None, self._origin, event_id)
        return self._appender.submit(made).result(APPEND_SECONDS)
