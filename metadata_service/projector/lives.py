"""When datasets ended, as producers claim, and what was said of them before that means now.

A DROP or RENAME ends what was said of a dataset until its claimed time, whenever it arrives; what was said before and arrives after it does not bring the
dataset back, but holds for the name that it got. The fact `ended` of a dataset lists its ends.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from lineproof_schema.urn import UrnError, parse_urn
from metadata_service.projector.edge_rows import Moment, Shown
from metadata_service.projector.names import column_urn, dataset_of, dataset_urn
from metadata_service.projector.plain import as_dict, as_list, instant, micros
from metadata_service.projector.view import Draft

__all__ = ["claimed_at", "ended_since", "merged", "name_now", "names_since", "record_end", "renamed", "under_names_now"]

MAX_ENDS: Final = 32  # kept of a dataset, of each stretch of like ones the first and the last; more are of a name that is handed on again and again
MAX_RENAMES: Final = 32  # names followed one after the other
Name = tuple[str, int]  # a dataset and the claimed time (µs) from which something holds for it


def claimed_at(draft: Draft) -> int:
    """When what the entry says happened (µs): as it claims, else when it was received."""
    claimed = draft.entry.claimed
    return draft.entry.leaf.received if claimed is None else claimed


def ended_since(draft: Draft, dataset: str, said: int) -> bool:
    """Whether the dataset ended after this was said, also if it was made again since."""
    ends = draft.fact(dataset, "ended")
    return ends is not None and instant(said) < ends[-1]["at"]


def name_now(draft: Draft, dataset: str, said: int) -> Name | None:
    """The name by now of the dataset that something was said of; None if that was dropped since."""
    if not draft.fact(dataset, "ended"):  # nearly always
        return dataset, said
    *_, (last, at) = names_since(draft, dataset, said)
    return (last, at) if last is not None else None


def names_since(draft: Draft, dataset: str, said: int) -> list[tuple[str | None, int]]:
    """The names that the dataset had from when something was said of it, each with the claimed time (µs) from which on; None is that of what was dropped."""
    names: list[tuple[str | None, int]] = [(dataset, said)]
    moment = instant(said)
    while len(names) <= MAX_RENAMES:
        end = next((as_dict(end) for end in as_list(draft.fact(dataset, "ended")) if moment < end["at"]), None)
        if end is None:
            break
        moment = end["at"]
        if "name" not in end:
            names.append((None, micros(datetime.fromisoformat(moment))))
            break
        dataset = dataset_urn(end["namespace"], end["name"])
        names.append((dataset, micros(datetime.fromisoformat(moment))))
    return names


def record_end(draft: Draft, dataset: str, said: int, to: Mapping[str, str] | None = None) -> None:
    """The dataset was dropped at this claimed time, or got another name."""
    known, end = as_list(draft.fact(dataset, "ended")), {"at": instant(said), **(to or {})}
    if end in known:
        return
    ends = sorted([*known, end], key=lambda end: (end["at"], end.get("namespace", ""), end.get("name", "")))
    kinds = [(end.get("namespace"), end.get("name")) for end in ends]
    inner = {place for place in range(1, len(ends) - 1) if kinds[place - 1] == kinds[place] == kinds[place + 1]}
    draft.revise(dataset, "ended", [end for place, end in enumerate(ends) if place not in inner][-MAX_ENDS:])


def renamed(urn: str, old: str, new: str) -> str:
    """The URN of the same thing, a dataset or column, under the new name of its dataset; what is none of the old one's stays."""
    if urn == old:
        return new
    parsed = parse_urn(urn)
    return column_urn(new, *parsed.components[2:]) if parsed.kind == "column" and dataset_of(urn) == old else urn


def merged(edge: Shown, below: str, above: str) -> bool:
    """Whether the edge would lead from a dataset to itself under these names only: the one was made of the other, whose name it got."""
    return dataset_of(below) == dataset_of(above) is not None and dataset_of(edge.downstream) != dataset_of(edge.upstream)


def under_names_now(draft: Draft, shown: Sequence[Shown], said: int) -> list[tuple[Shown, Moment]] | None:
    """Edges that this was said of, each with the claimed time from which it holds: under the names that their datasets have by now, and without those into
    and out of what was dropped since. None if all of it holds as it was said."""
    known: dict[str, Name | None] = {}
    for urn in {urn for edge in shown for urn in (edge.downstream, edge.upstream)}:
        dataset = dataset_of(urn)
        if dataset is not None and dataset not in known:
            known[dataset] = name_now(draft, dataset, said)
    formers = {(dataset, dataset_urn(end["namespace"], end["name"])) for dataset in known for end in as_list(draft.fact(dataset, "ended"))
               if "name" in end and end["at"] == instant(said)}  # what renames may name the former name as its input
    if not formers and all(name is not None and name[0] == dataset for dataset, name in known.items()):
        return None
    found: list[tuple[Shown, Moment]] = []
    for edge in shown:
        if (dataset_of(edge.upstream), dataset_of(edge.downstream)) in formers:
            continue
        ends = [(urn, known[dataset] if dataset is not None else (urn, said), dataset)
                for urn, dataset in ((urn, dataset_of(urn)) for urn in (edge.downstream, edge.upstream))]
        try:
            placed = [(renamed(urn, dataset or urn, name[0]), name[1]) for urn, name, dataset in ends if name is not None]
        except UrnError:
            continue  # a column that no URN can name under the new one
        if len(placed) == len(ends):
            (below, since_below), (above, since_above) = placed
            if merged(edge, below, above):
                continue
            found.append((replace(edge, downstream=below, upstream=above), [since_below, since_above]))
    return found
