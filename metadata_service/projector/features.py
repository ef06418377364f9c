"""Feature versions, their materializations, and the aliases of features and models."""
from __future__ import annotations

from typing import Any, Final, Literal

from lineproof_schema.models.features import AliasData, FeatureVersionData, MaterializationData
from lineproof_schema.openlineage import run_uuid
from metadata_service.graph.ops import COLUMN_DERIVED_FROM, DERIVED_FROM
from metadata_service.projector.code import author_of, commit_urn, record_commit
from metadata_service.projector.compatibility import differences, verdict
from metadata_service.projector.dataset_facts import revise_owners
from metadata_service.projector.edge_rows import Shown
from metadata_service.projector.edges import SetId, declare, set_key
from metadata_service.projector.feature_hash import data_hash, metadata_hash
from metadata_service.projector.names import column_urn, dataset_urn, feature_ref, of, principal_urn, run_urn, version_urn
from metadata_service.projector.view import Draft, Rejected, link_key

__all__ = ["REGISTERED", "Kind", "alias_fact", "declare_edges", "head_urn", "note_commit", "project_alias", "project_feature_version",
           "project_materialization", "registered", "resolve", "version_of"]

Kind = Literal["feature", "model"]
REGISTERED: Final = {"feature": "dataHash", "model": "artifact"}  # the fact that only a registration gives a version


def head_urn(kind: Kind, namespace: str, name: str) -> str:
    """The feature or model itself."""
    return of(kind, namespace, name)


def version_of(kind: Kind, namespace: str, name: str, version: str) -> str:
    """One version of a feature or model."""
    return of(f"{kind}-version", namespace, name, version)


def alias_fact(alias: str) -> str:
    """The fact on the feature or model that an alias is."""
    return f"alias:{alias}"


def registered(draft: Draft, kind: Kind, version: str) -> bool:
    """Whether the version was registered and not ended; one that others only spoke of is a node, too."""
    return draft.exists(version) and draft.fact(version, REGISTERED[kind]) is not None and draft.fact(version, "existence") != "dropped"


def resolve(draft: Draft, kind: Kind, reference: str) -> tuple[str, str | None]:
    """The version that `<ns>:<name>@<version|alias>` means at this entry, and the alias it went through.

    A registered version wins over an alias. What is neither is taken for a version that is not registered yet.

    Raises:
        UrnError: not a reference.
    """
    namespace, name, selector = feature_ref(reference)
    exact, head = version_of(kind, namespace, name, selector), head_urn(kind, namespace, name)
    draft.need(urns=[exact, head])
    if draft.exists(exact) and draft.fact(exact, REGISTERED[kind]) is not None:
        return exact, None
    alias = draft.fact(head, alias_fact(selector))
    if isinstance(alias, dict):
        target = version_of(kind, namespace, name, alias["version"])
        draft.need(urns=[target])
        return target, selector
    return exact, None


def declare_edges(draft: Draft, owner: str, shown: list[Shown], commit: str | None) -> None:
    """`owner` is derived from exactly these."""
    identity = SetId("declared", None, None, owner)
    endpoints = dict.fromkeys(urn for edge in shown for urn in (edge.downstream, edge.upstream))
    draft.need(urns=endpoints, states=[set_key(identity.digest)])
    for urn in endpoints:
        draft.ensure(urn)
        if urn != owner:
            draft.touch(urn, "mention")
    declare(draft, identity, shown, commit=commit)


def note_commit(draft: Draft, urn: str, repository: str | None, sha: str | None) -> str | None:
    """The commit an event names: node, link, and who wrote it."""
    commit = commit_urn(repository, sha)
    if commit is not None:
        draft.need(urns=[commit], states=[link_key("FROM_COMMIT", urn, commit)])
        record_commit(draft, commit)
        draft.link("FROM_COMMIT", urn, commit)
        draft.commit = commit
        draft.actor = author_of(draft, commit)
    return commit


def project_feature_version(draft: Draft, data: FeatureVersionData) -> None:
    """`lineproof.feature-version.v1`. Same name and version with another data hash is a conflict; other metadata revises the facts."""
    urn, head = version_of("feature", data.namespace, data.name, data.version), head_urn("feature", data.namespace, data.name)
    draft.need(urns=[urn, head])
    draft.touch(urn)
    draft.touch(head)
    digest = data_hash(data)
    known = draft.fact(urn, "dataHash") if draft.exists(urn) else None
    if known is not None and known != digest:
        raise Rejected("version-conflict", f"version {data.version!r} is registered with another definition", urn=urn, dataHash=digest, registered=known)
    if draft.exists(head) and draft.fact(head, alias_fact(data.version)) is not None:
        raise Rejected("version-is-alias", f"{data.version!r} is an alias of this feature", urn=urn)
    draft.ensure(urn)
    draft.revise(urn, "dataHash", digest)
    draft.revise(urn, "metadataHash", metadata_hash(data))
    said: dict[str, Any] = data.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"namespace", "name", "owners"})
    for fact, value in said.items():
        draft.revise(urn, fact, value)
    if data.owners:
        for target in (urn, head):
            revise_owners(draft, target, [{"name": owner} for owner in data.owners])
    if data.description is not None:
        draft.revise(head, "description", data.description)
    _check_compatibility(draft, data, urn, said)
    commit = note_commit(draft, urn, data.repository, data.commit)
    store = dataset_urn(data.column.namespace, data.column.name)
    upstreams = dict.fromkeys([store, *(dataset_urn(source.namespace, source.name) for source in data.definition.sources)])
    shown = [Shown(DERIVED_FROM, urn, upstream, "declared") for upstream in upstreams]
    shown.append(Shown(COLUMN_DERIVED_FROM, urn, column_urn(store, data.column.column), "declared", type="DIRECT", subtype="IDENTITY"))
    declare_edges(draft, urn, shown, commit)


def _check_compatibility(draft: Draft, data: FeatureVersionData, urn: str, said: dict[str, Any]) -> None:
    """What the author claims beside what the two definitions and schemas say; who reads which column, only the read side knows."""
    claimed = data.compatibility
    if claimed is None:
        return
    other = version_of("feature", data.namespace, data.name, claimed.with_version)
    draft.need(urns=[other])
    draft.touch(other, "mention")
    if other == urn or not registered(draft, "feature", other):
        draft.ignore("compatibility", other, "unknown-version")
        return
    found = differences(draft.facts(other), said)
    draft.note(compatibility={"with": claimed.with_version, "declared": claimed.kind, "found": verdict(found, None)})
    if claimed.kind == "additive" and verdict(found, frozenset()) == "breaking":  # whoever reads it, and whatever of it
        draft.ignore("compatibility: additive", urn, "compatibility-mismatch")


def project_materialization(draft: Draft, data: MaterializationData) -> None:
    """`lineproof.materialization.v1`."""
    namespace, name, version = feature_ref(data.feature)
    urn = version_of("feature", namespace, name, version)
    draft.need(urns=[urn])
    draft.touch(urn)
    if not registered(draft, "feature", urn):
        raise Rejected("unknown-version", f"{data.feature!r} is not a registered feature version", urn=urn)
    said: dict[str, Any] = data.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"feature", "output"})
    said["index"] = draft.entry.index
    if data.run_id is not None:
        said["run"] = run_urn(run_uuid(data.run_id, namespace, name))
        draft.need(urns=[said["run"]])
        draft.ensure(said["run"])
        draft.touch(said["run"], "mention")
    if data.output is not None:
        dataset = dataset_urn(data.output.namespace, data.output.name)
        output = version_urn(dataset, data.output.version)
        if draft.authority.in_scope(data.output.namespace):
            draft.need(urns=[output, dataset], states=[link_key("MATERIALIZED_AS", urn, output)])
            draft.ensure(output)
            draft.touch(dataset, "mention")
            said["output"] = output
            if data.status == "completed":
                draft.link("MATERIALIZED_AS", urn, output)
        else:
            draft.ignore("output", dataset)
    draft.revise(urn, "materialization", said)


def project_alias(draft: Draft, data: AliasData) -> None:
    """`lineproof.alias.v1`: compare-and-set on the entry of the alias's last applied move."""
    head = head_urn(data.kind, data.namespace, data.name)
    target = version_of(data.kind, data.namespace, data.name, data.to) if data.to is not None else None
    namesake = version_of(data.kind, data.namespace, data.name, data.alias)
    draft.need(urns=[head, namesake, *([target] if target else [])])
    draft.touch(head)
    if target is not None:
        draft.touch(target)
    fact = alias_fact(data.alias)
    current = draft.fact(head, fact) if draft.exists(head) else None
    stands_at = current["index"] if isinstance(current, dict) else None
    stands_on = current["version"] if isinstance(current, dict) else None
    if data.actor is not None:
        draft.actor = data.actor.strip().lower()
    restores = _restores(data)
    move = {"alias": data.alias, "to": data.to, "was": stands_on, "wasIndex": stands_at, "expected": data.expected, "why": data.reason,
            "approval": data.approval, "restores": restores}
    _admit_alias(draft, data, target, namesake, move)
    if stands_on is not None:
        draft.touch(version_of(data.kind, data.namespace, data.name, stands_on))
    draft.note(**move)
    if target is None:
        draft.revise(head, fact, None)
        return
    if data.actor:
        who = principal_urn(data.actor)
        draft.need(urns=[who])
        draft.ensure(who)
    said = {"version": data.to, "index": draft.entry.index, "actor": data.actor, "reason": data.reason, "approval": data.approval}
    draft.revise(head, fact, said if restores is None else {**said, "restores": restores})


def _admit_alias(draft: Draft, data: AliasData, target: str | None, namesake: str, move: dict[str, Any]) -> None:
    """Raises Rejected; what was tried stands in the outcome, so that the history of the alias shows it."""
    stands_at = move["wasIndex"]
    if stands_at != data.expected:
        raise Rejected("alias-moved", f"the alias stands at entry {stands_at}, not {data.expected}", current=stands_at, **move)
    if target is None and stands_at is None:
        raise Rejected("unknown-alias", f"there is no alias {data.alias!r}", **move)
    if target is not None and not registered(draft, data.kind, target):
        raise Rejected("unknown-version", f"{data.to!r} is not a registered version", urn=target, **move)
    if target is not None and registered(draft, data.kind, namesake):
        raise Rejected("alias-is-version", f"{data.alias!r} is a registered version", urn=namesake, **move)
    policy = draft.authority.keyring.policy_at(draft.entry.index)
    if policy is not None and data.alias in policy.protected_aliases and not (data.approval or "").strip():
        raise Rejected("approval-required", f"the alias {data.alias!r} is protected: name the approval", **move)


def _restores(data: AliasData) -> int | None:
    """The earlier move that a rollback restores: where the next step back goes on from."""
    told = (data.details or {}).get("restores")
    return told if isinstance(told, int) and not isinstance(told, bool) and told >= 0 else None
