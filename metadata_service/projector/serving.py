"""Model versions, deployments, consumers: what reads data in the end."""
from __future__ import annotations

from typing import Any, Final

from lineproof_schema.models.serving import ConsumerData, DeploymentData, ModelVersionData
from lineproof_schema.openlineage import run_uuid
from lineproof_schema.urn import UrnError
from metadata_service.graph.ops import COLUMN_DERIVED_FROM, DERIVED_FROM
from metadata_service.projector.bindings import bind, pin, pinned_features
from metadata_service.projector.dataset_facts import revise_owners
from metadata_service.projector.edge_rows import Shown
from metadata_service.projector.features import alias_fact, declare_edges, head_urn, note_commit, registered, resolve, version_of
from metadata_service.projector.names import column_names, column_urn, dataset_urn, of, run_urn, version_urn
from metadata_service.projector.plain import as_list, plain
from metadata_service.projector.view import Draft, Rejected, link_key

__all__ = ["consumer_urn", "deployment_urn", "project_consumer", "project_deployment", "project_model_version"]

# what a version of a model is: said once, it stays
IMMUTABLE: Final = ("artifact", "framework", "trainingDatasets", "trainingColumns", "referenceTimeColumn", "labelTimeColumn", "labelColumns", "asOf",
                    "features", "binding", "ttlSeconds")


def consumer_urn(data: ConsumerData) -> str:
    """The consumer's URN."""
    return of("consumer", data.namespace, data.name)


def deployment_urn(data: DeploymentData, deployment: str | None = None) -> str:
    """The deployment's URN, or that of another one beside it."""
    return of("deployment", data.namespace, data.name, deployment or data.id)


def project_model_version(draft: Draft, data: ModelVersionData) -> None:
    """`lineproof.model-version.v1`: asset edges to what it was trained on, column edges to each training column, pins of a stable binding.

    Immutable: told again it may add what was left out before; to say something else is a conflict.
    """
    urn, head = version_of("model", data.namespace, data.name, data.version), head_urn("model", data.namespace, data.name)
    draft.need(urns=[urn, head])
    draft.touch(urn)
    draft.touch(head)
    if draft.exists(head) and draft.fact(head, alias_fact(data.version)) is not None:
        raise Rejected("version-is-alias", f"{data.version!r} is an alias of this model", urn=urn)
    data = _with_what_stands(draft, urn, data)
    datasets = [dataset_urn(item.namespace, item.name) for item in data.training_datasets]
    draft.need(urns=datasets)
    said: dict[str, Any] = data.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"namespace", "name", "owners", "description"})
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
    shown += _features(draft, urn, data)
    shown += _training_columns(draft, urn, data, datasets)
    declare_edges(draft, urn, shown, commit)
    trained_on = [version_urn(dataset, item.version) for dataset, item in zip(datasets, data.training_datasets, strict=True)]
    draft.need(urns=trained_on, states=[link_key("TRAINED_ON", urn, version) for version in trained_on])
    for version in trained_on:
        draft.ensure(version)
        draft.link("TRAINED_ON", urn, version)


def _with_what_stands(draft: Draft, urn: str, data: ModelVersionData) -> ModelVersionData:
    """The registration together with an earlier one of the same version. Raises Rejected: `version-conflict`."""
    if not registered(draft, "model", urn):
        return data
    told: dict[str, Any] = plain(data.model_dump(mode="json", by_alias=True, exclude_none=True))
    sent = plain(data.model_dump(mode="json", by_alias=True, exclude_unset=True))
    for fact in IMMUTABLE:
        known = draft.fact(urn, fact)
        if known is None or known == []:
            continue
        if sent.get(fact) not in (None, []) and sent[fact] != known:
            raise Rejected("version-conflict", f"version {data.version!r} is registered with another {fact}", urn=urn, fact=fact, registered=known)
        told[fact] = known
    return ModelVersionData.model_validate(told)


def _features(draft: Draft, urn: str, data: ModelVersionData) -> list[Shown]:
    pinned, stable = draft.fact(urn, "pins") is not None, data.binding == "stable"
    bound = bind(draft, urn, data.features, dict(draft.fact(urn, "resolvedFeatures") or {}), whole=stable and not pinned)
    draft.need(states=[link_key("USES", urn, each.feature) for each in bound])
    for each in bound:
        draft.ensure(each.feature)
        draft.link("USES", urn, each.feature)
    draft.revise(urn, "resolvedFeatures", {each.reference: each.feature for each in bound if each.alias is not None} or None)
    if stable and not pinned and bound:
        pin(draft, urn, bound)
    return [Shown(DERIVED_FROM, urn, feature, "declared", version=feature) for feature in dict.fromkeys(each.feature for each in bound)]


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
    """`lineproof.deployment.v1`: `deploy` makes a model version live with concrete feature versions, `retire` ends that.

    A deployment is immutable: deployed again it is live again as it was. One of a model with pins serves exactly these.
    """
    urn = deployment_urn(data)
    reference = data.model_version if "@" in data.model_version else None
    model = resolve(draft, "model", reference)[0] if reference else version_of("model", data.namespace, data.name, data.model_version)
    previous = deployment_urn(data, data.previous) if data.previous else None
    draft.need(urns=[urn, model, *([previous] if previous else [])], states=[link_key("DEPLOYS", urn, model)])
    draft.touch(urn)
    draft.touch(model)
    stands = draft.fact(urn, "modelVersion") if draft.exists(urn) else None
    if stands is not None and (stands, draft.fact(urn, "environment")) != (model, data.environment):
        raise Rejected("deployment-conflict", f"deployment {data.id!r} is of {stands} in {draft.fact(urn, 'environment')}", urn=urn)
    if data.action == "retire":
        _retire(draft, data, urn, known=stands is not None)
        return
    features = _deployed_features(draft, data, model)
    standing = draft.fact(urn, "features") if stands is not None else None
    if standing and features and standing != features:
        raise Rejected("deployment-conflict", f"deployment {data.id!r} has other feature versions", urn=urn, registered=standing)
    features = standing or features
    if not registered(draft, "model", model):
        draft.ignore("model version", model, "unknown-version")
    draft.ensure(urn)
    draft.ensure(model)
    for fact, value in (("action", data.action), ("modelVersion", model), ("environment", data.environment), ("features", features or None),
                        ("image", data.image), ("previous", previous), ("live", True)):
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
    if previous is not None:
        _replace(draft, previous, urn)


def _deployed_features(draft: Draft, data: DeploymentData, model: str) -> list[str]:
    """The concrete versions a deployment serves: those it names, or those its model pins; never others than these."""
    named: dict[str, None] = {}
    for item in data.features:
        target, alias = resolve(draft, "feature", item)
        if alias is not None:
            raise Rejected("alias-not-allowed", f"{item!r} is an alias; a deployment names concrete versions", reference=item)
        draft.need(urns=[target])
        if not registered(draft, "feature", target):
            draft.ignore(f"feature {item[:200]}", target, "unknown-version")
        named[target] = None
    pinned = pinned_features(draft.fact(model, "pins") if draft.exists(model) else None)
    if pinned and named and set(named) != set(pinned):
        raise Rejected("manifest-mismatch", "the model version pins other feature versions", pinned=pinned, named=list(named))
    return pinned or list(named)


def _retire(draft: Draft, data: DeploymentData, urn: str, *, known: bool) -> None:
    if not known:
        raise Rejected("unknown-deployment", f"there is no deployment {data.id!r} to retire", urn=urn)
    draft.revise(urn, "action", "retire")
    draft.revise(urn, "live", False)


def _replace(draft: Draft, previous: str, by: str) -> None:
    if previous == by or not draft.exists(previous):
        draft.ignore("previous", previous, "unknown-deployment")
        return
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
            if not registered(draft, "feature" if kind == "feature" else "model", target):
                draft.ignore(f"{kind} {reference[:200]}", target, "unknown-version")
            targets[target] = alias
    shown += [Shown(DERIVED_FROM, urn, target, "declared", subtype=f"alias:{alias}" if alias else None, version=target) for target, alias in targets.items()]
    declare_edges(draft, urn, shown, None)

