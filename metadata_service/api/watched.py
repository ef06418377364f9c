"""A graph that is read in a viewer's name: it notes when what it gives is classified and the viewer may see it."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

from metadata_service.access import Viewer
from metadata_service.graph.port import Glance, GraphStore, NodeRow, Walk

__all__ = ["is_classified", "watched"]


def is_classified(level: object) -> bool:
    """Whether a fact's classification is above `public`; what nobody classified is not."""
    return isinstance(level, str) and level.lower() != "public"


class _Watched:
    """All of the store, with one pair of eyes on the facts that are read."""

    def __init__(self, graph: GraphStore, viewer: Viewer, classified: Callable[[], None]) -> None:
        self._graph = graph
        self._viewer = viewer
        self._classified = classified

    def __getattr__(self, name: str) -> Any:
        return getattr(self._graph, name)

    async def get(self, urns: Sequence[str], at: int | None = None) -> dict[str, NodeRow]:
        rows = await self._graph.get(urns, at)
        self._look(rows.values())
        return rows

    async def glance(self, urns: Sequence[str], states: Sequence[str], at: int | None = None, walk: Walk | None = None) -> Glance:
        found = await self._graph.glance(urns, states, at, walk)
        self._look(found.nodes.values())
        return found

    def _look(self, rows: Iterable[NodeRow]) -> None:
        for row in rows:
            level = row.facts.get("classification")
            if is_classified(level) and self._viewer.can_see(row.namespace, level):
                self._classified()
                break


def watched(graph: GraphStore, viewer: Viewer, classified: Callable[[], None]) -> GraphStore:
    """`graph`, calling `classified` once for each read that shows `viewer` something classified above `public`."""
    return cast(GraphStore, _Watched(graph, viewer, classified))
