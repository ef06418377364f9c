"""Jobs and datasets as declared, without a run: their edges only ever add up."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lineproof_schema.openlineage import DatasetPart, JobPart, OpenLineageEvent
from metadata_service.projector.code import code_of_job, enrich, sql_digest
from metadata_service.projector.dataset_facts import (
    is_deleted,
    per_run_facets,
    project_assertions,
    project_dataset_facets,
    project_job_facets,
    remember_sources,
    standing_facets,
)
from metadata_service.projector.datasets import move_current_version
from metadata_service.projector.derivations import declared_sql_key, derived_key, shown_by_key
from metadata_service.projector.edge_rows import RANKS, slot_of
from metadata_service.projector.edges import SetId, identity_now, merge, ready_endpoints, take_back
from metadata_service.projector.facets import as_declared, content_of, job_lineage, show, taken_back_of
from metadata_service.projector.job_links import project_job_lineage
from metadata_service.projector.lifecycle import carry_on, exists_again, project_lifecycle
from metadata_service.projector.lives import claimed_at, ended_since
from metadata_service.projector.names import dataset_urn, job_urn, version_urn
from metadata_service.projector.plain import as_dict, as_list, as_text, exact
from metadata_service.projector.runs import order_of
from metadata_service.projector.symlinks import project_symlinks
from metadata_service.projector.view import Draft, Rejected
from metadata_service.projector.words import Words, listen

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
    words = _declared(draft, job, event)
    project_job_facets(draft, job, standing_facets(draft, words, job, part.facets))
    project_job_lineage(draft, job, part)
    code = code_of_job(part)
    if code is not None:
        enrich(draft, code)
        draft.commit = code.commit
    entries = job_lineage(part)
    inputs = _declared_parts(draft, job, "READS", event.inputs, words)
    named = {(item.namespace, item.name): item for item in (*event.outputs, *(DatasetPart(*key) for key in entries))}
    for key, item in named.items():
        if not draft.authority.in_scope(item.namespace):
            draft.ensure(dataset_urn(*key))
            draft.touch(dataset_urn(*key), "mention")
            draft.ignore("output", dataset_urn(*key))
            continue
        for urn, said in _declared_parts(draft, job, "WRITES", [item], words):
            _declare(draft, SetId("declared", job, None, urn), [upstream for upstream, _ in inputs], said, words, entries.get(key), part)


def _declared_parts(draft: Draft, job: str, kind: str, parts: Iterable[DatasetPart], words: Words) -> Named:
    found: Named = []
    for part in parts:
        urn = dataset_urn(part.namespace, part.name)
        draft.ensure(urn)
        draft.touch(urn, "subject" if kind == "WRITES" else "mention")
        draft.link(kind, job, urn)
        found.append((urn, part))
        if part.facets or part.io_facets:
            if draft.authority.in_scope(part.namespace):
                if _declared_facets(draft, urn, part, words):
                    found.pop()
            else:
                draft.ignore("facets", urn)
    return found


def _declared_facets(draft: Draft, urn: str, part: DatasetPart, words: Words) -> bool:
    facets = standing_facets(draft, words, urn, part.facets)
    project_dataset_facets(draft, urn, facets)
    project_assertions(draft, urn, as_list(as_dict({**facets, **part.io_facets}.get("dataQualityAssertions")).get("assertions")),
                       behind=not words.stand(draft, urn, "dataQualityAssertions"))
    for key, facet in per_run_facets(part).items():  # there is no run they go to
        if words.stand(draft, urn, key):
            draft.revise(urn, f"facet:{key}", None if is_deleted(facet) else facet)
    if "symlinks" in facets:
        project_symlinks(draft, urn, facets["symlinks"])
    ends = project_lifecycle(draft, urn, part.facets.get("lifecycleStateChange"), claimed_at(draft), last="lifecycleStateChange" in facets)
    if ended_since(draft, urn, claimed_at(draft)):
        carry_on(draft, urn, claimed_at(draft))
    return ends


def _declared(draft: Draft, urn: str, event: OpenLineageEvent) -> Words:
    """What of a declaration stands beside the entity's others."""
    key = f"declared:{urn}"
    words, record = listen(draft, as_dict(draft.state(key)), order_of(event), event)
    draft.put(key, record)
    return words


def _declare(draft: Draft, identity: SetId, inputs: list[str], part: DatasetPart, words: Words, entry: Mapping[str, Any] | None = None,
             job: JobPart | None = None) -> None:
    taken_back, output = taken_back_of(part, job), identity.output
    now = identity_now(draft, identity, claimed_at(draft))
    if now is None:
        return  # it came after the dataset's end
    identity = now
    content = content_of(part.facets, entry, taken_back)
    if taken_back:
        take_back(draft, identity, ("declared",))
    sql = _declared_sql(draft, identity, job, words)
    found = as_dict(as_dict(draft.state(derived_key(identity.via, sql))).get("outputs")).get(output) if identity.via and sql is not None else None
    shown, rank, told = show(output, inputs, content, found)
    last = all(words.last(output, name) for name in ("lineage", "columnLineage"))
    if rank > RANKS["inputsOutputs"] and last:
        remember_sources(draft, output, content, found)
    declared = [as_declared(edge, inputs) for edge in shown]
    if sql is not None:  # what was found in another statement before is not in this one
        take_back(draft, identity, ("derivation",), {slot_of(edge) for edge in declared})
    ready_endpoints(draft, declared)
    merge(draft, identity, declared, rank=0, firm=True, behind=not last, told=("declared", told) if told else None)
    for mention in part.mentions:  # named more than once, it is made of all that is said
        own, precise, told = show(output, (), content_of(mention, entry, taken_back), None)
        if precise >= rank:
            ready_endpoints(draft, own)
            merge(draft, identity, [as_declared(edge, inputs) for edge in own], rank=0, firm=True, behind=True, told=("declared", told) if told else None)


def _declared_sql(draft: Draft, identity: SetId, job: JobPart | None, words: Words) -> str | None:
    """The digest of the SQL text that the declared edges stand for, if this is the last word on it. What is derived from it is looked for there."""
    query = as_text(as_dict(job.facets.get("sql")).get("query")) if job is not None else None
    if query is None or identity.via is None or not words.last(identity.via, "sql"):
        return None
    sql, set_id = sql_digest(query), identity.digest
    draft.put(declared_sql_key(set_id), sql)
    draft.enlist(shown_by_key(identity.via, sql), set_id)
    return sql


def project_dataset_event(draft: Draft, event: OpenLineageEvent) -> None:
    """A dataset as declared, also a view without a job."""
    part = event.dataset
    if part is None:
        raise Rejected("invalid-openlineage", "a dataset event needs a dataset")
    urn = dataset_urn(part.namespace, part.name)
    draft.touch(urn)
    draft.ensure(urn)
    words = _declared(draft, urn, event)
    if _declared_facets(draft, urn, part, words):
        return
    exists_again(draft, urn, claimed_at(draft))
    _declare(draft, SetId("declared", None, None, urn), [], part, words)
    version = as_text(as_dict(part.facets.get("version")).get("datasetVersion"))
    if version is not None:
        named = version_urn(urn, version)
        draft.ensure(named)
        move_current_version(draft, urn, named, exact(event.event_time_us))
