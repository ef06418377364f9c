"""Large logs made fast: rows written straight into a store, with leaves of the right form whose bodies nobody reads."""
from __future__ import annotations

import hashlib
from collections.abc import Sequence

from lineproof_audit.bodies import pack
from lineproof_audit.leaf import Leaf, body_commitment, encode_leaf
from lineproof_audit.store import Head, LogStore, NewRow
from lineproof_audit.tree import leaf_hash

CHUNK = 8_192
_ENVELOPE = b"{}"
_PACKED = pack(_ENVELOPE)


def grow(store: LogStore, size: int) -> None:
    """Append synthetic entries until the log has `size`; the same index always gets the same leaf."""
    while (start := store.head().size) < size:
        with store.append() as transaction:
            tree, rows = transaction.head.tree.copy(), []
            for index in range(start, min(start + CHUNK, size)):
                row = _row(index, transaction.head.last_received)
                tree.append(leaf_hash(row.leaf))
                rows.append(row)
            transaction.insert(rows, Head(tree.size, rows[-1].received, tree))


def reference_tiles(leaves: Sequence[bytes]) -> dict[str, bytes]:
    """Every file of a tlog-tiles folder over these leaves, but the checkpoint, by the words of the specification and nothing of ours."""
    files: dict[str, bytes] = {}
    for at in range(0, len(leaves), 256):
        entries = leaves[at:at + 256]
        files[_name("entries", at // 256, len(entries))] = b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)
    hashes, level = [hashlib.sha256(b"\0" + leaf).digest() for leaf in leaves], 0
    while hashes:
        for at in range(0, len(hashes), 256):
            files[_name(str(level), at // 256, len(hashes[at:at + 256]))] = b"".join(hashes[at:at + 256])
        hashes = [_root(hashes[at:at + 256]) for at in range(0, len(hashes) - 255, 256)]
        level += 1
    return files


def _row(index: int, not_before: int) -> NewRow:
    salt = hashlib.sha256(b"%d" % index).digest()
    fields = Leaf(1, "application/vnd.openlineage+json", "openlineage.run", "ab" * 16, "a" * 64, "PRODUCER", None, max(index, not_before),
                  body_commitment(salt, _ENVELOPE))
    identity = hashlib.sha256(salt).digest()
    return NewRow(index, encode_leaf(fields), fields, fields.received, salt, _PACKED, identity, identity)


def _name(level: str, number: int, width: int) -> str:
    text = f"{number:03d}" if number < 1_000 else f"x{number // 1_000:03d}/{number % 1_000:03d}"
    return f"tile/{level}/{text}" + ("" if width == 256 else f".p/{width}")


def _root(hashes: list[bytes]) -> bytes:
    while len(hashes) > 1:
        hashes = [hashlib.sha256(b"\1" + hashes[at] + hashes[at + 1]).digest() for at in range(0, len(hashes), 2)]
    return hashes[0]
