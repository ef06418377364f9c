"""Who asks: the context of one GraphQL request."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from strawberry import Info

from metadata_service.api.alias_change import Mover
from metadata_service.api.graphql.inputs import Position, asked
from metadata_service.queries.context import Asked, Room, Viewer
from metadata_service.queries.errors import Forbidden

__all__ = ["QUERY_ROLES", "Caller", "caller_of", "position_of"]

QUERY_ROLES = frozenset({"admin", "auditor", "reader", "operator"})


@dataclass(slots=True)
class Caller:
    """The context of one request: who asks, of what, the least size it wants to see (header `Lineproof-Min-Size`), and how it may write.

    `mover` is None where stores are only read; `noted` is told what is asked.
    """

    room: Room
    viewer: Viewer
    min_size: int | None = None
    mover: Mover | None = None
    noted: Callable[[str], None] | None = None


def caller_of(info: Info) -> Caller:
    """The caller, whatever its roles."""
    caller: Caller = info.context
    return caller


def position_of(info: Info, at: Position | None) -> tuple[Room, Viewer, Asked]:
    """What a question is put to. Raises Forbidden."""
    caller = caller_of(info)
    if not QUERY_ROLES.intersection(caller.viewer.roles):
        raise Forbidden(f"questions need one of the roles {', '.join(sorted(QUERY_ROLES))}")
    if caller.noted is not None:
        caller.noted(info.field_name)
    return caller.room, caller.viewer, asked(at, caller.min_size)
