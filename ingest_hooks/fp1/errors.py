"""Errors of the fingerprint.

    LineproofError
    └── FingerprintError   invalid-argument: two columns of one name, or a type fp1 has no encoding for
"""
from __future__ import annotations

from lineproof_schema.errors import LineproofError

__all__ = ["FingerprintError"]


class FingerprintError(LineproofError):
    """The table has no fp1 fingerprint; `detail` names the column."""

    code = "invalid-argument"
