"""Vectors for the page's verifier: what our Python log says, for TypeScript to recompute.

    python -m tests.browser.proof_vectors

writes ui/tests/proof-vectors.json. Keys, salts and texts are fixed, so the file only changes when a byte format does.
"""
from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from lineproof_audit.checkpoint import Checkpoint, sign_checkpoint
from lineproof_audit.envelope import PAYLOAD_CLOUDEVENT, sign_envelope
from lineproof_audit.keys import SigningKey
from lineproof_audit.leaf import Leaf, body_commitment, encode_leaf
from lineproof_audit.note import NoteVerifier
from lineproof_audit.tree import inclusion_proof, leaf_hash, node_hash

VECTORS = Path(__file__).resolve().parents[2] / "ui" / "tests" / "proof-vectors.json"
ORIGIN = "lineproof.test/vectors"
LOG_KEY, OTHER_KEY, PRODUCER = (SigningKey.from_seed(bytes([number]) * 32) for number in (1, 2, 3))
SIZES = (1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 17, 31, 33)


def entry(index: int) -> dict[str, Any]:
    """A signed event with its leaf and salt."""
    payload = json.dumps({"specversion": "1.0", "id": f"event-{index}", "type": "lineproof.dataset.v1", "data": {"name": f"orders_{index} “é”"}}).encode()
    envelope = sign_envelope(PAYLOAD_CLOUDEVENT, payload, PRODUCER)
    salt = hashlib.sha256(f"salt {index}".encode()).digest()
    leaf = encode_leaf(Leaf(1, PAYLOAD_CLOUDEVENT, "lineproof.dataset.v1", "0" * 31 + "1", PRODUCER.keyid, "PRODUCER", None, 1_800_000_000_000_000 + index,
                            body_commitment(salt, envelope)))
    return {"leaf": _base64(leaf), "envelope": envelope.decode(), "salt": _base64(salt)}


def vectors() -> dict[str, Any]:
    """Entries, and for each size the signed checkpoint and every inclusion proof."""
    entries = [entry(index) for index in range(max(SIZES))]
    hashes = [leaf_hash(base64.b64decode(each["leaf"])) for each in entries]

    def node(level: int, index: int) -> bytes:
        return hashes[index] if level == 0 else node_hash(node(level - 1, 2 * index), node(level - 1, 2 * index + 1))

    trees = []
    for size in SIZES:
        root = _root(hashes[:size])
        trees.append({"size": size, "root": _base64(root), "checkpoint": sign_checkpoint(Checkpoint(ORIGIN, size, root), LOG_KEY),
                      "proofs": [[_base64(each) for each in inclusion_proof(index, size, node)] for index in range(size)]})
    return {"origin": ORIGIN, "vkey": NoteVerifier(ORIGIN, LOG_KEY.verify_key).vkey, "otherVkey": NoteVerifier(ORIGIN, OTHER_KEY.verify_key).vkey,
            "logSpki": _base64(LOG_KEY.verify_key.spki), "producer": {"keyId": PRODUCER.keyid, "spki": _base64(PRODUCER.verify_key.spki)},
            "entries": entries, "trees": trees}


def text() -> str:
    """The file."""
    return json.dumps(vectors(), indent=1, ensure_ascii=True) + "\n"


def _root(hashes: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, as it is written there."""
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << ((len(hashes) - 1).bit_length() - 1)
    return node_hash(_root(hashes[:split]), _root(hashes[split:]))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


if __name__ == "__main__":
    VECTORS.write_text(text())
