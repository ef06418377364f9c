"""What follows from the columns that a dataset has: edges that were said of all of them, and how far what was told covers them."""
from __future__ import annotations

from collections.abc import Collection
from typing import Any

from metadata_service.graph.ops import DERIVED_FROM
from metadata_service.projector.edge_rows import FIELDS, RANKS, STATUS, WHOLE, Shown, follows, of_all_columns, said, slot_of
from metadata_service.projector.names import column_names, column_of
from metadata_service.projector.plain import as_list
from metadata_service.projector.view import Draft

__all__ = ["by_columns_key", "follow", "with_told"]


def by_columns_key(dataset: str) -> str:
    """State key of the sets whose edges follow from the columns that the dataset has."""
    return f"by-columns:{dataset}"


def with_told(draft: Draft, output: str, set_id: str, state: dict[str, Any], told: tuple[str, Collection[str]] | None, of_all: bool) -> dict[str, Any]:
    """The set that knows which columns its best basis spoke of, and is listed where columns change."""
    before = state.get("told")
    if told is not None and (before is None or RANKS[told[0]] >= RANKS[before[0]]):
        known = before[1] if before is not None and before[0] == told[0] else ()
        state = {**state, "told": [told[0], sorted({*known, *told[1]})]}
    if (of_all or (told is not None and told[1])) and not state.get("listed"):
        draft.enlist(by_columns_key(output), set_id)
        state = {**state, "listed": True}
    return state


def follow(draft: Draft, state: dict[str, Any], held: dict[str, list[Any]], opened: list[str], closed: list[list[Any]]) -> None:
    """Bring up to date what follows from the output's columns: edges into all of them, and how far what was told covers them."""
    output, told = state["output"], (state.get("told") or (None, ()))[1]
    of_all = [row for row in held.values() if of_all_columns(row, output)]
    implied = [slot for slot, row in held.items() if follows(row)]
    if not (of_all or implied or told):
        return
    columns = column_names(as_list(draft.fact(output, "schema")))
    wanted: dict[str, list[Any]] = {}
    for path in (columns or [[name] for name in told]) if of_all else ():
        below = column_of(output, path)
        rows = [[row[0], below, *row[2:len(FIELDS)]] for row in of_all if below is not None]
        wanted.update((slot_of(Shown(*row)), row) for row in rows)
    for urn in filter(None, (column_of(output, [name]) for name in told)) if of_all else ():
        draft.ensure(urn)
    for slot in implied:
        if said(held[slot]) != wanted.get(slot):
            closed.append(held.pop(slot))
    for slot, row in wanted.items():
        if slot not in held:
            draft.ensure(row[1])
            held[slot] = [*row, draft.at, draft.entry.index, True]
            opened.append(slot)
    if told:
        tops = {name.partition(".")[0] for name in told} | set(told)
        status = "partial" if any(path[0] not in tops for path in columns) else None
        for slot, row in held.items():
            silent = "unknown" if row[3] != "declared" else None  # where runs show it, of an event that told no column; others of the run did
            if row[0] == DERIVED_FROM and row[3] != "inputsOutputs" and row[STATUS] in (None, "partial", silent) and row[STATUS] != status:
                if slot not in opened:
                    closed.append(row)
                    opened.append(slot)
                held[slot] = [*row[:STATUS], status, *row[STATUS + 1:len(FIELDS)], draft.at, draft.entry.index, *row[WHOLE:]]
