"""The inclusion vectors of transparency-dev/merkle, when a checkout of them lies beside the repository."""
from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from lineproof_audit.errors import InvalidProof
from lineproof_audit.tree import verify_inclusion

CORPUS = Path(__file__).resolve().parents[4] / "shared" / "corpora" / "merkle" / "testdata" / "inclusion"
# Vectors our verifier answers otherwise, by name, each with its reason. None: hashes that are not 32 bytes are refused, as wanted.
DEVIATIONS: dict[str, str] = {}


def decode(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def test_the_merkle_inclusion_vectors_are_answered_as_their_authors_expect() -> None:
    files = sorted(CORPUS.rglob("*.json"))
    if not files:
        pytest.skip("NOT TESTED: the transparency-dev/merkle vectors are not at ../shared/corpora/merkle")
    differing = {}
    for path in files:
        vector = json.loads(path.read_text())
        try:
            verify_inclusion(decode(vector["leafHash"]), vector["leafIdx"], vector["treeSize"], [decode(item) for item in vector["proof"] or []],
                             decode(vector["root"]))
            failed = False
        except InvalidProof:
            failed = True
        if failed != vector["wantErr"]:
            differing[str(path.relative_to(CORPUS))] = vector["desc"]
    assert len(files) == 98
    assert differing.keys() == DEVIATIONS.keys()
