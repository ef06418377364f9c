"""One event of a run: whose run it is, what it ran, what it read."""
from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from lineproof_schema.openlineage import DatasetPart, OpenLineageEvent
from metadata_service.projector.code import author_of, code_of_job, enrich, record_commit, sql_digest
from metadata_service.projector.dataset_facts import is_deleted, per_run_facets, project_job_facets, standing_facets
from metadata_service.projector.facets import job_lineage
from metadata_service.projector.job_links import project_dependencies, project_job_lineage
from metadata_service.projector.names import dataset_urn, job_urn, run_urn, version_urn
from metadata_service.projector.plain import as_dict, as_text
from metadata_service.projector.run_outputs import dataset_facets, project_outputs, remember_facets
from metadata_service.projector.runs import (
    RunEvent,
    has_settled,
    is_terminal,
    new_run,
    once,
    order_of,
    parent_of,
    project_run_facts,
    run_key,
    with_event,
)
from metadata_service.projector.view import Draft, Rejected
from metadata_service.projector.words import listen

__all__ = ["job_code_key", "project_run_event"]


@lru_cache(65_536)
def job_code_key(job: str) -> str:
    """State key of the code that last spoke for a job: {code, start}."""
    return "jobcode:" + hashlib.sha256(job.encode()).hexdigest()[:32]


def project_run_event(draft: Draft, event: OpenLineageEvent) -> None:
    part = event.job
    if part is None or event.run_id is None:
        raise Rejected("invalid-openlineage", "a run event needs a job and a run")
    job, run = job_urn(part.namespace, part.name), run_urn(event.run_id)
    for urn in (job, run):
        draft.touch(urn)
    before = draft.state(run_key(event.run_id))
    if before is not None and before["job"] != job:
        raise Rejected("out-of-scope", "the run belongs to the job of its first entry", status="ignored", job=before["job"])
    code = code_of_job(part)
    sql = as_text(as_dict(part.facets.get("sql")).get("query"))
    words, record = listen(draft, before, order_of(event), event)
    state = {**with_event(before or new_run(job), event, code, sql_digest(sql) if sql is not None and words.stand(draft, job, "sql") else None), **record}
    draft.ensure(job)
    draft.ensure(run)
    draft.commit = state["commit"]
    if code is not None and code.transformation != state["code"]:
        code = None  # another event of the run says better what it ran; of this one nothing may be known
    at = RunEvent(event, job, run, event.run_id, state, code, _speaks(draft, job, state), words)
    project_run_facts(draft, run, event, state, words)
    _provenance(draft, at)
    project_dependencies(draft, job, run, as_dict(event.run_facets.get("jobDependencies")))
    project_job_lineage(draft, job, part)
    if at.speaks:
        project_job_facets(draft, job, standing_facets(draft, words, job, part.facets))
    _inputs(draft, at)
    project_outputs(draft, at, job_lineage(part))
    _pins(draft, at)
    draft.put(run_key(event.run_id), state)


def _speaks(draft: Draft, job: str, state: Mapping[str, Any]) -> bool:
    known = draft.state(job_code_key(job))
    code, start = state["code"], state["start"]
    if state["purpose"] != "normal" or (known is not None and known["code"] != code and start < known["start"]):
        return False
    if code is not None and (known is None or known["code"] != code):
        draft.put(job_code_key(job), {"code": code, "start": start})
    return True


def _provenance(draft: Draft, at: RunEvent) -> None:
    once(draft, at, "OF", at.job)
    if at.code is not None:
        enrich(draft, at.code)
        for name in ("image", "lockfile"):  # a version of code keeps those it came with; a run may have others
            if at.code.facts.get(name) not in (None, draft.fact(at.code.transformation, name)):
                draft.revise(at.run, name, at.code.facts[name])
        digest = as_text(as_dict(at.event.job.facets.get("lineproof_transformation")).get("parametersDigest")) if at.event.job is not None else None
        if digest is not None:
            draft.revise(at.run, "parametersDigest", digest)
        draft.touch(at.code.transformation, "mention")
        once(draft, at, "EXECUTED", at.code.transformation)
    if at.state["commit"] is not None:
        record_commit(draft, at.state["commit"])
        draft.actor = author_of(draft, at.state["commit"])
    parent = parent_of(at.event)
    if parent is not None and parent[0] != at.run and at.words.stand(draft, at.run, "parent"):
        draft.ensure(parent[0])
        draft.touch(parent[0], "mention")
        draft.revise(at.run, "parent", parent[1])
        once(draft, at, "CHILD_OF", parent[0])
        root = as_text(as_dict(parent[1].get("root")).get("run"))
        if root is not None and root != at.run:
            draft.ensure(root)
            once(draft, at, "ROOT", root)


def _inputs(draft: Draft, at: RunEvent) -> None:
    per_run: dict[str, Any] = {}
    known = set(at.state["in"])
    for part in at.event.inputs:
        urn = dataset_urn(part.namespace, part.name)
        known.add(urn)
        draft.ensure(urn)
        draft.touch(urn, "mention")
        draft.link("READS", at.job, urn)
        version = as_text(as_dict(part.facets.get("version")).get("datasetVersion")) if at.words.last(urn, "version") else None
        if version is not None:
            at.state["reads"] = {**at.state["reads"], urn: [version_urn(urn, version), False]}
        elif urn not in at.state["reads"]:
            current = draft.fact(urn, "currentVersion")
            if current is not None:
                at.state["reads"] = {**at.state["reads"], urn: [current, True]}
        dataset_facets(draft, at, urn, part)
        kept = per_run_facets(part)
        if kept:
            per_run[urn] = kept
            _as_last_read(draft, at, urn, part)
    remember_facets(draft, at, "inputFacets", per_run)
    if len(known) != len(at.state["in"]):
        at.state["in"] = sorted(known)


def _as_last_read(draft: Draft, at: RunEvent, urn: str, part: DatasetPart) -> None:
    """The version a reader names says which one is current only of what no writer ever spoke of."""
    facet = part.facets.get("version")
    if isinstance(facet, dict) and at.speaks and draft.authority.in_scope(part.namespace) and draft.fact(urn, "currentVersion") is None \
            and at.words.stand(draft, urn, "version"):
        draft.revise(urn, "facet:version", None if is_deleted(facet) else facet)


def _pins(draft: Draft, at: RunEvent) -> None:
    """The versions the run read: exact ones at once, inferred ones when the run is over and no event said better."""
    over = is_terminal(at.state) or has_settled(at.state)
    pins = [(version, inferred) for version, inferred in at.state["reads"].values() if over or not inferred]
    for version, inferred in pins:
        draft.ensure(version)
        once(draft, at, "USED", version, inferred=inferred)
