"""Standard base64 (RFC 4648 section 4) with exactly one spelling per byte string.

Python's own `validate=True` accepts stray bits in the last character, so two texts could mean the same bytes; signatures and
proofs must not have two spellings.
"""
from __future__ import annotations

import binascii

__all__ = ["decode_base64", "encode_base64"]


def encode_base64(data: bytes) -> str:
    """The standard base64 of `data`, padded, on one line."""
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def decode_base64(text: str) -> bytes:
    """The bytes `text` stands for.

    Raises:
        ValueError: not standard base64, or not in its canonical spelling.
    """
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError) as error:  # ValueError: a str with characters beyond ASCII
        raise ValueError("not standard base64") from error
    # What the strict mode leaves open: padding after a whole last group, and stray bits in the last group.
    rest = len(data) % 3 or 3
    if len(text) != (len(data) + 2) // 3 * 4 or encode_base64(data[-rest:]) != text[-4:]:
        raise ValueError("not canonical standard base64")
    return data
