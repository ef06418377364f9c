"""Moving aliases for callers without a signing key: an event in their name, signed by the notary, and its outcome."""
from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Any, Final

from lineproof_schema.errors import LineproofError
from lineproof_schema.urn import parse_urn
from metadata_service.access import Viewer
from metadata_service.api.alias_change import AliasChange, MoveOutcome
from metadata_service.api.outcome import outcome_of
from metadata_service.api.services import Services
from metadata_service.queries.context import Asked, QueryContext, Room, answer
from metadata_service.queries.features import locate
from metadata_service.registry.aliases import AliasMove, history, one_step_back
from metadata_service.registry.errors import UnknownEntity
from metadata_service.registry.names import Kind

__all__ = ["AliasMover"]

ALIAS_EVENT: Final = "lineproof.alias.v1"
SOURCE: Final = "lineproof/api"


class AliasMover:
    """Writes for one caller. What the caller may move is intake's to say, what becomes of it the projector's."""

    def __init__(self, services: Services, viewer: Viewer, room: Room) -> None:
        self._services = services
        self._viewer = viewer
        self._room = room

    async def move(self, change: AliasChange, *, wait: bool = True) -> MoveOutcome:
        """Append the move and wait for its outcome.

        Raises:
            LineproofError: what intake refused it with, or `rejected` with index and outcome.
        """
        urn = await answer(self._room, self._viewer, Asked(), lambda context: self._head(context, change.kind, change.name))
        return await self._append(urn, change, wait=wait)

    async def rollback(self, kind: Kind, name: str, alias: str, to: str | None, reason: str | None, approval: str | None, *, wait: bool = True) -> MoveOutcome:
        """Move the alias one step back (or to an earlier version), from where it stands now.

        Raises:
            UnknownEntity: there is no such alias, or nothing before.
        """

        async def plan(context: QueryContext) -> tuple[str, AliasMove | None, AliasMove]:
            urn = await self._head(context, kind, name)
            moves = [move for move in await history(context.graph, urn, alias, context.size) if move.status in ("applied", "partial")]
            return urn, moves[-1] if moves else None, one_step_back(moves, alias, to)

        urn, now, before = await answer(self._room, self._viewer, Asked(), plan)
        assert now is not None
        change = AliasChange(kind, name, alias, before.to, now.index if now.to is not None else None, reason or f"rollback of entry {now.index}", approval,
                             before.index)
        return await self._append(urn, change, wait=wait)

    async def _head(self, context: QueryContext, kind: Kind, name: str) -> str:
        head, row = await locate(context, name, kind)
        if head.selector is not None:
            raise UnknownEntity(f"name the {kind}, not a version of it: {name[:200]!r}")
        if row is None:
            raise UnknownEntity(f"there is no {kind} {name[:200]!r}")
        return row.urn

    async def _append(self, urn: str, change: AliasChange, *, wait: bool) -> MoveOutcome:
        namespace, name = parse_urn(urn).components
        data: dict[str, Any] = {"kind": change.kind, "namespace": namespace, "name": name, "alias": change.alias, "to": change.to,
                                "expected": change.expected, "reason": change.reason, "approval": change.approval, "actor": self._viewer.id}
        if change.restores is not None:
            data["details"] = {"restores": change.restores}
        said = {key: value for key, value in data.items() if value is not None or key == "to"}
        event = {"specversion": "1.0", "id": uuid.uuid4().hex, "source": SOURCE, "type": ALIAS_EVENT, "audience": self._services.origin,
                 "time": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"), "datacontenttype": "application/json", "data": said}
        result = await self._services.intake.accept(json.dumps(event, ensure_ascii=False).encode(), self._viewer, "notarised")
        if result.ack is None:
            assert result.error is not None
            raise result.error
        index = result.ack.index
        record = await outcome_of(self._services, index) if wait else None
        detail = record.detail if record is not None and record.detail is not None else {}
        outcome = MoveOutcome(index, urn, change.alias, detail.get("was"), change.to, change.restores, record.status if record else None,
                              record.reason if record else None)
        if record is not None and record.status == "rejected":
            raise LineproofError(f"entry {index} was rejected: {detail.get('message') or record.reason}", code="rejected", index=index, reason=record.reason,
                                 outcome=detail)
        return outcome
