"""Reads, cost and quality checks."""
from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from lineproof_schema.models.common import EventData, Instant, Name, UrnText
from lineproof_schema.models.features import TimeWindow

__all__ = ["CostData", "QualityData", "UsageData"]


class UsageData(EventData):
    """`lineproof.usage.v1`: reads over a window."""

    subject: UrnText
    reader: str | None = None
    count: int = Field(ge=0)
    window: TimeWindow


class CostData(EventData):
    """`lineproof.cost.v1`: the cost of a run or of storage, in FOCUS terms."""

    subject: UrnText
    window: TimeWindow | None = None
    service_name: str | None = None
    consumed_quantity: float | None = Field(default=None, ge=0)
    consumed_unit: str | None = None
    effective_cost: float | None = None
    billing_currency: str | None = Field(default=None, pattern=r"^[A-Z]{3}$")


class QualityData(EventData):
    """`lineproof.quality.v1`: the result of a check."""

    subject: UrnText
    version: str | None = None
    check: Name
    severity: Literal["info", "warn", "error"] = "error"
    success: bool
    expected: Any = None
    actual: Any = None
    column: str | None = None
    run_id: str | None = None
    checked_at: Instant | None = None
