"""The root field of the checks of training data against time."""
from __future__ import annotations

from strawberry import ID, Info

from metadata_service.api.graphql.caller import position_of
from metadata_service.api.graphql.inputs import Position
from metadata_service.api.graphql.mirror import mirror
from metadata_service.queries.context import answer
from metadata_service.queries.point_in_time import Boundary, PointInTime, point_in_time_checks

__all__ = ["point_in_time"]

mirror(Boundary)


async def point_in_time(info: Info, urn: ID, boundary: Boundary = Boundary.STRICT, at: Position | None = None) -> PointInTime:
    return await answer(*position_of(info, at), lambda context: point_in_time_checks(context, str(urn), boundary))
