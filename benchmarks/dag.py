"""A layered graph of datasets, as warehouses have it: every table is made of a few tables of the layer before, mostly its neighbours."""
from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from lineproof_audit.reader import LogReader
from lineproof_schema.urn import format_urn
from metadata_service.graph.open import open_graph
from metadata_service.graph.ops import CloseEdge, Edge, GraphOp, OpenEdge, UpsertNode

__all__ = ["HALF", "SIZE", "Dag", "load"]

LAYERS = 20
REACH = 10  # a table is made of tables at most this many places to the side, so that what it is made of grows with depth and not without bound
TENANT = "ab" * 16
SIZE = 1_000  # the position the graph is brought to
HALF = 400  # edges open up to here, and their past versions a few positions later: half of SIZE shows what SIZE shows
BATCH = 10_000  # operations applied in one transaction


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

    def operations(self) -> Iterator[GraphOp]:
        """Every node, then every edge with its past."""
        for layer in range(LAYERS):
            for place in range(self.width):
                yield UpsertNode(self.urn(layer, place), TENANT, 1)
        for number, (downstream, upstream) in enumerate(self._pairs()):
            yield from self._edge(number, downstream, upstream)

    def _pairs(self) -> Iterator[tuple[str, str]]:
        chance = random.Random(self.nodes)  # the same graph in every run
        tables = (LAYERS - 1) * self.width
        for table in range(tables):
            layer, place = divmod(table, self.width)
            degree = (table + 1) * self.edges // tables - table * self.edges // tables
            for side in chance.sample(range(-REACH, REACH + 1), degree):
                yield self.urn(layer + 1, place), self.urn(layer, place + side)

    def _edge(self, number: int, downstream: str, upstream: str) -> Iterator[GraphOp]:
        job = downstream.replace(":dataset:", ":job:", 1)
        first = 1 + number % HALF
        for version in range(self.versions):
            edge = _edge(downstream, upstream, job, version, first + version)
            yield OpenEdge(edge)
            yield CloseEdge(edge, first + version + 1)
        yield OpenEdge(_edge(downstream, upstream, job, self.versions, first + self.versions))


def _edge(downstream: str, upstream: str, job: str, version: int, from_: int) -> Edge:
    transformation = f"{job.replace(':job:', ':transformation:', 1)}:{version:064x}"
    return Edge("DERIVED_FROM", downstream, upstream, f"{job}@{version}", job, transformation, f"urn:lineproof:commit:git.example%2Fbench:{version:040x}",
                "lineage", TENANT, from_, from_ - 1)


async def load(url: str, dags: list[Dag], reader: LogReader) -> dict[str, int]:
    """Bring the graph at `url` to SIZE by applying operations in large batches, past the log and the projector; its counts."""
    graph = open_graph(url)
    await graph.setup()
    size = 0
    for dag in dags:
        for batch in _batches(dag.operations()):
            await graph.apply(batch, expected_size=size, size=size + 1, root=reader.root_at(size + 1).hex(), digest_delta=0)
            size += 1
    await graph.apply([], expected_size=size, size=SIZE, root=reader.root_at(SIZE).hex(), digest_delta=0)
    counts = await graph.counts()
    await graph.close()
    return counts


def _batches(operations: Iterator[GraphOp]) -> Iterator[list[GraphOp]]:
    while batch := list(islice(operations, BATCH)):
        yield batch
