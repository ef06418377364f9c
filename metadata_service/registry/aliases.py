"""Aliases of features and models: where they point at a position, who moved them there, and where one step back leads."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from lineproof_schema.urn import parse_urn
from metadata_service.graph.ops import EntryRecord
from metadata_service.graph.port import GraphStore, NodeRow
from metadata_service.registry.errors import UnknownEntity
from metadata_service.registry.names import ALIAS_PREFIX, Kind, version_urn

__all__ = ["Alias", "AliasMove", "aliases_of", "history", "one_step_back"]

ALIAS_EVENT = "lineproof.alias.v1"
PAGE = 500
Long = Annotated[int, "Long"]


@dataclass(frozen=True, slots=True)
class Alias:
    """An alias at a position. `index` is the entry that moved it there: what the next move names as `expected`.

    `actor` is who the body names, `caller` the keyed hash of who sent it by the service's own signature.
    """

    alias: str
    version: str
    urn: str
    index: Long
    actor: str | None
    reason: str | None
    approval: str | None
    restores: Long | None
    moved_at: datetime | None
    caller: str | None
    signed_by: str | None


@dataclass(frozen=True, slots=True)
class AliasMove:
    """One attempt to move or delete (`to` null) an alias; `status` is applied, rejected or ignored, `outcome` why it was not applied."""

    index: Long
    alias: str | None
    to: str | None
    was: str | None
    status: str
    outcome: str | None
    expected: Long | None
    actor: str | None
    reason: str | None
    approval: str | None
    restores: Long | None
    logged_at: datetime
    caller: str | None
    signed_by: str


async def aliases_of(graph: GraphStore, row: NodeRow) -> tuple[Alias, ...]:
    """The aliases of a feature or model, by name, as the row has them."""
    found = []
    for fact, value in sorted(row.facts.items()):
        if fact.startswith(ALIAS_PREFIX) and isinstance(value, dict):
            found.append(_alias(row.urn, fact[len(ALIAS_PREFIX):], value, await graph.outcome(int(value["index"]))))
    return tuple(found)


async def history(graph: GraphStore, head: str, alias: str | None, size: int) -> tuple[AliasMove, ...]:
    """Every attempt on the aliases (or one) of `head` before `size`, oldest first, rejected ones too."""
    moves: list[AliasMove] = []
    after: int | None = None
    while True:
        page = await graph.touches([head], 0, size, after=after, limit=PAGE, event_types=[ALIAS_EVENT])
        moves += [_move(row.entry) for row in page]
        if len(page) < PAGE:
            return tuple(move for move in moves if alias is None or move.alias == alias)
        after = page[-1].entry.index


def one_step_back(moves: Sequence[AliasMove], alias: str, to: str | None = None) -> AliasMove:
    """The earlier move that a rollback of `alias` restores: the last one to another version (or to `to`).

    After a rollback the next step goes on from the move it restored, so that two steps back are two steps and not a circle.

    Raises:
        UnknownEntity: the alias was never moved, or there is nothing (no `to`) before.
    """
    applied = [move for move in moves if move.alias == alias and move.status in ("applied", "partial")]
    if not applied:
        raise UnknownEntity(f"there is no alias {alias!r}", alias=alias)
    now = applied[-1]
    if to is not None:
        found = next((move for move in reversed(applied) if move.to == to), None)
        if found is None or to == now.to:
            raise UnknownEntity(f"the alias {alias!r} {'already stands on' if to == now.to else 'was never on'} {to!r}", alias=alias)
        return found
    by_index = {move.index: move for move in applied}
    place = now
    while place.restores is not None and place.restores in by_index and place.restores < place.index:
        place = by_index[place.restores]
    found = next((move for move in reversed(applied) if move.index < place.index and move.to is not None and move.to != now.to), None)
    if found is None:
        raise UnknownEntity(f"the alias {alias!r} has no earlier version than {now.to!r}", alias=alias)
    while found.restores is not None and found.restores in by_index and found.restores < found.index:
        found = by_index[found.restores]
    return found


def _alias(head: str, alias: str, value: dict[str, Any], record: EntryRecord | None) -> Alias:
    parsed = parse_urn(head)
    kind: Kind = "feature" if parsed.kind == "feature" else "model"
    urn = version_urn(kind, parsed.components[0], parsed.name, str(value["version"]))
    return Alias(alias, str(value["version"]), urn, int(value["index"]), value.get("actor"), value.get("reason"), value.get("approval"),
                 value.get("restores"), _time(record.received) if record else None, record.caller if record else None, record.signed_by if record else None)


def _move(record: EntryRecord) -> AliasMove:
    said = record.detail or {}
    return AliasMove(record.index, said.get("alias"), said.get("to"), said.get("was"), record.status, record.reason, said.get("expected"), record.actor,
                     said.get("why"), said.get("approval"), said.get("restores"), _time(record.received), record.caller, record.signed_by)


def _time(micros: int) -> datetime:
    return datetime.fromtimestamp(micros // 1_000_000, UTC).replace(microsecond=micros % 1_000_000)
