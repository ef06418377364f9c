"""OpenLineage run, job and dataset events."""
from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from lineproof_schema.openlineage import DatasetPart, OpenLineageEvent
from metadata_service.projector.code import Code, author_of, code_of_job, enrich, record_commit, sql_digest
from metadata_service.projector.dataset_facts import PER_RUN_FACETS, project_dataset_facets, project_job_facets
from metadata_service.projector.datasets import move_current_version, version_clock_key
from metadata_service.projector.derivations import derived_key, shown_by_key
from metadata_service.projector.edges import RANKS, SetId, Shown, is_late, merge, opened_key, out_key, remember_absorbed, set_key, settle
from metadata_service.projector.facets import content_of, job_lineage, show
from metadata_service.projector.lifecycle import exists_again, project_lifecycle, project_symlinks, set_state_keys
from metadata_service.projector.names import dataset_urn, job_urn, run_urn, run_version_urn, version_urn
from metadata_service.projector.plain import as_dict, as_list, as_text, exact, plain
from metadata_service.projector.runs import (
    content_key,
    digest_of,
    has_settled,
    instant,
    is_terminal,
    new_run,
    parent_of,
    project_run_facts,
    run_key,
    with_event,
)
from metadata_service.projector.view import Draft, Reads, Rejected, link_key

__all__ = ["mentions", "project_openlineage", "reads"]

Named = list[tuple[str, DatasetPart]]
_NO_PART: Final[Mapping[str, Any]] = {}


@lru_cache(65_536)
def job_code_key(job: str) -> str:
    """State key of the code that last spoke for a job: {code, start}."""
    return "jobcode:" + hashlib.sha256(job.encode()).hexdigest()[:32]


def seen_key(set_id: str) -> str:
    """State key of an edge set's counters: [last seen (µs), runs]."""
    return f"seen:{set_id}"


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


def reads(event: OpenLineageEvent, needed: Reads) -> None:
    """What projecting the event reads first."""
    needed.urns.update(mentions(event))
    if event.job is not None:
        needed.states.add(job_code_key(job_urn(event.job.namespace, event.job.name)))
    if event.kind == "run" and event.job is not None and event.run_id is not None:
        job = job_urn(event.job.namespace, event.job.name)
        needed.states.add(run_key(event.run_id))
        code = code_of_job(event.job)
        if code is not None:
            needed.urns.update(urn for urn in (code.transformation, code.commit, code.image) if urn)
        for part in event.outputs:
            output = dataset_urn(part.namespace, part.name)
            needed.states.update((out_key(job, output), version_clock_key(output), link_key("WRITES", job, output)))
            set_id = SetId("run", job, code.transformation if code else None, output).digest
            needed.states.update((set_key(set_id), seen_key(set_id)))
            needed.urns.add(run_version_urn(output, event.run_id))
        for part in event.inputs:
            needed.states.add(link_key("READS", job, dataset_urn(part.namespace, part.name)))
        parent = parent_of(event)
        if parent is not None:
            needed.urns.add(parent[0])


def project_openlineage(draft: Draft, event: OpenLineageEvent) -> None:
    """Project one event."""
    if event.warnings:
        draft.note(warnings=list(event.warnings))
    if event.kind == "dataset":
        _dataset_event(draft, event)
    elif event.kind == "job":
        _job_event(draft, event)
    else:
        _run_event(draft, event)


# -- runs

@dataclass(slots=True)
class _Run:
    """One event of a run on its way into the graph."""

    event: OpenLineageEvent
    job: str
    run: str
    run_id: str
    state: dict[str, Any]
    code: Code | None
    speaks: bool  # facts of job and datasets may change: a normal run of code that is not older than the job's


def _run_event(draft: Draft, event: OpenLineageEvent) -> None:
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
    state = with_event(before or new_run(job), event, code, sql_digest(sql) if sql is not None else None)
    draft.ensure(job)
    draft.ensure(run)
    draft.commit = state["commit"]
    at = _Run(event, job, run, event.run_id, state, code, _speaks(draft, job, state))
    project_run_facts(draft, run, event, state)
    _provenance(draft, at)
    if at.speaks:
        project_job_facets(draft, job, part)
    _inputs(draft, at)
    _outputs(draft, at, job_lineage(part))
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


def _provenance(draft: Draft, at: _Run) -> None:
    _once(draft, at, "OF", at.job)
    if at.code is not None and at.code.transformation == at.state["code"]:
        enrich(draft, at.code)
        draft.touch(at.code.transformation, "mention")
        _once(draft, at, "EXECUTED", at.code.transformation)
    if at.state["commit"] is not None:
        draft.need(urns=[at.state["commit"]])
        record_commit(draft, at.state["commit"])
        draft.actor = author_of(draft, at.state["commit"])
    parent = parent_of(at.event)
    if parent is not None and parent[0] != at.run:
        draft.ensure(parent[0])
        draft.touch(parent[0], "mention")
        draft.revise(at.run, "parent", parent[1])
        _once(draft, at, "CHILD_OF", parent[0])


def _once(draft: Draft, at: _Run, kind: str, dst: str, **props: Any) -> None:
    """A link of the run; the run's own record remembers it."""
    mark = f"{kind} {dst}"
    if mark not in at.state["done"]:
        at.state["done"] = [*at.state["done"], mark]
        draft.link(kind, at.run, dst, known_new=True, **props)


def _inputs(draft: Draft, at: _Run) -> None:
    per_run: dict[str, Any] = {}
    known = set(at.state["in"])
    for part in at.event.inputs:
        urn = dataset_urn(part.namespace, part.name)
        known.add(urn)
        draft.ensure(urn)
        draft.touch(urn, "mention")
        draft.link("READS", at.job, urn)
        version = as_text(as_dict(part.facets.get("version")).get("datasetVersion"))
        if version is not None:
            at.state["reads"] = {**at.state["reads"], urn: [version_urn(urn, version), False]}
        elif urn not in at.state["reads"]:
            current = draft.fact(urn, "currentVersion")
            if current is not None:
                at.state["reads"] = {**at.state["reads"], urn: [current, True]}
        _dataset_facets(draft, at, urn, part)
        kept = {**{key: facet for key, facet in part.facets.items() if key in PER_RUN_FACETS}, **part.io_facets}
        if kept:
            per_run[urn] = kept
            if draft.authority.in_scope(part.namespace):
                _assertions(draft, urn, part.io_facets)
    if per_run:
        draft.revise(at.run, "inputFacets", {**as_dict(draft.fact(at.run, "inputFacets")), **per_run})
    if len(known) != len(at.state["in"]):
        at.state["in"] = sorted(known)


def _assertions(draft: Draft, urn: str, facets: Mapping[str, Any]) -> None:
    for item in as_list(as_dict(facets.get("dataQualityAssertions")).get("assertions")):
        item = as_dict(item)
        check = as_text(item.get("name")) or as_text(item.get("assertion"))
        if check is not None and isinstance(item.get("success"), bool):
            column = as_text(item.get("column"))
            said = {key: item[key] for key in ("success", "severity", "expected", "actual", "column") if item.get(key) is not None}
            draft.revise(urn, f"quality:{check}" + (f":{column}" if column is not None else ""), said)


def _dataset_facets(draft: Draft, at: _Run, urn: str, part: DatasetPart) -> bool:
    """Facts, symlinks and lifecycle of a dataset; True if it is gone now. Outside the signer's scope they stay in the entry."""
    facets = part.facets
    if not facets or all(key == "version" for key in facets):
        return False
    if not draft.authority.in_scope(part.namespace):
        draft.ignore("facets", urn)
        return False
    if not at.speaks:
        return False
    project_dataset_facets(draft, urn, facets)
    if "symlinks" in facets:
        project_symlinks(draft, urn, facets["symlinks"])
    if "lifecycleStateChange" in facets:
        draft.need(states=set_state_keys(urn))
        return project_lifecycle(draft, urn, facets["lifecycleStateChange"])
    return False


def _outputs(draft: Draft, at: _Run, entries: Mapping[tuple[str, str], Mapping[str, Any]]) -> None:
    parts: dict[tuple[str, str], DatasetPart] = {}
    for part in (*at.event.outputs, *(DatasetPart(*key) for key in entries)):
        parts.setdefault((part.namespace, part.name), part)
    state = at.state
    for (namespace, name), part in parts.items():
        urn = dataset_urn(namespace, name)
        draft.need(urns=[urn])
        draft.ensure(urn)
        if not draft.authority.in_scope(namespace):
            draft.touch(urn, "mention")
            draft.ignore("output", urn)
            continue
        draft.touch(urn)
        draft.link("WRITES", at.job, urn)
        if _dataset_facets(draft, at, urn, part):
            state["out"] = {key: value for key, value in state["out"].items() if key != urn}
            state["writes"] = {key: value for key, value in state["writes"].items() if key != urn}
            continue
        _remember_output(draft, at, urn, part, entries.get((namespace, name)))
    if state["out"]:
        settled = has_settled(state)
        keys = [out_key(at.job, urn) for urn in state["out"]]
        identities = {urn: SetId("run", at.job, state["code"], urn) for urn in state["out"]}
        digests = {urn: identity.digest for urn, identity in identities.items()}
        derived = [derived_key(at.job, state["sql"])] if state["sql"] is not None else []
        draft.need(states=[*keys, *map(set_key, digests.values()), *map(seen_key, digests.values()), *derived])
        for urn in state["out"]:
            _edges(draft, at, urn, identities[urn], settled)
        if is_terminal(state) or settled:
            _written(draft, at, {dataset_urn(*key): part for key, part in parts.items()})


def _remember_output(draft: Draft, at: _Run, urn: str, part: DatasetPart, entry: Mapping[str, Any] | None) -> None:
    state = at.state
    known = state["out"].get(urn)
    if known is not None:
        draft.need(states=[content_key(known)])
    content = content_of(part, entry, draft.state(content_key(known)) if known is not None else None)
    digest = digest_of(content) if content is not None else None
    if digest is not None and digest != known:
        draft.need(states=[content_key(digest)])
        if draft.state(content_key(digest)) is None:
            draft.put(content_key(digest), plain(content))
    if urn not in state["out"] or state["out"][urn] != digest:
        state["out"] = {**state["out"], urn: digest}
    version = as_text(as_dict(part.facets.get("version")).get("datasetVersion"))
    if version is not None or urn not in state["writes"]:
        state["writes"] = {**state["writes"], urn: version_urn(urn, version) if version is not None else None}
    if at.speaks and at.code is not None and content is not None:
        columns = as_dict(content.get("lineproof_columns"))
        for fact in ("timePredicates", "windowFrames"):
            said = as_list(columns.get(fact))
            if said and draft.fact(at.code.transformation, fact) is None:
                draft.revise(at.code.transformation, fact, said)


def _edges(draft: Draft, at: _Run, output: str, identity: SetId, settled: bool) -> None:
    """Open, close and hand over the edges into one output, unless the run only adds provenance."""
    state, set_id = at.state, identity.digest
    out = draft.state(out_key(at.job, output))
    if state["purpose"] != "normal" or is_late(out, set_id, state["start"]):
        return
    if state["code"] is None and not settled and out is not None and out["current"] is not None:
        return  # its code may still be told; until then it must not disturb the code that is known
    digest = state["out"][output]
    derivation = as_dict(draft.state(derived_key(at.job, state["sql"]))) if state["sql"] is not None else {}
    held = draft.state(set_key(set_id))
    key = digest_of([digest, state["in"], derivation.get("id")])
    if not remember_absorbed(held, key):
        if digest is not None:
            draft.need(states=[content_key(digest)])
        content = draft.state(content_key(digest)) if digest is not None else None
        shown, rank = show(output, state["in"], content, as_dict(derivation.get("outputs")).get(output))
        ready_endpoints(draft, shown)
        first = draft.fact(state["code"], "commit") if state["code"] is not None else None
        merge(draft, identity, shown, rank=rank, firm=settled, commit=as_text(first) or state["commit"], key=key)
        if state["sql"] is not None and rank <= RANKS["derivation"]:
            listed = shown_by_key(at.job, state["sql"])
            draft.need(states=[listed])
            draft.put(listed, sorted({*(draft.state(listed) or []), set_id}))
    settle(draft, at.job, identity, takes_over=settled and state["code"] is not None, start=state["start"], run=at.run_id)
    _count(draft, at, set_id)


def ready_endpoints(draft: Draft, shown: Iterable[Shown]) -> None:
    """The nodes that edges name exist, if only by reference."""
    endpoints = dict.fromkeys(urn for edge in shown for urn in (edge.downstream, edge.upstream))
    draft.need(urns=endpoints, states=[opened_key(draft.entry.index)])
    for urn in endpoints:
        draft.ensure(urn)


def _count(draft: Draft, at: _Run, set_id: str) -> None:
    seen = draft.state(seen_key(set_id)) or [0, 0]
    counted = set_id in at.state["counted"]
    last, runs = max(seen[0], exact(at.event.event_time_us)), seen[1] + (0 if counted else 1)
    if not counted:
        at.state["counted"] = [*at.state["counted"], set_id]
    if [last, runs] != seen:
        draft.put(seen_key(set_id), [last, runs])
        draft.stat(set_id, last, runs)


def _written(draft: Draft, at: _Run, parts: Mapping[str, DatasetPart]) -> None:
    """The versions the run wrote; without a `version` facet only a completed run wrote one."""
    state = at.state
    for urn, named in state["writes"].items():
        if named is None and not has_settled(state):
            continue
        version = named or run_version_urn(urn, at.run_id)
        draft.need(urns=[version], states=[version_clock_key(urn)])
        draft.ensure(version)
        _once(draft, at, "GENERATED", version)
        part = parts.get(urn)
        facets = {**part.facets, **part.io_facets} if part is not None else _NO_PART
        for key in PER_RUN_FACETS & facets.keys():
            draft.revise(version, f"facet:{key}", facets[key])
        rows = as_dict(facets.get("outputStatistics")).get("rowCount")
        if isinstance(rows, int) and not isinstance(rows, bool) and draft.fact(version, "rowCount") is None:
            draft.revise(version, "rowCount", rows)
        if draft.fact(version, "run") is None:
            draft.revise(version, "run", at.run)
        if draft.fact(version, "committedAt") is None:
            draft.revise(version, "committedAt", instant(state["statusAt"]))
        set_id = SetId("run", at.job, state["code"], urn).digest
        if has_settled(state) and state["purpose"] == "normal" and not is_late(draft.state(out_key(at.job, urn)), set_id, state["start"]):
            exists_again(draft, urn)
            move_current_version(draft, urn, version, state["statusAt"])


def _pins(draft: Draft, at: _Run) -> None:
    """The versions the run read: exact ones at once, inferred ones when the run is over and no event said better."""
    over = is_terminal(at.state) or has_settled(at.state)
    pins = [(version, inferred) for version, inferred in at.state["reads"].values() if over or not inferred]
    draft.need(urns=[version for version, _ in pins])
    for version, inferred in pins:
        draft.ensure(version)
        _once(draft, at, "USED", version, inferred=inferred)


# -- declarations without a run

def _job_event(draft: Draft, event: OpenLineageEvent) -> None:
    """A job as declared: its edges only ever add up."""
    part = event.job
    if part is None:
        raise Rejected("invalid-openlineage", "a job event needs a job")
    job = job_urn(part.namespace, part.name)
    draft.touch(job)
    draft.ensure(job)
    project_job_facets(draft, job, part)
    code = code_of_job(part)
    if code is not None:
        draft.need(urns=[urn for urn in (code.transformation, code.commit, code.image) if urn])
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
        draft.need(urns=[urn], states=[link_key(kind, job, urn)])
        draft.ensure(urn)
        draft.touch(urn, "subject" if kind == "WRITES" else "mention")
        draft.link(kind, job, urn)
        found.append((urn, part))
        if part.facets:
            if draft.authority.in_scope(part.namespace):
                if _declared_facets(draft, urn, part):
                    found.pop()
            else:
                draft.ignore("facets", urn)
    return found


def _declared_facets(draft: Draft, urn: str, part: DatasetPart) -> bool:
    project_dataset_facets(draft, urn, part.facets)
    if "symlinks" in part.facets:
        project_symlinks(draft, urn, part.facets["symlinks"])
    return project_lifecycle(draft, urn, part.facets.get("lifecycleStateChange"))


def _declare(draft: Draft, identity: SetId, inputs: list[str], part: DatasetPart, entry: Mapping[str, Any] | None) -> None:
    shown, _ = show(identity.output, inputs, content_of(part, entry, None), None)
    declared = [_as_declared(edge) for edge in shown]
    ready_endpoints(draft, declared)
    draft.need(states=[set_key(identity.digest)])
    merge(draft, identity, declared, rank=RANKS["declared"], firm=True)


def _as_declared(edge: Shown) -> Shown:
    return replace(edge, basis="declared")


def _dataset_event(draft: Draft, event: OpenLineageEvent) -> None:
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
        draft.need(urns=[named], states=[version_clock_key(urn)])
        draft.ensure(named)
        move_current_version(draft, urn, named, exact(event.event_time_us))
