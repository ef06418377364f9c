"""A walk's answer in memory: merged and filtered without losing paths."""
from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from metadata_service.graph.ops import Edge
from metadata_service.graph.port import Direction as Way
from metadata_service.graph.port import Reach

__all__ = ["Subgraph", "head", "shortest_paths", "tail"]


def tail(edge: Edge, way: Way) -> str:
    """The end a walk in direction `way` comes from."""
    return edge.downstream if way == "UPSTREAM" else edge.upstream


def head(edge: Edge, way: Way) -> str:
    """The end a walk in direction `way` goes to."""
    return edge.upstream if way == "UPSTREAM" else edge.downstream


@dataclass(slots=True)
class Subgraph:
    """Nodes with distance (negative upstream in a BOTH walk), hidden neighbours per side, and the edges between the nodes."""

    distance: dict[str, int] = field(default_factory=dict)
    hidden_upstream: dict[str, int] = field(default_factory=dict)
    hidden_downstream: dict[str, int] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)

    @classmethod
    def of(cls, reach: Reach) -> Subgraph:
        """The walk as the port gave it."""
        graph = cls(edges=list(reach.edges))
        for node in reach.nodes:
            graph.distance[node.urn] = node.distance
            graph.hidden_upstream[node.urn] = node.hidden_upstream
            graph.hidden_downstream[node.urn] = node.hidden_downstream
        return graph

    def merge_upstream(self, up: Subgraph) -> None:
        """Join the upstream walk from the same roots into this downstream one; of a node in both the nearer side wins.

        What one walk calls hidden on its own side stays so; the other side of the roots is shown by the other walk.
        """
        for urn, distance in up.distance.items():
            self.hidden_upstream[urn] = up.hidden_upstream.get(urn, 0)
            if urn not in self.distance:
                self.hidden_downstream[urn] = up.hidden_downstream.get(urn, 0)
            if urn not in self.distance or distance < self.distance[urn]:
                self.distance[urn] = -distance
        known = set(self.edges)
        self.edges += [edge for edge in up.edges if edge not in known]

    def drop_edges(self, keep: Callable[[Edge], bool], roots: Collection[str], way: Way, *, hide: bool = True) -> None:
        """Keep the edges that pass, then what is still reachable from the roots, with new distances.

        With `hide`, neighbours lost that way count as hidden; without, the edges said nothing that others do not say.
        """
        dropped = [edge for edge in self.edges if not keep(edge)] if hide else []
        self.edges = [edge for edge in self.edges if keep(edge)]
        leaving: dict[str, list[str]] = defaultdict(list)
        for edge in self.edges:
            leaving[tail(edge, way)].append(head(edge, way))
        distance = {urn: 0 for urn in roots if urn in self.distance}
        queue = deque(distance)
        while queue:
            urn = queue.popleft()
            for other in leaving[urn]:
                if other not in distance and other in self.distance:
                    distance[other] = distance[urn] + 1
                    queue.append(other)
        self._restrict_to(distance, dropped)

    def keep_wanted(self, wanted: Callable[[str], bool], roots: Collection[str], way: Way) -> None:
        """Keep the roots, the wanted nodes, and every node on a path from a root to a wanted one."""
        entering: dict[str, list[str]] = defaultdict(list)
        for edge in self.edges:
            entering[head(edge, way)].append(tail(edge, way))
        kept = {urn for urn in self.distance if wanted(urn)}
        queue = deque(kept)
        while queue:
            for other in entering[queue.popleft()]:
                if other not in kept:
                    kept.add(other)
                    queue.append(other)
        kept.update(urn for urn in roots if urn in self.distance)
        self._restrict_to({urn: distance for urn, distance in self.distance.items() if urn in kept})

    def _restrict_to(self, distance: dict[str, int], dropped: Iterable[Edge] = ()) -> None:
        lost_up: dict[str, set[str]] = defaultdict(set)
        lost_down: dict[str, set[str]] = defaultdict(set)
        edges = []
        for edge in self.edges:
            if edge.downstream in distance and edge.upstream in distance:
                edges.append(edge)
            elif edge.downstream in distance:
                lost_up[edge.downstream].add(edge.upstream)
            elif edge.upstream in distance:
                lost_down[edge.upstream].add(edge.downstream)
        shown = {(edge.downstream, edge.upstream) for edge in edges}
        for edge in dropped:
            if (edge.downstream, edge.upstream) not in shown:
                lost_up[edge.downstream].add(edge.upstream)
                lost_down[edge.upstream].add(edge.downstream)
        self.hidden_upstream = {urn: self.hidden_upstream.get(urn, 0) + len(lost_up[urn]) for urn in distance}
        self.hidden_downstream = {urn: self.hidden_downstream.get(urn, 0) + len(lost_down[urn]) for urn in distance}
        self.distance, self.edges = distance, edges


def shortest_paths(seeds: Mapping[str, tuple[int, ...]], edges: Iterable[Edge]) -> dict[str, tuple[int, ...]]:
    """One shortest path downstream, as positions in `edges`, to every node that `edges` reach from the seeds.

    `seeds` gives the nodes to start at and the path that already led there. Ties: the first edge wins.
    """
    leaving: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for position, edge in enumerate(edges):
        leaving[edge.upstream].append((position, edge.downstream))
    waiting: dict[int, list[tuple[str, tuple[int, ...], int | None]]] = defaultdict(list)  # by length: the node, the path so far, its last step
    for urn, path in seeds.items():
        waiting[len(path)].append((urn, path, None))
    paths: dict[str, tuple[int, ...]] = {}
    length = 0
    while waiting:
        for urn, path, last in waiting.pop(length, ()):
            if urn in paths:
                continue
            paths[urn] = path = path if last is None else (*path, last)
            waiting[length + 1] += [(other, path, position) for position, other in leaving.get(urn, ()) if other not in paths]
        length += 1
    return paths
