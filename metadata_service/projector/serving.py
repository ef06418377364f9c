"""Model versions, deployments, consumers: what reads data in the end."""
from __future__ import annotations

from typing import Any

from lineproof_schema.models.serving import ConsumerData, DeploymentData, ModelVersionData
from lineproof_schema.openlineage import run_uuid
from lineproof_schema.urn import UrnError
from metadata_service.graph.ops import COLUMN_DERIVED_FROM, DERIVED_FROM
from metadata_service.projector.dataset_facts import revise_owners
from metadata_service.projector.edges import Shown
from metadata_service.projector.facets import column_names
from metadata_service.projector.features import declare_edges, head_urn, note_commit, resolve, version_of
from metadata_service.projector.names import column_urn, dataset_urn, of, run_urn, version_urn
from metadata_service.projector.plain import as_list
from metadata_service.projector.view import Draft, Rejected, link_key

__all__ = ["consumer_urn", "deployment_urn", "project_consumer", "project_deployment", "project_model_version"]


def consumer_urn(data: ConsumerData) -> str:
    """The consumer's URN."""
    return of("consumer", data.namespace, data.name)


def deployment_urn(data: DeploymentData, deployment: str | None = None) -> str:
    """The deployment's URN, or that of another one beside it."""
    return of("deployment", data.namespace, data.name, deployment or data.id)


def project_model_version(draft: Draft, data: ModelVersionData) -> None:
    """`lineproof.model-version.v1`: immutable; asset edges to what it was trained on, column edges to each training column."""
    urn, head = version_of("model", data.namespace, data.name, data.version), head_urn("model", data.namespace, data.name)
    datasets = [dataset_urn(item.namespace, item.name) for item in data.training_datasets]
    draft.need(urns=[urn, head, *datasets])
    draft.touch(urn)
    draft.touch(head)
    said: dict[str, Any] = data.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"namespace", "name", "owners", "description"})
    known = draft.fact(urn, "artifact") if draft.exists(urn) else None
    if known is not None and known != data.artifact:
        raise Rejected("version-conflict", f"version {data.version!r} is registered with another artifact", urn=urn, registered=known)
    draft.ensure(urn)
    for fact, value in said.items():
        draft.revise(urn, fact, value)
    if data.description is not None:
        draft.revise(urn, "description", data.description)
    if data.owners:
        for target in (urn, head):
            revise_owners(draft, target, [{"name": owner} for owner in data.owners])
    artifact = of("artifact", f"sha256:{data.artifact}")
    draft.need(urns=[artifact])
    draft.ensure(artifact)
    commit = note_commit(draft, urn, data.repository, data.commit)
    if data.run_id is not None:
        run = run_urn(run_uuid(data.run_id, data.namespace, data.name))
        draft.need(urns=[run])
        draft.ensure(run)
        draft.touch(run, "mention")
        draft.revise(urn, "run", run)
    shown = [Shown(DERIVED_FROM, urn, dataset, "declared", version=version_urn(dataset, item.version))
             for dataset, item in dict(zip(datasets, data.training_datasets, strict=True)).items()]
    shown += _features(draft, urn, data.features)
    shown += _training_columns(draft, urn, data, datasets)
    declare_edges(draft, urn, shown, commit)
    trained_on = [version_urn(dataset, item.version) for dataset, item in zip(datasets, data.training_datasets, strict=True)]
    draft.need(urns=trained_on, states=[link_key("TRAINED_ON", urn, version) for version in trained_on])
    for version in trained_on:
        draft.ensure(version)
        draft.link("TRAINED_ON", urn, version)


def _features(draft: Draft, urn: str, references: tuple[str, ...]) -> list[Shown]:
    shown: dict[str, Shown] = {}
    resolved: dict[str, str] = {}
    for reference in references:
        try:
            target, alias = resolve(draft, "feature", reference)
        except UrnError as error:
            draft.ignore(f"feature {reference[:200]}", urn, error.code)
            continue
        if not draft.exists(target):
            draft.ignore(f"feature {reference[:200]}", target, "unknown-version")
        if alias is not None:
            resolved[reference] = target
        shown[target] = Shown(DERIVED_FROM, urn, target, "declared", version=target)
    draft.need(states=[link_key("USES", urn, target) for target in shown])
    for target in shown:
        draft.ensure(target)
        draft.link("USES", urn, target)
    if resolved:
        draft.revise(urn, "resolvedFeatures", resolved)
    return list(shown.values())


def _training_columns(draft: Draft, urn: str, data: ModelVersionData, datasets: list[str]) -> list[Shown]:
    """The columns that were read: those named, or every column the training datasets are known to have at this entry."""
    columns = [column_urn(dataset_urn(item.namespace, item.name), item.column) for item in data.training_columns]
    if not columns:
        for dataset in datasets:
            for path in column_names(as_list(draft.fact(dataset, "schema"))):
                try:
                    columns.append(column_urn(dataset, *path))
                except UrnError:
                    continue
    return [Shown(COLUMN_DERIVED_FROM, urn, column, "declared", type="DIRECT") for column in dict.fromkeys(columns)]


def project_deployment(draft: Draft, data: DeploymentData) -> None:
    """`lineproof.deployment.v1`: pins concrete feature versions; an alias here is refused."""
    urn = deployment_urn(data)
    reference = data.model_version if "@" in data.model_version else None
    model = resolve(draft, "model", reference)[0] if reference else version_of("model", data.namespace, data.name, data.model_version)
    previous = deployment_urn(data, data.previous) if data.previous else None
    draft.need(urns=[urn, model, *([previous] if previous else [])], states=[link_key("DEPLOYS", urn, model)])
    draft.touch(urn)
    draft.touch(model)
    features: list[str] = []
    for item in data.features:
        target, alias = resolve(draft, "feature", item)
        if alias is not None:
            raise Rejected("alias-not-allowed", f"{item!r} is an alias; a deployment names concrete versions", reference=item)
        if not draft.exists(target):
            draft.ignore(f"feature {item[:200]}", target, "unknown-version")
        features.append(target)
    if not draft.exists(model):
        draft.ignore("model version", model, "unknown-version")
    draft.ensure(urn)
    draft.ensure(model)
    live = data.action == "deploy"
    for fact, value in (("action", data.action), ("modelVersion", model), ("environment", data.environment), ("features", features or None),
                        ("image", data.image), ("previous", previous), ("live", live)):
        draft.revise(urn, fact, value)
    draft.link("DEPLOYS", urn, model)
    draft.need(states=[link_key("PINS", urn, target) for target in features])
    for target in features:
        draft.ensure(target)
        draft.touch(target, "mention")
        draft.link("PINS", urn, target)
    if data.image:
        image = of("image", data.image)
        draft.need(urns=[image], states=[link_key("RUNS_IN", urn, image)])
        draft.ensure(image)
        draft.link("RUNS_IN", urn, image)
    if live and previous is not None and draft.exists(previous):
        draft.revise(previous, "live", False)
        draft.touch(previous)


def project_consumer(draft: Draft, data: ConsumerData) -> None:
    """`lineproof.consumer.v1`: the newest declaration says what the consumer reads."""
    urn = consumer_urn(data)
    draft.need(urns=[urn])
    draft.touch(urn)
    draft.ensure(urn)
    draft.revise(urn, "consumerKind", data.kind)
    draft.revise(urn, "existence", "exists")
    for fact, value in (("url", data.url), ("description", data.description)):
        if value is not None:
            draft.revise(urn, fact, value)
    if data.owners:
        revise_owners(draft, urn, [{"name": owner} for owner in data.owners])
    columns = [(dataset_urn(item.namespace, item.name), item.column) for item in data.columns]
    datasets = dict.fromkeys([*(dataset_urn(item.namespace, item.name) for item in data.datasets), *(dataset for dataset, _ in columns)])
    shown = [Shown(DERIVED_FROM, urn, dataset, "declared") for dataset in datasets]
    shown += [Shown(COLUMN_DERIVED_FROM, urn, column_urn(dataset, column), "declared", type="DIRECT") for dataset, column in dict.fromkeys(columns)]
    targets: dict[str, str | None] = {}
    for kind, references in (("feature", data.features), ("model", data.models)):
        for reference in references:
            try:
                target, alias = resolve(draft, "feature" if kind == "feature" else "model", reference)
            except UrnError as error:
                draft.ignore(f"{kind} {reference[:200]}", urn, error.code)
                continue
            if not draft.exists(target):
                draft.ignore(f"{kind} {reference[:200]}", target, "unknown-version")
            targets[target] = alias
    shown += [Shown(DERIVED_FROM, urn, target, "declared", subtype=f"alias:{alias}" if alias else None, version=target) for target, alias in targets.items()]
    declare_edges(draft, urn, shown, None)

