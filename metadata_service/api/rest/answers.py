"""How results of intake look in JSON."""
from __future__ import annotations

import base64
from typing import Any

import orjson
from starlette.responses import Response

from lineproof_audit.append import Ack
from metadata_service.graph.ops import EntryRecord
from metadata_service.intake import ItemResult

__all__ = ["ack_body", "item_body", "json_response", "outcome_body"]


def json_response(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(orjson.dumps(body), status_code=status, media_type="application/json", headers=headers)


def ack_body(ack: Ack) -> dict[str, Any]:
    """`{index, leaf, salt, duplicate}`; leaf and salt in standard base64."""
    return {"index": ack.index, "leaf": base64.b64encode(ack.leaf).decode(), "salt": base64.b64encode(ack.salt).decode(), "duplicate": ack.duplicate}


def item_body(result: ItemResult) -> dict[str, Any]:
    """One item of a batch's answer: `{status, index, leaf, salt, duplicate}` or `{status, problem}`."""
    if result.ack is not None:
        return {"status": result.status, **ack_body(result.ack)}
    return {"status": result.status, "problem": result.problem()}


def outcome_body(record: EntryRecord) -> dict[str, Any]:
    """What the projector made of an entry."""
    return {"status": record.status, "reason": record.reason, "detail": record.detail}
