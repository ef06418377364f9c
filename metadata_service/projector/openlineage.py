"""OpenLineage events: what they name, what they read, and whose rules they are."""
from __future__ import annotations

from collections.abc import Callable

from lineproof_schema.openlineage import OpenLineageEvent
from metadata_service.projector.code import code_of_job
from metadata_service.projector.declarations import project_dataset_event, project_job_event
from metadata_service.projector.edges import out_key, run_set, seen_key, set_key
from metadata_service.projector.lifecycle import life_key
from metadata_service.projector.names import dataset_urn, job_urn, run_urn, run_version_urn, version_clock_key
from metadata_service.projector.run_events import job_code_key, project_run_event
from metadata_service.projector.runs import (
    parent_of,
    run_key,
)
from metadata_service.projector.view import Draft, Reads, link_key
from metadata_service.projector.words import said_key, shape_digest, shape_of

__all__ = ["mentions", "project_openlineage", "reads"]


def mentions(event: OpenLineageEvent) -> dict[str, str]:
    """The entities an event names, with their role; used for rejected events too."""
    roles: dict[str, str] = {}
    if event.job is not None:
        roles[job_urn(event.job.namespace, event.job.name)] = "subject"
    if event.run_id is not None:
        roles[run_urn(event.run_id)] = "subject"
    for part in (*event.outputs, *((event.dataset,) if event.dataset else ())):
        roles[dataset_urn(part.namespace, part.name)] = "subject"
    for part in event.inputs:
        roles.setdefault(dataset_urn(part.namespace, part.name), "mention")
    return roles


def reads(event: OpenLineageEvent, needed: Reads, known: Callable[[str], bool]) -> None:
    """What projecting the event reads first, but for what is `known`: with a job come its datasets."""
    job = job_urn(event.job.namespace, event.job.name) if event.job is not None else None
    if event.run_id is not None:
        needed.urns.add(run_urn(event.run_id))
        needed.states.add(run_key(event.run_id))
        needed.urns.update(run_version_urn(dataset_urn(part.namespace, part.name), event.run_id) for part in event.outputs)
        parent = parent_of(event)
        if parent is not None:
            needed.urns.add(parent[0])
    if job is not None and known(job):
        return
    needed.urns.update(mentions(event))
    needed.states.add(said_key(shape_digest(shape_of(event))))
    if job is not None:
        needed.states.add(job_code_key(job))
    if event.kind == "run" and event.job is not None and job is not None:
        code = code_of_job(event.job)
        if code is not None:
            needed.urns.update(urn for urn in (code.transformation, code.commit, code.image) if urn)
        for part in event.outputs:
            output = dataset_urn(part.namespace, part.name)
            needed.states.update((out_key(job, output), version_clock_key(output), link_key("WRITES", job, output)))
            set_id = run_set(job, code.transformation if code else None, output).digest
            needed.states.update((set_key(set_id), seen_key(set_id)))
            if "lifecycleStateChange" in part.facets:
                needed.states.add(life_key(output))
        for part in event.inputs:
            needed.states.add(link_key("READS", job, dataset_urn(part.namespace, part.name)))


def project_openlineage(draft: Draft, event: OpenLineageEvent) -> None:
    """Project one event."""
    if event.warnings:
        draft.note(warnings=list(event.warnings))
    if event.kind == "dataset":
        project_dataset_event(draft, event)
    elif event.kind == "job":
        project_job_event(draft, event)
    else:
        project_run_event(draft, event)
