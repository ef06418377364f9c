"""The state of a run: the union of its events, and what it shows of itself.

A run is the union of its events, START to terminal, in whatever order they arrive. Its record is a small JSON value under
`run:<uuid>`; the facets its edges are computed from are kept once per content under `shows:<sha256>`, so that a job that runs
every minute does not keep them every minute.
"""
from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from lineproof_schema.openlineage import TERMINAL_STATES, OpenLineageEvent, run_uuid
from lineproof_schema.urn import UrnError
from metadata_service.projector.code import Code
from metadata_service.projector.dataset_facts import is_deleted, kept_facets, tags_of
from metadata_service.projector.names import job_urn, run_urn
from metadata_service.projector.parts import made_of
from metadata_service.projector.plain import as_dict, as_text, exact, instant, plain
from metadata_service.projector.view import Draft
from metadata_service.projector.words import Words

__all__ = ["PURPOSES", "RunEvent", "committed_at", "content_key", "digest_of", "has_settled", "is_terminal", "new_run", "once", "order_of",
           "parent_of", "project_run_facts", "run_key", "with_event"]

PURPOSES: Final = frozenset({"normal", "rerun", "rebuild", "backfill"})
_OURS: Final = frozenset({"lineproof_run", "lineproof_producer"})  # read by their content alone
_ENDLESS: Final = frozenset({"STREAMING", "SERVICE"})  # jobs with no natural completion point (JobTypeJobFacet 2-0-4)
_ORDER: Final = {None: -1, "OTHER": 0, "START": 1, "RUNNING": 2, "COMPLETE": 3, "FAIL": 3, "ABORT": 3}


def run_key(run_id: str) -> str:
    """State key of a run."""
    return f"run:{run_id}"


def content_key(digest: str) -> str:
    """State key of the facets that edges are computed from."""
    return f"shows:{digest}"


def digest_of(value: Any) -> str:
    """32 hex digits over a JSON value; key order does not matter."""
    return made_of(value, "digest", _digest_of)


def _digest_of(value: Any) -> str:
    try:
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # integers beyond 64 bits, lone surrogates
        text = orjson.dumps(plain(value), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()[:32]


def new_run(job: str) -> dict[str, Any]:
    """A run of which nothing is known but its job."""
    return {"job": job, "start": None, "started": False, "status": None, "statusAt": None, "purpose": "normal", "streaming": False, "code": None, "codeRank": 0,
            "commit": None, "sql": None, "in": [], "out": {}, "reads": {}, "writes": {}, "done": [], "counted": []}


def order_of(event: OpenLineageEvent) -> tuple[int, int]:
    """Where an event stands among those of its run: by claimed time, and of those of one moment a START comes first and an end last."""
    return exact(event.event_time_us), _ORDER[event.state]


def with_event(before: Mapping[str, Any], event: OpenLineageEvent, code: Code | None, sql: str | None) -> dict[str, Any]:
    """The run after one more of its events; inputs and outputs are the caller's. `sql` is None if another event says it better."""
    state = dict(before)
    time = exact(event.event_time_us)
    if event.state == "START":
        state["start"] = min(time, state["start"]) if state["started"] else time
        state["started"] = True
    elif not state["started"]:
        state["start"] = time if state["start"] is None else min(time, state["start"])
    if event.state in ("RUNNING", "COMPLETE"):
        state[event.state] = min(time, state.get(event.state, time))
    order = (_ORDER[event.state], time, event.state)
    if state["status"] is None or order >= (_ORDER[state["status"]], state["statusAt"], state["status"]):
        state["status"], state["statusAt"] = event.state, time
    purpose = as_text(as_dict(event.run_facets.get("lineproof_run")).get("purpose"))
    if purpose in PURPOSES and purpose != "normal":
        state["purpose"] = purpose
    if event.job is not None and str(as_dict(event.job.facets.get("jobType")).get("processingType")).upper() in _ENDLESS:
        state["streaming"] = True
    if code is not None and (code.rank, *order_of(event)) >= (state["codeRank"], *state.get("codeAt", ())):
        state["code"], state["codeRank"], state["codeAt"] = code.transformation, code.rank, list(order_of(event))
        state["commit"] = code.commit or state["commit"]
    if sql is not None:
        state["sql"] = sql
    return state


def is_terminal(state: Mapping[str, Any]) -> bool:
    """Whether the run ended, well or not."""
    return state["status"] in TERMINAL_STATES


def has_settled(state: Mapping[str, Any]) -> bool:
    """Whether what the run shows stands: it completed, or it is a streaming job that runs, or ran before it ended."""
    return state["status"] == "COMPLETE" or (state["streaming"] is True and "RUNNING" in (state["status"], *state))


def committed_at(state: Mapping[str, Any]) -> int:
    """When what the run wrote was first there (µs, claimed)."""
    first = [state[said] for said in ("COMPLETE", *(("RUNNING",) if state["streaming"] is True else ())) if said in state]
    return min(first, default=state["statusAt"]) if has_settled(state) else int(state["statusAt"])


def parent_of(event: OpenLineageEvent) -> tuple[str, dict[str, Any]] | None:
    """The parent run's URN and the `parent` fact, if the event names one."""
    facet = as_dict(event.run_facets.get("parent"))
    found = _named_run(facet)
    if found is None:
        return None
    run, job = found
    fact: dict[str, Any] = {"run": run, "job": job}
    root = _named_run(as_dict(facet.get("root")))
    if root is not None:
        fact["root"] = {"run": root[0], "job": root[1]}
    return run, fact


def _named_run(facet: Mapping[str, Any]) -> tuple[str, str] | None:
    run_id = as_text(as_dict(facet.get("run")).get("runId"))
    job = as_dict(facet.get("job"))
    namespace, name = as_text(job.get("namespace")) or "default", as_text(job.get("name"))
    if run_id is None or name is None:
        return None
    try:
        return run_urn(run_uuid(run_id, namespace, name)), job_urn(namespace, name)
    except UrnError:
        return None


def project_run_facts(draft: Draft, run: str, event: OpenLineageEvent, state: Mapping[str, Any], words: Words) -> None:
    """What is known of the run itself."""
    draft.revise(run, "status", state["status"])
    draft.revise(run, "startedAt", instant(state["start"]))
    if is_terminal(state):
        draft.revise(run, "endedAt", instant(state["statusAt"]))
    draft.revise(run, "purpose", state["purpose"])
    if state["commit"] is not None:
        draft.revise(run, "commit", state["commit"])
    if state["code"] is not None:
        draft.revise(run, "transformation", state["code"])
    if draft.fact(run, "signedBy") != "PRODUCER":  # a signed event outweighs its unsigned twin, whichever came first
        draft.revise(run, "signedBy", draft.entry.leaf.signed_by)
    own = as_dict(event.run_facets.get("lineproof_run"))
    if as_text(own.get("compiledDigest")) is not None:
        draft.revise(run, "compiledDigest", own["compiledDigest"])
    if isinstance(own.get("parameters"), dict):
        draft.revise(run, "parameters", own["parameters"])
    if event.run_id_original is not None:
        draft.revise(run, "originalRunId", event.run_id_original)
    for key, facet in kept_facets(event.run_facets).items():
        if key not in _OURS and words.stand(draft, run, key):
            draft.revise(run, f"facet:{key}", None if is_deleted(facet) else facet)
            if key == "tags":
                draft.revise(run, "tags", tags_of(facet) or None)


@dataclass(slots=True)
class RunEvent:
    """One event of a run on its way into the graph."""

    event: OpenLineageEvent
    job: str
    run: str
    run_id: str
    state: dict[str, Any]
    code: Code | None
    speaks: bool  # facts of job and datasets may change: a normal run of code that is not older than the job's
    words: Words  # which of its facets stand


def once(draft: Draft, at: RunEvent, kind: str, dst: str, **props: Any) -> None:
    """A link of the run; the run's own record remembers it."""
    mark = f"{kind} {dst}"
    if mark not in at.state["done"]:
        at.state["done"] = [*at.state["done"], mark]
        draft.link(kind, at.run, dst, known_new=True, **props)
