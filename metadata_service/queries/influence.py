"""What decides a traced value: the value itself, or only which rows there are (`deciding` has the rule)."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from lineproof_schema.urn import holder
from metadata_service.graph.ops import Edge
from metadata_service.queries.deciding import deciding
from metadata_service.queries.trace_walk import Walked

__all__ = ["Influence", "ValuePath", "value_edges", "value_path"]


class Influence(Enum):
    """VALUE: it decides the value. ROWS: it decides which rows there are (by a join, a filter, a grouping), and not their value."""

    VALUE = "VALUE"
    ROWS = "ROWS"


@dataclass(frozen=True, slots=True)
class ValuePath:
    """The part of a walk that decides the value: entities with their hops along it, and the edges."""

    distance: dict[str, int]
    edges: frozenset[Edge]

    def of(self, urn: str) -> Influence:
        """What the entity decides."""
        return Influence.VALUE if urn in self.distance else Influence.ROWS

    def of_edge(self, edge: Edge) -> Influence:
        """What the upstream end decides by way of this edge."""
        return Influence.VALUE if edge in self.edges else Influence.ROWS


def value_edges(edges: Iterable[Edge]) -> list[Edge]:
    """Of the edges that say how one version of code makes one entity, those that decide its value."""
    return deciding(edges, lambda edge: (edge.type, edge.subtype))


def value_path(found: Walked, roots: Sequence[str]) -> ValuePath:
    """What decides the value of `roots`, in a finished walk."""
    made: dict[str, dict[str, list[Edge]]] = defaultdict(lambda: defaultdict(list))
    for edge in found.edges:
        made[edge.downstream][edge.set_id].append(edge)
    distance = dict.fromkeys(roots, 0)
    kept: set[Edge] = set()
    frontier = list(roots)
    while frontier:
        following: list[str] = []
        for urn in frontier:
            if urn not in made and holder(urn) in made:  # nobody said what this column is made of: its dataset speaks for it
                _reach(distance, following, holder(urn), distance[urn])
                continue
            for group in made[urn].values() if urn in made else ():
                for edge in value_edges(group):
                    kept.add(edge)
                    _reach(distance, following, edge.upstream, distance[urn] + 1)
        frontier = following
    return ValuePath(distance, frozenset(kept))


def _reach(distance: dict[str, int], following: list[str], urn: str, hops: int) -> None:
    if urn not in distance:
        distance[urn] = hops
        following.append(urn)
