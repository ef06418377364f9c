"""Refusals of the query layer. Absence is no refusal: it is an empty answer with a reason.

    LineproofError
    ├── InvalidPosition      invalid-position
    ├── PositionBeyondLog    position-beyond-log
    ├── NotProjected         not-projected (retry)
    ├── Rebuilding           rebuilding (retry)
    ├── NotHistorical        not-historical
    ├── InvalidCursor        invalid-cursor
    ├── InvalidArgument      invalid-argument
    ├── AmbiguousName        ambiguous-name (`candidates`)
    └── Forbidden            forbidden
"""
from __future__ import annotations

from lineproof_schema.errors import LineproofError

__all__ = ["AmbiguousName", "Forbidden", "InvalidArgument", "InvalidCursor", "InvalidPosition", "NotHistorical", "NotProjected", "PositionBeyondLog",
           "Rebuilding"]


class InvalidPosition(LineproofError):
    """Neither a tree size nor a time with a zone."""

    code = "invalid-position"


class PositionBeyondLog(LineproofError):
    """The position lies beyond the newest entry; `size` in `extra` is the log's."""

    code = "position-beyond-log"


class NotProjected(LineproofError):
    """The log has the position, the graph does not yet; `projected` in `extra` is the graph's size."""

    code = "not-projected"


class Rebuilding(LineproofError):
    """The graph is being made again from the log and is not whole yet; `projected` and `whole` in `extra` are sizes."""

    code = "rebuilding"


class NotHistorical(LineproofError):
    """The field only knows the present, and a past position was asked for."""

    code = "not-historical"


class InvalidCursor(LineproofError):
    """The cursor was not made by this service for this question."""

    code = "invalid-cursor"


class InvalidArgument(LineproofError):
    """An argument is out of its range."""

    code = "invalid-argument"


class AmbiguousName(LineproofError):
    """A friendly name fits several entities; `candidates` in `extra` lists their URNs."""

    code = "ambiguous-name"


class Forbidden(LineproofError):
    """The viewer's roles do not allow this."""

    code = "forbidden"
