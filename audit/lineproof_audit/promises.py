"""Promised entries: what a producer was told when its event was acknowledged, held against the log.

An acknowledgement names an index and gives the leaf. The log keeps its word if the tree it signs has that leaf at that index.
"""
from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from lineproof_audit.base64text import decode_base64
from lineproof_audit.checkpoint import Checkpoint
from lineproof_audit.errors import AuditError, CorruptLog, InvalidProof
from lineproof_audit.fsck_source import FsckSource, raw_entry
from lineproof_audit.leaf import parse_leaf
from lineproof_audit.tree import NodeReader, inclusion_proof, leaf_hash, verify_inclusion

__all__ = ["Broken", "Promise", "check_promise", "promise_of", "read_promises", "shown_leaf"]

MAX_PROMISES_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Promise:
    """Entry `index` is in the log; it is `leaf`, where the acknowledgement gave that."""

    index: int
    leaf: bytes | None = None

    @property
    def received(self) -> int | None:
        """When the log took it (µs since the epoch), as its leaf says."""
        try:
            return None if self.leaf is None else parse_leaf(self.leaf).received
        except CorruptLog:
            return None


class Broken(InvalidProof):
    """The log signed a tree in which another leaf stands where this one was promised."""


def promise_of(index: object, leaf: object) -> Promise:
    """A promise of an acknowledgement's `index` and base64 `leaf`.

    Raises:
        ValueError: it is none.
    """
    if type(index) is not int or not 0 <= index < 2**63 or not isinstance(leaf, str | None):
        raise ValueError("an acknowledgement has an index and a leaf in base64")
    return Promise(index, None if leaf is None else decode_base64(leaf))


def read_promises(path: Path) -> list[Promise]:
    """The acknowledgements in a file: one as the service answered it, a list, the answer to a batch, or one a line.

    Raises:
        AuditError: (code `invalid-setting`) it cannot be read or holds something else.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_PROMISES_BYTES + 1)
        if len(data) > MAX_PROMISES_BYTES:
            raise ValueError(f"larger than {MAX_PROMISES_BYTES} bytes")
        try:
            document = json.loads(data)
            found = document if isinstance(document, list) else document.get("results", [document])
        except json.JSONDecodeError:
            found = [json.loads(line) for line in data.splitlines() if line.strip()]
        return [promise_of(each.get("index"), each.get("leaf")) for each in found]
    except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
        raise AuditError(f"{path} holds no acknowledgements: {error}", code="invalid-setting") from error


def check_promise(promise: Promise, checkpoint: Checkpoint, source: FsckSource, node: NodeReader) -> None:
    """Check that the tree of `checkpoint`, which is larger than the index, has what was promised.

    Raises:
        Broken: another leaf is at that index, as an inclusion proof shows.
        InvalidProof: the log does not show what stands there.
        LogUnavailable: it cannot be read now.
    """
    if promise.leaf is not None:
        try:
            _included(promise.leaf, promise.index, checkpoint, node)
            return
        except InvalidProof:
            pass  # either another leaf is there, or nothing is shown: what is served there tells
    shown = shown_leaf(promise.index, checkpoint, source, node)
    if promise.leaf not in (None, shown):
        raise Broken(f"entry {promise.index} is another leaf than was acknowledged", index=promise.index)


def shown_leaf(index: int, checkpoint: Checkpoint, source: FsckSource, node: NodeReader) -> bytes:
    """The leaf at `index`, proven to be in the tree.

    Raises:
        InvalidProof: the log does not show it.
    """
    try:
        leaf = raw_entry(source, index, checkpoint.size).leaf
    except CorruptLog as error:
        raise InvalidProof(f"entry {index} is not shown: {error.detail}", index=index) from error
    _included(leaf, index, checkpoint, node)
    return leaf


def _included(leaf: bytes, index: int, checkpoint: Checkpoint, node: NodeReader) -> None:
    try:
        verify_inclusion(leaf_hash(leaf), index, checkpoint.size, inclusion_proof(index, checkpoint.size, node), checkpoint.root)
    except CorruptLog as error:
        raise InvalidProof(f"entry {index} is not proven: {error.detail}", index=index) from error
