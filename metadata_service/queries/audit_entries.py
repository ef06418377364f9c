"""Which entries of the whole log an audit trail without an entity shows: by actor, commit, type and window, each with all it concerned."""
from __future__ import annotations

from collections.abc import Sequence

from lineproof_audit.keyring import KEYRING_TYPES
from lineproof_schema.urn import NAMESPACED_KINDS, kind_of, parse_urn
from metadata_service.graph.ops import EntryRecord
from metadata_service.graph.port import TouchRow
from metadata_service.queries.context import QueryContext
from metadata_service.queries.mask import unseen

__all__ = ["LOG_ROLE", "NO_ENTITY", "log_rows"]

ENTRY_BATCH = 200
MAX_COMMITS = 20  # commits that one beginning of a SHA may name
NO_ENTITY, LOG_ROLE = "", "log"  # of an entry that concerns no entity: keys, policy, what could not be read


async def log_rows(context: QueryContext, start: int, end: int, wanted: int, *, actor: str | None, commit: str | None,
                   event_types: Sequence[str] | None) -> tuple[list[TouchRow], bool]:
    """Rows by (index, URN) of the entries start <= index < end until there are more than `wanted`, and whether these are all. Entries stay whole."""
    commits: list[str | None] = [None] if commit is None else [*await _commits(context, commit)]
    rows: list[TouchRow] = []
    while start < end and len(rows) <= wanted:
        records, start = await _records(context, start, end, actor, commits, event_types)
        rows += await _concerned(context, records, counted=actor is None and commit is None)
    return rows, start >= end


async def _commits(context: QueryContext, commit: str) -> list[str]:
    found = {commit} if kind_of(commit) == "commit" else {row.urn for row in (await context.graph.search(commit, ["commit"], None, None, MAX_COMMITS)).rows
                                                        if parse_urn(row.urn).components[-1].startswith(commit)}
    urns = sorted(found - await unseen(context, found))
    if not urns:
        context.notes.doubt("unknown-commit", f"no commit {commit} is known")
    return urns


async def _records(context: QueryContext, start: int, end: int, actor: str | None, commits: Sequence[str | None],
                   event_types: Sequence[str] | None) -> tuple[list[EntryRecord], int]:
    """The next entries of any of the commits, and the index up to which these are all."""
    found: dict[int, EntryRecord] = {}
    reached = end
    for commit in commits:
        batch = await context.graph.entries(start, end, limit=ENTRY_BATCH, actor=actor, commit=commit, event_types=event_types)
        found |= {record.index: record for record in batch}
        if len(batch) == ENTRY_BATCH:
            reached = min(reached, batch[-1].index + 1)
    return [found[index] for index in sorted(found) if index < reached], reached


async def _concerned(context: QueryContext, records: Sequence[EntryRecord], *, counted: bool) -> list[TouchRow]:
    """What the entries concerned, without what the viewer may not see; entries of which nothing is left are left out, and counted unless that would tell
    of somebody, or of a commit, that the viewer has nothing to do with."""
    touched = await context.graph.concerned([record.index for record in records])
    named = {row.urn for row in touched if kind_of(row.urn) in NAMESPACED_KINDS}
    masked = await unseen(context, {row.urn for row in touched})
    sees_log = context.viewer.sees_all or bool(context.viewer.roles & {"admin", "auditor"})
    by_entry: dict[int, list[TouchRow]] = {record.index: [] for record in records}
    for row in touched:
        by_entry[row.entry.index].append(row)
    rows: list[TouchRow] = []
    for record in records:
        of = by_entry[record.index]
        visible = [row for row in of if row.urn not in masked]
        if not of:
            if sees_log or record.event_type in KEYRING_TYPES:
                rows.append(TouchRow(NO_ENTITY, LOG_ROLE, record))
            else:
                context.notes.restrict(int(counted))
        elif context.viewer.sees_all or any(row.urn in named for row in visible):
            rows += visible
            context.notes.restrict(len(of) - len(visible))
        else:
            context.notes.restrict(int(counted))
    return rows
