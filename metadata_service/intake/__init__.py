"""The one place that appends: verifies, checks, quarantines, appends. Never touches the graph."""
from __future__ import annotations

from metadata_service.intake.enrolment import Enrolled, Enrolments
from metadata_service.intake.event import namespaces_of_body
from metadata_service.intake.intake import Intake, ItemResult
from metadata_service.intake.keys import KeyringFollower
from metadata_service.intake.quarantine import Quarantine, QuarantinedItem, Route
from metadata_service.intake.reads import CLASSIFIED, ReadLog
from metadata_service.intake.store import METADATA

__all__ = ["CLASSIFIED", "METADATA", "Enrolled", "Enrolments", "Intake", "ItemResult", "KeyringFollower", "Quarantine", "QuarantinedItem", "ReadLog",
           "Route", "namespaces_of_body"]
