"""Ends and renames: DROP, RENAME, symlinks, tombstones. The past still answers."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from lineproof_schema.models.lifecycle import TombstoneData
from lineproof_schema.urn import UrnError, parse_urn
from metadata_service.graph.ops import DERIVED_FROM
from metadata_service.projector.edge_rows import Shown, follows, slot_of
from metadata_service.projector.edges import SetId, close_edges, index_keys, merge, opened_key, out_key, set_key
from metadata_service.projector.names import column_urn, dataset_of, dataset_urn
from metadata_service.projector.plain import as_dict, as_list, as_text
from metadata_service.projector.view import Draft, Rejected

__all__ = ["drop_dataset", "exists_again", "project_lifecycle", "project_symlinks", "project_tombstone"]

STATES: Final = frozenset({"ALTER", "CREATE", "DROP", "OVERWRITE", "RENAME", "TRUNCATE"})
_CARRIED: Final = ("schema", "owners", "description", "tags", "classification", "freshness", "retention", "purpose", "isSource")
Touches = Callable[[list[Any]], bool]  # whether a row of a set's edges is meant


def project_lifecycle(draft: Draft, dataset: str, facet: Any) -> bool:
    """A `lifecycleStateChange` facet; True if the dataset is gone now."""
    state = as_text(as_dict(facet).get("lifecycleStateChange"))
    if state is None or state.upper() not in STATES:
        return False
    state = state.upper()
    draft.revise(dataset, "lifecycle", state)
    if state == "DROP":
        drop_dataset(draft, dataset)
        return True
    if state == "RENAME":
        previous = as_dict(as_dict(facet).get("previousIdentifier"))
        namespace, name = as_text(previous.get("namespace")), as_text(previous.get("name"))
        if namespace is not None and name is not None:
            draft.revise(dataset, "renamedFrom", {"namespace": namespace, "name": name})
            _rename(draft, namespace, name, dataset)
    exists_again(draft, dataset)
    return False


def exists_again(draft: Draft, dataset: str) -> None:
    """The dataset was written or declared, so it exists."""
    draft.revise(dataset, "existence", "exists")


def drop_dataset(draft: Draft, dataset: str) -> None:
    """The dataset is gone: all edges at it and at its columns end."""
    draft.ensure(dataset)
    draft.revise(dataset, "existence", "dropped")
    draft.touch(dataset)
    _close_touching(draft, dataset, lambda row: dataset in (dataset_of(row[1]), dataset_of(row[2])))


def _sets_at(draft: Draft, urn: str) -> dict[str, dict[str, Any]]:
    return _sets(draft, sorted({set_id for key in index_keys(urn) for set_id in draft.state(key) or []}))


def _sets(draft: Draft, set_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The states of these edge sets, as they stand now."""
    found = {set_id: draft.state(set_key(set_id)) for set_id in set_ids}
    return {set_id: state for set_id, state in found.items() if state is not None}


def _close_touching(draft: Draft, urn: str, touches: Touches) -> int:
    closed = 0
    for set_id, state in _sets_at(draft, urn).items():
        slots = [slot for slot, row in state["edges"].items() if touches(row)]
        close_edges(draft, set_id, slots)
        closed += len(slots)
    return closed


# -- renames

def _rename(draft: Draft, namespace: str, name: str, new: str) -> None:
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
    fresh = not draft.facts(new)
    moved = _sets_at(draft, old)
    drop_dataset(draft, old)
    draft.revise(old, "lifecycle", "RENAME")
    for fact in _CARRIED if fresh else ():  # the columns before the edges that follow from them
        value = draft.fact(old, fact)
        if value is not None and draft.fact(new, fact) is None:
            draft.revise(new, fact, value)
    for state in moved.values():
        _move(draft, state, old, new)


def _move(draft: Draft, state: Mapping[str, Any], old: str, new: str) -> None:
    """Open under the new name what the set held at the old one, in the set where the next run of the job will look for it."""
    rows = [row for row in state["edges"].values() if not follows(row) and old in (dataset_of(row[1]), dataset_of(row[2]))]
    if not rows:
        return
    output = new if state["output"] == old else state["output"]
    identity = SetId(state["kind"], state["via"], state["transformation"], output)
    if output == new:
        rows = [row for row in state["edges"].values() if not follows(row)]
    shown = [Shown(row[0], _renamed(row[1], old, new), _renamed(row[2], old, new), *row[3:13]) for row in rows]
    for urn in sorted({urn for edge in shown for urn in (edge.downstream, edge.upstream)}):
        draft.ensure(urn)
    merge(draft, identity, shown, rank=0, firm=True, commit=state["commit"], told=state.get("told"))
    if output == new and state["via"] is not None and state["kind"] == "run":
        before, after = out_key(state["via"], old), out_key(state["via"], new)
        was, known = draft.state(before), draft.state(after)
        own = SetId(state["kind"], state["via"], state["transformation"], old).digest
        known = known or {"current": None, "start": 0, "run": None, "open": []}
        known = {**known, "open": sorted({*known["open"], identity.digest})}
        if was is not None and was["current"] == own and known["current"] is None:
            known = {**known, "current": identity.digest, "start": was["start"], "run": was["run"]}
        draft.put(after, known)


def _renamed(urn: str, old: str, new: str) -> str:
    if urn == old:
        return new
    parsed = parse_urn(urn)
    return column_urn(new, *parsed.components[2:]) if parsed.kind == "column" and dataset_of(urn) == old else urn


# -- symlinks

def project_symlinks(draft: Draft, dataset: str, facet: Any) -> None:
    """Other names of the same data: SAME_AS links, and declared edges both ways, so that lineage written under one name is found under the other.

    The edge *into* the other name says what that one is made of, so it needs scope there.
    """
    before = draft.fact(dataset, "symlinks")
    others: dict[str, dict[str, str]] = {}
    for item in as_list(as_dict(facet).get("identifiers")) if as_dict(facet).get("_deleted") is not True else ():
        namespace, name, kind = (as_text(as_dict(item).get(key)) for key in ("namespace", "name", "type"))
        if namespace is None or name is None:
            continue
        try:
            urn = dataset_urn(namespace, name)
        except UrnError:
            continue
        if urn != dataset:
            others[urn] = {"namespace": namespace, "name": name, **({"type": kind} if kind is not None else {})}
    if not draft.revise(dataset, "symlinks", list(others.values()) or None) and draft.fact(dataset, "existence") != "dropped":
        return  # of what is made again the edges ended when it was dropped
    _no_longer_linked(draft, dataset, _linked(before) - others.keys())
    for urn, said in others.items():
        draft.ensure(urn)
        draft.touch(urn, "mention")
        draft.link("SAME_AS", dataset, urn)
        pairs = [(dataset, urn)]
        if draft.authority.in_scope(said["namespace"]):
            pairs.append((urn, dataset))
        else:
            draft.ignore("symlink", urn)
        for below, above in pairs:
            identity, shown = _same_as(below, above)
            merge(draft, identity, [shown], rank=0, firm=True)


def _same_as(below: str, above: str) -> tuple[SetId, Shown]:
    return SetId("symlink", None, None, below), Shown(DERIVED_FROM, below, above, "declared", subtype="SAME_AS")


def _linked(fact: Any) -> set[str]:
    """The datasets that a `symlinks` fact names."""
    return {dataset_urn(item["namespace"], item["name"]) for item in as_list(fact)}


def _no_longer_linked(draft: Draft, dataset: str, others: Iterable[str]) -> None:
    """The edges to other names end, unless it is the other that still names this one."""
    for urn in sorted(others):
        if dataset not in _linked(draft.fact(urn, "symlinks")):
            for below, above in ((dataset, urn), (urn, dataset)):
                identity, shown = _same_as(below, above)
                if slot_of(shown) in (draft.state(set_key(identity.digest)) or {"edges": {}})["edges"]:
                    close_edges(draft, identity.digest, [slot_of(shown)])


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
        drop_dataset(draft, urn)
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
