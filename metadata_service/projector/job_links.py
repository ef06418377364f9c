"""What facets say of jobs and jobs: which waits for which, and which feeds which dataset or job.

These are links beside the walk, not lineage edges: an edge needs to know what was read. What a link says of another job needs
scope in that job's namespace; that one's own job waits for or is fed by another needs none.
Source: OpenLineage JobDependenciesRunFacet 1-0-1, LineageFacet 1-0-0 (LineageJobEntry, LineageJobInput).
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lineproof_schema.openlineage import JobPart, run_uuid
from lineproof_schema.urn import UrnError, parse_urn
from metadata_service.projector.facets import named_dataset, named_job
from metadata_service.projector.names import run_urn
from metadata_service.projector.plain import as_dict, as_list, as_text
from metadata_service.projector.view import Draft

__all__ = ["project_dependencies", "project_job_lineage"]

_RULES = {"dependency_type": "type", "sequence_trigger_rule": "sequence", "status_trigger_rule": "status"}


def project_dependencies(draft: Draft, job: str, run: str, facet: Mapping[str, Any]) -> None:
    """A `jobDependencies` facet: jobs, and where they are named their runs, that this one waits for or that wait for it."""
    for item in map(as_dict, as_list(facet.get("upstream"))):
        for own, other in _pairs(item, job, run):
            _link(draft, "DEPENDS_ON", own, other, **_rules(item))
    for item in map(as_dict, as_list(facet.get("downstream"))):
        named = _job(as_dict(item.get("job")), job)
        if named is None or not _may_say(draft, named):
            continue
        for own, other in _pairs(item, job, run):
            _link(draft, "DEPENDS_ON", other, own, **_rules(item))


def project_job_lineage(draft: Draft, job: str, part: JobPart) -> None:
    """What a job's `lineage` facet says of jobs: datasets they read or write without a run of theirs at hand, and jobs they are fed by."""
    for entry in map(as_dict, as_list(as_dict(part.facets.get("lineage")).get("entries"))):
        if entry.get("type") == "JOB":
            target = _job(entry, job)
            if target is None or not _may_say(draft, target):
                continue
            for item in map(as_dict, as_list(entry.get("inputs"))):
                source = _job(item, job) if item.get("type") == "JOB" else _dataset(item)
                if source is not None and source != target:
                    _link(draft, "FED_BY" if item.get("type") == "JOB" else "READS", target, source)
        else:
            _writers(draft, job, entry)


def _writers(draft: Draft, job: str, entry: Mapping[str, Any]) -> None:
    """The other jobs that feed a dataset; the event's own job is linked as the writer of its outputs."""
    dataset, namespace = _dataset(entry), as_text(entry.get("namespace"))
    if dataset is None or namespace is None or not draft.authority.in_scope(namespace):
        return  # the output itself says so in the outcome
    fields = (as_list(as_dict(field).get("inputs")) for field in as_dict(entry.get("fields")).values())
    for item in (as_dict(item) for items in (as_list(entry.get("inputs")), *fields) for item in items):
        source = _job(item, job) if item.get("type") == "JOB" else None
        if source is not None and source != job:
            _link(draft, "WRITES", source, dataset)


def _link(draft: Draft, kind: str, src: str, dst: str, **props: Any) -> None:
    for urn in (src, dst):
        draft.ensure(urn)
        draft.touch(urn, "mention")
    draft.link(kind, src, dst, **props)


def _rules(item: Mapping[str, Any]) -> dict[str, str]:
    return {name: item[key] for key, name in _RULES.items() if as_text(item.get(key)) is not None}


def _pairs(item: Mapping[str, Any], job: str, run: str) -> Iterable[tuple[str, str]]:
    """(this, the other), of the jobs and of the runs."""
    named = as_dict(item.get("job"))
    other = _job(named, job)
    if other is None or other == job:
        return
    yield job, other
    run_id = as_text(as_dict(item.get("run")).get("runId"))
    if run_id is not None:
        try:
            yield run, run_urn(run_uuid(run_id, *parse_urn(other).components))
        except UrnError:
            return


def _job(item: Mapping[str, Any], own: str) -> str | None:
    """The job an item names, `own` if it names none."""
    return own if as_text(item.get("namespace")) is None and as_text(item.get("name")) is None else named_job(item)


def _dataset(item: Mapping[str, Any]) -> str | None:
    return named_dataset(item) if item.get("type", "DATASET") == "DATASET" else None


def _may_say(draft: Draft, job: str) -> bool:
    namespace = parse_urn(job).namespace
    if namespace is None or draft.authority.in_scope(namespace):
        return True
    draft.ignore("job", job)
    return False
