"""Which entries were erased, and what stands in for them: the fold of erasure entries.

The graph at a size is the graph rebuilt from the entries before it *with today's bodies*, so an erasure reaches back: it is read
ahead of the entries it concerns. Only what an admin key said counts, and never about an entry that the log itself stands on.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from lineproof_audit.body_fields import BodyError, entry_index, field, hex64, list_of, name, optional, string
from lineproof_audit.envelope import PAYLOAD_CLOUDEVENT, Envelope, parse_envelope, verify_envelope
from lineproof_audit.errors import AuditError
from lineproof_audit.facts import load_object
from lineproof_audit.keyring import KEYRING_TYPES, Keyring
from lineproof_audit.leaf import Leaf

__all__ = ["ERASURE", "Erasure", "Erasures", "LoggedEntry", "ordered_erasure", "read_erasure"]

ERASURE = "lineproof.erasure.v1"


class LoggedEntry(Protocol):
    """What is read of an entry."""

    @property
    def index(self) -> int: ...
    @property
    def fields(self) -> Leaf: ...
    @property
    def envelope(self) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class Erasure:
    """Entry `index` says that salt and body of `entry` go; `replacement` is the entry whose body stands in, `artifacts` go with it (SHA-256)."""

    index: int
    entry: int
    replacement: int | None
    reason: str
    legal_basis: str | None
    artifacts: tuple[str, ...] = ()


def read_erasure(index: int, data: dict[str, Any]) -> Erasure:
    """The `data` of an erasure entry, read by hand as the verifier must. Raises BodyError."""
    return Erasure(index, field(data, "entry", entry_index), optional(data, "replacement", entry_index), field(data, "reason", name),
                   optional(data, "legalBasis", string), optional(data, "artifacts", list_of(hex64)) or ())


def ordered_erasure(index: int, leaf: Leaf, envelope: Envelope, keyring: Keyring) -> Erasure | None:
    """What erasure entry `index` orders, None if no admin key that was valid there says it to this log. The leaf's word for its signer is not
    taken: the signature is checked.

    Raises:
        BodyError: the entry does not say what its type requires.
        BadSignature: another key than the one the leaf names signed.
    """
    record = keyring.key(leaf.signer)
    if leaf.event_type != ERASURE or record is None or record.purpose != "admin" or not keyring.validity(leaf.signer, index, leaf.received).ok:
        return None
    verify_envelope(envelope, record.verify_key)
    event = load_object(envelope.payload) if envelope.payload_type == PAYLOAD_CLOUDEVENT else None
    data = event.get("data") if event is not None and event.get("type") == ERASURE else None
    if event is None or not isinstance(data, dict) or event.get("audience") not in (None, keyring.origin):
        return None
    return read_erasure(index, data)


class Erasures:
    """The fold of erasure entries up to some size."""

    def __init__(self) -> None:
        self._keyring = Keyring()
        self.admitted: dict[int, Erasure] = {}  # by the entry that is erased
        self.replacements: dict[int, int | None] = {}  # erased entry -> the entry whose body stands in
        self.stand_ins: dict[int, int] = {}  # the other way round

    def apply(self, stored: LoggedEntry) -> str | None:
        """Fold in one genesis, key, policy or erasure entry, in index order; why an erasure does not count, None if it does."""
        leaf = stored.fields
        if leaf.event_type in KEYRING_TYPES:
            self._keyring.apply(stored.index, leaf, stored.envelope)
            return None
        try:
            erasure = self._read(stored)
        except (BodyError, AuditError) as error:
            return f"invalid-body: {error}"
        if erasure is None:
            return "not-signed-by-root-admin"
        if erasure.entry >= stored.index:
            return "unknown-entry"
        if erasure.entry in self.admitted:
            return "erased-before"
        self.admitted[erasure.entry] = erasure
        self.replacements[erasure.entry] = erasure.replacement
        if erasure.replacement is not None:
            self.stand_ins[erasure.replacement] = erasure.entry
        return None

    def below(self, size: int) -> dict[str, int | None]:
        """The erased entries before `size`, as the graph remembers that it was projected with them."""
        return {str(entry): replacement for entry, replacement in sorted(self.replacements.items()) if entry < size}

    def _read(self, stored: LoggedEntry) -> Erasure | None:
        """What the entry says, if an admin key in force said it to this log."""
        return None if stored.envelope is None else ordered_erasure(stored.index, stored.fields, parse_envelope(stored.envelope), self._keyring)
