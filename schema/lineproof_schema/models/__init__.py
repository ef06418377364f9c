"""Frozen pydantic models of every event body and facet, and the registry of event types."""
from __future__ import annotations

from lineproof_schema.models.cloudevent import CloudEvent
from lineproof_schema.models.code import CommitData, TransformationData
from lineproof_schema.models.common import EventData
from lineproof_schema.models.data import DatasetData, DatasetVersionData
from lineproof_schema.models.facets import FACETS
from lineproof_schema.models.features import AliasData, FeatureVersionData, MaterializationData
from lineproof_schema.models.lifecycle import DerivationData, StatementData, TombstoneData
from lineproof_schema.models.log import AccessData, EquivocationData, ErasureData, GenesisData, KeyData, PolicyData
from lineproof_schema.models.serving import ConsumerData, DeploymentData, ModelVersionData
from lineproof_schema.models.usage import CostData, QualityData, UsageData

__all__ = ["EVENT_TYPES", "FACETS", "CloudEvent", "EventData"]

EVENT_TYPES: dict[str, type[EventData]] = {
    "lineproof.commit.v1": CommitData,
    "lineproof.transformation.v1": TransformationData,
    "lineproof.dataset.v1": DatasetData,
    "lineproof.dataset-version.v1": DatasetVersionData,
    "lineproof.feature-version.v1": FeatureVersionData,
    "lineproof.materialization.v1": MaterializationData,
    "lineproof.alias.v1": AliasData,
    "lineproof.model-version.v1": ModelVersionData,
    "lineproof.deployment.v1": DeploymentData,
    "lineproof.consumer.v1": ConsumerData,
    "lineproof.usage.v1": UsageData,
    "lineproof.cost.v1": CostData,
    "lineproof.quality.v1": QualityData,
    "lineproof.tombstone.v1": TombstoneData,
    "lineproof.derivation.v1": DerivationData,
    "lineproof.statement.v1": StatementData,
    "lineproof.genesis.v1": GenesisData,
    "lineproof.key.v1": KeyData,
    "lineproof.policy.v1": PolicyData,
    "lineproof.erasure.v1": ErasureData,
    "lineproof.equivocation.v1": EquivocationData,
    "lineproof.access.v1": AccessData,
}
