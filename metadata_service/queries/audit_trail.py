"""Audit trail: which entries concerned an entity, what they changed, who says so, and what became of them."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from anyio import to_thread

from lineproof_audit.checkpoint import peek_checkpoint
from lineproof_audit.keyring import Keyring
from lineproof_schema.urn import kind_of, parse_urn
from metadata_service.graph.ops import COLUMN_DERIVED_FROM, DERIVED_FROM, EntryRecord
from metadata_service.graph.port import Limits, RevisionRow, TouchRow
from metadata_service.projector.dataset_facts import INTERPRETED
from metadata_service.queries.activity import CommitRef, commits
from metadata_service.queries.audit_edges import AuditEdge, edge_changes
from metadata_service.queries.audit_entries import NO_ENTITY, log_rows
from metadata_service.queries.context import QueryContext
from metadata_service.queries.cursors import Cursor, page_size, read_cursor, write_cursor
from metadata_service.queries.errors import InvalidArgument, InvalidCursor, InvalidPosition
from metadata_service.queries.mask import hidden, may_see, unseen, withheld
from metadata_service.queries.roots import columns_of, expand
from metadata_service.queries.shapes import Completeness, ComputedAt, Level, Long, of_micros

__all__ = ["AuditChange", "AuditRow", "AuditTrail", "KeyState", "ProofReference", "audit_trail"]

UPSTREAM_LIMITS = Limits(nodes=2_000, edges=20_000)
TOUCH_BATCH = 500  # entries


@dataclass(frozen=True, slots=True)
class AuditChange:
    """A fact before and after the entry; null where there was or is none, both null if they name what the viewer may not see."""

    fact: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class KeyState:
    """The signing key at that entry: `state` is valid, disputed (a later revocation reaches back over it) or invalid."""

    state: str
    purpose: str | None
    label: str | None
    last_valid: Long | None


@dataclass(frozen=True, slots=True)
class ProofReference:
    """Where the proof of this entry is: `event(index)` gives it, `path` serves it, both at the checkpoint of `size` (null: none yet)."""

    index: Long
    size: Long | None
    path: str | None


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One entry that concerned one entity. Rejected and ignored entries are rows too: `status` and `reason` say what became of them.

    `actor` is whom the body names (a git author, an owner), unverified; `signer` is the key that signed. `claimed_at` is the
    event's own time, `logged_at` when the log received it. `changes` are facts, `edges` what it changed in the entity's lineage.
    `urn` is null, and `role` "log", of an entry that concerns no entity (keys, policy): only a trail without an entity has those.
    """

    index: Long
    urn: str | None
    role: str
    event_type: str
    status: str
    reason: str | None
    detail: Any
    actor: str | None
    caller: str | None
    commit: CommitRef | None
    claimed_at: datetime | None
    logged_at: datetime
    signer: str
    signed_by: str
    key: KeyState
    event_id: str | None
    changes: tuple[AuditChange, ...]
    proof: ProofReference
    edges: tuple[AuditEdge, ...]


@dataclass(frozen=True, slots=True)
class AuditTrail:
    """Rows by index in the window [from, to); `after` continues, null at the end."""

    computed_at: ComputedAt
    completeness: Completeness
    from_: Long
    to: Long
    rows: tuple[AuditRow, ...]
    after: str | None


async def audit_trail(context: QueryContext, urn: str | None, *, start: int = 0, end: int | None = None, upstream: bool = False, first: int | None = None,
                      after: str | None = None, event_types: Collection[str] | None = None, actor: str | None = None,
                      commit: str | None = None, columns: bool = True, question: Sequence[Any] = ()) -> AuditTrail:
    """Entries `start <= index < end` (to the position without `end`) that concerned `urn`, with `upstream` also everything it is made of.

    Without `urn`, all entries of the log that `actor`, `commit` and `event_types` leave, each with everything it concerned.
    `columns` includes the columns of a dataset. `actor` and `commit` (a SHA or its beginning) choose rows. `question` is what was
    asked, in the caller's words: cursors are bound to it, and every page has to be asked for at the size of the first.

    Raises:
        UrnError, InvalidArgument, InvalidCursor, InvalidPosition.
    """
    rows_wanted = page_size(first, 50)
    if urn is not None:
        parse_urn(urn)
    elif upstream:
        raise InvalidArgument("upstream of what? It needs an entity")
    end = context.size if end is None else min(end, context.size)
    if start < 0 or start > end:
        raise InvalidPosition(f"a window [from, to) has 0 <= from <= to, not [{start}, {end})")
    position = None
    if after is not None:
        cursor = read_cursor(context.room.cursor_secret, question, after)
        if cursor.size != context.size:
            raise InvalidCursor(f"the cursor belongs to size {cursor.size}")
        position = cursor.after[0]
    types = sorted(event_types) if event_types else None
    if urn is None:
        rows, done = await log_rows(context, start if position is None else max(start, position + 1), end, rows_wanted, event_types=types, commit=commit,
                                    actor=actor.lower() if actor is not None else None)
    else:
        subjects = await _subjects(context, urn, upstream, columns)
        rows, done = await _rows(context, subjects, start, end, position, rows_wanted, types, actor, commit)
    page, following = _page(rows, rows_wanted, done)
    described = await _described(context, page)
    more = write_cursor(context.room.cursor_secret, question, Cursor(context.size, [following])) if following is not None else None
    return AuditTrail(await context.computed_at(), context.notes.completeness(), start, end, described, more)


async def _rows(context: QueryContext, subjects: Sequence[str], start: int, end: int, position: int | None, rows_wanted: int, types: Sequence[str] | None,
                actor: str | None, commit: str | None) -> tuple[list[TouchRow], bool]:
    rows: list[TouchRow] = []
    done = not subjects
    while not done and len(rows) <= rows_wanted:  # one more than wanted tells whether there is another page
        batch = await context.graph.touches(subjects, start, end, after=position, limit=TOUCH_BATCH, event_types=types)
        done = len({row.entry.index for row in batch}) < TOUCH_BATCH
        if batch:
            position = batch[-1].entry.index
        elsewhere = await unseen(context, _commits(batch)) if commit is not None else ()
        rows += [row for row in batch if (actor is None or row.entry.actor == actor.lower())
                 and (commit is None or (row.entry.commit not in elsewhere and _of_commit(row.entry, commit)))]
    return rows, done


async def _subjects(context: QueryContext, urn: str, upstream: bool, columns: bool) -> list[str]:
    there, visible = urn in await context.graph.get([urn], context.at), await may_see(context, urn)
    if not there and visible and await context.graph.touches([urn], 0, context.size, limit=1):
        return [urn]  # nothing that was said of it was ever applied: that it was tried is what a trail is for
    if not there or not visible:
        context.unknown(urn)
        return []
    found = {urn}
    if upstream:
        start = {root.urn for level in (Level.ASSET, Level.COLUMN) for root in await expand(context, urn, level)}
        reach = await context.graph.reachable(sorted(start), "UPSTREAM", None, [DERIVED_FROM, COLUMN_DERIVED_FROM], context.at, UPSTREAM_LIMITS)
        context.notes.cut(reach, UPSTREAM_LIMITS, "UPSTREAM")
        found |= start | {node.urn for node in reach.nodes}
        found |= {edge.via for edge in reach.edges if edge.via} | {edge.transformation for edge in reach.edges if edge.transformation}
    elif columns and kind_of(urn) == "dataset":
        found |= set((await columns_of(context, [urn])).get(urn, ()))
    masked = await hidden(context, found)
    context.notes.restrict(len(masked))
    return sorted(found - masked)


def _of_commit(entry: EntryRecord, commit: str) -> bool:
    said = entry.commit or ""
    return said == commit or (parse_urn(said).components[-1] if kind_of(said) == "commit" else said).startswith(commit)


def _commits(rows: Sequence[TouchRow]) -> set[str]:
    return {row.entry.commit for row in rows if row.entry.commit and kind_of(row.entry.commit) == "commit"}


def _page(rows: Sequence[TouchRow], wanted: int, done: bool) -> tuple[Sequence[TouchRow], int | None]:
    """Whole entries only, at least one: the cursor is an index. A page may be longer than wanted by the rows of its last entry."""
    if done and len(rows) <= wanted:
        return rows, None
    last = rows[min(wanted, len(rows)) - 1].entry.index
    page = [row for row in rows if row.entry.index <= last]
    return page, (last if not done or len(page) < len(rows) else None)


async def _described(context: QueryContext, rows: Sequence[TouchRow]) -> tuple[AuditRow, ...]:
    if not rows:
        return ()
    about = [row for row in rows if row.urn != NO_ENTITY]
    changes, edges = await _changes(context, about), await edge_changes(context, about)
    known = await commits(context, _commits(rows) - await unseen(context, _commits(rows)))
    silent = await withheld(context, [row.entry.detail for row in rows])
    context.notes.restrict(sum(silent))
    keyring = await to_thread.run_sync(context.room.keyring)
    covering = await to_thread.run_sync(context.room.reader.checkpoint_covering, rows[-1].entry.index + 1)
    size = peek_checkpoint(covering).size if covering is not None else None
    return tuple(_row(row, None if hide else row.entry.detail, changes.get((row.urn, row.entry.index), ()), edges.get((row.urn, row.entry.index), ()), known,
                      keyring, size) for row, hide in zip(rows, silent, strict=True))


async def _changes(context: QueryContext, rows: Sequence[TouchRow]) -> dict[tuple[str, int], tuple[AuditChange, ...]]:
    """Revisions that the entries began and ended, by (urn, index)."""
    wanted: dict[str, set[int]] = defaultdict(set)
    for row in rows:
        wanted[row.urn].add(row.entry.index)
    found: dict[tuple[str, int], tuple[AuditChange, ...]] = {}
    for urn, indices in wanted.items():
        began: dict[int, dict[str, RevisionRow]] = defaultdict(dict)
        ended: dict[int, dict[str, RevisionRow]] = defaultdict(dict)
        for revision in await context.graph.revisions(urn, context.at):
            if revision.from_ - 1 in indices:
                began[revision.from_ - 1][revision.fact] = revision
            if revision.to - 1 in indices:
                ended[revision.to - 1][revision.fact] = revision
        for index in indices:
            found[urn, index] = tuple(AuditChange(fact, _value(ended[index].get(fact)), _value(began[index].get(fact)))
                                      for fact in sorted((began[index].keys() | ended[index].keys()) - INTERPRETED))
    untold = await withheld(context, [[change.before, change.after] for changes in found.values() for change in changes])
    context.notes.restrict(sum(untold))
    silent = iter(untold)
    return {key: tuple(AuditChange(change.fact, None, None) if next(silent) else change for change in changes) for key, changes in found.items()}


def _value(revision: RevisionRow | None) -> Any:
    return revision.value if revision is not None else None


def _row(row: TouchRow, detail: Any, changes: tuple[AuditChange, ...], edges: tuple[AuditEdge, ...], known: Mapping[str, CommitRef], keyring: Keyring,
         size: int | None) -> AuditRow:
    entry = row.entry
    path = f"/api/v1/log/proof?index={entry.index}&size={size}" if size is not None else None
    return AuditRow(entry.index, row.urn or None, row.role, entry.event_type, entry.status, entry.reason, detail, entry.actor, entry.caller,
                    known.get(entry.commit or ""), of_micros(entry.claimed) if entry.claimed is not None else None, of_micros(entry.received), entry.signer,
                    entry.signed_by, key_state(keyring, entry.signer, entry.index, entry.received), entry.event_id, changes,
                    ProofReference(entry.index, size, path), edges)


def key_state(keyring: Keyring, signer: str, index: int, received: int) -> KeyState:
    """The key's validity at an entry, by index."""
    record, verdict = keyring.key(signer), keyring.validity(signer, index, received)
    state = "disputed" if verdict.disputed else "valid" if verdict.ok else "invalid"
    return KeyState(state, record.purpose if record else None, record.label if record else None, record.last_valid if record else None)
