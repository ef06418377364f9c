"""How answers look on a terminal: lineage as a tree, a trace as steps with their SQL, impact and audit as lists."""
from __future__ import annotations

from metadata_service.cli.views.audit import audit_view
from metadata_service.cli.views.entity import entity_view
from metadata_service.cli.views.frame import fact_words, foot, show
from metadata_service.cli.views.impact import impact_view
from metadata_service.cli.views.lineage import lineage_view, values_only
from metadata_service.cli.views.names import Names, label
from metadata_service.cli.views.trace import trace_view

__all__ = ["Names", "audit_view", "entity_view", "fact_words", "foot", "impact_view", "label", "lineage_view", "show", "trace_view", "values_only"]
