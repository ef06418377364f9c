"""From log entries to the graph: pure rules per event family, and the loop that applies them."""
from __future__ import annotations

from metadata_service.projector.entry import ProjectableEntry, open_entry
from metadata_service.projector.project import project
from metadata_service.projector.runner import BATCH_ENTRIES, LogDoesNotExtend, Projector
from metadata_service.projector.view import Missing, View

__all__ = ["BATCH_ENTRIES", "LogDoesNotExtend", "Missing", "ProjectableEntry", "Projector", "View", "open_entry", "project"]
