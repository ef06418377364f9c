"""What a run wrote: datasets, the edges into them, their versions."""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lineproof_schema.openlineage import DatasetPart
from metadata_service.projector.dataset_facts import (
    is_deleted,
    per_run_facets,
    project_assertions,
    project_dataset_facets,
    remember_sources,
    standing_facets,
    unsaid,
)
from metadata_service.projector.datasets import move_current_version
from metadata_service.projector.derivations import derived_key, shown_by_key
from metadata_service.projector.edge_rows import RANKS, basis_of
from metadata_service.projector.edges import (
    SetId,
    identity_now,
    is_late,
    merge,
    out_key,
    ready_endpoints,
    remember_absorbed,
    run_set,
    seen_key,
    set_key,
    settle,
    take_back,
)
from metadata_service.projector.facets import JOB_LINEAGE, content_of, show, superseded, taken_back_of, union_of
from metadata_service.projector.lifecycle import ENDS, carry_on, change_of, exists_again, project_lifecycle
from metadata_service.projector.lives import claimed_at, ended_since
from metadata_service.projector.macros import macro_places, macros_fact
from metadata_service.projector.names import dataset_urn, run_version_urn, version_urn
from metadata_service.projector.plain import as_dict, as_list, as_text, exact, instant, plain
from metadata_service.projector.runs import (
    RunEvent,
    committed_at,
    content_key,
    digest_of,
    has_settled,
    is_terminal,
    once,
    order_of,
)
from metadata_service.projector.symlinks import project_symlinks
from metadata_service.projector.view import Draft
from metadata_service.projector.words import last_said

__all__ = ["dataset_facets", "project_outputs", "remember_facets"]


def dataset_facets(draft: Draft, at: RunEvent, urn: str, part: DatasetPart, *, behind: bool = False) -> None:
    """Facts, symlinks and lifecycle of a dataset. Outside the signer's scope they stay in the entry.

    `behind` says that another run of this code was already seen to say more lately what it wrote.
    """
    facets: Mapping[str, Any] = part.facets
    asserted = as_list(as_dict({**facets, **part.io_facets}.get("dataQualityAssertions")).get("assertions"))
    if not asserted and all(key == "version" for key in facets):
        return
    if not draft.authority.in_scope(part.namespace):
        draft.ignore("facets", urn)
        return
    project_assertions(draft, urn, asserted, behind=behind or not at.words.stand(draft, urn, "dataQualityAssertions"))
    if not at.speaks:
        return
    standing = standing_facets(draft, at.words, urn, facets)
    ended = ended_since(draft, urn, claimed_at(draft))
    known = unsaid(draft, urn, standing) if behind or (ended and draft.fact(urn, "existence") == "exists") else standing
    project_dataset_facets(draft, urn, known)
    if "symlinks" in known or (ended and "symlinks" in standing):
        project_symlinks(draft, urn, standing["symlinks"], last="symlinks" in known)
    if "lifecycleStateChange" in facets:
        _life(draft, at, urn, facets["lifecycleStateChange"], last="lifecycleStateChange" in standing)
    if ended:
        carry_on(draft, urn, claimed_at(draft))


def _life(draft: Draft, at: RunEvent, urn: str, facet: Any, *, last: bool) -> None:
    """What becomes of a dataset. That a run is about to end one counts once it has: what it says at its START waits, and if it fails there was no end."""
    said, ends = claimed_at(draft), change_of(facet) in ENDS
    if not ends or at.event.state not in ("START", "FAIL", "ABORT") or (at.event.state == "START" and has_settled(at.state)):
        project_lifecycle(draft, urn, facet, said, last=last)
    elif at.event.state == "START":
        at.state["ahead"] = [*at.state.get("ahead", ()), [urn, facet, said]]


def _done(draft: Draft, at: RunEvent) -> None:
    """The ends that the run was about to make, now that it has."""
    if "ahead" in at.state and has_settled(at.state):
        for urn, facet, said in at.state.pop("ahead"):
            project_lifecycle(draft, urn, facet, said)


def project_outputs(draft: Draft, at: RunEvent, entries: Mapping[tuple[str, str], Mapping[str, Any]]) -> None:
    parts: dict[tuple[str, str], DatasetPart] = {}
    for part in (*at.event.outputs, *(DatasetPart(*key) for key in entries)):
        parts.setdefault((part.namespace, part.name), part)
    state = at.state
    _done(draft, at)
    for (namespace, name), part in parts.items():
        urn = dataset_urn(namespace, name)
        draft.ensure(urn)
        if not draft.authority.in_scope(namespace):
            draft.touch(urn, "mention")
            draft.ignore("output", urn)
            continue
        draft.touch(urn)
        draft.link("WRITES", at.job, urn)
        dataset_facets(draft, at, urn, part, behind=_is_behind(draft, at, urn))
        if _drops(at, urn, part):
            state["out"] = {key: value for key, value in state["out"].items() if key != urn}
            state["writes"] = {key: value for key, value in state["writes"].items() if key != urn}
            continue
        _remember_output(draft, at, urn, part, entries.get((namespace, name)))
    kept = {*state["out"], *state.get("dropped", ())}
    remember_facets(draft, at, "outputFacets", {urn: facets for urn, facets in _said_of_outputs(at) if facets and urn in kept})
    if state["out"]:
        settled = has_settled(state)
        taken_back = {dataset_urn(*key): taken_back_of(part, at.event.job) for key, part in parts.items()} if not at.words.behind else {}
        own = _own_contents(at, parts, entries) if at.words.behind or entries or any(part.mentions for part in parts.values()) else {}
        for urn in state["out"]:
            identity = run_set(at.job, state["code"], urn)
            if taken_back.get(urn) and at.speaks:
                take_back(draft, identity, {"lineage" if name == JOB_LINEAGE else name for name in taken_back[urn]})
            _edges(draft, at, urn, identity, settled, own.get(urn, ()))
        if is_terminal(state) or settled:
            _written(draft, at)


def _drops(at: RunEvent, urn: str, part: DatasetPart) -> bool:
    """Whether the run's last word on the output's life is that it ends; an earlier event that comes later, and says less, does not write it again."""
    dropped = set(at.state.get("dropped", ()))
    if "lifecycleStateChange" in part.facets and at.words.last(urn, "lifecycleStateChange"):
        if str(as_dict(part.facets["lifecycleStateChange"]).get("lifecycleStateChange")).upper() == "DROP":
            dropped.add(urn)
        else:
            dropped.discard(urn)
    if dropped or "dropped" in at.state:
        at.state["dropped"] = sorted(dropped)
    return urn in dropped


def _said_of_outputs(at: RunEvent) -> Iterator[tuple[str, dict[str, dict[str, Any]]]]:
    return ((dataset_urn(part.namespace, part.name), per_run_facets(part)) for part in at.event.outputs)


def _is_behind(draft: Draft, at: RunEvent, output: str) -> bool:
    """Whether another run of this code of the job was already seen to write the output at a later time."""
    seen = draft.state(seen_key(run_set(at.job, at.state["code"], output).digest))
    return seen is not None and exact(at.event.event_time_us) < seen[0] and seen[2:3] != [at.run_id]


def _remember_output(draft: Draft, at: RunEvent, urn: str, part: DatasetPart, entry: Mapping[str, Any] | None) -> None:
    state = at.state
    known, taken_back = state["out"].get(urn), taken_back_of(part, at.event.job)
    new = content_of(part.facets, entry, taken_back)
    content = draft.state(content_key(known)) if known is not None else None
    if new or taken_back:
        content, heard = union_of(content, as_dict(state.get("heard")).get(urn, {}), new, taken_back, list(order_of(at.event)))
        state["heard"] = {**as_dict(state.get("heard")), urn: heard}
    digest = digest_of(content) if content is not None else None
    if digest is not None and digest != known and draft.state(content_key(digest)) is None:
        draft.put(content_key(digest), plain(content))
    if urn not in state["out"] or state["out"][urn] != digest:
        state["out"] = {**state["out"], urn: digest}
    version = as_text(as_dict(part.facets.get("version")).get("datasetVersion")) if at.words.last(urn, "version") else None
    if version is not None or urn not in state["writes"]:
        state["writes"] = {**state["writes"], urn: version_urn(urn, version) if version is not None else None}
    if content is not None:
        _remember_timing(draft, at, urn, as_dict(as_dict(part.facets.get("lineproof_columns")).get("timing")))
    if at.speaks and at.code is not None and content is not None:
        columns = as_dict(content.get("lineproof_columns"))
        for fact in ("timePredicates", "windowFrames"):
            said = as_list(columns.get(fact))
            if said and draft.fact(at.code.transformation, fact) is None:
                draft.revise(at.code.transformation, fact, said)
        draft.revise(at.code.transformation, macros_fact(urn), macro_places(columns) or None)


def _remember_timing(draft: Draft, at: RunEvent, urn: str, timing: Mapping[str, Any]) -> None:
    """Kept with the code, of which it is a property; with the run if its code is not told, ran another statement before (SQL made at run time), or
    if the run speaks for nothing but itself (a backfill)."""
    if not timing:
        return
    fact = f"timing:{urn}"
    known = draft.fact(at.code.transformation, fact) if at.code is not None else None
    if at.speaks and at.code is not None and known is None:
        draft.revise(at.code.transformation, fact, timing)
    elif known != timing and draft.fact(at.run, fact) != timing:
        draft.revise(at.run, fact, timing)


def _own_contents(at: RunEvent, parts: Mapping[tuple[str, str], DatasetPart], entries: Mapping[tuple[str, str], Mapping[str, Any]]) -> dict[str, Any]:
    """What an event says of its outputs by itself, which others of the run, or the event where it names one again, may have said better: a run shows the
    union of what is said."""
    own: dict[str, Any] = {}
    for key, part in parts.items():
        urn, order = dataset_urn(*key), list(order_of(at.event))
        heard, taken_back = as_dict(at.state.get("heard")).get(urn, {}), taken_back_of(part, at.event.job)
        contents = (content_of(facets, entries.get(key), taken_back) for facets in part.mentions or (part.facets,))
        own[urn] = [{name: facet for name, facet in said.items() if order > heard.get(name, {}).get("gone", [])} for said in contents]
    return own


def _edges(draft: Draft, at: RunEvent, output: str, identity: SetId, settled: bool, own: Sequence[Mapping[str, Any]]) -> None:
    """Open, close and hand over the edges into one output, unless the run only adds provenance."""
    state, moment = at.state, last_said(at.state) or 0  # by any of the run's events: those that name the output may come after the end
    now = identity_now(draft, identity, moment)
    if now is None:
        return  # it was dropped since: the run only adds provenance
    identity, set_id = now, now.digest
    out = draft.state(out_key(at.job, identity.output))
    if state["purpose"] != "normal" or is_late(out, set_id, state["start"]):
        return
    if state["code"] is None and not settled and out is not None and out["current"] is not None:
        return  # its code may still be told; until then it must not disturb the code that is known
    digest = state["out"][output]
    derivation = as_dict(draft.state(derived_key(at.job, state["sql"]))) if state["sql"] is not None else {}
    held = draft.state(set_key(set_id))
    found = as_dict(derivation.get("outputs")).get(output)
    key = digest_of([digest, state["in"], derivation.get("id")])
    if not remember_absorbed(held, key):
        content = draft.state(content_key(digest)) if digest is not None else None
        shown, rank, told = show(output, state["in"], content, found)
        remember_sources(draft, output, content, found)
        ready_endpoints(draft, shown)
        for lesser in superseded(content or {}):  # it names columns all the same
            ready_endpoints(draft, show(output, (), lesser, None)[0])
        first = draft.fact(state["code"], "commit") if state["code"] is not None else None
        merge(draft, identity, shown, rank=rank, firm=settled, commit=as_text(first) or state["commit"], key=key,
              told=(basis_of(rank), told) if rank > RANKS["inputsOutputs"] else None, moment=moment)
        if state["sql"] is not None and rank <= RANKS["derivation"]:
            draft.enlist(shown_by_key(at.job, state["sql"]), set_id)
    for said in own:
        _add_own(draft, output, identity, said, as_dict(draft.state(content_key(digest)) if digest is not None else None), moment)
    settle(draft, at.job, identity, takes_over=settled and state["code"] is not None, start=state["start"], run=at.run_id)
    _count(draft, at, set_id, key, moment)


def _add_own(draft: Draft, output: str, identity: SetId, own: Mapping[str, Any], content: Mapping[str, Any], moment: int) -> None:
    """Add what an event shows by itself, but for what others of the run said more precisely."""
    shown, rank, told = show(output, (), own, None)
    ready_endpoints(draft, shown)
    if shown and rank >= show(output, (), content, None)[1]:
        merge(draft, identity, shown, rank=0, firm=False, behind=True, told=(basis_of(rank), told), moment=moment)


def _count(draft: Draft, at: RunEvent, set_id: str, key: str, said: int) -> None:
    seen = draft.state(seen_key(set_id)) or [said, 0]
    last, runs, by = seen[0], seen[1], seen[2:3]
    counted = set_id in at.state["counted"]
    if not counted:
        at.state["counted"] = [*at.state["counted"], set_id]
    taken_in = as_dict(draft.state(set_key(set_id))).get("absorbed", ())
    repeats = {known: moment for known, moment in (seen[3] if len(seen) > 3 else {}).items() if known in taken_in}
    if key in taken_in:
        repeats[key] = max(said, repeats.get(key, said))
    now = [max(last, said), runs if counted else runs + 1, *([at.run_id] if said >= last else by), repeats]
    if now != seen:
        draft.put(seen_key(set_id), now)
        draft.stat(set_id, now[0], now[1])


def remember_facets(draft: Draft, at: RunEvent, fact: str, said: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    """What the event says of this run's datasets stays with the run, whichever of its events said it and however the run ends."""
    known = as_dict(draft.fact(at.run, fact))
    now = dict(known)
    for urn, facets in said.items():
        merged = {**as_dict(known.get(urn)), **{key: facet for key, facet in facets.items() if at.words.last(urn, key)}}
        now[urn] = {key: facet for key, facet in merged.items() if not is_deleted(facet)}
    if any(now.values()):
        draft.revise(at.run, fact, now)


def _written(draft: Draft, at: RunEvent) -> None:
    """The versions the run wrote; without a `version` facet only a completed run wrote one."""
    state = at.state
    before = instant(state["committed"]) if "committed" in state else None
    state["committed"] = committed_at(state)
    for urn, named in state["writes"].items():
        if named is None and not has_settled(state):
            continue
        version = named or run_version_urn(urn, at.run_id)
        draft.ensure(version)
        once(draft, at, "GENERATED", version)
        facets = as_dict(as_dict(draft.fact(at.run, "outputFacets")).get(urn))
        for key, facet in facets.items():
            draft.revise(version, f"facet:{key}", facet)
        rows = as_dict(facets.get("outputStatistics")).get("rowCount")
        if isinstance(rows, int) and not isinstance(rows, bool) and draft.fact(version, "rowCount") is None:
            draft.revise(version, "rowCount", rows)
        if draft.fact(version, "run") is None:
            draft.revise(version, "run", at.run)
        if draft.fact(version, "committedAt") in (None, before):
            draft.revise(version, "committedAt", instant(state["committed"]))
        set_id = run_set(at.job, state["code"], urn).digest
        if has_settled(state) and state["purpose"] == "normal" and not is_late(draft.state(out_key(at.job, urn)), set_id, state["start"]):
            exists_again(draft, urn, state["statusAt"])
            if move_current_version(draft, urn, version, state["statusAt"]):
                draft.revise(urn, "facet:version", facets.get("version"))
