"""How long an edge lives: edge sets, their opening, closing and takeover.

Edges come in sets, one per (job, transformation version, output), or per declaring entity. A set remembers what it holds open;
an output of a job remembers which version is current and which sets hold edges into it.

* **Opening**: any run of a version adds what it shows. What it stops showing stays: dynamic inputs do not flicker.
* **Columns**: an edge into the dataset at column level stands for one into each of its columns, as the dataset has them; what follows from it is marked.
* **Precision**: within one set a more precise basis ends what a less precise one had guessed, and is not undone by an event
  that says less: the code is the same.
* **Ends**: each edge knows when it was last said, as claimed: a drop that is told late ends what was said until it, and no more. The usual run says just what
  its set has taken in; then the counters of the set know.
* **Closing**: when another version completes a normal run that did not start before the run that made the current one current,
  it takes over and ends every other version's edges into that output.

Source: design notes GRAPH, "How long an edge lives".
"""
from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final

from metadata_service.graph.ops import COLUMN_DERIVED_FROM, DERIVED_FROM, Edge
from metadata_service.projector.by_columns import by_columns_key, follow, with_told
from metadata_service.projector.edge_rows import (
    FIELDS,
    RANKS,
    WHOLE,
    Moment,
    Shown,
    follows,
    of_all_columns,
    row_of,
    said,
    said_at,
    slot_of,
    with_last_said,
)
from metadata_service.projector.lives import claimed_at, name_now, under_names_now
from metadata_service.projector.names import dataset_of
from metadata_service.projector.view import Draft

__all__ = ["SetId", "close_edges", "close_set", "declare", "follow_columns", "held_rows", "identity_now",
           "index_keys", "is_late", "merge", "opened_key", "out_key", "ready_endpoints", "remember_absorbed", "run_set", "seen_key", "set_key", "settle",
           "take_back"]

ABSORBED_KEPT: Final = 16  # recognised repeats per set: enough for a job that alternates between a few inputs
BUCKETS: Final = "0123456789abcdef"
CACHED_SETS: Final = 16_384  # each event of a run asks for those of its outputs half a dozen times


@dataclass(frozen=True, slots=True)
class SetId:
    """What an edge set is about. `kind` is `run`, or `declared` for sets that no run takes over."""

    kind: str
    via: str | None
    transformation: str | None
    output: str
    digest: str = field(init=False, compare=False)  # 32 hex digits

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", _digest("\n".join((self.kind, self.via or "", self.transformation or "", self.output))))


@lru_cache(CACHED_SETS)
def run_set(job: str, transformation: str | None, output: str) -> SetId:
    """The set of what runs of this version of a job show of an output."""
    return SetId("run", job, transformation, output)


def _digest(said: str) -> str:
    return hashlib.sha256(said.encode()).hexdigest()[:32]


def set_key(set_id: str) -> str:
    """State key of an edge set."""
    return f"set:{set_id}"


def seen_key(set_id: str) -> str:
    """State key of an edge set's counters: [last seen (µs), runs, the run that was seen last, when what it has taken in was last said by its key]."""
    return f"seen:{set_id}"


@lru_cache(CACHED_SETS)
def out_key(job: str, output: str) -> str:
    """State key of an output of a job."""
    return "out:" + _digest(f"{job}\n{output}")


def opened_key(index: int) -> str:
    """State key of the sets in which an entry opened edges."""
    return f"opened:{index}"


def index_keys(urn: str) -> list[str]:
    """State keys that list the sets with edges at `urn` (a dataset stands for its columns) or of the job `urn`."""
    return [f"sets:{bucket}:{urn}" for bucket in BUCKETS]


def identity_now(draft: Draft, identity: SetId, moment: int) -> SetId | None:
    """The set in which what was said of an output at this claimed time (µs) is kept: that of the name it has by now; None if it was dropped since."""
    now = name_now(draft, identity.output, moment)
    if now is None:
        return None
    return identity if now[0] == identity.output else replace(identity, output=now[0])


# -- state <-> edges

def _edge(set_id: str, state: dict[str, Any], row: Sequence[Any]) -> Edge:
    from_, opened_by = row[len(FIELDS):WHOLE]
    return Edge(**dict(zip(FIELDS, said(row), strict=True)), set_id=set_id, via=state["via"], transformation=state["transformation"],
                commit=state["commit"], tenant=state["tenant"], from_=from_, opened_by=opened_by)


def _fresh(identity: SetId, commit: str | None, tenant: str) -> dict[str, Any]:
    return {"kind": identity.kind, "via": identity.via, "transformation": identity.transformation, "output": identity.output, "commit": commit,
            "tenant": tenant, "edges": {}, "absorbed": [], "indexed": []}


def is_open(state: dict[str, Any] | None) -> bool:
    """Whether the set holds an edge open."""
    return bool(state and state["edges"])


# -- opening

def ready_endpoints(draft: Draft, shown: Iterable[Shown]) -> None:
    """The nodes that edges name exist, if only by reference."""
    endpoints = dict.fromkeys(urn for edge in shown for urn in (edge.downstream, edge.upstream))
    for urn in endpoints:
        draft.ensure(urn)


def merge(draft: Draft, identity: SetId, shown: Sequence[Shown], *, rank: int, firm: bool, commit: str | None = None, key: str | None = None,
          behind: bool = False, told: tuple[str, Collection[str]] | None = None, moment: int | None = None,
          moments: Sequence[Moment] | None = None) -> bool:
    """Add what an event shows to its set; True if any edge was opened or closed.

    Args:
        draft: Where operations go.
        identity: The set.
        shown: The edges, all of the same transformation version and output.
        rank: The best basis used, also when it shows no edge ("no upstream").
        firm: The event closes a run (COMPLETE): it may add less precise edges beside more precise ones, others may not.
        commit: The commit of the version's first entry; kept by the set once it has one.
        key: Hash of everything `shown` was computed from: recognised next time without computing it.
        behind: Later events of the run were here before: what they said of an edge stays.
        told: The best basis and the columns of the output that it speaks of.
        moment: When it was said (claimed, µs), if not by this entry alone.
        moments: When each of `shown` was said; their names are those of now.
    """
    set_id = identity.digest
    state = draft.state(set_key(set_id)) or _fresh(identity, commit, draft.entry.tenant)
    held = held_rows(draft, set_id, state)
    ranks = {family: max((RANKS[row[3]] for row in held.values() if row[0] == family), default=0) for family in (DERIVED_FROM, COLUMN_DERIVED_FROM)}
    opened: list[str] = []
    closed: list[list[Any]] = []
    rows, since, absorbed = _rows_now(draft, shown, claimed_at(draft) if moment is None else moment, moments)
    for slot, row in rows.items():
        has = held.get(slot)
        precision = RANKS[row[3]]
        if has is not None:
            if said(has) == row or RANKS[has[3]] > precision or (behind and RANKS[has[3]] == precision and not follows(has)):
                held[slot] = has if follows(has) and said(has) != row else said_at(has, since[slot])
                continue
            closed.append(has)
        elif precision < ranks[row[0]] and not firm and rank < ranks[row[0]]:
            absorbed = False
            continue
        held[slot] = [*row, draft.at, draft.entry.index, since[slot]]
        opened.append(slot)
    for slot in [slot for slot, row in held.items() if slot not in rows and RANKS[row[3]] < rank]:
        closed.append(held.pop(slot))
    state = with_told(draft, identity.output, set_id, state, told, any(of_all_columns(row, identity.output) for row in held.values()))
    follow(draft, state, held, opened, closed)
    changed = bool(opened or closed)
    if changed:
        state = _changed(draft, set_id, state, held, opened, closed)
    elif held != state["edges"]:
        state = {**state, "edges": held}
    if key is not None and absorbed and key not in state["absorbed"]:
        silent = {**state.get("silent", {}), key: [place for place, slot in enumerate(sorted(held)) if slot not in rows]}
        kept = [*state["absorbed"], key][-ABSORBED_KEPT:]
        state = {**state, "absorbed": kept, "silent": {known: places for known, places in silent.items() if places and known in kept}}
    draft.put(set_key(set_id), state)
    return changed


def _rows_now(draft: Draft, shown: Sequence[Shown], moment: int,
              moments: Sequence[Moment] | None = None) -> tuple[dict[str, list[Any]], dict[str, Moment], bool]:
    """The rows of edges that were said at this moment, since when each holds, and whether that is just what was said: nothing it names ended since."""
    placed = list(zip(shown, moments, strict=True)) if moments is not None else under_names_now(draft, shown, moment)
    if placed is None:
        rows = {slot_of(edge): row_of(edge) for edge in shown}
        return rows, dict.fromkeys(rows, moment), True
    ready_endpoints(draft, [edge for edge, _ in placed])
    return {slot_of(edge): row_of(edge) for edge, _ in placed}, {slot_of(edge): since for edge, since in placed}, False


def held_rows(draft: Draft, set_id: str, state: dict[str, Any]) -> dict[str, list[Any]]:
    """The rows that a set holds, each with when it was last said."""
    if not state["edges"]:
        return {}
    return with_last_said(state, draft.state(seen_key(set_id)) if state["kind"] == "run" else None)


def remember_absorbed(state: dict[str, Any] | None, key: str) -> bool:
    """Whether the set has already taken in exactly this."""
    return state is not None and key in state["absorbed"]


def declare(draft: Draft, identity: SetId, shown: Sequence[Shown], *, commit: str | None = None) -> bool:
    """The set holds exactly `shown` from here on: a declaration replaces the one before."""
    set_id = identity.digest
    state = draft.state(set_key(set_id)) or _fresh(identity, commit, draft.entry.tenant)
    rows, since, _ = _rows_now(draft, shown, claimed_at(draft))
    held: dict[str, list[Any]] = dict(state["edges"])
    closed = [held.pop(slot) for slot in list(held) if said(held[slot]) != rows.get(slot)]
    opened = [slot for slot in rows if slot not in held]
    held = {slot: said_at(row, since[slot]) for slot, row in held.items()}
    if not opened and not closed:
        if held != state["edges"]:
            draft.put(set_key(set_id), {**state, "edges": held})
        return False
    for slot in opened:
        held[slot] = [*rows[slot], draft.at, draft.entry.index, since[slot]]
    draft.put(set_key(set_id), _changed(draft, set_id, state, held, opened, closed))
    return True


def _changed(draft: Draft, set_id: str, state: dict[str, Any], held: dict[str, list[Any]], opened: Sequence[str],
             closed: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """The set once it holds `held`: what it no longer says is closed, then the slots it now says are opened and listed."""
    state = {**state, "edges": held, "absorbed": [], "silent": {}}
    for row in closed:
        if not of_all_columns(row, state["output"]):
            draft.close_edge(_edge(set_id, state, row))
    for slot in opened:
        if not of_all_columns(held[slot], state["output"]):
            draft.open_edge(_edge(set_id, state, held[slot]))
    state = _indexed(draft, set_id, state, (held[slot] for slot in opened))
    if opened:
        key = opened_key(draft.entry.index)
        draft.put_own(key, sorted({*(draft.own(key) or []), set_id}))
    return state


def _indexed(draft: Draft, set_id: str, state: dict[str, Any], rows: Iterable[Sequence[Any]]) -> dict[str, Any]:
    places = {state["via"]} if state["via"] else set()
    for row in rows:
        places.update(dataset_of(urn) or urn for urn in (row[1], row[2]))
    new = sorted(places.difference(state["indexed"]))
    if not new:
        return state
    for key in (f"sets:{set_id[0]}:{urn}" for urn in new):
        draft.enlist(key, set_id)
    return {**state, "indexed": sorted({*state["indexed"], *new})}


# -- what follows from the columns of the output

def follow_columns(draft: Draft, dataset: str) -> None:
    """The dataset has other columns now: what follows from them in the edges into it."""
    for set_id in draft.state(by_columns_key(dataset)) or []:
        state = draft.state(set_key(set_id))
        if is_open(state):
            held = held_rows(draft, set_id, state)
            opened: list[str] = []
            closed: list[list[Any]] = []
            follow(draft, state, held, opened, closed)
            if opened or closed:
                draft.put(set_key(set_id), _changed(draft, set_id, state, held, opened, closed))


# -- closing

def close_edges(draft: Draft, set_id: str, rows: Iterable[str]) -> None:
    """End the edges of a set in these slots."""
    state = draft.state(set_key(set_id))
    slots = list(rows)
    if state is None or not slots:
        return
    held = held_rows(draft, set_id, state)
    ended = [held.pop(slot) for slot in slots]
    groundless = [slot for slot, row in held.items() if follows(row) and slot_of(Shown(row[0], state["output"], *row[2:len(FIELDS)])) not in held]
    for row in (*ended, *(held.pop(slot) for slot in groundless)):
        if not of_all_columns(row, state["output"]):
            draft.close_edge(_edge(set_id, state, row))
    draft.put(set_key(set_id), {**state, "edges": held, "absorbed": [], "silent": {}})


def take_back(draft: Draft, identity: SetId, bases: Collection[str], but: Collection[str] = ()) -> None:
    """The producer takes back what it said on these bases: those edges of the set end, `but` for these slots."""
    state = draft.state(set_key(identity.digest))
    if state is None:
        return
    if (state.get("told") or (None,))[0] in bases and not but:
        state = {**state, "told": None}
        draft.put(set_key(identity.digest), state)
    close_edges(draft, identity.digest, [slot for slot, row in state["edges"].items() if row[3] in bases and slot not in but])


def close_set(draft: Draft, set_id: str) -> None:
    """End all edges of a set."""
    draft.need(states=[seen_key(set_id)])
    state = draft.state(set_key(set_id))
    if state is not None:
        close_edges(draft, set_id, list(state["edges"]))


def is_late(out: dict[str, Any] | None, set_id: str, start: int) -> bool:
    """Whether a run that started at `start` (claimed, µs) shows code older than the output's current one."""
    return out is not None and out["current"] is not None and out["current"] != set_id and start < out["start"]


def settle(draft: Draft, job: str, identity: SetId, *, takes_over: bool, start: int, run: str) -> None:
    """Keep an output's record after a run of `identity` showed edges into it: which sets are open, and whose turn it is.

    Args:
        draft: Where operations go.
        job: The job's URN.
        identity: The set of the run's version and this output.
        takes_over: A normal run of identified code completed (or, of a streaming job, runs).
        start: The run's claimed start (µs).
        run: The run's id.
    """
    key, set_id = out_key(job, identity.output), identity.digest
    before = draft.state(key)
    out = before or {"current": None, "start": 0, "run": None, "open": []}
    if takes_over:
        for other in out["open"]:
            if other != set_id:
                close_set(draft, other)
        if out["current"] != set_id:
            out = {**out, "current": set_id, "start": start, "run": run}
        elif out["run"] == run and start < out["start"]:
            out = {**out, "start": start}
        out = {**out, "open": [set_id]}
    elif set_id not in out["open"]:
        out = {**out, "open": sorted([*out["open"], set_id])}
    if out != before:
        draft.put(key, out)
