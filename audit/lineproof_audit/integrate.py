"""Integrate and sign: entries -> tiles -> lock record -> signature -> cosignatures -> published checkpoint.

Each step can be repeated after a crash with the same result: tiles are a function of the entries, the lock record is only moved
forward to a tree we have, and a signature is made of what the record says. One process does this, elected by the store; its
fencing epoch stops a leader that does not know it was replaced.
"""
from __future__ import annotations

import logging
import threading
from dataclasses import replace

from lineproof_audit.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint, sign_checkpoint
from lineproof_audit.clock import Clock, SystemClock
from lineproof_audit.cosigning import Cosigners
from lineproof_audit.errors import AuditError, CheckpointLockError, CorruptLog, LogContradicted
from lineproof_audit.folder import meaning_of
from lineproof_audit.held_keys import CheckpointSigners
from lineproof_audit.lock import CheckpointLock
from lineproof_audit.note import NoteVerifier, split_note
from lineproof_audit.publish import Publication
from lineproof_audit.reader import LogReader
from lineproof_audit.store import LogStore, SignedCheckpoint
from lineproof_audit.tiles import extend_tiles
from lineproof_audit.tree import CompactRange, leaf_hash
from lineproof_audit.witness import add_cosignatures

__all__ = ["Integrator", "extend_stored_tree"]

CHUNK_ENTRIES = 8_192  # leaves per transaction: about 4 MB in memory
INTERVAL_SECONDS = 1.0  # between checkpoints; a proof under load is at most about this late
RETRY_SECONDS = 5.0
# What an operator can do about a log that lacks what it signed. Nothing makes it good: the same events, sent again, are other leaves.
REMEDY = ("The log is read, and takes and signs nothing. Bring the missing entries back (a newer copy of database or data directory) and start again. If they "
          "are lost, keep this log for reading and begin another, with an empty data directory and database; see docs/operations.md")

_log = logging.getLogger(__name__)


class Integrator:
    """Extends the tree and signs checkpoints of one log.

    Args:
        store: the log.
        origin: the log's name, also that of the signing key.
        signers: who signs a checkpoint of a size: the log key, and while its rotation overlaps both.
        lock: the record of what was signed, outside the log.
        publication: a folder of tiles and checkpoint to keep up to date, besides the store.
        cosigners: the witnesses, if there are any.
    """

    def __init__(self, store: LogStore, origin: str, signers: CheckpointSigners, lock: CheckpointLock, *, publication: Publication | None = None,
                 cosigners: Cosigners | None = None, clock: Clock | None = None) -> None:
        self._store = store
        self._reader = LogReader(store)
        self._origin = origin
        self._signers = signers
        self._lock = lock
        self._publication = publication
        self._cosigners = cosigners
        self._clock = clock or SystemClock()
        self.problem: AuditError | None = None
        self._contradiction: LogContradicted | None = None

    def step(self) -> Checkpoint | None:
        """Bring tree and checkpoint up to the head of the log.

        Returns:
            The checkpoint just published; None if there was nothing new or another process integrates.

        Raises:
            LogContradicted: the tree is smaller than or inconsistent with what was signed before: nothing was signed, nothing may be appended.
            CheckpointLockError: there is no record, or it cannot be read or written: nothing was signed. Appending and reading go on.
            CorruptLog: entries do not hash to the tree they were appended to, or a tile is damaged.
            LogUnavailable, NoSpace: try again.
        """
        epoch = self._store.elect()
        if epoch is None:
            if self._cosigners is not None:
                self._cosigners.rest()
            self.check()
            return None
        tree = extend_stored_tree(self._store, epoch)
        if tree is None or tree.size == 0:
            return None
        checkpoint = Checkpoint(self._origin, tree.size, tree.root())
        record = self.check()
        if record.size > tree.size:
            return None  # another process signed more since; its entries are there
        self._add_late_lines(epoch)
        latest = self._store.checkpoint()
        if latest is not None and latest.size == tree.size and record == checkpoint:
            if self._cosigners is not None:
                self._cosigners.offer(self._cosigners.seen(latest.note))
            self._publish(latest.note)  # a folder that could not be written the last time, or lines that came since
            return None
        signers = self._signers.signing(tree.size)  # before the record moves: nothing is recorded that nobody can sign
        self._lock.swap(record, checkpoint)  # also where it says so already: the write that said so may not have lasted
        note = sign_checkpoint(checkpoint, *signers)
        if self._cosigners is not None:
            note = self._cosigners.cosign(note)
        if not self._store.publish(epoch, SignedCheckpoint(checkpoint.size, checkpoint.root, note, self._clock.wall())):
            return None
        self._publish(note)
        return checkpoint

    def run(self, stop: threading.Event, interval: float = INTERVAL_SECONDS) -> None:
        """Step until `stop` is set. What goes wrong is kept in `problem`, logged once, and tried again: a lock may be adopted, a disk freed.

        Only a defect of ours ends it, with `problem` saying `internal`: nothing is signed any more by this process, and its probes tell.
        """
        while not stop.is_set():
            try:
                self.step()
                self.problem = None
            except AuditError as error:
                self._stands_still(error)
            except OSError as error:  # a file beside the log, such as a key, on a disk that fails
                self._stands_still(meaning_of(error, error.filename or "a file of the log"))
            except BaseException as error:
                self._stands_still(AuditError(f"signing has ended: {type(error).__name__}: {error}", code="internal"))
                raise
            stop.wait(interval if self.problem is None else max(interval, RETRY_SECONDS))

    def _stands_still(self, error: AuditError) -> None:
        if self.problem is None or self.problem.code != error.code:
            _log.error("checkpoints are not signed or not published: %s: %s", error.code, error.detail)
        self.problem = error

    def adopt(self, note: str) -> Checkpoint:
        """Take a checkpoint of this log, from a safe copy, as the record of what was signed: after the state directory was lost.

        Raises:
            InvalidProof: the note is not this log's.
            CheckpointLockError: this log does not hold that tree, or the record there is says more.
        """
        first, *others = (NoteVerifier(self._origin, key) for key in self._signers.known())
        checkpoint = open_checkpoint(note, first, *others)
        record = self._lock.read()
        if record is not None and record.size > checkpoint.size:
            raise CheckpointLockError(f"the record says size {record.size} was signed; a checkpoint of size {checkpoint.size} cannot replace it")
        size = self._reader.size()
        if checkpoint.size > size or self._reader.root_at(checkpoint.size) != checkpoint.root:
            raise CheckpointLockError(f"this log of {size} entries does not hold the tree of that checkpoint (size {checkpoint.size}): it is another copy or a "
                                      "restored backup; restore the missing entries or begin a log with another origin")
        self._lock.swap(record, checkpoint)
        return checkpoint

    def resign(self) -> None:
        """Let another process integrate."""
        self._store.resign()

    def _add_late_lines(self, epoch: int) -> None:
        """Cosignatures of checkpoints that were published without them."""
        for line in self._cosigners.late() if self._cosigners is not None else ():
            published = self._store.checkpoint_covering(parse_checkpoint(line.text).size)
            if published is not None and split_note(published.note)[0] == line.text:
                self._store.publish(epoch, replace(published, note=add_cosignatures(published.note, {line.witness: line.signature})))

    def check(self) -> Checkpoint:
        """The record of what was signed, once the log is found to extend it. For every process that appends, leader or not.

        Raises:
            LogContradicted: it lacks or contradicts that.
            CheckpointLockError: the record is absent or cannot be read.
            CorruptLog, LogUnavailable: the log cannot be read.
        """
        record = self._lock.read()
        size = self._reader.size()  # after the record: what is signed meanwhile is not missing
        try:
            agreed = self._agreed(size, record)
        except LogContradicted as error:
            self._contradiction = error
            raise
        self._contradiction = None
        return agreed

    def contradiction(self) -> AuditError | None:
        """Why nothing may be appended; None while the log is what was signed, as far as it was checked."""
        return self._contradiction

    def _agreed(self, size: int, record: Checkpoint | None) -> Checkpoint:
        if record is None:
            raise CheckpointLockError("there is no record of what this log has signed: the state directory was lost or the log was copied here. If no other "
                                      "service signs for it, run lineproof log adopt --checkpoint FILE with the latest checkpoint anybody holds: an auditor, "
                                      "a monitor, the published tiles")
        if record.origin != self._origin:
            raise LogContradicted(f"the checkpoint lock record is of the log {record.origin}, not of {self._origin}: let LINEPROOF_CHECKPOINT_LOCK name that "
                                  "of this log")
        if record.size > size:
            raise LogContradicted(f"this log has {size} entries, but has signed a tree of {record.size}: a backup was restored, entries were cut off, or this "
                                  f"is a copy of a log that goes on elsewhere (then stop one of them). {REMEDY}")
        if self._reader.root_at(record.size) != record.root:
            raise LogContradicted(f"the tree of size {record.size} is not the one that was signed: entries were changed, or another copy of {self._origin} was "
                                  f"appended to and signed. Run lineproof log fsck and compare with a copy. {REMEDY}")
        return record

    def _publish(self, note: str) -> None:
        """The folder is a copy for others; the store is what is served, and a folder that cannot be written stops no signature."""
        if self._publication is not None:
            self._publication.publish(note)


def extend_stored_tree(store: LogStore, epoch: int) -> CompactRange | None:
    """Write the tiles of all entries that have none yet; the tree over all of them, None if another process leads now.

    Raises:
        CorruptLog: entries do not hash to the tree they were appended to, or a tile is damaged.
    """
    reader, head = LogReader(store), store.head()
    tree = store.integrated().tree
    if tree.size > head.size:
        raise CorruptLog(f"the tree has {tree.size} entries, the log {head.size}")
    # First that the entries are what was appended, then the tiles: a changed leaf must not reach a tile, which nothing would correct.
    found = tree.copy()
    for leaf in reader.leaves(tree.size, head.size):
        found.append(leaf_hash(leaf))
    if found != head.tree:
        raise CorruptLog(f"the first {head.size} entries do not hash to the tree they were appended to: a stored leaf was changed; run lineproof log fsck")
    while tree.size < head.size:
        before = tree.size
        hashes = map(leaf_hash, reader.leaves(before, min(before + CHUNK_ENTRIES, head.size)))
        tiles = extend_tiles(tree, hashes, store.tiles)
        if not store.extend_tree(epoch, before, tree, tiles):
            store.resign()
            return None
    if tree != head.tree:  # between the two passes
        raise CorruptLog(f"the tiles of the first {head.size} entries are not those of the tree they were appended to; run lineproof log fsck")
    return tree
