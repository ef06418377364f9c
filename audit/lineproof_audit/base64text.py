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
        data = binascii.a2b_base64(text)
    except (binascii.Error, ValueError) as error:  # ValueError: a str with characters beyond ASCII
        raise ValueError("not standard base64") from error
    if binascii.b2a_base64(data, newline=False).decode("ascii") != text:
        raise ValueError("not canonical standard base64")
    return data
