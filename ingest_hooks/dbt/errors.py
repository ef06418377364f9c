"""Errors of the dbt hook; they end in its report, never in the pipeline.

    HookError
    └── ArtifactError   dbt's artifacts are missing, unreadable, of another version, or of two different invocations
"""
from __future__ import annotations

from ingest_hooks.errors import HookError

__all__ = ["ArtifactError"]


class ArtifactError(HookError):
    """dbt's artifacts cannot be used."""

    code = "invalid-argument"
