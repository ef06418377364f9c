"""Usage, cost and check results: the newest one of each is a fact of its subject, all of them are in the audit trail."""
from __future__ import annotations

from typing import Any

from lineproof_schema.models.common import EventData
from lineproof_schema.models.usage import CostData, QualityData, UsageData
from lineproof_schema.urn import parse_urn
from metadata_service.projector.names import column_urn
from metadata_service.projector.view import Draft, Rejected

__all__ = ["project_cost", "project_quality", "project_usage"]


def project_usage(draft: Draft, data: UsageData) -> None:
    """`lineproof.usage.v1` -> `usage:<reader>` (`usage:*` without one)."""
    _fact(draft, data.subject, f"usage:{data.reader or '*'}", data)


def project_cost(draft: Draft, data: CostData) -> None:
    """`lineproof.cost.v1` -> `cost:<service name>` (`cost:*` without one)."""
    _fact(draft, data.subject, f"cost:{data.service_name or '*'}", data)


def project_quality(draft: Draft, data: QualityData) -> None:
    """`lineproof.quality.v1` -> `quality:<check>`, on the column too if it names one of its dataset."""
    fact = f"quality:{data.check}"
    _fact(draft, data.subject, fact, data)
    parsed = parse_urn(data.subject)
    if data.column is not None and parsed.kind == "dataset":
        _fact(draft, column_urn(data.subject, data.column), fact, data)


def _fact(draft: Draft, urn: str, fact: str, data: EventData) -> None:
    draft.touch(urn)
    if not draft.exists(urn):
        raise Rejected("unknown-urn", "there is no such entity", urn=urn)
    said: dict[str, Any] = data.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"subject"})
    draft.revise(urn, fact.replace("\0", "\ufffd"), said)
