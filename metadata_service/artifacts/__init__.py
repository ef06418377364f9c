"""The content-addressed store of code, lock files and compiled SQL."""
from __future__ import annotations

from metadata_service.artifacts.artifacts import Artifact, Artifacts
from metadata_service.artifacts.store import METADATA

__all__ = ["METADATA", "Artifact", "Artifacts"]
