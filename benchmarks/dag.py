"""A layered graph of datasets, as warehouses have it: every table is made of a few tables of the layer before, mostly its neighbours."""
from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

from lineproof_schema.urn import format_urn
from metadata_service.graph.ops import CloseEdge, Edge, Family, GraphOp, OpenEdge, UpsertNode

__all__ = ["HALF", "LAYERS", "SIZE", "TENANT", "Dag", "bench_edge", "job_of"]

LAYERS = 20
REACH = 10  # a table is made of tables at most this many places to the side, so that what it is made of grows with depth and not without bound
TENANT = "ab" * 16
SIZE = 1_000  # the position the graph is brought to
HALF = 400  # edges open up to here, and their past versions a few positions later: half of SIZE shows what SIZE shows


@dataclass(frozen=True, slots=True)
class Dag:
    """`nodes` datasets in 20 layers with `edges` edges; `versions` closed versions of every edge lie in the past."""

    name: str
    nodes: int
    edges: int
    versions: int = 0

    @property
    def width(self) -> int:
        """Tables in a layer."""
        return self.nodes // LAYERS

    def urn(self, layer: int, place: int) -> str:
        """The table at a place of a layer; layer 0 is raw."""
        return format_urn("dataset", self.name, f"layer_{layer:02}.table_{place % self.width:05}")

    def roots(self, number: int) -> list[str]:
        """Tables of the last layer, spread over it."""
        return [self.urn(LAYERS - 1, place * self.width // number) for place in range(number)]

    def sources(self, number: int) -> list[str]:
        """Tables of the first layer that something is made of, spread over it."""
        second = {self.urn(1, place) for place in range(self.width)}
        read = sorted({upstream for _, upstream in takewhile(lambda pair: pair[0] in second, self.pairs())})
        return [read[place * len(read) // number] for place in range(number)]

    def operations(self) -> Iterator[GraphOp]:
        """Every node, then every edge with its past."""
        for layer in range(LAYERS):
            for place in range(self.width):
                yield UpsertNode(self.urn(layer, place), TENANT, 1)
        for number, (downstream, upstream) in enumerate(self.pairs()):
            yield from self._edge(number, downstream, upstream)

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Every (downstream, upstream)."""
        chance = random.Random(self.nodes)  # the same graph in every run
        tables = (LAYERS - 1) * self.width
        for table in range(tables):
            layer, place = divmod(table, self.width)
            degree = (table + 1) * self.edges // tables - table * self.edges // tables
            for side in chance.sample(range(-REACH, REACH + 1), degree):
                yield self.urn(layer + 1, place), self.urn(layer, place + side)

    def _edge(self, number: int, downstream: str, upstream: str) -> Iterator[GraphOp]:
        job = job_of(downstream)
        first = 1 + number % HALF
        for version in range(self.versions):
            edge = bench_edge(downstream, upstream, job, version, first + version)
            yield OpenEdge(edge)
            yield CloseEdge(edge, first + version + 1)
        yield OpenEdge(bench_edge(downstream, upstream, job, self.versions, first + self.versions))


def job_of(dataset: str) -> str:
    """The job that writes a dataset."""
    return dataset.replace(":dataset:", ":job:", 1)


def bench_edge(downstream: str, upstream: str, job: str, version: int = 0, from_: int = 1, family: Family = "DERIVED_FROM") -> Edge:
    """What a version of a job says."""
    transformation = f"{job.replace(':job:', ':transformation:', 1)}:{version:064x}"
    return Edge(family, downstream, upstream, f"{job}@{version}", job, transformation, f"urn:lineproof:commit:git.example%2Fbench:{version:040x}",
                "lineage", TENANT, from_, from_ - 1)
