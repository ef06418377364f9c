"""The vectors that the page's verifier is tested with are what our Python log says today."""
from __future__ import annotations

from tests.browser.proof_vectors import VECTORS, text


def test_vectors_are_current() -> None:
    assert VECTORS.read_text() == text(), "run python -m tests.browser.proof_vectors, and look at what changed"
