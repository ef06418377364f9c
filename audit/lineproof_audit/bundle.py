"""Evidence bundles: one JSON file that shows what an answer rests on, to somebody who has only a trust file.

Fields: `format`, `origin`, `toolVersion`, `query`, `answer`, `checkpoint` (signed note), `entries` (those the answer cites) and
`keyEntries` (genesis, policies, and the entries about the keys that signed), each `{index, leaf, salt, envelope, proof}`; with
`leaves` (all leaves up to the checkpoint) and the bodies of **all** genesis, key and policy entries it reaches the level
`keys-complete`. Bytes are standard base64; `proof` is a tlog-proof@v1 text; `salt` and `envelope` are null for an erased body. Where its maker has
witnesses, `cosigned` says whether they vouch for the checkpoint; it is for people, and no verifier looks at it.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from lineproof_audit.base64text import decode_base64, encode_base64
from lineproof_audit.checkpoint import TlogProof, parse_tlog_proof, peek_checkpoint
from lineproof_audit.errors import InvalidLeaf, InvalidProof, PositionBeyondLog
from lineproof_audit.keyring import KEYRING_TYPES, Keyring
from lineproof_audit.leaf import Leaf, parse_leaf
from lineproof_audit.witness import Group, Witness, vouched_for

__all__ = ["FORMAT", "Bundle", "BundleEntry", "BundleReader", "build_bundle", "parse_bundle"]

FORMAT = "lineproof-bundle@v1"


class ReadEntry(Protocol):
    """An entry as `LogReader` gives it."""

    @property
    def index(self) -> int: ...
    @property
    def leaf(self) -> bytes: ...
    @property
    def fields(self) -> Leaf: ...
    @property
    def envelope(self) -> bytes | None: ...
    @property
    def salt(self) -> bytes | None: ...


class BundleReader(Protocol):
    """What building a bundle reads of the log."""

    def checkpoint(self) -> str | None:
        """The latest signed checkpoint."""

    def cosigned_checkpoint(self, quorum: Witness | Group, least: int) -> str | None:
        """The latest of at least `least` entries that the quorum vouches for."""

    def entry(self, index: int) -> ReadEntry:
        """One entry."""

    def entries(self, start: int, stop: int) -> Iterator[ReadEntry]:
        """Entries `start..stop-1`."""

    def inclusion_proof(self, index: int, size: int) -> list[bytes]:
        """The proof of entry `index` at `size`."""


@dataclass(frozen=True, slots=True)
class BundleEntry:
    """One entry of a bundle, decoded; nothing of it is verified yet."""

    index: int
    raw_leaf: bytes
    leaf: Leaf
    salt: bytes | None
    envelope: bytes | None
    proof: TlogProof


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle, decoded; nothing of it is verified yet. `leaves` is None when they were left out."""

    origin: str
    tool_version: str
    checkpoint: str
    entries: tuple[BundleEntry, ...]
    key_entries: tuple[BundleEntry, ...]
    leaves: tuple[bytes, ...] | None


def build_bundle(reader: BundleReader, keyring: Keyring, *, query: object, answer: object, cited: Iterable[int], tool_version: str,
                 with_leaves: bool = False, quorum: Witness | Group | None = None, covering: int = 0) -> dict[str, Any]:
    """The bundle for an answer, at the latest checkpoint that `quorum` vouches for if it holds what is shown, else at the latest.

    Args:
        reader: the log.
        keyring: folded over the log at least up to the checkpoint; says which entries are about the keys that signed.
        query: the question, JSON-able; `answer` likewise. Neither is proven by the bundle; they say what it is about.
        cited: indices of the entries the answer rests on. Of an erased entry, cite the erasure entry too, else verifying fails.
        tool_version: who made the bundle.
        with_leaves: add all leaves, for the level `keys-complete` (some 550 bytes of text per entry of the log).
        quorum: the witnesses of whoever makes the bundle, which then says in `cosigned` whether they vouch for its checkpoint.
        covering: the size the answer was computed at, which a checkpoint has to hold for it to be derived from the leaves.

    Raises:
        PositionBeyondLog: an entry is not covered by a checkpoint yet, or there is none.
    """
    note = reader.checkpoint()
    if note is None:
        raise PositionBeyondLog("the log has no checkpoint yet")
    cited = sorted(set(cited))
    least = max([covering if with_leaves else 0, *(index + 1 for index in cited)])
    vouched = None if quorum is None else reader.cosigned_checkpoint(quorum, least)
    note = vouched or note
    checkpoint = peek_checkpoint(note)
    if cited and not 0 <= cited[0] <= cited[-1] < checkpoint.size:
        raise PositionBeyondLog(f"entry {cited[-1]} is not covered by the latest checkpoint, of size {checkpoint.size}")

    def document(entry: ReadEntry) -> dict[str, Any]:
        proof = TlogProof(entry.index, tuple(reader.inclusion_proof(entry.index, checkpoint.size)), note)
        return {"index": entry.index, "leaf": encode_base64(entry.leaf), "salt": None if entry.salt is None else encode_base64(entry.salt),
                "envelope": None if entry.envelope is None else encode_base64(entry.envelope), "proof": proof.to_text()}

    entries = [reader.entry(index) for index in cited]
    bundle: dict[str, Any] = {"format": FORMAT, "origin": checkpoint.origin, "toolVersion": tool_version, "query": query, "answer": answer, "checkpoint": note,
              "entries": [document(entry) for entry in entries]}
    if quorum is not None:
        bundle["cosigned"] = vouched is not None or vouched_for(note, quorum)
    if with_leaves:
        leaves, key_entries = [], []
        for entry in reader.entries(0, checkpoint.size):
            leaves.append(encode_base64(entry.leaf))
            if entry.fields.event_type in KEYRING_TYPES:
                key_entries.append(document(entry))
        return {**bundle, "keyEntries": key_entries, "leaves": leaves}
    about = [index for index in keyring.entries_about({entry.fields.signer for entry in entries}) if index < checkpoint.size]
    return {**bundle, "keyEntries": [document(reader.entry(index)) for index in about]}


def parse_bundle(document: object) -> Bundle:
    """Decode a bundle; verifies nothing.

    Raises:
        InvalidProof: malformed, with where.
    """
    data = _object(document, "the bundle")
    if data.get("format") != FORMAT:
        raise InvalidProof(f"not a {FORMAT}")
    leaves = data.get("leaves")
    return Bundle(
        origin=_text(data.get("origin"), "origin"), tool_version=_text(data.get("toolVersion"), "toolVersion"),
        checkpoint=_text(data.get("checkpoint"), "checkpoint"),
        entries=tuple(_entry(item, f"entries[{at}]") for at, item in enumerate(_list(data.get("entries"), "entries"))),
        key_entries=tuple(_entry(item, f"keyEntries[{at}]") for at, item in enumerate(_list(data.get("keyEntries"), "keyEntries"))),
        leaves=None if leaves is None else tuple(_bytes(item, f"leaves[{at}]") for at, item in enumerate(_list(leaves, "leaves"))))


def _entry(value: object, where: str) -> BundleEntry:
    data = _object(value, where)
    index = data.get("index")
    if type(index) is not int:
        raise InvalidProof(f"{where}: index is not a number")
    raw_leaf = _bytes(data.get("leaf"), f"{where}.leaf")
    salt, envelope = data.get("salt"), data.get("envelope")
    if (salt is None) != (envelope is None):
        raise InvalidProof(f"{where}: salt and envelope are given together or not at all")
    try:
        leaf = parse_leaf(raw_leaf)
    except InvalidLeaf as error:
        raise InvalidProof(f"{where}: {error.detail}") from error
    return BundleEntry(index, raw_leaf, leaf, None if salt is None else _bytes(salt, f"{where}.salt"),
                       None if envelope is None else _bytes(envelope, f"{where}.envelope"), parse_tlog_proof(_text(data.get("proof"), f"{where}.proof")))


def _object(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidProof(f"{where} is not an object")
    return value


def _list(value: object, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise InvalidProof(f"{where} is not a list")
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise InvalidProof(f"{where} is not a string")
    return value


def _bytes(value: object, where: str) -> bytes:
    try:
        return decode_base64(_text(value, where))
    except ValueError as error:
        raise InvalidProof(f"{where}: {error}") from error
