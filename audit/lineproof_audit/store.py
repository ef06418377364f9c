"""What the log needs from a database, and the records that pass between them.

A store keeps bytes and enforces order: gapless indices, commit-order visibility, one entry per identity, rows that are never
changed. It knows nothing of JSON, keys or clocks. `store_sqlite` and `store_postgres` are the two of them; one contract suite
(`tests/contract/test_log_store.py`) holds both to this text.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from lineproof_audit.leaf import Leaf
from lineproof_audit.tree import CompactRange

__all__ = ["CONTROL_TYPES", "ERASURE_TYPE", "STORE_VERSION", "UNERASABLE_TYPES", "AppendTransaction", "Derived", "Head", "IntegratedTree", "Known",
           "LogStore", "NewRow", "SignedCheckpoint", "StoredEntry", "StoredRow", "TileKey"]

STORE_VERSION = 1

# What keyring, policy and erasures are folded from: read in full by every process that starts, so it has an index of its own.
CONTROL_TYPES = ("lineproof.erasure.v1", "lineproof.genesis.v1", "lineproof.key.v1", "lineproof.policy.v1")
ERASURE_TYPE = "lineproof.erasure.v1"
UNERASABLE_TYPES = (*CONTROL_TYPES, "lineproof.alias.v1")

TileKey = tuple[int, int]
"""(tile level, number): tile level L holds the hashes of tree level 8·L, 256 to a tile."""


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the log: `size` entries, the last received at `last_received` (µs), and the tree over them."""

    size: int
    last_received: int
    tree: CompactRange


@dataclass(frozen=True, slots=True)
class Known:
    """An identity that is taken: by entry `index`, whose payload has the keyed hash `payload`."""

    index: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class NewRow:
    """One entry to be written.

    `fields` is the leaf's content but for its time, which is `received`; `identity` and `payload` are keyed hashes; `body` is the
    envelope as `bodies.pack` wrote it.
    """

    index: int
    leaf: bytes
    fields: Leaf
    received: int
    salt: bytes
    body: bytes
    identity: bytes
    payload: bytes


@dataclass(frozen=True, slots=True)
class StoredRow:
    """One entry as it lies in the store: nothing parsed. `salt` and `body` are None once erased."""

    index: int
    leaf: bytes
    salt: bytes | None
    body: bytes | None


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """One entry, read: `fields` is the parsed `leaf`, `envelope` the bytes as received; `envelope` and `salt` are None once erased."""

    index: int
    leaf: bytes
    fields: Leaf
    envelope: bytes | None
    salt: bytes | None


@dataclass(frozen=True, slots=True)
class Derived:
    """The columns kept beside a leaf so that it can be searched. They prove nothing; `fsck` compares them with the leaf."""

    received: int
    event_type: str
    media_type: str
    tenant: str
    signer: str
    signed_by: str
    caller: str | None


@dataclass(frozen=True, slots=True)
class IntegratedTree:
    """How far tiles are written: the tree over them and the fencing epoch of who wrote last."""

    tree: CompactRange
    epoch: int


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A published checkpoint: `note` is the whole signed note."""

    size: int
    root: bytes
    note: str
    signed_at: int


class AppendTransaction(Protocol):
    """One batch. The head is locked from entering to leaving; leaving without an exception commits, durably."""

    @property
    def head(self) -> Head:
        """The head as it is under the lock."""

    def known(self, identities: Sequence[bytes]) -> Mapping[bytes, Known]:
        """Those of `identities` that are taken."""

    def rows(self, indices: Sequence[int]) -> Mapping[int, StoredRow]:
        """Entries committed earlier."""

    def insert(self, rows: Sequence[NewRow], head: Head) -> None:
        """Write `rows`, whose indices follow the head without a gap, and move the head to `head`."""


class LogStore(Protocol):
    """The database of one log. Safe for use from several threads.

    Raises everywhere:
        NoSpace: the disk is full; nothing was written.
        LogUnavailable: the database cannot be reached, is locked for too long, or holds no log.
        CorruptLog: the database file itself is damaged.
    """

    @property
    def location(self) -> str:
        """Where the log lies, without credentials, for messages."""

    def create(self) -> None:
        """Create the tables if they are missing; fails on tables of a newer version."""

    def close(self) -> None:
        """Release connections and locks. Idempotent."""

    # -- appending

    def append(self) -> AbstractContextManager[AppendTransaction]:
        """Lock the head, write one batch, commit. An exception inside rolls everything back."""

    def bind_secret(self, check: bytes) -> None:
        """Remember a fingerprint of the secret under which identities are hashed.

        Raises:
            LogUnavailable: the store was written under another secret, so retries would not be recognised.
        """

    def erase_body(self, index: int, evidence: int) -> None:
        """Delete salt and body of entry `index`; `evidence` is the erasure entry, which comes later. Idempotent; leaf and dedupe rows stay.

        Raises:
            NoSuchEntry: there is no such entry.
            CorruptLog: the entry is one that can never be erased, or `evidence` is no erasure entry.
        """

    def forget(self) -> None:
        """Give up what deleted bodies left behind, as far as the store can without stopping: SQLite cuts off its write-ahead log."""

    # -- reading

    def head(self) -> Head:
        """The committed head."""

    def rows(self, start: int, stop: int) -> list[StoredRow]:
        """Entries `start..stop-1`, in order; fewer at the end of the log."""

    def leaves(self, start: int, stop: int) -> list[bytes]:
        """The leaves of entries `start..stop-1`, in order; fewer at the end of the log."""

    def derived(self, index: int) -> Derived | None:
        """The derived columns of an entry."""

    def derived_between(self, start: int, stop: int) -> Mapping[int, Derived]:
        """The derived columns of entries `start..stop-1`, by index."""

    def received(self, index: int) -> int:
        """When entry `index` was received (µs)."""

    def control_indices(self, start: int, stop: int) -> list[int]:
        """Indices in `start..stop-1` of entries whose type is one of `CONTROL_TYPES`, in order."""

    def wait_for(self, size: int, timeout: float) -> int:
        """Return the size once it is at least `size`, or as it is after `timeout` seconds."""

    # -- tree and checkpoints (written by the elected integrator only)

    def elect(self) -> int | None:
        """Try to become the integrator: a new fencing epoch, or None while another process is. Asked again it confirms or re-elects."""

    def resign(self) -> None:
        """Let another process integrate. Idempotent."""

    def integrated(self) -> IntegratedTree:
        """How far the tiles reach."""

    def tiles(self, keys: Sequence[TileKey]) -> Mapping[TileKey, bytes]:
        """Those of the tiles that exist; a tile is 1 to 256 hashes of 32 bytes."""

    def extend_tree(self, epoch: int, before: int, tree: CompactRange, tiles: Mapping[TileKey, bytes]) -> bool:
        """Write tiles and move the integrated tree from size `before` to `tree`; False if the epoch or size is not ours any more."""

    def publish(self, epoch: int, checkpoint: SignedCheckpoint) -> bool:
        """Keep a signed checkpoint; False if the epoch is not ours any more."""

    def checkpoint(self) -> SignedCheckpoint | None:
        """The largest published checkpoint."""

    def checkpoint_covering(self, size: int) -> SignedCheckpoint | None:
        """The smallest published checkpoint of at least `size`."""

    def checkpoints_after(self, size: int, count: int) -> list[SignedCheckpoint]:
        """Published checkpoints larger than `size`, the smallest first, at most `count`."""

    def checkpoints_before(self, size: int, count: int) -> list[SignedCheckpoint]:
        """Published checkpoints smaller than `size`, the largest first, at most `count`."""

    # -- moving a log

    def identities(self, start: int, stop: int) -> Mapping[int, tuple[bytes, bytes]]:
        """The keyed hashes (identity, payload) of entries `start..stop-1`. Reads the whole dedupe table: ask for many at once."""

    def secret_check(self) -> bytes | None:
        """The fingerprint that `bind_secret` remembers; None before."""
