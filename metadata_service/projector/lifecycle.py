"""Ends and renames: DROP, RENAME, tombstones. The past still answers.

The life of a dataset goes by claimed time, in whatever order it is told; positions go by entries: what was known then stays.
"""
from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from lineproof_schema.models.lifecycle import TombstoneData
from lineproof_schema.urn import UrnError, parse_urn
from metadata_service.projector.dataset_facts import revise_columns, revise_owners
from metadata_service.projector.edge_rows import FIELDS, Moment, Shown, follows, row_last_said
from metadata_service.projector.edges import (
    SetId,
    close_edges,
    held_rows,
    index_keys,
    is_late,
    merge,
    opened_key,
    out_key,
    seen_key,
    set_key,
)
from metadata_service.projector.lives import claimed_at, ended_since, merged, names_since, record_end, renamed
from metadata_service.projector.names import dataset_of, dataset_urn, version_clock_key
from metadata_service.projector.plain import as_dict, as_list, as_text
from metadata_service.projector.symlinks import join, linked
from metadata_service.projector.view import Draft, Rejected
from metadata_service.projector.words import last_said

__all__ = ["ENDS", "carry_on", "change_of", "declared_again", "exists_again", "life_key", "project_lifecycle", "project_tombstone"]

STATES: Final = frozenset({"ALTER", "CREATE", "DROP", "OVERWRITE", "RENAME", "TRUNCATE"})
ENDS: Final = frozenset({"DROP", "RENAME"})  # of a dataset, or of its name
_CARRIED: Final = ("schema", "owners", "description", "tags", "classification", "freshness", "retention", "purpose", "isSource", "symlinks")
Touches = Callable[[list[Any]], bool]  # whether a row of a set's edges is meant


def life_key(dataset: str) -> str:
    """State key of the claimed times (µs) at which a dataset's life last changed (`changed`) and it was last declared (`made`)."""
    return f"life:{dataset}"


def change_of(facet: Any) -> str | None:
    """What a `lifecycleStateChange` facet says; None if it says nothing that we know."""
    state = as_text(as_dict(facet).get("lifecycleStateChange"))
    return state.upper() if state is not None and state.upper() in STATES else None


def project_lifecycle(draft: Draft, dataset: str, facet: Any, said: int, *, last: bool = True) -> bool:
    """A `lifecycleStateChange` facet that was said at this claimed time (µs); True if it says that the dataset ends.

    What a DROP or RENAME ends is ended whenever it comes; `last` says that it is the last word of its subject on what became of the dataset.
    """
    state = change_of(facet)
    if state is None:
        return False
    latest = last and _changed(draft, dataset, state, said)
    if state == "DROP":
        drop_dataset(draft, dataset, said)
        return True
    if state == "RENAME":
        previous = as_dict(as_dict(facet).get("previousIdentifier"))
        namespace, name = as_text(previous.get("namespace")), as_text(previous.get("name"))
        if namespace is not None and name is not None:
            if latest or draft.fact(dataset, "renamedFrom") is None:
                draft.revise(dataset, "renamedFrom", {"namespace": namespace, "name": name})
            _rename(draft, namespace, name, dataset, said)
    exists_again(draft, dataset, said)
    return False


def _changed(draft: Draft, dataset: str, state: str, said: int) -> bool:
    """The last change of the dataset's life by claimed time is its `lifecycle`; True if this is it."""
    life = as_dict(draft.state(life_key(dataset)))
    if said < life.get("changed", said):
        return False
    draft.revise(dataset, "lifecycle", state)
    draft.put(life_key(dataset), {**life, "changed": said})
    return True


def declared_again(draft: Draft, dataset: str) -> None:
    """Facts on the dataset are declared, so it exists."""
    life, said = as_dict(draft.state(life_key(dataset))), claimed_at(draft)
    draft.put(life_key(dataset), {**life, "made": max(said, life.get("made", said))})
    exists_again(draft, dataset, said)


def exists_again(draft: Draft, dataset: str, said: int) -> None:
    """The dataset was written or declared at this claimed time (µs), so it exists, unless it ended since."""
    if ended_since(draft, dataset, said):
        return
    ceased = draft.fact(dataset, "existence") == "dropped"
    draft.revise(dataset, "existence", "exists")
    if ceased:
        join(draft, dataset, as_list(draft.fact(dataset, "symlinks")), said)


def drop_dataset(draft: Draft, dataset: str, said: int) -> None:
    """The dataset was gone at this claimed time (µs): all edges at it and at its columns that were last said until then end."""
    draft.ensure(dataset)
    draft.touch(dataset)
    _close_until(draft, dataset, said)
    _end(draft, dataset, said)


def _end(draft: Draft, dataset: str, said: int, to: Mapping[str, str] | None = None) -> None:
    """It no longer exists, unless it was made again since or had already ended later."""
    if not (ended_since(draft, dataset, said) or _made_since(draft, dataset, said)):
        draft.revise(dataset, "existence", "dropped")
    record_end(draft, dataset, said, to)


def _made_since(draft: Draft, dataset: str, said: int) -> bool:
    """Whether the dataset was written, declared or changed after this was said."""
    life = as_dict(draft.state(life_key(dataset)))
    moments = (life.get("changed"), life.get("made"), draft.state(version_clock_key(dataset)), last_said(draft.state(f"declared:{dataset}")))
    return any(moment is not None and said < moment for moment in moments)


def _close_until(draft: Draft, dataset: str, said: int) -> dict[str, dict[str, Any]]:
    """End the edges at a dataset and its columns that were last said at this claimed time (µs) or before; the sets as they were, with these edges alone."""
    names = linked(draft.fact(dataset, "symlinks")) if _made_since(draft, dataset, said) else set()
    ended = {}
    for set_id, state in _sets_at(draft, dataset).items():
        told = (draft.state(seen_key(set_id)) or (0,))[0]
        rows = {slot: row for slot, row in held_rows(draft, set_id, state).items() if not follows(row) and dataset in (dataset_of(row[1]), dataset_of(row[2]))}
        ended[set_id] = {**state, "edges": {slot: row for slot, row in rows.items() if row_last_said(row, told, dataset) <= said}}
        kept = names if state["kind"] == "symlink" else ()  # what is made again and keeps its other names does not say so in its edges
        close_edges(draft, set_id, [slot for slot, row in ended[set_id]["edges"].items() if not {row[1], row[2]}.intersection(kept)])
    return ended


def _sets_at(draft: Draft, urn: str) -> dict[str, dict[str, Any]]:
    return _sets(draft, sorted({set_id for key in index_keys(urn) for set_id in draft.state(key) or []}))


def _sets(draft: Draft, set_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The states of these edge sets, as they stand now."""
    found = {}
    for set_id in set_ids:
        draft.need(states=[seen_key(set_id)])
        found[set_id] = draft.state(set_key(set_id))
    return {set_id: state for set_id, state in found.items() if state is not None}


def _close_touching(draft: Draft, urn: str, touches: Touches) -> int:
    closed = 0
    for set_id, state in _sets_at(draft, urn).items():
        slots = [slot for slot, row in state["edges"].items() if touches(row)]
        close_edges(draft, set_id, slots)
        closed += len(slots)
    return closed


# -- renames

def _rename(draft: Draft, namespace: str, name: str, new: str, said: int) -> None:
    try:
        old = dataset_urn(namespace, name)
    except UrnError:
        return
    if old == new:
        return
    if not draft.authority.in_scope(namespace):
        draft.ignore("rename", old)
        return
    draft.ensure(old)
    draft.touch(old)
    moved = _close_until(draft, old, said)
    _changed(draft, old, "RENAME", said)
    _end(draft, old, said, {"namespace": parse_urn(new).components[0], "name": parse_urn(new).components[1]})
    if draft.fact(new, "existence") == "dropped" and not ended_since(draft, new, said):
        _forget(draft, new)  # what is known by the name is of what had it before
    carry_on(draft, old, said - 1)  # the columns before the edges that follow from them
    now, since = names_since(draft, old, said - 1)[-1]
    if now is None:
        return
    for state in moved.values():
        _move(draft, state, old, now, since)


def _forget(draft: Draft, dataset: str) -> None:
    """What is declared of the dataset, but for what this entry says, holds no longer."""
    before = draft.facts(dataset)
    for fact in _CARRIED:
        if before.get(fact) is not None and draft.fact(dataset, fact) == before[fact]:
            if fact == "schema":
                revise_columns(draft, dataset, None)
            else:
                draft.revise(dataset, fact, None)


def carry_on(draft: Draft, dataset: str, said: int) -> None:
    """What is declared of the dataset holds under the names that it had since, as far as nothing else is said there."""
    names = [name for name, _ in names_since(draft, dataset, said) if name is not None]
    for old, new in itertools.pairwise(names):
        draft.ensure(new)
        for fact in _CARRIED if draft.fact(old, "existence") == "dropped" else ():  # else they are those of what was made by that name since
            value = draft.fact(old, fact)
            if value is None or draft.fact(new, fact) is not None:
                continue
            match fact:
                case "schema":
                    revise_columns(draft, new, value)
                case "owners":
                    revise_owners(draft, new, value)
                case _:
                    draft.revise(new, fact, value)


def _move(draft: Draft, state: Mapping[str, Any], old: str, new: str, since: int) -> None:
    """Open under the new name what the set held at the old one, in the set where the next run of the job will look for it, from this claimed time (µs) on."""
    if not state["edges"]:
        return
    output = new if state["output"] == old else state["output"]
    identity = SetId(state["kind"], state["via"], state["transformation"], output)
    if state["kind"] == "symlink" and (names := draft.fact(new, "symlinks")) is not None:  # it says itself which other names it has
        was_named, named = linked(draft.fact(old, "symlinks")), linked(names)
        rows = {slot: row for slot, row in state["edges"].items() if not {row[1], row[2]}.intersection(was_named - named)}
        state = {**state, "edges": rows}
    if output == new and state["kind"] == "run" and state["transformation"] is not None:
        was, known = draft.state(out_key(state["via"], old)), draft.state(out_key(state["via"], new))
        if was is not None and was["current"] is not None and is_late(known, identity.digest, was["start"]):
            return  # newer code of the job was seen to write it by its new name
    shown: list[Shown] = []
    moments: list[Moment] = []
    for row in state["edges"].values():
        below, above = (renamed(urn, old, new) for urn in row[1:3])
        if not merged(Shown(*row[:4]), below, above):
            shown.append(Shown(row[0], below, above, *row[3:len(FIELDS)]))
            moments.append([since if dataset_of(urn) == old else row_last_said(row, since, dataset_of(urn)) for urn in row[1:3]])
    merge(draft, identity, shown, rank=0, firm=True, commit=state["commit"], told=state.get("told"), moments=moments)
    if output == new and state["via"] is not None and state["kind"] == "run":
        before, after = out_key(state["via"], old), out_key(state["via"], new)
        was, known = draft.state(before), draft.state(after)
        own = SetId(state["kind"], state["via"], state["transformation"], old).digest
        known = known or {"current": None, "start": 0, "run": None, "open": []}
        known = {**known, "open": sorted({*known["open"], identity.digest})}
        if was is not None and was["current"] == own and known["current"] is None:
            known = {**known, "current": identity.digest, "start": was["start"], "run": was["run"]}
        draft.put(after, known)


# -- tombstones

def project_tombstone(draft: Draft, data: TombstoneData) -> None:
    """`lineproof.tombstone.v1`: an entity ceased, or what an entry said is taken back."""
    if data.entry is not None:
        _retract(draft, data.entry)
    elif data.urn is not None:
        _cease(draft, data.urn)


def _cease(draft: Draft, urn: str) -> None:
    parsed = parse_urn(urn)
    if not draft.exists(urn):
        raise Rejected("unknown-urn", "there is no such entity to end", urn=urn)
    draft.touch(urn)
    if parsed.kind == "dataset":
        drop_dataset(draft, urn, claimed_at(draft))
        return
    draft.revise(urn, "existence", "dropped")
    if parsed.kind == "job":
        _close_touching_job(draft, urn)
    elif parsed.kind == "transformation":
        _close_touching_job(draft, str(parsed.parent), urn)
    else:
        where = dataset_of(urn) or urn
        _close_touching(draft, where, lambda row: urn in (row[1], row[2]))


def _close_touching_job(draft: Draft, job: str, transformation: str | None = None) -> None:
    for set_id, state in _sets_at(draft, job).items():
        if state["via"] == job and transformation in (None, state["transformation"]):
            close_edges(draft, set_id, list(state["edges"]))


def _retract(draft: Draft, index: int) -> None:
    if index >= draft.entry.index:
        raise Rejected("unknown-entry", f"entry {index} is not before this one")
    closed = 0
    for set_id, state in _sets(draft, draft.state(opened_key(index)) or []).items():
        slots = []
        for slot, row in state["edges"].items():
            namespace = parse_urn(row[1]).namespace
            if row[14] != index:
                continue
            if namespace is not None and not draft.authority.in_scope(namespace):
                draft.ignore("retraction", row[1])
            else:
                slots.append(slot)
        close_edges(draft, set_id, slots)
        closed += len(slots)
    draft.note(entry=index, closedEdges=closed)
