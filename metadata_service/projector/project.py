"""`project(entry, view) -> operations`: every entry of the log, whatever it holds, ends here with exactly one outcome.

Pure: no clock, no setting, no store, no SQL parser. The same entries in the same order give the same operations.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

from lineproof_audit.keyring import KEYRING_TYPES
from lineproof_schema.errors import LineproofError
from lineproof_schema.models.code import CommitData, TransformationData
from lineproof_schema.models.common import EventData
from lineproof_schema.models.data import DatasetData, DatasetVersionData
from lineproof_schema.models.features import AliasData, FeatureVersionData, MaterializationData
from lineproof_schema.models.lifecycle import DerivationData, StatementData, TombstoneData
from lineproof_schema.models.log import EquivocationData, ErasureData
from lineproof_schema.models.serving import ConsumerData, DeploymentData, ModelVersionData
from lineproof_schema.models.usage import CostData, QualityData, UsageData
from lineproof_schema.openlineage import OpenLineageEvent
from lineproof_schema.urn import UrnError, parse_urn
from metadata_service.graph.ops import GraphOp
from metadata_service.projector import code, datasets, derivations, features, lifecycle, log_entries, openlineage, serving, usage
from metadata_service.projector.authority import KEYRING_STATE, Authority, keyring_before
from metadata_service.projector.entry import CloudBody, Erased, ProjectableEntry, StandsIn, StatementBody, Unreadable
from metadata_service.projector.names import dataset_urn, feature_ref, job_urn, of
from metadata_service.projector.runs import run_key
from metadata_service.projector.view import Draft, Reads, Rejected, View, trail

__all__ = ["project", "reads"]


def project(entry: ProjectableEntry, view: View) -> list[GraphOp]:
    """All operations of one entry, its record and its touches among them.

    Raises:
        Missing: the view has not loaded what the entry reads; load it and call again. What was read may lead to more.
    """
    draft = Draft(entry, view)
    ops = _operations(draft, entry)
    draft.require_loaded(ops)
    return ops


def _operations(draft: Draft, entry: ProjectableEntry) -> list[GraphOp]:
    try:
        if isinstance(entry.body, StandsIn):
            raise Rejected("replacement", f"stands in for erased entry {entry.body.index}", status="ignored", entry=entry.body.index)
        if isinstance(entry.body, Erased):
            raise Rejected("erased", "the body was erased", status="ignored")
        if entry.leaf.event_type in KEYRING_TYPES:
            log_entries.project_keyring_entry(draft)
            return draft.finish()
        if isinstance(entry.body, Unreadable):
            raise Rejected(entry.body.code, entry.body.detail)
        draft.authority = Authority(keyring_before(draft), entry)
        if draft.authority.admit(_namespaces(draft, entry)):
            draft.note(disputed=True)
        _dispatch(draft, entry)
    except Rejected as outcome:
        return trail(entry, _mentions(entry), outcome.status, outcome.reason, outcome.detail, actor=draft.actor, commit=draft.commit)
    except LineproofError as error:
        return trail(entry, _mentions(entry), "rejected", error.code, {"message": error.detail}, actor=draft.actor, commit=draft.commit)
    return draft.finish()


def reads(entry: ProjectableEntry, known: Callable[[str], bool]) -> Reads:
    """What projecting the entry will read first; `known` says of what entities that is loaded. The rest is found by `Missing`."""
    needed = Reads()
    needed.states.add(KEYRING_STATE)
    try:
        if isinstance(entry.body, OpenLineageEvent):
            openlineage.reads(entry.body, needed, known)
        else:
            needed.urns.update(_mentions(entry))
    except UrnError:
        pass  # such an entry is rejected before it reads anything
    return needed


def _dispatch(draft: Draft, entry: ProjectableEntry) -> None:
    body = entry.body
    if isinstance(body, OpenLineageEvent):
        if entry.leaf.event_type != f"openlineage.{body.kind}":
            raise Rejected("type-mismatch", f"the leaf says {entry.leaf.event_type}, the body openlineage.{body.kind}")
        openlineage.project_openlineage(draft, body)
    elif isinstance(body, StatementBody):
        log_entries.project_statement(draft, body.statement)
    elif isinstance(body, CloudBody):
        if body.event.type != entry.leaf.event_type:
            raise Rejected("type-mismatch", f"the leaf says {entry.leaf.event_type}, the body {body.event.type}")
        rule = _RULES.get(body.event.type)
        if rule is not None:
            rule(draft, body.data)


_Rule = Callable[[Draft, Any], None]
_RULES: Final[dict[str, _Rule]] = {
    "lineproof.commit.v1": code.project_commit,
    "lineproof.transformation.v1": code.project_transformation,
    "lineproof.dataset.v1": datasets.project_dataset,
    "lineproof.dataset-version.v1": datasets.project_dataset_version,
    "lineproof.feature-version.v1": features.project_feature_version,
    "lineproof.materialization.v1": features.project_materialization,
    "lineproof.alias.v1": features.project_alias,
    "lineproof.model-version.v1": serving.project_model_version,
    "lineproof.deployment.v1": serving.project_deployment,
    "lineproof.consumer.v1": serving.project_consumer,
    "lineproof.usage.v1": usage.project_usage,
    "lineproof.cost.v1": usage.project_cost,
    "lineproof.quality.v1": usage.project_quality,
    "lineproof.tombstone.v1": lifecycle.project_tombstone,
    "lineproof.derivation.v1": derivations.project_derivation,
    "lineproof.statement.v1": log_entries.project_statement,
    "lineproof.erasure.v1": log_entries.project_erasure,
    "lineproof.equivocation.v1": log_entries.project_equivocation,
}  # lineproof.access.v1 says nothing about the graph


def _namespaces(draft: Draft, entry: ProjectableEntry) -> list[str]:
    """The namespaces an entry cannot do without: if the key does not reach them, all of it is rejected."""
    body = entry.body
    if isinstance(body, OpenLineageEvent):
        part = body.job or body.dataset
        return [part.namespace] if part is not None else []
    if not isinstance(body, CloudBody):
        return []
    match body.data:
        case UsageData() | CostData() | QualityData():
            return _of_urn(draft, body.data.subject)
        case TombstoneData():
            return _of_urn(draft, body.data.urn) if body.data.urn is not None else []
        case MaterializationData():
            return [feature_ref(body.data.feature)[0]]
        case DerivationData():
            return [body.data.job.namespace]
        case DatasetData() | DatasetVersionData() | TransformationData() | FeatureVersionData() | AliasData() | ModelVersionData() | DeploymentData() \
                | ConsumerData():
            return [body.data.namespace]
        case _:
            return []


def _of_urn(draft: Draft, urn: str) -> list[str]:
    """The namespace an entity belongs to; a run belongs to its job's."""
    parsed = parse_urn(urn)
    if parsed.kind == "run":
        record = draft.state(run_key(parsed.components[0]))
        job = parse_urn(record["job"]) if record is not None else None
        return [job.components[0]] if job is not None else []
    return [parsed.namespace] if parsed.namespace is not None else []


def _mentions(entry: ProjectableEntry) -> dict[str, str]:
    """The entities an entry is about, also when it is rejected: the audit trail shows what was tried."""
    body = entry.body
    try:
        if isinstance(body, OpenLineageEvent):
            return openlineage.mentions(body)
        return dict.fromkeys(_subjects(body.data), "subject") if isinstance(body, CloudBody) else {}
    except UrnError:
        return {}


def _subjects(data: EventData) -> list[str]:
    match data:
        case CommitData():
            urn = code.commit_urn(data.repository, data.sha)
            return [urn] if urn is not None else []
        case TransformationData():
            return [of("transformation", data.namespace, data.name, data.version), job_urn(data.namespace, data.name)]
        case DatasetVersionData():
            return [of("dataset-version", data.namespace, data.name, data.id), dataset_urn(data.namespace, data.name)]
        case DatasetData():
            return [dataset_urn(data.namespace, data.name)]
        case FeatureVersionData():
            return [features.version_of("feature", data.namespace, data.name, data.version), features.head_urn("feature", data.namespace, data.name)]
        case MaterializationData():
            return [features.version_of("feature", *feature_ref(data.feature))]
        case AliasData():
            head = features.head_urn(data.kind, data.namespace, data.name)
            return [head, *([features.version_of(data.kind, data.namespace, data.name, data.to)] if data.to is not None else [])]
        case ModelVersionData():
            return [features.version_of("model", data.namespace, data.name, data.version), features.head_urn("model", data.namespace, data.name)]
        case DeploymentData():
            return [serving.deployment_urn(data)]
        case ConsumerData():
            return [serving.consumer_urn(data)]
        case UsageData() | CostData() | QualityData():
            return [str(parse_urn(data.subject))]
        case TombstoneData():
            return [str(parse_urn(data.urn))] if data.urn is not None else []
        case DerivationData():
            return [job_urn(data.job.namespace, data.job.name)]
        case StatementData() | ErasureData() | EquivocationData():
            return []
        case _:
            return cast("list[str]", [])
