"""Entries whose body is missing, until the erasure that says so is met; where none is, something was deleted that nobody ordered erased."""
from __future__ import annotations

from collections.abc import Iterator, Mapping

from lineproof_audit.body_fields import BodyError
from lineproof_audit.envelope import parse_envelope
from lineproof_audit.erasures import ERASURE, ordered_erasure
from lineproof_audit.errors import AuditError
from lineproof_audit.fsck_bodies import Body, check_body
from lineproof_audit.fsck_source import RawEntry
from lineproof_audit.keyring import Keyring
from lineproof_audit.leaf import Leaf

__all__ = ["MissingBodies", "sound_envelope"]


class MissingBodies:
    """Keeps entry -> event type of bodies whose erasure has not been met. `missing` are those of an earlier pass."""

    def __init__(self, missing: Mapping[int, str]) -> None:
        self.missing = dict(missing)
        self._doubtful = -1

    def doubt(self, index: int) -> None:
        """Entry `index` is not, or not known to be, what was logged there: it may have been an erasure."""
        self._doubtful = max(self._doubtful, index)

    def see(self, entry: RawEntry, leaf: Leaf, keyring: Keyring) -> None:
        """Take in an entry; if it is an erasure that an admin key ordered, what it names needs no body."""
        if leaf.event_type != ERASURE:
            return
        envelope = sound_envelope(entry, leaf)
        if envelope is None:
            self.doubt(entry.index)
            return
        try:
            ordered = ordered_erasure(entry.index, leaf, parse_envelope(envelope), keyring)
        except (BodyError, AuditError):
            return  # it erases nothing
        if ordered is not None and ordered.entry < entry.index:
            self.missing.pop(ordered.entry, None)

    def unaccounted(self) -> Iterator[tuple[int, str, bool]]:
        """(entry, its event type, whether an entry after it that is damaged may have been its erasure) of each that is left."""
        for index, event_type in self.missing.items():
            yield index, event_type, self._doubtful > index


def sound_envelope(entry: RawEntry, leaf: Leaf) -> bytes | None:
    """The body, if it is the one the leaf commits to."""
    if entry.envelope is None or entry.salt is None or check_body(Body(leaf.body, entry.salt, entry.envelope, None)).wrong is not None:
        return None
    return entry.envelope
