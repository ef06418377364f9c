"""Checking a whole log: everything that can be derived is derived again and compared, entry by entry.

One pass in index order; memory does not grow with the log, but for the keyring, open producer streams and bodies whose erasure
has not been met yet. Errors are corruption (the stored log is not the log that was signed); warnings are what a sound log may
hold: gaps in producers' streams, entries of keys that were revoked at their index, key entries without effect.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from lineproof_audit.checkpoint import Checkpoint, open_checkpoint, peek_checkpoint
from lineproof_audit.errors import AuditError, CorruptLog
from lineproof_audit.fsck_bodies import Body, BodyChecks, BodyVerdict, check_body
from lineproof_audit.fsck_checkpoints import CheckpointChecks
from lineproof_audit.fsck_source import FsckSource, RawEntry, StoredTree
from lineproof_audit.keyring import KEYRING_TYPES, Keyring, KeyVerdict
from lineproof_audit.leaf import Leaf, parse_leaf
from lineproof_audit.note import NoteVerifier
from lineproof_audit.streams import StreamFinding, StreamTracker
from lineproof_audit.tree import CompactRange, leaf_hash, new_nodes
from lineproof_audit.trust import Trust

__all__ = ["Finding", "FsckReport", "FsckSource", "RawEntry", "StoredTree", "fsck"]

ERASURE = "lineproof.erasure.v1"
UNERASABLE = KEYRING_TYPES | {ERASURE, "lineproof.alias.v1"}
TILE_LEVELS = 8  # stores keep every eighth level of the tree (C2SP tiles); the levels between are hashed from these
# A log that is wrong from one entry on is wrong in millions of places; the first thousand of each severity say all there is to know.
MAX_FINDINGS = 1_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found. `index` is None if it concerns the log as a whole; `severity` is `error` or `warning`; `kind` is stable."""

    severity: str
    kind: str
    index: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class FsckReport:
    """The result. `ok` means no error; `first_bad_index` is the lowest entry with an error (None if there is none, or only the
    log as a whole is wrong). `findings` hold at most `MAX_FINDINGS` of each severity, errors first, by entry; `errors` and `warnings`
    count all. `signatures`: whether those were checked; `bodies`: `all`, `control` if the source shows only those of genesis, key and policy
    entries, `none`."""

    origin: str | None
    entries: int
    checkpoint_size: int | None
    root: bytes | None
    errors: int
    warnings: int
    first_bad_index: int | None
    findings: tuple[Finding, ...]
    signatures: bool = True
    bodies: str = "all"
    log_keys: tuple[NoteVerifier, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the log is what was signed."""
        return self.errors == 0

    def to_json(self) -> dict[str, Any]:
        """JSON-able form."""
        return {"ok": self.ok, "origin": self.origin, "entries": self.entries, "checkpointSize": self.checkpoint_size, "signaturesChecked": self.signatures,
                "bodiesChecked": self.bodies,
                "rootHash": self.root.hex() if self.root else None, "errors": self.errors, "warnings": self.warnings, "firstBadIndex": self.first_bad_index,
                "findings": [{"severity": item.severity, "kind": item.kind, "index": item.index, "detail": item.detail} for item in self.findings]}


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
        signatures: check those of producers too, which takes most of the time; those of key and policy entries always are.
    """
    bodies = BodyChecks[_Entry]()
    try:
        return _Fsck(source, trust, bodies, signatures).run(progress)
    finally:
        bodies.close()


class _Fsck:
    def __init__(self, source: FsckSource, trust: Trust | None, bodies: BodyChecks[_Entry], signatures: bool) -> None:
        self._source, self._trust, self._bodies, self._signatures = source, trust, bodies, signatures
        self._keyring, self._streams, self._tree = Keyring(), StreamTracker(), CompactRange()
        self._kept: dict[str, list[Finding]] = {"error": [], "warning": []}
        self._count = {"error": 0, "warning": 0}
        self._first_bad: int | None = None
        self._last_bad = -1
        self._received = 0
        self._named: str | None = None  # the origin that the checkpoint names, for a source that does not show the genesis
        self._shown = {"kept": 0, "control": 0, "not": 0}  # entries of a source that keeps bodies; bodies shown all the same; not shown
        self._bodiless: dict[int, str] = {}  # entries without a body whose erasure has not been met -> their event type

    def run(self, progress: Callable[[int], None] | None) -> FsckReport:
        note = self._source.checkpoint()  # before the size: on a live log the size then covers it
        trees, copies = self._source.trees(), self._source.copies()
        size = self._source.size()
        head = self._head(note, size)
        old = CheckpointChecks(self._source.checkpoints(size), copies, note, self._old_keys, lambda detail: self._error("checkpoint", None, detail))
        covered = head.size if head else 0
        tiled = self._source.tiled(covered)
        root: bytes | None = None
        expected = 0
        wrong = [item for item in trees if item.tree is None or item.tree.size > size or (item.tree.size == 0 and item.tree != self._tree)]
        old.meet(self._tree)
        try:
            for entry in self._source.raw_entries(0, size):
                if entry.index != expected:
                    break  # the tree and every later position are lost with it
                self._entry(entry, tiled)
                expected += 1
                if expected == covered:
                    root = self._tree.root()
                wrong += [item for item in trees if item.tree is not None and item.tree.size == expected and not self._goes_on_from(item)]
                old.meet(self._tree)
                if progress and expected % 1000 == 0:
                    progress(expected)
            if expected < size:
                self._error("missing-entry", expected, f"entry {expected} is missing; the log says it has {size} entries")
        except CorruptLog as error:
            self._error("unreadable", expected, f"entry {expected} or one soon after it cannot be read: {error.detail}")
        self._settle(self._bodies.finish())
        self._finish(note, head, root, expected)
        old.finish(expected, sound=self._first_bad is None)
        for left in self._source.leftovers():
            self._error("file", left.index, f"{left.name}: {left.detail}")
        for item in wrong if self._first_bad is None else ():  # where an entry is wrong, every tree over it is
            detail = item.damage or f"it is not that of the first {item.tree.size if item.tree is not None else 0} entries"
            self._error("stored-tree", None, f"the tree kept for {item.name}: {detail}")
        return FsckReport(self._keyring.origin, expected, head.size if head else None, head.root if head else None, self._count["error"],
                          self._count["warning"], self._first_bad, (*_by_entry(self._kept["error"]), *_by_entry(self._kept["warning"])),
                          self._signatures, "none" if not self._shown["kept"] + self._shown["control"] and self._shown["not"] else
                          "control" if self._shown["not"] else "all", tuple(self._log_keys()))

    def _goes_on_from(self, kept: StoredTree) -> bool:
        """Whether a stored tree of the size reached is that of the entries, the time of the last one included."""
        return kept.tree == self._tree and kept.received in (None, self._received)

    def _head(self, note: str | None, size: int) -> Checkpoint | None:
        if note is None:
            self._warning("no-checkpoint", None, "there is no checkpoint yet: nothing outside the store vouches for these entries")
            return None
        try:
            head = peek_checkpoint(note)  # only where to compare; its signature is checked at the end, when the log key is known
        except AuditError as error:
            self._error("checkpoint", None, f"the checkpoint is malformed: {error.detail}")
            return None
        self._named = head.origin
        if head.size > size:
            self._error("truncated", size, f"the checkpoint covers {head.size} entries, the store has {size}")
        return head

    def _entry(self, entry: RawEntry, tiled: int) -> None:
        index = entry.index
        for level, at, digest in new_nodes(self._tree, [leaf_hash(entry.leaf)]):
            if index < tiled and level % TILE_LEVELS == 0:
                self._node(index, level, at, digest)
        try:
            leaf = parse_leaf(entry.leaf)
        except AuditError as error:
            self._error("leaf", index, error.detail)
            return
        if leaf.received < self._received:
            self._error("received", index, f"received {leaf.received} is before that of the entry before, {self._received}")
        self._received = leaf.received  # one that is too high is met once, and not at every entry after it
        for name, value in entry.derived.items():
            if value != getattr(leaf, name):
                self._error("derived-column", index, f"the column {name} says {value!r}, the leaf {getattr(leaf, name)!r}")
        body = self._body(entry, leaf)
        if leaf.event_type in KEYRING_TYPES:
            sound = body is not None and check_body(body).wrong is None
            outcome = self._keyring.apply(index, leaf, entry.envelope if sound else None)
            if outcome.status == "rejected":
                self._warning("key-entry-without-effect", index, f"{leaf.event_type}: {outcome.reason}")
        if body is not None:
            record = self._keyring.key(leaf.signer)
            if record is not None and self._signatures:
                body = replace(body, spki=record.spki)
            about = _Entry(index, leaf, None if record is None else record.signs_as or "", "" if record is None else record.purpose,
                           self._keyring.validity(leaf.signer, index, leaf.received))
            self._settle(self._bodies.add(body, about))

    def _node(self, index: int, level: int, at: int, digest: bytes) -> None:
        try:
            stored = self._source.node(level, at)
        except AuditError as error:
            self._error("tree", index, f"tree node ({level}, {at}): {error.detail}")
            return
        if stored != digest:
            self._error("tree", index, f"tree node ({level}, {at}) is not the hash of the stored leaves {at << level}..{((at + 1) << level) - 1}")

    def _body(self, entry: RawEntry, leaf: Leaf) -> Body | None:
        """The body to be checked, if there is one."""
        index = entry.index
        shown = entry.kept or entry.envelope is not None or entry.damage is not None
        self._shown["kept" if entry.kept else "control" if shown else "not"] += 1
        if not shown:
            return None  # a source of leaves alone: what they commit to is not ours to see
        if entry.damage is not None:
            self._error("body", index, entry.damage)
            return None
        if entry.envelope is None or entry.salt is None:
            if entry.envelope is not None or entry.salt is not None or leaf.event_type in UNERASABLE:
                self._error("body", index, f"body or salt of this {leaf.event_type} is missing")
            else:
                self._bodiless[index] = leaf.event_type
                self._streams.erased(leaf.signer)
            return None
        return Body(leaf.body, entry.salt, entry.envelope, None, leaf.event_type == ERASURE)

    def _settle(self, verdicts: Iterable[tuple[_Entry, BodyVerdict]]) -> None:
        for entry, body in verdicts:
            self._said(entry, body)

    def _said(self, entry: _Entry, body: BodyVerdict) -> None:
        """Agreement of leaf and body, the producer's stream, signature and key."""
        index, leaf = entry.index, entry.leaf
        if body.wrong is not None:
            self._error("body", index, body.wrong)
            return
        if body.payload_type != leaf.media_type or not body.facts.agrees_with(leaf.event_type):
            self._error("type", index, f"the leaf says {leaf.media_type} {leaf.event_type}, the body {body.payload_type} {body.facts.event_type}")
        finding = self._streams.see(index, leaf.signer, body.facts, body.payload_hash)
        if finding:
            self._stream(finding)
        if entry.signed_by is None:
            self._error("unknown-key", index, f"no entry before it registers its signer {leaf.signer}")
            return
        if body.unsigned is not None:
            self._error("signature", index, body.unsigned)
            return
        if leaf.signed_by != entry.signed_by:
            self._error("signed-by", index, f"the leaf says {leaf.signed_by}, a {entry.purpose} key signed")
        if entry.verdict.code == "unknown-key":
            self._error("unknown-key", index, entry.verdict.reason or "")
        elif not entry.verdict.ok:
            self._warning("revoked-key", index, f"{entry.verdict.reason}; the projection rejects it")
        if body.erased is not None and entry.purpose == "admin":
            self._bodiless.pop(body.erased, None)

    def _finish(self, note: str | None, head: Checkpoint | None, root: bytes | None, entries: int) -> None:
        last_bad = self._last_bad
        for index, event_type in self._bodiless.items():
            # Where a later entry is damaged or was not reached, that one may be the erasure: it is the one to be named.
            tell = self._warning if last_bad > index else self._error
            tell("body", index, f"the body of this {event_type} is missing and no erasure entry says so")
        for finding in self._streams.gaps():
            self._stream(finding)
        if entries and self._keyring.origin is None and self._shown["kept"] + self._shown["control"]:
            self._error("genesis", 0, "entry 0 is not a genesis entry signed by the root admin key it names")
        if head is None or note is None:
            return
        if head.size == 0:
            root = CompactRange().root()
        if root is not None and root != head.root:
            where = "" if self._first_bad is not None else ": leaves and tree nodes were changed together; an earlier copy or checkpoint tells where"
            self._error("root", None, f"the leaves do not hash to the root of the checkpoint at size {head.size}{where}")
        try:
            keys = self._log_keys()
            if not keys:
                self._error("checkpoint", None, "no log key is known for this origin: the checkpoint cannot be checked; give a trust file")
                return
            if self._trust is not None:
                self._trust.open(note, keys[0].name)
            else:
                open_checkpoint(note, *keys)
        except AuditError as error:
            self._error("checkpoint", None, error.detail)

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
        self._warning(f"stream-{finding.kind}", finding.index, text)

    def _error(self, kind: str, index: int | None, detail: str) -> None:
        self._add(Finding("error", kind, index, detail))

    def _warning(self, kind: str, index: int | None, detail: str) -> None:
        self._add(Finding("warning", kind, index, detail))

    def _add(self, finding: Finding) -> None:
        if finding.severity == "error" and finding.index is not None and (self._first_bad is None or finding.index < self._first_bad):
            self._first_bad = finding.index
        if finding.severity == "error" and finding.index is not None:
            self._last_bad = max(self._last_bad, finding.index)
        self._count[finding.severity] += 1
        if len(self._kept[finding.severity]) < MAX_FINDINGS:
            self._kept[finding.severity].append(finding)


def _by_entry(findings: list[Finding]) -> list[Finding]:
    """By entry, what concerns the log as a whole last; verdicts on bodies come later than those on their leaves."""
    return sorted(findings, key=lambda finding: (finding.index is None, finding.index or 0))
