"""Answers about the registry: features, models, aliases, deployments and resolutions."""
from __future__ import annotations

from dataclasses import dataclass

from metadata_service.queries.shapes import Completeness, ComputedAt
from metadata_service.registry.aliases import Alias, AliasMove
from metadata_service.registry.resolution import Resolution, Subject
from metadata_service.registry.versions import DeploymentState, FeatureVersion, ModelVersion, VersionRow

__all__ = ["AliasAnswer", "DeploymentAnswer", "Feature", "FeatureAnswer", "FeatureList", "FeatureRow", "Model", "ModelAnswer", "ResolveAnswer",
           "Versioned"]


@dataclass(frozen=True, slots=True)
class Versioned:
    """What features and models have in common. Versions are oldest first."""

    urn: str
    namespace: str
    name: str
    owners: tuple[str, ...]
    description: str | None
    versions: tuple[VersionRow, ...]
    aliases: tuple[Alias, ...]
    history: tuple[AliasMove, ...]


@dataclass(frozen=True, slots=True)
class Feature(Versioned):
    """A feature, its versions oldest first, its aliases, and the version asked for (else the newest)."""

    version: FeatureVersion | None
    because: str | None


@dataclass(frozen=True, slots=True)
class FeatureAnswer:
    """`feature` is null when nothing of that name is visible at the position; the reasons say so."""

    computed_at: ComputedAt
    completeness: Completeness
    feature: Feature | None


@dataclass(frozen=True, slots=True)
class Model(Versioned):
    """A model, its versions oldest first, its aliases, and the version asked for (else the newest); `deployments` are those of all versions."""

    version: ModelVersion | None
    because: str | None
    deployments: tuple[DeploymentState, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """`model` is null when nothing of that name is visible at the position; the reasons say so."""

    computed_at: ComputedAt
    completeness: Completeness
    model: Model | None


@dataclass(frozen=True, slots=True)
class AliasAnswer:
    """Where the aliases of a feature or model point, and every attempt to move them; `urn` is null when it does not exist."""

    computed_at: ComputedAt
    completeness: Completeness
    urn: str | None
    aliases: tuple[Alias, ...]
    history: tuple[AliasMove, ...]


@dataclass(frozen=True, slots=True)
class DeploymentAnswer:
    """`deployment` is null when there is no such thing."""

    computed_at: ComputedAt
    completeness: Completeness
    deployment: DeploymentState | None


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """A feature in a list, as of now; `newest` is its newest version."""

    urn: str
    reference: str
    namespace: str
    name: str
    owners: tuple[str, ...]
    description: str | None
    versions: int
    newest: str | None
    aliases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FeatureList:
    """Features by (name, urn); `after` continues, null at the end. Each alias is spelled `alias=version`."""

    computed_at: ComputedAt
    completeness: Completeness
    rows: tuple[FeatureRow, ...]
    after: str | None


@dataclass(frozen=True, slots=True)
class ResolveAnswer:
    """One row per reference, in the order asked; `subject` is the model version they were resolved for."""

    computed_at: ComputedAt
    completeness: Completeness
    subject: Subject | None
    rows: tuple[Resolution, ...]
