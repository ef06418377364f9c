"""Old checkpoints of a log that is being checked: each must be signed, and be the root of the leaves before its size.

How many witnesses an old one has, is not asked: they may have come later. Lines of those that the trust file asks today have to verify.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge

from lineproof_audit.checkpoint import Checkpoint, open_checkpoint, peek_checkpoint
from lineproof_audit.errors import AuditError, CorruptLog
from lineproof_audit.fsck_source import KeptCheckpoint
from lineproof_audit.note import NoteVerifier
from lineproof_audit.tree import CompactRange
from lineproof_audit.witness import Witness

__all__ = ["CheckpointChecks"]

Tell = Callable[[str], None]


class CheckpointChecks:
    """Meets the checkpoints as the tree grows to their sizes.

    Args:
        kept: published by this store, the smallest first; read as the tree grows, since a log of a year has millions.
        copies: from elsewhere.
        latest: the note that is checked by itself, of which only what is kept beside it is checked here.
        keys: the log keys known by now.
        witnesses: of the trust file's quorum.
        error: told what is wrong.
        since: smaller ones were checked before.
    """

    def __init__(self, kept: Iterable[KeptCheckpoint], copies: Iterable[KeptCheckpoint], latest: str | None, keys: Callable[[], list[NoteVerifier]],
                 witnesses: Sequence[Witness], error: Tell, *, since: int = 0) -> None:
        self._latest = latest
        self._keys = keys
        self._witnesses = witnesses
        self._since = since
        self._error = error
        self._coming = merge(self._read(kept), sorted(self._read(copies), key=_size), key=_size)
        self._next: tuple[KeptCheckpoint, Checkpoint] | None = next(self._coming, None)
        self._wrong: list[str] = []

    def meet(self, tree: CompactRange) -> None:
        """The tree has grown to its size."""
        while self._next is not None and self._next[1].size <= tree.size:
            kept, checkpoint = self._next
            if checkpoint.size < tree.size:
                self._error(f"{kept.name} of size {checkpoint.size} stands behind a larger one")
            elif checkpoint.root != tree.root():
                self._wrong.append(f"{kept.name} of size {checkpoint.size} is not the root of the first {checkpoint.size} leaves")
            self._signature(kept, checkpoint)
            self._next = next(self._coming, None)

    def finish(self, size: int, *, sound: bool) -> None:
        """The tree has `size` entries and grows no more. Where an entry was wrong (not `sound`), every root over it is, and not said again."""
        while self._next is not None:
            kept, checkpoint = self._next
            self._error(f"{kept.name} covers {checkpoint.size} entries, there are {size}")
            self._next = next(self._coming, None)
        for detail in self._wrong if sound else ():
            self._error(detail)

    def _read(self, kept: Iterable[KeptCheckpoint]) -> Iterator[tuple[KeptCheckpoint, Checkpoint]]:
        for item in self._readable(kept):
            try:
                checkpoint = peek_checkpoint(item.note)
            except AuditError as error:
                if item.note != self._latest:
                    self._error(f"{item.name}{'' if item.size is None else f' of size {item.size}'} is malformed: {error.detail}")
                continue
            if item.size not in (None, checkpoint.size) or item.root not in (None, checkpoint.root):
                self._error(f"{item.name} of size {item.size}: what is kept beside the note is not what it says")
            elif item.note != self._latest and checkpoint.size >= self._since:
                yield item, checkpoint

    def _readable(self, kept: Iterable[KeptCheckpoint]) -> Iterator[KeptCheckpoint]:
        try:
            yield from kept
        except CorruptLog as error:
            self._error(error.detail)

    def _signature(self, kept: KeptCheckpoint, checkpoint: Checkpoint) -> None:
        keys = self._keys()
        if not keys:
            return  # said once, of the latest
        try:
            open_checkpoint(kept.note, *keys)
            for witness in self._witnesses:
                witness.cosigned_at(kept.note)
        except AuditError as error:
            self._error(f"{kept.name} of size {checkpoint.size}: {error.detail}")


def _size(item: tuple[KeptCheckpoint, Checkpoint]) -> int:
    return item[1].size
