"""Other names of the same data: SAME_AS links, and edges both ways between the names of a dataset that exists."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lineproof_schema.urn import UrnError
from metadata_service.graph.ops import DERIVED_FROM
from metadata_service.projector.edge_rows import Shown, slot_of
from metadata_service.projector.edges import SetId, close_edges, merge, set_key
from metadata_service.projector.lives import claimed_at, name_now
from metadata_service.projector.names import dataset_urn
from metadata_service.projector.plain import as_dict, as_list, as_text
from metadata_service.projector.view import Draft

__all__ = ["join", "linked", "project_symlinks"]


def project_symlinks(draft: Draft, dataset: str, facet: Any, *, last: bool = True) -> None:
    """Other names of the same data: SAME_AS links, and declared edges both ways, so that lineage written under one name is found under the other.

    The edge *into* the other name says what that one is made of, so it needs scope there. What is no longer the `last` word on it still holds for the name
    that the dataset got since.
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
    now = name_now(draft, dataset, claimed_at(draft))
    if now is not None and now[0] != dataset:
        join(draft, now[0], others.values(), now[1])
    if not last or not draft.revise(dataset, "symlinks", list(others.values()) or None):
        return
    _no_longer_linked(draft, dataset, linked(before) - others.keys())
    for urn, said in others.items():
        draft.ensure(urn)
        draft.touch(urn, "mention")
        draft.link("SAME_AS", dataset, urn)
        if not draft.authority.in_scope(said["namespace"]):
            draft.ignore("symlink", urn)
    if draft.fact(dataset, "existence") != "dropped":
        join(draft, dataset, others.values(), claimed_at(draft))


def join(draft: Draft, dataset: str, others: Iterable[Mapping[str, str]], moment: int) -> None:
    """Edges both ways between a dataset that exists and its other names, from this claimed time (µs) on."""
    for said in others:
        urn = dataset_urn(said["namespace"], said["name"])
        for below, above in ((dataset, urn), (urn, dataset)):
            if below == dataset or draft.authority.in_scope(said["namespace"]):
                identity, shown = _same_as(below, above)
                merge(draft, identity, [shown], rank=0, firm=True, moments=[moment])


def _same_as(below: str, above: str) -> tuple[SetId, Shown]:
    return SetId("symlink", None, None, below), Shown(DERIVED_FROM, below, above, "declared", subtype="SAME_AS")


def linked(fact: Any) -> set[str]:
    """The datasets that a `symlinks` fact names."""
    return {dataset_urn(item["namespace"], item["name"]) for item in as_list(fact)}


def _no_longer_linked(draft: Draft, dataset: str, others: Iterable[str]) -> None:
    """The edges to other names end, unless it is the other that still names this one."""
    for urn in sorted(others):
        if dataset not in linked(draft.fact(urn, "symlinks")):
            for below, above in ((dataset, urn), (urn, dataset)):
                identity, shown = _same_as(below, above)
                if slot_of(shown) in (draft.state(set_key(identity.digest)) or {"edges": {}})["edges"]:
                    close_edges(draft, identity.digest, [slot_of(shown)])
