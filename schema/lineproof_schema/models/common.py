"""Shapes that several event types share. JSON names are camelCase; unknown fields are kept."""
from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from lineproof_schema.urn import UrnError, parse_urn

__all__ = [
    "ColumnRef",
    "DatasetRef",
    "DatasetVersionRef",
    "EventData",
    "EventIndex",
    "GitSha",
    "Instant",
    "Name",
    "Repository",
    "Sha256",
    "SqlPosition",
    "Tenant",
    "TimePredicate",
    "UrnText",
    "WindowFrame",
]


def _canonical_urn(text: str) -> str:
    try:
        parse_urn(text)
    except UrnError as error:
        raise PydanticCustomError("invalid-urn", "{detail}", {"detail": error.detail}) from error
    return text


Name = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
GitSha = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")]
Tenant = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Repository = Annotated[str, StringConstraints(pattern=r"^[^/\s]+(/[^/\s]+)+$", max_length=1024)]  # host/owner/name, no scheme, no .git
UrnText = Annotated[str, StringConstraints(pattern=r"^urn:lineproof:", max_length=8192), AfterValidator(_canonical_urn)]
EventIndex = Annotated[int, Field(ge=0, le=2**53 - 1)]
Instant = AwareDatetime


class EventData(BaseModel):
    """Base of every event body: frozen, camelCase on the wire, unknown fields kept (additive evolution)."""

    model_config = ConfigDict(frozen=True, extra="allow", alias_generator=to_camel, populate_by_name=True)


class DatasetRef(EventData):
    """A dataset by its OpenLineage identity."""

    namespace: Name
    name: Name


class DatasetVersionRef(DatasetRef):
    """A version of a dataset: `version` is the id of its `lineproof.dataset-version.v1` event, or a `version` facet's value."""

    version: Name


class ColumnRef(DatasetRef):
    """A column of a dataset; nested columns are written with `path` parts."""

    column: Name


class SqlPosition(EventData):
    """Where in the source file something stands: 1-based line and column of its first character."""

    file: str | None = None
    line: int | None = Field(default=None, ge=1)
    column: int | None = Field(default=None, ge=1)


class TimePredicate(SqlPosition):
    """A comparison between two time columns found in SQL: `left op right [+ interval]`."""

    left: str
    op: str
    right: str
    interval: str | None = None


class WindowFrame(SqlPosition):
    """A window frame found in SQL, as written: what it orders by and its bounds."""

    expression: str
    partition_by: tuple[str, ...] = ()
    order_by: tuple[str, ...] = ()
    frame: str | None = None
