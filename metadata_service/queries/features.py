"""Questions to the registry: features, models, aliases, deployments and resolution, as one viewer may see them at one position."""
from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from lineproof_schema.urn import UrnError, parse_urn
from metadata_service.graph.port import NodeRow
from metadata_service.queries.context import QueryContext, Viewer
from metadata_service.queries.cursors import Cursor, page_size, read_cursor, write_cursor
from metadata_service.queries.errors import AmbiguousName, InvalidArgument
from metadata_service.queries.feature_shapes import (
    AliasAnswer,
    DeploymentAnswer,
    Feature,
    FeatureAnswer,
    FeatureList,
    FeatureRow,
    Model,
    ModelAnswer,
    ResolveAnswer,
)
from metadata_service.queries.mask import MAX_FOUND, asked, hidden, place_of, visible_hits, withheld
from metadata_service.registry import aliases as alias_rules
from metadata_service.registry.errors import NotPinned, UnknownEntity
from metadata_service.registry.names import ALIAS_PREFIX, Head, Kind, parse_name, spell, version_urn
from metadata_service.registry.resolution import (
    MAX_REFERENCES,
    Problem,
    Resolution,
    Resolved,
    live_in,
    not_pinned,
    not_registered,
    read_deployment,
    subject_namespace,
)
from metadata_service.registry.resolution import resolve as resolve_now
from metadata_service.registry.versions import (
    Adapter,
    DeploymentState,
    FeatureVersion,
    ModelVersion,
    Pins,
    deployment_state,
    deployments_of,
    feature_version,
    model_version,
    owners,
    select,
    text_of,
    version_row,
    versions_of,
)

__all__ = ["aliases", "deployment", "feature", "features", "locate", "mask_resolved", "model", "refuse_hidden", "resolve"]

CANDIDATES = 20
RESTRICTED = "restricted"
_Shape = TypeVar("_Shape", Feature, Model)


async def locate(context: QueryContext, text: str, kind: Kind, selector: str | None = None) -> tuple[Head, NodeRow | None]:
    """The feature or model that `text` names, with its row if it is visible; a bare name has to be unique.

    Raises:
        UrnError: no name. AmbiguousName: a bare name that fits several.
    """
    head = parse_name(text, kind)
    if selector is not None:
        if head.selector not in (None, selector):
            raise InvalidArgument(f"{text!r} names a version itself")
        head = replace(head, selector=selector)
    if head.namespace is None:
        fits = await _called(context, head.name, kind)
        if len(fits) > 1:
            raise AmbiguousName(f"{head.name!r} fits {len(fits)} {kind}s", candidates=[spell(urn) for urn in fits[:CANDIDATES]])
        if not fits:
            context.notes.doubt("unknown-name", f"no {kind} called {head.name!r} is visible")
            return head, None
        head = replace(head, namespace=parse_urn(fits[0]).components[0])
    return head, await asked(context, head.urn)


async def feature(context: QueryContext, name: str, selector: str | None = None) -> FeatureAnswer:
    """A feature and one of its versions. Raises UrnError, AmbiguousName."""
    async def detail(head: NodeRow, versions: Mapping[str, NodeRow], row: NodeRow) -> FeatureVersion:
        return await _masked(context, await feature_version(context.graph, context.at, head, versions, row))

    found = await _with_version(context, name, "feature", selector, Feature, detail)
    return FeatureAnswer(await context.computed_at(), context.notes.completeness(), found)


async def model(context: QueryContext, name: str, selector: str | None = None) -> ModelAnswer:
    """A model and one of its versions, with its pins and deployments. Raises UrnError, AmbiguousName."""
    deployed: dict[str, tuple[DeploymentState, ...]] = {}

    async def detail(head: NodeRow, versions: Mapping[str, NodeRow], row: NodeRow) -> ModelVersion:
        every = await deployments_of(context.graph, context.at, sorted(versions))
        shown = await _masked_deployments(context, [each for found in every.values() for each in found])
        for each in shown:
            deployed[each.model_version] = (*deployed.get(each.model_version, ()), each)
        return await _masked_model(context, model_version(head, row, deployed.get(row.urn, ())))

    found = await _with_version(context, name, "model", selector, Model, detail)
    if found is not None:
        found = replace(found, deployments=tuple(sorted((each for rows in deployed.values() for each in rows), key=lambda each: (not each.live, -each.since))))
    return ModelAnswer(await context.computed_at(), context.notes.completeness(), found)


async def aliases(context: QueryContext, name: str, kind: Kind, alias: str | None = None) -> AliasAnswer:
    """Aliases of a feature or model (or one of them) with their history. Raises UrnError, AmbiguousName."""
    _, row = await locate(context, name, kind)
    if row is None:
        return AliasAnswer(await context.computed_at(), context.notes.completeness(), None, (), ())
    now = tuple(each for each in await alias_rules.aliases_of(context.graph, row) if alias in (None, each.alias))
    moves = await alias_rules.history(context.graph, row.urn, alias, context.size)
    return AliasAnswer(await context.computed_at(), context.notes.completeness(), row.urn, now, moves)


async def deployment(context: QueryContext, name: str) -> DeploymentAnswer:
    """A deployment by URN or `<ns>:<name>@<id>`. Raises UrnError."""
    urn = read_deployment(name)
    row = await asked(context, urn)
    found: DeploymentState | None = None
    if row is not None:
        model = str(row.facts.get("modelVersion"))
        (found,) = await _masked_deployments(context, [deployment_state(row, (await context.graph.get([model], context.at)).get(model))])
    return DeploymentAnswer(await context.computed_at(), context.notes.completeness(), found)


async def features(context: QueryContext, text: str = "", kind: Kind = "feature", first: int | None = None, after: str | None = None) -> FeatureList:
    """Features (or models) whose name or namespace contains `text`. Now only. Raises InvalidArgument, InvalidCursor."""
    rows, question, secret = page_size(first, 100), ["features", kind, text, sorted(context.viewer.prefixes)], context.room.cursor_secret
    start = read_cursor(secret, question, after).after if after is not None else None
    page = await visible_hits(context, text, [kind], rows + 1, (start[0], start[1]) if start else None)
    known = await versions_of(context.graph, context.at, [row.urn for row in page[:rows]])
    found = []
    for row in page[:rows]:
        versions = known[row.urn]
        if not versions:
            continue  # somebody spoke of it; it was never registered
        names = tuple(f"{fact[len(ALIAS_PREFIX):]}={value['version']}" for fact, value in sorted(row.facts.items())
                      if fact.startswith(ALIAS_PREFIX) and isinstance(value, dict))
        newest = select(row, versions, None)
        found.append(FeatureRow(row.urn, spell(row.urn), str(row.namespace), row.name, owners(row), text_of(row.facts.get("description")), len(versions),
                                parse_urn(newest[0].urn).components[2] if newest is not None else None, names))
    following = write_cursor(secret, question, Cursor(context.size, list(place_of(page[rows - 1])))) if len(page) > rows else None
    return FeatureList(await context.computed_at(), context.notes.completeness(), tuple(found), following)


async def resolve(context: QueryContext, references: Sequence[str], subject: str | None = None) -> ResolveAnswer:
    """What the references mean. Raises InvalidArgument, UrnError, UnknownEntity, NoManifest, Retired."""
    if len(references) > MAX_REFERENCES:
        raise InvalidArgument(f"{len(references)} references at once, at most {MAX_REFERENCES}")
    if not references and subject is None:
        raise InvalidArgument("give references, or a model")
    refuse_hidden(context.viewer, subject)
    found = await resolve_now(context.graph, context.size if context.at is not None else None, references, subject)
    resolved = mask_resolved(context.viewer, found, references)
    for row in resolved.rows:
        if row.problem is not None:
            context.notes.doubt(row.problem.code, row.problem.detail)
    return ResolveAnswer(await context.computed_at(), context.notes.completeness(), resolved.subject, resolved.rows)


def refuse_hidden(viewer: Viewer, subject: str | None) -> None:
    """Before anything is looked up: why a model that the viewer may not see does not answer is none of its business either.

    Raises:
        UnknownEntity: the viewer may not see the model or deployment. UrnError: it is no name.
    """
    if subject is None or viewer.sees_all:
        return
    if not viewer.can_see(subject_namespace(subject)):
        raise UnknownEntity("there is no such model version or deployment")


def mask_resolved(viewer: Viewer, resolved: Resolved, references: Collection[str]) -> Resolved:
    """The answer without what the viewer may not see; of the `references` that were asked for that reads as what does not exist, of others it has no name.

    Raises:
        UnknownEntity: the viewer may not see the model.
    """
    if viewer.sees_all:
        return resolved
    subject = resolved.subject
    if subject is not None:
        refuse_hidden(viewer, subject.model_version)
        subject = replace(subject, live_in=live_in(each for each in resolved.deployed if viewer.can_see(each[0])))
    return replace(resolved, subject=subject, rows=tuple(_masked_row(viewer, row, subject is not None, row.reference in references) for row in resolved.rows))


def _masked_row(viewer: Viewer, row: Resolution, bound: bool, asked_for: bool) -> Resolution:
    if row.problem is not None and row.problem.code == NotPinned.code:
        return Resolution(row.reference, problem=not_pinned(row.reference))  # what else the model is bound to is not told
    try:
        head = parse_name(row.reference, "feature")
    except UrnError:
        return row
    if viewer.can_see(head.namespace, row.classification) or (head.selector is None and not bound):
        return row
    if not asked_for:
        return Resolution(RESTRICTED, problem=Problem(RESTRICTED, "what the model is bound to here lies outside your grants"))
    named = version_urn("feature", str(head.namespace), head.name, str(head.selector))
    return Resolution(row.reference, problem=not_pinned(row.reference) if bound else not_registered(named))


async def _with_version(context: QueryContext, name: str, kind: Kind, selector: str | None, shape: Callable[..., _Shape],
                        detail: Callable[[NodeRow, Mapping[str, NodeRow], NodeRow], Awaitable[Any]]) -> _Shape | None:
    """The feature or model called `name`, with what `detail` tells of the version that is meant; None if there is no such thing."""
    head, row = await locate(context, name, kind, selector)
    if row is None:
        return None
    versions = (await versions_of(context.graph, context.at, [row.urn]))[row.urn]
    chosen = select(row, versions, head.selector)
    if chosen is None and head.selector is not None:
        context.notes.doubt("unknown-version", f"{spell(row.urn)} has no version or alias {head.selector!r} at size {context.size}", row.urn)
    version, because = (await detail(row, versions, chosen[0]), chosen[1]) if chosen is not None else (None, None)
    return shape(row.urn, str(row.namespace), row.name, owners(row), text_of(row.facts.get("description")),
                 tuple(version_row(row, each) for each in versions.values()), await alias_rules.aliases_of(context.graph, row),
                 await alias_rules.history(context.graph, row.urn, None, context.size), version, because)


async def _called(context: QueryContext, name: str, kind: Kind) -> list[str]:
    """The features or models with exactly this name that the viewer may see."""
    urns = [row.urn for row in await visible_hits(context, name, [kind], MAX_FOUND) if row.name == name]
    return sorted(await context.graph.get(urns, context.at))


async def _masked(context: QueryContext, found: FeatureVersion) -> FeatureVersion:
    """Without readers that the viewer may not see; with what the artifact store says of the adapters."""
    adapters = tuple([await _looked_up(context, adapter) for adapter in found.adapters])
    if found.compatibility is None:
        return replace(found, adapters=adapters)
    masked = await hidden(context, {use.urn for use in found.compatibility.used_by})
    context.notes.restrict(len(masked))
    used_by = tuple(use for use in found.compatibility.used_by if use.urn not in masked)
    return replace(found, adapters=adapters, compatibility=replace(found.compatibility, used_by=used_by))


async def _looked_up(context: QueryContext, adapter: Adapter) -> Adapter:
    if context.room.held is None:
        return adapter
    size = await context.room.held(adapter.digest)
    return replace(adapter, stored=size is not None, bytes=size)


async def _masked_model(context: QueryContext, found: ModelVersion) -> ModelVersion:
    pinned = {pin.urn for pin in found.pins.features} if found.pins is not None else set()
    masked = await hidden(context, {*pinned, *found.training_datasets})
    untold = await withheld(context, found.features)
    context.notes.restrict(max(len(masked), sum(untold)))
    return replace(found, pins=_without(found.pins, masked), training_datasets=tuple(urn for urn in found.training_datasets if urn not in masked),
                   features=tuple(each for each, silent in zip(found.features, untold, strict=True) if not silent))


async def _masked_deployments(context: QueryContext, found: Sequence[DeploymentState]) -> list[DeploymentState]:
    named = {urn for each in found for urn in (each.urn, *each.features)}
    masked = await hidden(context, named | {pin.urn for each in found if each.manifest is not None for pin in each.manifest.features})
    context.notes.restrict(len(masked))
    return [replace(each, features=tuple(urn for urn in each.features if urn not in masked), manifest=_without(each.manifest, masked))
            for each in found if each.urn not in masked]


def _without(pins: Pins | None, masked: Collection[str]) -> Pins | None:
    return replace(pins, features=tuple(pin for pin in pins.features if pin.urn not in masked)) if pins is not None else None
