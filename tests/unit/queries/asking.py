"""Asking the query layer in tests: one question at one position, as one viewer."""
from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeVar

from metadata_service.access import Viewer
from metadata_service.graph.port import GraphStore
from metadata_service.queries.context import EVERYTHING, Asked, QueryContext, answer
from tests.flights_world import World

T = TypeVar("T")


async def ask(world: World, question: Callable[..., Awaitable[T]], /, *arguments: Any, size: int | None = None, time: datetime | None = None,
              viewer: Any = EVERYTHING, min_size: int | None = None, **named: Any) -> T:
    """`question(context, *arguments, **named)` at `size` or `time` (or now)."""

    async def compute(context: QueryContext) -> T:
        return await question(context, *arguments, **named)

    return await answer(world.room, viewer, Asked(size, time, min_size), compute)


def reader_of(world: World, *prefixes: str, roles: tuple[str, ...] = ("reader",), ceiling: str = "restricted") -> Viewer:
    """A viewer that sees only these namespaces."""
    return Viewer("0" * 64, world.tenant, frozenset(roles), prefixes, ceiling=ceiling)


class Counted:
    """A graph whose reads are noted by name; `before` is done before each."""

    def __init__(self, graph: GraphStore, before: Callable[[str], Awaitable[None]] | None = None) -> None:
        self._graph, self._before, self.asked = graph, before, list[str]()

    def __getattr__(self, name: str) -> Any:
        async def read(*arguments: Any, **named: Any) -> Any:
            self.asked.append(name)
            if self._before is not None:
                await self._before(name)
            return await getattr(self._graph, name)(*arguments, **named)

        return read
