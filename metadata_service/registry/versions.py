"""Feature and model versions as they stand at a position: definition, hashes, storage, compatibility, pins, what is live."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from lineproof_schema.urn import format_urn, parse_urn
from metadata_service.graph.port import GraphStore, NodeRow
from metadata_service.registry.compatibility import Compatibility, check
from metadata_service.registry.names import Kind, alias_of, registered, version_urn

__all__ = ["Adapter", "DeploymentState", "FeatureVersion", "ModelVersion", "Pin", "Pins", "Storage", "StorageColumn", "VersionRow", "deployment_state",
           "deployments_of", "feature_version", "model_version", "owners", "pins_of", "select", "storage", "text_of", "version_row", "versions_of"]

VERSION_LIMIT = 5_000
Long = Annotated[int, "Long"]


@dataclass(frozen=True, slots=True)
class StorageColumn:
    """A column of a storage location as declared."""

    name: str
    type: str | None
    nullable: bool | None
    description: str | None


@dataclass(frozen=True, slots=True)
class Storage:
    """Where values lie, and their schema."""

    uri: str
    columns: tuple[StorageColumn, ...]


@dataclass(frozen=True, slots=True)
class Adapter:
    """A transformation function from one version's values to another's: the artifact `sha256:<digest>`.

    `stored`: whether the artifact store has it (null: not looked at); `bytes` is its size.
    """

    from_: str
    to: str
    digest: str
    stored: bool | None = None
    bytes: Long | None = None


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One version of a feature or model; `registered_by` is the entry."""

    urn: str
    version: str
    registered_by: Long
    digest: str
    aliases: tuple[str, ...]
    dropped: bool


@dataclass(frozen=True, slots=True)
class FeatureVersion:
    """An immutable feature version. The data hash covers all that can change a value, the metadata hash the rest.

    `compatibility` is with the version its author compares it to, else with the one registered before.
    """

    urn: str
    namespace: str
    name: str
    version: str
    registered_by: Long
    data_hash: str
    metadata_hash: str
    definition: Any
    column: str | None
    offline: Storage | None
    online: Storage | None
    repository: str | None
    commit: str | None
    description: str | None
    owners: tuple[str, ...]
    tags: tuple[str, ...]
    aliases: tuple[str, ...]
    materialization: Any
    dropped: bool
    compatibility: Compatibility | None
    adapters: tuple[Adapter, ...]


@dataclass(frozen=True, slots=True)
class Pin:
    """A reference and the concrete feature version it means for ever; the alias it went through, and the entry that had put it there."""

    reference: str
    urn: str
    version: str
    alias: str | None
    alias_index: Long | None
    data_hash: str


@dataclass(frozen=True, slots=True)
class Pins:
    """The deployment manifest of a stable binding, written by entry `index`; `digest` covers model version and pins."""

    index: Long
    digest: str
    features: tuple[Pin, ...]


@dataclass(frozen=True, slots=True)
class DeploymentState:
    """A deployment: `live` from `deploy` until it is retired or replaced; `since` is the size from which that holds.

    `manifest` are the pins it serves, null where its model version has none; `features` the concrete versions either way.
    """

    urn: str
    id: str
    model_version: str
    environment: str | None
    live: bool
    action: str
    features: tuple[str, ...]
    image: str | None
    previous: str | None
    since: Long
    manifest: Pins | None


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """An immutable model version; with a stable binding and features it has pins."""

    urn: str
    namespace: str
    name: str
    version: str
    registered_by: Long
    artifact: str
    framework: str | None
    binding: str
    ttl_seconds: int | None
    features: tuple[str, ...]
    pins: Pins | None
    training_datasets: tuple[str, ...]
    reference_time_column: str | None
    label_time_column: str | None
    commit: str | None
    run: str | None
    description: str | None
    owners: tuple[str, ...]
    aliases: tuple[str, ...]
    dropped: bool
    deployments: tuple[DeploymentState, ...]


async def versions_of(graph: GraphStore, at: int | None, heads: Sequence[str]) -> dict[str, dict[str, NodeRow]]:
    """Feature or model -> its registered versions by URN, oldest first, ended ones too."""
    links = await graph.provenance(heads, ["VERSION_OF"], at, VERSION_LIMIT) if heads else {}
    rows = await graph.get(sorted({link.src for found in links.values() for link in found.into}), at)
    told = sorted((row for row in rows.values() if _digest(row) is not None), key=lambda row: (_registered_from(row), row.urn))
    found: dict[str, dict[str, NodeRow]] = {head: {} for head in heads}
    for row in told:
        found[str(parse_urn(row.urn).parent)][row.urn] = row
    return found


def select(head: NodeRow, versions: Mapping[str, NodeRow], selector: str | None) -> tuple[NodeRow, str] | None:
    """The version that a version name or alias means, and why; without one, the newest. A version wins over an alias."""
    parsed = parse_urn(head.urn)
    kind: Kind = "feature" if parsed.kind == "feature" else "model"
    if selector is None:
        live = [row for row in versions.values() if registered(row)]
        return (live[-1], "newest version") if live else None
    exact = versions.get(version_urn(kind, parsed.components[0], parsed.name, selector))
    if exact is not None:
        return exact, "version"
    alias = alias_of(head, selector)
    found = versions.get(version_urn(kind, parsed.components[0], parsed.name, str(alias["version"]))) if alias is not None else None
    return (found, f"alias {selector}, moved by entry {alias['index']}") if found is not None and alias is not None else None


def version_row(head: NodeRow, row: NodeRow) -> VersionRow:
    """The short form of a version."""
    return VersionRow(row.urn, parse_urn(row.urn).components[2], _registered_from(row) - 1, str(_digest(row)), _aliases(head, row),
                      row.facts.get("existence") == "dropped")


async def feature_version(graph: GraphStore, at: int | None, head: NodeRow, versions: Mapping[str, NodeRow], row: NodeRow) -> FeatureVersion:
    """Everything about one feature version."""
    facts = row.facts
    namespace, name, version = parse_urn(row.urn).components
    declared = facts.get("compatibility") if isinstance(facts.get("compatibility"), dict) else None
    other = _compared_with(row, versions, declared)
    compared = await check(graph, at, other, row, declared) if other is not None else None
    place = facts.get("column")
    column = format_urn("column", place["namespace"], place["name"], place["column"]) if isinstance(place, dict) else None
    return FeatureVersion(row.urn, namespace, name, version, _registered_from(row) - 1, str(facts["dataHash"]), str(facts.get("metadataHash")),
                          facts.get("definition"), column, storage(facts.get("offline")), storage(facts.get("online")), text_of(facts.get("repository")),
                          text_of(facts.get("commit")), text_of(facts.get("description")), owners(row) or owners(head), _texts(facts.get("tags")),
                          _aliases(head, row), facts.get("materialization"), facts.get("existence") == "dropped", compared, _adapters(row, versions))


def model_version(head: NodeRow, row: NodeRow, deployments: tuple[DeploymentState, ...]) -> ModelVersion:
    """Everything about one model version."""
    facts = row.facts
    namespace, name, version = parse_urn(row.urn).components
    trained = tuple(format_urn("dataset-version", item["namespace"], item["name"], item["version"]) for item in facts.get("trainingDatasets") or ())
    return ModelVersion(row.urn, namespace, name, version, _registered_from(row) - 1, str(facts["artifact"]), text_of(facts.get("framework")),
                        str(facts.get("binding") or "stable"), facts.get("ttlSeconds"), _texts(facts.get("features")), pins_of(row),
                        trained, text_of(facts.get("referenceTimeColumn")), text_of(facts.get("labelTimeColumn")),
                        text_of(facts.get("commit")), text_of(facts.get("run")), text_of(facts.get("description")), owners(row) or owners(head),
                        _aliases(head, row), facts.get("existence") == "dropped", deployments)


def pins_of(row: NodeRow) -> Pins | None:
    """The pins of a model version with a stable binding."""
    found = row.facts.get("pins")
    if not isinstance(found, dict):
        return None
    return Pins(int(found["index"]), str(found["digest"]), tuple(
        Pin(each["reference"], each["feature"], parse_urn(each["feature"]).components[2], each["alias"], each["aliasIndex"], each["dataHash"])
        for each in found["features"]))


async def deployments_of(graph: GraphStore, at: int | None, versions: Sequence[str]) -> dict[str, tuple[DeploymentState, ...]]:
    """Model version -> its deployments, live ones first."""
    links = await graph.provenance(versions, ["DEPLOYS"], at, VERSION_LIMIT) if versions else {}
    by_version = {urn: sorted({link.src for link in row.into}) for urn, row in links.items()}
    rows = await graph.get(sorted({*versions, *(urn for found in by_version.values() for urn in found)}), at)
    return {version: tuple(sorted((deployment_state(rows[urn], rows.get(version)) for urn in found if urn in rows),
                                  key=lambda each: (not each.live, -each.since, each.urn)))
            for version, found in by_version.items()}


def deployment_state(row: NodeRow, model: NodeRow | None) -> DeploymentState:
    """A deployment as its facts say, and the pins of its model version (None: unknown)."""
    facts = row.facts
    live = bool(facts.get("live")) and facts.get("existence") != "dropped"
    return DeploymentState(row.urn, parse_urn(row.urn).components[2], str(facts.get("modelVersion")), text_of(facts.get("environment")), live,
                           str(facts.get("action")), _texts(facts.get("features")), text_of(facts.get("image")), text_of(facts.get("previous")),
                           row.since.get("live", row.from_), pins_of(model) if model is not None else None)


def storage(value: Any) -> Storage | None:
    """A storage location with its schema."""
    if not isinstance(value, dict):
        return None
    columns = [column for column in value.get("schema") or () if isinstance(column, dict)]
    return Storage(str(value.get("uri")), tuple(StorageColumn(str(column.get("name")), text_of(column.get("type")), column.get("nullable"),
                                                              text_of(column.get("description"))) for column in columns))


def owners(row: NodeRow) -> tuple[str, ...]:
    """Owners as declared: their names only."""
    return tuple(str(owner["name"]) if isinstance(owner, dict) else str(owner) for owner in row.facts.get("owners") or ())


def _compared_with(row: NodeRow, versions: Mapping[str, NodeRow], declared: Mapping[str, Any] | None) -> NodeRow | None:
    if declared is not None:
        namespace, name, _ = parse_urn(row.urn).components
        named = versions.get(version_urn("feature", namespace, name, str(declared.get("with"))))
        return named if named is not None and named.urn != row.urn else None
    before = [other for other in versions.values() if _registered_from(other) < _registered_from(row)]
    return before[-1] if before else None


def _adapters(row: NodeRow, versions: Mapping[str, NodeRow]) -> tuple[Adapter, ...]:
    """Functions from or to this version, wherever they were declared."""
    own = parse_urn(row.urn).components[2]
    found = []
    for urn, other in versions.items():
        declared = other.facts.get("compatibility")
        if isinstance(declared, dict) and declared.get("adapterDigest"):
            ends = (str(declared.get("with")), parse_urn(urn).components[2])
            if own in ends:
                found.append(Adapter(*ends, str(declared["adapterDigest"])))
    return tuple(found)


def _aliases(head: NodeRow, row: NodeRow) -> tuple[str, ...]:
    version = parse_urn(row.urn).components[2]
    return tuple(sorted(fact[6:] for fact, value in head.facts.items() if fact.startswith("alias:") and isinstance(value, dict)
                        and value.get("version") == version))


def _digest(row: NodeRow) -> Any:
    return row.facts.get("dataHash" if row.kind == "feature-version" else "artifact")


def _registered_from(row: NodeRow) -> int:
    """The size from which the registration is visible: a version others spoke of before is a node longer than that."""
    return row.since.get("dataHash" if row.kind == "feature-version" else "artifact", row.from_)


def text_of(value: Any) -> str | None:
    """A fact that is text; None if it is anything else."""
    return value if isinstance(value, str) else None


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(str(each) for each in value) if isinstance(value, list | tuple) else ()
