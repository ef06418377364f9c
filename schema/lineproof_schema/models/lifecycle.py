"""Ends of things, derivations by the service, and in-toto statements."""
from __future__ import annotations

from typing import Any, Final, Literal, Self

from pydantic import Field, model_validator

from lineproof_schema.models.common import DatasetRef, EventData, EventIndex, Name, Sha256, SqlPosition, TimePredicate, UrnText, WindowFrame

__all__ = ["REPRODUCTION_TYPE", "ColumnDerivation", "DerivationData", "InputField", "StatementData", "TombstoneData"]

REPRODUCTION_TYPE: Final = "https://lineproof.dev/reproduction/v1"  # predicate of a statement on what a rebuild came to


class TombstoneData(EventData):
    """`lineproof.tombstone.v1`: an entity ceased, or an entry is retracted. Exactly one of `urn` and `entry`."""

    urn: UrnText | None = None
    entry: EventIndex | None = None
    reason: Name

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        if (self.urn is None) == (self.entry is None):
            raise ValueError("give exactly one of urn and entry")
        return self


class InputField(EventData):
    """An input column of an output column, in the terms of OpenLineage's columnLineage facet."""

    namespace: Name
    name: Name
    field: Name
    type: Literal["DIRECT", "INDIRECT"] = "DIRECT"
    subtype: str | None = None


class ColumnDerivation(SqlPosition):
    """How one output column is made. `status` is `complete`, `partial` or `unknown`, with the reason."""

    output: DatasetRef
    field: Name
    inputs: tuple[InputField, ...] = ()
    expression: str | None = None
    status: Literal["complete", "partial", "unknown"] = "complete"
    reason: str | None = None


class DerivationData(EventData):
    """`lineproof.derivation.v1`: the service's parser found column lineage in SQL that a producer sent.

    It applies to all runs of (job, SHA-256 of the SQL) from its index on. `entry` is the entry whose SQL was read.
    """

    job: DatasetRef
    sql: Sha256
    dialect: str | None = None
    parser: Name
    entry: EventIndex | None = None
    columns: tuple[ColumnDerivation, ...] = ()
    time_predicates: tuple[TimePredicate, ...] = ()
    window_frames: tuple[WindowFrame, ...] = ()
    status: Literal["complete", "partial", "unknown"]
    reason: str | None = None


class StatementData(EventData):
    """`lineproof.statement.v1`: an in-toto Statement v1 carried as data."""

    type: str = Field(alias="_type", pattern=r"^https://in-toto\.io/Statement/v1$")
    subject: tuple[dict[str, Any], ...] = Field(min_length=1)
    predicate_type: Name
    predicate: dict[str, Any]
