"""Errors of the graph store."""
from __future__ import annotations

from lineproof_schema.errors import LineproofError

__all__ = ["GraphUnavailable", "ProjectionConflict"]


class GraphUnavailable(LineproofError):
    """The graph's database cannot be reached; retry."""

    code = "log-unavailable"


class ProjectionConflict(LineproofError):
    """The graph stands elsewhere than the projector thought: another projector is at work, or the log was replaced."""

    code = "rebuilding"
