"""Checking a whole log: everything that can be derived is derived again and compared, entry by entry.

One pass in index order; memory does not grow with the log, but for the keyring, open producer streams and bodies whose erasure
has not been met yet. Errors are corruption (the stored log is not the log that was signed); warnings are what a sound log may
hold: gaps in producers' streams, entries of keys that were revoked at their index, key entries without effect.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from lineproof_audit.checkpoint import Checkpoint, open_checkpoint, peek_checkpoint
from lineproof_audit.erasures import ERASURE
from lineproof_audit.errors import AuditError, CorruptLog
from lineproof_audit.fsck_bodies import Body, BodyChecks, BodyVerdict
from lineproof_audit.fsck_checkpoints import CheckpointChecks
from lineproof_audit.fsck_erasures import MissingBodies, sound_envelope
from lineproof_audit.fsck_report import MAX_FINDINGS, Finding, Findings, FsckReport
from lineproof_audit.fsck_source import FsckSource, RawEntry, StoredTree
from lineproof_audit.keyring import KEYRING_TYPES, Keyring, KeyVerdict
from lineproof_audit.leaf import Leaf, parse_leaf
from lineproof_audit.note import NoteVerifier
from lineproof_audit.store import CONTROL_TYPES, UNERASABLE_TYPES
from lineproof_audit.streams import StreamFinding, StreamTracker
from lineproof_audit.tree import CompactRange, leaf_hash, new_nodes
from lineproof_audit.trust import Trust
from lineproof_audit.witness import members_of

__all__ = ["MAX_FINDINGS", "Finding", "FsckPass", "FsckReport", "FsckSource", "RawEntry", "Standpoint", "StoredTree", "fsck"]

TILE_LEVELS = 8  # stores keep every eighth level of the tree (C2SP tiles); the levels between are hashed from these
PROGRESS_ENTRIES = 1_000


@dataclass(frozen=True, slots=True)
class Standpoint:
    """How far a pass has come, so that another one can go on from there: the tree of all entries that were checked, when the last of them was
    received, and those without a body (with their event types) whose erasure was not met yet."""

    tree: CompactRange = field(default_factory=CompactRange)
    received: int = 0
    missing: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Entry:
    """What was known of an entry when its turn came, for the verdict on its body, which comes later."""

    index: int
    leaf: Leaf
    signed_by: str | None  # what an entry by this key says; None when the key is unknown
    purpose: str
    verdict: KeyVerdict


def fsck(source: FsckSource, *, trust: Trust | None = None, progress: Callable[[int], None] | None = None, signatures: bool = True) -> FsckReport:
    """Check the log of `source`.

    Args:
        source: the log.
        trust: log keys known from elsewhere; without it the checkpoint is checked with the log key that the genesis entry names,
            which shows damage but not a log that was replaced as a whole.
        progress: called with the number of entries done, about every thousand.
        signatures: check those of producers too, which takes most of the time; those of key, policy and erasure entries always are.
    """
    with FsckPass(source, trust=trust, signatures=signatures) as started:
        return started.run(progress)


class FsckPass:
    """One pass over a log; a context manager, since it may start processes.

    Args:
        source, trust, signatures: as for `fsck`.
        start: where another pass stood; the entries before it are not looked at again but for keys and policy. Gaps in producers' streams
            that reach over it are not seen rightly.
        told: given each error as it is found.
        processes: that check bodies; None for one per core.
    """

    def __init__(self, source: FsckSource, *, trust: Trust | None = None, signatures: bool = True, start: Standpoint | None = None,
                 told: Callable[[Finding], None] | None = None, processes: int | None = None) -> None:
        start = start or Standpoint()
        self._source, self._trust, self._signatures = source, trust, signatures
        self._bodies = BodyChecks[_Entry](processes)
        self._keyring, self._streams, self._tree = Keyring(), StreamTracker(), start.tree.copy()
        self._found = Findings(told)
        self._received = start.received
        self._named: str | None = None  # the origin that the checkpoint names, for a source that does not show the genesis
        self._shown = {"kept": 0, "control": 0, "not": 0}  # entries of a source that keeps bodies; bodies shown all the same; not shown
        self._missing = MissingBodies(start.missing)

    def __enter__(self) -> FsckPass:
        return self

    def __exit__(self, *_: object) -> None:
        self._bodies.close()

    def run(self, progress: Callable[[int], None] | None = None, every: int = PROGRESS_ENTRIES) -> FsckReport:
        """Go from the start to the end. `progress` is called with the number of entries done, after `every` of them; it may raise to end the pass."""
        note = self._source.checkpoint()  # before the size: on a live log the size then covers it
        trees, copies = self._source.trees(), self._source.copies()
        size, begun = self._source.size(), self._tree.size
        self._bodies.expect(size - begun)
        head = self._head(note, size)
        witnesses = [] if self._trust is None or self._trust.quorum is None else members_of(self._trust.quorum)
        old = CheckpointChecks(self._source.checkpoints(size, begun), copies, note, self._old_keys, witnesses,
                               lambda detail: self._found.error("checkpoint", None, detail), since=begun)
        covered = head.size if head else 0
        tiled = self._source.tiled(covered)
        root = self._tree.root() if covered == begun else None
        wrong = [item for item in trees if item.tree is None or item.tree.size > size or (item.tree.size == begun and not self._goes_on_from(item))]
        try:
            self._read_keys(begun)
            old.meet(self._tree)
            for entry in self._source.packed_entries(begun, size):
                if entry.index != self._tree.size:
                    break  # the tree and every later position are lost with it
                self._entry(entry, tiled)
                done = self._tree.size
                if done == covered:
                    root = self._tree.root()
                wrong += [item for item in trees if item.tree is not None and item.tree.size == done and not self._goes_on_from(item)]
                old.meet(self._tree)
                if progress and done % every == 0:
                    progress(done)
            if self._tree.size < size:
                self._missing.doubt(size)
                self._found.error("missing-entry", self._tree.size, f"entry {self._tree.size} is missing; the log says it has {size} entries")
        except CorruptLog as error:
            self._missing.doubt(size)
            self._found.error("unreadable", self._tree.size, f"entry {self._tree.size} or one soon after it cannot be read: {error.detail}")
        self._settle(self._bodies.finish())
        self._finish(note, head, root)
        old.finish(self._tree.size, sound=self._found.first_bad is None)
        for left in self._source.leftovers():
            self._found.error("file", left.index, f"{left.name}: {left.detail}")
        for item in wrong if self._found.first_bad is None else ():  # where an entry is wrong, every tree over it is
            detail = item.damage or f"it is not that of the first {item.tree.size if item.tree is not None else 0} entries"
            self._found.error("stored-tree", None, f"the tree kept for {item.name}: {detail}")
        return FsckReport(self._keyring.origin, self._tree.size, head.size if head else None, head.root if head else None, self._found.errors,
                          self._found.warnings, self._found.first_bad, self._found.ordered(), self._signatures,
                          "none" if not self._shown["kept"] + self._shown["control"] and self._shown["not"] else
                          "control" if self._shown["not"] else "all", tuple(self._log_keys()))

    def standpoint(self) -> Standpoint:
        """Where the pass stands now; everything before it is checked when this returns. To be called from `progress`."""
        self._settle(self._bodies.finish())
        return Standpoint(self._tree.copy(), self._received, dict(self._missing.missing))

    def _goes_on_from(self, kept: StoredTree) -> bool:
        """Whether a stored tree of the size reached is that of the entries, the time of the last one included."""
        return kept.tree == self._tree and kept.received in (None, self._received)

    def _head(self, note: str | None, size: int) -> Checkpoint | None:
        if note is None:
            self._found.warning("no-checkpoint", None, "there is no checkpoint yet: nothing outside the store vouches for these entries")
            return None
        try:
            head = peek_checkpoint(note)  # only where to compare; its signature is checked at the end, when the log key is known
        except AuditError as error:
            self._found.error("checkpoint", None, f"the checkpoint is malformed: {error.detail}")
            return None
        self._named = head.origin
        if head.size > size:
            self._found.error("truncated", size, f"the checkpoint covers {head.size} entries, the store has {size}")
        return head

    def _read_keys(self, stop: int) -> None:
        """Keys and policy as the entries before the start said it."""
        for entry in self._source.control_entries(0, stop):
            leaf = parse_leaf(entry.leaf)
            if leaf.event_type in KEYRING_TYPES:
                self._shown["kept" if entry.kept else "control"] += 1
                self._keyring.apply(entry.index, leaf, sound_envelope(entry, leaf))

    def _entry(self, entry: RawEntry, tiled: int) -> None:
        index = entry.index
        for level, at, digest in new_nodes(self._tree, [leaf_hash(entry.leaf)]):
            if index < tiled and level % TILE_LEVELS == 0:
                self._node(index, level, at, digest)
        try:
            leaf = parse_leaf(entry.leaf)
        except AuditError as error:
            self._missing.doubt(index)
            self._found.error("leaf", index, error.detail)
            return
        if leaf.received < self._received:
            self._found.error("received", index, f"received {leaf.received} is before that of the entry before, {self._received}")
        self._received = leaf.received  # one that is too high is met once, and not at every entry after it
        if leaf.event_type in CONTROL_TYPES:
            entry = self._source.unpacked(entry)  # what it says is needed here
        for name, value in entry.derived.items():
            if value != getattr(leaf, name):
                self._found.error("derived-column", index, f"the column {name} says {value!r}, the leaf {getattr(leaf, name)!r}")
        body = self._body(entry, leaf)
        if leaf.event_type in KEYRING_TYPES:
            outcome = self._keyring.apply(index, leaf, None if body is None else sound_envelope(entry, leaf))
            if outcome.status == "rejected" and body is not None:  # that there is no body is told where it is looked for
                self._found.warning("key-entry-without-effect", index, f"{leaf.event_type}: {outcome.reason}")
        self._missing.see(entry, leaf, self._keyring)
        if body is not None:
            record = self._keyring.key(leaf.signer)
            if record is not None and (self._signatures or leaf.event_type == ERASURE):
                body = replace(body, spki=record.spki)
            about = _Entry(index, leaf, None if record is None else record.signs_as or "", "" if record is None else record.purpose,
                           self._keyring.validity(leaf.signer, index, leaf.received))
            self._settle(self._bodies.add(body, about))

    def _node(self, index: int, level: int, at: int, digest: bytes) -> None:
        try:
            stored = self._source.node(level, at)
        except AuditError as error:
            self._found.error("tree", index, f"tree node ({level}, {at}): {error.detail}")
            return
        if stored != digest:
            if level == 0:
                self._missing.doubt(index)
            self._found.error("tree", index, f"tree node ({level}, {at}) is not the hash of the stored leaves {at << level}..{((at + 1) << level) - 1}")

    def _body(self, entry: RawEntry, leaf: Leaf) -> Body | None:
        """The body to be checked, if there is one."""
        index = entry.index
        content = entry.envelope if entry.packed is None else entry.packed
        shown = entry.kept or content is not None or entry.damage is not None
        self._shown["kept" if entry.kept else "control" if shown else "not"] += 1
        if not shown:
            return None  # a source of leaves alone: what they commit to is not ours to see
        if entry.damage is not None:
            self._found.error("body", index, entry.damage)
            return None
        if content is None or entry.salt is None:
            if content is not None or entry.salt is not None or leaf.event_type in UNERASABLE_TYPES:
                self._found.error("body", index, f"body or salt of this {leaf.event_type} is missing")
            else:
                self._missing.missing[index] = leaf.event_type
                self._streams.erased(leaf.signer)
            return None
        return Body(leaf.body, entry.salt, content, None, index if entry.packed is not None else None)

    def _settle(self, verdicts: Iterable[tuple[_Entry, BodyVerdict]]) -> None:
        for entry, body in verdicts:
            self._said(entry, body)

    def _said(self, entry: _Entry, body: BodyVerdict) -> None:
        """Agreement of leaf and body, the producer's stream, signature and key."""
        index, leaf = entry.index, entry.leaf
        if body.wrong is not None:
            self._found.error("body", index, body.wrong)
            return
        if body.payload_type != leaf.media_type or not body.facts.agrees_with(leaf.event_type):
            self._missing.doubt(index)
            self._found.error("type", index, f"the leaf says {leaf.media_type} {leaf.event_type}, the body {body.payload_type} {body.facts.event_type}")
        finding = self._streams.see(index, leaf.signer, body.facts, body.payload_hash)
        if finding:
            self._stream(finding)
        if entry.signed_by is None:
            self._found.error("unknown-key", index, f"no entry before it registers its signer {leaf.signer}")
            return
        if body.unsigned is not None:
            self._found.error("signature", index, body.unsigned)
            return
        if leaf.signed_by != entry.signed_by:
            self._found.error("signed-by", index, f"the leaf says {leaf.signed_by}, a {entry.purpose} key signed")
        if entry.verdict.code == "unknown-key":
            self._found.error("unknown-key", index, entry.verdict.reason or "")
        elif not entry.verdict.ok:
            self._found.warning("revoked-key", index, f"{entry.verdict.reason}; the projection rejects it")

    def _finish(self, note: str | None, head: Checkpoint | None, root: bytes | None) -> None:
        for entry in self._source.later() if self._missing.missing else ():
            self._missing.see(entry, parse_leaf(entry.leaf), self._keyring)
        for index, event_type, may_be_erased in self._missing.unaccounted():
            tell = self._found.warning if may_be_erased else self._found.error  # the damaged entry is the one to be named
            tell("body", index, f"the body of this {event_type} is missing and no erasure entry says so")
        for finding in self._streams.gaps():
            self._stream(finding)
        if self._tree.size and self._keyring.origin is None and self._shown["kept"] + self._shown["control"]:
            self._found.error("genesis", 0, "entry 0 is not a genesis entry signed by the root admin key it names")
        if head is None or note is None:
            return
        if head.size == 0:
            root = CompactRange().root()
        if root is not None and root != head.root:
            where = "" if self._found.first_bad is not None else ": leaves and tree nodes were changed together; an earlier copy or checkpoint tells where"
            self._found.error("root", None, f"the leaves do not hash to the root of the checkpoint at size {head.size}{where}")
        try:
            keys = self._log_keys()
            if not keys:
                self._found.error("checkpoint", None, "no log key is known for this origin: the checkpoint cannot be checked; give a trust file")
                return
            if self._trust is not None:
                self._trust.open(note, keys[0].name)
            else:
                open_checkpoint(note, *keys)
        except AuditError as error:
            self._found.error("checkpoint", None, error.detail)

    def _log_keys(self) -> list[NoteVerifier]:
        """The keys that the latest checkpoint is believed of."""
        origin = self._keyring.origin or self._named
        if origin is None:
            return []
        return self._trust.keys_of(origin) if self._trust else [NoteVerifier(origin, key) for key in self._keyring.keys_for("log")]

    def _old_keys(self) -> list[NoteVerifier]:
        """Those, and the ones that the entries up to here name: keys that were rotated away since."""
        origin = self._keyring.origin
        named = [] if origin is None else [NoteVerifier(origin, key) for key in self._keyring.keys_for("log")]
        return list({key.vkey: key for key in (*self._log_keys(), *named)}.values())

    def _stream(self, finding: StreamFinding) -> None:
        numbers = f"{finding.first}" if finding.first == finding.last else f"{finding.first}..{finding.last}"
        text = {"gap": f"stream {finding.stream}: {numbers} never arrived" + (", or arrived and was erased" if finding.maybe_erased else ""),
                "chain": f"stream {finding.stream}: event {numbers} is not the one its successor names"}[finding.kind]
        self._found.warning(f"stream-{finding.kind}", finding.index, text)
