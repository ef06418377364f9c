"""GraphQL inputs, and what they mean to the query layer."""
from __future__ import annotations

from datetime import datetime
from enum import Enum

import strawberry
from strawberry import ID

from metadata_service.api.graphql.mirror import Long, mirror
from metadata_service.queries.context import Asked
from metadata_service.queries.impact_shapes import ChangeKind
from metadata_service.queries.shapes import Direction, Kind, Level

__all__ = ["ChangeInput", "EntityRef", "FeatureRef", "LimitsInput", "Position", "VersionedKind", "asked"]

for shape in (ChangeKind, Direction, Kind, Level):
    mirror(shape)


@strawberry.input(one_of=True, description="A position in the log: a tree size, or a time (the entries received by then). Without one: now.")
class Position:
    size: Long | None = strawberry.UNSET
    time: datetime | None = strawberry.UNSET


@strawberry.input(name="Limits", description="Caps of one walk; what is beyond them is reported in completeness.")
class LimitsInput:
    nodes: int | None = None
    edges: int | None = None
    seconds: float | None = None


@strawberry.input(name="SchemaColumn", description="A column of a schema that is going to be; what is left out is not compared.")
class ColumnInput:
    name: str
    type: str | None = None
    nullable: bool | None = None


@strawberry.input(description="What is going to happen to an entity. columns: the whole schema after CHANGE_SCHEMA. type: what RETYPE_COLUMN makes of the type "
                              "(typeBefore: of this one, else of the recorded one): a wider type may break readers, another one does. notReadBy: datasets that "
                              "will not read it any more, when their code changes with it.")
class ChangeInput:
    kind: ChangeKind
    urn: ID
    columns: list[ColumnInput] | None = None
    type: str | None = None
    type_before: str | None = None
    not_read_by: list[ID] | None = None


@strawberry.input(description="An entity by its friendly name: <ns>/<name>[.column], or a bare name if it is unique.")
class EntityRef:
    name: str
    kinds: list[Kind] | None = None


@strawberry.enum(name="VersionedKind", description="What has versions and aliases.")
class VersionedKind(Enum):
    FEATURE = "feature"
    MODEL = "model"


@strawberry.input(description="A feature: its URN, <ns>:<name>[@<version|alias>] with encoded components, or a bare name if it is unique.")
class FeatureRef:
    name: str
    version: str | None = None


def asked(at: Position | None, min_size: int | None) -> Asked:
    """The position asked for."""
    if at is None:
        return Asked(min_size=min_size)
    return Asked(at.size if at.size is not strawberry.UNSET else None, at.time if at.time is not strawberry.UNSET else None, min_size)
