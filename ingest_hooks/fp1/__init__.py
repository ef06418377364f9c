"""Table fingerprint fp1 (docs/fp1.md). Needs the `fingerprint` extra."""
from __future__ import annotations

from ingest_hooks.fp1.errors import FingerprintError
from ingest_hooks.fp1.fingerprint import Fingerprint, bit_digest, fingerprint, fingerprint_query, merge_sums
from ingest_hooks.fp1.types import logical_type

__all__ = ["Fingerprint", "FingerprintError", "bit_digest", "fingerprint", "fingerprint_query", "logical_type", "merge_sums"]
