"""What the graph knew, right after an entry, of the tables a statement names: which datasets they are and which columns those have."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

from metadata_service.deriver.findings import Resolved
from metadata_service.deriver.names import dotted, last_part, meant
from metadata_service.deriver.plain_run import NamedDataset, PlainRun, columns_of
from metadata_service.graph.port import GraphStore, NodeRow
from metadata_service.projector.names import dataset_urn
from metadata_service.projector.plain import as_list

__all__ = ["Known", "resolve"]

MAX_FOUND: Final = 200  # datasets whose name contains that of a table; more do not tell which one is meant
MAX_TABLES: Final = 300  # of one statement that are looked up beyond those the run names


@dataclass(frozen=True, slots=True)
class Known:
    """The datasets that a run names, with their columns as they stood at a position."""

    run: PlainRun
    datasets: Mapping[tuple[str, str], NamedDataset]

    @classmethod
    async def of(cls, graph: GraphStore, run: PlainRun, *, tenant: str, at: int) -> Self:
        """Look them up."""
        named = {(part.namespace, part.name): part for part in (*run.outputs, *run.inputs)}
        urns = {dataset_urn(*key): key for key in named}
        nodes = await graph.get(sorted(urns), at)
        return cls(run, {key: _with_columns(named[key], nodes.get(urn), tenant) for urn, key in urns.items()})

    def now(self, dataset: NamedDataset) -> NamedDataset:
        """The dataset with its columns."""
        return self.datasets[dataset.namespace, dataset.name]

    def inputs(self) -> list[NamedDataset]:
        """What the run reads."""
        return [self.now(part) for part in self.run.inputs]

    def run_with(self, outputs: Sequence[NamedDataset]) -> PlainRun:
        """The run, its outputs with columns."""
        return replace(self.run, outputs=tuple(outputs))

    @staticmethod
    def schema(tables: Mapping[str, NamedDataset], outputs: Iterable[NamedDataset]) -> dict[str, dict[str, str]]:
        """What the parser is told: columns by the name a table is written with, and by the names the outputs are asked by."""
        asked = {dotted(name): output for output in outputs for name in (output.name, *output.aliases)}
        return {name: dict(dataset.columns) for name, dataset in sorted({**asked, **tables}.items()) if dataset.columns}


async def resolve(graph: GraphStore, known: Known, tables: Sequence[str], *, tenant: str, at: int) -> Resolved:
    """What each table means: an input of the run, else an output, else a dataset that the graph had then in the namespaces of the run.

    Only datasets of `tenant` are looked for: what others have is not told by a name alone.
    """
    datasets: dict[str, NamedDataset] = {}
    problems: dict[str, str] = {}
    outputs = [known.now(part) for part in known.run.outputs]
    namespaces = sorted({namespace for namespace, _ in known.datasets})
    for number, table in enumerate(tables):
        found = meant(table, known.inputs()) or meant(table, outputs)
        if not found and number < MAX_TABLES:
            found = meant(table, await _of_graph(graph, last_part(table), namespaces, tenant, at))
        if len(found) == 1:
            datasets[table] = found[0]
        else:
            problems[table] = f"{'ambiguous' if found else 'unknown'}-table:{table[:100]}"
    return Resolved(datasets, problems)


async def _of_graph(graph: GraphStore, name: str, namespaces: Sequence[str], tenant: str, at: int) -> list[NamedDataset]:
    page = await graph.search(name, ["dataset"], namespaces, None, MAX_FOUND)
    if page.after is not None:
        return []
    nodes = await graph.get(sorted(row.urn for row in page.rows if row.tenant == tenant and row.namespace in namespaces), at)
    return [_with_columns(NamedDataset(node.namespace or "", node.name), node, tenant) for node in nodes.values()]


def _with_columns(named: NamedDataset, node: NodeRow | None, tenant: str) -> NamedDataset:
    """Columns as the graph had them; else as the run told them. What belongs to another tenant is not looked into."""
    facts = node.facts.get("schema") if node is not None and node.tenant == tenant else None
    return replace(named, columns=columns_of(as_list(facts)) or named.columns)
