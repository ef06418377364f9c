"""The CloudEvents 1.0 envelope (structured JSON mode) around an event body.

Source: CloudEvents 1.0.2 specification, sections "Required Attributes" and "Extension Context Attributes".
"""
from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from lineproof_schema.models.common import Instant, Name, Sha256

__all__ = ["CloudEvent"]


class CloudEvent(BaseModel):
    """Attributes of the event; `data` is validated apart, by the model of its `type`.

    `audience` (origin of the log), `stream`, `sequence` and `previoushash` are extension attributes of signed producers; with
    them a withheld event shows as a gap and an envelope for one log is refused by another.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    specversion: Literal["1.0"] = "1.0"
    id: Name
    source: Name
    type: Name
    time: Instant
    datacontenttype: str = "application/json"
    subject: str | None = None
    audience: str | None = None
    stream: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$")] | None = None
    sequence: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*$")] | None = None
    previoushash: Sha256 | None = None
    streamclosed: bool | None = None
    data: dict[str, Any] = Field(default_factory=dict)
