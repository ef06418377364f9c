"""Jobs and datasets as declared, without a run: their edges only ever add up."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from lineproof_schema.openlineage import DatasetPart, OpenLineageEvent
from metadata_service.projector.code import code_of_job, enrich
from metadata_service.projector.dataset_facts import PER_RUN_FACETS, project_dataset_facets, project_job_facets
from metadata_service.projector.datasets import move_current_version
from metadata_service.projector.edges import RANKS, SetId, Shown, merge, ready_endpoints
from metadata_service.projector.facets import content_of, job_lineage, show
from metadata_service.projector.lifecycle import exists_again, project_lifecycle, project_symlinks
from metadata_service.projector.names import dataset_urn, job_urn, version_urn
from metadata_service.projector.plain import as_dict, as_text, exact
from metadata_service.projector.view import Draft, Rejected

__all__ = ["project_dataset_event", "project_job_event"]

Named = list[tuple[str, DatasetPart]]


def project_job_event(draft: Draft, event: OpenLineageEvent) -> None:
    """A job as declared: its edges only ever add up."""
    part = event.job
    if part is None:
        raise Rejected("invalid-openlineage", "a job event needs a job")
    job = job_urn(part.namespace, part.name)
    draft.touch(job)
    draft.ensure(job)
    project_job_facets(draft, job, part.facets)
    code = code_of_job(part)
    if code is not None:
        enrich(draft, code)
        draft.commit = code.commit
    entries = job_lineage(part)
    inputs = _declared_parts(draft, job, "READS", event.inputs)
    named = {(item.namespace, item.name): item for item in (*event.outputs, *(DatasetPart(*key) for key in entries))}
    for key, item in named.items():
        if not draft.authority.in_scope(item.namespace):
            draft.ensure(dataset_urn(*key))
            draft.touch(dataset_urn(*key), "mention")
            draft.ignore("output", dataset_urn(*key))
            continue
        for urn, said in _declared_parts(draft, job, "WRITES", [item]):
            _declare(draft, SetId("declared", job, None, urn), [upstream for upstream, _ in inputs], said, entries.get(key))


def _declared_parts(draft: Draft, job: str, kind: str, parts: Iterable[DatasetPart]) -> Named:
    found: Named = []
    for part in parts:
        urn = dataset_urn(part.namespace, part.name)
        draft.ensure(urn)
        draft.touch(urn, "subject" if kind == "WRITES" else "mention")
        draft.link(kind, job, urn)
        found.append((urn, part))
        if part.facets or part.io_facets:
            if draft.authority.in_scope(part.namespace):
                if _declared_facets(draft, urn, part):
                    found.pop()
            else:
                draft.ignore("facets", urn)
    return found


def _declared_facets(draft: Draft, urn: str, part: DatasetPart) -> bool:
    project_dataset_facets(draft, urn, part.facets)
    for key, facet in {**{key: part.facets[key] for key in PER_RUN_FACETS & part.facets.keys()}, **part.io_facets}.items():  # there is no run they go to
        if isinstance(facet, dict) and "\0" not in key:
            draft.revise(urn, f"facet:{key}", None if facet.get("_deleted") is True else facet)
    if "symlinks" in part.facets:
        project_symlinks(draft, urn, part.facets["symlinks"])
    return project_lifecycle(draft, urn, part.facets.get("lifecycleStateChange"))


def _declare(draft: Draft, identity: SetId, inputs: list[str], part: DatasetPart, entry: Mapping[str, Any] | None) -> None:
    shown, _ = show(identity.output, inputs, content_of(part, entry, None), None)
    declared = [_as_declared(edge) for edge in shown]
    ready_endpoints(draft, declared)
    merge(draft, identity, declared, rank=RANKS["declared"], firm=True)


def _as_declared(edge: Shown) -> Shown:
    return replace(edge, basis="declared")


def project_dataset_event(draft: Draft, event: OpenLineageEvent) -> None:
    """A dataset as declared, also a view without a job."""
    part = event.dataset
    if part is None:
        raise Rejected("invalid-openlineage", "a dataset event needs a dataset")
    urn = dataset_urn(part.namespace, part.name)
    draft.touch(urn)
    draft.ensure(urn)
    if _declared_facets(draft, urn, part):
        return
    exists_again(draft, urn)
    _declare(draft, SetId("declared", None, None, urn), [], part, None)
    version = as_text(as_dict(part.facets.get("version")).get("datasetVersion"))
    if version is not None:
        named = version_urn(urn, version)
        draft.ensure(named)
        move_current_version(draft, urn, named, exact(event.event_time_us))
