"""The vectors that the verifiers of the page are tested with are what our Python log says today."""
from __future__ import annotations

import gzip

from tests.browser import bundle_vectors
from tests.browser.proof_vectors import VECTORS, text


def test_vectors_are_current() -> None:
    assert VECTORS.read_text() == text(), "run python -m tests.browser.proof_vectors, and look at what changed"


def test_bundle_vectors_are_current() -> None:
    packed = gzip.decompress(bundle_vectors.VECTORS.read_bytes()).decode()
    assert packed == bundle_vectors.text(), "run python -m tests.browser.bundle_vectors, and look at what changed"
