"""Errors of the graph store.

    LineproofError
    ├── GraphUnavailable     log-unavailable: the database cannot be reached or is busy; retry
    ├── ProjectionConflict   rebuilding: the graph stands elsewhere than the projector thought
    ├── DanglingReference    internal: a batch hangs something on an entity that does not exist
    └── WalkTooLarge         query-too-costly: a path was not found within the limits, so "none" cannot be said
"""
from __future__ import annotations

from lineproof_schema.errors import LineproofError

__all__ = ["DanglingReference", "GraphUnavailable", "ProjectionConflict", "WalkTooLarge"]


class GraphUnavailable(LineproofError):
    """The graph's database cannot be reached; retry."""

    code = "log-unavailable"


class ProjectionConflict(LineproofError):
    """The graph stands elsewhere than the projector thought: another projector is at work, or the log was replaced."""

    code = "rebuilding"


class DanglingReference(LineproofError):
    """An edge, link or fact of a batch belongs to an entity that was never upserted; nothing of the batch was applied."""

    code = "internal"


class WalkTooLarge(LineproofError):
    """The search for a path hit its limits before it found one or ruled it out."""

    code = "query-too-costly"
