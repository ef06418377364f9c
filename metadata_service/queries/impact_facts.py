"""What is told about affected entities beside the path: owners, the last materialization and run, where a model is live."""
from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from lineproof_schema.urn import holder, kind_of
from metadata_service.graph.ops import Edge
from metadata_service.graph.port import NodeRow
from metadata_service.queries.activity import RunRef, VersionRef, current_versions, last_runs, runs
from metadata_service.queries.context import QueryContext
from metadata_service.queries.impact_shapes import LiveDeployment, Materialization
from metadata_service.queries.mask import hidden

__all__ = ["Facts"]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is told about affected entities beside the path."""

    rows: Mapping[str, NodeRow]
    materialized: Mapping[str, Materialization]  # by dataset
    last: Mapping[str, RunRef]  # by job
    jobs: Mapping[str, set[str]]  # entity -> jobs that write it
    own_runs: Mapping[str, RunRef]  # by run
    deployments: Mapping[str, tuple[LiveDeployment, ...]]
    stored_in: Mapping[str, str]  # feature version -> dataset

    @classmethod
    async def load(cls, context: QueryContext, urns: Collection[str], rows: Mapping[str, NodeRow], edges: Sequence[Edge]) -> Facts:
        jobs: dict[str, set[str]] = {}
        for made, job in {(holder(edge.downstream), edge.via) for edge in edges}:
            if job is not None and kind_of(made) == "dataset":
                jobs.setdefault(made, set()).add(job)
        stored: dict[str, str] = {}
        for edge in edges:
            if kind_of(edge.downstream) == "feature-version":
                stored.setdefault(edge.downstream, holder(edge.upstream))
        datasets = {holder(urn) for urn in urns if kind_of(holder(urn)) == "dataset"} | set(stored.values())
        current = await current_versions(context, {urn for urn in datasets if kind_of(urn) == "dataset"} - await hidden(context, datasets), rows)
        trained = {urn: _text(rows[urn].facts.get("run")) for urn in urns if urn in rows and rows[urn].kind == "model-version"}
        written = await runs(context, {version.run for version in current.values() if version.run} | {run for run in trained.values() if run})
        visible_jobs = {job for found in jobs.values() for job in found} - await hidden(context, {job for found in jobs.values() for job in found})
        return cls(rows, {dataset: _materialization(version, written) for dataset, version in current.items()}, await last_runs(context, visible_jobs), jobs,
                   {urn: written[run] for urn, run in trained.items() if run in written}, await _live(context, list(trained)), stored)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _materialization(version: VersionRef, written: Mapping[str, RunRef]) -> Materialization:
    run = written.get(version.run or "")
    at = version.committed_at or (run.ended_at or run.started_at if run else None)
    return Materialization(version.urn, version.id, version.run, run.status if run else None, at, version.row_count)


async def _live(context: QueryContext, models: Sequence[str]) -> dict[str, tuple[LiveDeployment, ...]]:
    links = await context.graph.provenance(models, ["DEPLOYS"], context.at) if models else {}
    masked = await hidden(context, {link.src for row in links.values() for link in row.into})
    context.notes.restrict(len(masked))
    by_model = {urn: [link.src for link in row.into if link.src not in masked] for urn, row in links.items()}
    rows = await context.graph.get(sorted({urn for found in by_model.values() for urn in found}), context.at)
    return {model: tuple(LiveDeployment(urn, rows[urn].facts.get("environment")) for urn in found if urn in rows and rows[urn].facts.get("live"))
            for model, found in by_model.items()}
