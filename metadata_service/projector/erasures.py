"""Which entries were erased, and what stands in for them.

The graph at a size is the graph rebuilt from the entries before it *with today's bodies*, so an erasure reaches back: it is read
ahead of the entries it concerns. Only erasures that the keyring admits count.
"""
from __future__ import annotations

from lineproof_audit.keyring import KEYRING_TYPES, Keyring
from lineproof_audit.store import StoredEntry
from lineproof_schema.models.log import ErasureData
from metadata_service.projector.entry import CloudBody, open_entry

__all__ = ["ERASURE", "Erasures"]

ERASURE = "lineproof.erasure.v1"




class Erasures:
    """The fold of erasure entries up to some size."""

    def __init__(self) -> None:
        self._keyring = Keyring()
        self.replacements: dict[int, int | None] = {}  # erased entry -> the entry whose body stands in
        self.stand_ins: dict[int, int] = {}  # the other way round

    def apply(self, stored: StoredEntry) -> None:
        """Fold in one genesis, key, policy or erasure entry, in index order."""
        leaf = stored.fields
        if leaf.event_type in KEYRING_TYPES:
            self._keyring.apply(stored.index, leaf, stored.envelope)
            return
        body = open_entry(stored).body
        if leaf.event_type != ERASURE or not isinstance(body, CloudBody) or not isinstance(body.data, ErasureData):
            return
        verdict = self._keyring.check(leaf.signer, stored.index, event_type=ERASURE, source=body.event.source, namespaces_written=(),
                                      received=leaf.received, tenant=leaf.tenant)
        data = body.data
        if verdict.ok and data.entry < stored.index and data.entry not in self.replacements:
            self.replacements[data.entry] = data.replacement
            if data.replacement is not None:
                self.stand_ins[data.replacement] = data.entry

    def below(self, size: int) -> dict[str, int | None]:
        """The erased entries before `size`, as the graph remembers that it was projected with them."""
        return {str(entry): replacement for entry, replacement in sorted(self.replacements.items()) if entry < size}
