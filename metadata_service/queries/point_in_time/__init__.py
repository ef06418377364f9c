"""Point-in-time correctness of training data: the eight checks, as functions of what was recorded and never of names.

`load` and `subject` read the graph; `known` follows how rows are bounded; one module per check; `answer` puts them together.
"""
from __future__ import annotations

from metadata_service.queries.point_in_time.answer import point_in_time_checks
from metadata_service.queries.point_in_time.case import CheckName
from metadata_service.queries.point_in_time.findings import Boundary, CheckState
from metadata_service.queries.point_in_time.shapes import Check, CheckEvidence, PointInTime

__all__ = ["Boundary", "Check", "CheckEvidence", "CheckName", "CheckState", "PointInTime", "point_in_time_checks"]
