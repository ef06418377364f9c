"""Graphs of shapes that hurt walks, columns, and models in use at the end of pipelines; and how graphs get into a store."""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Protocol

from benchmarks.dag import LAYERS, SIZE, TENANT, Dag, bench_edge, job_of
from lineproof_schema.urn import format_urn, parse_urn
from metadata_service.graph.open import open_graph
from metadata_service.graph.ops import GraphOp, Link, OpenEdge, Revise, UpsertNode
from metadata_service.graph.port import GraphStore

__all__ = ["Chain", "Columns", "Diamond", "FanOut", "Models", "Shape", "fill", "load"]

BATCH = 10_000  # operations applied in one transaction


class Shape(Protocol):
    """Part of a graph."""

    def operations(self) -> Iterator[GraphOp]:
        """Every node before what hangs on it."""


@dataclass(frozen=True, slots=True)
class FanOut:
    """A dataset that many read, each by a job of its own."""

    name: str
    consumers: int

    @property
    def hub(self) -> str:
        """What all read."""
        return format_urn("dataset", self.name, "hub")

    def consumer(self, number: int) -> str:
        """One reader."""
        return format_urn("consumer", self.name, f"dashboard_{number:05}")

    def operations(self) -> Iterator[GraphOp]:
        """The hub, its readers, and an edge each."""
        readers = [self.consumer(number) for number in range(self.consumers)]
        yield from _nodes([self.hub, *readers])
        for number, reader in enumerate(readers):
            yield OpenEdge(bench_edge(reader, self.hub, format_urn("job", self.name, f"job_{number:05}")))


@dataclass(frozen=True, slots=True)
class Chain:
    """Datasets in a row, each made of the one before."""

    name: str
    length: int

    def urn(self, step: int) -> str:
        """The dataset after so many steps."""
        return format_urn("dataset", self.name, f"step_{step:05}")

    def operations(self) -> Iterator[GraphOp]:
        """The datasets, then the steps."""
        urns = [self.urn(step) for step in range(self.length + 1)]
        yield from _nodes(urns)
        for up, down in pairwise(urns):
            yield OpenEdge(bench_edge(down, up, job_of(down)))


@dataclass(frozen=True, slots=True)
class Diamond:
    """Layers in which every dataset is made of the whole layer before: `width` to the power of the layers is the number of paths."""

    name: str
    layers: int
    width: int

    def urn(self, layer: int, place: int = 0) -> str:
        """A dataset of a layer."""
        return format_urn("dataset", self.name, f"layer_{layer:02}.table_{place:03}")

    def operations(self) -> Iterator[GraphOp]:
        """The datasets, then every pair of neighbouring layers."""
        layers = [[self.urn(layer, place) for place in range(self.width)] for layer in range(self.layers)]
        yield from _nodes(urn for layer in layers for urn in layer)
        for below, above in pairwise(layers):
            for down in above:
                yield from (OpenEdge(bench_edge(down, up, job_of(down))) for up in below)


@dataclass(frozen=True, slots=True)
class Columns:
    """A layered graph whose tables have columns, each made of the columns of the same name above."""

    dag: Dag
    names: tuple[str, ...] = ("amount", "country", "customer", "day", "id")

    def roots(self, number: int) -> list[str]:
        """Columns of tables of the last layer."""
        return [_column(urn, self.names[0]) for urn in self.dag.roots(number)]

    def sources(self, number: int) -> list[str]:
        """Columns of tables of the first layer."""
        return [_column(urn, self.names[0]) for urn in self.dag.sources(number)]

    def operations(self) -> Iterator[GraphOp]:
        """The tables and their edges, the columns, then theirs."""
        yield from self.dag.operations()
        tables = [self.dag.urn(layer, place) for layer in range(LAYERS) for place in range(self.dag.width)]
        for table in tables:
            columns = [_column(table, name) for name in self.names]
            yield from _nodes(columns)
            yield from (Link("COLUMN_OF", column, table, 1) for column in columns)
        for down, up in self.dag.pairs():
            for name in self.names:
                yield OpenEdge(bench_edge(_column(down, name), _column(up, name), job_of(down), family="COLUMN_DERIVED_FROM"))


@dataclass(frozen=True, slots=True)
class Models:
    """A model version trained on each table of the last layer of `dag` (which is loaded before), deployed and in use."""

    dag: Dag

    def operations(self) -> Iterator[GraphOp]:
        """Versions, deployments and what they are made of."""
        for place in range(self.dag.width):
            table, name = self.dag.urn(LAYERS - 1, place), f"model_{place:05}"
            version, deployment = format_urn("model-version", self.dag.name, name, "1"), format_urn("deployment", self.dag.name, name, "production")
            yield from _nodes([version, deployment])
            yield OpenEdge(bench_edge(version, table, format_urn("job", self.dag.name, f"train_{place:05}")))
            yield Link("DEPLOYS", deployment, version, 1)
            yield from (Revise(deployment, fact, value, 1) for fact, value in (("live", True), ("environment", "production")))


def _nodes(urns: Iterable[str]) -> Iterator[GraphOp]:
    return (UpsertNode(urn, TENANT, 1) for urn in urns)


def _column(table: str, name: str) -> str:
    return format_urn("column", *parse_urn(table).components, name)


async def load(url: str, shapes: Iterable[Shape], root: str, *, first: bool) -> dict[str, int]:
    """Bring the graph at `url` to SIZE with these shapes, past the log and the projector, or add them to what stands there; its counts."""
    graph = open_graph(url)
    if first:
        await graph.setup()
    await fill(graph, shapes, root, stands=0 if first else SIZE)
    counts = await graph.counts()
    await graph.close()
    return counts


async def fill(graph: GraphStore, shapes: Iterable[Shape], root: str, *, stands: int) -> None:
    """Apply the operations in large batches; the graph stands at SIZE from the first one on."""
    operations = (operation for shape in shapes for operation in shape.operations())
    while batch := list(islice(operations, BATCH)):
        await graph.apply(batch, expected_size=stands, size=SIZE, root=root, digest_delta=0)
        stands = SIZE
