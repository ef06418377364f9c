"""Root fields of the registry: features, models, aliases, bindings; and the two mutations."""
from __future__ import annotations

from typing import Final

from strawberry import ID, Info

from metadata_service.api.alias_change import AliasChange, MoveOutcome, Mover
from metadata_service.api.graphql.caller import caller_of, position_of
from metadata_service.api.graphql.inputs import EntityRef, FeatureRef, Position, VersionedKind
from metadata_service.api.graphql.mirror import Long
from metadata_service.queries import feature_shapes as shapes
from metadata_service.queries import features as registry
from metadata_service.queries.context import answer, now_only
from metadata_service.queries.errors import Forbidden
from metadata_service.registry.names import Kind

__all__ = ["aliases", "deployment", "feature", "features", "model", "move_alias", "resolve", "rollback"]

_KINDS: Final[dict[VersionedKind, Kind]] = {VersionedKind.FEATURE: "feature", VersionedKind.MODEL: "model"}


async def feature(info: Info, ref: FeatureRef, at: Position | None = None) -> shapes.FeatureAnswer:
    return await answer(*position_of(info, at), lambda context: registry.feature(context, ref.name, ref.version))


async def features(info: Info, text: str = "", kind: VersionedKind = VersionedKind.FEATURE, first: int = 100, after: str | None = None,
                   at: Position | None = None) -> shapes.FeatureList:
    room, viewer, where = position_of(info, at)
    now_only(where, "features")
    return await answer(room, viewer, where, lambda context: registry.features(context, text, _KINDS[kind], first, after))


async def model(info: Info, ref: EntityRef, at: Position | None = None) -> shapes.ModelAnswer:
    return await answer(*position_of(info, at), lambda context: registry.model(context, ref.name))


async def aliases(info: Info, name: str, kind: VersionedKind = VersionedKind.FEATURE, alias: str | None = None,
                  at: Position | None = None) -> shapes.AliasAnswer:
    return await answer(*position_of(info, at), lambda context: registry.aliases(context, name, _KINDS[kind], alias))


async def deployment(info: Info, id: ID, at: Position | None = None) -> shapes.DeploymentAnswer:
    return await answer(*position_of(info, at), lambda context: registry.deployment(context, str(id)))


async def resolve(info: Info, refs: list[str], model: ID | None = None, at: Position | None = None) -> shapes.ResolveAnswer:
    return await answer(*position_of(info, at), lambda context: registry.resolve(context, refs, str(model) if model is not None else None))


async def move_alias(info: Info, name: str, alias: str, to: str | None, expected: Long | None, kind: VersionedKind = VersionedKind.FEATURE,
                     reason: str | None = None, approval: str | None = None, wait: bool = True) -> MoveOutcome:
    change = AliasChange(_KINDS[kind], name, alias, to, expected, reason, approval)
    return await _mover(info).move(change, wait=wait)


async def rollback(info: Info, name: str, alias: str, to: str | None = None, kind: VersionedKind = VersionedKind.FEATURE, reason: str | None = None,
                   approval: str | None = None, wait: bool = True) -> MoveOutcome:
    return await _mover(info).rollback(_KINDS[kind], name, alias, to, reason, approval, wait=wait)


def _mover(info: Info) -> Mover:
    mover = caller_of(info).mover
    if mover is None:
        raise Forbidden("nothing is written here; ask a running service")
    return mover
