"""Refusals before anything runs.

    LineproofError
    └── ManifestError   invalid-manifest, bad-signature, not-rebuildable
"""
from __future__ import annotations

from lineproof_schema.errors import LineproofError

__all__ = ["ManifestError"]


class ManifestError(LineproofError):
    """A file is no manifest, or not one that may be believed."""

    code = "invalid-manifest"
