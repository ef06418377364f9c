"""Hashing in pieces gives what hashing at once gives, at every size where the pieces change."""
from __future__ import annotations

import hashlib
import hmac

import pytest

from lineproof_audit.hashing import HELD_BYTES, LARGE_BYTES, HmacKey, sha256

SIZES = sorted({0, 1, *(edge + step for edge in (HELD_BYTES, 2 * HELD_BYTES, LARGE_BYTES, LARGE_BYTES + HELD_BYTES) for step in (-1, 0, 1))})
DATA = bytes(position * 7 % 251 for position in range(max(SIZES)))


@pytest.mark.parametrize("size", SIZES)
def test_a_digest_is_that_of_hashlib(size: int) -> None:
    assert sha256(DATA[:size]).hexdigest() == hashlib.sha256(DATA[:size]).hexdigest()


@pytest.mark.parametrize("length", [0, 1, 32, 63, 64, 65, 200])
def test_a_keyed_digest_is_that_of_hmac_and_the_key_serves_again(length: int) -> None:
    key = HmacKey(DATA[:length])
    for size in (*SIZES, 10):
        assert key.digest(DATA[:size]) == hmac.digest(DATA[:length], DATA[:size], "sha256")
