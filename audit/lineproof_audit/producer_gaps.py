"""Reading a log from outside to account for what producers numbered: each entry is checked on the way, so that nothing made up fills a gap."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lineproof_audit.accounting import Streams, WindowAccount
from lineproof_audit.checkpoint import Checkpoint
from lineproof_audit.errors import CorruptLog
from lineproof_audit.fsck_bodies import Body, check_body
from lineproof_audit.fsck_source import FsckSource, RawEntry, raw_entry
from lineproof_audit.keyring import KEYRING_TYPES, Keyring
from lineproof_audit.leaf import Leaf, body_commitment, parse_leaf
from lineproof_audit.tree import CompactRange, leaf_hash

__all__ = ["ProducerGaps"]


@dataclass(frozen=True, slots=True)
class CheckedEntry:
    """An entry whose body, if there is one, is the one its leaf commits to and was signed by the key its leaf names."""

    index: int
    fields: Leaf
    envelope: bytes | None


class ProducerGaps:
    """The producers' streams of one log, entry by entry from the first. Memory grows with the number of entries (some 32 bytes each)."""

    def __init__(self) -> None:
        self._entries = _CheckedEntries()
        self._streams = Streams(self._entries)

    @property
    def hidden(self) -> int:
        """How many entries came without a body from a source that does not keep, or may not show, all of them: their numbers are unknown."""
        return self._entries.hidden

    def read(self, source: FsckSource, checkpoint: Checkpoint) -> WindowAccount:
        """Read on to `checkpoint` and account for everything before it.

        Raises:
            CorruptLog: an entry is missing or not what was logged, or the leaves are not those of the checkpoint.
            LogUnavailable: try again; it goes on where it was.
        """
        self._entries.source, self._entries.size = source, checkpoint.size
        if self._streams.read_to(checkpoint.size, checkpoint.size) != checkpoint.size:
            raise CorruptLog(f"entry {self._entries.tree.size} is missing", index=self._entries.tree.size)
        if self._entries.tree.root() != checkpoint.root:
            raise CorruptLog(f"the leaves do not hash to the root that was signed for {checkpoint.size} entries")
        return self._streams.account(0, checkpoint.size, checkpoint.size)


class _CheckedEntries:
    """What `Streams` reads."""

    def __init__(self) -> None:
        self.source: FsckSource | None = None
        self.size = 0  # of the checkpoint that is read to
        self.tree = CompactRange()
        self.hidden = 0
        self._keyring = Keyring()

    def entries(self, start: int, stop: int) -> Iterator[CheckedEntry]:
        if self.source is None:
            return
        for raw in self.source.raw_entries(start, stop):
            if raw.index != self.tree.size:
                return
            leaf = _leaf(raw)
            self._check(raw, leaf)
            if raw.envelope is None and not raw.kept:
                self.hidden += 1
            self.tree.append(leaf_hash(raw.leaf))
            yield CheckedEntry(raw.index, leaf, raw.envelope)

    def entry(self, index: int) -> CheckedEntry:
        """An entry that was read before, as it is now."""
        if self.source is None:
            raise CorruptLog(f"entry {index} was never read", index=index)
        raw = raw_entry(self.source, index, self.size)
        return CheckedEntry(index, _leaf(raw), raw.envelope)

    def _check(self, raw: RawEntry, leaf: Leaf) -> None:
        if raw.envelope is None or raw.salt is None:
            return
        if leaf.event_type in KEYRING_TYPES and body_commitment(raw.salt, raw.envelope) == leaf.body:
            self._keyring.apply(raw.index, leaf, raw.envelope)  # first: the genesis names the key that signed it
        signer = self._keyring.key(leaf.signer)
        verdict = check_body(Body(leaf.body, raw.salt, raw.envelope, None if signer is None else signer.spki))
        wrong = verdict.wrong or verdict.unsigned or (None if signer is not None else f"no entry before it registers its signer {leaf.signer}")
        if wrong is not None:
            raise CorruptLog(f"entry {raw.index}: {wrong}", index=raw.index)


def _leaf(raw: RawEntry) -> Leaf:
    if raw.damage is not None:
        raise CorruptLog(f"entry {raw.index}: {raw.damage}", index=raw.index)
    try:
        return parse_leaf(raw.leaf)
    except CorruptLog as error:
        raise CorruptLog(f"entry {raw.index}: {error.detail}", index=raw.index) from error
